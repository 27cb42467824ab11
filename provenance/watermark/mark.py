"""Marking a video file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from media import ClipWriter, Limits, Probe, open_clip
from provenance.watermark.carrier import SCHEME
from provenance.watermark.embed import DEFAULT_STRENGTH, Embedder, check_size
from provenance.watermark.errors import DepthNotSupported, EmptyClip, SameFile

DEFAULT_CRF = 18.0


@dataclass(frozen=True)
class MarkReport:
    """What was written. strength: as asked for. dropped_streams: what MP4 could not hold."""

    path: Path
    payload: int
    scheme: str
    strength: float
    crf: float
    width: int
    height: int
    frames: int
    dropped_streams: tuple[str, ...]


def mark_file(
    src: Path | str,
    dst: Path | str,
    *,
    payload: int,
    key: bytes,
    strength: float = DEFAULT_STRENGTH,
    crf: float = DEFAULT_CRF,
    metadata: Mapping[str, str] | None = None,
    draw: Callable[[Any, float], Any] | None = None,
    limits: Limits | None = None,
) -> MarkReport:
    """Writes `src` to `dst` as an H.264 MP4 with the payload in its luma; sound and other streams are
    carried over. `draw` changes the planes of the frame at a time in seconds after the first one, before it
    is marked: a label.

    payload: unsigned 64 bit. key: 32 bytes. Frame times stay exact. `dst` appears whole or not at all; what
    was there before is replaced. Raises SameFile, UnmarkableClip (too small, too long, too deep, empty),
    BadKey, BadPayload, and media.MediaError for a file that cannot be read to its end or written.
    """
    src, dst = Path(src), Path(dst)
    if src.resolve() == dst.resolve() or (dst.exists() and src.exists() and src.samefile(dst)):
        raise SameFile(f"{src}: would be overwritten by its own marked copy", hint="write to another file")
    with open_clip(src, pixel_format="yuv420p", strict=True, limits=limits) as clip:
        probe = clip.probe
        _check(probe)
        embedder = Embedder(probe.width, probe.height, payload, key, strength=strength)
        frames = iter(clip)
        first = next(frames, None)
        if first is None:
            raise EmptyClip(f"{src}: has no frame to mark", hint="check the file with a player")
        writer = ClipWriter(
            dst,
            width=probe.width,
            height=probe.height,
            frame_rate=probe.frame_rate,
            time_base=probe.time_base,
            crf=crf,
            metadata=metadata,
            copy_streams_from=src,
            color=probe.color,
        )
        with writer:
            for frame in chain([first], frames):
                drawn = frame.yuv if draw is None else draw(frame.yuv, float(frame.time - first.time))
                writer.write(embedder.embed(drawn, frame.time), frame.time)
    return MarkReport(
        dst,
        payload,
        SCHEME,
        strength,
        crf,
        probe.width,
        probe.height,
        writer.frames_written,
        writer.dropped_streams,
    )


def _check(probe: Probe) -> None:
    if probe.bit_depth > 8:
        raise DepthNotSupported(
            f"{probe.path}: has {probe.bit_depth} bits a sample; marks are 8-bit",
            hint="convert it to 8-bit yuv420p first",
        )
    check_size(probe.width, probe.height)
