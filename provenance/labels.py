"""Labels that Chinese law asks of generated video: metadata (GB 45438-2025) and a visible text.

The metadata key is `AIGC` in moov/udta/meta (keys, ilst) of an MP4. It is part of what a C2PA manifest
hashes, so it is written before signing.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

import numpy as np

from media import Planes
from provenance.errors import LabelError

Language = Literal["zh", "en", "both"]
Extent = Literal["start", "whole"]

AIGC_KEY: Final = "AIGC"
LABEL_SECONDS: Final = 2.0  # how long the visible label must stay

_MAX_FIELD = 512
_LABELS: Final[Mapping[str, Literal["1", "2", "3"]]] = {"1": "1", "2": "2", "3": "3"}
_FIELDS: Final = {
    "Label": "label",
    "ContentProducer": "content_producer",
    "ProduceID": "produce_id",
    "ReservedCode1": "reserved_code1",
    "ContentPropagator": "content_propagator",
    "PropagateID": "propagate_id",
    "ReservedCode2": "reserved_code2",
}


@dataclass(frozen=True, slots=True)
class AigcLabel:
    """The implicit label. `label` 1: is generated, 2: may be, 3: is suspected to be.

    The reserved codes are for the producer's and the propagator's own security, for example a digest.
    Values are printable ASCII without quotes and backslashes.
    """

    label: Literal["1", "2", "3"]
    content_producer: str
    produce_id: str
    reserved_code1: str = ""
    content_propagator: str = ""
    propagate_id: str = ""
    reserved_code2: str = ""

    @classmethod
    def produced(cls, producer: str, produce_id: str, *, security_code: str = "") -> "AigcLabel":
        """The label of a clip at its first writing, where the producer is the propagator, too."""
        return cls("1", producer, produce_id, security_code, producer, produce_id)

    def metadata(self) -> dict[str, str]:
        """What to give to the writer of the file: `{"AIGC": json}`. Raises `LabelError`."""
        values = asdict(self)
        for name, attribute in _FIELDS.items():
            value = values[attribute]
            if not (value.isascii() and value.isprintable()) or set(value) & set("\"'\\"):
                raise LabelError(
                    f"{name} {value!r} is not plain ASCII", hint="Leave out quotes and backslashes."
                )
            if len(value) > _MAX_FIELD:
                raise LabelError(f"{name} has {len(value)} characters", hint=f"At most {_MAX_FIELD}.")
        if self.label not in _LABELS:
            raise LabelError(f"label {self.label!r} is not 1, 2 or 3")
        return {AIGC_KEY: json.dumps({name: values[attribute] for name, attribute in _FIELDS.items()})}


def read_aigc(metadata: Mapping[str, str]) -> AigcLabel | None:
    """The label in a file's metadata, or None where there is none.

    Both forms in the wild are read: the object itself under `AIGC`, and `{"AIGC": {…}}` under any key.
    Raises `LabelError` where there is a label that does not parse.
    """
    for key, text in metadata.items():
        if key.upper() == AIGC_KEY or text.lstrip().startswith('{"AIGC"'):
            return _parse(text)
    return None


def _parse(text: str) -> AigcLabel:
    try:
        content = json.loads(text) if len(text) <= 16 * _MAX_FIELD else None
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict) and isinstance(content.get(AIGC_KEY), dict):
        content = content[AIGC_KEY]
    if not isinstance(content, dict):
        raise LabelError(
            "the AIGC metadata are not a JSON object", hint="The label was damaged or is not one."
        )
    values = {attribute: str(content.get(name, ""))[:_MAX_FIELD] for name, attribute in _FIELDS.items()}
    number = values.pop("label")
    if number not in _LABELS:
        raise LabelError(f"the AIGC label {number[:20]!r} is not 1, 2 or 3", hint="The label was damaged.")
    return AigcLabel(label=_LABELS[number], **values)


_TEXTS: Final[Mapping[Language, str]] = {
    "zh": "AI生成",
    "en": "AI-generated",
    "both": "AI生成 AI-generated",
}

_FICTION_TEXTS: Final[Mapping[Language, str]] = {
    "zh": "虚构",
    "en": "fictional",
    "both": "虚构 / fictional",
}

# Each text in its parts: Latin letters, Chinese characters, Latin letters.
_PARTS: Final[Mapping[Language, tuple[str, str, str]]] = {
    "zh": ("AI", "生成", ""),
    "en": ("", "", "AI-generated"),
    "both": ("AI", "生成", " AI-generated"),
}
_FICTION_PARTS: Final[Mapping[Language, tuple[str, str, str]]] = {
    "zh": ("", "虚构", ""),
    "en": ("", "", "fictional"),
    "both": ("", "虚构", " / fictional"),
}

# The Chinese characters as strokes on a grid of 100 by 100 (x, y from the top left), so that no font is
# needed for them: few machines have one, and none is small.
_STROKES: Final[Mapping[str, tuple[tuple[tuple[int, int], ...], ...]]] = {
    "生": (
        ((30, 6), (24, 22), (12, 38)),
        ((24, 30), (88, 30)),
        ((20, 58), (84, 58)),
        ((52, 6), (52, 90)),
        ((8, 90), (94, 90)),
    ),
    "成": (
        ((18, 28), (92, 28)),
        ((20, 28), (20, 60), (8, 94)),
        ((20, 50), (46, 50), (45, 78), (33, 74)),
        ((56, 6), (60, 42), (72, 74), (90, 92), (94, 72)),
        ((84, 42), (68, 68), (44, 92)),
        ((68, 8), (82, 18)),
    ),
    "虚": (
        ((50, 4), (50, 22)),
        ((50, 12), (76, 12)),
        ((16, 24), (88, 24), (84, 36)),
        ((18, 24), (17, 60), (6, 94)),
        ((34, 42), (70, 36)),
        ((46, 26), (46, 48), (54, 52), (78, 52), (80, 46)),
        ((46, 60), (46, 90)),
        ((66, 60), (66, 90)),
        ((30, 66), (36, 80)),
        ((84, 64), (76, 80)),
        ((24, 90), (92, 90)),
    ),
    "构": (
        ((6, 30), (44, 30)),
        ((26, 6), (26, 94)),
        ((25, 34), (18, 54), (6, 70)),
        ((29, 40), (40, 54)),
        ((60, 6), (54, 26), (44, 42)),
        ((56, 24), (92, 24), (90, 72), (84, 90), (74, 84)),
        ((66, 38), (54, 66), (74, 62)),
        ((68, 50), (78, 70)),
    ),
}


class VisibleLabel:
    """The visible label "AI生成", "AI-generated" or both, drawn once for a frame size and put onto many frames.

    Its characters are at least 5 % of the short side high, white on a dark band in the lower left corner.
    `start` is the first two seconds (`LABEL_SECONDS`), `whole` all of the clip. `fictional` adds "虚构 / fictional" in
    the upper left corner, of the same height and on every frame: a cut-out of invented news must not lose it.
    """

    def __init__(
        self,
        width: int,
        height: int,
        *,
        language: Language = "both",
        extent: Extent = "start",
        fictional: bool = False,
    ) -> None:
        glyph_height = max(16, -(-min(width, height) // 20))
        self._generated = _Band(_draw(glyph_height, *_PARTS[language]), width, height, at="bottom")
        self._fiction = (
            _Band(_draw(glyph_height, *_FICTION_PARTS[language]), width, height, at="top")
            if fictional
            else None
        )
        self.glyph_height = glyph_height
        self._until_s = LABEL_SECONDS if extent == "start" else math.inf
        self._details: dict[str, object] = {
            "text": _TEXTS[language],
            "language": language,
            "extent": extent,
            "seconds": LABEL_SECONDS if extent == "start" else None,
            "glyph_share": round(glyph_height / min(width, height), 4),
        }
        if fictional:
            self._details["fiction"] = {"text": _FICTION_TEXTS[language], "extent": "whole"}

    def details(self) -> dict[str, object]:
        """What the ledger keeps of it: text, language, extent, glyph height as a share of the short side, `fiction`."""
        return dict(self._details)

    def draw_at(self, planes: Planes, time_s: float) -> Planes:
        """The planes of the frame at a time, with the labels that belong on it."""
        bands = (self._generated if time_s < self._until_s else None, self._fiction)
        return _drawn(planes, [band for band in bands if band is not None])

    def draw(self, planes: Planes) -> Planes:
        """Copies of yuv420p planes (uint8, limited range) with every label on them."""
        return _drawn(planes, [band for band in (self._generated, self._fiction) if band is not None])


class _Band:
    """Luma of a text (uint8, 16..235) and where it goes: a margin from the left and from the top or the bottom."""

    def __init__(self, text: np.ndarray, width: int, height: int, *, at: Literal["top", "bottom"]) -> None:
        margin = max(16, -(-min(width, height) // 20)) // 2 & ~1  # even, as the chroma planes are halved
        rows, columns = min(text.shape[0], height - margin), min(text.shape[1], width - margin)
        top = margin if at == "top" else (height - margin - rows) & ~1
        self.box = (slice(top, top + rows), slice(margin, margin + columns))
        self.chroma = (
            slice(top // 2, (top + rows + 1) // 2),
            slice(margin // 2, (margin + columns + 1) // 2),
        )
        self.luma = text[:rows, :columns]


def _drawn(planes: Planes, bands: Sequence[_Band]) -> Planes:
    if not bands:
        return planes
    y, u, v = (plane.copy() for plane in planes)
    for band in bands:
        y[band.box] = band.luma
        u[band.chroma] = v[band.chroma] = 128
    return y, u, v


def _draw(glyph_height: int, head: str, characters: str, tail: str) -> np.ndarray:
    """A text as luma, uint8 16..235; capital letters are `glyph_height` pixels high, characters more.

    `characters` are those of `_STROKES`, between Latin text.
    """
    from PIL import Image, ImageDraw, ImageFont

    scale = 4  # drawn larger and reduced: lines have no smooth edges of their own
    unit = scale * glyph_height
    font = ImageFont.load_default(size=1.55 * unit)  # a capital is some 0.68 of the size
    em, gap, line = round(1.25 * unit), unit // 6, unit // 8
    widths = [int(font.getlength(text)) for text in (head, tail)]
    size = (sum(widths) + len(characters) * (em + gap) + 5 * gap, em + 4 * gap)
    size = (-(-size[0] // scale) * scale, -(-size[1] // scale) * scale)
    band = Image.new("L", size, 16)
    pen = ImageDraw.Draw(band)
    top, baseline = 2 * gap, 2 * gap + em - (em - unit) // 2
    pen.text((2 * gap, baseline), head, fill=235, font=font, anchor="ls")
    left = 3 * gap + widths[0]
    for character in characters:
        for stroke in _STROKES[character]:
            points = [(left + x * em / 100, top + y * em / 100) for x, y in stroke]
            pen.line(points, fill=235, width=line, joint="curve")
        left += em + gap
    pen.text((left, baseline), tail, fill=235, font=font, anchor="ls")
    return np.asarray(band.reduce(scale))
