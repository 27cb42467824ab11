"""The sound of a clip as mono samples at a fixed rate, decoded in the confined child."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from media.limits import Limits
from media.sandbox import run_job


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """Mono `samples` float32 [N], mostly -1..1, `rate_hz` a second; the first `start_s` after the first picture."""

    samples: NDArray[np.float32]
    rate_hz: int
    start_s: float


def read_sound(path: Path | str, *, rate_hz: int, limits: Limits | None = None) -> Sound | None:
    """The first sound stream of a clip, or None where it has none that decodes. Raises `media.MediaError`."""
    blocks: list[bytes] = []
    start = Fraction(0)
    for header, payload in run_job("sound", path, limits or Limits(), rate=rate_hz):
        if header["kind"] == "samples":
            start = Fraction(*header["start"]) if "start" in header else start
            blocks.append(payload)
    if not blocks:
        return None
    samples = np.frombuffer(b"".join(blocks), np.float32)
    return Sound(np.nan_to_num(samples, posinf=0.0, neginf=0.0), rate_hz, float(start))
