"""From a decoded manifest store to one frozen reading: what it says, how far it holds, rolled up.

Every text in a manifest was chosen by its writer. Nothing here raises on hostile content; whatever does not
have the expected shape is left out, and texts are cut and cleaned for display.
"""

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from provenance.bmff import Proof
from provenance.boxes import Finding, GuardFinding
from provenance.chain import Vouching, path_to_anchor, sha256_of, signer_chain
from provenance.exclusions import missing_fragments, unexpected_exclusions
from provenance.identity import DEVELOPMENT_MARKER
from provenance.manifest import CONTENT_LABEL, GENERATION_LABEL, LOG_LABEL, display_text
from provenance.manifest_reading import (
    HEX_ID,
    ActionReading,
    Credentials,
    IngredientReading,
    IngredientStatus,
    ListReading,
    ManifestReading,
    SoftBinding,
    State,
    TrustReading,
    clip_ids_of,
)
from provenance.trust import TrustAnchors, certificates_of

if TYPE_CHECKING:
    from cryptography import x509


_UNTRUSTED: Final = "signingCredential.untrusted"
_EXPIRED: Final = "signingCredential.expired"
# Of the signer, not of the content: what a stranger, or time, can do to a manifest without touching it.
_ABOUT_SIGNER: Final = frozenset({_UNTRUSTED, _EXPIRED})
_MAX_INGREDIENTS = 256
_HEX_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def interpret(
    store: Mapping[str, object],
    credentials: Credentials,
    findings: tuple[GuardFinding, ...],
    *,
    guarded: bool,
    kept: bool = False,
    media_sizes: Sequence[int] | None = None,
    proofs: Sequence[Proof] | None = None,
) -> ManifestReading:
    """The reading of a manifest store that the SDK decoded and validated.

    `credentials` tells whose anchors count, `findings` are the guard's; `guarded` where the file is one that the guard
    understands, `kept` where there is no file: then the mismatch of the hard binding does not count. `media_sizes` and
    `proofs` (of a file in segments): see `provenance.exclusions`.
    """
    label = store.get("active_manifest")
    manifests = as_mapping(store.get("manifests"))
    active = as_mapping(manifests.get(label)) if isinstance(label, str) else {}
    if not active or not isinstance(label, str):  # seen in a file whose CBOR is broken
        return ManifestReading(
            "malformed", detail="the store has no active manifest", guard_findings=findings
        )
    if guarded:
        findings += _binding_findings(manifests, label, media_sizes, proofs)
    results = as_mapping(store.get("validation_results"))
    codes = as_mapping(results.get("activeManifest"))
    successes, failures = codes_of(codes.get("success")), codes_of(codes.get("failure"))
    deltas = _deltas(results)
    signature = as_mapping(active.get("signature_info"))
    has_timestamp = "timeStamp.trusted" in successes and credentials.stamp_trusted()
    signed_at = _time(signature.get("time")) if has_timestamp else None
    chain = signer_chain(credentials.store, label)
    vouching = path_to_anchor(
        chain, certificates_of(credentials.trust.pem), signed_at or datetime.datetime.now(datetime.UTC)
    )
    ingredients = tuple(_vouched_for(one, credentials) for one in _ingredients(manifests, label, deltas))
    sdk_state = store.get("validation_state")
    signature_holds = "claimSignature.validated" in successes
    # The credential of a broken signature may be trusted all the same.
    signer_trusted = (
        signature_holds and "signingCredential.trusted" in successes and vouching.state == "vouched"
    )
    if kept:
        failures = tuple(code for code in failures if code != "assertion.bmffHash.mismatch")
        if not set(failures) - {_UNTRUSTED} and signature_holds:
            sdk_state = "Trusted" if signer_trusted else "Valid"
    if sdk_state == "Trusted" and not signer_trusted:
        # By the SDK's one pool: an authority for time stamps vouched for the signer, or one for signers for the time.
        expired = vouching.state == "expired"
        failures = (*failures, _UNTRUSTED, *([_EXPIRED] if expired else []))
        sdk_state = "Invalid" if expired else "Valid"
    broken = [code for code in sum(deltas.values(), ()) if code not in _ABOUT_SIGNER]
    state = _state(sdk_state, failures, broken or findings, ingredients)
    signer = display_text(signature.get("common_name"))
    reading = ManifestReading(
        state,
        label=display_text(label),
        title=display_text(active.get("title")),
        claim_generator=_generator(active.get("claim_generator_info")),
        signer=signer,
        organization=display_text(signature.get("issuer")),  # the SDK's name for the subject's organisation
        issuer=_issuer_name(chain),
        serial_number=display_text(signature.get("cert_serial_number")),
        signer_sha256=sha256_of(chain[0]) if chain and signature_holds else "",
        signer_trusted=signer_trusted,
        trust=_trust_reading(credentials.trust, vouching if signer_trusted else None),
        development=DEVELOPMENT_MARKER in signer.casefold(),
        not_after=chain[0].not_valid_after_utc if chain else None,
        signed_at=signed_at,
        has_timestamp=has_timestamp,
        ingredients=ingredients,
        failure_codes=tuple(dict.fromkeys((*failures, *sum(deltas.values(), ())))),
        guard_findings=findings,
    )
    return _with_assertions(reading, active.get("assertions"))


