"""A probe: reads from the latents of one second of video what is to be seen in it.

It learns from rendered clips, whose truth is known, and judges generated ones. Besides the slots it learns
which kind of object of which colour stands in every token and how it moves, and how the view moves: the
layouts of the shards give that for nothing, and every token teaches where else only a clip would.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generator.spacetime.concepts import SLOT_SIZES, STAGE, slot_index
from generator.spacetime.dataset import WINDOW, load_shards
from generator.spacetime.physics import KINDS, OBJECTS, Layout, extent, visible
from generator.spacetime.tokenizer import PATCH_FRAMES

PROBED: Final = (
    "event", "shape", "color", "count", "light", "ground", "backdrop", "weather", "camera", "speed", "direction",
)  # fmt: skip
OPENING: Final = frozenset({"camera", "speed", "direction"})
"""What a clip shows only while its event opens: later a pan goes back, and a ball that was hurled lies still."""
_COLORS: Final = SLOT_SIZES[slot_index("color")]
_NOISE: Final = 0.35
"""Most noise on training latents, so that the residue of a codec or of a sampler does not mislead."""


class Probe(nn.Module):
    """Latents [B, F, rows, columns, channels] of any format to the logits of every probed slot."""

    def __init__(self, channels: int, width: int = 64, blocks: int = 3) -> None:
        super().__init__()
        self.take_in = nn.Linear(channels + 10, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(blocks))
        self.space = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(blocks))
        self.time = nn.ModuleList(nn.Linear(3 * width, width) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.kind = nn.Linear(width, len(KINDS))
        self.tint = nn.Linear(width, _COLORS)
        self.moved = nn.Linear(width, 2)
        self.view = nn.Linear(width, 2)
        self.look = nn.Linear(width, len(PROBED))
        self.mix = nn.Sequential(nn.Linear(3 * width, 2 * width), nn.SiLU(), nn.Dropout(0.2))
        self.heads = nn.ModuleDict({s: nn.Linear(2 * width, SLOT_SIZES[slot_index(s)]) for s in PROBED})

    def tokens(self, latents: Tensor) -> Tensor:
        """What the probe makes of every token, [B, F, rows, columns, width]."""
        b, f, rows, columns, _ = latents.shape
        x = self.take_in(torch.cat([latents, _places(f, rows, columns).expand(b, -1, -1, -1, -1)], -1))
        for norm, space, time in zip(self.norms, self.space, self.time, strict=True):
            h = norm(x).flatten(0, 1).permute(0, 3, 1, 2)  # [B*F, width, rows, columns]
            h = F.silu(space(h)).permute(0, 2, 3, 1).unflatten(0, (b, f))
            around = torch.cat([h[:, :1], h, h[:, -1:]], 1)
            x = x + time(torch.cat([around[:, :-2], h, around[:, 2:]], -1))
        normed: Tensor = self.norm(x)
        return normed

    def pooled(self, tokens: Tensor) -> Tensor:
        """What each slot's head is given, [B, slots, 2 * width]: mean, maximum, and where that slot looks."""
        x = tokens.flatten(1, 3)  # [B, N, width]
        looked = self.look(x).softmax(1).mT @ x  # [B, slots, width]
        whole = torch.cat([x.mean(1), x.amax(1)], -1)[:, None].expand(-1, looked.shape[1], -1)
        mixed: Tensor = self.mix(torch.cat([looked, whole], -1))
        return mixed

    def forward(self, latents: Tensor) -> dict[str, Tensor]:
        return self.read(self.pooled(self.tokens(latents)))

    def read(self, pooled: Tensor) -> dict[str, Tensor]:
        return {slot: self.heads[slot](pooled[:, k]) for k, slot in enumerate(PROBED)}

    @torch.no_grad()
    def features(self, latents: Tensor) -> Tensor:
        """One vector a clip, [B, 2 * width]: the mean over slots of what the heads are given."""
        return torch.cat([self.pooled(self.tokens(part.float())).mean(1) for part in latents.split(32)])

    @torch.no_grad()
    def log_probabilities(self, latents: Tensor) -> dict[str, Tensor]:
        """Log probability of every value of every slot, [B, values]."""
        parts = [self(part.float()) for part in latents.split(32)]
        return {slot: torch.cat([p[slot] for p in parts]).log_softmax(-1) for slot in PROBED}


def _places(frames: int, rows: int, columns: int) -> Tensor:
    """Where a token is, [1, F, rows, columns, 10], in units of the view's height and of the clip's length."""
    t = torch.arange(frames) / WINDOW
    y, x = torch.arange(rows) / rows, (torch.arange(columns) + 0.5 - columns / 2) / 8
    t, y, x = torch.meshgrid(t, y, x, indexing="ij")
    waves = [f(math.pi * k * v) for v in (y, x) for k in (1, 2) for f in (torch.sin, torch.cos)]
    return torch.stack([*waves, t, x.abs()], -1)[None]


