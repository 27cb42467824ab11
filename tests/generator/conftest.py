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

    from generator.spacetime.pipeline import SpacetimePipeline
    from generator.spacetime.tokenizer import SpacetimeTokenizer
    from generator.spacetime.transformer import SpacetimeTransformer3DModel
    from generator.spacetime.world import render, sample_scenes

    torch.manual_seed(0)
    video, _, _ = render(sample_scenes(4, torch.Generator().manual_seed(0)))
    transformer = SpacetimeTransformer3DModel(in_channels=16, width=32, num_layers=2, num_heads=2)
    for parameter in transformer.parameters():  # the zero-initialised output would hide every input
        torch.nn.init.normal_(parameter, std=0.1)
    pipeline = SpacetimePipeline(
        transformer.eval(),
        SpacetimeTokenizer.fit(video, channels=16),
        FlowMatchEulerDiscreteScheduler(shift=3.0),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
