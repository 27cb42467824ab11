"""Turn training states into the shipped pipeline: ``python -m generator.spacetime.export --state OUT --to
FOLDER``."""

import argparse
from pathlib import Path
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from ..models import write_digests
from .pipeline import SpacetimePipeline
from .planner import MotionTransformer
from .reader import LayoutReader
from .refiner import SpacetimeRefiner
from .tokenizer import SpacetimeTokenizer
from .transformer import SpacetimeTransformer3DModel

SHIFT = 3.0
"""Flow shift: more of the steps at high noise, where shapes are decided."""


def export(out: Path, folder: Path, dtype: torch.dtype = torch.float16) -> SpacetimePipeline:
    """Write the averaged weights of the training folder ``out`` as a pipeline, one safetensors file per
    component.

    Half precision on disk (float16 keeps three more bits than bfloat16 for weights of this size); loaded as
    float32.
    """
    fitted = SpacetimeTokenizer.from_pretrained(out / "vae")
    vae = SpacetimeTokenizer(channels=fitted.config.channels)  # a config that names no folder of the training
    vae.load_state_dict(fitted.state_dict())
    parts: dict[str, Any] = {}
    for name, kind, shape in (
        ("painter", SpacetimeTransformer3DModel, ("width", "num_layers", "num_heads")),
        ("planner", MotionTransformer, ("width", "num_layers", "num_heads")),
        ("reader", LayoutReader, ("width", "num_layers", "num_heads")),
        ("refiner", SpacetimeRefiner, ("width", "num_layers")),
    ):
        state = torch.load(out / f"{name}.pt", weights_only=True, mmap=True)
        sizes = {field: state["recipe"][field] for field in shape}
        if name in ("painter", "reader"):
            sizes["in_channels"] = vae.config.channels
        parts[name] = kind(**sizes)
        parts[name].load_state_dict(state["ema"])
        parts[name].to(dtype)
    pipeline = SpacetimePipeline(
        parts["painter"],
        parts["planner"],
        parts["reader"],
        vae.to(dtype),
        parts["refiner"],
        FlowMatchEulerDiscreteScheduler(shift=SHIFT),
        simulate_openings=True,  # until a planner moves things as well as the mechanics do
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    write_digests(folder)
    return pipeline


def main() -> None:
    parser = argparse.ArgumentParser(description="Export trained weights as a pipeline.")
    parser.add_argument("--state", type=Path, required=True, help="training folder")
    parser.add_argument("--to", type=Path, required=True, help="folder of the pipeline")
    arguments = parser.parse_args()
    export(arguments.state, arguments.to)


if __name__ == "__main__":
    main()
