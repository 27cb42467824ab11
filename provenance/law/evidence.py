"""What can be seen of one clip now: the ledger's row, and the stored file read again."""

from dataclasses import dataclass
from pathlib import Path

from media import MediaError, file_digest, probe
from provenance.errors import LabelError
from provenance.labels import AigcLabel, read_aigc
from provenance.ledger import ClipRow
from provenance.reading import ManifestReading, read_manifest
from provenance.trust import TrustAnchors
from provenance.watermark import MarkKeys, detect_file
from provenance.watermark.errors import WatermarkError


@dataclass(frozen=True, slots=True)
class ClipEvidence:
    """`reading` is None where the file is not there or is not the recorded one: then nothing of it counts.

    `payload` is the clip id that was read from the pictures; `looked_for_mark` is False without a key.
    """

    row: ClipRow
    problem: str = ""  # why the file could not be looked at
    reading: ManifestReading | None = None
    aigc: AigcLabel | None = None
    duration_s: float | None = None
    looked_for_mark: bool = False
    payload: int | None = None


def gather(row: ClipRow, path: Path, trust: TrustAnchors, *, mark_keys: MarkKeys | None) -> ClipEvidence:
    """Reads the stored file again: digest, manifest, AIGC metadata and, with keys, the mark of the recorded epoch."""
    if not path.is_file():
        return ClipEvidence(row, "the file is not in the store")
    if file_digest(path) != row.asset.sha256:
        return ClipEvidence(row, "the file in the store is not the one that was recorded")
    try:
        said = probe(path)
        found = None
        if mark_keys is not None:
            # The marks of an edit are those of other clips, of whatever epochs.
            epochs = [one.epoch for one in row.marks] or mark_keys.newest()
            found = detect_file(path, key=[mark_keys.of(epoch) for epoch in epochs])
    except (MediaError, WatermarkError) as error:
        return ClipEvidence(row, f"the file cannot be read: {error}")
    try:
        aigc = read_aigc(said.metadata)
    except LabelError:
        aigc = None
    return ClipEvidence(
        row,
        reading=read_manifest(path, trust),
        aigc=aigc,
        duration_s=said.duration_s,
        looked_for_mark=found is not None,
        payload=None if found is None else found.payload,
    )
