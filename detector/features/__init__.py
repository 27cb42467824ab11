"""Features of a window that need no download: trajectories (C), flow (D), flicker (E), filter responses
(F).
"""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detector.features import filters, flicker, flow, trajectory
from detector.features.embedding import Layout, embedding_names

VERSION = 1


@dataclass(frozen=True)
class Schema:
    """Names and order of a feature vector; `blocks` gives the family of each name for the head's scaling."""

    names: tuple[str, ...]
    blocks: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over version, names and blocks, in hex."""
        text = json.dumps([VERSION, self.names, self.blocks], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


FAMILIES: dict[str, tuple[str, ...]] = {
    "trajectory": trajectory.NAMES,
    "flow": flow.NAMES,
    "flicker": flicker.NAMES,
    "filters": filters.NAMES,
}


def schema(families: tuple[str, ...], layout: Layout | None = None) -> Schema:
    """The schema of the named families in that order, then of an encoder's embeddings where there is one."""
    names = tuple(name for family in families for name in FAMILIES[family])
    blocks = tuple(family for family in families for _ in FAMILIES[family])
    if layout:
        more_names, more_blocks = embedding_names(layout)
        names, blocks = names + more_names, blocks + more_blocks
    return Schema(names, blocks)


def extract(
    luma: npt.NDArray[np.uint8], chroma: npt.NDArray[np.uint8], families: tuple[str, ...]
) -> npt.NDArray[np.float32]:
    """float32 features of a window in the order of `schema(families)`; luma and chroma as in `Window`."""
    from scipy.ndimage import gaussian_filter

    full = luma.astype(np.float32)
    fine = full - gaussian_filter(full, (0, 1.2, 1.2), truncate=2.5)
    luma128 = trajectory.pool(full, 128)
    values = {
        "trajectory": lambda: trajectory.trajectory_features(luma128, fine, chroma),
        "flow": lambda: flow.flow_features(luma128, fine),
        "flicker": lambda: flicker.flicker_features(luma128, fine),
        "filters": lambda: filters.filter_features(luma, chroma),
    }
    vector = np.concatenate([values[family]() for family in families])
    return np.asarray(np.nan_to_num(vector, nan=0.0, posinf=20.0, neginf=-20.0), np.float32)
