"""The normal form: what every clip is turned into before a feature sees it.

A detector that sees files as they come learns the host page: on public demonstration clips, container
metadata alone separate AI from camera footage with AUROC 0.97. So each clip becomes windows of 16 frames,
taken at a constant integer stride near 8 frames a second, without letterbox bars and without the outer
tenth (corner logos), 256 x 256 pixels, and passed once through the same H.264 encoder. What is left of
frame rate, size and codec after that is measured by the `survivors` control of `detector.train`.
"""

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from media import Limits, Probe, open_clip

PREPROCESS_ID = "stride8-crop80-256-x264crf23-v1"
"""Names this normal form; a head fitted on another one is refused."""

WINDOW_FRAMES = 16
"""Frames in a window: two seconds at eight frames a second."""

HOP_FRAMES = 8
MIN_FRAMES = 8
"""Below this, trajectories have too few steps for any statistic."""

TARGET_RATE = 8.0
RATE_RANGE = (5.0, 12.6)
"""Sampled rates, in frames a second, at which heads are fitted; a verdict is not given outside."""

SIDE = 256
CROP_FRACTION = 0.8
MIN_CROP_PX = 96
DECODE_SHORT_SIDE = 480

U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Window:
    """A piece of a clip in normal form, kept as the H.264 bytes that `planes` decodes.

    `frames` is 16, or 8 to 15 where the whole clip is that short. Times are seconds in the clip; `end_s`
    is when the last frame stops being shown. `fault` says in plain words why the window tells nothing (""
    if it does).
    """

    bitstream: bytes
    frames: int
    start_s: float
    end_s: float
    fault: str

    def planes(self) -> tuple[U8, U8]:
        """Luma uint8 [T, 256, 256] and chroma uint8 [T, 2, 128, 128] (U, V), limited range."""
        return decode_window(self.bitstream)


@dataclass(frozen=True)
class Normalised:
    """The windows of a clip and how they were taken.

    `rate` is the sampled rate in frames a second; `crop_px` the side of the square in the decoded picture;
    `sampled` and `decoded` count frames. `limits` lists, in plain words, what in the clip forbids a verdict.
    """

    windows: tuple[Window, ...]
    rate: float
    stride: int
    crop_px: float
    sampled: int
    decoded: int
    decode_errors: int
    duration_s: float
    limits: tuple[str, ...]


def choose_stride(native_rate: float, frame_count: int | None, target_rate: float = TARGET_RATE) -> int:
    """The integer stride whose rate is nearest to `target_rate` in ratio, smaller where the clip is short.

    A constant integer stride, because resampling 6 to 8 frames a second by nearest time stamp repeats
    every third frame: a frame-rate watermark in every second-order statistic.
    """
    stride = 1
    for candidate in range(1, max(1, math.ceil(native_rate / target_rate)) + 1):
        if abs(math.log(native_rate / candidate / target_rate)) < abs(
            math.log(native_rate / stride / target_rate)
        ):
            stride = candidate
    if frame_count:
        while stride > 1 and frame_count < stride * (WINDOW_FRAMES - 1) + 1:
            if native_rate / (stride - 1) > RATE_RANGE[1]:
                break
            stride -= 1
    return stride


def strip_letterbox(luma: U8, *, dark: int = 28) -> tuple[int, int, int, int]:
    """Picture bounds (top, bottom, left, right) of frames [T, H, W] without constant dark bars.

    Bars are rows or columns whose 98th percentile over all frames stays under `dark`; at most 30 % from
    each side, and the full frame where the picture as a whole is dark.
    """

    def bounds(profile: npt.NDArray[np.float64]) -> tuple[int, int]:
        size = len(profile)
        bright = np.flatnonzero(profile > dark)
        if len(bright) < size * 0.2:
            return 0, size
        return min(int(bright[0]), int(size * 0.3)), max(int(bright[-1]) + 1, math.ceil(size * 0.7))

    top, bottom = bounds(np.percentile(luma, 98, axis=(0, 2)))
    left, right = bounds(np.percentile(luma, 98, axis=(0, 1)))
    return top, bottom, left, right


