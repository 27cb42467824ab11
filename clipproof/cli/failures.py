"""From an error to one or two lines and the right exit code."""

import contextlib
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from clipproof.cli.output import say
from generator.errors import (
    GeneratorError,
    InsufficientMemoryError,
    ModelNotFoundError,
    QuantisationError,
    WeightsError,
)

OK, VERIFIED_FALSE, USAGE, NO_PROVENANCE, POLICY, ENVIRONMENT, NOT_VOUCHED, BUG, INTERRUPTED = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    70,
    130,
)


_AGAIN_S = 2.0
_interrupted = threading.Event()


class Interrupted(BaseException):
    """Ctrl-C, told apart from typer's own handling of it, which exits with 1: our "verified false"."""


def run(app: Callable[[], None]) -> NoReturn:
    """Call the command line and exit."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGALRM, _interrupt)
    try:
        app()
    except Interrupted:
        _end_interrupted()
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has seen enough
        sys.exit(OK)
    except Exception as error:
        if _interrupted.is_set():
            # A library that was interrupted may fail in its own clean-up: Prefect does between two tasks.
            _end_interrupted()
        code = exit_code(error)
        if code == BUG:
            traceback.print_exc()
            _tell(f"this is a bug in Clipproof: {error}", "Please report it with the lines above.")
        else:
            _tell(str(error), getattr(error, "hint", ""))
        sys.exit(code)
    sys.exit(OK)


def _end_interrupted() -> NoReturn:
    signal.setitimer(signal.ITIMER_REAL, 0)
    say("interrupted; run the same command again to go on", style="yellow")
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    # Threads may be in the middle of a clip. Python's own exit waits for some of them and ends others inside C++ code,
    # which aborts the process (seen: exit by signal 6).
    os._exit(INTERRUPTED)


def exit_code(error: Exception) -> int:
    """The exit code of an error; the first class that matches. What is not listed is a bug."""
    # Imported here: `--help` must not pay for every domain's errors.
    from detector.errors import DetectorError, EncoderUnavailable, HeadNotFound
    from flows.runtime import RuntimeFailure
    from generator.safety.errors import EncoderError, FrameModelError, SafetyError
    from media.errors import MediaError, OutputError
    from provenance.errors import IdentityError, KeyStoreError, ProvenanceError, TimeStampError
    from provenance.ledger.errors import (
        CheckpointInvalid,
        LedgerError,
        NotOverridable,
        ReviewDecided,
        ReviewerRefused,
        ReviewPending,
        ReviewUnknown,
        RunKeyTaken,
        RunUnknown,
    )
    from provenance.watermark.errors import WatermarkError

    if isinstance(error, NotOverridable):
        return POLICY
    wrong_item = (RunKeyTaken, RunUnknown, ReviewDecided, ReviewPending, ReviewUnknown, ReviewerRefused)
    if isinstance(error, (CheckpointInvalid, *wrong_item)):
        return USAGE
    models = (
        ModelNotFoundError,
        WeightsError,
        QuantisationError,
        InsufficientMemoryError,
        HeadNotFound,
        EncoderUnavailable,
        EncoderError,
        FrameModelError,
    )
    missing = (*models, RuntimeFailure)
    if isinstance(error, (OutputError, KeyStoreError, IdentityError, TimeStampError, LedgerError, *missing)):
        return ENVIRONMENT
    domains = (MediaError, ProvenanceError, WatermarkError, GeneratorError, SafetyError, DetectorError)
    if isinstance(error, domains):
        return USAGE
    # Errors of the flows floor say their own; that floor is not imported here, because it imports Prefect.
    return int(getattr(error, "exit_code", BUG))


def _tell(message: str, hint: str) -> None:
    say(f"error: {message}", style="red")
    if hint:
        say(f"       {hint}")
    if "--json" in sys.argv:
        print(json.dumps({"schema": "clipproof.error/1", "error": message, "hint": hint}, ensure_ascii=False))


def _interrupt(number: int, frame: FrameType | None) -> None:
    _interrupted.set()
    # Raised inside a callback or somebody's clean-up it may be swallowed: it comes again until it is heard.
    signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
    raise Interrupted
