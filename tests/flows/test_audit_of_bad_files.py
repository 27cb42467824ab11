"""Everything that a folder of clips from strangers may hold has its row, with a reason where there is no verdict."""

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import moving_picture, write_mp4
from PIL import Image

from flows.audit_outputs import audited
from flows.audit_run import Session
from flows.auditing import audit_rows
from flows.clip_lists import Entry, clips_of
from flows.row_log import Row
from flows.settings import Settings


def good(path: Path) -> None:
    write_mp4(path, moving_picture(20, 160, 192), rate=8)


def corrupt(path: Path) -> None:
    good(path)
    content = bytearray(path.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[start:end] = b"\xa5" * (end - start)
    path.write_bytes(content)


def truncated(path: Path) -> None:
    good(path)
    path.write_bytes(path.read_bytes()[:-400])


def tiny(path: Path) -> None:
    write_mp4(path, moving_picture(20, 64, 128)[:, :16, :16], rate=8)


def still(path: Path) -> None:
    write_mp4(path, np.repeat(moving_picture(1, 160, 192), 20, 0), rate=8)


def black(path: Path) -> None:
    write_mp4(path, np.zeros((20, 160, 192, 3), np.uint8), rate=8)


def one_frame(path: Path) -> None:
    write_mp4(path, moving_picture(1, 160, 192))


def four_hours(path: Path) -> None:
    """A frame every ten seconds: small on disk, long on the clock."""
    picture = np.zeros((1440, 32, 32, 3), np.uint8)
    write_mp4(path, picture, times=[Fraction(10 * k) for k in range(len(picture))])


def eight_k(path: Path) -> None:
    small = moving_picture(3, 135, 240)
    write_mp4(path, small.repeat(32, 1).repeat(32, 2))


def more_than_eight_k(path: Path) -> None:
    write_mp4(path, np.zeros((1, 64, 16384, 3), np.uint8).repeat(40, 1))


def animated_gif(path: Path) -> None:
    first, *rest = (Image.fromarray(picture) for picture in moving_picture(20, 160, 192))
    first.save(path, save_all=True, append_images=rest, duration=120, loop=0, format="GIF")


def variable_rate(path: Path) -> None:
    steps = np.random.default_rng(0).uniform(0.02, 0.3, 24).cumsum()
    times = [Fraction(int(1000 * step), 1000) for step in steps]
    write_mp4(path, moving_picture(24, 160, 192), times=times)


def audio_only(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=44100, layout="mono")
        for block in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, 1024 * block
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def encrypted(path: Path) -> None:
    """As common encryption leaves it: the sample entry is `encv`, and the packets are noise."""
    good(path)
    content = bytearray(path.read_bytes())
    entry = content.index(b"avc1", content.index(b"stsd"))
    content[entry : entry + 4] = b"encv"
    start = content.index(b"mdat") + 4
    end = content.index(b"moov") - 4
    content[start:end] = np.random.default_rng(0).bytes(end - start)
    path.write_bytes(content)


def text(path: Path) -> None:
    path.write_text("I am a text.\n" * 100)


def empty(path: Path) -> None:
    path.touch()


def playlist(path: Path) -> None:
    path.write_text("ffconcat version 1.0\nfile /etc/hostname\n")


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def dangling_link(path: Path) -> None:
    path.symlink_to("nowhere.mp4")


# What makes it; the reason, where there is no verdict; the limit that the evidence names, where it is inconclusive.
FILES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "good.mp4": (good, "", ""),
    "corrupt.mp4": (corrupt, "not one frame decodes", ""),
    "truncated.mp4": (truncated, "does not parse", ""),
    "tiny.mp4": (tiny, "", "too small"),
    "still.mp4": (still, "", "nothing moves"),
    "black.mp4": (black, "", "plain black or white"),
    "one-frame.mp4": (one_frame, "", "too short: 1 frames"),
    "four-hours.mp4": (four_hours, "longer than 3600 s", ""),
    "8k.mp4": (eight_k, "", "too short: 2 frames"),
    "more-than-8k.mp4": (more_than_eight_k, "pixels, 37748736 are allowed", ""),
    "animated.gif": (animated_gif, "", ""),
    "variable-rate.mp4": (variable_rate, "", ""),
    "audio-only.mp4": (audio_only, "no video stream", ""),
    "encrypted.mp4": (encrypted, "unknown codec", ""),
    "text.mp4": (text, "not a video", ""),
    "empty.mp4": (empty, "the file is empty", ""),
    "playlist.mp4": (playlist, "not a video", ""),
    "folder.mp4": (folder, "is a folder", ""),
    "pipe.mp4": (pipe, "is not a regular file", ""),
    "dangling.mp4": (dangling_link, "no such file", ""),
    "new\nline.mp4": (good, "", ""),
    "雪☃ .mp4": (good, "", ""),
    "-dash.mp4": (good, "", ""),
    os.fsdecode(b"latin-\xe9.mp4"): (good, "", ""),
    "[bold]concat:a|b.mp4": (good, "", ""),
}


def in_threads(session: Session) -> None:
    with ThreadPoolExecutor(2) as executor:
        session(lambda settings, jobs: executor.submit(audit_rows, settings, jobs))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    """One audit of all of them, by name; none of them is a copy of another."""
    base = tmp_path_factory.mktemp("bad")
    for number, (name, (make, _, _)) in enumerate(FILES.items()):
        make(base / name)
        if make is good:
            with (base / name).open("ab") as file:
                file.write(b"\0\0\0\x09free" + bytes([number]))
    options = {"in_pool": in_threads, "workers": 2, "out": base / "out"}
    with audited(Settings(home=base / "home"), clips_of([str(base)]), **options) as done:  # type: ignore[arg-type]
        found = {str(Path(row["path"]).relative_to(base)): row for row in done.rows}
    assert (base / "out" / "report.json").stat().st_size
    assert (base / "out" / "report.csv").stat().st_size
    return found


def test_every_file_has_its_row(rows: dict[str, Row]) -> None:
    assert rows.keys() == FILES.keys()


@pytest.mark.parametrize("name", FILES, ids=ascii)
def test_the_row_says_what_is_the_matter(name: str, rows: dict[str, Row]) -> None:
    _, reason, limit = FILES[name]
    row = rows[name]
    if reason:
        assert reason in row["error"]
        assert row["verdict"] is row["p_ai"] is None
        return
    assert row["error"] is None
    assert row["verdict"] in {"likely_ai", "likely_camera", "inconclusive"}
    assert 0 <= row["p_ai"] <= 1
    if limit:
        assert row["verdict"] == "inconclusive"
        assert limit in " ".join(one["text"] for one in row["evidence"] if one["kind"] == "limit")


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder that anybody may use, and no rights beyond it: root may read everything."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        is_root = os.geteuid() == 0
        try:
            if is_root:
                os.seteuid(65534)
            yield Path(folder)
        finally:
            if is_root:
                os.seteuid(0)


def test_a_file_that_may_not_be_read_is_a_row(as_nobody: Path) -> None:
    secret = as_nobody / "secret.mp4"
    secret.write_bytes(b"whatever")
    secret.chmod(0)
    settings = Settings(home=as_nobody / "home")
    with audited(settings, [Entry(str(secret))], in_pool=in_threads, out=as_nobody / "out") as done:
        assert done.rows[0]["error"] == f"{secret}: cannot be read (Permission denied)"
