"""A first impression, without the probe: what the model's own reader sees in generated and in rendered clips.

`python -m benchmarks.generation.impression --clips 40` is where the model card's table comes from. The reader
was trained on the painter's shards, so it is no independent judge; the rendered column is what it can see.
"""

import argparse
import time
from collections import defaultdict

import torch
import torch.nn.functional as F

from generator.loading import load_pipeline
from generator.models import find_model
from generator.spacetime.captions import caption
from generator.spacetime.concepts import SLOT_NAMES, slot_index
from generator.spacetime.physics import sample_scenes
from generator.spacetime.reader import read_concepts
from generator.spacetime.world import draw

SLOTS = ("light", "ground", "weather", "color", "event", "backdrop", "shape", "count")
HELD_OUT = 77


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=40, help="held-out scenes, English and Chinese in turn")
    parser.add_argument("--model", help="a folder with other weights of the same pipeline")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = load_pipeline(find_model(arguments.model), "cpu", "float32")
    scenes = sample_scenes(96, torch.Generator().manual_seed(HELD_OUT), later=0.0)
    hits: dict[tuple[str, str], list[bool]] = defaultdict(list)
    seconds = 0.0
    for k in range(arguments.clips):
        prompt = caption(scenes.labels[k].tolist(), "en" if k % 2 else "zh")
        start = time.process_time()
        generator = [torch.Generator().manual_seed(k)]
        made = pipeline(prompt, generator=generator, num_frames=24, output_type="pt")
        seconds += time.process_time() - start
        layout = made.layouts[0][0]
        delivered = F.avg_pool2d(made.frames[0], 2)[None]
        for what, video in (("generated", delivered), ("rendered", draw(layout)[0])):
            read = pipeline.reader(pipeline.vae.encode(video))
            ids = read_concepts(read, 3, torch.zeros(1, len(SLOT_NAMES), dtype=torch.long))[0]
            for slot in SLOTS:
                column = slot_index(slot)
                if scenes.labels[k, column] > 0:
                    hits[what, slot].append(bool(ids[column] == layout.ids[0, column]))
    print(f"| of {arguments.clips} clips | generated | rendered |\n| --- | --- | --- |")
    for slot in SLOTS:
        row = [sum(hits[what, slot]) / max(1, len(hits[what, slot])) for what in ("generated", "rendered")]
        print(f"| {slot} | {row[0]:.2f} | {row[1]:.2f} |")
    print(f"{seconds / arguments.clips:.2f} CPU seconds for a second of video")


if __name__ == "__main__":
    main()
