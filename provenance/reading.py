"""The manifest in a file, read under the guard and the hardened SDK context; nothing is ever fetched."""

import contextlib
import io
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from media import MediaError
from media.sniff import sniff
from provenance.bmff import BmffReport, inspect_bmff
from provenance.errors import BmffError, UnreadableFile
from provenance.interpretation import as_mapping, codes_of, interpret
from provenance.manifest import display_text
from provenance.manifest_reading import (
    ActionReading,
    Credentials,
    IngredientReading,
    ManifestReading,
    SoftBinding,
)
from provenance.trust import TrustAnchors, sdk_context, time_stamp_context

if TYPE_CHECKING:
    import c2pa

__all__ = [
    "ActionReading",
    "IngredientReading",
    "ManifestReading",
    "SoftBinding",
    "joined",
    "read_kept_manifest",
    "read_manifest",
]

# Containers into which C2PA embeds, of those that are opened here.
_EMBEDDABLE: Final = frozenset({"mp4", "mov", "avi", "gif"})


def read_manifest(
    path: Path | str, trust: TrustAnchors, *, fragments: Sequence[Path | str] = ()
) -> ManifestReading:
    """Read and classify the manifest embedded in a file; nothing is fetched from anywhere.

    `fragments` are the media segments, in order, where the file is an initialisation segment (DASH, CMAF), which alone
    is `invalid`: all of them, as they were signed.

    Raises `UnreadableFile` (no such file, or not readable) alone: whatever the bytes are, there is a reading.
    """
    path = Path(path)
    segments = [Path(fragment) for fragment in fragments]
    for part in (path, *segments):
        try:
            part.open("rb").close()
        except OSError as error:
            raise UnreadableFile(
                f"{part}: cannot be read ({error.strerror})", hint="Check the path."
            ) from None
    try:
        container = sniff(path)
        guard = inspect_bmff(path, fragments=segments)
    except (MediaError, BmffError) as error:
        return ManifestReading("malformed", detail=str(error))
    if container.demuxer not in _EMBEDDABLE:
        return ManifestReading("absent", detail=f"manifests in {container.media_type} files are not read")
    if guard.manifest_boxes > 1:
        return ManifestReading(
            "malformed", detail="more than one manifest store", guard_findings=guard.findings
        )
    # The guard has bounded depth, number and size of boxes by now: the SDK's own parser meets no bomb.
    if not segments:
        with path.open("rb") as file:
            return _read_store(container.media_type, file, trust, guard)
    for segment in segments:  # the SDK checks one at a time; the first that fails speaks for all
        with path.open("rb") as file, segment.open("rb") as piece:
            reading = _read_store(container.media_type, file, trust, guard, segment=piece)
        if reading.state not in ("trusted", "valid_untrusted", "expired"):
            break
    return reading


@contextlib.contextmanager
def joined(path: Path | str, fragments: Sequence[Path | str]) -> Iterator[Path]:
    """An initialisation segment and its media segments as one temporary file, as a player would see them."""
    with tempfile.TemporaryDirectory(prefix="clipproof-") as folder:
        whole = Path(folder) / "joined.mp4"
        with whole.open("wb") as target:
            for part in (path, *fragments):
                with Path(part).open("rb") as source:
                    shutil.copyfileobj(source, target)
        yield whole


def read_kept_manifest(manifest_bytes: bytes, trust: TrustAnchors) -> ManifestReading:
    """Read a manifest store that was kept apart from its file, for example in the ledger.

    Says whether its signature holds, and whose it is; of any file it says nothing. A clip that lost its
    manifest box never matches the hard binding again, even with every frame equal, as the places of the boxes
    are hashed; so that one failure is not counted. Compare `content` with the clip instead.
    """
    guard = BmffReport(applicable=False)
    return _read_store("application/c2pa", io.BytesIO(manifest_bytes), trust, guard, kept=True)


def _read_store(
    media_type: str,
    file: BinaryIO,
    trust: TrustAnchors,
    guard: BmffReport,
    *,
    kept: bool = False,
    segment: BinaryIO | None = None,
) -> ManifestReading:
    import c2pa

    try:
        with c2pa.Reader(media_type, file, context=sdk_context(trust)) as reader:
            if segment is not None:
                reader.with_fragment(media_type, file, segment)
            store = as_mapping(json.loads(reader.json()))
            credentials = _credentials(reader, store, trust)
    except c2pa.C2paError.ManifestNotFound:
        if guard.manifest_boxes:
            return ManifestReading("malformed", detail="a manifest box without a manifest store")
        return ManifestReading("absent")
    except c2pa.C2paError as error:
        if remote := re.match(r"Remote: .*?from url (\S+)", str(error)):
            return ManifestReading("remote_only", remote_url=display_text(remote[1], 2000))
        return ManifestReading("malformed", detail=display_text(str(error)), guard_findings=guard.findings)
    except (
        Exception
    ) as error:  # the SDK's own faults on hostile bytes: KeyError, UnicodeError, MemoryError, …
        return ManifestReading(
            "malformed",
            detail=f"the manifest store is not readable ({type(error).__name__})",
            guard_findings=guard.findings,
        )
    return interpret(
        store,
        credentials,
        guard.findings,
        guarded=guard.applicable,
        kept=kept,
        media_sizes=None if guard.fragmented else guard.media_sizes,
        proofs=guard.proofs if segment is not None else None,
    )


def _credentials(reader: "c2pa.Reader", store: Mapping[str, object], trust: TrustAnchors) -> Credentials:
    """What the SDK's word is held against: the signer's own path to an anchor, and who vouches for the time."""
    label = store.get("active_manifest")
    if not isinstance(label, str):
        return Credentials(trust)
    content = io.BytesIO()
    # The address of anything in the store gives the whole store (0.91.3); were that to change, nobody is vouched for.
    reader.resource_to_stream(f"self#jumbf=/c2pa/{label}/c2pa.signature", content)
    return Credentials(
        trust,
        store=content.getvalue(),
        stamp_trusted=lambda: _stamp_trusted(content.getvalue(), trust),
    )


def _stamp_trusted(store: bytes, trust: TrustAnchors) -> bool:
    """Whether the time stamp of the active manifest holds under the authorities of time stamps alone."""
    import c2pa

    if not trust.tsa_pem:
        return False
    try:
        with c2pa.Reader("application/c2pa", io.BytesIO(store), context=time_stamp_context(trust)) as reader:
            results = as_mapping(json.loads(reader.json())).get("validation_results")
    except Exception:  # whatever it is, it vouches for nothing
        return False
    return "timeStamp.trusted" in codes_of(
        as_mapping(as_mapping(results).get("activeManifest")).get("success")
    )
