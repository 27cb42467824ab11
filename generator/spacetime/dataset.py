"""Training shards: scenes rendered once and kept as latents with their layouts, never as pixels.

A shard holds one second (six latent frames) of each of its scenes: ``latents`` bfloat16 [N, 6, rows,
columns, C], ``cover`` float16 [N, 6, rows, columns], the share of each token that objects cover, and the
tensors of the :class:`~generator.spacetime.physics.Layout`. Shard k is drawn from seed ``SEED + k``, so that
it is the same wherever and whenever it is rendered; seeds below ``SEED`` belong to held-out scenes.
"""

from pathlib import Path
from typing import Any

import torch

from .physics import LAYOUT_TENSORS, Layout, sample_scenes
from .tokenizer import PATCH_FRAMES, SpacetimeTokenizer, token_cover
from .world import render

SEED = 1_000
SHARD_CLIPS = 96
WINDOW = 6
"""Latent frames of a training window: one second."""
GRIDS = ((8, 8), (6, 10), (8, 8), (10, 6), (8, 8))
"""Formats (rows, columns of tokens), shard by shard in turn: square, 5:3, square, 3:5, square."""


def fit_tokenizer(folder: Path, channels: int, clips: int = 500) -> SpacetimeTokenizer:
    """The tokenizer of ``folder``; fitted to ``clips`` random scenes on first use."""
    if not (folder / "config.json").exists():
        scenes = sample_scenes(clips, torch.Generator().manual_seed(SEED - 1))
        video, cover, _ = render(scenes, 2 * PATCH_FRAMES)
        SpacetimeTokenizer.fit(video, cover, channels).save_pretrained(folder)
    tokenizer: SpacetimeTokenizer = SpacetimeTokenizer.from_pretrained(folder)
    return tokenizer


def write_shard(folder: Path, number: int, tokenizer: SpacetimeTokenizer, clips: int = SHARD_CLIPS) -> None:
    """Render, encode and store shard ``number``; a shard that is there already is left alone."""
    path = folder / f"shard-{number:04d}.pt"
    if path.exists():
        return
    grid = GRIDS[number % len(GRIDS)]
    scenes = sample_scenes(clips, torch.Generator().manual_seed(SEED + number), grid=grid)
    latents, shares = [], []
    video, cover, layout = render(scenes, WINDOW * PATCH_FRAMES)
    for index in torch.arange(clips).split(16):
        latents.append(tokenizer.encode(video[index]).bfloat16())
        shares.append(token_cover(cover[index]).half())
    shard: dict[str, Any] = {"latents": torch.cat(latents), "cover": torch.cat(shares), "grid": grid}
    shard |= {name: getattr(layout, name) for name in LAYOUT_TENSORS}
    partial = path.with_suffix(".partial")
    torch.save(shard, partial)
    partial.replace(path)  # a reader never sees half a shard


def load_shards(folder: Path, have: int = 0) -> list[tuple[torch.Tensor, torch.Tensor, Layout]]:
    """(latents, cover, layout) of every shard of ``folder`` after the first ``have``."""
    loaded = []
    for path in sorted(folder.glob("shard-*.pt"))[have:]:
        shard = torch.load(path, weights_only=True)
        layout = Layout(**{name: shard[name] for name in LAYOUT_TENSORS}, grid=tuple(shard["grid"]))
        loaded.append((shard["latents"], shard["cover"], layout))
    return loaded
