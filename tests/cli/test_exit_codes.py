"""Each kind of failure has its exit code; a stranger to the table is a bug, 70."""

import pytest

from clipproof.cli.failures import exit_code
from flows.briefs import BriefError
from flows.finishing import SelfCheckFailed
from flows.marking import AlreadyMarked
from flows.runtime import RuntimeFailure
from generator.errors import GeneratorError
from generator.safety.errors import EncoderError, FrameModelError, PolicyError
from media import CorruptMedia, LimitExceeded, OutputError, UnsupportedMedia
from provenance.errors import AlreadySigned, CertificateExpired, KeysMissing, TrustError, UnreadableFile
from provenance.ledger import LedgerLocked, LedgerTooNew, NotOverridable, ReviewerRefused, ReviewPending
from provenance.watermark import TooSmallToMark

CODES = [
    (UnsupportedMedia("x"), 2),
    (CorruptMedia("x"), 2),
    (LimitExceeded("x"), 2),
    (UnreadableFile("x"), 2),
    (TooSmallToMark("x", hint=""), 2),
    (AlreadyMarked("x", hint=""), 2),
    (AlreadySigned("x"), 2),
    (TrustError("x"), 2),
    (PolicyError("x", hint=""), 2),
    (GeneratorError("x"), 2),
    (ReviewPending("x"), 2),
    (ReviewerRefused("x"), 2),
    (NotOverridable("x"), 4),
    (BriefError("x"), 2),
    (OutputError("x"), 5),
    (EncoderError("x"), 5),
    (FrameModelError("x"), 5),
    (KeysMissing("x"), 5),
    (CertificateExpired("x"), 5),
    (LedgerTooNew("x"), 5),
    (LedgerLocked("x"), 5),
    (RuntimeFailure("x"), 5),
    (SelfCheckFailed("x"), 5),
    (ValueError("x"), 70),
]


@pytest.mark.parametrize(("error", "code"), CODES, ids=lambda value: type(value).__name__)
def test_exit_code(error: Exception, code: int) -> None:
    assert exit_code(error) == code
