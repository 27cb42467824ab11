"""Training shards: scenes rendered once and kept as latents, never as pixels.

A shard holds ``latents`` bfloat16 [N, 6, 4, 4, C], ``labels`` int16 [N, slots] and ``cover`` float16 [N, 6,
4, 4], the share of each token that objects cover. Shard k is drawn from seed ``SEED + k``, so that a shard
is the same wherever and whenever it is rendered; seeds below ``SEED`` belong to the held-out scenes.
"""

from pathlib import Path

import torch
from torch import Tensor

from .tokenizer import SpacetimeTokenizer, patchify
from .world import render, sample_scenes

SEED = 1_000
SHARD_CLIPS = 512


def fit_tokenizer(folder: Path, channels: int, clips: int = 900) -> SpacetimeTokenizer:
    """The tokenizer of ``folder``; fitted to ``clips`` random scenes on first use."""
    if not (folder / "config.json").exists():
        video, _, _ = render(sample_scenes(clips, torch.Generator().manual_seed(SEED - 1)))
        SpacetimeTokenizer.fit(video, channels).save_pretrained(folder)
    tokenizer: SpacetimeTokenizer = SpacetimeTokenizer.from_pretrained(folder)
    return tokenizer


def token_cover(cover: Tensor) -> Tensor:
    """Object cover [B, T, H, W] to the share of each latent token [B, T/4, H/24, W/24]."""
    return patchify(cover[:, :, None].expand(-1, -1, 3, -1, -1)).mean(-1)


def write_shard(folder: Path, number: int, tokenizer: SpacetimeTokenizer, clips: int = SHARD_CLIPS) -> None:
    """Render, encode and store shard ``number``; a shard that is there already is left alone."""
    path = folder / f"shard-{number:04d}.pt"
    if path.exists():
        return
    scenes = sample_scenes(clips, torch.Generator().manual_seed(SEED + number))
    latents, shares = [], []
    for index in torch.arange(clips).split(64):
        video, cover, _ = render(scenes[index])
        latents.append(tokenizer.encode(video).bfloat16())
        shares.append(token_cover(cover).half())
    shard = {"latents": torch.cat(latents), "labels": scenes.labels.short(), "cover": torch.cat(shares)}
    partial = path.with_suffix(".partial")
    torch.save(shard, partial)
    partial.replace(path)  # a reader never sees half a shard


def load_shards(
    folder: Path, known: dict[str, Tensor] | None = None, have: int = 0
) -> tuple[dict[str, Tensor], int]:
    """All shards of ``folder`` joined, and their number; ``known`` holds the first ``have`` of them
    already."""
    paths = sorted(folder.glob("shard-*.pt"))
    parts = ([known] if known else []) + [torch.load(p, weights_only=True) for p in paths[have:]]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}, len(paths)
