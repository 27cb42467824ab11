"""Flashing by the thresholds of WCAG 2.2, frames slipped in, and which frames are looked at; on made clips."""

import json

import numpy as np
import pytest

from generator.safety import check_frames
from generator.safety.sequence import cells_of, flashes, frames_to_look_at, inserted_frames

FPS = 24


def flicker(
    hertz: float, *, low: int = 20, high: int = 230, share: float = 1.0, seconds: float = 2
) -> np.ndarray:
    """Grey frames 64 x 96 whose upper `share` changes between two levels, `hertz` flashes a second."""
    clip = np.full((int(seconds * FPS), 64, 96, 3), low, np.uint8)
    for index in range(len(clip)):
        if (2 * hertz * index / FPS) % 2 >= 1:
            clip[index, : round(64 * share)] = high
    return clip


def coloured(one: tuple[int, int, int], other: tuple[int, int, int], hertz: float = 6) -> np.ndarray:
    clip = np.empty((2 * FPS, 64, 96, 3), np.uint8)
    for index in range(len(clip)):
        clip[index] = one if (2 * hertz * index / FPS) % 2 >= 1 else other
    return clip


def kinds(clip: np.ndarray) -> set[str]:
    return {one.kind for one in flashes(cells_of(clip), FPS)}


@pytest.mark.parametrize(
    ("hertz", "fails"), [(1, False), (2, False), (3, False), (4, True), (6, True), (12, True)]
)
def test_more_than_three_flashes_a_second_fail(hertz: float, fails: bool) -> None:
    assert (kinds(flicker(hertz)) == {"flash"}) is fails


@pytest.mark.parametrize(("share", "fails"), [(0.2, False), (0.3, True)])
def test_only_what_covers_more_than_a_quarter_of_the_picture_counts(share: float, fails: bool) -> None:
    assert bool(kinds(flicker(6, share=share))) is fails


@pytest.mark.parametrize(
    ("low", "high", "fails"),
    [(100, 115, False), (0, 80, False), (0, 95, True), (232, 255, False), (228, 255, True)],
)
def test_a_change_counts_from_a_tenth_of_full_luminance_with_the_darker_under_four_fifths(
    low: int, high: int, fails: bool
) -> None:
    assert bool(kinds(flicker(6, low=low, high=high))) is fails


def test_red_flashes_count_where_luminance_hardly_changes() -> None:
    assert kinds(coloured((180, 0, 0), (60, 60, 60))) == {"red_flash"}
    assert kinds(coloured((0, 90, 90), (60, 60, 60))) == set()


def test_a_fine_balanced_chequer_does_not_count() -> None:
    rows, columns = np.mgrid[0:256, 0:256]
    clip = (
        np.repeat((((rows + columns) % 2) * 255)[None, ..., None], 48, axis=0)
        .repeat(3, axis=3)
        .astype(np.uint8)
    )
    clip[::2] = 255 - clip[::2]
    assert kinds(clip) == set()


def test_a_slow_fade_is_no_flash() -> None:
    level = (127 + 120 * np.sin(np.arange(96) / 96 * 2 * np.pi)).astype(np.uint8)
    assert kinds(np.broadcast_to(level[:, None, None, None], (96, 32, 32, 3)).copy()) == set()


@pytest.fixture
def quiet() -> np.ndarray:
    """Two seconds of a disc that moves slowly over a gradient."""
    rows, columns = np.mgrid[0:96, 0:128]
    clip = np.repeat((60 + columns / 2)[None, ..., None], 48, axis=0).repeat(3, axis=3).astype(np.uint8)
    for index in range(48):
        clip[index][(rows - 48) ** 2 + (columns - 20 - index) ** 2 < 200] = (220, 60, 60)
    return clip


def strange() -> np.ndarray:
    blocks = np.random.default_rng(1).integers(0, 2, (6, 8)) * 255
    return np.kron(blocks, np.ones((16, 16)))[..., None].repeat(3, axis=2).astype(np.uint8)


def test_a_single_frame_that_was_slipped_in_goes_to_review_with_its_time(quiet: np.ndarray) -> None:
    quiet[30] = strange()
    decision = check_frames(quiet, fps=FPS)
    assert (decision.action, decision.codes) == ("review", ("T1",))
    (finding,) = decision.findings
    assert (finding.kind, finding.start_s) == ("inserted_frame", 30 / FPS)
    assert json.loads(decision.to_json())["findings"][0]["code"] == "T1"
    assert 30 in decision.indices  # the frame unlike all others is looked at


def test_a_cut_a_light_flash_and_a_lost_frame_are_not_slipped_in(quiet: np.ndarray) -> None:
    cut = quiet.copy()
    cut[30:] = strange()
    lit = quiet.copy()
    lit[30] = np.clip(quiet[30].astype(int) + 90, 0, 255)
    lost = quiet.copy()
    lost[30] = 0
    for clip in (quiet, cut, lit, lost):
        assert inserted_frames(cells_of(clip), FPS) == []


def test_flashing_goes_to_review_and_the_record_says_what_was_not_checked() -> None:
    decision = check_frames(flicker(6), fps=FPS)
    assert (decision.action, decision.codes) == ("review", ("D1",))
    checked = {one["what"]: one for one in json.loads(decision.to_json())["checked"]}
    assert checked["flashing"]["frames"] == 48
    assert checked["text in the picture"]["frames"] == 0
    assert checked["text in the picture"]["why"]


def test_every_scene_is_looked_at_and_a_long_clip_every_second_up_to_a_bound() -> None:
    scenes = np.full((240, 16, 16, 3), 30, np.uint8)
    scenes[100:103] = (200, 30, 30)
    scenes[203:205] = (30, 200, 30)
    taken = frames_to_look_at(cells_of(scenes), FPS, at_least=8, at_most=48)
    assert len(taken) == 10  # one a second
    assert {int(index) for index in taken} & {100, 101, 102}
    assert {int(index) for index in taken} & {203, 204}
    assert len(frames_to_look_at(cells_of(scenes), 1, at_least=8, at_most=48)) == 48
