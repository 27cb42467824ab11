"""The trainings at a thousandth of their scale: each lowers its loss and goes on where it stopped."""

from pathlib import Path
from typing import Any

import pytest
import torch

from generator.errors import GeneratorError
from generator.loading import load_pipeline
from generator.models import find_model
from generator.spacetime.dataset import write_shard
from generator.spacetime.export import export
from generator.spacetime.muon import Muon, orthogonalize
from generator.spacetime.physics import sample_scenes, simulate
from generator.spacetime.planner import to_plan
from generator.spacetime.tokenizer import SpacetimeTokenizer
from generator.spacetime.train import (
    Painter,
    Painting,
    Planner,
    Planning,
    Reader,
    Reading,
    Refiner,
    Refining,
    Schedule,
    known_frames,
    painter_loss,
    planner_loss,
    train_painter,
    train_planner,
    train_reader,
    train_refiner,
)


class Oracle(torch.nn.Module):
    """A network that knows the answer."""

    def __init__(self, answer: torch.Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, *_: Any) -> Any:
        return type("Output", (), {"sample": self.answer})


def test_a_network_that_predicts_perfectly_has_no_loss() -> None:
    torch.manual_seed(0)
    layout = simulate(sample_scenes(4, torch.Generator().manual_seed(0)), 24)
    x, cover = torch.randn(4, 6, 8, 8, 8), torch.rand(4, 6, 8, 8)
    assert painter_loss(Oracle(x), x, cover, layout, Painting()) == 0
    assert painter_loss(Oracle(x + 1), x, cover, layout, Painting()) > 1
    plan = to_plan(layout)
    assert planner_loss(Oracle(plan), layout, Planning()) == 0


def test_given_frames_are_of_every_kind_and_never_all() -> None:
    torch.manual_seed(0)
    known = known_frames(4_000, 6, 0.5)
    assert not known.all(1).any()
    share = known.any(1).float().mean()
    assert 0.42 < share < 0.5
    only_first = known[:, 0] & ~known[:, 1:].any(1)
    only_last = known[:, -1] & ~known[:, :-1].any(1)
    both_ends = known[:, 0] & known[:, -1] & ~known[:, 1:-1].any(1)
    assert min(float(kind.float().mean()) for kind in (only_first, only_last, both_ends)) > 0.01
    assert not known_frames(50, 1, 1.0).any()


def test_orthogonalising_brings_singular_values_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((30, 80), (80, 30)):
        values = torch.linalg.svdvals(orthogonalize(torch.randn(shape)))
        assert 0.6 < values.min() <= values.max() < 1.3


def test_muon_finds_a_matrix() -> None:
    torch.manual_seed(0)
    wanted, found = torch.randn(12, 20), torch.nn.Parameter(torch.zeros(12, 20))
    optimizer = Muon([found], lr=0.1)
    for step in range(300):
        optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / 300)
        (found - wanted).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert (found - wanted).abs().mean() < 0.05


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_spacetime: Any) -> Path:
    """A folder in which every network was trained for seconds, twice."""
    out = tmp_path_factory.mktemp("training")
    tiny_spacetime.vae.save_pretrained(out / "vae")
    for number in range(2):
        write_shard(out, number, tiny_spacetime.vae, clips=4)
    return out


@pytest.mark.parametrize("part", ["painter", "planner", "reader", "refiner"])
def test_training_lowers_the_loss_and_goes_on_where_it_stopped(part: str, trained: Path) -> None:
    painting = Painting(channels=16, width=32, num_layers=1, num_heads=2, windows=((0.5, 1, 8), (1.01, 2, 4)))
    planning = Planning(width=32, num_layers=1, num_heads=2, batch=16, pool=32)
    reading = Reading(width=32, num_layers=1, num_heads=2, batch=8)
    refining = Refining(width=8, num_layers=1, scenes=2, batch=2, painted=0.0)

    def train(steps: int) -> tuple[torch.nn.Module, dict[str, Any]]:
        schedule = Schedule(learning_rate=2e-3, warmup_steps=3, most_steps=steps, ema_decay=0.5)
        if part == "painter":
            network = train_painter(trained, 60, painting, schedule)
        elif part == "planner":
            network = train_planner(trained, 60, planning, schedule)
        elif part == "reader":
            network = train_reader(trained, 60, reading, schedule)
        else:
            network = train_refiner(trained, 60, refining, schedule, channels=16)
        state: dict[str, Any] = torch.load(trained / f"{part}.pt", weights_only=True)
        return network, state

    @torch.no_grad()
    def loss(network: torch.nn.Module) -> float:
        """On batches that are the same at every call."""
        torch.manual_seed(9)
        tokenizer = SpacetimeTokenizer.from_pretrained(trained / "vae")
        draw: Any = {
            "painter": lambda: Painter(trained, painting),
            "planner": lambda: Planner(planning),
            "reader": lambda: Reader(trained, reading),
            "refiner": lambda: Refiner(tokenizer, refining, None),
        }[part]()
        return sum(float(draw(network, 0.2)) for _ in range(6))

    few, first = train(2)
    more, second = train(40)
    assert (first["step"], second["step"]) == (2, 40)
    assert second["seconds"] > first["seconds"]
    assert loss(more) < loss(few)
    assert not list(trained.glob("*.partial"))


def test_the_refiner_mends_what_the_painter_paints(tiny_spacetime: Any) -> None:
    recipe = Refining(scenes=2, batch=2, painted=0.5, paint_steps=1, latent_noise=0.0)
    torch.manual_seed(3)
    decoded, fine = next(Refiner(tiny_spacetime.vae, recipe, tiny_spacetime.transformer).batches)
    torch.manual_seed(3)
    plain, same = next(Refiner(tiny_spacetime.vae, recipe, None).batches)
    assert decoded.shape[1] == fine.shape[1] == 4
    assert fine.shape[-1] == 2 * decoded.shape[-1]
    assert torch.equal(fine.sum(0), same.sum(0))  # the same scenes, in whatever order
    changed = [not any(torch.equal(one, other) for other in plain) for one in decoded]
    assert changed.count(True) == 1  # one of two was painted


def test_what_was_trained_can_be_exported_and_makes_clips(trained: Path, tmp_path: Path) -> None:
    if not all((trained / f"{part}.pt").exists() for part in ("painter", "planner", "reader", "refiner")):
        pytest.fail("the trainings above must have run")
    export(trained, tmp_path / "model")
    found = find_model(str(tmp_path / "model"))
    pipeline = load_pipeline(found, "cpu", "float32")
    frames = pipeline("a red ball", num_frames=4, num_inference_steps=1, output_type="pt").frames
    assert frames.shape == (1, 4, 3, 256, 256)
    weights = tmp_path / "model" / "planner" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(GeneratorError):
        _ = find_model(str(tmp_path / "model")).weights_digest
