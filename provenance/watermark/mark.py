"""Marking a video file."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from media import ClipWriter, Frame, Limits, Planes, Probe, open_clip
from provenance.watermark.carrier import SCHEME
from provenance.watermark.embed import DEFAULT_LEVELS, SAFE_SHORT_SIDE, Embedder, check_size
from provenance.watermark.errors import (
    DepthNotSupported,
    EmptyClip,
    FlatClip,
    InterlacedClip,
    SameFile,
    SizeChanges,
    TooSmallToMark,
    TransparentClip,
)
from provenance.watermark.strength import Choice, choose, excerpt_range

DEFAULT_CRF = 18.0

_FLAT = 1.0  # standard deviation of every plane, 8-bit levels: a colour and a codec's rounding, no picture
_HDR_TRANSFERS = (16, 18)  # PQ and HLG, of ITU-T H.273
_TO_8_BIT = "ffmpeg -i IN -pix_fmt yuv420p -crf 12 -c:a copy OUT.mp4"
_TO_SDR = (
    'ffmpeg -i IN -vf "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable,'
    'zscale=t=bt709:m=bt709:r=tv,format=yuv420p" -crf 12 -c:a copy OUT.mp4'
)
_TO_FRAMES = "ffmpeg -i IN -vf bwdif -crf 12 -c:a copy OUT.mp4"
_ONTO_BLACK = (
    'ffmpeg -i IN -filter_complex "[0]split[a][b];[a]drawbox=t=fill:c=black:replace=1[a];[a][b]overlay,format=yuv420p"'
    " -crf 12 OUT.mp4"
)


@dataclass(frozen=True)
class MarkReport:
    """What was written. choice: how strong, and how safely it is read. dropped_streams: what MP4 could not
    hold. notes: what else is not as it was in the source, in words.
    """

    path: Path
    payload: int
    scheme: str
    choice: Choice
    crf: float
    width: int
    height: int
    frames: int
    dropped_streams: tuple[str, ...]
    notes: tuple[str, ...] = ()


def mark_file(
    src: Path | str,
    dst: Path | str,
    *,
    payload: int,
    key: bytes,
    strength: float = 1.0,
    crf: float = DEFAULT_CRF,
    metadata: Mapping[str, str] | None = None,
    draw: Callable[[Any, float], Any] | None = None,
    limits: Limits | None = None,
) -> MarkReport:
    """Writes `src` to `dst` as an H.264 MP4 with the payload in its pictures; sound and other streams
    are carried over. The mark's levels are chosen on an excerpt (see `strength`); `strength` is a factor on
    them. `draw` changes the planes of the frame at a time in seconds after the first one, before it
    is marked: a label.

    payload: unsigned 64 bit. key: 32 bytes. Frame times stay exact. `dst` appears whole or not at all; what
    was there before is replaced. Colours mean what they meant, in range, matrix and pixel shape; RGB becomes
    BT.709. Raises SameFile, UnmarkableClip (see provenance.watermark.errors; some are known only at the
    clip's end), BadKey, BadPayload, and media.MediaError for a file that cannot be read to its end or
    written.
    """
    src, dst = Path(src), Path(dst)
    if src.resolve() == dst.resolve() or (dst.exists() and src.exists() and src.samefile(dst)):
        raise SameFile(f"{src}: would be overwritten by its own marked copy", hint="write to another file")
    with open_clip(src, pixel_format="yuv420p", strict=True, limits=limits) as clip:
        probe = clip.probe
        _check(probe)
        frames = iter(clip)
        first = next(frames, None)
        if first is None:
            raise EmptyClip(f"{src}: has no frame to mark", hint="check the file with a player")
        _check_frame(first, probe)
        choice = _choose(src, probe, payload, key, limits).scaled(strength)
        if min(probe.width, probe.height) < SAFE_SHORT_SIDE and choice.margin < 1:
            raise TooSmallToMark(
                f"{src}: {probe.width}x{probe.height} is too small for a mark that lasts through a re-encode",
                hint="upscale the clip first, to 512 px or more",
            )
        embedder = Embedder(probe.width, probe.height, payload, key, levels=choice.levels)
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
            sample_aspect=probe.sample_aspect,
        )
        flat = True
        with writer:
            for frame in chain([first], frames):
                _check_frame(frame, probe)
                flat = flat and _is_flat(frame.yuv)
                drawn = frame.yuv if draw is None else draw(frame.yuv, float(frame.time - first.time))
                writer.write(embedder.embed(drawn, frame.time), frame.time)
            if flat:
                raise FlatClip(
                    f"{src}: every picture is one flat colour, on which a mark would show",
                    hint="there is nothing in it whose origin could be asked for; mark a clip with pictures",
                )
    return MarkReport(
        dst,
        payload,
        SCHEME,
        choice,
        crf,
        probe.width,
        probe.height,
        writer.frames_written,
        writer.dropped_streams,
        _notes(probe),
    )


def _choose(src: Path, probe: Probe, payload: int, key: bytes, limits: Limits | None) -> Choice:
    rate = probe.frame_rate or Fraction(25)
    with open_clip(src, pixel_format="yuv420p", limits=limits) as clip:
        wanted = excerpt_range(probe.duration_s, rate)
        shown = (frame.yuv for frame in clip if not _is_flat(frame.yuv))  # leaders tell nothing of the film
        pictures = list(deque(islice(shown, wanted.stop), maxlen=len(wanted)))
    if not pictures:
        return Choice(DEFAULT_LEVELS, margin=0.0, luma_margin=0.0, bytes_ratio=1.0)
    return choose(pictures, rate, payload, key)


def _check(probe: Probe) -> None:
    if probe.bit_depth > 8:
        is_hdr = probe.color.transfer in _HDR_TRANSFERS
        raise DepthNotSupported(
            f"{probe.path}: has {probe.bit_depth} bits a sample{' (HDR)' if is_hdr else ''}; marks are 8-bit",
            hint=f"convert it first, with your own eye on the result: {_TO_SDR if is_hdr else _TO_8_BIT}",
        )
    check_size(probe.width, probe.height)


def _check_frame(frame: Frame, probe: Probe) -> None:
    """What a container does not say of its pictures, or says wrongly."""
    if frame.interlaced:
        raise InterlacedClip(
            f"{probe.path}: is interlaced; the marked copy has whole pictures and would weave its fields",
            hint=f"deinterlace it first: {_TO_FRAMES} (setfield=prog for bwdif where it only says so)",
        )
    if frame.transparent:
        raise TransparentClip(
            f"{probe.path}: has transparent pixels, which an MP4 that plays anywhere cannot hold",
            hint=f"lay it onto a background first: {_ONTO_BLACK}",
        )
    if frame.rescaled:
        raise SizeChanges(
            f"{probe.path}: starts with {probe.width}x{probe.height}, but not all of its pictures have that size",
            hint=f"bring it to one size first: ffmpeg -i IN -vf scale={probe.width}:{probe.height} OUT.mp4",
        )


def _is_flat(planes: Planes) -> bool:
    return all(float(np.std(plane)) < _FLAT for plane in planes)


def _notes(probe: Probe) -> tuple[str, ...]:
    if probe.chroma in ("4:2:0", "grey", ""):
        return ()
    return (f"its colours were {probe.chroma}; the marked copy keeps a quarter of their samples (4:2:0)",)
