"""Train the embedded model: ``python -m generator.spacetime.train painter --minutes 85 --out .train/run``.

Four networks, each with a budget in wall-clock minutes counted over restarts, and a state that a later run
goes on from: the *painter* and the *reader* (both need ``shards``, which can be made beside a running
trainer), the *planner* and the *refiner* (both draw their own data). A schedule ends when it must, not after
a number of steps.
"""

import argparse
import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor, nn

from .dataset import GRIDS, WINDOW, fit_tokenizer, load_shards, write_shard
from .features import object_features, scenery_features
from .muon import Muon
from .physics import Layout, sample_scenes, simulate
from .planner import PLAN_WINDOW, STATE, MotionTransformer, moves, surroundings, to_plan
from .reader import LayoutReader, reader_loss
from .refiner import SpacetimeRefiner
from .sampling import denoise
from .tokenizer import PATCH_FRAMES, SpacetimeTokenizer
from .transformer import SpacetimeTransformer3DModel
from .world import PIXELS, draw

CHECKPOINT_MINUTES = 3.0
PLANS_SEED = 1_000_000
"""Seeds of the planner's scenes lie above those of all shards."""


@dataclass(frozen=True)
class Schedule:
    """How fast a network learns over its budget."""

    learning_rate: float = 2e-3
    warmup_steps: int = 40
    cooldown_from: float = 0.45
    """Share of the run after which the rate falls linearly to 2 %."""
    ema_decay: float = 0.995
    seed: int = 0
    most_steps: int | None = None
    """End after so many steps, if that comes before the end of the time."""

    def rate(self, progress: float, step: int) -> float:
        cooldown = min(1.0, max(0.02, (1 - progress) / (1 - self.cooldown_from)))
        return self.learning_rate * cooldown * min(1.0, (step + 1) / self.warmup_steps)


@dataclass(frozen=True)
class Painting:
    """What decides the painter's training, besides its schedule."""

    channels: int = 192
    width: int = 256
    num_layers: int = 6
    num_heads: int = 4
    windows: tuple[tuple[float, int, int], ...] = ((0.5, 1, 48), (0.75, 3, 16), (1.01, WINDOW, 9))
    """(until this share of the run, latent frames, batch): stills come first, as frames of one scene are much
    alike and more scenes teach more."""
    sigma_mean: float = 1.4
    sigma_std: float = 1.2
    object_weight: float = 4.0
    known_share: float = 0.4
    """Share of the windows in which some frames are given: the first, the last, both, or any."""
    known_noise: float = 0.1


@dataclass(frozen=True)
class Planning:
    """What decides the planner's training, besides its schedule."""

    width: int = 192
    num_layers: int = 5
    num_heads: int = 4
    batch: int = 128
    pool: int = 4096
    """Windows that are simulated at once."""
    reuse: int = 3
    """How often a pool is gone through."""
    sigma_mean: float = 1.0
    sigma_std: float = 1.5
    least_sigma: float = 0.2
    """Errors weigh 1 / sigma^2, but no more than at this sigma: or the last digits of a track count for more
    than which way it goes."""
    known_share: float = 0.5
    known_noise: float = 0.03


@dataclass(frozen=True)
class Refining:
    """What decides the refiner's training, besides its schedule."""

    width: int = 64
    num_layers: int = 4
    scenes: int = 24
    """Scenes that are rendered at once, four frames of each."""
    reuse: int = 5
    batch: int = 4
    latent_noise: float = 0.3
    """Most noise on latents that were encoded."""
    painted: float = 0.7
    """Share of the scenes that the painter paints around their true layouts, where there is a painter: what the
    refiner has to mend in the end is the painter's work."""
    paint_steps: int = 6
    edge_weight: float = 1.0


@dataclass(frozen=True)
class Reading:
    """What decides the reader's training, besides its schedule."""

    width: int = 160
    num_layers: int = 4
    num_heads: int = 4
    batch: int = 48
    latent_noise: float = 0.25


Losses = Callable[[nn.Module, float], Tensor]
"""``loss(network, progress)`` draws a batch and returns its loss; progress runs from 0 to 1."""


