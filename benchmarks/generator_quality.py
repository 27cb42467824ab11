"""How well the embedded model does what it is told, against the renderer that it learnt from.

``python benchmarks/generator_quality.py --shards FOLDER`` (shards: ``python -m generator.spacetime.train
--out FOLDER --render 12``). Adherence is read by a probe trained on rendered clips; the same probe on
held-out rendered clips is the ceiling, and chance the floor. Seams and flicker are ratios to the
renderer's. What this does not show: whether the motion is physically right, and whether a person would like
the clip.
"""

import argparse
import json
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generator.loading import load_pipeline
from generator.models import find_model
from generator.spacetime.concepts import SLOT_NAMES, SLOT_SIZES, STAGE, slot_index
from generator.spacetime.dataset import load_shards
from generator.spacetime.tokenizer import PATCH_FRAMES, PATCH_SIDE
from generator.spacetime.world import render, sample_scenes

PROBED = ("event", "shape", "color", "light", "ground", "camera", "speed", "direction")


class Probe(nn.Module):
    """Latents [B, 6, 4, 4, C] to the logits of every probed slot."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(numbers, 256), nn.GELU(), nn.Dropout(0.3))
        self.heads = nn.ModuleDict({slot: nn.Linear(256, SLOT_SIZES[slot_index(slot)]) for slot in PROBED})

    def forward(self, latents: Tensor) -> dict[str, Tensor]:
        features = self.body(latents)
        return {slot: head(features) for slot, head in self.heads.items()}


def train_probe(folder: Path, epochs: int) -> Probe:
    clips, _ = load_shards(folder)
    probe = Probe(clips["latents"][0].numel())
    optimizer = torch.optim.AdamW(probe.parameters(), lr=1e-3, weight_decay=0.05)
    for epoch in range(epochs):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (1 - epoch / epochs)
        for pick in torch.randperm(len(clips["labels"])).split(128):
            x, labels = clips["latents"][pick].float(), clips["labels"][pick].long()
            logits = probe(x + 0.3 * torch.rand(len(x), 1, 1, 1, 1) * torch.randn_like(x))
            loss = torch.stack(
                [F.cross_entropy(logits[s], labels[:, slot_index(s)] - 1, ignore_index=-1) for s in PROBED]
            ).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return probe.eval()


@torch.no_grad()
def adherence(probe: Probe, latents: Tensor, labels: Tensor) -> dict[str, float]:
    logits = probe(latents)
    scores = {}
    for slot in PROBED:
        target = labels[:, slot_index(slot)] - 1
        said = target >= 0
        scores[slot] = (logits[slot].argmax(1) == target)[said].float().mean().item()
    return scores


def roughness(video: Tensor) -> dict[str, float]:
    """Mean steps between neighbours: at patch borders over inside (1 is seamless), and between frames
    likewise; ``flicker`` is the mean second difference in time, in 8-bit units."""
    across = (video[..., 1:] - video[..., :-1]).abs().mean((0, 1, 2, 3))
    border = torch.arange(1, video.shape[-1]) % PATCH_SIDE == 0
    along = (video[:, 1:] - video[:, :-1]).abs().mean((0, 2, 3, 4))
    cut = torch.arange(1, video.shape[1]) % PATCH_FRAMES == 0
    second = (video[:, 2:] - 2 * video[:, 1:-1] + video[:, :-2]).abs().mean()
    return {
        "space_seam": (across[border].mean() / across[~border].mean()).item(),
        "time_seam": (along[cut].mean() / along[~cut].mean()).item(),
        "flicker": 255 * second.item(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--model", help="a folder with other weights of the same pipeline")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    pipeline = load_pipeline(find_model(arguments.model), "cpu", "float32")
    probe = train_probe(arguments.shards, arguments.epochs)

    scenes = sample_scenes(
        arguments.clips, torch.Generator().manual_seed(77), later=0.0
    )  # seeds < 999 are held out
    truth, _, _ = render(scenes)
    labels = scenes.labels.clone()
    labels[:, slot_index(STAGE)] = 1
    start = time.process_time()
    generators = [torch.Generator().manual_seed(k) for k in range(arguments.clips)]
    latents = pipeline(concept_ids=labels, generator=generators, output_type="latent").frames
    seconds = (time.process_time() - start) / arguments.clips
    video = pipeline.decode(latents, "pt")

    encoded = pipeline.vae.encode(truth)
    ceiling, scores = adherence(probe, encoded, labels), adherence(probe, latents, labels)
    table = {
        s: {"generated": scores[s], "rendered": ceiling[s], "chance": 1 / SLOT_SIZES[SLOT_NAMES.index(s)]}
        for s in PROBED
    }
    code_psnr = -10 * (pipeline.vae.decode(encoded) - truth).square().mean().log10().item()
    result = {
        "clips": arguments.clips,
        "cpu_seconds_per_clip": seconds,
        "adherence": table,
        "roughness": {"generated": roughness(video), "rendered": roughness(truth)},
        "tokenizer_psnr_db": code_psnr,
    }
    print(f"{'':12}{'generated':>10}{'rendered':>10}{'chance':>10}")
    for slot, row in table.items():
        print(f"{slot:12}{row['generated']:10.2f}{row['rendered']:10.2f}{row['chance']:10.2f}")
    for name, value in roughness(video).items():
        print(f"{name:12}{value:10.2f}{roughness(truth)[name]:10.2f}")
    print(f"tokenizer {code_psnr:.1f} dB, {seconds:.2f} CPU seconds a clip")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
