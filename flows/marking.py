"""Somebody's own clip, made provable: marked, signed with the original as its parent, recorded."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flows import finishing
from flows.home import Home
from flows.work import exclusive
from media import file_digest, probe, require_writable
from provenance.ledger import ClipRow, Run, canonical_json, clip_id_hex
from provenance.manifest import Credit, Edit
from provenance.pictures import look
from provenance.reading import read_kept_manifest, read_manifest
from provenance.recovery import take_apart
from provenance.watermark import mark_file
from provenance.watermark.errors import SameFile, WatermarkError


class AlreadyMarked(WatermarkError):
    """The clip carries a mark that does not lead to a recorded clip with these pictures."""


class BrokenPast(WatermarkError):
    """The clip carries a manifest that does not hold; signing on top of it would launder it."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A user's clip, marked and signed."""

    clip_id: str
    path: str
    source: str
    signer: str
    asset_sha256: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """What its owner says was done: other files in the clip, edits, and who is credited."""

    ingredients: tuple[Path, ...] = ()
    edits: tuple[Edit, ...] = ()
    credits: tuple[Credit, ...] = ()

    def request(self) -> dict[str, object]:
        """Its part of the run's request; empty where nothing is said, so that older keys hold."""
        said: dict[str, object] = {
            "ingredients": [file_digest(path).hex() for path in self.ingredients],
            "edits": [[one.action, one.description] for one in self.edits],
            # By digest: the request stays when a person asks to be forgotten.
            "credits": [
                hashlib.sha256(canonical_json([one.name, one.role]).encode()).hexdigest()
                for one in self.credits
            ],
        }
        return {name: value for name, value in said.items() if value}


def mark_clip(home: Home, src: Path, dst: Path, *, source: str, history: History | None = None) -> Marked:
    """Mark, sign and record `src` as `dst`; the same file with the same words gives the same clip again.

    Sound, other streams, length and frame times are kept. A source that carries marks of this home is an edit of those
    clips: it keeps their marks, gets none of its own, and their recorded files become its ingredients. Raises
    `BrokenPast`, `AlreadyMarked`, `SameFile`, the watermark's `UnmarkableClip`s, `media.MediaError`, and the signing
    errors. Nothing is half-written.
    """
    history = history or History()
    if src.resolve() == dst.resolve() or (src.exists() and dst.exists() and dst.samefile(src)):
        raise SameFile(f"{src}: source and destination are the same file", hint="Write to another file.")
    digest = file_digest(src)
    require_writable(dst)
    for path in (src, *history.ingredients):
        past = read_manifest(path, home.trust)
        if past.state in ("malformed", "invalid"):
            raise BrokenPast(
                f"{path}: its C2PA manifest does not hold ({past.state})",
                hint="Run `clipproof verify` on it; use the original instead.",
            )
    request = {"marked": digest.hex(), "source": source, **history.request()}
    key = hashlib.sha256(canonical_json(request).encode()).hexdigest()[:32]
    with exclusive(home, key) as folder:
        run = home.ledger.reserve_run(key, request)
        notes: tuple[str, ...] = ()
        try:
            if run.status != "done":
                notes = _make(home, run, src, source, history, folder)
        except BaseException:
            if not (folder / finishing.MARKED).exists():
                finishing.forget_work(folder)  # nothing in it is worth going on from
            raise
        row = home.ledger.clip(run.clip_id)
        assert row is not None, "a run that is done has its clip"
        finishing.publish(home, row.asset.sha256, dst)
        finishing.forget_work(folder)
    signer = row.manifest.signer if row.manifest else ""
    return Marked(clip_id_hex(run.clip_id), str(dst), source, signer, row.asset.sha256.hex(), notes)


