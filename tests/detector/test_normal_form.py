"""The normal form: constant strides, no bars, no corners, and nothing that names the container."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import remux
from hypothesis import given
from hypothesis import strategies as st
from moving_textures import redrawn, texture, travelling

from detector.normal_form import (
    RATE_RANGE,
    WINDOW_FRAMES,
    choose_stride,
    decode_window,
    encode_window,
    normalise_at_rates,
    normalise_clip,
    strip_letterbox,
    to_rgb,
    window_fault,
    window_skip,
)


@pytest.mark.parametrize(
    ("native", "stride"),
    [(6, 1), (8, 1), (10, 1), (12, 2), (15, 2), (16, 2), (24, 3), (25, 3), (30, 4), (60, 8)],
)
def test_stride_is_the_integer_nearest_to_eight_frames_a_second(native: float, stride: int) -> None:
    assert choose_stride(native, None) == stride


@given(st.floats(1, 240), st.integers(1, 5000))
def test_no_stride_gives_a_better_rate_unless_the_clip_is_short(native: float, count: int) -> None:
    stride = choose_stride(native, count)
    best = choose_stride(native, None)
    assert 1 <= stride <= best
    if stride < best:
        assert count < (stride + 1) * (WINDOW_FRAMES - 1) + 1
        assert native / stride <= RATE_RANGE[1] + 1e-9


def test_sixteen_frames_at_twelve_a_second_still_make_a_window() -> None:
    assert choose_stride(12, 16) == 1


@given(st.integers(1, 100_000), st.integers(1, 8), st.integers(1, 100))
def test_long_clips_give_about_as_many_windows_as_asked(count: int, stride: int, most: int) -> None:
    windows = max(0, math.floor((count / stride - WINDOW_FRAMES) / 8) + 1)
    kept = math.ceil(windows / window_skip(count, stride, most))
    assert kept <= most + 1


def test_bars_are_stripped_and_a_dark_scene_is_not_a_bar() -> None:
    frames = np.full((4, 100, 200), 120, np.uint8)
    frames[:, :12] = frames[:, 88:] = 16
    assert strip_letterbox(frames) == (12, 88, 0, 200)
    dark = np.full((4, 100, 200), 18, np.uint8)
    assert strip_letterbox(dark) == (0, 100, 0, 200)


def test_reencoding_a_window_gives_the_same_bytes_every_time() -> None:
    luma = np.stack(list(travelling(3, 16, 256, 256))).clip(16, 235).astype(np.uint8)
    chroma = np.full((16, 2, 128, 128), 128, np.uint8)
    first, second = encode_window(luma, chroma), encode_window(luma, chroma)
    assert first == second
    back, colour = decode_window(first)
    assert back.shape == luma.shape
    assert colour.shape == chroma.shape
    assert np.abs(back.astype(int) - luma).mean() < 6


def test_grey_and_primary_colours_come_out_of_yuv() -> None:
    luma = np.full((1, 4, 4), 81, np.uint8)
    chroma = np.zeros((1, 2, 2, 2), np.uint8)
    chroma[:, 0], chroma[:, 1] = 90, 240
    assert np.abs(to_rgb(luma, chroma)[0, 0, 0].astype(int) - (255, 0, 0)).max() <= 2
    assert (to_rgb(np.full((1, 2, 2), 235, np.uint8), np.full((1, 2, 1, 1), 128, np.uint8)) == 255).all()


def test_windows_overlap_by_half_and_carry_their_times(travelling_clip: Path) -> None:
    normal = normalise_clip(travelling_clip)
    assert [(w.start_s, w.end_s) for w in normal.windows] == [(0.0, 2.0), (1.0, 3.0), (2.0, 4.0)]
    assert normal.rate == 8
    assert normal.stride == 1
    assert normal.sampled == normal.decoded == 34
    assert normal.crop_px == pytest.approx(0.8 * 160)
    assert not normal.limits
    assert not any(w.fault for w in normal.windows)
    luma, chroma = normal.windows[0].planes()
    assert luma.shape == (16, 256, 256)
    assert chroma.shape == (16, 2, 128, 128)


def test_a_clip_at_another_rate_is_sampled_at_the_same_moments(make_clip: Callable[..., Path]) -> None:
    slow = make_clip("at8.mp4", travelling(5, 20, speed=3.0))
    fast = make_clip("at24.mp4", travelling(5, 60, speed=1.0), rate=24)
    a, b = normalise_clip(slow), normalise_clip(fast)
    assert (b.stride, b.rate) == (3, 8.0)
    difference = a.windows[0].planes()[0].astype(int) - b.windows[0].planes()[0]
    assert np.abs(difference).mean() < 6


def test_other_rates_come_from_one_pass_and_distinct_strides(make_clip: Callable[..., Path]) -> None:
    clip = make_clip("rates.mp4", travelling(6, 70), rate=24)
    strides = [n.stride for n in normalise_at_rates(clip, (8.0, 6.0, 11.0, 8.0))]
    assert strides == [3, 4, 2]


@pytest.mark.parametrize("corner", ["logo", "plain"])
def test_a_corner_logo_is_not_seen(make_clip: Callable[..., Path], corner: str) -> None:
    def frames() -> object:
        for frame in travelling(7, 16):
            if corner == "logo":
                frame = frame.copy()
                frame[:12, -40:] = 230
            yield frame

    normal = normalise_clip(make_clip(f"{corner}.mp4", frames()))  # type: ignore[arg-type]
    plain = next(travelling(7, 1))
    expected = plain[16:144, 32:160]
    small = normal.windows[0].planes()[0][0].reshape(128, 2, 128, 2).mean((1, 3))
    assert np.abs(small - expected).mean() < 6


def test_nothing_moves_is_a_fault() -> None:
    still = np.repeat(texture(1, 256, 256)[None], 16, 0).clip(16, 235).astype(np.uint8)
    assert window_fault(still) == "nothing moves"


def test_plain_black_is_a_fault() -> None:
    black = np.full((16, 256, 256), 16, np.uint8)
    black[:, 100:140, 100:140] = 120
    assert "plain black or white" in window_fault(black)


def test_a_cut_is_a_fault_and_fast_motion_is_not() -> None:
    first = np.stack(list(travelling(1, 8, 256, 256, sigma=20)))
    second = np.stack(list(travelling(2, 8, 256, 256, sigma=20)))
    cut = np.concatenate([first, second]).clip(16, 235).astype(np.uint8)
    assert window_fault(cut) == "the scene is cut"
    fast = np.stack(list(travelling(1, 16, 256, 256, speed=9.0))).clip(16, 235).astype(np.uint8)
    assert window_fault(fast) == ""
    boiling = np.stack(list(redrawn(1, 16, 256, 256))).clip(16, 235).astype(np.uint8)
    assert window_fault(boiling) == ""


def test_the_container_does_not_matter(travelling_clip: Path, tmp_path: Path) -> None:
    other = remux(travelling_clip, tmp_path / "same.mkv")
    a, b = normalise_clip(travelling_clip), normalise_clip(other)
    assert [w.bitstream for w in a.windows] == [w.bitstream for w in b.windows]
