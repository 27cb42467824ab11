"""Rows about clips: provenance first, then statistics; a broken file is a row, never a crash."""

from contextlib import ExitStack
from pathlib import Path

import detector
from flows.home import keys_if_any, ledger_if_any, trust_of
from flows.reporting import Row
from flows.settings import Settings
from media import MediaError
from provenance.errors import ProvenanceError
from provenance.ledger import LedgerError
from provenance.verify import verify_clip

_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".gif"})


def clips_under(paths: list[Path]) -> list[Path]:
    """The clips that paths name: files, folders (searched for video names), and .txt lists (one path a line)."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
        elif path.suffix == ".txt" and path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            found += [Path(line.strip()) for line in lines if line.strip() and not line.startswith("#")]
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def audit_row(settings: Settings, path: Path) -> Row:
    """One clip's row: `path`, `verdict`, `p_ai`, `segments`, `error`, and the provenance verdict beside them."""
    row: Row = {"path": str(path), "verdict": None, "p_ai": None, "segments": [], "error": None}
    row |= {
        "provenance": None,
        "clip_id": None,
        "signer": None,
        "ood_score": None,
        "evidence": [],
        "head_id": None,
    }
    try:
        with ExitStack() as stack:
            ledger = ledger_if_any(settings)
            if ledger is not None:
                stack.enter_context(ledger)
            known = verify_clip(path, trust=trust_of(settings), ledger=ledger, keys=keys_if_any(settings))
        said = known.to_dict()
        row |= {"provenance": known.verdict, "clip_id": said["clip_id"], "signer": known.signer}
        if known.verdict == "malformed":
            return row | {"error": known.evidence[0].summary}
        report = detector.audit_clip(path).to_dict()
        kept = ("verdict", "p_ai", "segments", "ood_score", "evidence", "head_id")
        return row | {name: report[name] for name in kept}
    except (MediaError, ProvenanceError, LedgerError) as error:
        return row | {"error": str(error)}
    except Exception as error:  # a million files hold what nobody foresaw; the other rows must come
        return row | {"error": f"internal error: {type(error).__name__}: {error}"}
