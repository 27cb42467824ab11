"""The keyed carrier: what makes a mark readable for years, from any part of a picture, and by its key alone."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.manifest import SOFT_BINDING_ALG
from provenance.watermark import SCHEME, BadKey, ecc
from provenance.watermark.carrier import CANVAS, CHROMA, GRIDS, LUMA, SHORT_SIDE, Grid, Layer, carrier

from .conftest import KEY

CLASSES = int(carrier(KEY).layers[0].coded_bit.max()) + 1


def layer(grid: Grid, key: bytes = KEY) -> Layer:
    return carrier(key).layers[GRIDS.index(grid)]


def cut(of: Layer, top: int, left: int, height: int, width: int) -> np.ndarray:
    """The classes of the cells in a rectangle given in units."""
    cell = of.grid.cell
    return of.coded_bit[top // cell : (top + height) // cell, left // cell : (left + width) // cell]


def test_the_scheme_never_changes() -> None:
    """Clips marked years ago must stay readable: this digest may only change with the name of the scheme."""
    digest = hashlib.sha256()
    for one in carrier(KEY).layers:
        digest.update(one.grid.name.encode())
        digest.update(one.signs.astype("<i1").tobytes())
        digest.update(one.coded_bit.astype("<i4").tobytes())
        digest.update(one.places.astype("<f4").tobytes())
    digest.update(ecc.encode(0x0123456789ABCDEF).astype("<i1").tobytes())
    assert (SCHEME, digest.hexdigest()) == (
        "org.clipproof.mark.v2",
        "33c726b26e80b2a874a19bb95ca30318142093ee875b750f1c769665a0d7b070",
    )


def test_manifests_name_the_scheme_as_their_soft_binding() -> None:
    """The ledger finds a clip by the pair of scheme and payload, whichever of the two brought it."""
    assert SOFT_BINDING_ALG == SCHEME


def test_luma_has_three_cells_where_chroma_has_one() -> None:
    assert [SHORT_SIDE // grid.cell for grid in (LUMA, CHROMA)] == [96, 32]
    assert all(grid.canvas * grid.cell == CANVAS for grid in GRIDS)


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.name)
def test_the_canvas_lies_centred_on_the_picture(grid: Grid) -> None:
    places = layer(grid).places
    assert np.array_equal(places, -places[::-1, ::-1])
    assert np.ptp(places[..., 0]) == CANVAS - grid.cell


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.name)
def test_a_quarter_of_the_cells_is_pilot(grid: Grid) -> None:
    assert layer(grid).is_pilot.mean() == pytest.approx(0.25, abs=0.005)


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.name)
def test_the_pilot_does_not_depend_on_the_payload(grid: Grid) -> None:
    made = layer(grid)
    one, other = made.chips(1), made.chips(2**63)
    assert np.array_equal(one[made.is_pilot], other[made.is_pilot])
    assert (one != other)[~made.is_pilot].mean() > 0.05


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.name)
def test_a_cell_has_the_sign_of_its_key_times_that_of_its_coded_bit(grid: Grid) -> None:
    made, word = layer(grid), ecc.encode(7)
    inside = ~made.is_pilot
    assert np.array_equal(made.chips(7)[inside], made.signs[inside] * word[made.coded_bit[inside]])
    assert set(np.unique(made.chips(7))) == {-1.0, 1.0}


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.name)
def test_signs_are_balanced(grid: Grid) -> None:
    assert abs(float(layer(grid).signs.mean())) < 4 / grid.canvas


tops = st.integers(0, CANVAS - SHORT_SIDE // 2)


@given(tops, tops)
def test_any_quarter_of_a_square_picture_carries_every_bit_three_times(top: int, left: int) -> None:
    """Both layers together; 48x48 units are 2304 cells of luma and 256 of chroma for 427 classes."""
    half = SHORT_SIDE // 2
    copies = np.zeros(CLASSES, int)
    for grid in GRIDS:
        copies += np.bincount(cut(layer(grid), top, left, half, half).ravel(), minlength=CLASSES)
    assert copies[: ecc.CODED_BITS].min() >= 3
    assert copies[ecc.CODED_BITS :].min() >= 3, "so is the pilot"


sides = st.integers(30, 240)


@given(st.sampled_from(GRIDS), sides, sides, st.data())
def test_any_rectangle_holds_every_class_nearly_equally_often(
    grid: Grid, height: int, width: int, data: st.DataObject
) -> None:
    """Nearly as often as its share, whatever the crop: how far off does not grow with the rectangle's area."""
    top, left = (data.draw(st.integers(0, CANVAS - side)) for side in (height, width))
    part = cut(layer(grid), top, left, height, width)
    copies = np.bincount(part.ravel(), minlength=CLASSES)
    assert np.abs(copies - part.size / CLASSES).max() < 6


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.name)
def test_keys_share_nothing(grid: Grid) -> None:
    one, other = layer(grid), layer(grid, bytes(32))
    assert abs(float((one.signs * other.signs).mean())) < 4 / grid.canvas
    assert (one.coded_bit == other.coded_bit).mean() < 0.02


def test_layers_share_nothing() -> None:
    luma, chroma = layer(LUMA).signs, layer(CHROMA).signs
    for down in range(3):
        for right in range(3):
            same = (luma[down::3, right::3] * chroma).mean()
            assert abs(float(same)) < 4 / CHROMA.canvas
    assert (layer(LUMA).coded_bit[: CHROMA.canvas, : CHROMA.canvas] == layer(CHROMA).coded_bit).mean() < 0.02


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33)])
def test_a_key_of_another_length_is_refused(key: bytes) -> None:
    with pytest.raises(BadKey) as refusal:
        carrier(key)
    assert refusal.value.hint
