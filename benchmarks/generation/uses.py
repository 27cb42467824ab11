"""One sheet of all that is done by keeping given frames: image to video, extension, interpolation, loop,
storyboard, edit. `python -m benchmarks.generation.uses --out docs/images` draws it and prints what is what."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from generator.loading import load_pipeline
from generator.models import find_model
from generator.spacetime.pipeline import SpacetimePipeline

_TILES, _SIDE, _GAP, _MARGIN = 8, 112, 4, 22


def uses(pipeline: SpacetimePipeline) -> Iterator[tuple[str, Any]]:
    """(what it is, frames [T, H, W, 3] in [0, 1]) of every row; given frames are the pipeline's own."""

    def make(prompt: str, seed: int, **arguments: Any) -> Any:
        generator = [torch.Generator().manual_seed(seed)]
        return pipeline(prompt, generator=generator, **arguments).frames[0]

    words = "a red ball bounces on grass, by day, hills in the background, static camera"
    first = make(words, 1)
    yield f"text to video: {words}", first
    yield "image to video: the last frame above goes on", make(words, 2, image=_image(first[-1]))
    yield (
        "extended forward by a second and a half: the row's first 12 frames are the end of the first row",
        make(words, 3, image=first[-12:]),
    )
    yield (
        "extended backward: the row's last 12 frames are the beginning of the first row",
        make(words, 4, last_image=first[:12]),
    )
    yield (
        "interpolation from the first row's first frame to its last",
        make(words, 5, image=_image(first[0]), last_image=_image(first[-1])),
    )
    roll = "a blue ball rolls on stone at night, a city in the background, static camera"
    yield f"loop, one and a half turns shown: {roll}", np.concatenate([make(roll, 6, loop=True)] * 2)[:72]
    board = (
        "0s: a green box slides to the right on snow, mountains in the background "
        "| 1s: it is thrown | 2s: 黄昏，下雪，滚动"
    )
    yield f"storyboard: {board}", make(board, 7, num_frames=72)
    other = "a purple ball on sand at dusk"
    yield f"edit of the first row at strength 0.9: {other}", make(other, 8, video=first, strength=0.9)


def _image(frame: Any) -> Image.Image:
    return Image.fromarray((255 * frame).round().astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder of the picture")
    parser.add_argument("--model", help="a folder with other weights of the same pipeline")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = load_pipeline(find_model(arguments.model), "cpu", "float32")
    rows = []
    for number, (what, frames) in enumerate(uses(pipeline), 1):
        print(f"{number}. {what}", flush=True)
        chosen = np.linspace(0, len(frames) - 1, _TILES).round().astype(int)
        rows.append([_image(frames[k]).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS) for k in chosen])
    step = _SIDE + _GAP
    sheet = Image.new("RGB", (_MARGIN + _TILES * step, len(rows) * step + _GAP), "white")
    pen = ImageDraw.Draw(sheet)
    for y, row in enumerate(rows):
        pen.text((_GAP, _GAP + y * step + _SIDE // 2 - 5), str(y + 1), fill="black")
        for x, tile in enumerate(row):
            sheet.paste(tile, (_MARGIN + x * step, _GAP + y * step))
    sheet.save(arguments.out / "generator-uses.png", optimize=True)


if __name__ == "__main__":
    main()