def _vouched_for(ingredient: IngredientReading, credentials: Credentials) -> IngredientReading:
    """The SDK's "trusted" may come from an authority for time stamps here, too."""
    if ingredient.status != "trusted":
        return ingredient
    chain = signer_chain(credentials.store, ingredient.label)
    vouching = path_to_anchor(chain, certificates_of(credentials.trust.pem), None)
    return ingredient if vouching.state == "vouched" else replace(ingredient, status="valid_untrusted")


def _trust_reading(trust: TrustAnchors, vouching: Vouching | None) -> TrustReading:
    lists = tuple(
        ListReading(one.purpose, one.source, one.version, one.id, len(one.fingerprints))
        for one in trust.lists
    )
    if vouching is None:
        return TrustReading(lists)
    holding = (
        one.id for one in trust.lists if one.purpose == "signer" and vouching.anchor in one.fingerprints
    )
    return TrustReading(lists, vouching.anchor, display_text(vouching.anchor_name), next(holding, ""))


def _issuer_name(chain: "Sequence[x509.Certificate]") -> str:
    from cryptography.x509.oid import NameOID

    names = chain[0].issuer.get_attributes_for_oid(NameOID.COMMON_NAME) if chain else []
    return display_text(names[0].value) if names else ""


def _state(
    sdk_state: object,
    failures: Sequence[str],
    broken: Sequence[object],
    ingredients: Sequence[IngredientReading],
) -> State:
    """The one state that follows; `broken` holds findings and failures outside the active manifest.

    The SDK may say "Invalid" with no failure in the active manifest, because an ingredient fails.
    """
    if broken or any(ingredient.status == "failed" for ingredient in ingredients):
        return "invalid"
    # A failure beside "Trusted" is of a time stamp; whoever shows it says more than "trusted" would.
    if sdk_state == "Trusted" and not failures:
        return "trusted"
    if sdk_state in ("Trusted", "Valid"):
        return "valid_untrusted"
    return "expired" if _EXPIRED in failures and _ABOUT_SIGNER.issuperset(failures) else "invalid"


def _ingredients(
    manifests: Mapping[str, object], active: str, deltas: Mapping[str, tuple[str, ...]]
) -> Iterator[IngredientReading]:
    """Every ingredient below a manifest, breadth first, each manifest once.

    A child of a tampered parent validates as "Trusted" with an empty list of deltas; the parent's failure
    stands only in the results that were recorded with the ingredient (measured), so both places count.
    """
    queue, seen, count = [(active, 1)], {active}, 0
    while queue:
        parent, depth = queue.pop(0)
        for entry in as_list(as_mapping(manifests.get(parent)).get("ingredients")):
            count += 1
            if count > _MAX_INGREDIENTS:  # the rest is not looked at, so nothing can be vouched for
                yield IngredientReading("", "", "", "failed", ("clipproof.ingredients.tooMany",), depth)
                return
            ingredient = as_mapping(entry)
            results = as_mapping(ingredient.get("validation_results"))
            recorded = as_mapping(results.get("activeManifest"))
            codes = (
                *codes_of(recorded.get("failure")),
                *codes_of(ingredient.get("validation_status")),  # as written before C2PA 2.0
                *sum(_deltas(results).values(), ()),
                *deltas.get(f"self#jumbf=/c2pa/{parent}/c2pa.assertions/{ingredient.get('label')}", ()),
            )
            label = ingredient.get("active_manifest")
            yield IngredientReading(
                title=display_text(ingredient.get("title")),
                relationship=display_text(ingredient.get("relationship"), 40),
                label=display_text(label),
                status=_ingredient_status(codes, codes_of(recorded.get("success")), signed=bool(label)),
                failure_codes=tuple(dict.fromkeys(codes)),
                depth=depth,
                clip_ids=clip_ids_of(
                    _soft_bindings(as_mapping(manifests.get(label)) if isinstance(label, str) else {})
                ),
            )
            if isinstance(label, str) and label not in seen:
                seen.add(label)
                queue.append((label, depth + 1))


def _ingredient_status(
    failures: Sequence[str], successes: Sequence[str], *, signed: bool
) -> IngredientStatus:
    if any(code not in _ABOUT_SIGNER for code in failures):
        return "failed"
    if not signed:
        return "unsigned"
    if _EXPIRED in failures:
        return "expired"
    return "trusted" if "signingCredential.trusted" in successes and not failures else "valid_untrusted"


