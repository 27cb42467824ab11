"""Sign a clip: from a checked claim to a file that has been read back and found good, or to nothing."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from media import MediaError, atomic_path
from media.sniff import sniff
from provenance.bmff import inspect_bmff
from provenance.errors import (
    AlreadySigned,
    ClaimError,
    SignerFailed,
    SigningError,
    TimeStampError,
    UnreadableFile,
)
from provenance.identity import Identity
from provenance.manifest import PARENT_LABEL, Claim, display_text, manifest_definition, update_definition
from provenance.reading import ManifestReading, read_manifest
from provenance.timestamps import Query, Relay, TimeStampAuthority, relay
from provenance.trust import TrustAnchors, sdk_context, updating_context

if TYPE_CHECKING:
    import c2pa

_SIGNED_TYPES = ("video/mp4", "video/quicktime")


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A file that the clip was made from; its own manifest, where it has one, is carried along."""

    path: Path
    relationship: Literal["parentOf", "componentOf", "inputTo"] = "parentOf"
    title: str = ""  # the name of the file, where empty


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed file. `manifest_bytes` is the manifest store, exactly as embedded: keep it in the ledger."""

    path: Path
    label: str  # urn:c2pa:…
    state: Literal["trusted", "valid_untrusted"]  # under the anchors given
    signer: str
    manifest_bytes: bytes = field(repr=False)
    has_timestamp: bool = False


def sign_file(
    src: Path | str,
    dst: Path | str,
    claim: Claim,
    identity: Identity,
    trust: TrustAnchors,
    *,
    ingredients: Sequence[Ingredient] = (),
    authority: TimeStampAuthority | None = None,
) -> Signed:
    """Sign the MP4 or MOV at `src` into `dst`, read it back under `trust`, and only then publish it.

    `src` is never written to; `dst` is the whole signed file or what it was before. Raises `ClaimError`,
    `CertificateExpired`, `AlreadySigned` (a signed `src` that is not its own parent ingredient), `TimeStampError`
    (with an `authority`, no file without its stamp is published), `SignerFailed`, another `SigningError`, or
    `media.OutputError`.
    """
    src, dst = Path(src), Path(dst)
    if src.resolve() == dst.resolve() or (dst.exists() and src.exists() and dst.samefile(src)):
        # The SDK would empty the source before it reads it (measured).
        raise SigningError(f"{src}: source and destination are the same file", hint="Choose another name.")
    media_type = _signable_type(src)
    _require_parent(claim, ingredients)
    _refuse_dropped_manifest(src, trust, ingredients)
    components = [name for one, name in _labelled(ingredients) if one.relationship == "componentOf"]
    definition = manifest_definition(claim, media_type=media_type, components=components)
    identity.require_valid()
    with atomic_path(dst) as tmp:
        manifest_bytes, _ = _sign(src, tmp, definition, media_type, identity, trust, ingredients, authority)
        reading = _read_back(src, tmp, trust)
        if authority is not None and not reading.has_timestamp:
            raise TimeStampError(
                f"{src}: the time stamp of {authority.host} does not count in the signed file"
            )
    return _signed(dst, reading, manifest_bytes)


def stamp_file(
    src: Path | str, dst: Path | str, identity: Identity, trust: TrustAnchors, authority: TimeStampAuthority
) -> tuple[Signed, Query, bytes]:
    """A signed clip that was not time-stamped, again, with a stamp: an update manifest over the one it has.

    The clip and its manifest stay as they are; the update (C2PA 2.2 §11.2.3) holds a time stamp over the old signature
    (`c2pa.time-stamp`) and is signed and stamped itself. Returns the signed file, and the stamp over the old signature
    with what it covers. Raises as `sign_file` does.
    """
    src, dst = Path(src), Path(dst)
    if src.resolve() == dst.resolve() or (dst.exists() and dst.samefile(src)):
        raise SigningError(f"{src}: source and destination are the same file", hint="Choose another name.")
    media_type = _signable_type(src)
    before = read_manifest(src, trust)
    if before.state not in ("trusted", "valid_untrusted", "expired"):
        raise SigningError(
            f"{src}: its manifest does not hold ({before.state})", hint="Stamp the clip as it was signed."
        )
    identity.require_valid()
    with atomic_path(dst) as tmp:
        manifest_bytes, replies = _sign(
            src, tmp, update_definition(before.title), media_type, identity, trust, (), authority, update=True
        )
        reading = _read_back(src, tmp, trust)
        if not (reading.has_timestamp and replies):
            raise TimeStampError(
                f"{src}: the time stamp of {authority.host} does not count in the signed file"
            )
    return _signed(dst, reading, manifest_bytes), *replies[0]


def _read_back(src: Path, tmp: Path, trust: TrustAnchors) -> ManifestReading:
    reading = read_manifest(tmp, trust)
    if reading.state not in ("trusted", "valid_untrusted"):
        reasons = ", ".join([*reading.failure_codes, *(finding.code for finding in reading.guard_findings)])
        raise SigningError(
            f"{src}: the signed file does not verify ({reading.state}: {reasons or reading.detail})",
            hint="Nothing was written. Check the ingredients: a tampered parent taints its child.",
        )
    return reading


def _signed(dst: Path, reading: ManifestReading, manifest_bytes: bytes) -> Signed:
    assert reading.state in ("trusted", "valid_untrusted")
    return Signed(
        path=dst,
        label=reading.label,
        state=reading.state,
        signer=reading.signer,
        manifest_bytes=manifest_bytes,
        has_timestamp=reading.has_timestamp,
    )


def _signable_type(src: Path) -> str:
    try:
        media_type = sniff(src).media_type
    except MediaError as error:
        raise SigningError(str(error), hint=error.hint) from error
    if media_type not in _SIGNED_TYPES:
        raise SigningError(f"{src}: {media_type} is not signed here", hint="Convert it to MP4 first.")
    return media_type


def _require_parent(claim: Claim, ingredients: Sequence[Ingredient]) -> None:
    parents = sum(ingredient.relationship == "parentOf" for ingredient in ingredients)
    if claim.generation is None and parents != 1:
        raise ClaimError(
            f"{claim.title!r}: {parents} parents",
            hint="A clip that was not generated here has one: its original.",
        )
    if claim.generation is not None and parents:
        raise ClaimError(
            f"{claim.title!r}: generated, yet with a parent", hint="Name it as an input instead."
        )


def _refuse_dropped_manifest(src: Path, trust: TrustAnchors, ingredients: Sequence[Ingredient]) -> None:
    """A signed source must be its own parent: otherwise the SDK drops its manifest without a word."""
    reading = read_manifest(src, trust)
    if reading.state == "absent" or any(
        ingredient.relationship == "parentOf" and ingredient.path.exists() and ingredient.path.samefile(src)
        for ingredient in ingredients
    ):
        return
    raise AlreadySigned(
        f"{src}: has a manifest already ({reading.state}), which signing would drop",
        hint="Name the file as its own parent ingredient to keep its past.",
    )


def _sign(
    src: Path,
    tmp: Path,
    definition: str,
    media_type: str,
    identity: Identity,
    trust: TrustAnchors,
    ingredients: Sequence[Ingredient],
    authority: TimeStampAuthority | None,
    *,
    update: bool = False,
) -> tuple[bytes, list[tuple[Query, bytes]]]:
    """Write the signed copy of `src` to `tmp`; returns the manifest store and the time stamps in it."""
    import c2pa

    failures: list[Exception] = []

    def sign(message: bytes) -> bytes:
        try:
            return identity.sign(message)
        except Exception as error:
            failures.append(error)
            # The SDK logs what it catches here and reports "COSE signature invalid": the cause is kept apart,
            # where no log can quote what an HSM client or a key parser put into its message.
            raise SigningError("the signer failed") from None

    stamps: Relay | None = None
    try:
        with contextlib.ExitStack() as stack:
            if authority is not None:
                stamps = stack.enter_context(relay(authority))
            signer = stack.enter_context(
                c2pa.Signer.from_callback(
                    sign,
                    c2pa.C2paSigningAlg[identity.algorithm],
                    identity.chain_pem,
                    stamps.url if stamps else None,
                )
            )
            if update and stamps:
                context = updating_context(trust, stamps.origin)
            else:
                context = sdk_context(trust, fragmented=inspect_bmff(src).fragmented)
            builder = stack.enter_context(c2pa.Builder.from_json(definition, context=context))
            if update:
                builder.set_intent(c2pa.C2paBuilderIntent.UPDATE)
            for ingredient, label in _labelled(ingredients):
                _add_ingredient(builder, ingredient, label)
            with src.open("rb") as source, tmp.open("w+b") as target:  # the SDK reads back what it wrote
                store = bytes(builder.sign(signer, media_type, source, target))
            return store, stamps.replies if stamps else []
    except c2pa.C2paError as error:
        if failures and isinstance(failures[0], SignerFailed):
            raise failures[0] from None
        if failures:
            raise SigningError(
                f"{src}: the key of {identity.common_name!r} did not sign ({type(failures[0]).__name__})",
                hint="Check the key or the HSM behind it.",
            ) from failures[0]
        if stamps is not None and stamps.failure is not None:
            raise stamps.failure from None
        raise SigningError(
            f"{src}: not signed ({display_text(str(error))})", hint="Check free space, certificate and clip."
        ) from error


def _labelled(ingredients: Sequence[Ingredient]) -> list[tuple[Ingredient, str]]:
    """Each ingredient with the label under which an action of the definition names it."""
    return [
        (one, PARENT_LABEL if one.relationship == "parentOf" else f"ingredient-{index}")
        for index, one in enumerate(ingredients)
    ]


def _add_ingredient(builder: "c2pa.Builder", ingredient: Ingredient, label: str) -> None:
    definition = {
        "title": display_text(ingredient.title or ingredient.path.name) or "untitled",
        "relationship": ingredient.relationship,
        "label": label,
    }
    try:
        media_type = sniff(ingredient.path).media_type
        with ingredient.path.open("rb") as file:
            builder.add_ingredient(definition, media_type, file)
    except (MediaError, OSError) as error:
        raise UnreadableFile(
            f"{ingredient.path}: not an ingredient ({error})", hint="Check the path."
        ) from error
