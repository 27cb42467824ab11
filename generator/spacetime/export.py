"""Turn a training state into the shipped pipeline: ``python -m generator.spacetime.export --state OUT --to
FOLDER``."""

import argparse
from pathlib import Path

import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from ..models import write_digests
from .pipeline import SpacetimePipeline
from .tokenizer import SpacetimeTokenizer
from .transformer import SpacetimeTransformer3DModel


def export(out: Path, folder: Path, dtype: torch.dtype = torch.float16) -> SpacetimePipeline:
    """Write the averaged weights of the training folder ``out`` as a pipeline, one safetensors file per
    component.

    Half precision on disk (float16 keeps three more bits than bfloat16 for weights of this size); loaded as
    float32.
    """
    state = torch.load(out / "state.pt", weights_only=True)
    recipe = state["recipe"]
    shape = {name: recipe[name] for name in ("width", "num_layers", "num_heads")}
    transformer = SpacetimeTransformer3DModel(in_channels=recipe["channels"], **shape)
    transformer.load_state_dict(state["ema"])
    vae = SpacetimeTokenizer.from_pretrained(out / "vae")
    # Objects are placed at high noise: a shift of 6 spends more steps there than the usual 3, and seams less.
    scheduler = FlowMatchEulerDiscreteScheduler(shift=6.0)
    pipeline = SpacetimePipeline(transformer.to(dtype), vae.to(dtype), scheduler)
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
