"""`ledger log` and `ledger erase` as a newsroom and a stranger meet them."""

import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import Clipproof
from conftest import write_mp4
from flows_media import textured

from provenance.ledger import connect
from provenance.manifest import PromptCommitment

WORDS = "zanzibarheron"


@pytest.fixture
def clip_id(clipproof: Clipproof, tmp_path: Path) -> str:
    """A clip that was marked, and so recorded."""
    original = write_mp4(tmp_path / "own.mp4", textured(24, seed=5), crf=16)
    done = clipproof("mark", original, tmp_path / "marked.mp4", "--source", "camera", "--json")
    assert done.code == 0, done.err
    return str(done.json["clip_id"])


def refused_run(tmp_path: Path) -> str:
    """A refused run in the ledger of the home, whose prompt was kept; its clip id."""
    with connect(f"sqlite:///{tmp_path}/home/ledger.db", create=True) as ledger:
        run = ledger.reserve_run("my-run", {"seed": 1}, prompt=WORDS)
        commitment = PromptCommitment.of(WORDS, salt=run.salt)
        decision = {"action": "review", "policy_version": "1", "normalised": WORDS, "matches": []}
        ledger.record_refusal(
            "my-run", decision, commitment.digest, WORDS, prompt_salt=commitment.salt, reason=WORDS
        )
        return f"{run.clip_id:016x}"


def test_a_stranger_checks_a_clip_with_what_the_newsroom_gives_out(
    clipproof: Clipproof, clip_id: str, tmp_path: Path
) -> None:
    older = tmp_path / "older.txt"
    assert clipproof("ledger", "log", "checkpoint", "-o", older).code == 0
    refused_run(tmp_path)
    assert clipproof("ledger", "log", "prove", clip_id, "--since", older, "-o", tmp_path / "p.json").code == 0
    assert clipproof("ledger", "log", "checker", "-o", tmp_path / "check.py").code == 0
    key = clipproof("ledger", "log", "key").out.strip()
    command = [sys.executable, "-I", "check.py", "p.json", "--key", key, "--checkpoint", "older.txt"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "the log has only grown since its checkpoint of 1 entries" in checked.stdout
    assert clipproof("ledger", "log", "verify", "--checkpoint", older, "--json").json["intact"] is True

    older.write_text(older.read_text().replace("\n1\n", "\n2\n"))
    bad = clipproof("ledger", "log", "verify", "--checkpoint", older)
    assert bad.code == 2
    assert "not signed by this log" in bad.err


def test_a_rewritten_ledger_does_not_verify_against_a_checkpoint_kept(
    clipproof: Clipproof, clip_id: str, tmp_path: Path
) -> None:
    assert clipproof("ledger", "log", "checkpoint", "-o", tmp_path / "kept.txt").code == 0
    for path in (tmp_path / "home").glob("ledger.db*"):
        path.unlink()
    refused_run(tmp_path)
    assert clipproof("ledger", "log", "verify").code == 0
    found = clipproof("ledger", "log", "verify", "--checkpoint", tmp_path / "kept.txt", "--json")
    assert (found.code, found.json["intact"]) == (1, False)


def test_what_has_no_proof_is_a_usage_error(clipproof: Clipproof, tmp_path: Path) -> None:
    assert clipproof("keys", "init").code == 0
    refused_run(tmp_path)
    for name in ("0" * 16, "99", "clip"):
        assert clipproof("ledger", "log", "prove", name).code == 2, name
    assert clipproof("ledger", "log", "verify", "--checkpoint", tmp_path / "none.txt").code == 2


def test_a_prompt_is_erased_only_with_consent_and_then_from_every_file(
    clipproof: Clipproof, tmp_path: Path
) -> None:
    clip_id = refused_run(tmp_path)
    looked = clipproof("ledger", "erase", "--prompt", clip_id, "--dry-run", "--json")
    assert (looked.code, looked.json["erased"], looked.json["rows"]["prompt"]) == (0, False, 1)
    assert clipproof("ledger", "erase", "--prompt", clip_id).code == 2  # nobody is at the terminal
    assert clipproof("ledger", "erase").code == 2
    done = clipproof("ledger", "erase", "--prompt", clip_id, "--yes", "--json")
    assert (done.code, done.json["erased"]) == (0, True)
    left = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert left
    assert not [path for path in left if WORDS.encode() in path.read_bytes()]
    assert clipproof("ledger", "log", "verify").code == 0
    assert clipproof("ledger", "erase", "--prompt", "my-run", "--yes").code == 2  # nothing has that name now
