"""The manifest in a file, read under the guard and the hardened SDK context; nothing is ever fetched."""

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final

from media import MediaError
from media.sniff import sniff
from provenance.bmff import BmffReport, inspect_bmff
from provenance.errors import BmffError, UnreadableFile
from provenance.interpretation import (
    ActionReading,
    IngredientReading,
    ManifestReading,
    SoftBinding,
    as_list,
    as_mapping,
    interpret,
)
from provenance.manifest import display_text
from provenance.trust import TrustAnchors, sdk_context

__all__ = [
    "ActionReading",
    "IngredientReading",
    "ManifestReading",
    "SoftBinding",
    "read_kept_manifest",
    "read_manifest",
]

# Containers into which C2PA embeds, of those that are opened here.
_EMBEDDABLE: Final = frozenset({"mp4", "mov", "avi", "gif"})


def read_manifest(path: Path | str, trust: TrustAnchors) -> ManifestReading:
    """Read and classify the manifest embedded in a file; nothing is fetched from anywhere.

    Raises `UnreadableFile` (no such file, or not readable) alone: whatever the bytes are, there is a reading.
    """
    path = Path(path)
    try:
        path.open("rb").close()
    except OSError as error:
        raise UnreadableFile(f"{path}: cannot be read ({error.strerror})", hint="Check the path.") from None
    try:
        container = sniff(path)
        guard = inspect_bmff(path)
    except (MediaError, BmffError) as error:
        return ManifestReading("malformed", detail=str(error))
    if container.demuxer not in _EMBEDDABLE:
        return ManifestReading("absent", detail=f"manifests in {container.media_type} files are not read")
    if guard.manifest_boxes > 1:
        return ManifestReading(
            "malformed", detail="more than one manifest store", guard_findings=guard.findings
        )
    # The guard has bounded depth, number and size of boxes by now: the SDK's own parser meets no bomb.
    with path.open("rb") as file:
        return _read_store(container.media_type, file, trust, guard)


def read_kept_manifest(manifest_bytes: bytes, trust: TrustAnchors) -> ManifestReading:
    """Read a manifest store that was kept apart from its file, for example in the ledger.

    Says whether its signature holds, and whose it is; of any file it says nothing. A clip that lost its
    manifest box never matches the hard binding again, even with every frame equal, as the places of the boxes
    are hashed; so that one failure is not counted. Compare `content` with the clip instead.
    """
    guard = BmffReport(applicable=False)
    return _read_store("application/c2pa", io.BytesIO(manifest_bytes), trust, guard, kept=True)


def _read_store(
    media_type: str, file: BinaryIO, trust: TrustAnchors, guard: BmffReport, *, kept: bool = False
) -> ManifestReading:
    import c2pa

    try:
        with c2pa.Reader(media_type, file, context=sdk_context(trust)) as reader:
            store = as_mapping(json.loads(reader.json()))
            certificate = _certificate(json.loads(reader.crjson()), store.get("active_manifest"))
    except c2pa.C2paError.ManifestNotFound:
        if guard.manifest_boxes:
            return ManifestReading("malformed", detail="a manifest box without a manifest store")
        return ManifestReading("absent")
    except c2pa.C2paError as error:
        if remote := re.match(r"Remote: .*?from url (\S+)", str(error)):
            return ManifestReading("remote_only", remote_url=display_text(remote[1], 2000))
        return ManifestReading("malformed", detail=display_text(str(error)), guard_findings=guard.findings)
    except (ValueError, RecursionError) as error:
        return ManifestReading("malformed", detail=f"the manifest store is not JSON ({type(error).__name__})")
    return interpret(store, certificate, guard.findings, guarded=guard.applicable, kept=kept)


def _certificate(crjson: object, active: object) -> Mapping[str, object]:
    """The active signer's certificate as the SDK's crJSON tells it: issuer and validity."""
    for manifest in map(as_mapping, as_list(as_mapping(crjson).get("manifests"))):
        if manifest.get("label") == active:
            return as_mapping(as_mapping(manifest.get("signature")).get("certificateInfo"))
    return {}
