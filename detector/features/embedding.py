"""What an image encoder's frame embeddings say: their mean, and of many frames the spread and shape of their path."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detector.features.trajectory import PATH_STATISTICS, path_statistics

SHORTEST_PATH = 6
"""Frames that statistics over time need."""


@dataclass(frozen=True)
class Layout:
    """How an encoder looks at a window: (name, width) of the parts of an embedding, and at how many frames."""

    parts: tuple[tuple[str, int], ...]
    frames: int


def embedding_names(layout: Layout) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and blocks of `embedding_features`."""
    names: list[str] = []
    blocks: list[str] = []
    for part, width in layout.parts:
        for kind in ("mean", "std") if layout.frames >= SHORTEST_PATH else ("mean",):
            names += [f"X_{part}_{kind}_{k:04d}" for k in range(width)]
            blocks += [f"encoder_{part}_{kind}"] * width
        if layout.frames >= SHORTEST_PATH:
            names += [f"X_{part}_path_{name}" for name in PATH_STATISTICS]
            blocks += [f"encoder_{part}_path"] * len(PATH_STATISTICS)
    return tuple(names), tuple(blocks)


def embedding_features(embeddings: npt.NDArray[np.float32], layout: Layout) -> npt.NDArray[np.float32]:
    """float32 [d] of frame embeddings [T, D], in the order of `embedding_names`."""
    values = []
    start = 0
    for _, width in layout.parts:
        path = embeddings[:, start : start + width]
        values.append(path.mean(0))
        if layout.frames >= SHORTEST_PATH:
            values += [path.std(0), path_statistics(path).astype(np.float32)]
        start += width
    return np.concatenate(values).astype(np.float32)
