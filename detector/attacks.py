"""What happens to clips on their way: re-encoded, shrunk, blurred, passed on three times, with or without a logo."""

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detector.normal_form import DECODE_SHORT_SIDE
from media import ClipWriter, open_clip, probe

U8 = npt.NDArray[np.uint8]

SECONDS = 2.75
"""How much of a clip is kept: one window and a little."""


@dataclass(frozen=True)
class Pass:
    """One decode and encode: H.264 at `crf`, after scaling the picture and changing its planes."""

    crf: float = 23.0
    scale: float = 1.0
    change: Callable[[Sequence[U8]], tuple[U8, U8, U8]] | None = None


def blur(planes: Sequence[U8]) -> tuple[U8, U8, U8]:
    """Gaussian blur of 1.5 pixels of luma and half of that of chroma."""
    from scipy.ndimage import gaussian_filter

    y, u, v = (gaussian_filter(p, 1.5 if k == 0 else 0.75) for k, p in enumerate(planes))
    return y, u, v


def erase_logo(planes: Sequence[U8]) -> tuple[U8, U8, U8]:
    """The lower right corner, where generators put their badge, smeared as a delogo filter does."""
    from scipy.ndimage import gaussian_filter

    out = []
    for plane in planes:
        copy = plane.copy()
        top, left = int(0.86 * plane.shape[0]), int(0.72 * plane.shape[1])
        copy[top:, left:] = gaussian_filter(plane[top:, left:], 0.06 * min(plane.shape))
        out.append(copy)
    return out[0], out[1], out[2]


def spoof_logo(planes: Sequence[U8]) -> tuple[U8, U8, U8]:
    """A generator's badge drawn into the lower right corner of any clip."""
    from PIL import Image, ImageDraw, ImageFont

    y, u, v = (plane.copy() for plane in planes)
    height, width = y.shape
    picture = Image.fromarray(y)
    size = max(10, int(0.06 * height))
    draw = ImageDraw.Draw(picture)
    draw.text((0.74 * width, 0.90 * height), "AI video", fill=235, font=ImageFont.load_default(size))
    return np.asarray(picture).copy(), u, v


ATTACKS: dict[str, tuple[Pass, ...]] = {
    "barely compressed (crf 10)": (Pass(crf=10),),  # what the others are compared with: as long, as large
    "H.264 crf 28": (Pass(crf=28),),
    "H.264 crf 35": (Pass(crf=35),),
    "half the size": (Pass(scale=0.5),),
    "blur of 1.5 px": (Pass(change=blur),),
    "logo erased": (Pass(change=erase_logo),),
    "logo spoofed": (Pass(change=spoof_logo),),
    "three generations": (Pass(crf=28), Pass(crf=30, scale=0.75), Pass(crf=32)),
}


def write_attacked(clip: Path, copy: Path, attack: str) -> None:
    """Writes the first seconds of `clip` to `copy` after the passes of `ATTACKS[attack]`, as files each time.

    Raises the errors of `media`.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = clip
        passes = ATTACKS[attack]
        for number, one in enumerate(passes):
            target = copy if number == len(passes) - 1 else Path(folder) / f"{number}.mp4"
            _write_pass(source, target, one)
            source = target


def _write_pass(source: Path, target: Path, one: Pass) -> None:
    shape = probe(source)
    side = max(16, round(min(shape.width, shape.height, DECODE_SHORT_SIDE) * one.scale))
    rate = shape.frame_rate or Fraction(25)
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(open_clip(source, short_side=side, end_s=SECONDS))
        writer = None
        for k, frame in enumerate(reader):
            y, u, v = one.change(frame.planes) if one.change else frame.planes
            if writer is None:
                height, width = y.shape
                writer = stack.enter_context(
                    ClipWriter(
                        target, width=width, height=height, frame_rate=rate, crf=one.crf, preset="veryfast"
                    )
                )
            writer.write((y, u, v), k / rate)
