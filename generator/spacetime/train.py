"""Train the embedded model: ``python -m generator.spacetime.train --minutes 85 --out .train/run --resume``.

Needs shards in OUT (``--render N`` makes them, beside a running trainer if wished: new shards are picked up
as they come). The schedule runs against wall-clock minutes, counted over restarts: it ends when it must,
not after a number of steps. Flow matching with x-prediction and v-loss; a third of the clips gets a clean
prefix (continuation).
"""

import argparse
import copy
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from .concepts import SLOT_NAMES, STAGE
from .dataset import fit_tokenizer, load_shards, write_shard
from .transformer import SpacetimeTransformer3DModel

CHECKPOINT_MINUTES = 3.0


@dataclass(frozen=True)
class Recipe:
    """All that decides a run, besides its minutes."""

    channels: int = 192
    width: int = 256
    num_layers: int = 6
    num_heads: int = 4
    learning_rate: float = 2e-3
    warmup_steps: int = 40
    cooldown_from: float = 0.45
    """Share of the run after which the rate falls linearly to 2 %."""
    windows: tuple[tuple[float, int, int], ...] = ((0.12, 1, 160), (0.30, 3, 64), (1.01, 6, 40))
    """(until this share of the run, latent frames, batch): layout is learnt from stills, at a sixth of the
    cost."""
    sigma_mean: float = 1.4
    sigma_std: float = 1.2
    object_weight: float = 4.0
    history_share: float = 0.3
    history_noise: float = 0.1
    all_dropped: float = 0.1
    slot_dropped: float = 0.1
    ema_decay: float = 0.99
    seed: int = 0


def drop_concepts(labels: Tensor, recipe: Recipe) -> Tensor:
    """Forget some slots (prompts leave things open) and, for guidance, everything but the stage of some
    clips."""
    b, slots = labels.shape
    forget = torch.rand(b, slots) < recipe.slot_dropped
    forget |= torch.rand(b, 1) < recipe.all_dropped
    forget[:, SLOT_NAMES.index(STAGE)] = False
    return labels.masked_fill(forget, 0)


def flow_loss(
    model: SpacetimeTransformer3DModel, x: Tensor, labels: Tensor, cover: Tensor, recipe: Recipe
) -> Tensor:
    """E || v(z, sigma) - (e - x) ||^2 over noisy frames, z = (1 - sigma) x + sigma e; objects weigh more.

    With x-prediction, v = (z - x_hat) / sigma, so the error in v is that in x divided by sigma. Plain MSE
    learns sky and ground first: objects are a few percent of the picture, hence the weight of their tokens.
    """
    b, frames = x.shape[:2]
    sigma = torch.sigmoid(recipe.sigma_mean + recipe.sigma_std * torch.randn(b, 1)).repeat(1, frames)
    known = torch.randint(1, frames, (b, 1)) if frames > 1 else torch.zeros(b, 1)
    history = (torch.arange(frames) < known) & (torch.rand(b, 1) < recipe.history_share)
    sigma = torch.where(history, recipe.history_noise * torch.rand(b, 1), sigma)
    s = sigma[:, :, None, None, None]
    z = (1 - s) * x + s * torch.randn_like(x)
    x_hat: Tensor = model(z, 1000 * sigma, labels).sample
    weight = (1 + recipe.object_weight * (3 * cover).clamp(max=1)) * ~history[:, :, None, None]
    error = (x_hat - x).square().mean(-1) / sigma[:, :, None, None].clamp_min(0.1) ** 2
    loss: Tensor = (weight * error).sum() / weight.sum()
    return loss


