"""What a pipeline is called with: the wish, the family's recommendations, and the notes where they differ."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from .errors import RequestError
from .families import Family, latents_of, patch_of
from .models import FoundModel, pipeline_type
from .pictures import Picture
from .request import MAX_SECONDS, GenerationRequest
from .sizes import SizeRule, adjustment, fit_frames, fit_side

MAX_SHAPE = 4.0
"""A clip takes the shape of its picture up to four to one; no model was trained on longer ones."""

Note = Callable[[dict[str, Any]], None]


def settle_arguments(
    request: GenerationRequest,
    found: FoundModel,
    family: Family,
    name: str,
    pictures: Mapping[str, Picture],
    note: Note,
) -> tuple[dict[str, Any], Fraction]:
    """What the pipeline of class ``name`` is called with, pictures aside, and the playback rate.

    What differs from the wish is noted. Raises :class:`RequestError` for a size that the model cannot draw.
    """
    accepted = inspect.signature(pipeline_type(name).__call__).parameters
    rule = _rule(found, family)

    def default(argument: str, recommended: Any = None) -> Any:
        if argument not in accepted:
            return None
        value = accepted[argument].default
        return recommended if recommended is not None else None if value is inspect.Parameter.empty else value

    if found.embedded:
        request = _within_embedded(request, note)
    fps = request.fps if request.fps is not None else default("frame_rate") or rule.fps
    if request.fps is not None and not found.embedded and "frame_rate" not in accepted and fps != rule.fps:
        note(
            adjustment("fps", fps, fps, f"playback only: this model's motion was learnt at {rule.fps:g} fps")
        )
    width, height = _recommended_size(request, found, family, rule, pictures)
    negative = request.negative_prompt
    if negative is not None and (default("true_cfg_scale") or 2.0) <= 1.0:
        note(adjustment("negative_prompt", negative, None, "this model's guidance has no negative prompt"))
        negative = None
    wished: dict[str, Any] = {
        "negative_prompt": negative,
        "num_frames": fit_frames(rule, request.seconds, fps, default("num_frames", family.frames), note),
        "width": fit_side(rule, "width", request.width, width or default("width"), note),
        "height": fit_side(rule, "height", request.height, height or default("height"), note),
        "num_inference_steps": request.steps or default("num_inference_steps", family.steps),
        "guidance_scale": default("guidance_scale", family.guidance_scale)
        if request.guidance_scale is None
        else request.guidance_scale,
        "frame_rate": fps,
        "loop": request.loop or None,
    }
    if request.guidance_scale is None and family.guidance_scale_2 is not None:
        wished["guidance_scale_2"] = family.guidance_scale_2
    for argument, value in wished.items():
        asked = argument not in ("frame_rate", "guidance_scale_2", "width", "height")
        asked = asked or getattr(request, argument, None) is not None
        if argument not in accepted and asked and value is not None:
            note(adjustment(argument, value, None, f"{name} has no such argument"))
    frames = wished["num_frames"]
    if family.longest is not None and frames is not None and frames > family.longest:
        why = f"longer than the {family.longest} frames of its training: the motion tends to repeat"
        note(adjustment("frames", frames, frames, why))
    arguments = {
        k: v for k, v in wished.items() if k in accepted and (v is not None or k == "negative_prompt")
    }
    return arguments, Fraction(fps).limit_denominator(1001)


def _rule(found: FoundModel, family: Family) -> SizeRule:
    """The family's rule; sides are at least whole tokens of this very model. The embedded one crops."""
    if found.embedded:
        return family.rule
    side = latents_of(found, family.latents).spatial * patch_of(found)[1]
    return replace(family.rule, side_multiple=math.lcm(family.rule.side_multiple, side))


def _recommended_size(
    request: GenerationRequest,
    found: FoundModel,
    family: Family,
    rule: SizeRule,
    pictures: Mapping[str, Picture],
) -> tuple[int | None, int | None]:
    """Width and height where none is asked: the family's, in the shape of the first picture.

    A model with learned positions draws one size, and any other wish is an error.
    """
    transformer = found.config("transformer")
    if transformer.get("use_learned_positional_embeddings"):
        spatial = latents_of(found, family.latents).spatial
        only = (
            int(transformer.get("sample_width", 90)) * spatial,
            int(transformer.get("sample_height", 60)) * spatial,
        )
        for what, side in zip(("width", "height"), only, strict=True):
            asked = getattr(request, what)
            if asked not in (None, side):
                raise RequestError(
                    f"{found.model_id} draws {only[0]}x{only[1]} pixels and no other size",
                    hint=f"Leave {what} out.",
                )
        return only
    width, height = family.width, family.height
    picture = next(iter(pictures.values()), None)
    if picture is None or width is None or height is None or (request.width, request.height) != (None, None):
        return width, height
    shape = min(MAX_SHAPE, max(1 / MAX_SHAPE, picture.image.width / picture.image.height))
    sides = math.sqrt(width * height * shape), math.sqrt(width * height / shape)
    return rule.nearest_side(round(sides[0])), rule.nearest_side(round(sides[1]))


def _within_embedded(request: GenerationRequest, note: Note) -> GenerationRequest:
    """The request cut to what the embedded model can do: one of its formats, and its rate.

    A storyboard lasts two seconds beyond its last shot's start, if no length is asked. Raises
    :class:`RequestError` for one that cannot be followed, before anything is loaded.
    """
    from .spacetime.physics import FPS
    from .spacetime.pipeline import FORMATS, read_board
    from .spacetime.storyboard import parse_storyboard

    shots = parse_storyboard(request.prompt)
    seconds = request.seconds
    if seconds is None and len(shots) > 1:
        seconds = min(MAX_SECONDS, shots[-1].start + 2.0)
    read_board(request.prompt, max(1, math.ceil((seconds or 2.0) * FPS / 4)))
    if request.loop and len(shots) > 1:
        raise RequestError("a storyboard of several shots does not loop", hint="Ask for one shot.")
    if request.loop and request.last_image is not None:
        raise RequestError("a loop ends with its first picture", hint="Leave the last picture out.")

    width, height = request.width, request.height
    if (width, height) != (None, None):
        shape = math.log((width or height or 1) / (height or width or 1))
        given = min(FORMATS, key=lambda size: abs(math.log(size[1] / size[0]) - shape))
        why = "the embedded model draws 256x256, 320x180 and 180x320; delivery scales it up"
        for name, asked, side in (("width", width, given[1]), ("height", height, given[0])):
            if asked not in (None, side):
                note(adjustment(name, asked, side, why))
        height, width = given
    if request.fps not in (None, FPS):
        note(adjustment("fps", request.fps, FPS, "the embedded model draws one frame rate"))
    return replace(request, width=width, height=height, fps=float(FPS), seconds=seconds)
