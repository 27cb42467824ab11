"""Rows on disk: what was written whole is there again, whatever cut the writing short."""

import json
import resource
from pathlib import Path

import pytest

from flows.row_log import RowLog
from media import OutputError

ROWS = [
    {"path": "a.mp4", "n": 1},
    {"path": "line\nbreak\u2028.mp4", "n": 2},
    {"path": "latin\udce9.mp4", "n": 3},
]


def write(path: Path) -> bytes:
    with RowLog(path) as log:
        for row in ROWS:
            log.append(row)
    return path.read_bytes()


def test_rows_come_back_by_path_and_in_any_order(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl")
    with RowLog(tmp_path / "rows.jsonl") as log:
        assert len(log) == 3
        assert [log.row(row["path"]) for row in ROWS] == ROWS  # type: ignore[arg-type]
        assert log.get("b.mp4") is None
        rows = log.rows(["latin\udce9.mp4", "a.mp4"])
        assert list(rows) == [rows[0], rows[1]] == [ROWS[2], ROWS[0]]
        assert list(rows[1:]) == [ROWS[0]]


def test_the_last_row_of_a_path_counts(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl")
    for _ in range(2):
        with RowLog(tmp_path / "rows.jsonl") as log:
            log.append({"path": "a.mp4", "n": 4})
            assert log.get("a.mp4") == {"path": "a.mp4", "n": 4}
            assert len(log) == 3


def test_wherever_the_file_is_cut_whole_lines_stay_and_new_ones_can_be_added(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    whole = write(path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        kept = whole[:length].count(b"\n")
        with RowLog(path) as log:
            assert len(log) == kept
            log.append({"path": "new.mp4"})
        lines = path.read_bytes().splitlines()
        assert [json.loads(line) for line in lines] == [*ROWS[:kept], {"path": "new.mp4"}]


def test_a_line_that_is_no_row_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    whole = write(path)
    path.write_bytes(b'{"path": "to\n[1]\n{"path": 3}\n\xff\xfe\n' + whole)
    with RowLog(path) as log:
        assert len(log) == 3
        assert log.row("a.mp4") == ROWS[0]


def test_a_fresh_log_is_empty(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl")
    with RowLog(tmp_path / "rows.jsonl", is_fresh=True) as log:
        assert len(log) == 0


def test_one_process_has_the_log_at_a_time(tmp_path: Path) -> None:
    with (
        RowLog(tmp_path / "rows.jsonl"),
        pytest.raises(OutputError, match="another audit"),
        RowLog(tmp_path / "rows.jsonl"),
    ):
        pass


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        RowLog(tmp_path / "nothing" / "rows.jsonl")


def test_a_row_for_which_the_disk_has_no_room_spoils_no_other(tmp_path: Path) -> None:
    with RowLog(tmp_path / "rows.jsonl") as log:
        log.append({"path": "a", "n": 1})
        size = (tmp_path / "rows.jsonl").stat().st_size
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (size + 20, limits[1])
        )  # the kernel writes 20 bytes and no more
        try:
            with pytest.raises(OutputError):
                log.append({"path": "b", "text": "x" * 200})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert (tmp_path / "rows.jsonl").stat().st_size == size
        log.append({"path": "c", "n": 3})
        assert log.row("c") == {"path": "c", "n": 3}
    with RowLog(tmp_path / "rows.jsonl") as again:
        assert [again.get(path) for path in "abc"] == [{"path": "a", "n": 1}, None, {"path": "c", "n": 3}]
