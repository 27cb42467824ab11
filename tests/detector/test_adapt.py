"""Few-shot adaptation: a new source is learnt from a handful of clips, and the others hardly notice."""

from pathlib import Path

import numpy as np
import pytest
from toy_heads import toy_head

from detector.adapt import LEAST_CLIPS, Adaptation, adapt
from detector.errors import TrainingDataError
from detector.head import Head, load_head, save_head


def clips_of_a_new_generator(count: int, seed: int = 5) -> list[np.ndarray]:
    """Windows that the toy head takes for camera footage, but that share a trait it never saw."""
    width = len(toy_head().contract.schema.names)
    rng = np.random.default_rng(seed)
    trait = -0.5 * (np.arange(width) < 3) + 2.0 * (np.arange(width) >= width - 4)
    return [rng.normal(size=(3, width)) * 0.6 + trait for _ in range(count)]


@pytest.fixture(scope="module")
def head() -> Head:
    return toy_head()


@pytest.fixture(scope="module")
def adapted(head: Head) -> Adaptation:
    return adapt(head, clips_of_a_new_generator(12), is_ai=True, name="newgen", strength=3.0)


def test_clips_that_were_missed_are_found_without_having_been_trained_on(
    adapted: Adaptation,
) -> None:
    assert adapted.before.likely_camera > 0.5
    assert adapted.before.mean_p_ai < 0.3
    assert adapted.after.likely_ai > 0.8
    assert adapted.after.auroc > adapted.before.auroc


def test_clips_of_it_that_come_later_gain_too(head: Head, adapted: Adaptation) -> None:
    fresh = np.concatenate(clips_of_a_new_generator(40, seed=6))
    assert adapted.head.linear.score(fresh).mean() > head.linear.score(fresh).mean() + 0.3


def test_what_the_head_knew_keeps_its_order(head: Head, adapted: Adaptation) -> None:
    rng = np.random.default_rng(9)
    width = len(head.contract.schema.names)
    old = rng.normal(size=(400, width)) + np.where(np.arange(400) % 2, 0.8, -0.8)[:, None] * (
        np.arange(width) < 3
    )
    before, after = head.linear.score(old), adapted.head.linear.score(old)
    assert np.corrcoef(before, after)[0, 1] > 0.8
    assert np.std(after - before) == pytest.approx(
        adapted.moved * np.std(np.concatenate(calibration(head))), rel=0.5
    )


def calibration(head: Head) -> tuple[np.ndarray, np.ndarray]:
    return head.conformal.ai_scores, head.conformal.camera_scores


def test_a_stronger_say_moves_the_others_more(head: Head, adapted: Adaptation) -> None:
    gentle = adapt(head, clips_of_a_new_generator(12), is_ai=True, name="newgen", strength=0.3)
    assert gentle.moved < adapted.moved
    assert gentle.after.mean_p_ai < adapted.after.mean_p_ai


def test_the_new_material_is_no_longer_strange(head: Head, adapted: Adaptation) -> None:
    z = head.linear.standardise(np.concatenate(clips_of_a_new_generator(12)))
    assert np.median(adapted.head.familiarity.distance(z)) < np.median(head.familiarity.distance(z))


def test_the_adapted_head_says_what_was_done_and_can_be_used_like_any(
    head: Head, adapted: Adaptation, tmp_path: Path
) -> None:
    save_head(adapted.head, tmp_path / "mine")
    loaded = load_head(tmp_path / "mine")
    (record,) = loaded.card["adaptations"]
    assert (record["source"], record["class"], record["clips"], record["from"]) == (
        "newgen",
        "ai",
        12,
        head.digest,
    )
    x = np.concatenate(clips_of_a_new_generator(2, seed=8))
    np.testing.assert_allclose(loaded.linear.score(x), adapted.head.linear.score(x))


def test_four_clips_are_too_few(head: Head) -> None:
    with pytest.raises(TrainingDataError, match=f"4 usable clips of x, at least {LEAST_CLIPS}"):
        adapt(head, clips_of_a_new_generator(4), is_ai=True, name="x")


def test_the_other_class_keeps_its_bound_however_strong_the_say(head: Head) -> None:
    # Nothing is to be learnt from these: they are like what the head was fitted on.
    rng = np.random.default_rng(11)
    width = len(head.contract.schema.names)
    side = 0.8 * (np.arange(width) < 3)
    clips = [rng.normal(size=(3, width)) + side for _ in range(8)]
    strong = adapt(head, clips, is_ai=True, name="more of the same", strength=20.0)
    camera = rng.normal(size=(2_000, width)) - side
    called = np.mean([strong.head.verdict(s) == "likely_ai" for s in strong.head.linear.score(camera)])
    # 40 calibration clips a class: four standard errors of a share of alpha
    assert called <= head.alpha + 4 * np.sqrt(head.alpha * (1 - head.alpha) / 40)
    shift = strong.head.linear.score(camera).mean() - head.linear.score(camera).mean()
    assert abs(shift) < 0.1 * np.std(head.linear.score(camera))
