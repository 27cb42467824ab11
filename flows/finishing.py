"""From pictures to a published clip: mark, encode, sign, check, audit, record, hand over.

Plain functions over a run's work folder, shared by `flows.produce` and `flows.marking`. Every file there appears by
an atomic rename, so what exists is whole, and a step whose file exists is done.
"""

import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import detector
import generator
from flows.home import Home
from flows.raw import read_raw
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
from provenance.fingerprint import ClipFingerprint, Fingerprinter
from provenance.labels import LABEL_SECONDS, AigcLabel, VisibleLabel
from provenance.ledger import Asset, ClipRecord, Edge, Generation, Manifest, Mark, Run, clip_id_hex
from provenance.manifest import Claim, ContentDigests, PromptCommitment
from provenance.manifest import Generation as ClaimedGeneration
from provenance.reading import read_manifest
from provenance.signing import Ingredient, sign_file
from provenance.sound import RATE_HZ, SoundFingerprint, sound_fingerprint
from provenance.verify import verify_clip
from provenance.watermark import DEFAULT_STRENGTH, SCHEME, Detector, Embedder
from provenance.watermark.detect import READ_RATE

# A clip whose own encode loses the mark at the first strength is tried once more, visibly stronger.
STRENGTHS = (DEFAULT_STRENGTH, 1.6 * DEFAULT_STRENGTH)
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


def mark_and_encode(home: Home, run: Run, folder: Path, *, labelled: bool) -> None:
    """`marked.mp4` from the raw frames: delivery size, label, mark, one encode, read back."""
    if (folder / MARKED).exists():
        return
    native, fps, _ = read_raw(folder)
    frames, delivery = generator.upscale(native)
    height, width = frames.shape[1:3]
    visible = VisibleLabel(width, height) if labelled or home.settings.visible_label == "corner" else None
    attempt = folder / "attempt.mp4"
    for strength in STRENGTHS:
        embedder = Embedder(width, height, run.clip_id, home.keys.mark_key, strength=strength)
        with ClipWriter(
            attempt,
            width=width,
            height=height,
            frame_rate=fps,
            crf=home.settings.crf,
            metadata=aigc(home, run),
        ) as writer:
            for index, picture in enumerate(frames):
                y, u, v = yuv420p_of_rgb(picture)
                if visible is not None and index / fps < LABEL_SECONDS:
                    y, u, v = visible.draw((y, u, v))
                writer.write((embedder.embed(y, index / fps), u, v), index / fps)
        if reads_back(home, run, attempt):
            return keep_marked(
                folder, attempt, {"strength": strength, "crf": home.settings.crf} | dict(delivery)
            )
    raise lost_mark(run)


def keep_marked(folder: Path, attempt: Path, details: Mapping[str, Any]) -> None:
    """Publish a marked file within the work folder; what was measured goes first."""
    with atomic_path(folder / MARK_DETAILS) as tmp:
        tmp.write_text(json.dumps(details, default=str))
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
    )
    attempt = folder / "attempt-signed.mp4"
    parents = (Ingredient(origin.parent),) if origin.parent else ()
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


def audit(folder: Path) -> dict[str, Any]:
    """What our own detector says of the clip that is about to be published."""
    report = detector.audit_clip(folder / SIGNED).to_dict()
    return {name: value for name, value in report.items() if name != "path"}


def record(home: Home, run: Run, origin: Origin, report: Mapping[str, Any] | None, folder: Path) -> bytes:
    """Files into the store, then one ledger transaction; returns the clip's SHA-256."""
    signed = folder / SIGNED
    digest = home.store.put(signed)
    reading = read_manifest(signed, home.trust)
    store = (folder / MANIFEST).read_bytes()
    ancestors: tuple[Asset, ...] = ()
    if origin.parent is not None:
        parent = home.store.put(origin.parent)
        kind = probe(origin.parent).media_type
        ancestors = (Asset(parent, origin.parent.stat().st_size, kind, "external"),)
    home.ledger.record_clip(
        ClipRecord(
            run_key=run.key,
            asset=Asset(digest, signed.stat().st_size, "video/mp4"),
            source=origin.source,  # type: ignore[arg-type]
            streams=stream_digest(signed),
            ancestors=ancestors,
            edges=tuple(Edge(ancestor.sha256, digest, "parent") for ancestor in ancestors),
            generation=_generation(origin),
            marks=(Mark(SCHEME, run.clip_id, json.loads((folder / MARK_DETAILS).read_text())),),
            manifest=Manifest(reading.label, reading.signer, store, home.identity.certificate_sha256),
            fingerprint=fingerprint_of(signed),
            sound=sound_of(signed),
            audit=report,
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
    reader = Detector(home.keys.mark_key)
    with open_clip(path, pixel_format="gray", rate=READ_RATE) as clip:
        for frame in clip:
            reader.update(frame.planes[0], frame.time)
    return reader.finish().payload == run.clip_id


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
    )


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
