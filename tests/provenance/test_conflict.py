"""A detector never overrules provenance that holds, but where they disagree it is said."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provenance.evidence import Evidence, State
from provenance.verify import Verification, conflict

_IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def known(state: State, **details: Any) -> Verification:
    return Verification(
        Path("clip.mp4"), "trusted", None, None, (Evidence("manifest", state, "said", details),)
    )


def signed(source_type: str, state: State = "holds") -> Verification:
    return known(state, actions=[{"digital_source_type": _IPTC + source_type}, {"digital_source_type": ""}])


@pytest.mark.parametrize(
    ("record", "statistics", "words"),
    [
        (signed("digitalCapture"), "likely_ai", "says filmed"),
        (signed("trainedAlgorithmicMedia"), "likely_camera", "says generated"),
        (known("holds", record={"source": "camera"}), "likely_ai", "says filmed"),
        (known("holds", record={"source": "ai"}), "likely_camera", "says generated"),
    ],
)
def test_opposite_words_are_a_conflict(record: Verification, statistics: str, words: str) -> None:
    assert words in (conflict(record, statistics) or "")


def test_what_a_stranger_signed_is_a_claim() -> None:
    said = conflict(replace(signed("digitalCapture"), verdict="valid_untrusted"), "likely_ai") or ""
    assert "no reason to trust says filmed" in said
    assert "stands" not in said


@pytest.mark.parametrize(
    ("record", "statistics"),
    [
        (signed("digitalCapture"), "inconclusive"),
        (signed("digitalCapture"), "likely_camera"),
        (signed("digitalCapture", "fails"), "likely_ai"),
        (signed("composite"), "likely_ai"),
        (known("holds"), "likely_ai"),
        (known("holds", record={"source": "unknown"}), "likely_ai"),
        (replace(signed("digitalCapture"), verdict="tampered"), "likely_ai"),
    ],
)
def test_agreement_silence_and_what_does_not_hold_are_none(record: Verification, statistics: str) -> None:
    assert conflict(record, statistics) is None
