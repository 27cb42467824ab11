from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from provenance.watermark import AspectTooWide, BadKey, BadPayload, Embedder, TooSmallToMark

from .conftest import picture

KEY = bytes(range(32))


def grey(level: int, height: int = 256, width: int = 384) -> NDArray[np.uint8]:
    return np.full((height, width), level, np.uint8)


def rms(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.sqrt(np.mean((one.astype(float) - other) ** 2)))


@pytest.mark.parametrize("strength", [0.8, 1.5, 3.0])
def test_strength_is_the_rms_change_of_a_smooth_picture(strength: float) -> None:
    plane = grey(120)
    marked = Embedder(384, 256, 1, KEY, strength=strength).embed(picture(plane), 0)[0]
    assert rms(marked, plane) == pytest.approx(strength, rel=0.12)  # whole levels


def test_the_dark_is_touched_least() -> None:
    plane = np.hstack([grey(8, width=256), grey(120, width=256)])
    marked = Embedder(512, 256, 1, KEY).embed(picture(plane), 0)[0]
    assert rms(marked[:, :256], plane[:, :256]) < 0.4 * rms(marked[:, 256:], plane[:, 256:])


def test_white_and_black_do_not_wrap_around() -> None:
    for level in (0, 255):
        plane = grey(level)
        assert (
            np.abs(
                Embedder(384, 256, 1, KEY, strength=4).embed(picture(plane), 0)[0].astype(int) - plane
            ).max()
            < 40
        )


def test_the_pattern_does_not_move() -> None:
    embedder = Embedder(384, 256, 1, KEY)
    first, much_later = (
        embedder.embed(picture(grey(120)), 0)[0],
        embedder.embed(picture(grey(120)), Fraction(100))[0],
    )
    assert np.array_equal(first, much_later)


def test_the_strength_follows_a_cut_at_once() -> None:
    fresh = Embedder(384, 256, 1, KEY).embed(picture(grey(8)), 0)[0]
    after_cut = Embedder(384, 256, 1, KEY)
    after_cut.embed(picture(grey(200)), 0)[0]
    assert np.array_equal(after_cut.embed(picture(grey(8)), Fraction(1, 24))[0], fresh)


def test_the_source_plane_is_left_alone() -> None:
    plane = grey(120)
    Embedder(384, 256, 1, KEY).embed(picture(plane), 0)[0]
    assert np.array_equal(plane, grey(120))


@pytest.mark.parametrize(
    ("width", "height", "error"),
    [(255, 600, TooSmallToMark), (600, 255, TooSmallToMark), (256 * 5 // 2 + 1, 256, AspectTooWide)],
)
def test_unmarkable_sizes_are_refused_with_a_hint(width: int, height: int, error: type[Exception]) -> None:
    with pytest.raises(error) as refusal:
        Embedder(width, height, 1, KEY)
    assert refusal.value.hint  # type: ignore[attr-defined]


def test_the_longest_picture_is_taken() -> None:
    assert Embedder(640, 256, 1, KEY).embed(picture(grey(120, 256, 640)), 0)[0].shape == (256, 640)


@pytest.mark.parametrize("payload", [-1, 2**64])
def test_a_payload_past_64_bits_is_refused(payload: int) -> None:
    with pytest.raises(BadPayload):
        Embedder(384, 256, payload, KEY)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(BadKey):
        Embedder(384, 256, 1, b"short")


def test_a_plane_of_another_size_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="announced"):
        Embedder(384, 256, 1, KEY).embed(picture(grey(120, 300, 300)), 0)[0]
