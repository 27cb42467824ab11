"""Which clips a command means, however they are named."""

import io
import os
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from flows.clip_lists import Entry, ListUnreadable, clips_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with clips in it."""
    for name in ("b.mp4", "a.MOV", "notes.pdf", "sub/c.webm", "sub/called.mp4/d.gif", "-dash.mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"clip")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*sources: str, stdin: bytes = b"") -> list[str]:
    return [entry.name for entry in clips_of(sources, stdin=io.BytesIO(stdin))]


def test_a_folder_is_searched_for_video_names_in_order(folder: Path) -> None:
    inside = ["-dash.mp4", "a.MOV", "b.mp4", "sub/called.mp4", "sub/c.webm", "sub/called.mp4/d.gif"]
    assert sorted(names(".")) == sorted(inside)
    assert names(".") == names(".")
    assert names(str(folder)) == [str(folder / name) for name in names(".")]


def test_patterns_find_files_and_folders(folder: Path) -> None:
    assert names("*.mp4") == ["-dash.mp4", "b.mp4"]
    assert names(f"{folder}/**/*.webm") == [f"{folder}/sub/c.webm"]
    assert names("s*") == ["sub/c.webm", "sub/called.mp4", "sub/called.mp4/d.gif"]
    assert names("nothing-*.mp4") == ["nothing-*.mp4"]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(folder: Path) -> None:
    (folder / "clip[1].mp4").touch()
    assert names("clip[1].mp4") == ["clip[1].mp4"]


def test_lists_give_every_entry_once_missing_ones_too(folder: Path) -> None:
    (folder / "list.txt").write_text(
        "\ufeffb.mp4\n# a comment\n\n  ./b.mp4 \nmissing.mp4\r\n-dash.mp4\nhttps://example.com/x.mp4\nb.mp4\n"
    )
    expected = ["b.mp4", "missing.mp4", "-dash.mp4", "https://example.com/x.mp4"]
    assert names("list.txt") == expected
    assert names("-", stdin=(folder / "list.txt").read_bytes()) == expected
    assert names("b.mp4", "list.txt", "b.mp4") == expected


def test_names_in_a_list_are_bytes(folder: Path) -> None:
    os.close(os.open(b"latin\xe9.mp4", os.O_CREAT))
    (name,) = names("-", stdin=b"latin\xe9.mp4\n")
    assert Path(name).exists()
    assert name in names(".")


def test_relative_names_count_from_here_or_else_from_the_list(folder: Path) -> None:
    (folder / "sub" / "list.txt").write_text("b.mp4\nc.webm\nneither.mp4\n")
    assert names("sub/list.txt") == ["b.mp4", "sub/c.webm", "neither.mp4"]


def test_a_csv_manifest_carries_its_other_columns(folder: Path) -> None:
    (folder / "m.csv").write_text(
        '\ufeffpath,uploader,note\nb.mp4,=cmd(),"two\nlines"\n"new\nline.mp4",x\n,nobody,\nb.mp4,again,\n'
    )
    assert clips_of(["m.csv"]) == [
        Entry("b.mp4", {"uploader": "=cmd()", "note": "two\nlines"}),
        Entry("new\nline.mp4", {"uploader": "x", "note": None}),
    ]


def test_a_manifest_may_name_urls(folder: Path) -> None:
    (folder / "m.csv").write_text("id,url\n7,https://example.com/a b.mp4?x=1\n")
    (entry,) = clips_of(["m.csv"])
    assert entry == Entry("https://example.com/a b.mp4?x=1", {"id": "7"})
    assert entry.is_url


def test_a_parquet_manifest_carries_its_other_columns(folder: Path) -> None:
    table = pyarrow.table(
        {
            "path": ["b.mp4", None],
            "url": [None, "https://example.com/y.mp4"],
            "views": [3, None],
            "score": [0.5, float("nan")],
            "day": pyarrow.array([0, 1], pyarrow.date32()),
        }
    )
    pyarrow.parquet.write_table(table, folder / "m.parquet")
    first, second = clips_of(["m.parquet"])
    assert first == Entry("b.mp4", {"url": None, "views": 3, "score": 0.5, "day": "1970-01-01"})
    assert second == Entry("https://example.com/y.mp4", {"views": None, "score": None, "day": "1970-01-02"})


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("m.csv", b"file,label\nb.mp4,ai\n", "neither a column"),
        ("m.csv", b"", "neither a column"),
        ("m.csv", b"path\n" + b"x" * 200_000 + b"\n", "cannot be read"),
        ("m.parquet", b"PAR1 and rubbish", "cannot be read"),
        ("m.parquet", b"", "cannot be read"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_refused(
    name: str, content: bytes, reason: str, folder: Path
) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(ListUnreadable, match=reason) as caught:
        clips_of([name])
    assert caught.value.hint


def test_a_parquet_file_without_clips_is_refused(folder: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"file": ["b.mp4"]}), folder / "m.parquet")
    with pytest.raises(ListUnreadable, match="neither a column"):
        clips_of(["m.parquet"])


def test_a_name_that_the_system_refuses_is_a_clip_that_is_not_there(folder: Path) -> None:
    long = "s3://bucket/" + "x" * 300 + ".mp4"
    (folder / "list.txt").write_text(f"b.mp4\n{long}\n")
    assert names("list.txt")[0] == "b.mp4"
    assert names("list.txt")[1].endswith("x.mp4")
    assert names("y" * 300 + ".mp4") == ["y" * 300 + ".mp4"]
