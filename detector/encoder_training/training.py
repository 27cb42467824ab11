"""The loop: against wall-clock minutes, counted over restarts, with checkpoints."""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detector.encoder_training.architecture import (
    build,
    fit_tokenizer,
    model_config,
    to_batch,
    write_encoder,
)
from detector.encoder_training.frames import ClipFrames, Pairs
from detector.encoder_training.objective import LabelObjective, contrast, view_contrast
from detector.encoder_training.views import RENDERED_AREA, view
from detector.errors import TrainingDataError
from media import atomic_path

CHECKPOINT_SECONDS = 150.0


@dataclass(frozen=True)
class Recipe:
    """All that decides a run, besides its clips and minutes."""

    size: str = "small"
    side: int = 128
    clips: int = 48
    """Clips in a batch, two views each."""
    pairs: int = 64
    learning_rate: float = 2e-3
    warmup_steps: int = 30
    weight_decay: float = 0.05
    temperature: float = 0.15
    label_weight: float = 0.0
    """0: labels are not used, so an encoder may be measured on the clips that it saw."""
    adversary_weight: float = 0.3
    seed: int = 0


SELFTEST = Recipe(size="tiny", side=32, clips=4, pairs=4, label_weight=0.5)
SELFTEST_STEPS = 3


class Learner(nn.Module):
    """The encoder, and the heads that only training needs."""

    def __init__(self, config: dict[str, Any], is_ai_of_source: list[bool]) -> None:
        super().__init__()
        dim = config["embed_dim"]
        self.clip: Any = build(config)
        # Invariance to codec and scale is asked of a projection, so that the embedding may keep them.
        self.projection = nn.Sequential(
            nn.Linear(dim, dim), nn.BatchNorm1d(dim), nn.GELU(), nn.Linear(dim, dim)
        )
        self.labels = LabelObjective(dim, is_ai_of_source)

    def forward(
        self, pictures: Tensor, tokens: Tensor, views: Tensor, source: Tensor, recipe: Recipe
    ) -> dict[str, Tensor]:
        """The losses of pictures [P, ...] with tokens [P, L], and of views [2 C, ...] of clips of source
        [C].
        """
        with torch.autocast("cpu", torch.bfloat16):
            embedded = self.clip.visual(torch.cat([pictures, views])).float()
            said = self.clip.encode_text(tokens).float()
        shown, seen = embedded[: len(pictures)], embedded[len(pictures) :]
        first, second = self.projection(seen).chunk(2)
        losses = {
            "caption": contrast(shown, said, self.clip.logit_scale.clamp(max=math.log(100))),
            "views": view_contrast(first, second, recipe.temperature),
        }
        if recipe.label_weight:
            told = self.labels(seen, torch.cat([source, source]), recipe.adversary_weight)
            losses["label"] = recipe.label_weight * told
        return losses


class Batches:
    """Random batches of views and captioned pictures, drawn from one generator."""

    def __init__(self, clips: Sequence[ClipFrames], pairs: Pairs, tokenizer: Any, recipe: Recipe) -> None:
        self.clips, self.pairs, self.tokenizer, self.recipe = clips, pairs, tokenizer, recipe
        names, self.source, count = np.unique(
            [c.entry.source for c in clips], return_inverse=True, return_counts=True
        )
        self.is_ai_of_source = [next(c for c in clips if c.entry.source == n).entry.is_ai for n in names]
        chance = 1 / np.sqrt(count[self.source])
        self._chance = chance / chance.sum()
        self.drawn = min(recipe.clips, len(clips))

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pictures [P, 3, S, S], tokens [P, L], views [2 C, 3, S, S] (first views, then second), source [C]."""
        side, pairs = self.recipe.side, self.pairs
        shown = rng.integers(len(pairs.pictures), size=self.recipe.pairs)
        said = [(pairs.en, pairs.zh)[rng.integers(2)][k] for k in shown]
        pictures = [view(pairs.pictures[k], side, rng, RENDERED_AREA) for k in shown]
        chosen = rng.choice(len(self.clips), self.drawn, replace=False, p=self._chance)
        views = [
            view(self.clips[k].frames[rng.integers(len(self.clips[k].frames))], side, rng)
            for _ in range(2)
            for k in chosen
        ]
        source = torch.from_numpy(self.source[chosen])
        return to_batch(pictures), tokenise(self.tokenizer, said), to_batch(views), source


def tokenise(tokenizer: Any, sentences: Sequence[str]) -> Tensor:
    """int64 [N, L] of sentences, as open_clip's own wrapper makes them."""
    tokens: Tensor = tokenizer(
        list(sentences), return_tensors="pt", padding="max_length", truncation=True
    ).input_ids
    return tokens


