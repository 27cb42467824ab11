"""Does it look right: flicker (M4), identity (M5), the whole set (M6), diversity (M7), copies (M8), a minute (M9)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from generator.spacetime.concepts import STAGE, concept_id, slot_index
from generator.spacetime.dataset import load_shards
from generator.spacetime.physics import DICE, FPS, SQUARE, Scenes, complete, visible
from generator.spacetime.pipeline import PAINT_OVERLAP, PAINT_WINDOW
from generator.spacetime.sampling import windows
from generator.spacetime.tokenizer import PATCH_FRAMES
from generator.spacetime.world import draw

from . import metrics
from .bench import SECOND, Bench, judge, law_row, made_and_rendered, shows
from .clips import Clip, asked, held_out, scenes_with
from .probe import OPENING, targets
from .report import Answer, Row, Target

_APART = Target("at least", 0.9, from_issue=False)
_TWINS = Target("at most", 0.01, from_issue=False)


def m4_flicker(bench: Bench) -> Answer:
    def still(clips: Sequence[Clip]) -> list[float]:
        values = []
        for clip in clips:
            ids = clip.layout.ids[0]
            static = int(ids[slot_index("camera")]) == concept_id("camera", "static")
            clear = int(ids[slot_index("weather")]) == concept_id("weather", "clear")
            if static and clear and not shows(clip.layout, "ink", "waves"):
                _, cover = draw(clip.layout)
                values.append(metrics.flicker(clip.video, cover[0]))
        return values

    generated, rendered = still(bench.main_clips()), still(bench.main_rendered())
    row = law_row("second difference, 8-bit units, median", generated, rendered, Target("at most", 0.5))
    note = "Pixels that no object comes near, static camera, clear weather. Clouds drift, so the renderer has some too."
    return Answer("M4", "Does it flicker?", (row,), note)


def m5_identity(bench: Bench) -> Answer:
    drift = {
        k: [metrics.identity_drift(t.rgb, t.area) for t in bench.main_tracks(k)]
        for k in ("generated", "rendered")
    }
    rows = tuple(
        law_row(
            name,
            [d[i] for d in drift["generated"]],
            [d[i] for d in drift["rendered"]],
            Target("times rendered", 1.3, from_issue=False),
        )
        for i, name in enumerate(("change of the object's colour, 8-bit units", "variation of its area"))
    )
    return Answer(
        "M5", "Does an object stay itself?", rows, "First object of each clip, first against last quarter."
    )


def m6_frechet(bench: Bench) -> Answer:
    bench.say("Fréchet: rendering a second set")
    scenes = [held_out(bench.clips, seed) for seed in (78, 79)]
    first, second = (bench.probe.features(bench.encode(bench.studio.render(s, SECOND))) for s in scenes)
    made = bench.probe.features(bench.encode(bench.main_clips()))
    row = Row(
        "Fréchet distance to rendered clips",
        metrics.frechet(made, second, first),
        metrics.frechet(first, second, first),
        None,
        Target("times rendered", 3),
        bench.clips,
    )
    note = "First 16 principal components of the probe's features, whitened. Rendered: two rendered sets, as large."
    return Answer("M6", "Is the whole set like the world?", (row,), note)


def m7_diversity(bench: Bench) -> Answer:
    seeds = bench.share(16, 4)
    scenes = held_out(4, 80)
    ratios = []
    for k, row in enumerate(asked(scenes, bench.languages[0])[1]):
        clips = bench.generate(
            [row] * seeds, SECOND, [1000 * (k + 1) + s for s in range(seeds)], f"diversity, prompt {k + 1}"
        )
        chance = torch.Generator().manual_seed(81 + k)
        ids = complete(torch.tensor([list(row)] * seeds), chance)
        world = Scenes(ids, visible(ids), torch.rand(seeds, DICE, generator=chance), torch.zeros(seeds))
        exact = bench.studio.render(world, SECOND)
        spread = [metrics.diversity(bench.probe.features(bench.encode(part))) for part in (clips, exact)]
        ratios.append(spread[0] / spread[1])
    row = Row(
        "spread over seeds, generated over rendered",
        float(np.mean(ratios)),
        1.0,
        None,
        Target("between", 0.7, 1.1),
        4 * seeds,
    )
    return Answer(
        "M7",
        "Do seeds differ?",
        (row,),
        f"Mean of four prompts with {seeds} seeds each; the renderer draws as many scenes of each.",
    )


def m8_memorised(bench: Bench) -> Answer:
    bench.say("memorisation: nearest neighbours")
    training = [z for z, _, layout in load_shards(bench.shards) if layout.grid == SQUARE]
    n = min(bench.clips, 128)
    made = metrics.nearest(bench.encode(bench.main_clips()[:n]), training)
    exact = metrics.nearest(bench.encode(bench.main_rendered()[:n]), training)
    twin = [float((d[:, 0] / d[:, 1] < 0.5).float().mean()) for d in (made, exact)]
    ratio = (made[:, 0].median() / exact[:, 0].median()).item()
    rows = (
        Row("distance to the nearest training clip, over a rendered clip's", ratio, 1.0, None, _APART, n),
        Row("share at less than half the distance of the second nearest", twin[0], twin[1], None, _TWINS, n),
    )
    note = (
        f"Against {sum(map(len, training))} square training clips. Blurred clips lie nearer to everything: below 1 is "
        "not yet a copy."
    )
    return Answer("M8", "Does it copy its training clips?", rows, note)


def m9_long(bench: Bench) -> Answer:
    frames = 60 * FPS
    scenes = scenes_with(
        2, 91, event=("bounce", "roll"), camera="static", weather="clear", spring="bouncy", count="one"
    )
    spans = windows(frames // PATCH_FRAMES, PAINT_WINDOW, PAINT_OVERLAP)
    joins = [(first + known) * PATCH_FRAMES for first, _, known in spans[1:]]
    found: dict[str, dict[str, float]] = {}
    for kind, clips in made_and_rendered(bench, scenes, frames, "60 s").items():
        drifts = [metrics.drift_per_10s(clip.video, FPS) for clip in clips]
        found[kind] = {name: float(np.mean([abs(d[name]) for d in drifts])) for name in drifts[0]}
        found[kind]["join"] = float(np.mean([metrics.join_jump(clip.video, joins) for clip in clips]))
        found[kind]["border"] = float(np.mean([metrics.border_jump(clip.video) for clip in clips]))
        found[kind]["late"] = _late_reading(bench, clips)
    made, exact = found["generated"], found["rendered"]
    rows = [
        Row(
            f"drift of {name} per 10 s",
            made[key],
            exact[key],
            None,
            Target("at most", 0.02) if key != "edges" else None,
            2,
        )
        for key, name in (("luma", "brightness"), ("saturation", "saturation"), ("edges", "edge energy"))
    ]
    rows += [
        Row(
            "step at joins of windows, over other latent borders",
            made["join"],
            exact["join"],
            None,
            Target("at most", 1.3, from_issue=False),
            2,
        ),
        Row("step at latent borders, over steps inside", made["border"], exact["border"], None, None, 2),
        Row("scenery and object still right in the last second", made["late"], exact["late"], None, None, 2),
    ]
    return Answer(
        "M9", "Does a minute hold together?", tuple(rows), "Two clips of 60 s: one bounces, one rolls."
    )


def _late_reading(bench: Bench, clips: Sequence[Clip]) -> float:
    """Mean accuracy in the last second, over the slots that can be seen there."""
    ends = [replace(clip, frames=clip.frames[-SECOND:]) for clip in clips]
    ids = torch.cat([clip.layout.ids for clip in clips]).clone()
    ids[:, slot_index(STAGE)] = 2
    scores = judge(bench.probe, bench.encode(ends), targets(ids), torch.ones(len(clips), dtype=torch.bool))
    return float(np.nanmean([score for slot, (score, _) in scores.items() if slot not in OPENING]))
