"""A small share of `benchmarks/fuzz.py`, which runs ten thousand of these: no crash, no hang, no false `trusted`."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def run(work: Path, count: int) -> dict[str, object]:
    command = [sys.executable, ROOT / "benchmarks" / "fuzz.py", "--count", str(count), "--work", work]
    done = subprocess.run(
        [*command, "--json", work.with_suffix(".json")], capture_output=True, text=True, timeout=300, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said: dict[str, object] = json.loads(work.with_suffix(".json").read_text())
    return said


def test_changed_files_are_read_without_a_crash_a_hang_or_false_trust(tmp_path: Path) -> None:
    """In two parts, as a run that was stopped and taken up again."""
    assert run(tmp_path / "work", 50)["next"] == 50
    said = run(tmp_path / "work", 150)
    states = said["states"]
    assert isinstance(states, dict)
    assert (said["next"], sum(states.values()), said["offences"]) == (150, 150, [])
    assert any(
        name.endswith(": trusted") for name in states
    )  # padding was hit: the check of what plays has run
    assert any(name.endswith(": invalid") for name in states)
