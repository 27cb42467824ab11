"""Measures of pictures and of sets of clips: pure functions, calibrated on the renderer by the tests.

Videos are floats in [0, 1], [T, 3, H, W]; features are [N, D].
"""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.linalg import sqrtm
from torch import Tensor

from generator.spacetime.tokenizer import PATCH_FRAMES


def flicker(video: Tensor, cover: Tensor) -> float:
    """Mean second difference in time, in 8-bit units, of pixels that no object comes near in any frame.

    ``cover`` [T, H, W]: of the objects. For clips with a static camera and clear weather. NaN if objects
    come everywhere.
    """
    touched = F.max_pool2d(cover.amax(0)[None, None], 13, 1, 6)[0, 0] > 0.02
    if bool(touched.all()):
        return float("nan")
    second = (video[2:] - 2 * video[1:-1] + video[:-2]).abs().mean((0, 1))
    return 255 * second[~touched].mean().item()


def identity_drift(rgb: Tensor, area: Tensor) -> tuple[float, float]:
    """(distance of an object's mean colour between the first and the last quarter of its frames, in 8-bit
    units; coefficient of variation of its area) of a track's ``rgb`` [T, 3] and ``area`` [T]; NaN for frames
    without it. NaN, NaN if it was seen in fewer than 8 frames."""
    seen = area.isfinite()
    if int(seen.sum()) < 8:
        return float("nan"), float("nan")
    rgb, area = rgb[seen], area[seen]
    quarter = len(rgb) // 4
    color = 255 * (rgb[:quarter].mean(0) - rgb[-quarter:].mean(0)).norm().item()
    return color, (area.std() / area.mean()).item()


def psnr_db(a: Tensor, b: Tensor, weight: Tensor) -> float:
    """Peak signal-to-noise ratio of two videos [T, 3, H, W] where ``weight`` [T, H, W] is 1."""
    error = ((a - b).square().mean(1) * weight).sum() / weight.sum().clamp_min(1)
    return -10 * error.clamp_min(1e-10).log10().item()


def frechet(a: Tensor, b: Tensor, basis: Tensor, components: int = 16) -> float:
    """Fréchet distance of two sets of features in the first principal components of ``basis`` (a third set,
    so that both are projected alike)."""
    mean = basis.mean(0)
    _, scale, axes = torch.linalg.svd(basis - mean, full_matrices=False)
    axes = axes[:components].T / (scale[:components] / (len(basis) - 1) ** 0.5).clamp_min(1e-6)
    x, y = (((s - mean) @ axes).double().numpy() for s in (a, b))
    cov_x, cov_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.real(sqrtm(cov_x @ cov_y))
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(cov_x + cov_y - 2 * root))


def diversity(features: Tensor) -> float:
    """Mean distance between any two of the features."""
    return torch.pdist(features).mean().item()


def nearest(latents: Tensor, training: list[Tensor]) -> Tensor:
    """Distances from each clip's latents to its two nearest neighbours in ``training``, [N, 2]."""
    query = latents.flatten(1).float()
    best = torch.full((len(query), 2), torch.inf)
    for shard in training:
        both = torch.cat([best, torch.cdist(query, shard.flatten(1).float())], 1)
        best = both.topk(2, largest=False).values
    return best


def drift_per_10s(video: Tensor, fps: int) -> dict[str, float]:
    """Slope of mean luma, saturation and edge energy over a long clip, in shares of their mean per 10 s."""
    luma = video.mean((1, 2, 3))
    saturation = (video.amax(1) - video.amin(1)).mean((1, 2))
    laplace = torch.tensor([[0.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 0.0]])[None, None]
    edges = F.conv2d(video.mean(1, keepdim=True), laplace).abs().mean((1, 2, 3))
    series = {"luma": luma, "saturation": saturation, "edges": edges}
    seconds = torch.arange(len(video)) / fps
    return {
        name: _slope(seconds, values) * 10 / max(values.mean().item(), 1e-6)
        for name, values in series.items()
    }


def join_jump(video: Tensor, joins: list[int]) -> float:
    """Mean step between frames where windows join, over the mean step at the other borders of latent frames.

    ``joins``: the first frame behind each join. 1: joins cannot be told from the rest. NaN without joins.
    """
    steps = (video[1:] - video[:-1]).abs().mean((1, 2, 3))
    border = torch.arange(1, len(video)) % PATCH_FRAMES == 0
    joined = torch.zeros_like(border)
    joined[[join - 1 for join in joins]] = True
    if not joins or not bool((border & ~joined).any()):
        return float("nan")
    return (steps[joined].median() / steps[border & ~joined].median().clamp_min(1e-6)).item()


def border_jump(video: Tensor) -> float:
    """Mean step between frames at borders of latent frames over the mean step inside of them; 1: no beat."""
    steps = (video[1:] - video[:-1]).abs().mean((1, 2, 3))
    border = torch.arange(1, len(video)) % PATCH_FRAMES == 0
    return (steps[border].mean() / steps[~border].mean().clamp_min(1e-6)).item()


def _slope(x: Tensor, y: Tensor) -> float:
    x = x - x.mean()
    return ((x * (y - y.mean())).sum() / x.square().sum()).item()
