"""How far pictures are from their source, and what of it is the mark's doing.

Before encoding the marked clip is held against the source. After x264 crf 23 the marked and the unmarked clip, so
encoded, are both held against the source, and the difference of the two is the mark's.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.watermark.clips import Clip
from benchmarks.watermark.encoders import encoded
from media import Planes
from media.planes import Plane

CRF = 23
Floats = NDArray[np.float64]
Measures = dict[str, float]

_EACH = 3  # SSIM looks at every third picture, CIEDE2000 at every sixth
_GRID = 4  # px between the points at which colour is compared

# Gates of the mark, before encoding and after crf 23.
GATES: dict[str, tuple[str, float]] = {
    "PSNR-Y": ("at least", 48.0),
    "SSIM-Y": ("at least", 0.995),
    "VMAF loss": ("at most", 4.0),
    "VMAF loss after crf 23": ("at most", 2.0),
    "bitrate": ("at most", 1.03),
}
LOW_IS_WORSE = {"PSNR-Y", "PSNR-UV", "SSIM-Y"}


def measured(source: Clip, marked: Clip, ffmpeg: str | None) -> Measures:
    """Everything about one mark in one clip; without an ffmpeg that has libvmaf the VMAF values are absent.

    PSNR in dB, infinite values as 100; CIEDE2000 mean colour difference; flicker: mean absolute change over time of
    the difference from the source, 8-bit levels; bitrate: marked / unmarked. After crf 23 each value is unmarked minus
    marked where high is good, and marked minus unmarked where low is good: a positive number is a loss.
    """
    plain_file, marked_file = encoded(source, CRF), encoded(marked, CRF)
    plain, kept = plain_file.decoded(), marked_file.decoded()
    before = _against(source, marked)
    without, with_mark = _against(source, plain), _against(source, kept)
    values = dict(before)
    for name in before:
        loss = without[name] - with_mark[name] if name in LOW_IS_WORSE else with_mark[name] - without[name]
        values[f"{name} loss after crf {CRF}" if name in LOW_IS_WORSE else f"{name} more after crf {CRF}"] = (
            loss
        )
    values["bitrate"] = marked_file.stream_bytes / plain_file.stream_bytes
    if ffmpeg is not None:
        with vmaf_reference(source) as reference:
            score = {id(one): vmaf(reference, source, one, ffmpeg) for one in (source, marked, plain, kept)}
        values["VMAF loss"] = score[id(source)] - score[id(marked)]
        values[f"VMAF loss after crf {CRF}"] = score[id(plain)] - score[id(kept)]
    return values


def _against(source: Clip, other: Clip) -> Measures:
    pairs = list(zip(source.pictures, other.pictures, strict=True))
    return {
        "PSNR-Y": psnr([(a[0], b[0]) for a, b in pairs]),
        "PSNR-UV": psnr([(a[part], b[part]) for a, b in pairs for part in (1, 2)]),
        "SSIM-Y": float(np.mean([ssim(a[0], b[0]) for a, b in pairs[::_EACH]])),
        "CIEDE2000": float(np.mean([ciede2000(lab(a), lab(b)).mean() for a, b in pairs[:: 2 * _EACH]])),
        "flicker": flicker(pairs),
    }


def psnr(pairs: list[tuple[Plane, Plane]]) -> float:
    """Of the mean squared error over all planes; 100 dB for equal ones."""
    error = np.mean([cv2.norm(a, b, cv2.NORM_L2SQR) / a.size for a, b in pairs])
    return float(min(100.0, 10 * np.log10(255**2 / max(float(error), 1e-12))))


def ssim(one: Plane, other: Plane) -> float:
    """Mean structural similarity, Gaussian window of 1.5 px (Wang et al. 2004)."""
    x, y = one.astype(np.float32), other.astype(np.float32)
    mx, my, xx, yy, xy = (cv2.GaussianBlur(plane, (11, 11), 1.5) for plane in (x, y, x * x, y * y, x * y))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    likeness = (2 * mx * my + c1) * (2 * (xy - mx * my) + c2)
    scale = (mx * mx + my * my + c1) * (xx - mx * mx + yy - my * my + c2)
    return float((likeness / scale).mean())


def flicker(pairs: list[tuple[Planes, Planes]]) -> float:
    """Mean |d[t+1] - d[t]| of d = other - source, luma."""
    changes, last = [], None
    for source, other in pairs:
        difference = cv2.subtract(other[0], source[0], dtype=cv2.CV_16S)
        if last is not None:
            changes.append(cv2.norm(difference, last, cv2.NORM_L1) / difference.size)
        last = difference
    return float(np.mean(changes)) if changes else 0.0


# ---------------------------------------------------------------- colour

_TO_XYZ = np.array(  # linear sRGB, IEC 61966-2-1
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def lab(picture: Planes) -> Floats:
    """CIE L*a*b* (D65) at every fourth pixel, float64[n, 3]; BT.601 limited range, sRGB transfer.

    Not rounded to 8-bit RGB on the way, which would hide what a mark of one level does.
    """
    points = (picture[0][::_GRID, ::_GRID], *(plane[:: _GRID // 2, :: _GRID // 2] for plane in picture[1:]))
    luma, u, v = (plane.astype(np.float64).ravel() for plane in points)
    luma, u, v = (luma - 16) / 219, (u - 128) / 224, (v - 128) / 224
    rgb = np.stack([luma + 1.402 * v, luma - 0.344136 * u - 0.714136 * v, luma + 1.772 * u], axis=-1).clip(
        0, 1
    )
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = linear @ (_TO_XYZ / _TO_XYZ.sum(axis=1, keepdims=True)).T
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=-1)


def ciede2000(one: Floats, other: Floats) -> Floats:
    """Colour differences (CIE 142-2001, in the form of Sharma, Wu and Dalal 2005), float64[n] of float64[n, 3]."""
    l1, a1, b1 = one.T
    l2, a2, b2 = other.T
    mean_c7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    g = 0.5 * (1 - np.sqrt(mean_c7 / (mean_c7 + 25.0**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    grey = c1 * c2 == 0
    turn = (h2 - h1 + 180) % 360 - 180
    d_hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(np.where(grey, 0, turn)) / 2)
    # The mean hue lies on the shorter arc; a colour without hue takes the other's.
    hue = np.where(grey, h1 + h2, (h1 + turn / 2) % 360)
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    t = (
        1
        - 0.17 * np.cos(np.radians(hue - 30))
        + 0.24 * np.cos(np.radians(2 * hue))
        + 0.32 * np.cos(np.radians(3 * hue + 6))
        - 0.20 * np.cos(np.radians(4 * hue - 63))
    )
    s_l = 1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2)
    s_c, s_h = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    rotation = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    rotation *= np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    dl, dc, dh = (l2 - l1) / s_l, (c2 - c1) / s_c, d_hue / s_h
    squared: Floats = np.maximum(0, dl**2 + dc**2 + dh**2 + rotation * dc * dh)
    return np.asarray(np.sqrt(squared))


# ---------------------------------------------------------------- VMAF


def find_ffmpeg(wanted: str | None) -> str | None:
    """An ffmpeg that has libvmaf: the one that is asked for, that of the package imageio-ffmpeg, or the PATH's."""
    if wanted is None:
        try:
            import imageio_ffmpeg

            wanted = imageio_ffmpeg.get_ffmpeg_exe()
        except (ImportError, RuntimeError):
            wanted = shutil.which("ffmpeg")
    if wanted is None:
        return None
    try:
        said = subprocess.run(
            [wanted, "-hide_banner", "-filters"], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return wanted if " libvmaf " in said.stdout else None


@contextmanager
def vmaf_reference(source: Clip) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reference.yuv"
        path.write_bytes(_raw(source))
        yield path


def vmaf(reference: Path, source: Clip, other: Clip, ffmpeg: str) -> float:
    """Mean VMAF (model v0.6.1) of `other` against the reference."""
    width, height = source.size
    raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-i"]
    graph = ["-lavfi", "libvmaf=n_threads=1", "-f", "null", "-"]
    command = [ffmpeg, "-hide_banner", "-nostats", *raw, "pipe:0", *raw, str(reference), *graph]
    said = subprocess.run(command, input=_raw(other), capture_output=True, check=False).stderr.decode()
    if "VMAF score:" not in said:
        raise RuntimeError(f"{ffmpeg} gives no VMAF: {said.strip().splitlines()[-1]}")
    return float(said.split("VMAF score:")[1].split()[0])


def _raw(clip: Clip) -> bytes:
    return b"".join(np.ascontiguousarray(plane).tobytes() for picture in clip.pictures for plane in picture)
