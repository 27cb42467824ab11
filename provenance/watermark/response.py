"""What the detector adds up: band-passed, locally normalised planes, on grids of a few samples a cell."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from media import Planes
from provenance.watermark.carrier import CHROMA, LUMA, SHORT_SIDE, Grid

Map = NDArray[np.float32]

_CELL_PX = 3
COARSE = 5 / 8  # scale of the second map of each layer, which reads marks that a crop has made larger

_BAND_SIGMAS = (0.25, 0.5)  # of the difference of Gaussians, in cells
_NEAR_PX = 7
_RELATED_PX = 9
# In flat areas rounding noise shall not be blown up; 8-bit levels.
_FLOOR = {LUMA: 0.2, CHROMA: 0.3}
_FLOOR_OF_RELATION = 0.02
_FRACTION = 64  # planes are averaged as 16-bit integers, so that the average keeps fractions of a level


@dataclass(frozen=True)
class Frame:
    """The shape of a layer's maps for one size of picture. pitch: samples to a unit along x and y; the
    picture's centre is the map's centre.
    """

    shape: tuple[int, int]
    pitch: tuple[float, float]


@dataclass(frozen=True)
class Geometry:
    """The frames of all maps for pictures of one size: (fine, coarse) of each layer."""

    luma: tuple[Frame, Frame]
    chroma: tuple[Frame, Frame]

    @classmethod
    def of(cls, width: int, height: int) -> "Geometry":
        return cls(_frames(width, height, LUMA), _frames(width, height, CHROMA))

    @property
    def layers(self) -> tuple[tuple[Frame, Frame], ...]:
        return self.luma, self.chroma


def _frames(width: int, height: int, grid: Grid) -> tuple[Frame, Frame]:
    unit = min(width, height) / SHORT_SIDE

    def frame(cell_px: float) -> Frame:
        columns, rows = (max(8, round(side / unit / grid.cell * cell_px)) for side in (width, height))
        return Frame((rows, columns), (columns * unit / width, rows * unit / height))

    return frame(_CELL_PX), frame(_CELL_PX * COARSE)


@dataclass(frozen=True, eq=False)
class Response:
    """The maps of one picture or of a sum of pictures, float32: (fine, coarse) of each layer."""

    geometry: Geometry
    maps: tuple[tuple[Map, Map], ...]

    def __add__(self, other: "Response") -> "Response":
        pairs = zip(self.maps, other.maps, strict=True)
        return Response(self.geometry, tuple((a + c, b + d) for (a, b), (c, d) in pairs))

    def astype(self, dtype: type[np.floating]) -> "Response":
        """The same in another precision: sums that wait are kept in half of it."""
        return Response(
            self.geometry, tuple((fine.astype(dtype), coarse.astype(dtype)) for fine, coarse in self.maps)
        )

    def clipped(self) -> "Response":
        """Values held to four sigma: else one caption edge outweighs the picture."""
        return Response(self.geometry, tuple((_clip(fine), _clip(coarse)) for fine, coarse in self.maps))


def _clip(values: Map) -> Map:
    limit = 4 * float(values.std())
    clipped: Map = np.clip(values, -limit, limit)
    return clipped


class Reader:
    """Turns yuv420p pictures of one size into responses.

    Each sample is r / (|r| averaged around it + floor)², r the band-passed plane: the weight that a Gaussian
    scale mixture calls for, and 15 to 35 % more signal than an exponent of 1 (measured). The red-difference
    plane carries no mark but much of the same picture: what of the blue-difference band follows it nearby is
    taken off first, which brings 8 to 17 % more signal (measured).
    """

    def __init__(self, width: int, height: int) -> None:
        self._geometry = Geometry.of(width, height)

    def silence(self) -> Response:
        """The response to nothing at all."""
        return Response(
            self._geometry,
            tuple(
                (np.zeros(fine.shape, np.float32), np.zeros(coarse.shape, np.float32))
                for fine, coarse in self._geometry.layers
            ),
        )

    def read(self, planes: Planes) -> Response:
        y, u, v = planes
        fine, coarse = self._geometry.luma
        luma = _shrunk(y, fine)
        luma_maps = tuple(_weighted(_band(one), LUMA) for one in (luma, _resized(luma, coarse)))
        fine, coarse = self._geometry.chroma
        blue, red = _shrunk(u, fine), _shrunk(v, fine)
        pairs = ((blue, red), (_resized(blue, coarse), _resized(red, coarse)))
        chroma_maps = tuple(_weighted(_apart(_band(b), _band(r)), CHROMA) for b, r in pairs)
        return Response(self._geometry, (luma_maps, chroma_maps))  # type: ignore[arg-type]


def _shrunk(plane: NDArray[np.uint8], frame: Frame) -> Map:
    wide = cv2.multiply(plane, _FRACTION, dtype=cv2.CV_16U)
    return np.asarray(_resized(wide, frame), dtype=np.float32) * np.float32(1 / _FRACTION)


def _resized(values: NDArray[np.generic], frame: Frame) -> Map:
    rows, columns = frame.shape
    shrinks = rows <= values.shape[0] and columns <= values.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, (columns, rows), interpolation=how))


def _band(values: Map) -> Map:
    narrow, broad = (cv2.GaussianBlur(values, (0, 0), sigma * _CELL_PX) for sigma in _BAND_SIGMAS)
    return np.asarray(narrow - broad, dtype=np.float32)


def _apart(band: Map, other: Map) -> Map:
    """`band` less its local regression on `other`."""
    related, power = (
        cv2.blur(product, (_RELATED_PX, _RELATED_PX)) for product in (band * other, other * other)
    )
    return np.asarray(band - other * related / (power + _FLOOR_OF_RELATION), dtype=np.float32)


def _weighted(band: Map, grid: Grid) -> Map:
    level = cv2.blur(np.abs(band), (_NEAR_PX, _NEAR_PX)) + np.float32(_FLOOR[grid])
    return np.asarray(band / (level * level), dtype=np.float32)
