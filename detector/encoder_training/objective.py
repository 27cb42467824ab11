"""What the encoder is trained to do: three losses, in the order of how much they are told."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def contrast(images: Tensor, sentences: Tensor, scale: Tensor) -> Tensor:
    """CLIP's loss (Radford et al. 2021) of embeddings [N, D] that belong together row by row."""
    logits = scale.exp() * F.normalize(images, dim=-1) @ F.normalize(sentences, dim=-1).mT
    target = torch.arange(len(logits))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.mT, target)) / 2


def view_contrast(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """NT-Xent (Chen et al. 2020) of two views [N, D] of N clips: every other view in the batch is another
    clip.
    """
    z = F.normalize(torch.cat([first, second]), dim=-1)
    logits = z @ z.mT / temperature
    logits = logits.masked_fill(torch.eye(len(z), dtype=torch.bool), float("-inf"))
    return F.cross_entropy(logits, torch.arange(len(z)).roll(len(first)))


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return -gradients[0]


class LabelObjective(nn.Module):
    """AI or camera, and against it: which source, read through a reversed gradient (Ganin et al. 2016).

    A source determines its label, so an adversary that told all sources apart would erase the label, too;
    this one only tells apart the sources of one label.
    """

    is_ai_of_source: Tensor

    def __init__(self, dim: int, is_ai_of_source: list[bool]) -> None:
        super().__init__()
        self.label = nn.Linear(dim, 1)
        self.source = nn.Sequential(nn.Linear(dim, 64), nn.GELU(), nn.Linear(64, len(is_ai_of_source)))
        self.register_buffer("is_ai_of_source", torch.tensor(is_ai_of_source))

    def forward(self, embeddings: Tensor, source: Tensor, adversary_weight: float) -> Tensor:
        """The loss of embeddings [N, D] of clips from source [N]; both labels weigh the same."""
        of_source = self.is_ai_of_source
        is_ai = of_source[source]
        x = F.normalize(embeddings, dim=-1) * embeddings.shape[-1] ** 0.5
        share = is_ai.float().mean().clamp(0.05, 0.95)
        weight = torch.where(is_ai, 0.5 / share, 0.5 / (1 - share))
        label = F.binary_cross_entropy_with_logits(self.label(x)[:, 0], is_ai.float(), weight)
        reversed_x: Tensor = _Reversed.apply(x)
        other = of_source[None, :] != is_ai[:, None]
        told = self.source(reversed_x).masked_fill(other, float("-inf"))
        return label + adversary_weight * F.cross_entropy(told, source)
