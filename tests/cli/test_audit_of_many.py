"""`clipproof audit` of many files, as a terminal and a script meet it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_process import Clipproof, Done
from conftest import moving_picture, write_mp4

from flows.settings import Settings


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for seed in range(6):
        write_mp4(folder / f"{seed}.mp4", moving_picture(20, 160, 192, seed), rate=8)
    (folder / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(16))
    return folder


class Started:
    """An audit under way, in a process group of its own as a terminal gives it."""

    def __init__(self, settings: Settings, *arguments: str | Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "clipproof", "audit", *map(str, arguments)],
            env=os.environ | settings.environment() | {"NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for_rows(self, rows: Path, count: int) -> None:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and self.process.poll() is None:
            if rows.exists() and rows.read_bytes().count(b"\n") >= count:
                return
            time.sleep(0.05)
        raise AssertionError(f"no {count} rows: {self.process.communicate()[1]}")

    def workers(self) -> list[int]:
        """Its processes that examine clips, by what the kernel says."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == self.process.pid and b"spawn_main" in (path / "cmdline").read_bytes():
                    found.append(int(path.name))
            except OSError:
                continue
        return found

    def done(self) -> Done:
        out, err = self.process.communicate(timeout=300)
        assert "Traceback" not in err, err
        return Done(self.process.returncode, out, err)


@pytest.fixture
def start(settings: Settings) -> Callable[..., Started]:
    return lambda *arguments: Started(settings, *arguments)


def test_ctrl_c_leaves_a_folder_that_the_same_command_goes_on_with(
    running: Clipproof, start: Callable[..., Started], clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = (clips, "--out", out, "--runner", "threads", "--workers", "1")
    audit = start(*arguments)
    audit.wait_for_rows(out / "rows.jsonl", 2)
    os.killpg(audit.process.pid, signal.SIGINT)
    interrupted = audit.done()
    assert interrupted.code == 130
    assert "run the same command again to go on" in interrupted.err
    assert not (out / "report.json").exists()
    kept = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
    assert 2 <= len(kept) < 7
    assert not [row for row in kept if row["error"] and "broken" not in row["path"]]

    done = running("audit", *arguments, "--json")
    assert done.code == 0, done.err
    assert len(done.json["rows"]) == 7
    assert [row for row in done.json["rows"] if row["path"] == kept[0]["path"]] == kept[:1]
    assert (out / "report.json").exists()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for the workers in /proc")
def test_a_killed_worker_costs_no_row_and_every_runner_gives_the_same_rows(
    running: Clipproof, start: Callable[..., Started], clips: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "out" / "rows.jsonl"
    audit = start(clips, "--out", rows.parent, "--runner", "processes", "--workers", "2", "--json")
    audit.wait_for_rows(rows, 1)
    os.kill(audit.workers()[0], signal.SIGKILL)
    done = audit.done()
    assert done.code == 0, done.err
    in_threads = running("audit", clips, "--runner", "threads", "--json")
    assert in_threads.json == done.json
    assert [row["path"] for row in done.json["rows"] if row["error"]] == [str(clips / "broken.mp4")]


def test_a_list_on_standard_input(running: Clipproof, clips: Path, tmp_path: Path) -> None:
    listed = f"{clips}/0.mp4\n{clips}/broken.mp4\n{clips}/0.mp4\nmissing.mp4\n"
    done = running("audit", "-", "--json", typed=listed)
    assert done.code == 0, done.err
    assert [Path(row["path"]).name for row in done.json["rows"]] == ["0.mp4", "broken.mp4", "missing.mp4"]
    shown = running("audit", f"{clips}/b*.mp4", "nothing\x1b[2J\n.mp4")
    assert shown.code == 0
    assert "\x1b" not in shown.out
    assert r"nothing\x1b[2J\n.mp4" in shown.out.replace("\n", "").replace(" ", "")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["a.mp4", "--out", "rows.html"], "give a folder, or a .json"),
        (["a.mp4", "--fresh"], "no folder to go on with"),
        (["a.mp4", "--out", "rows.json", "--fresh"], "no folder to go on with"),
        (["a.mp4", "--max-download", "much"], "not a size"),
        (["a.mp4", "--workers", "0"], "--workers"),
        (["."], "no clip is there"),
        (["-"], "no clip is there"),
        (["nothing.csv.csv", "m.csv"], "neither a column"),
    ],
)
def test_mistakes_are_said_before_any_work(
    arguments: list[str], reason: str, clipproof: Clipproof, tmp_path: Path
) -> None:
    (tmp_path / "m.csv").write_text("file\na.mp4\n")
    done = clipproof("audit", *arguments)
    assert done.code == 2, done.err
    assert reason in " ".join(done.err.replace("│", " ").split())


def test_urls_are_fetched_with_leave_alone_and_from_public_addresses(clipproof: Clipproof) -> None:
    url = "http://127.0.0.1:9/clip.mp4"
    refused = clipproof("audit", url, "--json")
    assert (refused.code, refused.json["rows"][0]["path"]) == (0, url)
    assert "--allow-urls" in refused.json["rows"][0]["error"]
    private = clipproof("audit", url, "--allow-urls", "--max-download", "5 MB", "--json")
    assert "127.0.0.1, which is not a public address" in private.json["rows"][0]["error"]
