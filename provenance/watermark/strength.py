"""How strong a clip's mark must be: embed, encode, measure, and take the least that is read with margin.

Smooth clips carry a mark through anything at a third of what noisy ones need, and there it costs most: bytes,
and being seen. So the strength is measured on the clip itself. Luma and chroma are set apart: chroma by a
hard re-encode, luma by being read alone, which is what a greyscale copy leaves.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import reduce
from operator import add

from media import Planes, recode
from provenance.watermark.carrier import carrier
from provenance.watermark.embed import Embedder, Levels
from provenance.watermark.evidence import cells, known_z
from provenance.watermark.pose import IDENTITY
from provenance.watermark.response import Reader, Response

# Whole levels of a picture show no less than the lowest ones, and steps in between are narrow: a hundredth more may
# double what is left after rounding.
LUMA_LEVELS = (0.28, 0.29, 0.3, 0.31, 0.32, 0.34, 0.37, 0.41, 0.46, 0.52, 0.6)
CHROMA_LEVELS = (0.3, 0.32, 0.34, 0.36, 0.38, 0.4, 0.43, 0.46, 0.5, 0.55, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7)

EXCERPT_S = 1.5
EARLY_S = 10.0
_MOST_PICTURES = 36
_READ = 4  # every fourth picture of the excerpt is read

NEEDED = 13.0  # at this correlation nine payloads in ten are decoded
# A mark must survive x264 crf 36. It shall survive x265 crf 35, which is much harder on chroma, while the excerpt takes
# no more bytes than this at crf 23, over those without a mark. A rough guard: key frames and quantisers move with the
# mark, and a whole file at x264's defaults showed from six points less to ten more at these levels (measured).
_OWN_CRF, _HARD_CRF, _HEVC_CRF = 23, 36, 35
_BYTES = 1.01


@dataclass(frozen=True)
class Choice:
    """What the loop settled on, and how far the excerpt is from being lost there.

    margin: correlation with the payload after x264 crf 36, over what nine in ten payloads need; luma_margin:
    of luma alone after x264 crf 23. bytes_ratio: marked over unmarked at x264 crf 23. Both as measured at
    strength 1.
    """

    levels: Levels
    margin: float
    luma_margin: float
    bytes_ratio: float

    def scaled(self, factor: float) -> "Choice":
        """The choice at another strength; what was measured stays what it was."""
        return replace(self, levels=Levels(self.levels.luma * factor, self.levels.chroma * factor))

    def details(self) -> dict[str, float]:
        """As the ledger records it."""
        measured = asdict(self)
        levels = measured.pop("levels")
        return {name: round(value, 3) for name, value in (levels | measured).items()}


def excerpt_range(duration_s: float | None, rate: Fraction | float) -> range:
    """The indices of the pictures that are tried: EXCERPT_S from the middle of the first EARLY_S."""
    seconds = min(duration_s or 0.0, EARLY_S)
    count = max(1, min(_MOST_PICTURES, round(min(seconds or EXCERPT_S, EXCERPT_S) * float(rate))))
    start = max(0, round(seconds * float(rate) - count) // 2)
    return range(start, start + count)


def choose(pictures: Sequence[Planes], rate: Fraction | float, payload: int, key: bytes) -> Choice:
    """The least levels at which an excerpt's mark is read after x264 crf 36, and luma alone after crf 23; the
    highest where none is. Chroma goes on up to what x265 crf 35 asks, as long as it costs next to no bytes.
    """
    trial = _Trial(pictures, rate, payload, key)
    luma, chroma = _Bisection(LUMA_LEVELS), _Bisection(CHROMA_LEVELS)
    while not (luma.is_done and chroma.is_done):
        levels = Levels(luma.level, chroma.level)
        found = trial.measure(levels)
        luma.judge(found.luma_margin >= 1)
        chroma.judge(found.margin >= 1 and (found.bytes_ratio > _BYTES or trial.lasts(levels)))
    found = trial.measure(Levels(luma.level, chroma.level))
    if found.margin < 1 and chroma.level < CHROMA_LEVELS[-1]:
        # Luma came down after chroma was judged beside it.
        found = trial.measure(Levels(luma.level, CHROMA_LEVELS[CHROMA_LEVELS.index(chroma.level) + 1]))
    return found


class _Bisection:
    """The lowest of rising levels that is good enough; the highest if none is."""

    def __init__(self, levels: Sequence[float]) -> None:
        self._levels = levels
        self._low, self._high = 0, len(levels) - 1

    @property
    def is_done(self) -> bool:
        return self._low == self._high

    @property
    def level(self) -> float:
        return self._levels[(self._low + self._high) // 2]

    def judge(self, good: bool) -> None:
        if self.is_done:
            return
        middle = (self._low + self._high) // 2
        self._low, self._high = (self._low, middle) if good else (middle + 1, self._high)


class _Trial:
    def __init__(self, pictures: Sequence[Planes], rate: Fraction | float, payload: int, key: bytes) -> None:
        self._pictures, self._rate, self._payload, self._key = pictures, rate, payload, key
        self._layout = cells(carrier(key))
        height, width = pictures[0][0].shape
        self._reader = Reader(width, height)
        self._size = (width, height)
        self._plain_bytes = recode(pictures, rate, crf=_OWN_CRF)[1]
        self._known: dict[Levels, Choice] = {}

    def measure(self, levels: Levels) -> Choice:
        if levels not in self._known:
            marked = self._marked(levels)
            own, size = recode(marked, self._rate, crf=_OWN_CRF)
            hard, _ = recode(marked, self._rate, crf=_HARD_CRF)
            margins = self._z(hard) / NEEDED, self._z(own, luma_alone=True) / NEEDED
            self._known[levels] = Choice(levels, *margins, size / self._plain_bytes)
        return self._known[levels]

    def lasts(self, levels: Levels) -> bool:
        """Whether the mark is read after x265."""
        attacked, _ = recode(self._marked(levels), self._rate, crf=_HEVC_CRF, codec="libx265")
        return self._z(attacked) >= NEEDED

    def _marked(self, levels: Levels) -> list[Planes]:
        embedder = Embedder(*self._size, self._payload, self._key, levels=levels)
        return [embedder.embed(planes, index / self._rate) for index, planes in enumerate(self._pictures)]

    def _z(self, pictures: Sequence[Planes], *, luma_alone: bool = False) -> float:
        read: Response = reduce(add, (self._reader.read(planes) for planes in pictures[::_READ]))
        whole = read.clipped()
        return known_z(whole, IDENTITY, self._layout, self._payload, luma_alone=luma_alone)
