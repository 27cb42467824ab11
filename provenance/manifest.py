"""What is claimed about a clip: a typed claim, checked by us, as the manifest definition that the SDK signs.

The SDK enforces little: it signs a digital source type of "banana", a soft binding without an algorithm and
unknown actions, and calls the result trusted (measured, 0.91.3). So every value is checked here first.
"""

import datetime
import hashlib
import json
import math
import re
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final, Literal, get_args

from provenance.errors import ClaimError
from provenance.scheme import SCHEME

# Not in the C2PA soft binding algorithm list: other software cannot read this mark, only look its id up.
SOFT_BINDING_ALG: Final = SCHEME
CONTENT_LABEL: Final = "org.clipproof.content"
GENERATION_LABEL: Final = "org.clipproof.generation"
LOG_LABEL: Final = "org.clipproof.log"
# The key under which the one ingredient of `c2pa.opened` is named in the definition.
PARENT_LABEL: Final = "parent"

Origin = Literal["generated", "ai", "camera", "composite", "unknown"]

# What may have been done to a clip before it was signed, by the names of C2PA 2.2 §18.14.
EditAction = Literal[
    "addedText",
    "adjustedColor",
    "changedSpeed",
    "cropped",
    "deleted",
    "drawing",
    "dubbed",
    "edited",
    "edited.metadata",
    "enhanced",
    "filtered",
    "orientation",
    "removed",
    "repackaged",
    "resized",
    "transcoded",
    "translated",
    "trimmed",
]
EDIT_ACTIONS: Final[tuple[str, ...]] = get_args(EditAction)
# Older names, which other tools still write and people still type.
_SYNONYMS: Final = {"color_adjustments": "adjustedColor", "converted": "transcoded"}

_IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
# The digital source types of the IPTC vocabulary that a claim may state; `unknown` states none.
DIGITAL_SOURCE_TYPES: Final[Mapping[Origin, str]] = {
    "generated": _IPTC + "trainedAlgorithmicMedia",
    "ai": _IPTC + "trainedAlgorithmicMedia",
    "camera": _IPTC + "digitalCapture",
    "composite": _IPTC + "composite",
}

_MAX_TEXT = 300
_MAX_DEFINITION_BYTES = 512 << 10  # the SDK stops at 1 MiB with an obscure message
_MAX_CHECKPOINT = 4096
_LINE = r"[^\x00-\x1f\x7f]+"
# c2sp.org/tlog-checkpoint: lines of text, an empty one, one or more signature lines.
_CHECKPOINT = re.compile(
    rf"{_LINE}\n(0|[1-9][0-9]{{0,18}})\n[A-Za-z0-9+/]{{43}}=\n({_LINE}\n)*\n(\u2014 [^\s+]+ [A-Za-z0-9+/]+=*\n)+"
)
_LIBRARY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class PromptCommitment:
    """A prompt that can be proved later but not guessed: SHA-256(salt ‖ NFC text in UTF-8).

    The digest goes into the manifest, the 16-byte salt into the ledger: with both public, short prompts
    could be found by trying.
    """

    digest: bytes
    salt: bytes = field(repr=False)

    @classmethod
    def of(cls, prompt: str, *, salt: bytes | None = None) -> "PromptCommitment":
        salt = secrets.token_bytes(16) if salt is None else salt
        return cls(hashlib.sha256(salt + unicodedata.normalize("NFC", prompt).encode()).digest(), salt)


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What the maker of a model tells of its training data: the whole card by its digest, and in short."""

    sha256: bytes
    summary: str
    licence: str


@dataclass(frozen=True, slots=True)
class Generation:
    """How a clip was generated, as far as the manifest tells it."""

    model_id: str
    weights_sha256: bytes  # 32 bytes
    seed: int
    steps: int
    guidance_scale: float
    libraries: Mapping[str, str]  # name -> version
    prompt: PromptCommitment
    decision_id: str
    policy_version: str
    card: ModelCard | None = None


@dataclass(frozen=True, slots=True)
class ContentDigests:
    """What the clip is, whatever file holds it: survives a lossless remux, unlike the hard binding."""

    stream: bytes  # 32 bytes, of the file before signing
    frames: bytes | None = None  # 32 bytes
    fingerprint: bytes | None = None  # SHA-256 of the perceptual fingerprint's canonical bytes


@dataclass(frozen=True, slots=True)
class Edit:
    """One thing done to the clip; `description` is a person's words, for everybody to read."""

    action: EditAction
    description: str = ""

    @classmethod
    def parse(cls, text: str) -> "Edit":
        """`ACTION` or `ACTION=DESCRIPTION`, with or without the prefix `c2pa.`. Raises `ClaimError`."""
        name, _, description = text.partition("=")
        name = name.strip().removeprefix("c2pa.")
        name = _SYNONYMS.get(name, name)
        for action in get_args(EditAction):
            if name == action:
                return cls(action, _text(description.strip(), "description") if description.strip() else "")
        if name in ("created", "opened", "placed"):
            raise ClaimError(
                f"the action {name!r} follows from the ingredients", hint="Name the file with --ingredient."
            )
        raise ClaimError(f"{name[:80]!r} is not an action", hint=f"One of: {', '.join(EDIT_ACTIONS)}.")


