"""What an image encoder's frame embeddings say: their mean and spread, and the shape of their path."""

import numpy as np
import numpy.typing as npt

from detector.features.trajectory import PATH_STATISTICS, path_statistics


def embedding_names(dim: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and blocks of `embedding_features` for embeddings of `dim` numbers."""
    mean = tuple(f"X_mean_{k:04d}" for k in range(dim))
    std = tuple(f"X_std_{k:04d}" for k in range(dim))
    path = tuple(f"X_path_{name}" for name in PATH_STATISTICS)
    blocks = ("encoder_mean",) * dim + ("encoder_std",) * dim + ("encoder_path",) * len(path)
    return mean + std + path, blocks


def embedding_features(embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """float32 [2 * D + 13] of frame embeddings [T, D], T >= 6."""
    values = [embeddings.mean(0), embeddings.std(0), path_statistics(embeddings)]
    return np.concatenate(values).astype(np.float32)
