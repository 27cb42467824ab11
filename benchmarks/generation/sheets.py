"""Contact sheets: what the clips look like, none of them picked.

A row of a sheet is a clip: five frames of it, the middle one with the planned paths drawn in, and the
renderer's pictures of the same plan. The sentences stand in the JSON beside the pictures, since the fonts
that are certain to be there write no Chinese.
"""

import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from generator.spacetime.concepts import EVENTS
from generator.spacetime.physics import FPS, Layout, Scenes
from generator.spacetime.pipeline import FORMATS
from generator.spacetime.prompt import read_prompt
from generator.spacetime.world import draw

from .clips import Clip, asked, held_out, scenes_with, to_bytes
from .probe import PROBED, targets
from .report import write_json
from .tracks import moving_slots

if TYPE_CHECKING:
    from .bench import Bench

Pixels = NDArray[np.uint8]

CANNOT: Final = (
    "a cat plays the piano",
    "一只熊猫在吃竹子",
    "a red dragon breathes fire over a castle",
    "a glass falls and shatters",
)
"""The model's world has none of this; it draws what it understood, and says what it ignored."""
_TITLES: Final = {
    "en": "English prompts, one of every event",
    "zh": "Chinese prompts, the same scenes and seeds",
    "long": "A minute, a frame every two seconds; the renderer's below",
    "formats": "Three scenes in three formats",
    "failures": "What it cannot do, and the clips in which the probe finds least of what was asked",
}
LARGEST_BYTES: Final = 400_000
_TILE, _GAP, _MARGIN = 112, 4, 22
_WORST: Final = 8


def write_all(bench: "Bench", folder: Path) -> None:
    """Draw ``generator-en.png``, ``-zh``, ``-long``, ``-formats`` and ``-failures`` into ``folder``, and
    ``generator-sheets.json`` with what was asked in every row."""
    folder.mkdir(parents=True, exist_ok=True)
    asked_for: dict[str, list[str]] = {}
    scenes = _one_of_each()
    languages = [language for language in bench.languages if language != "ids"] or ["ids"]
    for language in languages:
        texts, ids = asked(scenes, language)
        clips = [_delivered(bench, row, k, f"sheet {language}") for k, row in enumerate(ids)]
        _save(_sheet([_row(clip) for clip in clips]), folder / f"generator-{language}.png")
        asked_for[language] = texts
    asked_for["long"] = _long(bench, folder / "generator-long.png")
    asked_for["formats"] = _formats(bench, folder / "generator-formats.png")
    asked_for["failures"] = _failures(bench, folder / "generator-failures.png")
    write_json(folder / "generator-sheets.json", asked_for)


def page(folder: Path) -> str:
    """Markdown of the pictures that are there, for a page in ``folder``."""
    there = [
        (name, title)
        for name, title in _TITLES.items()
        if (folder / "images" / f"generator-{name}.png").exists()
    ]
    if not there:
        return ""
    about = (
        "A row is a clip: five frames, the planned paths drawn into the middle one, and two frames of the renderer's "
        "picture of the same plan. What was asked in every row: [generator-sheets.json](images/generator-sheets.json)."
    )
    pictures = [f"### {title}\n\n![{title}](images/generator-{name}.png)" for name, title in there]
    return "\n\n".join(["\n## Pictures", about, *pictures]) + "\n"


def _one_of_each() -> Scenes:
    """A scene of every event, the rest by chance."""
    return scenes_with(len(EVENTS), 7, event=EVENTS)


def _delivered(
    bench: "Bench",
    ids: Sequence[int],
    seed: int,
    what: str,
    frames: int = 48,
    size: tuple[int, int] = (256, 256),
) -> Clip:
    bench.say(f"{what}: clip {seed + 1}")
    return bench.studio.generate(ids, seed, frames, size, delivered=True)


def _pictures(clip: Clip, number: int) -> list[tuple[int, Pixels]]:
    """(index, frame [H, W, 3]) of ``number`` frames, the first and the last among them."""
    chosen = np.linspace(0, len(clip.frames) - 1, number).round().astype(int)
    return [(int(t), clip.frames[t].permute(1, 2, 0).numpy()) for t in chosen]


def _row(clip: Clip) -> list[Image.Image]:
    frames = _pictures(clip, 5)
    tiles = [_tile(frame) for _, frame in frames]
    tiles[2] = _with_paths(tiles[2], clip.layout, frames[2][0])
    return tiles + [_tile(_rendered(clip.layout, frames[k][0], tiles[0].size)) for k in (1, 3)]


def _tile(frame: Pixels) -> Image.Image:
    height, width = frame.shape[:2]
    scale = _TILE / height
    return Image.fromarray(frame).resize((round(width * scale), _TILE), Image.Resampling.LANCZOS)


def _rendered(layout: Layout, t: int, size: tuple[int, int]) -> Pixels:
    """The renderer's picture of frame ``t``, cropped to the shape of ``size`` (width, height) as delivery
    crops."""
    video = to_bytes(draw(layout.window(t, 1), 32)[0][0, 0]).permute(1, 2, 0).numpy()
    height, width = video.shape[:2]
    keep_w, keep_h = (
        min(width, round(height * size[0] / size[1])),
        min(height, round(width * size[1] / size[0])),
    )
    left, top = (width - keep_w) // 2, (height - keep_h) // 2
    return np.ascontiguousarray(video[top : top + keep_h, left : left + keep_w])


