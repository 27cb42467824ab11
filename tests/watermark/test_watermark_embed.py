"""How pictures are changed: by how much, where, and where not."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from media import Planes
from provenance.watermark import (
    DEFAULT_LEVELS,
    AspectTooWide,
    BadKey,
    BadPayload,
    Embedder,
    Levels,
    TooSmallToMark,
)

from .conftest import KEY, Clip, at, plain


def embedder(picture: Planes, levels: Levels = DEFAULT_LEVELS) -> Embedder:
    height, width = picture[0].shape
    return Embedder(width, height, 1, KEY, levels=levels)


def difference(done: Planes, picture: Planes) -> list[NDArray[np.int16]]:
    return [one.astype(np.int16) - other for one, other in zip(done, picture, strict=True)]


def change(picture: Planes, levels: Levels = DEFAULT_LEVELS) -> list[NDArray[np.int16]]:
    return difference(embedder(picture, levels).embed(picture, 0), picture)


def rms(change: NDArray[np.int16]) -> float:
    return float(np.sqrt(np.mean(change.astype(float) ** 2)))


@pytest.mark.parametrize(
    "levels",
    [Levels(0.4, 1.0), Levels(0.8, 1.4), Levels(1.5, 2.5), Levels(3.0, 6.0)],
    ids=str,
)
def test_levels_are_the_rms_change_of_a_smooth_picture(levels: Levels) -> None:
    dy, du, _ = change(plain(), levels)
    # Whole levels: what is under half a level is lost, what is over it becomes one.
    assert rms(dy) == pytest.approx(levels.luma, rel=0.1, abs=0.1)
    assert rms(du) == pytest.approx(levels.chroma, rel=0.1, abs=0.1)


def test_the_default_is_under_half_a_level_in_luma() -> None:
    dy, du, _ = change(plain())
    assert rms(dy) < 0.5
    assert np.abs(dy).max() <= 2
    assert np.abs(du).max() <= 6


def psnr_db(change: NDArray[np.int16]) -> float:
    return 20 * float(np.log10(255 / rms(change)))


@pytest.mark.parametrize("name", ["rendered_clip", "textured_clip"])
def test_luma_stays_above_48_db_and_hues_above_42(name: str, request: pytest.FixtureRequest) -> None:
    clip: Clip = request.getfixturevalue(name)
    one = embedder(clip[0])
    for index, picture in enumerate(clip[::8]):
        dy, du, _ = difference(one.embed(picture, index), picture)
        assert psnr_db(dy) > 48
        assert psnr_db(du) > 42


def test_nothing_flickers_where_nothing_moves() -> None:
    """The mark of a still picture is the same in every frame, past every renewal of its strength."""
    one = embedder(plain())
    shown = [one.embed(plain(), Fraction(index, 24)) for index in range(48)]
    assert all(np.array_equal(done[1], shown[0][1]) for done in shown)


def test_the_red_difference_plane_is_not_touched(textured_clip: Clip) -> None:
    done = embedder(textured_clip[0]).embed(textured_clip[0], 0)
    assert np.array_equal(done[2], textured_clip[0][2])


def test_busy_pictures_take_more() -> None:
    rng = np.random.default_rng(1)
    calm = plain(width=512, height=384)
    busy = (np.clip(rng.normal(120, 40, (384, 512)), 20, 235).astype(np.uint8), calm[1], calm[2])
    more = rms(change(busy)[1]) / rms(change(calm)[1])
    assert 1.1 < more < 1.5


def test_the_dark_is_touched_least() -> None:
    dark, light = plain(8, 256), plain(120, 256)
    both = tuple(np.hstack(halves) for halves in zip(dark, light, strict=True))
    dy, du, _ = change(both, at(2))  # type: ignore[arg-type]
    assert rms(dy[:, :248]) < 0.4 * rms(dy[:, 264:])
    assert rms(du[:, :124]) < 0.4 * rms(du[:, 132:])


@pytest.mark.parametrize("level", [0, 255])
def test_white_and_black_do_not_wrap_around(level: int) -> None:
    dy, du, _ = change(plain(level, blue=level), at(4))
    assert max(np.abs(dy).max(), np.abs(du).max()) < 40


def test_the_pattern_does_not_move() -> None:
    one = embedder(plain())
    first, much_later = one.embed(plain(), 0), one.embed(plain(), Fraction(100))
    assert all(np.array_equal(*pair) for pair in zip(first, much_later, strict=True))


def test_the_pattern_is_the_same_under_every_picture(textured_clip: Clip) -> None:
    """So that a detector may add pictures up."""
    over_grey, over_texture = change(plain(120, 512, 384), at(2)), change(textured_clip[0], at(2))
    for one, other in zip(over_grey[:2], over_texture[:2], strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.85  # whole levels


def test_the_strength_follows_a_cut_at_once() -> None:
    fresh = embedder(plain(8)).embed(plain(8), 0)
    after_cut = embedder(plain(8))
    after_cut.embed(plain(200), 0)
    done = after_cut.embed(plain(8), Fraction(1, 24))
    assert all(np.array_equal(*pair) for pair in zip(done, fresh, strict=True))


def test_the_strength_follows_a_fade_twice_a_second() -> None:
    fading = embedder(plain(200))
    for index in range(24):
        done = fading.embed(plain(200 - 8 * index), Fraction(index, 24))
    fresh = embedder(plain(16)).embed(plain(16), 0)
    assert rms(done[1].astype(np.int16) - 128) <= 1.1 * rms(fresh[1].astype(np.int16) - 128)


def test_time_may_run_backwards() -> None:
    one = embedder(plain())
    one.embed(plain(), 10)
    assert one.embed(plain(8), Fraction(1))[0].shape == (256, 384)


def test_the_source_is_left_alone() -> None:
    source = plain()
    embedder(source).embed(source, 0)
    assert all(np.array_equal(*pair) for pair in zip(source, plain(), strict=True))


@pytest.mark.parametrize(("width", "height"), [(384, 256), (385, 257), (301, 401), (640, 256), (256, 640)])
def test_sizes_stay_as_they_are(width: int, height: int) -> None:
    done = embedder(plain(width=width, height=height)).embed(plain(width=width, height=height), 0)
    half = ((height + 1) // 2, (width + 1) // 2)
    assert [plane.shape for plane in done] == [(height, width), half, half]
    assert all(plane.dtype == np.uint8 for plane in done)


@pytest.mark.parametrize(
    ("width", "height", "error"),
    [(63, 100, TooSmallToMark), (100, 63, TooSmallToMark), (256 * 5 // 2 + 1, 256, AspectTooWide)],
)
def test_unmarkable_sizes_are_refused_with_a_hint(
    width: int, height: int, error: type[TooSmallToMark] | type[AspectTooWide]
) -> None:
    with pytest.raises(error) as refusal:
        Embedder(width, height, 1, KEY)
    assert refusal.value.hint


@pytest.mark.parametrize("payload", [-1, 2**64])
def test_a_payload_past_64_bits_is_refused(payload: int) -> None:
    with pytest.raises(BadPayload):
        Embedder(384, 256, payload, KEY)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(BadKey):
        Embedder(384, 256, 1, b"short")


def test_a_picture_of_another_size_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="announced"):
        Embedder(384, 256, 1, KEY).embed(plain(width=300, height=300), 0)
