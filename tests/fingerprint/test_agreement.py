"""Copies agree, strangers disagree, and what cannot be told is unclear."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from provenance.agreement import agreement
from provenance.fingerprint import QUERY_RATE_HZ, Fingerprinter

Change = Callable[[Any], Any]


def changed(clip: Any, change: Change) -> Any:
    return [(np.ascontiguousarray(change(luma)), moment) for luma, moment in clip]


@pytest.mark.parametrize(
    ("transform", "change"),
    [
        ("identity", lambda luma: luma),
        ("identity", lambda luma: luma[::2, ::2]),
        ("identity", lambda luma: np.clip(luma * 1.15 + 10.0, 0, 255).astype(np.uint8)),
        ("mirrored", np.fliplr),
        ("flipped", np.flipud),
        ("rotated_90", np.rot90),
        ("rotated_180", lambda luma: np.rot90(luma, 2)),
        ("rotated_270", lambda luma: np.rot90(luma, 3)),
        ("transposed", np.transpose),
    ],
    ids=[
        "same",
        "half size",
        "brighter",
        "mirrored",
        "flipped",
        "turned left",
        "upside down",
        "turned right",
        "transposed",
    ],
)
def test_a_copy_agrees_and_says_how_it_was_turned(
    scene: Any, fingerprint: Any, transform: str, change: Change
) -> None:
    found = agreement(fingerprint(changed(scene(1), change), QUERY_RATE_HZ), fingerprint(scene(1)))
    assert (found.state, found.transform) == ("agree", transform)
    assert found.matched == 1
    assert found.median_distance <= 40
    assert found.correlation is None  # hashes sufficed


@pytest.mark.parametrize(
    "window",
    [(0.25, 0.25, 0.5, 0.5), (0.0, 0.4, 0.6, 0.6), (0.0, 0.3, 1.0, 0.32)],
    ids=["middle quarter", "corner", "9:16 cut out of 16:9"],
)
def test_a_cropped_copy_agrees_and_says_where(
    scene: Any, fingerprint: Any, window: tuple[float, float, float, float]
) -> None:
    top, left, height, width = (int(part * side) for part, side in zip(window, (180, 320) * 2, strict=True))
    copy = changed(scene(1), lambda luma: luma[top : top + height, left : left + width])
    found = agreement(fingerprint(copy, QUERY_RATE_HZ), fingerprint(scene(1)))
    assert (found.state, found.cropped) == ("agree", True)
    assert found.window is not None
    assert np.abs(np.subtract(found.window, window)).max() < 0.05


@pytest.mark.parametrize(
    ("borders", "window"),
    [
        (((20, 20), (0, 0)), (0.09, 0.0, 0.82, 1.0)),
        (((120, 20), (200, 20)), (0.375, 0.37, 0.5625, 0.593)),
    ],
    ids=["letterbox", "picture in picture"],
)
def test_a_framed_copy_agrees_and_says_where(
    scene: Any, fingerprint: Any, borders: Any, window: tuple[float, float, float, float]
) -> None:
    copy = changed(scene(1), lambda luma: np.pad(luma, borders, constant_values=16))
    found = agreement(fingerprint(copy, QUERY_RATE_HZ), fingerprint(scene(1)))
    assert (found.state, found.cropped) == ("agree", False)
    assert found.window is not None
    assert np.abs(np.subtract(found.window, window)).max() < 0.05


def test_a_mirrored_crop_agrees(scene: Any, fingerprint: Any) -> None:
    copy = changed(scene(1), lambda luma: luma[20:150, 100:300][:, ::-1])
    found = agreement(fingerprint(copy), fingerprint(scene(1)))
    assert (found.state, found.transform) == ("agree", "mirrored")


@pytest.mark.parametrize(
    "retime",
    [
        lambda clip: clip[3:],
        lambda clip: clip[11:20],
        lambda clip: [(luma, moment * 2) for luma, moment in clip],
        lambda clip: clip[::-1] and [(luma, index / 12) for index, (luma, _) in enumerate(clip[::-1])],
        lambda clip: clip[::2],
    ],
    ids=["trimmed by a quarter second", "an inner part", "half speed", "backwards", "half the frames"],
)
def test_a_retimed_copy_agrees(scene: Any, fingerprint: Any, retime: Callable[[Any], Any]) -> None:
    found = agreement(fingerprint(retime(scene(1)), QUERY_RATE_HZ), fingerprint(scene(1)))
    assert found.state == "agree"


@pytest.mark.parametrize("seed", [2, 3])
def test_another_clip_disagrees(scene: Any, fingerprint: Any, seed: int) -> None:
    found = agreement(fingerprint(scene(seed), QUERY_RATE_HZ), fingerprint(scene(1)))
    assert (found.state, found.matched) == ("disagree", 0)
    assert found.correlation is not None
    assert found.correlation < 0.5


def test_a_clip_that_is_mostly_another_does_not_agree(scene: Any, fingerprint: Any) -> None:
    spliced = [*scene(1)[:6], *((luma, moment) for luma, moment in scene(2)[6:])]
    found = agreement(fingerprint(spliced, QUERY_RATE_HZ), fingerprint(scene(1)))
    assert found.state == "unclear"
    assert found.matched == 0.25


@pytest.mark.parametrize("level", [0, 128])
def test_flat_pictures_are_unclear_even_against_themselves(scene: Any, fingerprint: Any, level: int) -> None:
    flat = changed(scene(1), lambda luma: np.full_like(luma, level))
    assert agreement(fingerprint(flat), fingerprint(flat)).state == "unclear"
    assert agreement(fingerprint(flat), fingerprint(scene(1))).state == "unclear"
    assert agreement(fingerprint(scene(1)), fingerprint(flat)).state == "unclear"


def test_nothing_to_compare_is_unclear(scene: Any, fingerprint: Any) -> None:
    empty = Fingerprinter().finish()
    assert agreement(empty, fingerprint(scene(1))).state == "unclear"
    assert agreement(fingerprint(scene(1)), empty).state == "unclear"


def test_the_finding_is_json(scene: Any, fingerprint: Any) -> None:
    found = agreement(fingerprint(scene(1)), fingerprint(scene(1)))
    assert found.to_dict() == {
        "state": "agree",
        "matched": 1.0,
        "median_distance": 0.0,
        "transform": "identity",
    }
