"""Shared by the generator's tests: one thread, and tiny pipelines with random weights."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def one_torch_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_spacetime() -> Any:
    """A real SpacetimePipeline, small and untrained, whose output depends on noise and concepts alike."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler

    from generator.spacetime.physics import sample_scenes
    from generator.spacetime.pipeline import SpacetimePipeline
    from generator.spacetime.planner import MotionTransformer
    from generator.spacetime.reader import LayoutReader
    from generator.spacetime.refiner import SpacetimeRefiner
    from generator.spacetime.tokenizer import SpacetimeTokenizer
    from generator.spacetime.transformer import SpacetimeTransformer3DModel
    from generator.spacetime.world import render

    torch.manual_seed(0)
    video, cover, _ = render(sample_scenes(6, torch.Generator().manual_seed(0)), frames=4)
    transformer = SpacetimeTransformer3DModel(in_channels=16, width=32, num_layers=2, num_heads=2)
    planner = MotionTransformer(width=32, num_layers=2, num_heads=2)
    reader = LayoutReader(in_channels=16, width=32, num_layers=1, num_heads=2)
    refiner = SpacetimeRefiner(width=8, num_layers=1)
    for network in (transformer, planner, refiner):  # zero-initialised outputs would hide every input
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    pipeline = SpacetimePipeline(
        transformer.eval(),
        planner.eval(),
        reader.eval(),
        SpacetimeTokenizer.fit(video, cover, channels=16),
        refiner.eval(),
        FlowMatchEulerDiscreteScheduler(shift=3.0),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
