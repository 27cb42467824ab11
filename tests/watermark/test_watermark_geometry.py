"""Geometry that a mark survives. Each attack starts from the marked file as a player shows it."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from .conftest import PAYLOAD, Luma, detect

Plane = NDArray[np.uint8]


def crop(y: Plane, share: float, across: float = 0.5, down: float = 0.5) -> Plane:
    height, width = (int(side * share) for side in y.shape)
    top, left = int((y.shape[0] - height) * down), int((y.shape[1] - width) * across)
    return y[top : top + height, left : left + width]


def turn(y: Plane, degrees: float) -> Plane:
    return ndimage.rotate(y, degrees, reshape=False, order=1)


def letterbox(y: Plane) -> Plane:
    bars = (y.shape[1] - y.shape[0]) // 2
    return np.pad(y, ((bars, bars), (0, 0)), constant_values=16)


def shrink_onto_black(y: Plane) -> Plane:
    small = ndimage.zoom(y, 0.7, order=1)
    return np.pad(small, ((40, 80), (90, 30)), constant_values=16)


def resize(y: Plane, factor: float) -> Plane:
    return ndimage.zoom(ndimage.gaussian_filter(y, max(0.0, 0.4 / factor - 0.4)), factor, order=1)


GEOMETRY: dict[str, Callable[[Plane], Plane]] = {
    "as it is": lambda y: y,
    "mirrored": lambda y: y[:, ::-1],
    "quarter turn": np.rot90,
    "upside down": lambda y: y[::-1, ::-1],
    "quarter turn and mirrored": lambda y: np.rot90(y, 3)[:, ::-1],
    "crop to 90 %": lambda y: crop(y, 0.9),
    "crop to 70 %, off centre": lambda y: crop(y, 0.7, 0.1, 0.9),
    "crop to half": lambda y: crop(y, 0.5),
    "crop to half and mirrored": lambda y: crop(y, 0.5, 0.2, 0.8)[:, ::-1],
    "9:16 out of the middle": lambda y: y[:, 148:364],
    "resize to a third": lambda y: resize(y, 1 / 3),
    "resize to 160 %": lambda y: resize(y, 1.6),
    "letterbox": letterbox,
    "shrunk onto a black frame": shrink_onto_black,
    "turned by 2 degrees": lambda y: turn(y, 2),
    "turned by -5 degrees": lambda y: turn(y, -5),
    "turned by 11 degrees": lambda y: turn(y, 11),
    "stretched to 3:4": lambda y: ndimage.zoom(y, (1, 0.75), order=1),
    "turned by 3 degrees and cropped": lambda y: crop(turn(y, 3), 0.8),
    "quarter turn and crop": lambda y: np.rot90(crop(y, 0.7)),
}


@pytest.mark.parametrize("name", GEOMETRY)
def test_the_payload_survives_geometry(name: str, marked_luma: Luma) -> None:
    found = detect([GEOMETRY[name](y) for y in marked_luma[::3]])
    assert (found.state, found.payload) == ("marked", PAYLOAD)
    assert found.p_value < 1e-6


def test_texture_that_moves_carries_the_mark_too(marked_textured_luma: Luma) -> None:
    assert detect(crop(y, 0.7) for y in marked_textured_luma[::2]).payload == PAYLOAD


def test_the_pose_is_reported(marked_luma: Luma) -> None:
    found = detect([turn(crop(y, 0.7), 3)[:, ::-1] for y in marked_luma[::4]])
    assert found.payload == PAYLOAD
    assert found.mirrored
    assert found.scale == pytest.approx(1 / 0.7, rel=0.01)
    assert abs(found.angle_deg) == pytest.approx(3, abs=0.2)
