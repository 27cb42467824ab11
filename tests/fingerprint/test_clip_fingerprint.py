"""A fingerprint samples a clip evenly, whatever its length and frame rate."""

from typing import Any

import numpy as np
import pytest

from provenance.fingerprint import QUERY_RATE_HZ, Fingerprinter
from provenance.pdq import pdq


def clip_of(seconds: float, fps: float) -> list[tuple[Any, float]]:
    picture = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)
    return [(picture, float(index / fps)) for index in range(round(seconds * fps))]


@pytest.mark.parametrize("fps", [6, 8, 23.976, 25, 60])
def test_a_record_has_two_frames_a_second(fingerprint: Any, fps: float) -> None:
    times = fingerprint(clip_of(5, fps)).times
    assert len(times) == 10
    assert np.abs(times - np.arange(10) / 2).max() < 1 / fps


def test_a_query_has_eight_frames_a_second(fingerprint: Any) -> None:
    times = fingerprint(clip_of(5, 24), QUERY_RATE_HZ).times
    assert np.abs(times - np.arange(40) / 8).max() < 1 / 24


@pytest.mark.parametrize(
    ("seconds", "fps", "expected"), [(1, 24, 3), (0.5, 24, 3), (0.25, 8, 2), (0.04, 25, 1)]
)
def test_a_short_clip_has_three_frames_if_it_can(
    fingerprint: Any, seconds: float, fps: float, expected: int
) -> None:
    taken = fingerprint(clip_of(seconds, fps))
    assert len(taken) == expected
    assert taken.times[0] == 0
    assert (np.diff(taken.times) > 0).all()
    assert expected < 3 or taken.times[-1] > seconds / 2


def test_times_may_start_anywhere(fingerprint: Any) -> None:
    shifted = [(luma, moment + 1000.04) for luma, moment in clip_of(3, 25)]
    assert len(fingerprint(shifted)) == 6
    assert fingerprint(shifted).times[0] == 1000.04


def test_a_clip_slower_than_the_rate_gives_every_frame(fingerprint: Any) -> None:
    assert len(fingerprint(clip_of(10, 1))) == 10


def test_no_frames_give_an_empty_fingerprint() -> None:
    empty = Fingerprinter().finish()
    assert len(empty) == 0
    assert empty.hashes.shape == (0, 32)
    assert empty.thumbnails.shape == (0, 64, 64)


def test_each_sample_has_its_hash_its_quality_and_its_thumbnail(fingerprint: Any, scene: Any) -> None:
    clip = scene(1)
    taken = fingerprint(clip)
    lumas = {moment: luma for luma, moment in clip}
    for index, moment in enumerate(taken.times):
        digest, quality = pdq(lumas[moment])
        assert np.array_equal(taken.hashes[index], digest)
        assert taken.qualities[index] == quality
        assert abs(taken.thumbnails[index].mean() - lumas[moment].mean()) < 2