def _make(home: Home, run: Run, src: Path, source: str, history: History, folder: Path) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    linked = _linked(home, src)
    if not (folder / finishing.MARKED).exists():
        home.ledger.set_run_status(run.key, "running")
        notes = _link(src, linked, folder) if linked else _mark(home, run, src, source, folder)
    stored = [home.store.path(row.asset.sha256) for row in linked]
    is_signed = read_manifest(src, home.trust).state != "absent"
    parent, *others = [src] if is_signed or not stored else stored
    origin = finishing.Origin(
        source=source,
        title=src.name,
        parent=parent,
        components=(*others, *history.ingredients),
        edits=history.edits,
        credits=history.credits,
        linked=tuple(row.clip_id for row in linked),
    )
    finishing.sign(home, run, origin, folder)
    finishing.record(home, run, origin, None, folder)
    return notes


def _link(src: Path, linked: Sequence[ClipRow], folder: Path) -> tuple[str, ...]:
    """An edit of our own clips goes on as it is: a second mark would disturb the first."""
    if probe(src).media_type not in ("video/mp4", "video/quicktime"):
        raise AlreadyMarked(
            f"{src}: an edit of a marked clip is signed as it is, and only as MP4 or MOV",
            hint="Remux it to MP4 first.",
        )
    attempt = folder / "attempt.mp4"
    shutil.copyfile(src, attempt)
    finishing.keep_marked(folder, attempt, {})
    names = ", ".join(clip_id_hex(row.clip_id) for row in linked)
    return (f"carries the watermark of clip {names}: signed as an edit of it, without a second watermark",)


def _linked(home: Home, src: Path) -> tuple[ClipRow, ...]:
    """The recorded clips whose marks the source carries; none where it is unmarked. Raises `AlreadyMarked`."""
    seen = look(src, home.keys.mark_keys, home.ledger)
    found = seen.detection
    assert found is not None, "there is a key"
    if found.state == "not_found":
        return ()
    hint = "Run `clipproof verify` on it; mark the original instead."
    payloads = dict.fromkeys(
        p for p in (found.payload, *(s.payload for s in found.segments)) if p is not None
    )
    if not payloads:
        raise AlreadyMarked(f"{src}: carries a watermark that cannot be read", hint=hint)
    parts = take_apart(
        found,
        seen.fingerprint,
        None,
        home.ledger,
        lambda store: read_kept_manifest(store, home.trust),
    )
    rows = {part.clip_id: part.row for part in parts if part.is_recovered and part.row is not None}
    for payload in payloads:
        row, name = home.ledger.find_mark(found.scheme, payload), clip_id_hex(payload)
        if row is None or not home.store.has(row.asset.sha256):
            raise AlreadyMarked(
                f"{src}: carries the watermark of clip {name}, which this home has no record of", hint=hint
            )
        if row.clip_id not in rows:
            raise AlreadyMarked(
                f"{src}: carries the watermark of clip {name}, yet its pictures are not those of that clip",
                hint="The watermark may have been transplanted. " + hint,
            )
    return tuple(rows.values())


def _mark(home: Home, run: Run, src: Path, source: str, folder: Path) -> tuple[str, ...]:
    attempt = folder / "attempt.mp4"
    said = probe(src)
    visible = finishing.visible_label(home, said.width, said.height) if source == "ai" else None
    for strength in finishing.STRENGTHS:
        report = mark_file(
            src,
            attempt,
            payload=run.clip_id,
            key=home.keys.mark_key,
            strength=strength,
            crf=home.settings.crf,
            metadata=finishing.aigc(home, run) if source == "ai" else None,
            draw=None if visible is None else visible.draw_at,
        )
        if finishing.reads_back(home, run, attempt):
            details = {
                "strength": strength,
                "epoch": home.keys.mark_keys.epoch,
                **report.choice.details(),
                "crf": report.crf,
                "frames": report.frames,
            }
            finishing.keep_marked(folder, attempt, details, visible)
            dropped = tuple(
                f"MP4 cannot hold the stream {name}: it was left out" for name in report.dropped_streams
            )
            return dropped + report.notes
    raise finishing.lost_mark(run)
