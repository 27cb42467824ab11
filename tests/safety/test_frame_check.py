"""The frame check on made-up frames: its form, its sampling, its refusals."""

import shutil

import numpy as np
import pytest
from bare_policy import bare_taxonomy

from generator.safety import Action, FrameModelError, FramesError, check_frames, policy_version
from generator.safety import frames as frame_check
from generator.safety.policy import load_policy, shipped_policy


@pytest.fixture(scope="module")
def ball_clip() -> np.ndarray:
    """Twenty frames of a red disc over a green plane, 96 x 64."""
    rows, columns = np.mgrid[0:64, 0:96]
    clip = np.full((20, 64, 96, 3), (60, 140, 60), np.uint8)
    for index in range(20):
        clip[index][(rows - 30) ** 2 + (columns - 10 - 4 * index) ** 2 < 80] = (200, 30, 30)
    return clip


def test_a_bouncing_ball_is_allowed_and_the_model_is_named(ball_clip: np.ndarray) -> None:
    decision = check_frames(ball_clip, fps=10)
    assert decision.action is Action.ALLOW
    assert decision.codes == ()
    assert decision.model_sha256 == shipped_policy().frames.model_sha256
    assert decision.policy_version == policy_version()
    assert len(decision.scores) == 8
    assert 0 <= decision.worst < 0.5


def test_frames_are_spread_evenly_from_the_first_to_the_last(ball_clip: np.ndarray) -> None:
    decision = check_frames(ball_clip, fps=10, max_frames=3)
    assert decision.indices == (0, 10, 19)
    assert decision.times_s == (0.0, 1.0, 1.9)


def test_one_frame_is_a_clip(ball_clip: np.ndarray) -> None:
    assert check_frames(ball_clip[:1]).indices == (0,)


def test_equal_frames_score_equal(ball_clip: np.ndarray) -> None:
    assert check_frames(ball_clip) == check_frames(ball_clip.copy())


@pytest.mark.parametrize(
    ("review", "block", "action", "codes"), [(0, 1, "review", ("S2",)), (0, 0, "block", ("S1",))]
)
def test_the_policy_sets_the_thresholds(
    ball_clip: np.ndarray, review: int, block: int, action: str, codes: tuple[str, ...]
) -> None:
    taxonomy = (
        bare_taxonomy()
        .decode()
        .replace("review: 0.5", f"review: {review}")
        .replace("block: 0.8", f"block: {block}")
    )
    decision = check_frames(ball_clip, max_frames=1, policy=load_policy({"policy.yaml": taxonomy.encode()}))
    assert (decision.action, decision.codes) == (action, codes)


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((2, 8, 8, 3), np.float32),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((2, 8, 8, 4), np.uint8),
        np.zeros((0, 8, 8, 3), np.uint8),
        [[0, 1], [2, 3]],
    ],
)
def test_other_arrays_are_refused(frames: object) -> None:
    with pytest.raises(FramesError):
        check_frames(frames)  # type: ignore[arg-type]


def test_altered_weights_are_refused(
    tmp_path, monkeypatch: pytest.MonkeyPatch, ball_clip: np.ndarray
) -> None:
    altered = tmp_path / "open-nsfw.onnx"
    shutil.copyfile(frame_check._bundled_weights(), altered)
    with altered.open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"\0\1\2\3")
    monkeypatch.setattr(frame_check, "_bundled_weights", lambda: altered)
    with pytest.raises(
        FrameModelError, match=r"open-nsfw.onnx has SHA-256 \w{64}, the policy pins"
    ) as caught:
        check_frames(ball_clip)
    assert caught.value.hint


def test_missing_weights_are_refused(
    tmp_path, monkeypatch: pytest.MonkeyPatch, ball_clip: np.ndarray
) -> None:
    monkeypatch.setattr(frame_check, "_bundled_weights", lambda: tmp_path / "open-nsfw.onnx")
    with pytest.raises(FrameModelError, match="cannot be read"):
        check_frames(ball_clip)


def test_the_check_writes_nothing_to_the_terminal(
    ball_clip: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    frame_check._classifier.cache_clear()
    check_frames(ball_clip, max_frames=1)
    assert capfd.readouterr() == ("", "")