@dataclass(frozen=True, slots=True)
class Credit:
    """A person whom the manifest names, and as what: `creator`, `editor`, … A signed name cannot be taken back."""

    name: str
    role: str = "creator"


@dataclass(frozen=True, slots=True)
class Claim:
    """One clip's claim. `generated` needs a `generation`; every other origin needs a parent ingredient.

    `clip_id` is the clip's 64-bit id, None where it has none; `marked`: whether a mark in the clip carries it. An edit
    of marked clips has an id of its own, and the marks of its ingredients. `log_checkpoint` is the signed head of the
    transparency log at the time (C2SP tlog-checkpoint).
    """

    title: str
    origin: Origin
    created: datetime.datetime  # UTC
    duration_s: float
    content: ContentDigests
    software_version: str
    clip_id: int | None = None
    generation: Generation | None = None
    training: Literal["allowed", "notAllowed"] = "notAllowed"
    marked: bool = True
    edits: tuple[Edit, ...] = ()
    credits: tuple[Credit, ...] = ()
    log_checkpoint: str | None = None


def manifest_definition(claim: Claim, *, media_type: str, components: Sequence[str] = ()) -> str:
    """The checked claim as the SDK's JSON manifest definition. Raises `ClaimError`.

    `components` are the labels of the `componentOf` ingredients, each of which was placed into the clip.
    """
    definition = {
        "claim_generator_info": [{"name": "Clipproof", "version": _text(claim.software_version, "version")}],
        "title": display_text(claim.title) or "untitled",
        "format": media_type,
        # Without `created` the SDK lists them as merely gathered: not stated by the signer (C2PA 2.2 §10.3).
        "assertions": [
            {"label": label, "data": assertion, "created": True}
            for label, assertion in _assertions(claim, components)
        ],
    }
    try:
        text = json.dumps(definition, allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
    except ValueError as error:  # NaN, or a lone surrogate
        raise ClaimError(f"{claim.title!r}: the claim is not JSON ({error})") from None
    if size > _MAX_DEFINITION_BYTES:
        raise ClaimError(
            f"{claim.title!r}: the claim has {size} bytes", hint=f"At most {_MAX_DEFINITION_BYTES}."
        )
    return text


def update_definition(title: str) -> str:
    """The definition of an update manifest: it adds a time stamp and says nothing of its own."""
    software = {"name": "Clipproof", "version": version("clipproof")}
    return json.dumps(
        {"claim_generator_info": [software], "title": display_text(title) or "untitled", "assertions": []}
    )


def clip_id_text(clip_id: int) -> str:
    """A 64-bit clip id as 16 lower-case hex digits. Raises `ClaimError` out of range."""
    if not 0 <= clip_id < 1 << 64:
        raise ClaimError(f"clip id {clip_id} is not a 64-bit number")
    return f"{clip_id:016x}"


def display_text(value: object, limit: int = _MAX_TEXT) -> str:
    """Text from anywhere, fit to show on one line: no control, bidirectional or unpaired characters, capped.

    A title may hold anything that its writer likes, up to terminal escapes and right-to-left overrides. What
    is left may still be markup: escape it where it is put into a page.
    """
    if not isinstance(value, str):
        return ""
    kept = [" " if c.isspace() else c for c in value[: 4 * limit] if c.isspace() or not _is_hidden(c)]
    text = " ".join("".join(kept).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _is_hidden(character: str) -> bool:
    # Control, format (bidirectional marks, zero-width), surrogate, private use, unassigned.
    return unicodedata.category(character).startswith("C")


def _assertions(claim: Claim, components: Sequence[str]) -> list[tuple[str, dict[str, object]]]:
    if (claim.origin == "generated") != (claim.generation is not None):
        raise ClaimError(
            f"{claim.title!r}: the origin is {claim.origin!r} "
            f"{'without' if claim.generation is None else 'with'} a generation record",
            hint="State how it was generated, or that it was not.",
        )
    assertions: list[tuple[str, dict[str, object]]] = [
        ("c2pa.actions.v2", {"actions": _actions(claim, components)})
    ]
    if claim.clip_id is not None and claim.marked:
        assertions.append(("c2pa.soft-binding", _soft_binding(claim.clip_id, claim.duration_s)))
    assertions.append((CONTENT_LABEL, _content(claim.content, claim.clip_id)))
    if claim.generation is not None:
        assertions.append((GENERATION_LABEL, _generation(claim.generation)))
    if claim.credits:
        assertions.append(("cawg.metadata", _credits(claim.credits)))
    if claim.log_checkpoint is not None:
        assertions.append((LOG_LABEL, {"version": 1, "checkpoint": _checkpoint(claim.log_checkpoint)}))
    uses = ("cawg.ai_generative_training", "cawg.ai_training", "cawg.data_mining")
    assertions.append(("cawg.training-mining", {"entries": {use: {"use": claim.training} for use in uses}}))
    return assertions


def _actions(claim: Claim, components: Sequence[str]) -> list[dict[str, object]]:
    if claim.created.tzinfo is None:
        raise ClaimError(f"{claim.title!r}: the time has no time zone", hint="Give it in UTC.")
    when = claim.created.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    clipproof = {"name": "Clipproof", "version": claim.software_version}
    first: dict[str, object] = {"when": when}
    if claim.generation is not None:
        generation = claim.generation
        weights = _digest(generation.weights_sha256, "weights digest")[:16]
        model = {"name": _text(generation.model_id, "model id"), "version": weights}
        first |= {"action": "c2pa.created", "softwareAgent": model}
    else:
        first |= {"action": "c2pa.opened", "softwareAgent": clipproof}
        first |= {"parameters": {"ingredientIds": [PARENT_LABEL]}}
    if source := DIGITAL_SOURCE_TYPES.get(claim.origin):
        first["digitalSourceType"] = source
    elif claim.origin != "unknown":
        raise ClaimError(f"{claim.origin!r} is not an origin", hint="ai, camera, composite or unknown.")
    actions = [first]
    for label in components:
        placed: dict[str, object] = {"action": "c2pa.placed", "when": when}
        actions.append(placed | {"parameters": {"ingredientIds": [label]}})
    for edit in claim.edits:
        if edit.action not in EDIT_ACTIONS:
            raise ClaimError(f"{edit.action!r} is not an action", hint=f"One of: {', '.join(EDIT_ACTIONS)}.")
        done: dict[str, object] = {"action": f"c2pa.{edit.action}"}
        if edit.description:
            done["description"] = _text(edit.description, "description")
        actions.append(done)
    if claim.clip_id is not None and claim.marked:
        actions.append({"action": "c2pa.watermarked.bound", "when": when, "softwareAgent": clipproof})
    return actions


def _credits(credits: Sequence[Credit]) -> dict[str, object]:
    """Dublin Core in JSON-LD (CAWG metadata assertion): creators apart, everybody else with the role behind."""
    creators = [_text(one.name, "name") for one in credits if one.role == "creator"]
    others = [
        f"{_text(one.name, 'name')} ({_text(one.role, 'role')})" for one in credits if one.role != "creator"
    ]
    named = {"dc:creator": creators, "dc:contributor": others}
    context = {"dc": "http://purl.org/dc/elements/1.1/"}
    return {"@context": context} | {term: names for term, names in named.items() if names}


def _checkpoint(text: str) -> str:
    """A C2SP checkpoint as it stands: origin, size, root hash, an empty line, signatures."""
    if len(text) > _MAX_CHECKPOINT or not _CHECKPOINT.fullmatch(text):
        raise ClaimError(
            "not a signed checkpoint of a transparency log", hint="Give it as the log printed it."
        )
    return text


def _soft_binding(clip_id: int, duration_s: float) -> dict[str, object]:
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise ClaimError(f"a clip of {duration_s} seconds")
    # The mark covers the whole clip; times are whole milliseconds (C2PA 2.2 §18.10).
    scope = {"timespan": {"start": 0, "end": max(1, round(1000 * duration_s))}}
    return {"alg": SOFT_BINDING_ALG, "blocks": [{"scope": scope, "value": clip_id_text(clip_id)}]}


def _content(content: ContentDigests, clip_id: int | None) -> dict[str, object]:
    digests = {"stream": content.stream, "frames": content.frames, "fingerprint": content.fingerprint}
    given = {f"{name}_sha256": _digest(d, f"{name} digest") for name, d in digests.items() if d is not None}
    own = {} if clip_id is None else {"clip_id": clip_id_text(clip_id)}
    return {"version": 1, **own, **given}


def _generation(generation: Generation) -> dict[str, object]:
    for name, release in generation.libraries.items():
        if not _LIBRARY.fullmatch(name):
            raise ClaimError(f"{name!r} is not the name of a library")
        _text(release, f"version of {name}")
    if not math.isfinite(generation.guidance_scale):
        raise ClaimError(f"a guidance scale of {generation.guidance_scale}")
    if not (0 <= generation.seed < 1 << 64 and 0 <= generation.steps < 1 << 32):
        raise ClaimError(f"seed {generation.seed} or steps {generation.steps} out of range")
    return {
        "version": 1,
        "model_id": _text(generation.model_id, "model id"),
        "weights_sha256": _digest(generation.weights_sha256, "weights digest"),
        # As text: JSON readers elsewhere round whole numbers above 2**53.
        "seed": str(generation.seed),
        "steps": generation.steps,
        "guidance_scale": generation.guidance_scale,
        "libraries": dict(sorted(generation.libraries.items())),
        "prompt_sha256": _digest(generation.prompt.digest, "prompt digest"),
        "decision_id": _text(generation.decision_id, "decision id"),
        "policy_version": _text(generation.policy_version, "policy version"),
    } | _card(generation.card)


def _card(card: ModelCard | None) -> dict[str, object]:
    if card is None:
        return {}
    return {
        "model_card_sha256": _digest(card.sha256, "digest of the model card"),
        "model_card_summary": display_text(card.summary),
        "model_licence": display_text(card.licence, 100),
    }


def _digest(digest: bytes, name: str) -> str:
    if len(digest) != 32:
        raise ClaimError(f"the {name} has {len(digest)} bytes, not the 32 of SHA-256")
    return digest.hex()


def _text(value: str, name: str) -> str:
    if not value or value != display_text(value):
        raise ClaimError(f"the {name} {value[:80]!r} is empty, too long or holds hidden characters")
    return value
