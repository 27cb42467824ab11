"""Somebody's own clip, made provable: marked, signed with the original as its parent, recorded."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from flows import finishing
from flows.home import Home
from flows.work import exclusive
from media import file_digest, open_clip, probe, require_writable
from provenance.ledger import Run, canonical_json, clip_id_hex
from provenance.reading import read_manifest
from provenance.watermark import Detector, mark_file
from provenance.watermark.detect import READ_RATE
from provenance.watermark.errors import SameFile, WatermarkError


class AlreadyMarked(WatermarkError):
    """The clip carries a mark of this home already."""


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


def mark_clip(home: Home, src: Path, dst: Path, *, source: str) -> Marked:
    """Mark, sign and record `src` as `dst`; the same file with the same source gives the same clip again.

    Sound, other streams, length and frame times are kept. Raises `BrokenPast`, `AlreadyMarked`, `SameFile`, the
    watermark's `UnmarkableClip`s, `media.MediaError`, and the signing errors. Nothing is half-written.
    """
    if src.resolve() == dst.resolve() or (src.exists() and dst.exists() and dst.samefile(src)):
        raise SameFile(f"{src}: source and destination are the same file", hint="Write to another file.")
    digest = file_digest(src)
    require_writable(dst)
    past = read_manifest(src, home.trust)
    if past.state in ("malformed", "invalid"):
        raise BrokenPast(
            f"{src}: its C2PA manifest does not hold ({past.state})",
            hint="Run `clipproof verify` on it; mark the original instead.",
        )
    key = hashlib.sha256(canonical_json({"marked": digest.hex(), "source": source}).encode()).hexdigest()[:32]
    with exclusive(home, key) as folder:
        run = home.ledger.reserve_run(key, {"marked": digest.hex(), "source": source})
        notes: tuple[str, ...] = ()
        try:
            if run.status != "done":
                notes = _make(home, run, src, source, folder)
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


def _make(home: Home, run: Run, src: Path, source: str, folder: Path) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    if not (folder / finishing.MARKED).exists():
        _refuse_marked(home, src)
        home.ledger.set_run_status(run.key, "running")
        notes = _mark(home, run, src, source, folder)
    origin = finishing.Origin(source=source, title=src.name, parent=src)
    finishing.sign(home, run, origin, folder)
    finishing.record(home, run, origin, None, folder)
    return notes


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
            details = {"strength": strength, "crf": report.crf, "frames": report.frames}
            finishing.keep_marked(folder, attempt, details, visible)
            return tuple(
                f"MP4 cannot hold the stream {name}: it was left out" for name in report.dropped_streams
            )
    raise finishing.lost_mark(run)


def _refuse_marked(home: Home, src: Path) -> None:
    reader = Detector(home.keys.mark_key)
    with open_clip(src, pixel_format="gray", rate=READ_RATE, short_side=1080) as clip:
        for frame in clip:
            reader.update(frame.planes[0], frame.time)
    found = reader.finish()
    if found.state != "not_found":
        which = "" if found.payload is None else f" of clip {clip_id_hex(found.payload)}"
        raise AlreadyMarked(
            f"{src}: carries a watermark{which} already; two marks would disturb each other",
            hint="Run `clipproof verify` on it; mark the original instead.",
        )
