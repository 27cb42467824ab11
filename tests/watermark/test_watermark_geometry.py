"""Geometry that a mark survives. Each attack starts from the marked file as a player shows it."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from media import Planes

from .conftest import PAYLOAD, Clip, detect, hues_alone, in_grey

BLACK = (16, 128, 128)


def whole(picture: Planes) -> Planes:
    return picture


def cut(picture: Planes, top: int, left: int, height: int, width: int) -> Planes:
    """A part; all in even px of luma."""
    y, u, v = picture
    rows, columns = slice(top, top + height), slice(left, left + width)
    half = slice(top // 2, (top + height) // 2), slice(left // 2, (left + width) // 2)
    return y[rows, columns], u[half], v[half]


def crop(picture: Planes, share: float, across: float = 0.5, down: float = 0.5) -> Planes:
    """The part with this share of each side, so far from the left and from the top."""
    rows, columns = picture[0].shape
    height, width = (int(side * share) // 2 * 2 for side in (rows, columns))
    top, left = int((rows - height) * down) // 2 * 2, int((columns - width) * across) // 2 * 2
    return cut(picture, top, left, height, width)


def pad(picture: Planes, top: int, bottom: int, left: int, right: int) -> Planes:
    """On black; borders in even px of luma."""
    return tuple(  # type: ignore[return-value]
        np.pad(plane, ((top // by, bottom // by), (left // by, right // by)), constant_values=level)
        for plane, by, level in zip(picture, (1, 2, 2), BLACK, strict=True)
    )


def resize(picture: Planes, across: float, down: float) -> Planes:
    rows, columns = picture[0].shape
    height, width = round(rows * down), round(columns * across)
    how = cv2.INTER_CUBIC if min(across, down) > 1 else cv2.INTER_AREA
    y, *hues = picture
    return (  # type: ignore[return-value]
        cv2.resize(y, (width, height), interpolation=how),
        *(cv2.resize(hue, ((width + 1) // 2, (height + 1) // 2), interpolation=how) for hue in hues),
    )


def turn(picture: Planes, degrees: float) -> Planes:
    def turned(plane: np.ndarray, level: int) -> np.ndarray:
        rows, columns = plane.shape
        about = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), degrees, 1)
        return np.asarray(cv2.warpAffine(plane, about, (columns, rows), borderValue=level))

    return tuple(turned(plane, level) for plane, level in zip(picture, BLACK, strict=True))  # type: ignore[return-value]


def mirror(picture: Planes) -> Planes:
    return tuple(np.ascontiguousarray(plane[:, ::-1]) for plane in picture)  # type: ignore[return-value]


def quarter(picture: Planes, times: int = 1) -> Planes:
    return tuple(np.ascontiguousarray(np.rot90(plane, times)) for plane in picture)  # type: ignore[return-value]


GEOMETRY: dict[str, Callable[[Planes], Planes]] = {
    "as it is": whole,
    "mirrored": mirror,
    "quarter turn": quarter,
    "upside down": lambda p: quarter(p, 2),
    "quarter turn and mirrored": lambda p: mirror(quarter(p, 3)),
    "crop to 90 %": lambda p: crop(p, 0.9),
    "crop to 70 %, off centre": lambda p: crop(p, 0.7, 0.1, 0.9),
    "crop to half": lambda p: crop(p, 0.5),
    "crop to half and mirrored": lambda p: mirror(crop(p, 0.5, 0.2, 0.8)),
    "9:16 out of the middle": lambda p: cut(p, 0, 148, 384, 216),
    "resize to a third": lambda p: resize(p, 1 / 3, 1 / 3),
    "resize to 160 %": lambda p: resize(p, 1.6, 1.6),
    "letterbox": lambda p: pad(p, 64, 64, 0, 0),
    "shrunk onto a black frame": lambda p: pad(resize(p, 0.7, 0.7), 40, 80, 90, 30),
    "turned by 2 degrees": lambda p: turn(p, 2),
    "turned by -5 degrees": lambda p: turn(p, -5),
    "turned by 11 degrees": lambda p: turn(p, 11),
    "stretched to 3:4": lambda p: resize(p, 0.75, 1),
    "turned by 3 degrees and cropped": lambda p: crop(turn(p, 3), 0.8),
    "quarter turn and crop": lambda p: quarter(crop(p, 0.7)),
}
# One of each kind, for the layers by themselves.
KINDS = [
    "as it is",
    "quarter turn and mirrored",
    "crop to 70 %, off centre",
    "resize to a third",
    "shrunk onto a black frame",
    "turned by -5 degrees",
    "stretched to 3:4",
]


@pytest.mark.parametrize("name", GEOMETRY)
def test_the_payload_survives_geometry(name: str, marked_clip: Clip) -> None:
    found = detect(GEOMETRY[name](picture) for picture in marked_clip[::3])
    assert (found.state, found.payload) == ("marked", PAYLOAD)
    assert found.p_value < 1e-6


@pytest.mark.parametrize("name", KINDS)
def test_a_greyscale_copy_carries_the_payload(name: str, marked_clip: Clip) -> None:
    """Luma does it alone."""
    assert detect(GEOMETRY[name](picture) for picture in in_grey(marked_clip[::3])).payload == PAYLOAD


@pytest.mark.parametrize("name", KINDS)
def test_chroma_carries_the_payload_where_luma_was_lost(name: str, marked_clip: Clip) -> None:
    assert detect(GEOMETRY[name](picture) for picture in hues_alone(marked_clip[::3])).payload == PAYLOAD


@pytest.mark.parametrize("name", ["crop to 70 %, off centre", "turned by 2 degrees"])
def test_texture_that_moves_carries_the_mark_too(name: str, marked_texture: Clip) -> None:
    assert detect(GEOMETRY[name](picture) for picture in marked_texture[::2]).payload == PAYLOAD


def test_the_pose_is_reported(marked_clip: Clip) -> None:
    found = detect(mirror(turn(crop(picture, 0.7), 3)) for picture in marked_clip[::4])
    assert found.payload == PAYLOAD
    assert found.mirrored
    assert found.scale == pytest.approx(1 / 0.7, rel=0.01)
    assert found.stretch == pytest.approx(1, abs=0.01)
    assert abs(found.angle_deg) == pytest.approx(3, abs=0.2)
