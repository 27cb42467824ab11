"""The keyed carrier: which sign every cell of the canvas has, and which coded bit it carries.

The canonical frame has its origin at the centre of the picture and `CELLS` cells along its short side, so
that a resize or a turn by a right angle leaves it as it is. The canvas is larger than any picture that may
be marked. Cells are dealt to the coded bits and to the pilot by a lattice, so that every part of the
picture carries some of each: a crop loses strength, never a bit.
"""

import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

from provenance.watermark import ecc
from provenance.watermark.errors import BadKey

SCHEME = "org.clipproof.luma.v1"
KEY_BYTES = 32
CELLS = 96
CANVAS = 240
MAX_ASPECT = CANVAS / CELLS

_PILOT_SHARE = 0.25
_CLASSES = round(ecc.CODED_BITS / (1 - _PILOT_SHARE))
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, eq=False)
class Carrier:
    """What one key spreads over the canvas. Arrays are indexed [row, column] of the canvas."""

    signs: NDArray[np.float32]  # ±1, [CANVAS, CANVAS]
    coded_bit: NDArray[np.int32]  # [CANVAS, CANVAS]; ecc.CODED_BITS and above: pilot

    @property
    def is_pilot(self) -> NDArray[np.bool_]:
        return self.coded_bit >= ecc.CODED_BITS

    def chips(self, payload: int) -> NDArray[np.float32]:
        """±1 of every cell for this payload, float32[CANVAS, CANVAS]; the pilot does not depend on the
        payload.
        """
        classes = np.ones(_CLASSES, dtype=np.float32)
        classes[: ecc.CODED_BITS] = ecc.encode(payload)
        return self.signs * classes[self.coded_bit]


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
    secret = hmac.digest(key, SCHEME.encode(), "sha256")
    sign_bytes = hashlib.shake_256(secret + b"signs").digest(CANVAS * CANVAS // 8)
    signs = 1 - 2 * np.unpackbits(np.frombuffer(sign_bytes, dtype=np.uint8)).astype(np.float32)
    order_bytes = hashlib.shake_256(secret + b"order").digest(8 * _CLASSES)
    order = np.argsort(np.frombuffer(order_bytes, dtype="<u8"), kind="stable").astype(np.int32)
    row, column = np.mgrid[:CANVAS, :CANVAS]
    return Carrier(signs.reshape(CANVAS, CANVAS), order[(row * _row_stride() + column) % _CLASSES])


def _row_stride() -> int:
    """A stride near the golden section of the class count, coprime to it: cells of one class lie far
    apart.
    """
    stride = int(_CLASSES * _GOLDEN)
    while gcd(stride, _CLASSES) != 1:
        stride += 1
    return stride
