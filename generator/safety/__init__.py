"""The safety policy: what may be generated, and what must not leave the house.

    check_prompt("a red ball bounces on grass at dusk").action   # "allow"

Importing this package loads no model and no policy file; the first check does.
"""

from generator.safety.decision import Action, Decision, FrameDecision, Match
from generator.safety.errors import (
    EncoderError,
    FrameModelError,
    FramesError,
    PolicyError,
    SafetyError,
)
from generator.safety.frames import check_frames
from generator.safety.policy import Policy, load_policy, policy_version, read_policy_folder
from generator.safety.prompt import check_prompt

__all__ = [
    "Action",
    "Decision",
    "EncoderError",
    "FrameDecision",
    "FrameModelError",
    "FramesError",
    "Match",
    "Policy",
    "PolicyError",
    "SafetyError",
    "check_frames",
    "check_prompt",
    "load_policy",
    "policy_version",
    "read_policy_folder",
]