def _binding_findings(
    manifests: Mapping[str, object],
    active: str,
    media_sizes: Sequence[int] | None,
    proofs: Sequence[Proof] | None,
) -> tuple[GuardFinding, ...]:
    """Whether the manifest binds the whole file. An update manifest is bound by its parent's hash."""
    label, seen = active, set[str]()
    while label not in seen:
        seen.add(label)
        manifest = as_mapping(manifests.get(label))
        bindings = [
            data
            for name, data in _assertions(manifest.get("assertions"))
            if name.startswith("c2pa.hash.bmff")
        ]
        if bindings:
            return tuple(
                finding
                for binding in bindings
                for finding in (
                    *unexpected_exclusions(binding, media_sizes),
                    *(missing_fragments(binding, proofs) if proofs is not None else ()),
                )
            )
        parents = [
            parent
            for ingredient in as_list(manifest.get("ingredients"))
            if as_mapping(ingredient).get("relationship") == "parentOf"
            and isinstance(parent := as_mapping(ingredient).get("active_manifest"), str)
        ]
        label = parents[0] if parents else label
    return (GuardFinding(Finding.UNEXPECTED_EXCLUSION, "no hash over the boxes of the file"),)


def _with_assertions(reading: ManifestReading, assertions: object) -> ManifestReading:
    actions: list[ActionReading] = []
    soft_bindings: list[SoftBinding] = []
    content: dict[str, bytes] = {}
    generation: dict[str, str] = {}
    own_id: int | None = None
    checkpoint = ""
    for label, data in _assertions(assertions):
        if label in ("c2pa.actions", "c2pa.actions.v2"):
            actions += [_action(as_mapping(entry)) for entry in as_list(data.get("actions"))[:64]]
        elif label == "c2pa.soft-binding":
            soft_bindings += _bindings_in(data)
        elif label == LOG_LABEL:
            said = data.get("checkpoint")
            checkpoint = said if isinstance(said, str) and len(said) <= 4096 else ""
        elif label == CONTENT_LABEL:
            stated = data.get("clip_id")
            own_id = int(stated, 16) if isinstance(stated, str) and HEX_ID.fullmatch(stated) else None
            for name, digest in data.items():
                if name.endswith("_sha256") and isinstance(digest, str) and _HEX_DIGEST.fullmatch(digest):
                    content[display_text(name.removesuffix("_sha256"), 40)] = bytes.fromhex(digest)
        elif label == GENERATION_LABEL:
            generation = {
                display_text(name, 40): display_text(_plain(value)) for name, value in list(data.items())[:32]
            }
    return replace(
        reading,
        actions=tuple(actions),
        soft_bindings=tuple(soft_bindings),
        content=content,
        content_clip_id=own_id,
        log_checkpoint=checkpoint,
        generation=generation,
    )


def _bindings_in(data: Mapping[str, object]) -> list[SoftBinding]:
    alg = display_text(data.get("alg"), 100)
    values = [as_mapping(block).get("value") for block in as_list(data.get("blocks"))[:64]]
    return [SoftBinding(alg, display_text(value)) for value in values if isinstance(value, str)]


def _soft_bindings(manifest: Mapping[str, object]) -> list[SoftBinding]:
    found = (
        _bindings_in(data)
        for label, data in _assertions(manifest.get("assertions"))
        if label == "c2pa.soft-binding"
    )
    return [binding for bindings in found for binding in bindings]


def _action(action: Mapping[str, object]) -> ActionReading:
    agent = action.get("softwareAgent")
    return ActionReading(
        action=display_text(action.get("action"), 100),
        digital_source_type=display_text(action.get("digitalSourceType")),
        agent=display_text(agent) or _generator([agent]),
        when=display_text(action.get("when"), 40),
    )


def _assertions(assertions: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    """(label without the number of its instance, data) of each assertion that has both."""
    for assertion in map(as_mapping, as_list(assertions)):
        label = assertion.get("label")
        if isinstance(label, str) and isinstance(assertion.get("data"), Mapping):
            yield label.split("__")[0], as_mapping(assertion.get("data"))


def _deltas(results: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Failures that validation found now in ingredients, by the address of the ingredient assertion."""
    deltas: dict[str, tuple[str, ...]] = {}
    for entry in map(as_mapping, as_list(results.get("ingredientDeltas"))):
        address = str(entry.get("ingredientAssertionURI"))
        codes = codes_of(as_mapping(entry.get("validationDeltas")).get("failure"))
        deltas[address] = (*deltas.get(address, ()), *codes)
    return deltas


def codes_of(statuses: object) -> tuple[str, ...]:
    return tuple(
        display_text(status.get("code"), 100) or "unknown" for status in map(as_mapping, as_list(statuses))
    )


def _generator(generators: object) -> str:
    """`name version` of the first claim generator."""
    first = next(iter(map(as_mapping, as_list(generators))), {})
    return " ".join(text for key in ("name", "version") if (text := display_text(first.get(key), 100)))


def _plain(value: object) -> str:
    """A number or text as text; a table of such as `name value, …`; anything else as nothing."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(inner)}" for name, inner in value.items() if isinstance(inner, str))
    return str(value) if isinstance(value, str | int | float) else ""


def _time(text: object) -> datetime.datetime | None:
    try:
        time = datetime.datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return time.astimezone(datetime.UTC) if time is not None and time.tzinfo is not None else None


def as_mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
