"""Pairs share their content: what generators do to pictures is done, and nothing else."""

import numpy as np
import pytest
from moving_textures import travelling
from scipy.ndimage import gaussian_filter

from detector.normal_form import Window, decode_window, encode_window
from detector.pairs import PROCESSES, interpolated, paired_windows, patch_tokenized, scaled_up, smoothed


def planes(frames: object) -> tuple[np.ndarray, np.ndarray]:
    luma = np.clip(np.stack(list(frames)), 0, 255).astype(np.uint8)  # type: ignore[call-overload]
    return luma, np.full((len(luma), 2, 128, 128), 128, np.uint8)


@pytest.fixture(scope="module")
def moving() -> tuple[np.ndarray, np.ndarray]:
    return planes(travelling(1, 16, 256, 256))


def detail(luma: np.ndarray) -> float:
    x = luma.astype(float)
    return float(np.abs(x - gaussian_filter(x, (0, 1, 1))).mean())


@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_keeps_the_shape_and_what_is_shown(
    process: object, moving: tuple[np.ndarray, np.ndarray]
) -> None:
    luma, chroma = process(*moving)  # type: ignore[operator]
    assert (luma.shape, luma.dtype, chroma.shape) == (moving[0].shape, np.uint8, moving[1].shape)
    coarse = [x.reshape(16, 16, 16, 16, 16).mean((2, 4)).ravel() for x in (luma, moving[0])]
    assert np.corrcoef(*coarse)[0, 1] > 0.95
    assert not np.array_equal(luma, moving[0])


@pytest.mark.parametrize("process", [patch_tokenized, scaled_up, smoothed])
def test_a_plain_picture_stays_plain(process: object) -> None:
    luma, chroma = planes([np.full((256, 256), 90)] * 16)
    changed, _ = process(luma, chroma)  # type: ignore[operator]
    assert np.abs(changed.astype(int) - 90).max() <= 1


def test_a_patch_code_loses_fine_detail() -> None:
    luma, chroma = planes(travelling(2, 16, 256, 256, sigma=0.8))
    assert detail(patch_tokenized(luma, chroma)[0]) < 0.7 * detail(luma)


def test_interpolation_leaves_every_second_frame_and_puts_the_motion_between_them(
    moving: tuple[np.ndarray, np.ndarray],
) -> None:
    luma, _ = interpolated(*moving)
    np.testing.assert_array_equal(luma[::2], moving[0][::2])
    blended = (moving[0][0:14:2].astype(float) + moving[0][2::2]) / 2
    error = np.abs(luma[1:15:2].astype(float) - moving[0][1:15:2]).mean()
    assert error < 0.7 * np.abs(blended - moving[0][1:15:2]).mean()


def test_smoothing_takes_out_noise_that_comes_and_goes() -> None:
    clean, chroma = planes(travelling(3, 16, 256, 256))
    noise = np.random.default_rng(0).normal(0, 4, clean.shape)
    noisy = np.clip(clean + noise, 0, 255).astype(np.uint8)
    left = smoothed(noisy, chroma)[0].astype(float) - smoothed(clean, chroma)[0]
    assert left.std() < 0.6 * 4


def test_a_window_gives_one_pair_of_each_kind_and_a_short_one_none(
    moving: tuple[np.ndarray, np.ndarray],
) -> None:
    window = Window(encode_window(*moving), 16, 1.0, 3.0, "")
    made = paired_windows(window)
    assert [(w.frames, w.start_s, w.fault) for w in made] == [(16, 1.0, "")] * len(PROCESSES)
    assert decode_window(made[0].bitstream)[0].shape == (16, 256, 256)
    assert paired_windows(Window(window.bitstream, 12, 1.0, 2.5, "")) == []
