"""Sign a clip: from a checked claim to a file that has been read back and found good, or to nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from media import MediaError, atomic_path
from media.sniff import sniff
from provenance.bmff import inspect_bmff
from provenance.errors import AlreadySigned, ClaimError, SigningError, UnreadableFile
from provenance.identity import Identity
from provenance.manifest import PARENT_LABEL, Claim, display_text, manifest_definition
from provenance.reading import read_manifest
from provenance.trust import TrustAnchors, sdk_context

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


def sign_file(
    src: Path | str,
    dst: Path | str,
    claim: Claim,
    identity: Identity,
    trust: TrustAnchors,
    *,
    ingredients: Sequence[Ingredient] = (),
) -> Signed:
    """Sign the MP4 or MOV at `src` into `dst`, read it back under `trust`, and only then publish it.

    `src` is never written to; `dst` is the whole signed file or what it was before. Raises `ClaimError`,
    `CertificateExpired`, `AlreadySigned` (a signed `src` that is not its own parent ingredient), another
    `SigningError`, or `media.OutputError`.
    """
    src, dst = Path(src), Path(dst)
    if src.resolve() == dst.resolve() or (dst.exists() and src.exists() and dst.samefile(src)):
        # The SDK would empty the source before it reads it (measured).
        raise SigningError(f"{src}: source and destination are the same file", hint="Choose another name.")
    media_type = _signable_type(src)
    _require_parent(claim, ingredients)
    _refuse_dropped_manifest(src, trust, ingredients)
    definition = manifest_definition(claim, media_type=media_type)
    identity.require_valid()
    with atomic_path(dst) as tmp:
        manifest_bytes = _sign(src, tmp, definition, media_type, identity, trust, ingredients)
        reading = read_manifest(tmp, trust)
        if reading.state not in ("trusted", "valid_untrusted"):
            reasons = ", ".join(
                [*reading.failure_codes, *(finding.code for finding in reading.guard_findings)]
            )
            raise SigningError(
                f"{src}: the signed file does not verify ({reading.state}: {reasons or reading.detail})",
                hint="Nothing was written. Check the ingredients: a tampered parent taints its child.",
            )
    return Signed(
        path=dst,
        label=reading.label,
        state=reading.state,
        signer=reading.signer,
        manifest_bytes=manifest_bytes,
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
) -> bytes:
    """Write the signed copy of `src` to `tmp`; returns the manifest store."""
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

    try:
        signer = c2pa.Signer.from_callback(sign, c2pa.C2paSigningAlg[identity.algorithm], identity.chain_pem)
        context = sdk_context(trust, fragmented=inspect_bmff(src).fragmented)
        with signer, c2pa.Builder.from_json(definition, context=context) as builder:
            for ingredient in ingredients:
                _add_ingredient(builder, ingredient)
            with src.open("rb") as source, tmp.open("w+b") as target:  # the SDK reads back what it wrote
                return bytes(builder.sign(signer, media_type, source, target))
    except c2pa.C2paError as error:
        if failures:
            raise SigningError(
                f"{src}: the key of {identity.common_name!r} did not sign ({type(failures[0]).__name__})",
                hint="Check the key or the HSM behind it.",
            ) from failures[0]
        raise SigningError(
            f"{src}: not signed ({display_text(str(error))})", hint="Check free space, certificate and clip."
        ) from error


def _add_ingredient(builder: "c2pa.Builder", ingredient: Ingredient) -> None:
    definition = {
        "title": display_text(ingredient.title or ingredient.path.name) or "untitled",
        "relationship": ingredient.relationship,
    }
    if ingredient.relationship == "parentOf":
        definition["label"] = PARENT_LABEL
    try:
        media_type = sniff(ingredient.path).media_type
        with ingredient.path.open("rb") as file:
            builder.add_ingredient(definition, media_type, file)
    except (MediaError, OSError) as error:
        raise UnreadableFile(
            f"{ingredient.path}: not an ingredient ({error})", hint="Check the path."
        ) from error
