"""From pictures to a published clip: mark, encode, sign, check, audit, record, hand over.

Plain functions over a run's work folder, shared by `flows.produce` and `flows.marking`. Every file there appears by
an atomic rename, so what exists is whole, and a step whose file exists is done.
"""

import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import generator
from flows.detection import detector_of
from flows.home import Home, authority_of
from flows.raw import read_raw
from flows.settings import Settings
from media import (
    ClipWriter,
    atomic_path,
    file_digest,
    frames_digest,
    open_clip,
    probe,
    read_sound,
    stream_digest,
    yuv420p_of_rgb,
)
from provenance.errors import LabelError, TimeStampError
from provenance.fingerprint import ClipFingerprint, Fingerprinter
from provenance.labels import AigcLabel, VisibleLabel, read_aigc
from provenance.ledger import Asset, ClipRecord, Edge, Generation, Label, Manifest, Mark, Run, clip_id_hex
from provenance.manifest import Claim, ContentDigests, Credit, Edit, ModelCard, PromptCommitment
from provenance.manifest import Generation as ClaimedGeneration
from provenance.reading import read_manifest
from provenance.signing import Ingredient, sign_file
from provenance.sound import RATE_HZ, SoundFingerprint, sound_fingerprint
from provenance.verify import verify_clip
from provenance.watermark import SCHEME, Embedder, choose, detect_file
from provenance.watermark.detect import READ_RATE
from provenance.watermark.strength import excerpt_range

# A clip whose own encode loses the mark at the first strength is tried once more, visibly stronger.
STRENGTHS = (1.0, 1.6)
MARKED, SIGNED = "marked.mp4", "signed.mp4"
MARK_DETAILS, MANIFEST = "mark.json", "manifest.c2pa"