class Cropper:
    """Crops planes to the centre square of the picture and scales them to 256 (luma) and 128 (chroma)."""

    def __init__(self, luma: U8) -> None:
        """Measures the bars on `luma`, uint8 [T, H, W]."""
        top, bottom, left, right = strip_letterbox(luma)
        self.side = CROP_FRACTION * min(bottom - top, right - left)
        x, y = (left + right - self.side) / 2, (top + bottom - self.side) / 2
        self._box = (x, y, x + self.side, y + self.side)

    def __call__(self, planes: Sequence[U8]) -> tuple[U8, U8]:
        """(uint8 [256, 256], uint8 [2, 128, 128]) of one yuv420p frame."""
        y, u, v = planes
        half = tuple(c / 2 for c in self._box)
        chroma = np.stack([_resize(u, half, SIDE // 2), _resize(v, half, SIDE // 2)])
        return _resize(y, self._box, SIDE), chroma


def _resize(plane: U8, box: Sequence[float], side: int) -> U8:
    from PIL import Image

    height, width = plane.shape
    x0, y0, x1, y1 = max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(width)), min(box[3], float(height))
    method = Image.Resampling.BOX if x1 - x0 >= side else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(plane).resize((side, side), method, box=(x0, y0, x1, y1)))


def encode_window(luma: U8, chroma: U8) -> bytes:
    """H.264 bytes of a window; one thread and a fixed rate, so that equal frames give equal bytes."""
    import av

    sink = io.BytesIO()
    with av.open(sink, "w", format="nut") as container:
        stream: Any = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = luma.shape[2], luma.shape[1], "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "23", "threads": "1"}
        for y, uv in zip(luma, chroma, strict=True):
            stacked = np.concatenate([y.ravel(), uv.ravel()]).reshape(-1, luma.shape[2])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(stacked, format="yuv420p")))
        container.mux(stream.encode(None))
    return sink.getvalue()


