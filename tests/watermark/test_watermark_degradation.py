"""Codecs, levels and cuts that a mark survives, and what is said where it does not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import transcode
from numpy.typing import NDArray
from scipy import ndimage

from provenance.watermark import Detector, detect_file

from .conftest import KEY, PAYLOAD, Luma, detect, luma_of, marked_planes, picture

Plane = NDArray[np.uint8]


def noisy(y: Plane) -> Plane:
    noise = np.random.default_rng(int(y[0, 0])).normal(scale=8, size=y.shape)
    return np.clip(y + noise, 0, 255).astype(np.uint8)


LEVELS: dict[str, Callable[[Plane], Plane]] = {
    "darker": lambda y: (y * 0.6).astype(np.uint8),
    "half the contrast": lambda y: (64 + y * 0.5).astype(np.uint8),
    "gamma": lambda y: (255 * (y / 255) ** 1.6).astype(np.uint8),
    "noise": noisy,
    "blur": lambda y: ndimage.gaussian_filter(y, 1.5),
    "banner": lambda y: np.vstack([y[:-60], np.full_like(y[-60:], 235)]),
}


@pytest.mark.parametrize("name", LEVELS)
def test_the_payload_survives_changed_levels(name: str, marked_luma: Luma) -> None:
    assert detect([LEVELS[name](y) for y in marked_luma[::2]]).payload == PAYLOAD


@pytest.mark.parametrize("crf", [28, 33])
def test_the_payload_survives_x264_and_a_resize_to_75_percent(
    crf: int, marked_clip: Path, tmp_path: Path
) -> None:
    attacked = transcode(marked_clip, tmp_path / "attacked.mp4", crf=crf, scale=0.75)
    found = detect_file(attacked, key=KEY)
    assert (found.state, found.payload) == ("marked", PAYLOAD)


@pytest.mark.parametrize("start", [0, 5, 12])
def test_one_second_is_enough(start: int, marked_luma: Luma) -> None:
    assert detect(marked_luma[start : start + 12]).payload == PAYLOAD


def test_one_frame_is_enough(marked_luma: Luma) -> None:
    assert detect(marked_luma[7:8]).payload == PAYLOAD


def test_order_and_speed_do_not_matter(marked_luma: Luma) -> None:
    detector = Detector()
    for index, y in enumerate(reversed(marked_luma)):
        detector.update(picture(y), index / 9)
    assert detector.finish([KEY]).payload == PAYLOAD


def test_x264_and_a_crop_together(marked_clip: Path, tmp_path: Path) -> None:
    attacked = luma_of(transcode(marked_clip, tmp_path / "attacked.mp4", crf=28))
    assert detect([y[90:320, 30:340] for y in attacked]).payload == PAYLOAD


@pytest.mark.parametrize("strength", [0.2, 0.45])
def test_a_mark_too_weak_is_never_read_wrongly(strength: float, textured_luma: Luma) -> None:
    """From lost to found: whatever is said, it is not another payload."""
    weak = [noisy(y) for y in marked_planes(textured_luma[::6], strength=strength)]
    found = detect(weak)
    assert found.payload in (None, PAYLOAD)
    assert (found.payload is None) == (found.state != "marked")
