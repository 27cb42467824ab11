"""The Prefect flow `verify`: verdicts about many files, kept in the ledger; for newsrooms that watch a folder."""

from contextlib import closing
from pathlib import Path
from typing import Any

from prefect import flow

from flows.clip_lists import clips_of
from flows.home import keys_if_any, trust_of
from flows.settings import load_settings
from flows.tasks import step
from media import file_digest, probe
from media.errors import MediaError
from provenance.errors import ProvenanceError
from provenance.ledger import Asset, connect
from provenance.verify import verify_clip


def verify_and_record(path: str) -> dict[str, Any]:
    """One file's verification as JSON, recorded under the file's SHA-256."""
    settings = load_settings()
    with closing(connect(settings.ledger_url, create=True)) as ledger:
        try:
            report = verify_clip(
                path, trust=trust_of(settings), ledger=ledger, keys=keys_if_any(settings)
            ).to_dict()
        except (MediaError, ProvenanceError) as error:
            return {"path": path, "verdict": None, "error": str(error)}
        if report["verdict"] != "malformed":
            seen = Asset(file_digest(path), Path(path).stat().st_size, probe(path).media_type, "external")
            ledger.record_verification(seen, report)
        return report | {"error": None}


_verify_one = step("verify clip", 2)(verify_and_record)


@flow(name="verify", persist_result=False)
def verify(paths: list[str]) -> list[dict[str, Any]]:
    """One verification a file; a file that cannot be read is a row with its error."""
    return [_verify_one(clip.name) for clip in clips_of(paths)]
