"""The attack bench itself: what it does to pictures, its measures, and a run that was stopped."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import moving_picture, write_mp4

from benchmarks.watermark.attacks import ATTACKS, Attack
from benchmarks.watermark.clips import Clip, film
from benchmarks.watermark.quality import ciede2000, flicker, psnr, ssim

ROOT = Path(__file__).parent.parent.parent
GEOMETRY = [attack for attack in ATTACKS if attack.family == "geometry"]


@pytest.fixture(scope="module")
def clip() -> Clip:
    return film(0.25, (320, 256)).held()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_gives_whole_pictures_of_one_even_size(attack: Attack, clip: Clip) -> None:
    attacked = attack(clip)
    assert len(attacked.pictures) >= 1
    width, height = attacked.size
    assert (width % 2, height % 2) == (0, 0)
    for y, u, v in attacked.pictures:
        assert (y.shape, u.shape, v.shape) == (
            (height, width),
            (height // 2, width // 2),
            (height // 2, width // 2),
        )
        assert {y.dtype, u.dtype, v.dtype} == {np.dtype(np.uint8)}


@pytest.mark.parametrize("attack", [a for a in ATTACKS if a.steps], ids=lambda attack: attack.name)
def test_an_attack_changes_the_clip(attack: Attack, clip: Clip) -> None:
    attacked = attack(clip)
    same = (
        attacked.rate == clip.rate
        and attacked.size == clip.size
        and len(attacked.pictures) == len(clip.pictures)
        and all(
            np.array_equal(a, b)
            for one, other in zip(clip.pictures, attacked.pictures, strict=True)
            for a, b in zip(one, other, strict=True)
        )
    )
    assert not same or (clip.seconds <= 1 and "1 s" in attack.name)  # it is no longer than a second


@pytest.mark.parametrize("attack", GEOMETRY, ids=lambda attack: attack.name)
def test_colour_moves_with_the_light(attack: Attack) -> None:
    """U holds the luma at half size, and must do so afterwards."""
    y, x = np.mgrid[:256, :320].astype(np.float32)
    light = np.rint(128 + 60 * np.sin(x / 21 + y / 47) * np.cos(y / 26 - x / 80)).astype(np.uint8)
    half = cv2.resize(light, (160, 128), interpolation=cv2.INTER_AREA)
    black = np.full_like(half, 128)
    ((after, after_half, after_black),) = attack(Clip("waves", Fraction(24), [(light, half, black)])).pictures
    assert np.abs(after_black.astype(int) - 128).max() <= 1
    expected = cv2.resize(after, after_half.shape[::-1], interpolation=cv2.INTER_AREA)
    inside = (
        cv2.erode((expected > 40).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    )  # bars are 16 in Y, 128 in U
    assert inside.mean() > 0.2
    assert np.abs(expected.astype(int) - after_half)[inside].mean() < 1.5


def test_ciede2000_gives_the_published_values() -> None:
    """Pairs 1, 7, 13, 17, 27, 34 of Sharma, Wu and Dalal (2005), table 1."""
    one = [
        (50, 2.6772, -79.7751),
        (50, 0, 0),
        (50, 2.5, 0),
        (60.2574, -34.0099, 36.2677),
        (2.0776, 0.0795, -1.1350),
    ]
    other = [
        (50, 0, -82.7485),
        (50, -1, 2),
        (50, 0, -2.5),
        (60.4626, -34.1751, 39.4387),
        (0.9033, -0.0636, -0.5514),
    ]
    wanted = [2.0425, 2.3669, 4.3065, 1.2644, 0.9082]
    assert ciede2000(np.array(one, float), np.array(other, float)) == pytest.approx(wanted, abs=5e-5)


def test_measures_of_known_distortions() -> None:
    grey = np.full((64, 64), 100, np.uint8)
    other = (grey + 5).astype(np.uint8)
    assert psnr([(grey, other)]) == pytest.approx(20 * np.log10(255 / 5))
    assert (psnr([(grey, grey)]), ssim(grey, grey)) == (100.0, pytest.approx(1.0))
    chroma = np.full((32, 32), 128, np.uint8)
    still, up = (grey, chroma, chroma), (other, chroma, chroma)
    assert flicker([(still, up), (still, up)]) == 0  # a mark that stands still does not flicker
    assert flicker([(still, up), (still, still), (still, up)]) == 5


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    clips, out = tmp_path / "clips", tmp_path / "out"
    clips.mkdir()
    write_mp4(clips / "pan.mp4", moving_picture(12, 288, 384), rate=12, crf=16)

    def bench(attacks: str) -> tuple[str, dict[str, object]]:
        command = [
            sys.executable,
            "-m",
            "benchmarks.watermark",
            "--clips",
            clips,
            "--out",
            out,
            "--jobs",
            "1",
        ]
        command += ["--attacks", attacks, "--baseline", "0", "--skip", "speed,quality"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        assert "| mirror | everyday | ≥ 98% |" in done.stdout
        said: dict[str, object] = json.loads((out / "results.json").read_text())
        return done.stderr, said

    progress, first = bench("mirror,resize × 0.5")
    assert "1/1 clips" in progress
    record = (out / "results.jsonl").read_text()
    (out / "results.jsonl").write_text(record + record[: len(record) // 2])  # killed while it wrote
    progress, again = bench("mirror,resize × 0.5")
    assert "clips" not in progress  # nothing was measured again
    assert again == first
    progress, more = bench("mirror,resize × 0.5,JPEG 50")
    assert "1/1 exact" in progress  # the new attack alone
    assert all(json.loads(line) for line in (out / "results.jsonl").read_text().splitlines())
    rows = more["attacks"]
    assert isinstance(rows, list)
    names = [row["name"] for row in rows]
    assert names == ["resize × 0.5", "resize × 0.5 and back", "mirror", "JPEG 50"]
    assert [row["exact"] for row in rows] == [{"clipproof < 480 px": [1, 1]}] * 4
    assert (more["wrong_payloads"], more["controls"]["not marked"]["found"]) == (0, 0)  # type: ignore[index]
    assert (out / "ladder.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "differences.png").exists()