def _with_paths(tile: Image.Image, layout: Layout, t: int) -> Image.Image:
    """The planned way of every moving object as the camera of frame ``t`` sees it; a ring where it is now."""
    tile = tile.copy()
    pen = ImageDraw.Draw(tile)
    pan, zoom = layout.camera[0, t].tolist()
    unit = _full_height(layout, tile) / (layout.grid[0] / 4) / zoom  # pixels of the tile to a world unit
    for slot in moving_slots(layout):
        points = [
            (tile.width / 2 + (x - pan) * unit, tile.height / 2 - y * unit)
            for x, y in layout.xy[0, :, slot].tolist()
        ]
        for (x0, y0), (x1, y1) in pairwise(points):
            if abs(x1 - x0) + abs(y1 - y0) < tile.height / 4:  # not where the next balloon takes over
                pen.line((x0, y0, x1, y1), fill=(255, 0, 200), width=1)
        x, y = points[t]
        r = float(layout.radius[0, t, slot]) * unit
        pen.ellipse((x - r, y - r, x + r, y + r), outline=(255, 0, 200))
    return tile


def _full_height(layout: Layout, tile: Image.Image) -> float:
    """Height that the tile would have if delivery did not crop."""
    height = next(h for (h, _), grid in FORMATS.items() if grid == tuple(layout.grid))
    return tile.height * layout.grid[0] * 32 / height


def _sheet(rows: Sequence[Sequence[Image.Image]], first_number: int = 1) -> Image.Image:
    """Rows of tiles, numbered; the last two tiles of a row, the renderer's, stand a little apart."""
    width = _MARGIN + max(sum(tile.width + _GAP for tile in row) for row in rows) + 2 * _GAP
    height = sum(max(tile.height for tile in row) + _GAP for row in rows) + _GAP
    sheet = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(sheet)
    y = _GAP
    for number, row in enumerate(rows, first_number):
        pen.text((_GAP, y + row[0].height // 2 - 5), str(number), fill="black")
        x = _MARGIN
        for k, tile in enumerate(row):
            x += 2 * _GAP if k == len(row) - 2 else 0
            sheet.paste(tile, (x, y))
            x += tile.width + _GAP
        y += max(tile.height for tile in row) + _GAP
    return sheet


def _long(bench: "Bench", path: Path) -> list[str]:
    """A frame every two seconds of a minute, the renderer's of the same plan below."""
    scenes = scenes_with(
        1, 91, event="bounce", camera="static", weather="clear", spring="bouncy", count="one"
    )
    texts, ids = asked(scenes, bench.languages[0])
    clip = bench.studio.generate(ids[0], 0, 60 * FPS)  # the benchmark measures it too
    rows = []
    times = list(range(0, 60 * FPS, 2 * FPS))
    for first in range(0, len(times), 10):
        part = times[first : first + 10]
        rows.append([_small(clip.frames[t].permute(1, 2, 0).numpy()) for t in part])
        rows.append([_small(_rendered(clip.layout, t, (1, 1))) for t in part])
    sheet = Image.new("RGB", (10 * (96 + 2) + 2, len(rows) * 98 + (len(rows) // 2) * 6), "white")
    for k, row in enumerate(rows):
        for column, tile in enumerate(row):
            sheet.paste(tile, (2 + column * 98, k * 98 + (k // 2) * 6))
    _save(sheet, path)
    return texts


def _small(frame: Pixels) -> Image.Image:
    return Image.fromarray(frame).resize((96, 96), Image.Resampling.LANCZOS)


def _formats(bench: "Bench", path: Path) -> list[str]:
    """Three scenes in every format."""
    scenes = scenes_with(3, 17, event=("roll", "throw", "waves"))
    texts, ids = asked(scenes, bench.languages[0])
    rows = []
    for size in FORMATS:
        for k, row in enumerate(ids):
            tiles = _row(_delivered(bench, row, k, f"format {size[1]}x{size[0]}", size=size))
            rows.append([*tiles[1:4], *tiles[5:]])
    _save(_sheet(rows), path)
    return [text for _ in FORMATS for text in texts]


def _failures(bench: "Bench", path: Path) -> list[str]:
    """What it cannot do, and of the main set the clips in which the probe finds least of what was asked."""
    rows, texts = [], []
    for k, text in enumerate(CANNOT):
        reading = read_prompt(text)
        rows.append(_row(_delivered(bench, reading.ids, k, "failures")))
        texts.append(f"{text} (ignored: {', '.join(reading.ignored) or 'nothing'})")
    scenes = held_out(bench.clips)
    prompts, ids = asked(scenes, bench.languages[0])
    read = bench.probe.log_probabilities(bench.encode(bench.main_clips()))
    wanted = targets(scenes.ids)
    each = [
        torch.where(
            wanted[:, k] >= 0, read[slot].gather(1, wanted[:, k : k + 1].clamp_min(0))[:, 0], torch.nan
        )
        for k, slot in enumerate(PROBED)
    ]
    score = torch.stack(each).nanmean(0)
    for k in score.argsort()[:_WORST].tolist():
        rows.append(_row(_delivered(bench, ids[k], k, "failures")))
        texts.append(f"{prompts[k]} (scene {k}, mean log probability {score[k].item():.1f})")
    _save(_sheet(rows), path)
    return texts


def _save(sheet: Image.Image, path: Path) -> None:
    """As PNG of at most ``LARGEST_BYTES``: fewer colours first, then fewer pixels."""
    while True:
        buffer = io.BytesIO()
        sheet.quantize(256, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= LARGEST_BYTES:
            break
        sheet = sheet.resize((int(sheet.width * 0.9), int(sheet.height * 0.9)), Image.Resampling.LANCZOS)
    path.write_bytes(buffer.getvalue())
