import hashlib

import numpy as np
import pytest

from provenance.watermark import BadKey, ecc
from provenance.watermark.carrier import CANVAS, CELLS, carrier

KEY = bytes(range(32))


def test_scheme_v1_never_changes() -> None:
    """Clips marked years ago must stay readable: this digest may only change with the name of the scheme."""
    made = carrier(KEY)
    digest = hashlib.sha256(
        made.signs.astype("<f4").tobytes()
        + made.coded_bit.astype("<i4").tobytes()
        + ecc.encode(0x0123456789ABCDEF).astype("<f4").tobytes()
    ).hexdigest()
    assert digest == "7855b72c7a35ec0b0bcc60358eaadb5efed280f6fcd3faa6516c0006e8640519"


def test_a_quarter_of_the_cells_is_pilot() -> None:
    assert carrier(KEY).is_pilot.mean() == pytest.approx(0.25, abs=0.005)


def test_the_pilot_does_not_depend_on_the_payload() -> None:
    made = carrier(KEY)
    one, other = made.chips(1), made.chips(2**63)
    assert np.array_equal(one[made.is_pilot], other[made.is_pilot])
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("corner", [(0, 0), (0, CANVAS - CELLS // 2), (100, 31)])
def test_any_quarter_of_a_square_picture_carries_every_bit(corner: tuple[int, int]) -> None:
    top, left = corner
    part = carrier(KEY).coded_bit[top : top + CELLS // 2, left : left + CELLS // 2]
    copies = np.bincount(part[part < ecc.CODED_BITS], minlength=ecc.CODED_BITS)
    assert copies.min() >= 3


def test_keys_share_nothing() -> None:
    one, other = carrier(KEY), carrier(bytes(32))
    assert abs(float((one.signs * other.signs).mean())) < 4 / CANVAS


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33)])
def test_a_key_of_another_length_is_refused(key: bytes) -> None:
    with pytest.raises(BadKey) as refusal:
        carrier(key)
    assert refusal.value.hint
