"""Which parts of a clip are marked, with what, and by which key."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from media import Planes
from provenance.watermark import BadKey, Detection, Detector, Embedder

from .conftest import KEY, PAYLOAD, RATE, Clip, at, coloured, detect, marked, plain, rendered
from .test_watermark_geometry import cut

OTHER = 0xFEDCBA9876543210
SECOND_KEY = bytes(range(1, 33))
WRONG_KEYS = [bytes([index]) * 32 for index in range(1, 5)]


def noisy(picture: Planes, noise: np.random.Generator) -> Planes:
    return tuple(  # type: ignore[return-value]
        np.clip(plane + noise.normal(scale=4, size=plane.shape), 0, 255).astype(np.uint8) for plane in picture
    )


@pytest.fixture(scope="module")
def spliced() -> Clip:
    """Six seconds: one plain, one and a half marked, one and a half plain, two with another payload."""
    noise = np.random.default_rng(3)
    embedders = {payload: Embedder(400, 300, payload, KEY) for payload in (PAYLOAD, OTHER)}
    clip = []
    for index, picture in enumerate(coloured(rendered(400, 300, 72))):
        payload = PAYLOAD if 12 <= index < 30 else OTHER if index >= 48 else None
        done = picture if payload is None else embedders[payload].embed(picture, Fraction(index, RATE))
        clip.append(noisy(done, noise))
    return clip


def states(found: Detection) -> list[tuple[float, str, int | None]]:
    return [(part.start_s, part.state, part.payload) for part in found.segments]


EXPECTED = [
    (0.0, "not_found", None),
    (1.0, "marked", PAYLOAD),
    (2.5, "not_found", None),
    (4.0, "marked", OTHER),
]


def test_marked_plain_and_differently_marked_parts_are_told_apart(spliced: Clip) -> None:
    found = detect(spliced)
    assert states(found) == EXPECTED
    assert found.state == "marked"
    assert found.payload == OTHER, "the one that most of the time carries"
    assert all(part.p_value < 1e-6 for part in found.segments if part.state == "marked")


def test_the_parts_are_found_under_a_crop(spliced: Clip) -> None:
    assert states(detect(cut(picture, 20, 10, 256, 330) for picture in spliced)) == EXPECTED


def test_parts_meet_without_gaps(spliced: Clip) -> None:
    parts = detect(spliced).segments
    assert parts[0].start_s == 0
    assert all(one.end_s == other.start_s for one, other in pairwise(parts))
    assert parts[-1].end_s == pytest.approx(71 / RATE)


def test_one_marked_second_in_twenty_is_found() -> None:
    rng = np.random.default_rng(4)
    grains = [(rng.integers(60, 190, (256, 256)).astype(np.uint8), *plain(width=256)[1:]) for _ in range(8)]
    detector = Detector()
    embedder = Embedder(256, 256, PAYLOAD, KEY, levels=at(2))
    for index in range(160):
        picture, time = grains[index % 8], Fraction(index, 8)
        detector.update(embedder.embed(picture, time) if 64 <= index < 72 else picture, time)
    found = detector.finish([KEY])
    assert states(found) == [(0.0, "not_found", None), (8.0, "marked", PAYLOAD), (9.0, "not_found", None)]


def test_a_whole_clip_is_one_part(marked_clip: Clip) -> None:
    assert states(detect(marked_clip)) == [(0.0, "marked", PAYLOAD)]


def test_the_second_key_of_a_list_is_found_and_named(marked_texture: Clip) -> None:
    found = detect(marked_texture[::4], SECOND_KEY, KEY)
    assert (found.state, found.payload, found.key_index) == ("marked", PAYLOAD, 1)


def test_a_cropped_clip_of_the_second_key_is_found(marked_clip: Clip) -> None:
    found = detect((cut(picture, 40, 60, 280, 400) for picture in marked_clip[::4]), SECOND_KEY, KEY)
    assert (found.state, found.payload, found.key_index) == ("marked", PAYLOAD, 1)


def test_a_short_part_of_the_second_key_is_found() -> None:
    """Too little of the whole clip for its key to be seen there; a window of its own shows it."""
    rng = np.random.default_rng(5)
    embedder = Embedder(256, 256, PAYLOAD, SECOND_KEY, levels=at(2))
    detector = Detector()
    for index in range(160):
        picture = (rng.integers(60, 190, (256, 256)).astype(np.uint8), *plain(width=256)[1:])
        time = Fraction(index, 8)
        detector.update(embedder.embed(picture, time) if 64 <= index < 72 else picture, time)
    found = detector.finish([KEY, SECOND_KEY])
    assert (found.payload, found.key_index) == (PAYLOAD, 1)


def test_wrong_keys_find_nothing(marked_clip: Clip) -> None:
    found = detect(marked_clip[::6], *WRONG_KEYS[:2])
    assert (found.state, found.payload, found.key_index) == ("not_found", None, None)


def test_keys_are_chosen_when_the_clip_was_read(marked_texture: Clip) -> None:
    """One reading serves several questions."""
    detector = Detector()
    for index, picture in enumerate(marked_texture[::6]):
        detector.update(picture, index)
    assert detector.finish([SECOND_KEY]).state == "not_found"
    assert detector.finish([KEY]).payload == PAYLOAD
    assert detector.finish([]).state == "not_found"
    with pytest.raises(BadKey):
        detector.finish([KEY, b"short"])


def test_a_long_clip_is_read_in_bounded_memory() -> None:
    """Past 128 seconds the parts' grain is one second, and no more is kept."""
    picture = plain(width=256)
    (done,) = marked([picture])
    detector = Detector()
    for second in range(300):
        detector.update(done if second < 200 else picture, second)
    found = detector.finish([KEY])
    assert states(found) == [(0.0, "marked", PAYLOAD), (200.0, "not_found", None)]
    assert found.frames_read == 300
    assert len(detector._hops) <= 256


def test_a_gap_in_time_is_no_error() -> None:
    (done,) = marked([plain()])
    detector = Detector()
    for time in (0, 0.1, 7.2, 7.3, 10_000_000):
        detector.update(done, time)
    assert detector.finish([KEY]).payload == PAYLOAD


def test_no_more_than_twelve_frames_a_second_are_read() -> None:
    (done,) = marked([plain()])
    detector = Detector()
    for index in range(60):
        detector.update(done, Fraction(index, 60))
    assert detector.finish([KEY]).frames_read == 12


def test_pictures_of_two_sizes_are_a_programming_error() -> None:
    detector = Detector()
    detector.update(plain(), 0)
    with pytest.raises(ValueError, match="a clip of"):
        detector.update(plain(width=300), 1)
