"""A clip is measured once: what the cache gives back is what was measured, and damage to it costs only time."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from moving_textures import travelling
from PIL import Image

from detector import examine
from detector.examine import STILL_SIDE, STILLS, Examination, examine_clip

FAMILIES = ("flicker", "trajectory")


def equal(a: Examination, b: Examination) -> bool:
    rest = [{k: v for k, v in vars(e).items() if k != "x"} for e in (a, b)]
    return rest[0] == rest[1] and np.array_equal(a.x, b.x)


@pytest.fixture
def examined(travelling_clip: Path, tmp_path: Path) -> Examination:
    return examine_clip(travelling_clip, families=FAMILIES, cache=tmp_path)


def test_the_second_time_nothing_is_decoded(
    examined: Examination, travelling_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examine, "normalise_clip", lambda *_, **__: pytest.fail("decoded again"))
    assert equal(examine_clip(travelling_clip, families=FAMILIES, cache=tmp_path), examined)


def test_a_copy_under_another_name_is_the_same_clip(
    examined: Examination, travelling_clip: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(travelling_clip.read_bytes())
    assert equal(examine_clip(copy, families=FAMILIES, cache=tmp_path), examined)
    assert len(list(tmp_path.rglob("*.npz"))) == 1


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no archive", None])
def test_a_damaged_entry_is_made_anew(
    examined: Examination, travelling_clip: Path, tmp_path: Path, damage: bytes | None
) -> None:
    (entry,) = tmp_path.rglob("*.npz")
    whole = entry.read_bytes()
    entry.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert equal(examine_clip(travelling_clip, families=FAMILIES, cache=tmp_path), examined)
    assert equal(examine_clip(travelling_clip, families=FAMILIES, cache=tmp_path), examined)


def test_other_features_are_another_entry(
    examined: Examination, travelling_clip: Path, tmp_path: Path
) -> None:
    other = examine_clip(travelling_clip, families=("flicker",), cache=tmp_path)
    assert other.x.shape[1] < examined.x.shape[1]
    assert len(list(tmp_path.rglob("*.npz"))) == 2


def test_stills_are_small_pictures_spread_over_the_clip(make_clip: Callable[..., Path]) -> None:
    long = examine_clip(make_clip("long.mp4", travelling(3, 8 * 14)), families=("flicker",))
    assert len(long.windows) > STILLS == len(long.stills)
    for still in long.stills:
        with Image.open(BytesIO(still)) as picture:
            assert (picture.format, picture.size) == ("JPEG", (STILL_SIDE, STILL_SIDE))


def test_a_clip_of_three_frames_has_obstacles_and_no_windows(make_clip: Callable[..., Path]) -> None:
    short = examine_clip(make_clip("short.mp4", travelling(4, 3)), families=FAMILIES)
    assert short.x.shape[0] == 0
    assert short.windows == () == short.stills
    assert "too short" in short.obstacles[0]
