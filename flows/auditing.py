"""One clip's row: provenance first, then statistics; a broken file is a row, never a crash."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flows.detection import detector_cache, detector_of
from flows.home import keys_if_any, ledger_if_any, trust_of
from flows.row_log import Row
from flows.settings import Settings
from media import Limits, MediaError, OutputError
from provenance.errors import ProvenanceError
from provenance.ledger import LedgerError
from provenance.verify import conflict, verify_clip

if TYPE_CHECKING:
    from detector import AuditReport


class Job(NamedTuple):
    """A clip to examine: the `name` that its row has, and the `path` that is opened."""

    name: str
    path: str


def audit_rows(settings: Settings, jobs: Sequence[Job]) -> list[Row]:
    """A row for each job, in order; what a worker does at a time."""
    return [audit_row(settings, Path(job.path), name=job.name) for job in jobs]


def audit_row(settings: Settings, path: Path, *, name: str | None = None) -> Row:
    """One clip's row: `path` (or `name`), `verdict`, `p_ai`, `segments`, `error`, and the provenance beside them."""
    row = blank_row(name or str(path))
    try:
        head = detector_of(settings).head
        row |= {"head_id": head.head_id, "head_digest": head.digest}
        with ExitStack() as stack:
            ledger = ledger_if_any(settings)
            if ledger is not None:
                stack.enter_context(ledger)
            known = verify_clip(path, trust=trust_of(settings), ledger=ledger, keys=keys_if_any(settings))
        said = known.to_dict()
        row |= {"provenance": known.verdict, "clip_id": said["clip_id"], "signer": known.signer}
        if known.verdict == "malformed":
            return row | {"error": known.evidence[0].summary.replace(str(path), row["path"])}
        report = _statistics(settings, path).to_dict()
        kept = {key: report[key] for key in ("verdict", "p_ai", "segments", "ood_score", "evidence")}
        return row | kept | {"conflict": conflict(known, report["verdict"])}
    except (MediaError, ProvenanceError, LedgerError) as error:
        return row | {"error": str(error).replace(str(path), row["path"])}
    except Exception as error:  # a million files hold what nobody foresaw; the other rows must come
        return row | {"error": f"internal error: {type(error).__name__}: {error}"}


def blank_row(name: str) -> Row:
    """A row that says nothing yet."""
    return {
        "path": name,
        "verdict": None,
        "p_ai": None,
        "segments": [],
        "error": None,
        "provenance": None,
        "clip_id": None,
        "signer": None,
        "conflict": None,
        "ood_score": None,
        "evidence": [],
        "head_id": None,
        "head_digest": None,
    }


def _statistics(settings: Settings, path: Path) -> "AuditReport":
    try:
        return detector_of(settings).audit(path, cache=detector_cache(settings))
    except (
        OSError,
        OutputError,
    ):  # a full disk or a home that is not ours: the answer is the same, only dearer
        return detector_of(settings).audit(path)


def terms_of(settings: Settings) -> str:
    """What a row depends on beside the clip's bytes, as 16 hex digits: head, limits, whose signatures and marks count.

    Two rows about the same bytes under the same terms say the same, but for what the ledger has learnt since.
    """
    keys = keys_if_any(settings)
    terms = {
        "head": detector_of(settings).head.digest,
        "limits": asdict(Limits()),
        "trust": [one.id for one in trust_of(settings).lists],
        "marks": [_hashed(keys.mark_keys.of(epoch)) for epoch in keys.mark_keys.newest()] if keys else [],
        "ledger": _has_ledger(settings),
    }
    return hashlib.sha256(json.dumps(terms, sort_keys=True).encode()).hexdigest()[:16]


def _has_ledger(settings: Settings) -> bool:
    ledger = ledger_if_any(settings)
    if ledger is not None:
        ledger.close()
    return ledger is not None


def _hashed(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()
