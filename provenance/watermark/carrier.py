"""The keyed carrier: which sign every cell of the canvas has, and which coded bit it carries.

The canonical frame has its origin at the centre of the picture and 96 units along its short side, so that a
resize or a turn by a right angle leaves it as it is. Two grids of cells lie in it: a fine one in luma and a
coarse one in blue-difference chroma. The canvas is larger than any picture that may be marked. Cells are
dealt to the coded bits and to the pilot by a lattice, so that every part of the picture carries some of
each: a crop loses strength, never a bit.
"""

import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

from provenance.scheme import SCHEME
from provenance.watermark import ecc
from provenance.watermark.errors import BadKey

KEY_BYTES = 32
SHORT_SIDE = 96  # units along a picture's short side
CANVAS = 240  # units along a side of the canvas
MAX_ASPECT = CANVAS / SHORT_SIDE

_PILOT_SHARE = 0.25
_CLASSES = round(ecc.CODED_BITS / (1 - _PILOT_SHARE))
_GOLDEN = (5**0.5 - 1) / 2

Points = NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """One layer's cells; `cell`: the length of a cell's side, in units."""

    name: str
    cell: int

    @property
    def canvas(self) -> int:
        """Cells along a side of the canvas."""
        return CANVAS // self.cell


# Codecs keep coarse chroma where they drop everything else, and eyes hardly resolve blue against yellow. Luma
# is there for greyscale copies and adds its fine cells where the picture was not encoded hard.
LUMA, CHROMA = Grid("luma", 1), Grid("chroma", 3)
GRIDS = (LUMA, CHROMA)


@dataclass(frozen=True, eq=False)
class Layer:
    """What one key spreads over one grid. Arrays are indexed [row, column] of the canvas."""

    grid: Grid
    signs: NDArray[np.float32]  # ±1
    coded_bit: NDArray[np.int32]  # ecc.CODED_BITS and above: pilot

    @property
    def is_pilot(self) -> NDArray[np.bool_]:
        return self.coded_bit >= ecc.CODED_BITS

    @property
    def places(self) -> Points:
        """x, y of the cells from the canvas's centre, in units, float32[rows, columns, 2]."""
        row, column = np.mgrid[: self.grid.canvas, : self.grid.canvas]
        centre = (self.grid.canvas - 1) / 2
        return ((np.stack([column, row], axis=-1) - centre) * self.grid.cell).astype(np.float32)

    def chips(self, payload: int) -> NDArray[np.float32]:
        """±1 of every cell for this payload; the pilot does not depend on the payload."""
        classes = np.ones(_CLASSES, dtype=np.float32)
        classes[: ecc.CODED_BITS] = ecc.encode(payload)
        return self.signs * classes[self.coded_bit]


@dataclass(frozen=True, eq=False)
class Carrier:
    """The layers of one key, in the order of GRIDS."""

    layers: tuple[Layer, ...]


@lru_cache(maxsize=16)
def carrier(key: bytes) -> Carrier:
    """The carrier of a 32-byte key. Raises BadKey.

    Signs come from SHAKE-256 under an HMAC-derived secret, not from a numpy generator: a mark must be
    readable after numpy has changed its generators (NEP 19 promises no stable streams). For who has no key
    the signs are independent of any video, which is what the false-positive bounds rest on.
    """
    if len(key) != KEY_BYTES:
        raise BadKey(
            f"a watermark key has {KEY_BYTES} bytes, this one has {len(key)}",
            hint="use a key made by `clipproof keys init`",
        )
    return Carrier(tuple(_layer(grid, hmac.digest(key, SCHEME.encode(), "sha256")) for grid in GRIDS))


def _layer(grid: Grid, secret: bytes) -> Layer:
    side = grid.canvas
    sign_bytes = hashlib.shake_256(secret + grid.name.encode() + b" signs").digest(side * side // 8)
    signs = 1 - 2 * np.unpackbits(np.frombuffer(sign_bytes, dtype=np.uint8)).astype(np.float32)
    order_bytes = hashlib.shake_256(secret + grid.name.encode() + b" order").digest(8 * _CLASSES)
    order = np.argsort(np.frombuffer(order_bytes, dtype="<u8"), kind="stable").astype(np.int32)
    row, column = np.mgrid[:side, :side]
    return Layer(grid, signs.reshape(side, side), order[(row * _row_stride() + column) % _CLASSES])


def _row_stride() -> int:
    """A stride near the golden section of the class count, coprime to it: cells of one class lie far
    apart.
    """
    stride = int(_CLASSES * _GOLDEN)
    while gcd(stride, _CLASSES) != 1:
        stride += 1
    return stride
