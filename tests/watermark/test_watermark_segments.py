"""Which parts of a clip are marked, and with what."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from provenance.watermark import Detection, Detector, Embedder

from .conftest import KEY, PAYLOAD, RATE, Luma, detect, marked_planes, picture, rendered

OTHER = 0xFEDCBA9876543210


@pytest.fixture(scope="module")
def spliced() -> Luma:
    """Six seconds: one plain, one and a half marked, one and a half plain, two with another payload."""
    smooth = [picture.mean(axis=-1).astype(np.uint8) for picture in rendered(400, 300, 72)]
    embedders = {payload: Embedder(400, 300, payload, KEY) for payload in (PAYLOAD, OTHER)}
    noise = np.random.default_rng(3)
    planes = []
    for index, y in enumerate(smooth):
        payload = PAYLOAD if 12 <= index < 30 else OTHER if index >= 48 else None
        marked = y if payload is None else embedders[payload].embed(picture(y), Fraction(index, RATE))[0]
        planes.append(np.clip(marked + noise.normal(scale=4, size=y.shape), 0, 255).astype(np.uint8))
    return planes


def states(found: Detection) -> list[tuple[float, str, int | None]]:
    return [(part.start_s, part.state, part.payload) for part in found.segments]


EXPECTED = [
    (0.0, "not_found", None),
    (1.0, "marked", PAYLOAD),
    (2.5, "not_found", None),
    (4.0, "marked", OTHER),
]


def test_marked_plain_and_differently_marked_parts_are_told_apart(spliced: Luma) -> None:
    found = detect(spliced)
    assert states(found) == EXPECTED
    assert found.state == "marked"
    assert found.payload == OTHER, "the one that most of the time carries"
    assert all(part.p_value < 1e-6 for part in found.segments if part.state == "marked")


def test_the_parts_are_found_under_a_crop(spliced: Luma) -> None:
    assert states(detect([y[20:-25, 10:-60] for y in spliced])) == EXPECTED


def test_parts_meet_without_gaps(spliced: Luma) -> None:
    parts = detect(spliced).segments
    assert parts[0].start_s == 0
    assert all(one.end_s == other.start_s for one, other in pairwise(parts))
    assert parts[-1].end_s == pytest.approx(71 / RATE)


def test_one_marked_second_in_twenty_is_found() -> None:
    rng = np.random.default_rng(4)
    plain = [rng.integers(60, 190, (256, 256)).astype(np.uint8) for _ in range(8)]
    detector = Detector()
    embedder = Embedder(256, 256, PAYLOAD, KEY, strength=6)
    for index in range(160):
        y = plain[index % 8]
        time = Fraction(index, 8)
        detector.update(embedder.embed(picture(y), time) if 64 <= index < 72 else picture(y), time)
    found = detector.finish([KEY])
    assert states(found) == [(0.0, "not_found", None), (8.0, "marked", PAYLOAD), (9.0, "not_found", None)]


def test_a_whole_clip_is_one_part(marked_luma: Luma) -> None:
    assert states(detect(marked_luma)) == [(0.0, "marked", PAYLOAD)]


def test_a_long_clip_is_read_in_bounded_memory() -> None:
    """Past 128 seconds the parts' grain is one second, and no more is kept."""
    y = np.full((256, 256), 120, np.uint8)
    (marked,) = marked_planes([y])
    detector = Detector()
    for second in range(300):
        detector.update(picture(marked if second < 200 else y), second)
    found = detector.finish([KEY])
    assert states(found) == [(0.0, "marked", PAYLOAD), (200.0, "not_found", None)]
    assert found.frames_read == 300


def test_a_gap_in_time_is_no_error() -> None:
    (marked,) = marked_planes([np.full((256, 256), 120, np.uint8)])
    detector = Detector()
    for time in (0, 0.1, 7.2, 7.3):
        detector.update(picture(marked), time)
    assert detector.finish([KEY]).payload == PAYLOAD


def test_no_more_than_twelve_frames_a_second_are_read() -> None:
    (marked,) = marked_planes([np.full((256, 256), 120, np.uint8)])
    detector = Detector()
    for index in range(60):
        detector.update(picture(marked), Fraction(index, 60))
    assert detector.finish([KEY]).frames_read == 12


def test_planes_of_two_sizes_are_a_programming_error() -> None:
    detector = Detector()
    detector.update(picture(np.zeros((256, 256), np.uint8)), 0)
    with pytest.raises(ValueError, match="a clip of"):
        detector.update(picture(np.zeros((256, 300), np.uint8)), 1)