def optimizers(model: SpacetimeTransformer3DModel, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for all else."""
    names = ("qkv.weight", "out.weight", "up.weight", "down.weight")
    inside = [p for name, p in model.blocks.named_parameters() if name.endswith(names)]
    chosen = {id(p) for p in inside}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(inside, lr=recipe.learning_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=recipe.learning_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def train(out: Path, minutes: float, recipe: Recipe, *, resume: bool) -> None:
    """Train until ``minutes`` of wall-clock time are used up, over all restarts; state in
    ``out/state.pt``."""
    torch.manual_seed(recipe.seed)
    model = SpacetimeTransformer3DModel(
        in_channels=recipe.channels,
        width=recipe.width,
        num_layers=recipe.num_layers,
        num_heads=recipe.num_heads,
    )
    ema = copy.deepcopy(model)
    opts = optimizers(model, recipe)
    losses: list[float] = []
    step, seen, used = 0, 0, 0.0
    state_path = out / "state.pt"
    if resume and state_path.exists():
        state = torch.load(state_path, weights_only=True)
        model.load_state_dict(state["model"])
        ema.load_state_dict(state["ema"])
        for opt, saved in zip(opts, state["optimizers"], strict=True):
            opt.load_state_dict(saved)
        step, seen, used = state["step"], state["seen"], state["seconds"]
        torch.manual_seed(recipe.seed + 1 + step)

    def save() -> None:
        partial = state_path.with_suffix(".partial")
        optimizer_states = [opt.state_dict() for opt in opts]
        counts = {"step": step, "seen": seen, "seconds": used, "loss": sum(losses) / max(1, len(losses))}
        states = {"model": model.state_dict(), "ema": ema.state_dict(), "optimizers": optimizer_states}
        torch.save({**states, **counts, "recipe": asdict(recipe)}, partial)
        partial.replace(state_path)

    clips, shards = load_shards(out)
    order, cursor = torch.randperm(len(clips["labels"])), 0
    last, last_save, last_look = time.monotonic(), used, used
    while used < 60 * minutes:
        progress = used / (60 * minutes)
        frames, batch = next((f, b) for until, f, b in recipe.windows if progress < until)
        if cursor + batch > len(order) or used - last_look > 60:
            clips, shards = load_shards(out, clips, shards)
            order, cursor, last_look = torch.randperm(len(clips["labels"])), 0, used
        pick, cursor = order[cursor : cursor + batch], cursor + batch

        cooldown = min(1.0, max(0.02, (1 - progress) / (1 - recipe.cooldown_from)))
        rate = recipe.learning_rate * cooldown * min(1.0, (step + 1) / recipe.warmup_steps)
        labels = drop_concepts(clips["labels"][pick].long(), recipe)
        x, cover = clips["latents"][pick, :frames].float(), clips["cover"][pick, :frames].float()
        loss = flow_loss(model, x, labels, cover, recipe)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for opt in opts:
            for group in opt.param_groups:
                group["lr"] = rate
            opt.step()
            opt.zero_grad(set_to_none=True)
        step, seen = step + 1, seen + batch
        with torch.no_grad():
            decay = min(recipe.ema_decay, step / (step + 10))
            torch._foreach_lerp_(list(ema.parameters()), list(model.parameters()), 1 - decay)

        losses = [*losses[-49:], loss.item()]
        now = time.monotonic()
        used, last = used + now - last, now
        if step % 25 == 0:
            print(
                f"step {step} minutes {used / 60:.1f} loss {sum(losses) / len(losses):.4f} rate {rate:.1e} "
                f"frames {frames} clips {seen} of {len(order)} cpu {time.process_time():.0f}s",
                flush=True,
            )
        if used - last_save > 60 * CHECKPOINT_MINUTES:
            save()
            last_save = used
    save()


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the embedded spacetime model.")
    parser.add_argument("--out", type=Path, required=True, help="folder for shards, tokenizer and state")
    parser.add_argument("--minutes", type=float, default=85, help="wall-clock minutes, over all restarts")
    parser.add_argument("--render", type=int, default=0, help="render shards up to this number, then stop")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--threads", type=int, default=1, help="more than one only where cores are idle")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    recipe = Recipe()
    tokenizer = fit_tokenizer(arguments.out / "vae", recipe.channels)
    if arguments.render:
        for number in range(arguments.render):
            write_shard(arguments.out, number, tokenizer)
        return
    train(arguments.out, arguments.minutes, recipe, resume=arguments.resume)


if __name__ == "__main__":
    main()
