"""Processes that are ended in the middle: the same command goes on, and nothing is left over or lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_process import Clipproof, nothing_is_orphaned, rows

from flows.settings import Settings
from media import Store
from provenance.ledger import connect

pytestmark = pytest.mark.server

# What the run has just finished when it is killed; None: as early as can be.
STEPS = ("run", "raw.npz", "marked.mp4", "signed.mp4", "store")


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_run_goes_on_and_ends_with_one_whole_clip(
    step: str, running: Clipproof, settings: Settings, tmp_path: Path
) -> None:
    prompt = f"a blue box falls on sand, {STEPS.index(step)}"
    target = tmp_path / "clip.mp4"
    before, stored = rows(settings), len(list(Store(settings.store_folder).digests()))
    victim = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "clipproof",
            "produce",
            prompt,
            "--out",
            str(target),
            "--run-id",
            f"killed-{step}",
        ],
        env=os.environ | {"CLIPPROOF_HOME": str(settings.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def reached() -> bool:
        if step == "run":
            with connect(settings.ledger_url) as ledger:
                return ledger.run(f"killed-{step}") is not None
        if step == "store":
            return len(list(Store(settings.store_folder).digests())) > stored
        return any(settings.work_folder.glob(f"*/{step}"))

    deadline = time.monotonic() + 240
    while not reached():
        assert victim.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    victim.send_signal(signal.SIGKILL)
    victim.wait()

    done = running("produce", prompt, "--out", target, "--run-id", f"killed-{step}", "--json")
    assert done.code == 0, done.err
    assert rows(settings) == before + 1
    assert nothing_is_orphaned(settings)
    assert running("verify", target, "--json").json["verdict"] == "trusted"
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_ctrl_c_ends_with_130_and_the_run_can_go_on(
    running: Clipproof, settings: Settings, tmp_path: Path
) -> None:
    command = [
        "produce",
        "a white ball rolls on sand",
        "--out",
        str(tmp_path / "clip.mp4"),
        "--run-id",
        "ctrl-c",
    ]
    victim = subprocess.Popen(
        [sys.executable, "-m", "clipproof", *command],
        env=os.environ | {"CLIPPROOF_HOME": str(settings.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not any(settings.work_folder.glob("*/raw.npz")):
        assert victim.poll() is None
        time.sleep(0.005)
    victim.send_signal(signal.SIGINT)
    _, told = victim.communicate(timeout=120)
    assert victim.returncode == 130
    assert "Traceback" not in told
    assert running(*command).code == 0
    assert nothing_is_orphaned(settings)
