"""Adding the mark to luma planes."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from media import Planes
from provenance.watermark import axis
from provenance.watermark.carrier import CANVAS, CELLS, MAX_ASPECT, carrier
from provenance.watermark.errors import AspectTooWide, BadPayload, TooSmallToMark

MIN_SHORT_SIDE = 256
DEFAULT_STRENGTH = 1.1
CELL_PX = 4

_PULSE_SIGMAS = (0.35, 0.8)  # of the difference of Gaussians, in cells
_BUSY_GAIN = 0.06  # more strength for each level of mean texture: codecs take more there, eyes see less
_MOST_BUSY = 1.4
_MOST_IN_THE_DARK = 3.0
_REFRESH_S = 0.5
_SCENE_CHANGE = 10.0  # mean absolute luma change, 8-bit levels

Plane = NDArray[np.uint8]


def check_size(width: int, height: int) -> None:
    """Raises TooSmallToMark or AspectTooWide for a picture that cannot carry the mark."""
    if min(width, height) < MIN_SHORT_SIDE:
        raise TooSmallToMark(
            f"{width}x{height} is too small to mark: the short side needs {MIN_SHORT_SIDE} px",
            hint="upscale the clip first; 512 px or more survive a re-encode with margin",
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise AspectTooWide(
            f"{width}x{height} is too long to mark: at most {MAX_ASPECT} to 1",
            hint="crop or pad the clip first",
        )


class Embedder:
    """Marks the luma planes of one clip.

    The pattern never moves: dropped, repeated, reordered or re-timed frames do not disturb it, and a
    detector may add frames up. What follows the content is the strength (more in busy pictures, less in
    dark places), twice a second and on a change of scene. Within a picture the strength is even: a mark
    that leans on texture lost both VMAF and robustness (measured).

    width, height: of the planes, px. payload: unsigned 64 bit. key: 32 bytes. strength: RMS luma change of
    a smooth picture, 8-bit levels; busy ones get up to 1.4 times as much. Raises TooSmallToMark,
    AspectTooWide, BadKey, BadPayload.
    """

    def __init__(
        self, width: int, height: int, payload: int, key: bytes, *, strength: float = DEFAULT_STRENGTH
    ) -> None:
        check_size(width, height)
        if not 0 <= payload < 1 << 64:
            raise BadPayload(
                f"the payload {payload} is not an unsigned 64-bit integer", hint="draw another clip id"
            )
        self._shape = (height, width)
        self._strength = strength
        step = min(width, height) / (CELLS * CELL_PX)
        grid = [min(CANVAS * CELL_PX, 2 * int(np.ceil(side / step / 2))) for side in self._shape]
        self._down = [
            axis.resampling(cells, side, step) for cells, side in zip(grid, self._shape, strict=True)
        ]
        self._up = [
            axis.resampling(side, cells, 1 / step) for cells, side in zip(grid, self._shape, strict=True)
        ]
        self._near = [axis.box(cells, 5) for cells in grid]
        self._pattern = _pattern(carrier(key).chips(payload), grid)
        self._delta = np.zeros(self._shape, dtype=np.int16)
        self._made_at = Fraction(0)
        self._seen: NDArray[np.int16] | None = None

    def embed(self, planes: Planes, time: Fraction | float) -> Planes:
        """The marked copy of a yuv420p picture, uint8: y[height, width], u and v of half the size, rounded
        up; `time` in seconds.
        """
        y, u, v = planes
        if y.shape != self._shape:
            raise ValueError(f"a plane of {y.shape}, where {self._shape} was announced")
        glance = y[::16, ::16].astype(np.int16)
        if self._is_stale(glance, time):
            self._delta = self._delta_for(y)
            self._made_at, self._seen = Fraction(time), glance
        marked = y + self._delta
        np.clip(marked, 0, 255, out=marked)
        return marked.astype(np.uint8), u, v

    def _is_stale(self, glance: NDArray[np.int16], time: Fraction | float) -> bool:
        if self._seen is None or not 0 <= time - self._made_at < _REFRESH_S:
            return True
        return bool(np.abs(glance - self._seen).mean() > _SCENE_CHANGE)

    def _delta_for(self, y: Plane) -> NDArray[np.int16]:
        small = axis.apply(self._down, y.astype(np.float32))
        texture = float(np.abs(small - axis.apply(self._near, small)).mean())
        wanted = self._strength * min(_MOST_BUSY, 1 + _BUSY_GAIN * texture)
        delta = self._pattern * np.clip((small - 4) / 32, 0.15, 1.0)  # dark parts show a mark first
        delta *= min(_MOST_IN_THE_DARK, wanted / max(1e-6, float(delta.std())))
        full = axis.apply(self._up, delta)
        return np.rint(full).astype(np.int16, order="C")


def _pattern(chips: NDArray[np.float32], grid: list[int]) -> NDArray[np.float32]:
    """One pulse a cell with the cell's sign, unit RMS, float32[*grid]; grid: the picture in CELL_PX steps,
    even.
    """
    impulses = np.zeros((CANVAS * CELL_PX,) * 2, dtype=np.float32)
    for dy in (1, 2):  # the centre of a cell of four samples lies between its middle two
        for dx in (1, 2):
            impulses[dy::CELL_PX, dx::CELL_PX] = chips
    top, left = ((len(impulses) - side) // 2 for side in grid)
    margin = 4 * CELL_PX
    top, left = max(0, top - margin), max(0, left - margin)
    window = impulses[top : len(impulses) - top, left : len(impulses) - left]
    narrow, broad = (
        axis.apply([axis.gaussian(side, sigma * CELL_PX) for side in window.shape], window)
        for sigma in _PULSE_SIGMAS
    )
    y, x = ((have - want) // 2 for have, want in zip(window.shape, grid, strict=True))
    pattern = (narrow - broad)[y : y + grid[0], x : x + grid[1]]
    unit: NDArray[np.float32] = pattern / pattern.std()
    return unit