def known_frames(b: int, frames: int, share: float) -> Tensor:
    """Bool [B, F]: which latent frames are given, for a ``share`` of the windows: a beginning (image to
    video, extension), an end (extension backward), both (interpolation), or any frames."""
    place = torch.arange(frames).expand(b, frames)
    first = torch.randint(1, max(2, frames), (b, 1))
    last = torch.randint(1, max(2, frames), (b, 1))
    begins, ends = place < first, place >= frames - last
    mode = torch.rand(b, 1)
    known = torch.where(mode < 0.5, begins, torch.where(mode < 0.65, ends, torch.rand(b, frames) < 0.4))
    known = torch.where(mode > 0.85, (place == 0) | (place == frames - 1), known)
    known = known & (torch.rand(b, 1) < share) & (frames > 1)
    return known & ~known.all(1, keepdim=True)


def device_of(network: nn.Module) -> torch.device:
    """Where a network's weights lie: batches are drawn on the CPU and follow it."""
    return next((p.device for p in network.parameters()), torch.device("cpu"))


def painter_loss(painter: nn.Module, x: Tensor, cover: Tensor, layout: Layout, recipe: Painting) -> Tensor:
    """E || v(z, sigma) - (e - x) ||^2 over noisy frames, z = (1 - sigma) x + sigma e; objects weigh more.

    With x-prediction, v = (z - x_hat) / sigma, so the error in v is that in x divided by sigma. Plain MSE
    learns sky and ground first: objects are a few percent of the picture, hence the weight of their tokens.
    """
    b, frames = x.shape[:2]
    sigma = torch.sigmoid(recipe.sigma_mean + recipe.sigma_std * torch.randn(b, 1)).repeat(1, frames)
    known = known_frames(b, frames, recipe.known_share)
    sigma = torch.where(known, recipe.known_noise * torch.rand(b, 1), sigma)
    told = [layout.ids, scenery_features(layout), object_features(layout), layout.kind, layout.color]
    x, cover, sigma, known, *told = (t.to(device_of(painter)) for t in (x, cover, sigma, known, *told))
    s = sigma[:, :, None, None, None]
    z = (1 - s) * x + s * torch.randn_like(x)
    x_hat = painter(z, 1000 * sigma, *told).sample
    weight = (1 + recipe.object_weight * (3 * cover).clamp(max=1)) * ~known[:, :, None, None]
    error = (x_hat - x).square().mean(-1) / sigma[:, :, None, None].clamp_min(0.1) ** 2
    loss: Tensor = (weight * error).sum() / weight.sum()
    return loss


