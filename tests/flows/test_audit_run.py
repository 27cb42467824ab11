"""Audits of many clips: each once, in order, and on after whatever ended the last one."""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from audit_workers import audit_or_die
from conftest import moving_picture, write_mp4

from detector import HeadNotFound
from detector.head import ENCODER_HEAD
from flows.audit_outputs import audited, in_this_process
from flows.audit_run import Audit, InPool, Session, WorkersFail
from flows.auditing import Job, audit_rows, blank_row
from flows.clip_lists import Entry, clips_of
from flows.row_log import Row, RowLog
from flows.settings import Settings
from media import FetchFailed, OutputError
from provenance.keys import KeyStore


@pytest.fixture(scope="module")
def two_clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    folder = tmp_path_factory.mktemp("two")
    made = (write_mp4(folder / f"{seed}.mp4", moving_picture(20, 160, 192, seed), rate=8) for seed in (0, 1))
    one, other = (path.read_bytes() for path in made)
    return one, other


@pytest.fixture
def clips(two_clips: tuple[bytes, bytes], tmp_path: Path) -> Path:
    """Two clips, a copy of the first, and what is no clip."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for name, content in zip(("a.mp4", "b.mp4", "c.mp4"), (*two_clips, two_clips[0]), strict=True):
        (folder / name).write_bytes(content)
    (folder / "d.mp4").write_text("not a video")
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


class Pool:
    """Examines in this process, for real, and remembers what."""

    def __init__(self) -> None:
        self.examined: list[str] = []
        self.sessions = 0

    def __call__(self, session: Session) -> None:
        self.sessions += 1
        session(self.submit)

    def submit(self, settings: Settings, jobs: list[Job]) -> "Future[list[Row]]":
        self.examined += [Path(job.name).name for job in jobs]
        done: Future[list[Row]] = Future()
        done.set_result(audit_rows(settings, jobs))
        return done


@pytest.fixture
def pool() -> Pool:
    return Pool()


@pytest.fixture
def audit(settings: Settings, pool: Pool, clips: Path, tmp_path: Path) -> Callable[..., list[Row]]:
    """Audits the folder of clips into the folder `out`."""

    def run(*sources: str | Path, **options: Any) -> list[Row]:
        pool.examined.clear()
        entries = clips_of(map(str, sources or [clips]))
        options = {"in_pool": pool, "out": tmp_path / "out"} | options
        with audited(settings, entries, **options) as done:
            return list(done.rows)

    return run


def test_every_entry_has_its_row_in_order_and_says_what_was_given(
    audit: Callable[..., list[Row]], clips: Path, tmp_path: Path
) -> None:
    (tmp_path / "m.csv").write_text(
        "path,case\n" + "".join(f"{clips / n}.mp4,{n}{k}\n" for n, k in ("d1", "x2", "b3", "d4"))
    )
    rows = audit(tmp_path / "m.csv", clips / "a.mp4")
    assert [Path(row["path"]).stem for row in rows] == ["d", "x", "b", "a"]
    assert [row["given"] for row in rows] == [{"case": "d1"}, {"case": "x2"}, {"case": "b3"}, None]
    assert "not a video" in rows[0]["error"]
    assert rows[1]["error"] == f"{clips / 'x.mp4'}: no such file"
    assert rows[2]["verdict"] in {"likely_ai", "likely_camera", "inconclusive"}
    assert {row["head_id"] for row in rows if row["sha256"]} == {ENCODER_HEAD}
    assert json.loads((tmp_path / "out" / "report.json").read_text())["rows"] == rows


def test_equal_bytes_are_examined_once_and_both_have_a_row(
    audit: Callable[..., list[Row]], pool: Pool, clips: Path
) -> None:
    (clips / "e.mp4").write_text("not a video")
    a, b, c, d, e = audit()
    assert sorted(pool.examined) == ["a.mp4", "b.mp4", "d.mp4"]
    assert [row["duplicate_of"] for row in (a, b, d)] == [None] * 3
    assert c["duplicate_of"] == a["path"]
    assert (c["p_ai"], c["verdict"], c["evidence"]) == (a["p_ai"], a["verdict"], a["evidence"])
    assert e["error"] == d["error"].replace("d.mp4", "e.mp4")


def test_a_finished_audit_examines_nothing_again(
    audit: Callable[..., list[Row]], pool: Pool, clips: Path
) -> None:
    (clips / "d.mp4").unlink()
    first = audit()
    sessions = pool.sessions
    assert audit() == first
    assert (pool.examined, pool.sessions) == ([], sessions)
    assert audit(is_fresh=True) == first
    assert sorted(pool.examined) == ["a.mp4", "b.mp4"]


def test_what_failed_is_tried_again(audit: Callable[..., list[Row]], pool: Pool, clips: Path) -> None:
    first = audit()
    assert audit() == first
    assert pool.examined == ["d.mp4"]  # its reason may have been of the moment


def test_only_what_changed_is_examined_again(
    audit: Callable[..., list[Row]], pool: Pool, clips: Path
) -> None:
    before = audit()
    os.utime(clips / "a.mp4")  # the same bytes at another time
    (clips / "b.mp4").write_bytes((clips / "b.mp4").read_bytes() + b"\0\0\0\x08free")
    (clips / "e.mp4").write_bytes((clips / "c.mp4").read_bytes())
    after = audit()
    assert sorted(pool.examined) == ["b.mp4", "d.mp4"]
    assert after[0] == before[0] | {"modified_ns": after[0]["modified_ns"]}
    assert after[1]["sha256"] != before[1]["sha256"]
    assert after[4]["duplicate_of"] == after[0]["path"]


def test_a_copy_stands_for_itself_once_the_first_is_gone(
    audit: Callable[..., list[Row]], pool: Pool, clips: Path
) -> None:
    audit()
    (clips / "a.mp4").unlink()
    _, c, _ = audit()
    assert (c["duplicate_of"], pool.examined) == (None, ["d.mp4"])
    again = audit(clips / "a.mp4", clips)
    assert again[0]["error"].endswith("no such file")


def test_rows_made_with_other_keys_are_not_kept(
    audit: Callable[..., list[Row]], pool: Pool, settings: Settings, clips: Path
) -> None:
    (before,) = audit(clips / "a.mp4")
    settings.home.mkdir(exist_ok=True)
    KeyStore(settings.keys_folder).create()
    (after,) = audit(clips / "a.mp4")
    assert pool.examined == ["a.mp4"]
    assert after["terms"] != before["terms"]


def test_an_audit_that_was_killed_in_the_middle_of_a_row_goes_on(
    audit: Callable[..., list[Row]], pool: Pool, tmp_path: Path
) -> None:
    whole = audit()
    rows = tmp_path / "out" / "rows.jsonl"
    lines = rows.read_bytes().splitlines(keepends=True)
    rows.write_bytes(b"".join(lines[:-1]) + lines[-1][:50])
    assert audit() == whole
    assert len(pool.examined) <= 1


class Stop(BaseException):
    """Ctrl-C."""


def test_an_interrupted_audit_keeps_its_rows(
    audit: Callable[..., list[Row]], pool: Pool, tmp_path: Path
) -> None:
    def stop_after_two(tally: Any) -> None:
        if tally.done == 2:
            raise Stop

    with pytest.raises(Stop):
        audit(tell=stop_after_two)
    assert not (tmp_path / "out" / "report.json").exists()
    rows = audit()
    assert len(pool.examined) == 1
    assert [Path(row["path"]).name for row in rows] == ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]


@pytest.fixture
def in_processes(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], InPool]:
    # The server that forks the workers imports this once for all of them, and finds it by the environment alone.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    return _in_processes


def _in_processes(workers: int) -> InPool:
    context = get_context("forkserver")
    context.set_forkserver_preload(["audit_workers"])

    def in_pool(session: Session) -> None:
        with ProcessPoolExecutor(workers, mp_context=context) as executor:
            session(lambda settings, jobs: executor.submit(audit_or_die, settings, jobs))

    return in_pool


@pytest.mark.parametrize("batches", [50, 1], ids=["one at a time", "in batches of three"])
def test_a_clip_that_kills_its_worker_has_a_row_and_the_others_have_theirs(
    batches: int,
    audit: Callable[..., list[Row]],
    clips: Path,
    in_processes: Callable[[int], InPool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flows.audit_run._BATCHES_A_WORKER", batches)
    expected = audit()
    for name, content in (("aa-deadly", b"one"), ("ba-deadly", b"one"), ("e-deadly", b"another")):
        (clips / f"{name}.mp4").write_bytes(content)
    found = audit(is_fresh=True, in_pool=in_processes(2), workers=2)
    rows = {Path(row["path"]).stem: row for row in found}
    assert [rows[name] for name in "abcd"] == expected
    for name in ("aa-deadly", "ba-deadly", "e-deadly"):
        assert "ended without a word, alone, too" in rows[name]["error"]
    assert rows["ba-deadly"]["duplicate_of"] == rows["aa-deadly"]["path"]


def test_workers_that_never_live_are_no_fault_of_the_clips(
    audit: Callable[..., list[Row]], tmp_path: Path, in_processes: Callable[[int], InPool]
) -> None:
    for number in range(5):
        (tmp_path / f"deadly-{number}.mp4").write_text(str(number))
    with pytest.raises(WorkersFail, match="3 workers in a row") as caught:
        audit(*sorted(tmp_path.glob("deadly-*")), in_pool=in_processes(1))
    assert caught.value.hint


def test_a_slow_clip_holds_nobody_up(settings: Settings, tmp_path: Path) -> None:
    """Places are filled as they get free: while the first clip takes its time, all others get done."""
    entries = []
    for number in range(40):
        (tmp_path / f"{number:02}.mp4").write_text(str(number))
        entries.append(Entry(str(tmp_path / f"{number:02}.mp4")))
    open_batches: list[tuple[list[Job], Future[list[Row]]]] = []
    most = 0
    all_others_done = threading.Event()

    def submit(_: Settings, jobs: list[Job]) -> "Future[list[Row]]":
        nonlocal most
        future: Future[list[Row]] = Future()
        open_batches.append((jobs, future))
        most = max(most, len(open_batches))
        return future

    def work() -> None:
        done = 0
        while done < 39:
            if len(open_batches) > 1 or (open_batches and open_batches[0][0][0].name != entries[0].name):
                jobs, future = open_batches.pop(1 if open_batches[0][0][0].name == entries[0].name else 0)
                done += len(jobs)
                future.set_result([blank_row(job.name) | {"verdict": "inconclusive"} for job in jobs])
        all_others_done.set()
        jobs, future = open_batches.pop()
        future.set_result([blank_row(job.name) | {"verdict": "inconclusive"} for job in jobs])

    worker = threading.Thread(target=work)
    worker.start()
    with RowLog(tmp_path / "rows.jsonl") as log:
        rows = Audit(settings, entries, log, workers=2).run(lambda session: session(submit))
        assert [row["path"] for row in rows] == [entry.name for entry in entries]
    worker.join()
    assert all_others_done.is_set()
    assert most <= 2 * 2


def test_pools_are_replaced_now_and_then(
    audit: Callable[..., list[Row]], pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.audit_run._SESSION_BATCHES", 1)
    rows = audit()
    assert pool.sessions == len(pool.examined) == 3
    assert [Path(row["path"]).name for row in rows] == ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]


def test_urls_need_leave(audit: Callable[..., list[Row]], pool: Pool) -> None:
    (row,) = audit("https://example.com/clip.mp4")
    assert "--allow-urls" in row["error"]
    assert pool.examined == []


@pytest.fixture
def fetch(clips: Path) -> Iterator[Callable[..., None]]:
    """A web with two clips on it; how a download itself goes is told in tests/media/test_fetch.py."""
    left: list[Path] = []

    def get(url: str, target: Path, stopped: threading.Event) -> None:
        source = clips / url.rpartition("/")[2]
        if not source.exists():
            raise FetchFailed(f"{url}: the server answers 404")
        target.write_bytes(source.read_bytes())
        left.append(target)

    yield get
    assert left
    assert not [path for path in left if path.exists()]


def test_fetched_clips_have_rows_under_their_urls_and_leave_no_file(
    audit: Callable[..., list[Row]], pool: Pool, clips: Path, fetch: Callable[..., None]
) -> None:
    web = "https://example.com"
    urls = [f"{web}/b.mp4", f"{web}/nothing.mp4", f"{web}/a.mp4", f"{web}/d.mp4"]
    local, b, nothing, a, d = audit(clips / "a.mp4", *urls, fetch=fetch)
    assert sorted(pool.examined) == ["a.mp4", "b.mp4", "d.mp4"]
    assert (b["path"], b["error"]) == (urls[0], None)
    assert nothing["error"] == f"{urls[1]}: the server answers 404"
    assert a["duplicate_of"] == local["path"]
    assert d["error"].startswith(f"{web}/d.mp4: ")
    again = audit(clips / "a.mp4", *urls, fetch=fetch)
    assert again == [local, b, nothing, a, d]
    assert pool.examined == ["d.mp4"]


def test_two_audits_never_share_a_folder(audit: Callable[..., list[Row]], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with RowLog(tmp_path / "out" / "rows.jsonl"), pytest.raises(OutputError, match="another audit"):
        audit()


@pytest.mark.parametrize("out", ["nothing/rows.json", "file/rows", "file"])
def test_an_output_that_cannot_be_written_is_said_before_the_work(
    out: str, audit: Callable[..., list[Row]], pool: Pool, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        audit(out=tmp_path / out)
    assert pool.examined == []


def test_one_clip_needs_no_pool(settings: Settings, clips: Path, tmp_path: Path) -> None:
    entries = [Entry(str(clips / "a.mp4"))]
    with audited(settings, entries, in_pool=in_this_process, out=tmp_path / "rows.csv") as done:
        assert done.rows[0]["error"] is None
    assert (tmp_path / "rows.csv").read_text().startswith("path,verdict,p_ai")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips", "home", "rows.csv"]
    assert [path.name for path in settings.home.iterdir()] == ["cache"]


def test_a_cache_that_cannot_be_written_costs_no_verdict(settings: Settings, clips: Path) -> None:
    settings.home.mkdir()
    settings.cache_folder.write_text("in the way")
    row = audit_rows(settings, [Job("a", str(clips / "a.mp4"))])[0]
    assert (row["error"], row["path"]) == (None, "a")
    assert row["verdict"] is not None


def test_a_fresh_audit_that_cannot_begin_throws_nothing_away(
    audit: Callable[..., list[Row]], settings: Settings, clips: Path, tmp_path: Path
) -> None:
    audit()
    kept = (tmp_path / "out" / "rows.jsonl").read_bytes()
    wrong = settings.model_copy(update={"head": "no/such/head"})
    entries = clips_of([str(clips)])
    with (
        pytest.raises(HeadNotFound),
        audited(wrong, entries, in_pool=Pool(), out=tmp_path / "out", is_fresh=True),
    ):
        pass
    assert (tmp_path / "out" / "rows.jsonl").read_bytes() == kept
