"""Attacked copies are real files that went through a real encoder, and differ where the attack says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from moving_textures import redrawn

from detector.attacks import ATTACKS, SECONDS, erase_logo, spoof_logo, write_attacked
from media import open_clip, probe


@pytest.fixture(scope="module")
def clip(make_clip: Callable[..., Path]) -> Path:
    return make_clip("attacked.mp4", redrawn(7, 40))


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_copy_plays_and_is_as_long_as_one_window(attack: str, clip: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    write_attacked(clip, copy, attack)
    with open_clip(copy) as reader:
        frames = sum(1 for _ in reader)
    assert frames == pytest.approx(SECONDS * 8, abs=1)
    assert list(tmp_path.iterdir()) == [copy]


def test_a_higher_crf_makes_a_smaller_file_and_half_the_size_half_the_sides(
    clip: Path, tmp_path: Path
) -> None:
    sizes = {}
    for attack in ("H.264 crf 28", "H.264 crf 35", "half the size", "three generations"):
        write_attacked(clip, tmp_path / "copy.mp4", attack)
        shape = probe(tmp_path / "copy.mp4")
        sizes[attack] = ((tmp_path / "copy.mp4").stat().st_size, shape.width, shape.height)
    assert sizes["H.264 crf 35"][0] < sizes["H.264 crf 28"][0]
    whole = probe(clip)
    assert sizes["half the size"][1:] == (whole.width // 2, whole.height // 2)
    assert sizes["three generations"][2] == pytest.approx(0.75 * whole.height, abs=2)


def test_logos_touch_the_corner_alone() -> None:
    planes = [np.random.default_rng(0).integers(0, 256, (240, 320), np.uint8)]
    planes += [np.full((120, 160), 128, np.uint8)] * 2
    for change in (erase_logo, spoof_logo):
        luma = change(planes)[0]
        changed = np.argwhere(luma != planes[0])
        assert len(changed) > 50
        assert changed[:, 0].min() >= 0.8 * 240
        assert changed[:, 1].min() >= 0.7 * 320
