"""Native frames between generation and delivery, as one file in a run's work folder."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media import atomic_path

RAW_NAME = "raw.npz"


def write_raw(folder: Path, frames: NDArray[np.uint8], fps: float | Fraction, params: dict[str, Any]) -> None:
    """Frames uint8 [T,H,W,3], their rate, and the exact parameters that made them (JSON types)."""
    said = json.dumps({"params": params, "fps": str(Fraction(fps).limit_denominator(1001))})
    with atomic_path(folder / RAW_NAME) as tmp, tmp.open("wb") as file:
        np.savez(file, frames=frames, said=np.array(said))


def read_raw(folder: Path) -> tuple[NDArray[np.uint8], Fraction, dict[str, Any]]:
    """Frames, frame rate, parameters."""
    with np.load(folder / RAW_NAME, allow_pickle=False) as kept:
        said = json.loads(str(kept["said"]))
        return kept["frames"], Fraction(said["fps"]), said["params"]
