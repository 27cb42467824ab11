"""Adding the mark to yuv420p pictures."""

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from media import Planes
from provenance.watermark.carrier import CANVAS, MAX_ASPECT, SHORT_SIDE, Grid, Layer, carrier
from provenance.watermark.errors import AspectTooWide, BadPayload, TooSmallToMark

MIN_SHORT_SIDE = 64
SAFE_SHORT_SIDE = 256  # below, a mark is only made where it is seen to last

_CELL_PX = 4  # samples of a pattern to a cell
_PULSE_SIGMAS = (0.45, 0.8)  # of the difference of Gaussians, in cells; narrower ones cost more bytes
_BUSY_GAIN = 0.06  # more strength for each level of mean texture: codecs take more there, eyes see less
_MOST_BUSY = 1.4
_MOST_IN_THE_DARK = 3.0
_REFRESH_S = 0.5
_SCENE_CHANGE = 10.0  # mean absolute luma change, 8-bit levels


@dataclass(frozen=True)
class Levels:
    """RMS change of a smooth picture, 8-bit levels, in luma and in blue-difference chroma."""

    luma: float
    chroma: float


DEFAULT_LEVELS = Levels(0.4, 1.0)

Plane = NDArray[np.uint8]
Map = NDArray[np.float32]


def check_size(width: int, height: int) -> None:
    """Raises TooSmallToMark or AspectTooWide for a picture that cannot carry the mark."""
    if min(width, height) < MIN_SHORT_SIDE:
        raise TooSmallToMark(
            f"{width}x{height} is too small to mark: the short side needs {MIN_SHORT_SIDE} px",
            hint="upscale the clip first, to 512 px or more",
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise AspectTooWide(
            f"{width}x{height} is too long to mark: at most {MAX_ASPECT} to 1",
            hint="crop or pad the clip first",
        )


class Embedder:
    """Marks the pictures of one clip: fine cells in luma, coarse ones in blue-difference chroma.

    The pattern never moves: dropped, repeated, reordered or re-timed frames do not disturb it, and a
    detector may add frames up. What follows the content is the strength (more in busy pictures, less in
    dark places), twice a second and on a change of scene. Within a picture the strength is even: a mark
    that leans on texture lost both VMAF and robustness (measured).

    width, height: of the luma plane, px. payload: unsigned 64 bit. key: 32 bytes. Raises
    TooSmallToMark, AspectTooWide, BadKey, BadPayload.
    """

    def __init__(
        self, width: int, height: int, payload: int, key: bytes, *, levels: Levels = DEFAULT_LEVELS
    ) -> None:
        check_size(width, height)
        if not 0 <= payload < 1 << 64:
            raise BadPayload(
                f"the payload {payload} is not an unsigned 64-bit integer", hint="draw another clip id"
            )
        self._shape = (height, width)
        luma, chroma = carrier(key).layers
        half = ((height + 1) // 2, (width + 1) // 2)
        self._luma = _Painter(luma, payload, self._shape, levels.luma)
        self._chroma = _Painter(chroma, payload, half, levels.chroma)
        self._deltas: tuple[NDArray[np.int16], NDArray[np.int16]] | None = None
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
        if self._deltas is None or self._is_stale(glance, time):
            self._deltas = self._deltas_for(y)
            self._made_at, self._seen = Fraction(time), glance
        dy, du = self._deltas
        return _added(y, dy), _added(u, du), v

    def _is_stale(self, glance: NDArray[np.int16], time: Fraction | float) -> bool:
        if self._seen is None or not 0 <= time - self._made_at < _REFRESH_S:
            return True
        return bool(np.abs(glance - self._seen).mean() > _SCENE_CHANGE)

    def _deltas_for(self, y: Plane) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        small = self._luma.shrunk(y)
        texture = float(np.abs(small - cv2.blur(small, (5, 5))).mean())
        gain = min(_MOST_BUSY, 1 + _BUSY_GAIN * texture)
        seen: Map = np.clip((small - 4) / 32, 0.15, 1.0, dtype=np.float32)  # dark parts show a mark first
        return self._luma.delta(seen, gain), self._chroma.delta(seen, gain)


def _added(plane: Plane, delta: NDArray[np.int16]) -> Plane:
    return np.asarray(cv2.add(plane, delta, dtype=cv2.CV_8U), dtype=np.uint8)


class _Painter:
    """A layer's pattern, laid over planes of one shape."""

    def __init__(self, layer: Layer, payload: int, shape: tuple[int, int], level: float) -> None:
        self._shape = shape
        self._level = level
        px = min(shape) / SHORT_SIDE * layer.grid.cell / _CELL_PX  # plane px to a sample of the pattern
        self._size = tuple(
            min(layer.grid.canvas * _CELL_PX, 2 * int(np.ceil(side / px / 2))) for side in shape
        )
        self._pattern = _pattern(layer.chips(payload), layer.grid, self._size)
        rows, columns = self._size
        height, width = shape
        # Centre upon centre: half a cell of misregistration costs more than half of the detector's signal.
        self._to_plane = np.array(
            [
                [1 / px, 0, (columns - 1) / 2 - (width - 1) / 2 / px],
                [0, 1 / px, (rows - 1) / 2 - (height - 1) / 2 / px],
            ]
        )

    def shrunk(self, plane: Plane) -> Map:
        """The plane at the pattern's size, float32."""
        rows, columns = self._size
        small = cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA)
        return np.asarray(small, dtype=np.float32)

    def delta(self, seen: Map, gain: float) -> NDArray[np.int16]:
        """What to add to a plane; seen: how much of the mark each part of the picture may carry, 0 to 1."""
        rows, columns = self._size
        if seen.shape != self._size:
            seen = np.asarray(cv2.resize(seen, (columns, rows), interpolation=cv2.INTER_AREA))
        delta = self._pattern * seen
        delta *= self._level * gain * min(_MOST_IN_THE_DARK, 1 / max(1e-6, float(delta.std())))
        height, width = self._shape
        full = cv2.warpAffine(
            delta,
            self._to_plane,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        delta16: NDArray[np.int16] = np.rint(full).astype(np.int16)
        return delta16


def _pattern(chips: Map, grid: Grid, size: tuple[int, ...]) -> Map:
    """One pulse a cell with the cell's sign, unit RMS, float32[*size]; size: even, in _CELL_PX steps."""
    side = CANVAS // grid.cell * _CELL_PX
    impulses = np.zeros((side, side), dtype=np.float32)
    for dy in (1, 2):  # the centre of a cell of four samples lies between its middle two
        for dx in (1, 2):
            impulses[dy::_CELL_PX, dx::_CELL_PX] = chips
    narrow, broad = (_blurred(impulses, sigma * _CELL_PX) for sigma in _PULSE_SIGMAS)
    top, left = ((side - length) // 2 for length in size)
    pattern = (narrow - broad)[top : top + size[0], left : left + size[1]]
    unit: Map = pattern / pattern.std()
    return unit


def _blurred(picture: Map, sigma: float) -> Map:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))
