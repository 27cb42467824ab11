"""What the detector adds up: band-passed, locally normalised luma, on a grid of a few samples a cell."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from provenance.watermark import axis
from provenance.watermark.carrier import CELLS

CELL_PX = 3
COARSE = 5 / 8  # scale of the second map, which reads marks that a crop has made larger

_BAND_SIGMAS = (0.25, 0.5)  # of the difference of Gaussians, in cells
_FLOOR = 0.4  # luma levels: in flat areas rounding noise shall not be blown up
_NEAR_PX = 7

Map = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Response:
    """Two maps of one picture or of a sum of pictures, float32; `fine` has CELL_PX samples a cell of an
    uncropped mark.
    """

    fine: Map
    coarse: Map

    def __add__(self, other: "Response") -> "Response":
        return Response(self.fine + other.fine, self.coarse + other.coarse)

    def clipped(self) -> "Response":
        """Values held to four sigma: else one caption edge outweighs the picture."""
        return Response(_clip(self.fine), _clip(self.coarse))


def _clip(values: Map) -> Map:
    limit = 4 * float(values.std())
    clipped: Map = np.clip(values, -limit, limit)
    return clipped


class Reader:
    """Turns luma planes of one size into responses.

    Each sample is r / (|r| averaged around it + floor)², r the band-passed luma: the weight that a Gaussian
    scale mixture calls for, and 15 to 35 % more signal than an exponent of 1 (measured).
    """

    def __init__(self, width: int, height: int) -> None:
        step = min(width, height) / (CELLS * CELL_PX)
        fine = [2 * int(np.ceil(side / step / 2)) for side in (height, width)]
        coarse = [2 * int(np.ceil(side * COARSE / 2)) for side in fine]
        self._shrink = [
            axis.resampling(cells, side, step) for cells, side in zip(fine, (height, width), strict=True)
        ]
        self._shrink_more = [
            axis.resampling(low, high, 1 / COARSE) for low, high in zip(coarse, fine, strict=True)
        ]
        self._shapes = (fine, coarse)
        self._fine = _BandPass(fine)
        self._coarse = _BandPass(coarse)

    def silence(self) -> Response:
        """The response to nothing at all."""
        return Response(*(np.zeros(shape, dtype=np.float32) for shape in self._shapes))

    def read(self, y: NDArray[np.uint8]) -> Response:
        small = axis.apply(self._shrink, y.astype(np.float32))
        return Response(self._fine(small), self._coarse(axis.apply(self._shrink_more, small)))


class _BandPass:
    def __init__(self, shape: list[int]) -> None:
        narrow, broad = _BAND_SIGMAS
        rest = (broad**2 - narrow**2) ** 0.5
        self._narrow = [axis.gaussian(side, narrow * CELL_PX) for side in shape]
        self._rest = [axis.gaussian(side, rest * CELL_PX) for side in shape]
        self._near = [axis.box(side, _NEAR_PX) for side in shape]

    def __call__(self, picture: Map) -> Map:
        narrow = axis.apply(self._narrow, picture)
        band = narrow - axis.apply(self._rest, narrow)
        level = axis.apply(self._near, np.abs(band)) + np.float32(_FLOOR)
        return np.ascontiguousarray(band / (level * level), dtype=np.float32)