def train_encoder(
    clips: Sequence[ClipFrames],
    pairs: Pairs,
    out: Path,
    minutes: float,
    recipe: Recipe,
    *,
    resume: bool,
    most_steps: int | None = None,
    start_from: Path | None = None,
    progress: Callable[[str], None],
) -> None:
    """Trains until `minutes` of wall-clock time or `most_steps` are used up, over all restarts, and writes
    the encoder.

    The state is `out/state.pt`, the encoder `out/encoder`. `start_from` is the state file of another run
    whose encoder this one goes on from. Raises `TrainingDataError` where a state is of another recipe.
    """
    torch.manual_seed(recipe.seed)
    config = model_config(recipe.size)
    tokenizer = fit_tokenizer((*pairs.en, *pairs.zh), config["text_cfg"]["vocab_size"])
    batches = Batches(clips, pairs, tokenizer, recipe)
    learner = Learner(config, batches.is_ai_of_source)
    matrices = [p for p in learner.parameters() if p.ndim > 1]
    others = [p for p in learner.parameters() if p.ndim <= 1]
    param_groups: list[dict[str, Any]] = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(
        param_groups,
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        betas=(0.9, 0.98),
    )
    step, used, further = 0, 0.0, start_from is not None
    state_path = out / "state.pt"
    if resume and state_path.exists():
        state = torch.load(state_path, weights_only=True)
        if state["recipe"] != dataclasses.asdict(recipe):
            raise TrainingDataError(
                f"{state_path} is of another recipe: {state['recipe']}",
                hint="Resume with the options that it was begun with, or give another --out.",
            )
        learner.load_state_dict(state["learner"])
        optimizer.load_state_dict(state["optimizer"])
        step, used, further = state["step"], state["seconds"], state["further"]
    elif start_from is not None:
        begun = torch.load(start_from, weights_only=True)["learner"]
        learner.load_state_dict({k: v for k, v in begun.items() if not k.startswith("labels.")}, strict=False)

    def save() -> None:
        with atomic_path(state_path) as temporary:
            torch.save(
                {
                    "learner": learner.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "recipe": dataclasses.asdict(recipe),
                    "step": step,
                    "seconds": used,
                    "further": further,
                },
                temporary,
            )
        card = render_card(clips, len(pairs.pictures), recipe, step, used, further)
        write_encoder(out / "encoder", learner.clip, config, tokenizer, card)

    rng = np.random.default_rng([recipe.seed, step])
    last, saved = time.monotonic(), used
    recent: dict[str, list[float]] = {}
    while used < 60 * minutes and (most_steps is None or step < most_steps):
        done = used / (60 * minutes)
        rate = recipe.learning_rate * min(1.0, (step + 1) / recipe.warmup_steps)
        for group in optimizer.param_groups:
            group["lr"] = rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
        losses: dict[str, Tensor] = learner(*batches.draw(rng), recipe)
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        step += 1
        for name, loss in losses.items():
            recent[name] = [*recent.get(name, [])[-19:], loss.item()]
        now = time.monotonic()
        used, last = used + now - last, now
        if step % 20 == 0:
            means = " ".join(f"{name} {np.mean(values):.3f}" for name, values in recent.items())
            progress(f"step {step} minutes {used / 60:.1f} {means} cpu {time.process_time():.0f}s")
        if used - saved > CHECKPOINT_SECONDS:
            save()
            saved = used
    save()


def render_card(
    clips: Sequence[ClipFrames], pictures: int, recipe: Recipe, steps: int, seconds: float, further: bool
) -> str:
    """The model card of an encoder: what went in, and what it must not be taken for.

    `further` says that the run began with another run's encoder, whose clips are not counted here.
    """
    begun = "from the encoder of an earlier run of the same training" if further else "from random weights"
    count = {label: sum(c.entry.is_ai is label for c in clips) for label in (True, False)}
    labels = "with" if recipe.label_weight else "without"
    return f"""# Model card: own encoder

An image-text encoder in open_clip's format, trained {begun}: no pretrained weights, no teacher.

- {pictures} pictures of a rendered world with sentences in English and Chinese (CLIP's loss)
- Frames of {count[True]} AI clips and {count[False]} camera clips, {labels} labels (two views of a clip)
- {steps} steps of {recipe.pairs} pictures and {recipe.clips} clips, {seconds / 60:.0f} minutes

It knows the words of that world and no others. Clips that it was trained on are no measure of it where
labels were used. It is not evidence of anything by itself: fit a head and measure that.
"""
