"""Time stamps that could not be had when a clip was signed, fetched later."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from flows.home import Home, authority_of
from media import MediaError
from provenance.errors import ProvenanceError, TimeStampError
from provenance.ledger import Asset, clip_id_hex
from provenance.signing import stamp_file


@dataclass(frozen=True, slots=True)
class Stamped:
    """One clip that waited: `path` is the stamped edition in the store, or `error` why it waits on."""

    clip_id: str
    path: str | None
    error: str | None


def stamp_waiting(home: Home, *, due: bool = True, limit: int = 1000) -> list[Stamped]:
    """Try to stamp what waits; an authority that does not answer ends the round. `TimeStampError` without one."""
    authority = authority_of(home.settings)
    if authority is None:
        raise TimeStampError("no time-stamp authority is set", hint="Set CLIPPROOF_TSA_URL.")
    rows = []
    for waiting in home.ledger.stamps_waiting(due=due, limit=limit):
        row = home.ledger.clip(waiting.clip_id)
        assert row is not None, "what waits is recorded"
        name = clip_id_hex(waiting.clip_id)
        try:
            with tempfile.TemporaryDirectory() as folder:
                edition = Path(folder) / f"{name}.mp4"
                _, query, token = stamp_file(
                    home.store.path(row.asset.sha256), edition, home.identity, home.trust, authority
                )
                size = edition.stat().st_size
                digest = home.store.put(edition)
            home.ledger.record_stamp(
                waiting.clip_id,
                imprint=query.imprint,
                token=token,
                edition=Asset(digest, size, row.asset.media_type),
            )
            rows.append(Stamped(name, str(home.store.path(digest)), None))
        except (ProvenanceError, MediaError) as error:
            home.ledger.stamp_failed(waiting.clip_id, f"{type(error).__name__}: {error}"[:300])
            rows.append(Stamped(name, None, str(error)))
            if isinstance(error, TimeStampError):
                break
    return rows


def stamp_due(home: Home) -> None:
    """A few of the stamps that are due, after a clip was made; what fails waits on, and spoils nothing."""
    if home.settings.tsa_url and home.settings.tsa_policy == "queue":
        stamp_waiting(home, limit=3)
