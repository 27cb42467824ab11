"""Linear picture operators, each a sparse matrix for one axis: resampling and blurring.

`apply((rows, columns), picture)` computes `rows @ picture @ columns.T`. Everything that the mark does to a
picture before its one non-linear step is a product of such operators, which keeps it exact about centres
and fast in numpy. All resampling is centred: the centre of the source falls on the centre of the target.
Half a cell of misregistration costs more than half of the detector's signal.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Operator = Any  # scipy.sparse.csr_array[float32], which has no types
Picture = NDArray[np.float32]


def apply(operators: Sequence[Operator], picture: Picture) -> Picture:
    """`rows @ picture @ columns.T` for operators (rows, columns), float32."""
    rows, columns = operators
    narrowed = np.ascontiguousarray((rows @ picture).T)
    result: Picture = (columns @ narrowed).T
    return result


def resampling(target: int, source: int, step: float, *, extend: bool = True) -> Operator:
    """Operator [target, source] that reads the source every `step` samples, centre upon centre.

    Steps over one average over the step's area (no aliasing); others interpolate linearly. Past the
    source's ends there is its last sample (`extend`) or nothing.
    """
    centre = (np.arange(target) - (target - 1) / 2) * step + (source - 1) / 2
    reach = max(1.0, step)
    first = np.floor(centre - reach / 2 - 0.5).astype(np.int64)
    columns = first[:, None] + np.arange(int(np.ceil(reach)) + 3)
    if step > 1:
        low = np.maximum(columns - 0.5, (centre - step / 2)[:, None])
        high = np.minimum(columns + 0.5, (centre + step / 2)[:, None])
        weights = np.maximum(0.0, high - low) / step
    else:
        weights = np.maximum(0.0, 1 - np.abs(columns - centre[:, None]))
    return _build(columns, weights, (target, source), extend)


def gaussian(size: int, sigma: float) -> Operator:
    """Gaussian blur along an axis, edges extended; cut at 3.5 sigma."""
    radius = int(np.ceil(3.5 * sigma))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return _kernel(size, taps)


def box(size: int, length: int) -> Operator:
    """Running mean over an odd length, edges extended."""
    return _kernel(size, np.ones(length))


def _kernel(size: int, taps: NDArray[np.float64]) -> Operator:
    columns = np.arange(size)[:, None] + np.arange(len(taps)) - len(taps) // 2
    weights = np.broadcast_to(taps / taps.sum(), columns.shape)
    return _build(columns, weights, (size, size), True)


def _build(
    columns: NDArray[np.int64], weights: NDArray[np.float64], shape: tuple[int, int], extend: bool
) -> Operator:
    if not extend:
        weights = np.where((columns >= 0) & (columns < shape[1]), weights, 0.0)
    columns = np.clip(columns, 0, shape[1] - 1)
    rows = np.broadcast_to(np.arange(shape[0])[:, None], columns.shape)
    matrix = sparse.coo_array(
        (weights.ravel().astype(np.float32), (rows.ravel(), columns.ravel())), shape=shape
    ).tocsr()
    matrix.eliminate_zeros()
    return matrix
