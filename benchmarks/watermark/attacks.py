"""What happens to clips on their way: named attacks with exact parameters, and what is asked of the mark under each."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial, reduce
from typing import Literal

from benchmarks.watermark import pixels
from benchmarks.watermark.clips import Change, Clip, Computed, film
from benchmarks.watermark.encoders import recoded
from media import Planes

Kind = Literal["everyday", "hard", "extreme"]
Step = Callable[[Clip], Clip]

EVERYDAY = 0.98


@dataclass(frozen=True)
class Attack:
    """target: the share of clips with a short side of 480 px or more that has to be read exactly; None: measured, no
    target. encodes: ends with a lossy codec."""

    name: str
    family: str
    kind: Kind
    target: float | None
    what: str
    steps: tuple[Step, ...]
    encodes: bool = False

    def __call__(self, clip: Clip) -> Clip:
        return reduce(lambda made, step: step(made), self.steps, clip)


def each(change: Change) -> Step:
    return lambda clip: clip.each(change)


def codec(crf: float, name: str = "H.264") -> Step:
    return partial(recoded, crf=crf, codec=name)


def at_rate(factor: Fraction) -> Step:
    """Fewer pictures a second, the nearest earlier ones; same duration."""

    def changed(clip: Clip) -> Clip:
        count = max(1, round(len(clip.pictures) * factor))
        return clip.picked(
            [min(int(index / factor), len(clip.pictures) - 1) for index in range(count)], clip.rate * factor
        )

    return changed


def at_speed(factor: Fraction) -> Step:
    return lambda clip: Clip(clip.name, clip.rate * factor, clip.pictures)


def excerpt(start: float, seconds: float | None = None) -> Step:
    """From a share of the way through; seconds: None for a single picture."""

    def changed(clip: Clip) -> Clip:
        count = 1 if seconds is None else min(len(clip.pictures), max(1, round(seconds * clip.rate)))
        first = int((len(clip.pictures) - count) * start)
        return clip.picked(range(first, first + count))

    return changed


def backwards(clip: Clip) -> Clip:
    return clip.picked(range(len(clip.pictures))[::-1])


def after_another(clip: Clip) -> Clip:
    count, other = len(clip.pictures), film(clip.seconds, clip.size, clip.rate, seed=23)

    def at(index: int) -> Planes:
        return other.pictures[index] if index < count else clip.pictures[index - count]

    return Clip(clip.name, clip.rate, Computed(2 * count, at))


def with_inset(share: float) -> Step:
    def changed(clip: Clip) -> Clip:
        width, height = (max(64, int(side * share) // 2 * 2) for side in clip.size)
        other = film(clip.seconds + 1, (width, height), clip.rate, seed=29)
        return clip.each(pixels.inset(other.pictures.__getitem__, share))

    return changed


def generation(factor: float, crf: float, rate: Fraction | None = None) -> tuple[Step, ...]:
    """One platform: resize, perhaps fewer pictures a second, encode."""
    slower = () if rate is None else (at_rate(rate),)
    return (each(pixels.resize(factor)), *slower, codec(crf))


def _codecs() -> list[Attack]:
    asked: list[tuple[str, float, Kind, float | None]] = [
        ("H.264", 18, "everyday", EVERYDAY),
        ("H.264", 23, "everyday", EVERYDAY),
        ("H.264", 28, "everyday", EVERYDAY),
        ("H.264", 33, "hard", 0.90),
        ("H.264", 40, "hard", 0.60),
        ("H.264", 45, "extreme", None),
        ("H.265", 28, "everyday", EVERYDAY),
        ("H.265", 35, "hard", 0.80),
        ("AV1", 40, "everyday", EVERYDAY),
        ("AV1", 55, "hard", 0.80),
        ("VP9", 35, "everyday", EVERYDAY),
    ]
    how = {
        "H.264": "x264, preset medium",
        "H.265": "x265, preset fast",
        "AV1": "SVT-AV1, preset 8",
        "VP9": "libvpx, good, cpu-used 4",
    }
    return [
        Attack(
            f"{name} crf {crf:g}", "codec", kind, target, f"{how[name]}", (codec(crf, name),), encodes=True
        )
        for name, crf, kind, target in asked
    ]


def _everyday(family: str, name: str, what: str, *steps: Step) -> Attack:
    return Attack(name, family, "everyday", EVERYDAY, what, steps)


def _unasked(family: str, name: str, kind: Kind, what: str, *steps: Step) -> Attack:
    """Measured, without a target."""
    return Attack(name, family, kind, None, what, steps)


def _geometry() -> list[Attack]:
    at = partial(_everyday, "geometry")
    scale = "area averaging down, bicubic up"
    moved = "the corners move inwards by up to so much of a side"
    return [
        *[at(f"resize × {f:g}", scale, each(pixels.resize(f))) for f in (0.33, 0.5, 0.75, 1.5, 2)],
        at("resize × 0.5 and back", scale, each(pixels.resize_and_back(0.5))),
        at("crop 90 %", "of either side, centred", each(pixels.crop(0.9))),
        at("crop 70 %", "of either side, centred", each(pixels.crop(0.7))),
        at(
            "crop 70 % off centre", "of either side, 20 % across, 80 % down", each(pixels.crop(0.7, 0.2, 0.8))
        ),
        at("crop 50 %", "of either side (25 % of the area), centred", each(pixels.crop(0.5))),
        at(
            "crop 50 % off centre",
            "of either side, 90 % across, 15 % down",
            each(pixels.crop(0.5, 0.9, 0.15)),
        ),
        at("9:16 crop", "centred; a portrait picture to 16:9", each(pixels.crop_to_other_shape())),
        at("letterbox", "black bars, height × 4/3", each(pixels.pad(1, 4 / 3))),
        at("pillarbox", "black bars, width × 4/3", each(pixels.pad(4 / 3, 1))),
        at(
            "shrink 70 % and pad", "black, 20 % across, 60 % down", each(pixels.shrink_and_pad(0.7, 0.2, 0.6))
        ),
        at("stretch to 4:3", "width × 3/4 (16:9 shown as 4:3)", each(pixels.resize(0.75, 1))),
        at("stretch to 16:9", "width × 4/3 (4:3 shown as 16:9)", each(pixels.resize(4 / 3, 1))),
        *[
            at(f"rotate {angle:+g}°", "bilinear, black corners, size kept", each(pixels.rotate(angle)))
            for angle in (2, -2, 5, -5, 12, -12)
        ],
        at("mirror", "left to right", each(pixels.mirror())),
        at("flip", "top to bottom", each(pixels.upside_down())),
        at("quarter turn", "counter-clockwise", each(pixels.turn(1))),
        at("quarter turn back", "clockwise", each(pixels.turn(-1))),
        at("half turn", "180°", each(pixels.turn(2))),
        _unasked("geometry", "perspective 2 %", "hard", moved, each(pixels.perspective(0.02))),
        _unasked("geometry", "perspective 5 %", "extreme", moved, each(pixels.perspective(0.05))),
    ]


def _time() -> list[Attack]:
    at = partial(_everyday, "time")
    return [
        at("30 → 24 → 15 fps", "rate × 0.8, then × 0.625", at_rate(Fraction(4, 5)), at_rate(Fraction(5, 8))),
        at("drop 50 %", "every second picture", at_rate(Fraction(1, 2))),
        at("speed + 25 %", "same pictures, rate × 1.25", at_speed(Fraction(5, 4))),
        at("speed − 25 %", "same pictures, rate × 0.75", at_speed(Fraction(3, 4))),
        at("reverse", "last picture first", backwards),
        at("first 1 s", "", excerpt(0, 1)),
        at("1 s from the middle", "", excerpt(0.5, 1)),
        at("after another clip", "as much unmarked film before it", after_another),
        _unasked("time", "one picture", "hard", "the middle one", excerpt(0.5)),
    ]


def _light() -> list[Attack]:
    at = partial(_everyday, "light and colour")
    return [
        *[at(f"brightness × {f:g}", "R, G and B", each(pixels.brightness(f))) for f in (1.2, 0.8, 0.6)],
        *[at(f"contrast × {f:g}", "about the mean", each(pixels.contrast(f))) for f in (0.5, 1.5)],
        *[at(f"gamma {g:g}", "exponent, luma", each(pixels.gamma(g))) for g in (0.6, 1.6)],
        *[at(f"saturation × {f:g}", "U and V", each(pixels.saturation(f))) for f in (0.5, 1.6)],
        *[at(f"hue {angle:+g}°", "U and V turned", each(pixels.hue(angle))) for angle in (20, -20)],
        at("greyscale", "U = V = 128", each(pixels.saturation(0))),
    ]


def _filters() -> list[Attack]:
    family = "noise and filters"
    at = partial(_everyday, family)
    return [
        at("noise σ 5", "Gaussian, all planes", each(pixels.noise(5))),
        _unasked(family, "noise σ 15", "hard", "Gaussian, all planes", each(pixels.noise(15))),
        at("blur σ 1.5", "Gaussian, px of luma", each(pixels.blur(1.5))),
        _unasked(family, "blur σ 4", "hard", "Gaussian, px of luma", each(pixels.blur(4))),
        _unasked(family, "median 5", "hard", "5×5 luma, 3×3 chroma", each(pixels.median(5))),
        at("sharpen", "unsharp mask, 100 %, σ 1.5", each(pixels.sharpen(1, 1.5))),
        at("JPEG 50", "each picture", each(pixels.jpeg(50))),
        _unasked(family, "JPEG 25", "hard", "each picture", each(pixels.jpeg(25))),
    ]


def _overlays() -> list[Attack]:
    at = partial(_everyday, "overlay")
    return [
        at("caption", "black bar over the bottom 15 %, white words", each(pixels.caption(0.15))),
        at("logo", "badge of 20 % of the short side, top right", each(pixels.logo(0.2))),
        at("picture in picture", "other film over 1/3 of either side, bottom right", with_inset(1 / 3)),
    ]


def _chains() -> list[Attack]:
    two = (*generation(0.75, 26), *generation(0.8, 28, Fraction(4, 5)))
    three = (*generation(0.75, 26), *generation(1.25, 28, Fraction(4, 5)), *generation(0.7, 30))
    filmed = (
        each(pixels.perspective(0.02)),
        each(pixels.resize(1.07)),
        each(pixels.moire(0.05, 7.3)),
        each(pixels.gamma(1.15)),
        each(pixels.noise(3)),
        each(pixels.crop(0.92)),
        codec(28),
    )
    dark = (each(pixels.crop(0.71)), each(pixels.brightness(0.5)))
    with_codec: list[tuple[str, Kind, float | None, str, tuple[Step, ...]]] = [
        ("two platforms", "hard", None, "× 0.75, crf 26; × 0.8, 4/5 of the pictures, crf 28", two),
        ("three platforms", "hard", None, "× 0.75, crf 26; × 1.25, 4/5 of the pictures, crf 28; × 0.7, crf 30", three),
        ("filmed from a screen", "extreme", None,
         "perspective 2 %, × 1.07, moiré 5 % of 7.3 px, gamma 1.15, noise σ 3, crop 92 %, crf 28", filmed),
        ("75 % + crf 28", "everyday", EVERYDAY, "resize × 0.75", generation(0.75, 28)),
        ("crop 70 % + crf 28", "everyday", EVERYDAY, "off centre", (each(pixels.crop(0.7, 0.2, 0.8)), codec(28))),
        ("first 1 s + crf 28", "everyday", EVERYDAY, "", (excerpt(0, 1), codec(28))),
        ("crop 71 % + brightness × 0.5 + crf 30", "hard", 0.80, "centred", (*dark, codec(30))),
        ("crop 71 % + brightness × 0.5 + crf 40", "extreme", None, "centred", (*dark, codec(40))),
    ]  # fmt: skip
    return [
        Attack(name, "chains", kind, target, what, steps, encodes=True)
        for name, kind, target, what, steps in with_codec
    ]


ATTACKS: tuple[Attack, ...] = (
    Attack("none", "codec", "everyday", EVERYDAY, "as published: x264 crf 18, preset medium", ()),
    *_codecs(),
    *_geometry(),
    *_time(),
    *_light(),
    *_filters(),
    *_overlays(),
    *_chains(),
)
BY_NAME = {attack.name: attack for attack in ATTACKS}