class Painter:
    """Batches for the painter out of the shards of a folder; new shards are taken up as they come."""

    def __init__(self, folder: Path, recipe: Painting) -> None:
        self.folder, self.recipe = folder, recipe
        self.shards = load_shards(folder)
        self.looked = time.monotonic()

    def draw(self, frames: int, batch: int) -> tuple[Tensor, Tensor, Layout]:
        """A batch of one format; windows of ``frames`` latent frames."""
        grid = self.shards[int(torch.randint(len(self.shards), ()))][2].grid
        same = [shard for shard in self.shards if shard[2].grid == grid]
        parts = []
        each = max(1, batch // min(len(same), 8))
        for number in torch.randperm(len(same))[: batch // each].tolist():
            latents, cover, layout = same[number]
            rows = torch.randperm(len(latents))[:each]
            first = int(torch.randint(WINDOW - frames + 1, ()))
            window = layout[rows].window(PATCH_FRAMES * first, PATCH_FRAMES * frames)
            span = slice(first, first + frames)
            parts.append((latents[rows, span].float(), cover[rows, span].float(), window))
        latents, cover, layouts = zip(*parts, strict=True)
        return torch.cat(latents), torch.cat(cover), Layout.join(layouts)

    def __call__(self, painter: nn.Module, progress: float) -> Tensor:
        if time.monotonic() - self.looked > 60:
            self.shards += load_shards(self.folder, len(self.shards))
            self.looked = time.monotonic()
        frames, batch = next((f, b) for until, f, b in self.recipe.windows if progress < until)
        x, cover, layout = self.draw(frames, batch)
        return painter_loss(painter, x, cover, layout, self.recipe)


class Planner:
    """Batches for the planner, simulated as they are needed."""

    def __init__(self, recipe: Planning) -> None:
        self.recipe = recipe
        self.batches = self._simulated()

    def _simulated(self) -> Iterator[Layout]:
        seed = int(torch.randint(2**31, ())) + PLANS_SEED
        while True:
            seed += 1
            grid = GRIDS[seed % len(GRIDS)]
            scenes = sample_scenes(self.recipe.pool, torch.Generator().manual_seed(seed), grid=grid)
            pool = simulate(scenes, PLAN_WINDOW * PATCH_FRAMES)
            for _ in range(self.recipe.reuse):
                for pick in torch.randperm(self.recipe.pool).split(self.recipe.batch):
                    yield pool[pick]

    def __call__(self, planner: nn.Module, progress: float) -> Tensor:
        return planner_loss(planner, next(self.batches), self.recipe)


def planner_loss(planner: nn.Module, layout: Layout, recipe: Planning) -> Tensor:
    """As :func:`painter_loss`, over the numbers of what moves."""
    x = to_plan(layout)
    b, frames = x.shape[:2]
    sigma = torch.sigmoid(recipe.sigma_mean + recipe.sigma_std * torch.randn(b, 1)).repeat(1, frames)
    known = known_frames(b, frames, recipe.known_share)
    sigma = torch.where(known, recipe.known_noise * torch.rand(b, 1), sigma)
    moving = moves(layout.kind).repeat(1, PATCH_FRAMES).repeat_interleave(STATE, 1)[:, None]  # [B, 1, C]
    told = [layout.ids, surroundings(layout)]
    x, sigma, known, moving, *told = (t.to(device_of(planner)) for t in (x, sigma, known, moving, *told))
    s = sigma[:, :, None]
    z = (1 - s) * x + s * torch.randn_like(x)
    x_hat = planner(z, 1000 * sigma, *told).sample
    weight = moving * ~known[:, :, None] / s.clamp_min(recipe.least_sigma) ** 2
    loss: Tensor = (weight * (x_hat - x).square()).sum() / (moving * ~known[:, :, None]).sum()
    return loss


def train_planner(out: Path, minutes: float, recipe: Planning, schedule: Schedule) -> nn.Module:
    """The planner; its state is ``out/planner.pt``."""
    torch.manual_seed(schedule.seed)
    planner = MotionTransformer(width=recipe.width, num_layers=recipe.num_layers, num_heads=recipe.num_heads)
    return fit(planner, Planner(recipe), out / "planner.pt", minutes, schedule, recipe)


class Refiner:
    """Batches for the refiner: decoded windows and what they should look like at twice the size."""

    def __init__(
        self, tokenizer: SpacetimeTokenizer, recipe: Refining, painter: SpacetimeTransformer3DModel | None
    ) -> None:
        self.tokenizer, self.recipe, self.painter = tokenizer, recipe, painter
        self.scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
        self.batches = self._rendered()

    def _rendered(self) -> Iterator[tuple[Tensor, Tensor]]:
        seed = int(torch.randint(2**31, ())) + PLANS_SEED
        while True:
            seed += 1
            scenes = sample_scenes(
                self.recipe.scenes, torch.Generator().manual_seed(seed), grid=GRIDS[seed % len(GRIDS)]
            )
            layout = simulate(scenes, 2 * PATCH_FRAMES)
            fine, _ = draw(layout, 2 * PIXELS)
            coarse = F.avg_pool2d(fine.flatten(0, 1), 2).unflatten(0, fine.shape[:2])
            latents = self.tokenizer.encode(coarse)
            noise = self.recipe.latent_noise * torch.rand(len(latents), 1, 1, 1, 1)
            latents = latents + noise * torch.randn_like(latents)
            if self.painter is not None:
                for k in range(round(self.recipe.painted * len(latents))):
                    latents[k : k + 1] = self._paint(layout[k : k + 1], latents[k : k + 1])
            decoded = self.tokenizer.decode(latents)
            for _ in range(self.recipe.reuse):
                for pick in torch.randperm(len(scenes)).split(self.recipe.batch):
                    yield decoded[pick, 2:6], fine[pick, 2:6]  # around the seam in time

    @torch.no_grad()
    def _paint(self, layout: Layout, like: Tensor) -> Tensor:
        """What the painter makes of a layout [1, …]; latents of the shape of ``like``."""
        assert self.painter is not None
        painter = self.painter
        told = (layout.ids, scenery_features(layout), object_features(layout), layout.kind, layout.color)

        def predict(z: Tensor, sigma: Tensor) -> Tensor:
            out: Tensor = painter(z, 1000 * sigma, *told).sample
            return out

        return denoise(predict, torch.randn_like(like), self.scheduler, self.recipe.paint_steps)

    def __call__(self, refiner: nn.Module, progress: float) -> Tensor:
        decoded, fine = (t.to(device_of(refiner)) for t in next(self.batches))
        out = refiner(decoded)
        loss: Tensor = (out - fine).abs().mean()
        for dim in (-1, -2):  # edges count twice
            loss = loss + self.recipe.edge_weight * (out.diff(dim=dim) - fine.diff(dim=dim)).abs().mean()
        return loss


def train_refiner(
    out: Path, minutes: float, recipe: Refining, schedule: Schedule, channels: int = Painting.channels
) -> nn.Module:
    """The refiner, beside the painter of ``out``, if there is one; its state is ``out/refiner.pt``."""
    torch.manual_seed(schedule.seed)
    refiner = SpacetimeRefiner(recipe.width, recipe.num_layers)
    tokenizer = fit_tokenizer(out / "vae", channels)
    painter = None
    if (out / "painter.pt").exists():
        state = torch.load(out / "painter.pt", weights_only=True, mmap=True)
        shape = {name: state["recipe"][name] for name in ("width", "num_layers", "num_heads")}
        painter = SpacetimeTransformer3DModel(in_channels=channels, **shape)
        painter.load_state_dict(state["ema"])
    return fit(refiner, Refiner(tokenizer, recipe, painter), out / "refiner.pt", minutes, schedule, recipe)


class Reader:
    """Batches for the reader: single latent frames of the painter's shards, some of them noisy."""

    def __init__(self, folder: Path, recipe: Reading) -> None:
        self.shards, self.recipe = Painter(folder, Painting()), recipe

    def __call__(self, reader: nn.Module, progress: float) -> Tensor:
        latents, _, layout = self.shards.draw(1, self.recipe.batch)
        noise = self.recipe.latent_noise * torch.rand(len(latents), 1, 1, 1, 1) ** 2
        return reader_loss(reader, latents + noise * torch.randn_like(latents), layout)


def train_reader(out: Path, minutes: float, recipe: Reading, schedule: Schedule) -> nn.Module:
    """The reader, from the shards in ``out``; its state is ``out/reader.pt``."""
    torch.manual_seed(schedule.seed)
    losses = Reader(out, recipe)
    channels = losses.shards.shards[0][0].shape[-1]
    reader = LayoutReader(channels, recipe.width, recipe.num_layers, recipe.num_heads)
    return fit(reader, losses, out / "reader.pt", minutes, schedule, recipe)


def optimizers(network: nn.Module, schedule: Schedule) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for all else."""
    inside = [
        p
        for name, p in network.named_parameters()
        if name.startswith("blocks.") and p.ndim == 2 and "table" not in name
    ]
    chosen = {id(p) for p in inside}
    rest = [p for p in network.parameters() if id(p) not in chosen and p.requires_grad]
    made: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(rest, lr=schedule.learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
    ]
    if inside:
        made.append(Muon(inside, lr=schedule.learning_rate, weight_decay=0.01))
    return made


def fit(
    network: nn.Module, losses: Losses, path: Path, minutes: float, schedule: Schedule, recipe: Any
) -> nn.Module:
    """Train ``network`` until ``minutes`` of wall-clock time are used up, over all restarts; the state is kept
    in ``path``. Returns the averaged network. Runs on the accelerator, where there is one."""
    torch.manual_seed(schedule.seed)
    network = network.to("cuda" if torch.cuda.is_available() else "cpu")
    ema = copy.deepcopy(network)
    opts = optimizers(network, schedule)
    recent: list[float] = []
    step, used = 0, 0.0
    if path.exists():
        state = torch.load(path, weights_only=True, map_location=device_of(network))
        network.load_state_dict(state["model"])
        ema.load_state_dict(state["ema"])
        for opt, saved in zip(opts, state["optimizers"], strict=True):
            opt.load_state_dict(saved)
        step, used = state["step"], state["seconds"]
        torch.manual_seed(schedule.seed + 1 + step)

    def save() -> None:
        partial = path.with_suffix(".partial")
        states: dict[str, Any] = {"model": network.state_dict(), "ema": ema.state_dict()}
        states["optimizers"] = [opt.state_dict() for opt in opts]
        counts = {"step": step, "seconds": used, "loss": sum(recent) / max(1, len(recent))}
        torch.save({**states, **counts, "recipe": asdict(recipe), "schedule": asdict(schedule)}, partial)
        partial.replace(path)

    last, last_save = time.monotonic(), used
    most = schedule.most_steps or math.inf
    while (progress := max(used / (60 * minutes), step / most)) < 1:
        loss = losses(network, progress)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        rate = schedule.rate(progress, step)
        for opt in opts:
            for group in opt.param_groups:
                group["lr"] = rate
            opt.step()
            opt.zero_grad(set_to_none=True)
        step += 1
        with torch.no_grad():
            decay = min(schedule.ema_decay, step / (step + 10))
            torch._foreach_lerp_(list(ema.parameters()), list(network.parameters()), 1 - decay)
        recent = [*recent[-49:], loss.item()]
        now = time.monotonic()
        used, last = used + now - last, now
        if step % 25 == 0:
            print(
                f"step {step} minutes {used / 60:.1f} loss {sum(recent) / len(recent):.4f} rate {rate:.1e} "
                f"cpu {time.process_time():.0f}s",
                flush=True,
            )
        if used - last_save > 60 * CHECKPOINT_MINUTES:
            save()
            last_save = used
    save()
    return ema


def train_painter(out: Path, minutes: float, recipe: Painting, schedule: Schedule) -> nn.Module:
    """The painter, from the shards in ``out``; its state is ``out/painter.pt``."""
    torch.manual_seed(schedule.seed)
    painter = SpacetimeTransformer3DModel(
        in_channels=recipe.channels,
        width=recipe.width,
        num_layers=recipe.num_layers,
        num_heads=recipe.num_heads,
    )
    return fit(painter, Painter(out, recipe), out / "painter.pt", minutes, schedule, recipe)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the embedded spacetime model.")
    parser.add_argument("part", choices=("shards", "painter", "planner", "reader", "refiner"))
    parser.add_argument("--out", type=Path, required=True, help="folder for shards, tokenizer and states")
    parser.add_argument("--minutes", type=float, default=85, help="wall-clock minutes, over all restarts")
    parser.add_argument("--render", type=int, default=80, help="how many shards there should be")
    parser.add_argument("--threads", type=int, default=1, help="more than one only where cores are idle")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    tokenizer = fit_tokenizer(arguments.out / "vae", Painting.channels)
    if arguments.part == "shards":
        for number in range(arguments.render):
            write_shard(arguments.out, number, tokenizer)
    elif arguments.part == "painter":
        train_painter(arguments.out, arguments.minutes, Painting(), Schedule())
    elif arguments.part == "planner":
        train_planner(arguments.out, arguments.minutes, Planning(), Schedule())
    elif arguments.part == "reader":
        train_reader(arguments.out, arguments.minutes, Reading(), Schedule(learning_rate=1e-3))
    else:
        train_refiner(arguments.out, arguments.minutes, Refining(), Schedule())


if __name__ == "__main__":
    main()