class SelfCheckFailed(Exception):
    """The finished clip does not verify, or its mark does not read back: nothing is published."""

    exit_code = 5

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the pictures of a clip come from, as claim and ledger say it."""

    source: str  # ai, camera, composite, unknown
    title: str
    generation: Mapping[str, Any] | None = None  # the model's exact parameters, where it was generated here
    prompt: PromptCommitment | None = None
    decision_id: int | None = None
    policy_version: str | None = None
    parent: Path | None = None  # the user's own file, where it was not
    components: tuple[Path, ...] = ()  # other files that went into it
    edits: tuple[Edit, ...] = ()
    credits: tuple[Credit, ...] = ()
    linked: tuple[int, ...] = ()  # clips of this home whose marks it carries; it has no mark of its own then


def mark_and_encode(home: Home, run: Run, folder: Path, *, labelled: bool) -> None:
    """`marked.mp4` from the raw frames: delivery size, label, mark, one encode, read back."""
    if (folder / MARKED).exists():
        return
    native, fps, _ = read_raw(folder)
    frames, delivery = generator.upscale(native)
    height, width = frames.shape[1:3]
    visible = visible_label(home, width, height, forced=labelled)
    attempt = folder / "attempt.mp4"
    tried = [yuv420p_of_rgb(frames[index]) for index in excerpt_range(float(len(frames) / fps), fps)]
    choice = choose(tried, fps, run.clip_id, home.keys.mark_key)
    for strength in STRENGTHS:
        levels = choice.scaled(strength).levels
        embedder = Embedder(width, height, run.clip_id, home.keys.mark_key, levels=levels)
        with ClipWriter(
            attempt,
            width=width,
            height=height,
            frame_rate=fps,
            crf=home.settings.crf,
            metadata=aigc(home, run),
        ) as writer:
            for index, picture in enumerate(frames):
                planes = yuv420p_of_rgb(picture)
                if visible is not None:
                    planes = visible.draw_at(planes, float(index / fps))
                writer.write(embedder.embed(planes, index / fps), index / fps)
        if reads_back(home, run, attempt):
            made = {
                "strength": strength,
                "epoch": home.keys.mark_keys.epoch,
                **choice.scaled(strength).details(),
                "crf": home.settings.crf,
            }
            details = made | dict(delivery)
            return keep_marked(folder, attempt, details, visible)
    raise lost_mark(run)


def visible_label(home: Home, width: int, height: int, *, forced: bool = False) -> VisibleLabel | None:
    """The label to burn in, as the settings ask; a forced one is on the start at least, with that of fiction."""
    extent = home.settings.visible_label
    if extent == "none" and not forced:
        return None
    return VisibleLabel(
        width,
        height,
        language=home.settings.label_language,
        extent="whole" if extent == "whole" else "start",
        fictional=forced,
    )


def keep_marked(
    folder: Path, attempt: Path, details: Mapping[str, Any], visible: VisibleLabel | None = None
) -> None:
    """Publish a marked file within the work folder; what was measured and drawn goes first."""
    # Of a clip that was not generated here nothing else says which version made its mark.
    details = {**details, "software_version": version("clipproof")}
    kept = {"mark": details, "visible_label": None if visible is None else visible.details()}
    with atomic_path(folder / MARK_DETAILS) as tmp:
        tmp.write_text(json.dumps(kept, default=str))
    attempt.replace(folder / MARKED)


def lost_mark(run: Run) -> SelfCheckFailed:
    return SelfCheckFailed(
        f"clip {clip_id_hex(run.clip_id)}: its watermark does not survive its own encode",
        hint="Use a lower --crf, a larger size, or a less static scene.",
    )


def aigc(home: Home, run: Run) -> dict[str, str]:
    """The implicit label of GB 45438-2025, as container metadata; it must be there before signing."""
    return AigcLabel.produced(home.settings.producer_code, clip_id_hex(run.clip_id)).metadata()


def sign(home: Home, run: Run, origin: Origin, folder: Path) -> None:
    """`signed.mp4`: claim, sign, read back under this home's trust, and check that all of it holds."""
    if (folder / SIGNED).exists():
        return
    marked = folder / MARKED
    said = probe(marked)
    claim = Claim(
        title=origin.title,
        origin="generated" if origin.generation is not None else origin.source,  # type: ignore[arg-type]
        created=run.created.astimezone(dt.UTC),
        duration_s=said.duration_s or 0.0,
        content=ContentDigests(
            stream=stream_digest(marked).digest,
            frames=frames_digest(marked),
            fingerprint=hashlib.sha256(fingerprint_of(marked).hashes.tobytes()).digest(),
        ),
        software_version=version("clipproof"),
        clip_id=run.clip_id,
        generation=_claimed(origin) if origin.generation is not None else None,
        training=home.settings.training,
        marked=not origin.linked,
        edits=origin.edits,
        credits=origin.credits,
        # Whoever has the clip has a head of the log that nobody can rewrite without its showing.
        log_checkpoint=home.ledger.sign_checkpoint(home.keys.checkpoint_key).text,
    )
    attempt = folder / "attempt-signed.mp4"
    parents: tuple[Ingredient, ...] = (Ingredient(origin.parent),) if origin.parent else ()
    parents += tuple(Ingredient(path, "componentOf") for path in origin.components)
    try:
        signed = sign_file(
            marked,
            attempt,
            claim,
            home.identity,
            home.trust,
            ingredients=parents,
            authority=authority_of(home.settings),
        )
    except TimeStampError:
        if home.settings.tsa_policy == "require":
            raise
        signed = sign_file(marked, attempt, claim, home.identity, home.trust, ingredients=parents)
    checked = verify_clip(attempt, trust=home.trust, keys=home.keys)
    if checked.verdict not in ("trusted", "valid_untrusted") or checked.clip_id != run.clip_id:
        raise SelfCheckFailed(
            f"clip {clip_id_hex(run.clip_id)}: the finished file is {checked.verdict}",
            hint="Nothing was published. Run `clipproof doctor`.",
        )
    with atomic_path(folder / MANIFEST) as tmp:
        tmp.write_bytes(signed.manifest_bytes)
    attempt.replace(folder / SIGNED)


def audit(settings: Settings, folder: Path) -> dict[str, Any]:
    """What our own detector says of the clip that is about to be published."""
    report = detector_of(settings).audit(folder / SIGNED).to_dict()
    return {name: value for name, value in report.items() if name != "path"}