def object_maps(layout: Layout) -> tuple[Tensor, Tensor, Tensor]:
    """Of the object whose centre lies in each token: kind (0: none) and colour, int64 [B, F, rows, columns],
    and how far it moves within the latent frame, [..., 2] in tokens."""
    rows, columns = layout.grid
    wide, tall = extent(layout.grid)
    b, t = layout.tilt.shape[:2]
    kinds = torch.zeros(b, t // PATCH_FRAMES, rows, columns, dtype=torch.long)
    colors = torch.zeros_like(kinds)
    moved = torch.zeros(*kinds.shape, 2)
    steps = 4 * (
        layout.xy[:, PATCH_FRAMES - 1 :: PATCH_FRAMES] - layout.xy[:, ::PATCH_FRAMES]
    )  # 4 tokens a unit
    middle = slice(PATCH_FRAMES // 2, None, PATCH_FRAMES)
    pan, zoom = layout.camera[:, middle].unbind(-1)
    for slot in reversed(range(OBJECTS)):
        x, y = layout.xy[:, middle, slot].unbind(-1)
        column = (((x - pan) / zoom + wide) / (2 * wide) * columns).floor().long()
        row = ((tall - y / zoom) / (2 * tall) * rows).floor().long()
        kind = layout.kind[:, slot, None].expand_as(row)
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        inside &= (kind > 0) & (kind != KINDS.index("rope"))
        clip, frame = inside.nonzero(as_tuple=True)
        at = (clip, frame, row[inside], column[inside])
        kinds[at] = kind[inside]
        colors[at] = layout.color[:, slot, None].expand_as(row)[inside]
        moved[at] = steps[:, :, slot][inside].clamp(-3, 3)
    return kinds, colors, moved


def view_motion(layout: Layout) -> Tensor:
    """How the view pans and zooms from one latent frame's begin to its end, [B, F, 2], of unit size."""
    step = layout.camera[:, PATCH_FRAMES - 1 :: PATCH_FRAMES] - layout.camera[:, ::PATCH_FRAMES]
    return step * torch.tensor([30.0, 50.0])


def targets(ids: Tensor) -> Tensor:
    """Value indices [B, probed slots] of scenes with ``ids``; -1 for what is not to be seen."""
    labels = visible(ids)
    columns = []
    for slot in PROBED:
        value = labels[:, slot_index(slot)] - 1
        later = ids[:, slot_index(STAGE)] == 2
        columns.append(torch.where(later, -1, value) if slot in OPENING else value)
    return torch.stack(columns, 1)


Batch = tuple[Tensor, ...]
"""Latents, slot targets, kinds, colours and steps of the objects in tokens, motion of the view."""


def train_probe(folder: Path, clips_seen: int = 60_000, batch: int = 32, seed: int = 0) -> Probe:
    """A probe of the shards of ``folder``. Raises ``FileNotFoundError`` if there is none.

    ``clips_seen`` counts repetitions; 60,000 take some ten minutes of one core.
    """
    shards = load_shards(folder)
    if not shards:
        raise FileNotFoundError(f"no shard-*.pt in {folder}")
    examples = [
        (z, targets(layout.ids), *object_maps(layout), view_motion(layout)) for z, _, layout in shards
    ]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        probe = Probe(examples[0][0].shape[-1])
        optimizer = torch.optim.AdamW(probe.parameters(), lr=2e-3, weight_decay=0.05)
        steps = clips_seen // batch
        for step, (z, wanted, kinds, colors, moved, view) in zip(
            range(steps), _batches(examples, batch), strict=False
        ):
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * min(1.0, (step + 1) / 50, 1.5 * (1 - step / steps))
            z = z.float()
            z = z + _NOISE * torch.rand(len(z), 1, 1, 1, 1) * torch.randn_like(z)
            tokens = probe.tokens(z)
            logits = probe.read(probe.pooled(tokens))
            kind, tint = probe.kind(tokens), probe.tint(tokens)
            loss = torch.stack([_entropy(logits[slot], wanted[:, k]) for k, slot in enumerate(PROBED)]).sum()
            # Nearly all tokens hold nothing: the others weigh more.
            weight = torch.where(torch.arange(len(KINDS)) == 0, 0.1, 1.0)
            loss = loss + F.cross_entropy(kind.flatten(0, 3), kinds.flatten(), weight=weight)
            loss = loss + _entropy(tint.flatten(0, 3), torch.where(kinds > 0, colors, -1).flatten())
            here = kinds > 0
            steps_off = F.smooth_l1_loss(probe.moved(tokens)[here], moved[here], reduction="sum")
            loss = loss + steps_off / here.sum().clamp_min(1)
            loss = loss + F.smooth_l1_loss(probe.view(tokens).mean((2, 3)), view)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(probe.parameters(), 1.0)
            optimizer.step()
    return probe.eval()


def _entropy(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross entropy over what is to be seen; 0 if that is nothing."""
    seen = wanted >= 0
    return F.cross_entropy(logits[seen], wanted[seen]) if bool(seen.any()) else logits.sum() * 0


def _batches(examples: list[Batch], batch: int) -> Iterator[Batch]:
    """Batches of one format each, for ever, every clip once a round."""
    formats: dict[tuple[int, ...], list[Batch]] = {}
    for example in examples:
        formats.setdefault(tuple(example[0].shape[1:]), []).append(example)
    joined = [[torch.cat(parts) for parts in zip(*group, strict=True)] for group in formats.values()]
    while True:
        picks = [(k, p) for k, g in enumerate(joined) for p in torch.randperm(len(g[0])).split(batch)]
        for number in torch.randperm(len(picks)).tolist():
            k, pick = picks[number]
            yield tuple(part[pick] for part in joined[k])


def probe_of(work: Path, shards: Path) -> Probe:
    """The probe that an earlier run left in ``work``, else a new one, which is kept there."""
    path = work / "probe.pt"
    if path.exists():
        state = torch.load(path, weights_only=True)
        probe = Probe(state["take_in.weight"].shape[1] - 10)
        probe.load_state_dict(state)
        return probe.eval()
    probe = train_probe(shards)
    work.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(probe.state_dict(), partial)
    partial.replace(path)
    return probe