def decode_window(bitstream: bytes) -> tuple[U8, U8]:
    """Luma [T, H, W] and chroma [T, 2, H/2, W/2] of `encode_window`'s bytes (our own, so decoded in
    process).
    """
    import av

    luma, chroma = [], []
    with av.open(io.BytesIO(bitstream), "r", format="nut") as container:
        container.streams.video[0].thread_count = 1
        for frame in container.decode(video=0):
            planes = frame.to_ndarray(format="yuv420p")
            height, width = frame.height, frame.width
            luma.append(planes[:height])
            chroma.append(planes[height:].reshape(2, height // 2, width // 2))
    return np.stack(luma), np.stack(chroma)


def window_fault(luma: U8) -> str:
    """Why a window tells nothing of motion, or "": blank pictures, no motion, or a cut in it."""
    blank = float(np.mean((luma <= 20) | (luma >= 232)))
    if blank > 0.6:
        return f"{blank:.0%} of the picture is plain black or white"
    small = luma.reshape(len(luma), 32, 8, 32, 8).mean((2, 4), dtype=np.float32)
    steps = np.abs(np.diff(small, axis=0)).mean((1, 2))
    if steps.mean() < 0.25 or float(np.mean(steps < 0.05)) > 0.5:
        return "nothing moves"
    centred = small - small.mean((1, 2), keepdims=True)
    energy = np.sqrt((centred**2).sum((1, 2))) + 1e-3
    likeness = (centred[1:] * centred[:-1]).sum((1, 2)) / (energy[1:] * energy[:-1])
    if np.any((likeness < 0.4) & (steps > 12) & (steps > 4 * np.median(steps))):
        return "the scene is cut"
    return ""


def native_rate(probe: Probe) -> float:
    """Frames a second of the file, from the container or from count and duration; 25 where neither is told."""
    if probe.frame_rate:
        rate = float(probe.frame_rate)
    elif probe.frame_count and probe.duration_s:
        rate = probe.frame_count / probe.duration_s
    else:
        rate = 25.0
    return min(max(rate, 0.1), 240.0)


def normalise_clip(path: Path, *, max_windows: int = 64, limits: Limits | None = None) -> Normalised:
    """The normal form of a file, decoded in the sandboxed child of `media`.

    Windows of 16 sampled frames start every 8; of a long clip, about `max_windows` evenly spaced ones are
    kept. Raises the errors of `media`.
    """
    return normalise_at_rates(path, (TARGET_RATE,), max_windows=max_windows, limits=limits)[0]


def normalise_at_rates(
    path: Path, target_rates: Sequence[float], *, max_windows: int = 64, limits: Limits | None = None
) -> tuple[Normalised, ...]:
    """`normalise_clip` at several sampling rates in one pass; one result for each distinct stride, in order.

    Fitting on more than one rate keeps a head from reading the sampled rate, which betrays the native one.
    """
    with open_clip(
        path, pixel_format="yuv420p", short_side=DECODE_SHORT_SIDE, limits=limits or Limits()
    ) as clip:
        rate = native_rate(clip.probe)
        count = clip.probe.frame_count or (
            int(clip.probe.duration_s * rate) if clip.probe.duration_s else None
        )
        takers: dict[int, WindowTaker] = {}
        for target in target_rates:
            stride = choose_stride(rate, count, target)
            takers.setdefault(
                stride, WindowTaker(rate / stride, skip=window_skip(count, stride, max_windows))
            )
        decoded = 0
        for frame in clip:
            for stride, taker in takers.items():
                if decoded % stride == 0:
                    taker.add(frame.planes, float(frame.time))
            decoded += 1
        duration = clip.probe.duration_s or decoded / rate
        return tuple(
            Normalised(
                windows=taker.finish(),
                rate=taker.rate,
                stride=stride,
                crop_px=taker.crop_px,
                sampled=taker.count,
                decoded=decoded,
                decode_errors=clip.decode_errors,
                duration_s=duration,
                limits=tuple(_limits_of_clip(taker)),
            )
            for stride, taker in takers.items()
        )


def _limits_of_clip(taker: "WindowTaker") -> Iterator[str]:
    rate = taker.rate
    if taker.count < WINDOW_FRAMES:
        yield f"too short: {taker.count} frames at {rate:.1f} a second, {WINDOW_FRAMES} are needed"
    if not RATE_RANGE[0] <= rate <= RATE_RANGE[1]:
        yield f"frame rate: sampled at {rate:.1f} a second, outside {RATE_RANGE[0]:g} to {RATE_RANGE[1]:g}"
    if taker.count and taker.crop_px < MIN_CROP_PX:
        yield f"too small: the picture gives a square of {taker.crop_px:.0f} px, {MIN_CROP_PX} are needed"


def window_skip(frame_count: int | None, stride: int, max_windows: int) -> int:
    """Keep one window of so many, so that a clip gives about `max_windows`."""
    if not frame_count:
        return 1
    return max(1, math.ceil((frame_count / stride - HOP_FRAMES) / HOP_FRAMES / max_windows))


class WindowTaker:
    """Collects sampled frames of one clip into windows; holds at most one window of full-size frames."""

    def __init__(self, rate: float, *, skip: int = 1) -> None:
        self.rate, self.skip = rate, skip
        self.count = 0
        self.crop_px = 0.0
        self._cropper: Cropper | None = None
        self._waiting: list[tuple[Sequence[U8], float]] = []
        self._ready: list[tuple[U8, U8, float]] = []
        self._windows: list[Window] = []
        self._seen = 0

    def add(self, planes: Sequence[U8], time_s: float) -> None:
        """Takes one sampled frame: yuv420p planes and its time in seconds."""
        self.count += 1
        if self._cropper is None:
            self._waiting.append((planes, time_s))
            if len(self._waiting) < WINDOW_FRAMES:
                return
            self._start()
        else:
            self._ready.append((*self._cropper(planes), time_s))
        if len(self._ready) == WINDOW_FRAMES:
            if self._seen % self.skip == 0:
                self._close()
            self._seen += 1
            del self._ready[:HOP_FRAMES]

    def finish(self) -> tuple[Window, ...]:
        """All windows; of a clip shorter than one, a single shorter window if it has at least 8 frames."""
        if self._cropper is None and self._waiting:
            self._start()
            if len(self._ready) >= MIN_FRAMES:
                self._close()
        return tuple(self._windows)

    def _start(self) -> None:
        self._cropper = Cropper(np.stack([planes[0] for planes, _ in self._waiting]))
        self.crop_px = self._cropper.side
        self._ready = [(*self._cropper(planes), time_s) for planes, time_s in self._waiting]
        self._waiting.clear()

    def _close(self) -> None:
        luma = np.stack([y for y, _, _ in self._ready])
        chroma = np.stack([uv for _, uv, _ in self._ready])
        bitstream = encode_window(luma, chroma)
        start, end = self._ready[0][2], self._ready[-1][2] + 1 / self.rate
        self._windows.append(Window(bitstream, len(luma), start, end, window_fault(luma)))


def to_rgb(luma: U8, chroma: U8) -> U8:
    """uint8 RGB [T, H, W, 3] of limited-range luma [T, H, W] and chroma [T, 2, H/2, W/2], by the BT.601
    matrix.
    """
    y = (luma.astype(np.float32) - 16) * (255 / 219)
    u, v = ((chroma[:, k].astype(np.float32) - 128).repeat(2, 1).repeat(2, 2) * (255 / 224) for k in (0, 1))
    rgb = np.stack([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u], axis=-1)
    return np.asarray(np.clip(np.rint(rgb), 0, 255), np.uint8)