def record(home: Home, run: Run, origin: Origin, report: Mapping[str, Any] | None, folder: Path) -> bytes:
    """Files into the store, then one ledger transaction; returns the clip's SHA-256."""
    signed = folder / SIGNED
    digest = home.store.put(signed)
    reading = read_manifest(signed, home.trust)
    store = (folder / MANIFEST).read_bytes()
    ancestors: tuple[Asset, ...] = ()
    edges: tuple[Edge, ...] = ()
    for path in ((origin.parent,) if origin.parent is not None else ()) + origin.components:
        used = home.store.put(path)
        ancestors += (Asset(used, path.stat().st_size, probe(path).media_type, "external"),)
        edges += (Edge(used, digest, "parent" if path == origin.parent else "component"),)
    made = json.loads((folder / MARK_DETAILS).read_text())
    home.ledger.record_clip(
        ClipRecord(
            run_key=run.key,
            asset=Asset(digest, signed.stat().st_size, "video/mp4"),
            source=origin.source,  # type: ignore[arg-type]
            streams=stream_digest(signed),
            ancestors=ancestors,
            edges=edges,
            generation=_generation(origin),
            marks=() if origin.linked else (Mark(SCHEME, run.clip_id, made["mark"]),),
            credits=origin.credits,
            manifest=Manifest(reading.label, reading.signer, store, home.identity.certificate_sha256),
            fingerprint=fingerprint_of(signed),
            sound=sound_of(signed),
            audit=report,
            labels=_labels(signed, made["visible_label"]),
            awaits_time_stamp=home.settings.tsa_url is not None and not reading.has_timestamp,
        )
    )
    return digest


def publish(home: Home, digest: bytes, target: Path) -> Path:
    """A copy of the stored clip at `target`, whole or not at all."""
    if not (target.is_file() and file_digest(target) == digest):
        with atomic_path(target) as tmp:
            home.store.copy_out(digest, tmp)
    return target


def forget_work(folder: Path) -> None:
    """Remove the work folder of a run that is recorded."""
    shutil.rmtree(folder, ignore_errors=True)


def fingerprint_of(path: Path) -> ClipFingerprint:
    """The perceptual fingerprint of a file."""
    fingerprinter = Fingerprinter()
    with open_clip(path, pixel_format="gray", rate=READ_RATE) as clip:
        for frame in clip:
            fingerprinter.update(frame.planes[0], float(frame.time))
    return fingerprinter.finish()


def sound_of(path: Path) -> SoundFingerprint | None:
    """The fingerprint of a file's sound, or None where it has none."""
    heard = read_sound(path, rate_hz=RATE_HZ)
    return None if heard is None else sound_fingerprint(heard.samples, heard.start_s)


def reads_back(home: Home, run: Run, path: Path) -> bool:
    """Whether the mark of this run can be read from a file."""
    return detect_file(path, key=home.keys.mark_key).payload == run.clip_id


def _claimed(origin: Origin) -> ClaimedGeneration:
    params = origin.generation or {}
    assert origin.prompt is not None
    return ClaimedGeneration(
        model_id=params["model"],
        weights_sha256=bytes.fromhex(params["weights_digest"]),
        seed=params["seed"],
        steps=int(params["steps"] or 0),
        guidance_scale=float(params["guidance_scale"] or 0.0),
        libraries=params["libraries"],
        prompt=origin.prompt,
        decision_id=str(origin.decision_id),
        policy_version=str(origin.policy_version),
        card=_card(params),
    )


def _labels(signed: Path, visible: Mapping[str, Any] | None) -> tuple[Label, ...]:
    """The labels of the finished file: the metadata as they read back, the picture's as it was drawn."""
    try:
        metadata = read_aigc(probe(signed).metadata)
    except LabelError:  # somebody else's, carried over with their clip: nothing that we could vouch for
        metadata = None
    implicit = () if metadata is None else (Label("aigc", asdict(metadata)),)
    return implicit if visible is None else (*implicit, Label("visible", visible))


def _card(params: Mapping[str, Any]) -> ModelCard | None:
    card = params.get("model_card")
    if not card:
        return None
    return ModelCard(bytes.fromhex(card["sha256"]), card["summary"], params["weights_licence"])


def _generation(origin: Origin) -> Generation | None:
    params = origin.generation
    if params is None:
        return None
    return Generation(
        model=params["model"],
        seed=params["seed"],
        params={name: value for name, value in params.items() if name != "prompt"},
        software="clipproof",
        software_version=version("clipproof"),
        weights_sha256=bytes.fromhex(params["weights_digest"]),
    )
