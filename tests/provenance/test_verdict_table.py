"""The verdict table, row by row: what was found, and what follows."""

import datetime as dt
from typing import Any

import pytest

from media import StreamDigest
from provenance.agreement import Agreement
from provenance.boxes import Finding, GuardFinding
from provenance.ledger import Asset, ClipRow, Run
from provenance.manifest import SOFT_BINDING_ALG
from provenance.reading import IngredientReading, ManifestReading, SoftBinding
from provenance.verify import EXIT_CODES, MEANING, Findings, decide
from provenance.watermark import Detection

OURS, OTHER = 0xAAAA_0000_0000_0001, 0xBBBB_0000_0000_0002
NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def manifest(state: Any, clip_id: int | None = OURS, **more: Any) -> ManifestReading:
    bound = () if clip_id is None else (SoftBinding(SOFT_BINDING_ALG, f"{clip_id:016x}"),)
    return ManifestReading(state, signer="Studio", soft_bindings=bound, **more)


def record(clip_id: int) -> ClipRow:
    run = Run("key", clip_id, "done", None, {}, None, None, None, NOW, NOW)
    asset = Asset(bytes(32), 1, "video/mp4")
    return ClipRow(clip_id, run, asset, "ai", StreamDigest({}), NOW, (), (), None, (), None, None, None)


def marked(clip_id: int) -> Detection:
    return Detection("marked", clip_id, 1e-30)


def pictures(state: Any) -> Agreement:
    return Agreement(state, 1.0, 10.0, "identity")


NOTHING = Detection("not_found", None, 1.0)
ABSENT = ManifestReading("absent")
PARENT = IngredientReading("a.mp4", "parentOf", "urn:c2pa:x", "trusted", (), 1, clip_ids=(OTHER,))

TABLE: dict[str, tuple[Findings, str, int | None]] = {
    "nothing at all": (Findings(ABSENT, detection=NOTHING), "unsigned", None),
    "a link alone": (Findings(ManifestReading("remote_only")), "remote_only", None),
    "a store that does not parse": (Findings(ManifestReading("malformed")), "malformed", None),
    "a binding that fails": (Findings(manifest("invalid")), "tampered", OURS),
    "a binding that fails, yet the mark is found": (
        Findings(manifest("invalid", None), detection=marked(OURS), marked=record(OURS)),
        "tampered",
        OURS,
    ),
    "trusted by the SDK, but the guard objects": (
        Findings(
            manifest(
                "trusted", guard_findings=(GuardFinding(Finding.EXCLUDED_PAYLOAD, "50 MB in a free box"),)
            )
        ),
        "tampered",
        OURS,
    ),
    "all holds and the signer is known": (Findings(manifest("trusted")), "trusted", OURS),
    "all holds, the signer is unknown": (Findings(manifest("valid_untrusted")), "valid_untrusted", OURS),
    "all holds but the certificate": (Findings(manifest("expired")), "expired", OURS),
    "signed by another, the mark is that of our clip": (
        Findings(manifest("trusted", None), detection=marked(OURS), marked=record(OURS)),
        "substitution_suspected",
        OURS,
    ),
    "signed as one clip, plays as another": (
        Findings(manifest("valid_untrusted", OTHER), exact=record(OURS)),
        "substitution_suspected",
        OURS,
    ),
    "signed as a child of the clip that is marked": (
        Findings(
            manifest("trusted", OURS, ingredients=(PARENT,)), detection=marked(OTHER), marked=record(OTHER)
        ),
        "trusted",
        OURS,
    ),
    "the mark on other pictures": (
        Findings(ABSENT, detection=marked(OURS), marked=record(OURS), agreement=pictures("disagree")),
        "watermark_conflict",
        OURS,
    ),
    "stripped, plays exactly": (
        Findings(ABSENT, exact=record(OURS), detection=marked(OURS)),
        "recovered_exact",
        OURS,
    ),
    "stripped and slowed down": (
        Findings(ABSENT, same_packets=record(OURS), stream_differences=("video/0/timing",)),
        "recovered_derived",
        OURS,
    ),
    "re-encoded, mark and pictures agree": (
        Findings(ABSENT, detection=marked(OURS), marked=record(OURS), agreement=pictures("agree")),
        "recovered_derived",
        OURS,
    ),
    "a mark alone proves nothing": (
        Findings(ABSENT, detection=marked(OURS), marked=record(OURS), agreement=pictures("unclear")),
        "unsigned",
        OURS,
    ),
    "a mark without a record": (Findings(ABSENT, detection=marked(OURS)), "unsigned", OURS),
    "a mark too damaged to read": (
        Findings(ABSENT, detection=Detection("present_unreadable", None, 1e-9)),
        "unsigned",
        None,
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_verdict(name: str) -> None:
    found, verdict, clip_id = TABLE[name]
    assert decide(found) == (verdict, clip_id)


def test_every_verdict_has_an_exit_code_a_meaning_and_a_row() -> None:
    assert EXIT_CODES.keys() == MEANING.keys()
    assert {verdict for _, verdict, _ in TABLE.values()} == EXIT_CODES.keys()


def test_nothing_with_a_guard_finding_or_a_failed_ingredient_is_trusted() -> None:
    finding = GuardFinding(Finding.SAMPLE_OFFSET_OUTSIDE_MDAT, "frames outside of mdat")
    for state in ("trusted", "valid_untrusted", "expired"):
        verdict, _ = decide(Findings(manifest(state, guard_findings=(finding,))))
        assert EXIT_CODES[verdict] == 1
