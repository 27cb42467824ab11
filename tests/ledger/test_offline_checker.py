"""A stranger with one file and `cryptography` checks what the log's owner says; and cannot be fooled or crashed."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.ledger import Ledger, connect, offline_checker, read_checkpoint, verifier_key
from provenance.ledger.checkpoint import CheckpointInvalid, sign_checkpoint
from provenance.manifest import PromptCommitment

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PROMPT = PromptCommitment.of("苍鹭 at dawn", salt=b"sixteen bytes ok")


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Entry 3 of 11, which commits to a prompt, and that the log grew from 5."""
    url = f"sqlite:///{tmp_path_factory.mktemp('log')}/ledger.db"
    with connect(url, create=True) as ledger:
        fill(ledger, 5)
        older = ledger.sign_checkpoint(KEY)
        fill(ledger, 6)
        entry, signed = ledger.log_entries()[3], ledger.sign_checkpoint(KEY)
        return {
            "schema": "clipproof.log-proof/1",
            "seq": 3,
            "entry": entry.text,
            "inclusion": [part.hex() for part in ledger.prove_inclusion(3, signed.size)],
            "checkpoint": signed.text,
            "verifier_key": verifier_key(KEY.public_key()),
            "older": {
                "checkpoint": older.text,
                "consistency": [part.hex() for part in ledger.prove_consistency(5, 11)],
            },
            "openings": [{"text": "苍鹭 at dawn", "salt": PROMPT.salt.hex()}],
        }


def fill(ledger: Ledger, count: int) -> None:
    for _ in range(count):
        ledger.append_log("run.refused", {"prompt": PROMPT.digest.hex()})


def run(proof: object, tmp_path: Path, *options: str) -> tuple[int, str, str]:
    """The checker as a stranger runs it: its one file in an empty folder, none of our packages in reach."""
    script = tmp_path / "check.py"
    script.write_text(Path(offline_checker.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "proof.json").write_text(proof if isinstance(proof, str) else json.dumps(proof))
    done = subprocess.run(
        [sys.executable, "-I", str(script), str(tmp_path / "proof.json"), *options],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def test_what_holds_is_said_line_by_line(proof: dict[str, Any], tmp_path: Path) -> None:
    code, said, _ = run(proof, tmp_path, "--key", verifier_key(KEY.public_key()))
    assert code == 0
    assert [line[:5] for line in said.splitlines()] == ["ok   "] * 4
    assert "only grown since its checkpoint of 5" in said


def test_a_key_that_came_with_the_proof_is_told_apart(proof: dict[str, Any], tmp_path: Path) -> None:
    code, said, _ = run(proof, tmp_path)
    assert code == 0
    assert "compare it with the one that the log's owner published" in said


def test_a_checkpoint_kept_by_the_stranger_counts_over_the_one_in_the_proof(
    proof: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "kept.txt").write_text(sign_checkpoint(5, bytes(32), KEY).text, encoding="utf-8")
    code, said, _ = run(proof, tmp_path, "--checkpoint", str(tmp_path / "kept.txt"))
    assert code == 1
    assert "its past was rewritten" in said


def other(text: str) -> str:
    return ("0" if text[0] != "0" else "1") + text[1:]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p.update(entry=p["entry"].replace("run.refused", "run.allowed")), "not in this log"),
        (lambda p: p.update(seq=4), "not in this log"),
        (lambda p: p.update(inclusion=[other(p["inclusion"][0]), *p["inclusion"][1:]]), "not in this log"),
        (lambda p: p.update(inclusion=p["inclusion"][:-1]), "too short"),
        (lambda p: p.update(inclusion=[*p["inclusion"], "00" * 32]), "too long"),
        (lambda p: p.update(seq=99), "not in a log of 11"),
        (
            lambda p: p.update(checkpoint=p["checkpoint"].replace("\n11\n", "\n12\n")),
            "not signed by this key",
        ),
        (lambda p: p["older"].update(consistency=p["older"]["consistency"][:-1]), "rewritten"),
        (lambda p: p["openings"][0].update(text="a stork at dawn"), "does not commit"),
        (
            lambda p: p.update(
                verifier_key=verifier_key(Ed25519PrivateKey.from_private_bytes(b"\1" * 32).public_key())
            ),
            "another log",
        ),
    ],
)
def test_what_does_not_hold_is_wrong_with_exit_1(
    proof: dict[str, Any], tmp_path: Path, change: Any, words: str
) -> None:
    forged = json.loads(json.dumps(proof))
    change(forged)
    code, said, _ = run(forged, tmp_path)
    assert code == 1
    assert words in said


@pytest.mark.parametrize(
    "junk",
    ["", "{", "[]", "7", "[" * 100_000, '{"schema": "clipproof.log-proof/1"}', "\0", '{"schema": 1e999}'],
)
def test_junk_is_one_line_and_exit_2(junk: str, tmp_path: Path) -> None:
    code, said, told = run(junk, tmp_path)
    assert code == 2
    assert said == ""
    assert len(told.splitlines()) == 1


FIELDS = ("seq", "entry", "inclusion", "checkpoint", "verifier_key", "older", "openings")
anything = st.recursive(
    st.none() | st.integers() | st.text(max_size=20), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), anything))
def test_no_shape_of_proof_raises_anything_else(changes: dict[str, Any]) -> None:
    bundle = {"schema": "clipproof.log-proof/1", "verifier_key": verifier_key(KEY.public_key()), **changes}
    with pytest.raises((offline_checker.Unreadable, offline_checker.Wrong)):
        list(offline_checker.check(bundle, None, None))


def test_a_checkpoint_reads_back_and_no_changed_one_does() -> None:
    signed = sign_checkpoint(12, bytes(range(32)), KEY)
    assert read_checkpoint(signed.text, KEY.public_key()) == signed
    assert signed.text.splitlines()[:2] == [signed.origin, "12"]
    assert base64.b64decode(signed.text.splitlines()[2]) == signed.root
    for changed in (
        signed.text.replace("12", "13", 1),
        signed.text[:-3],
        signed.text.replace("\n\n", "\n"),
        "",
    ):
        with pytest.raises(CheckpointInvalid):
            read_checkpoint(changed, KEY.public_key())
    with pytest.raises(CheckpointInvalid, match="not signed by this log"):
        read_checkpoint(signed.text, Ed25519PrivateKey.generate().public_key())
