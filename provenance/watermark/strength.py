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

LUMA_LEVELS = (0.3, 0.33, 0.36, 0.4, 0.45, 0.5, 0.6)
CHROMA_LEVELS = (0.4, 0.5, 0.63, 0.8, 1.0, 1.2, 1.4)

EXCERPT_S = 1.5
EARLY_S = 10.0
_MOST_PICTURES = 36
_READ = 4  # every fourth picture of the excerpt is read

_OWN_CRF, _REFERENCE_CRF = 23, 37
NEEDED = 13.0  # at this correlation nine payloads in ten are decoded
_LUMA_NEEDS, _TOGETHER_NEEDS = 1.2, 1.1  # times NEEDED


@dataclass(frozen=True)
class Choice:
    """What the loop settled on. margin: correlation with the payload after the reference attack (x264 crf 37
    of an excerpt), over what nine in ten payloads need; luma_margin: the same for luma alone after crf 23.
    bytes_ratio: marked over unmarked at crf 23.
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
        measured = {"margin": self.margin, "luma_margin": self.luma_margin, "bytes_ratio": self.bytes_ratio}
        return asdict(self.levels) | {name: round(value, 3) for name, value in measured.items()}


def excerpt_range(duration_s: float | None, rate: Fraction | float) -> range:
    """The indices of the pictures that are tried: EXCERPT_S from the middle of the first EARLY_S."""
    seconds = min(duration_s or 0.0, EARLY_S)
    count = max(1, min(_MOST_PICTURES, round(min(seconds or EXCERPT_S, EXCERPT_S) * float(rate))))
    start = max(0, round(seconds * float(rate) - count) // 2)
    return range(start, start + count)


def choose(pictures: Sequence[Planes], rate: Fraction | float, payload: int, key: bytes) -> Choice:
    """The least levels at which an excerpt's mark is read with margin; the highest where none is."""
    trial = _Trial(pictures, rate, payload, key)
    luma, chroma = _Bisection(LUMA_LEVELS), _Bisection(CHROMA_LEVELS)
    while not (luma.is_done and chroma.is_done):
        margin, luma_margin, _ = trial.measure(Levels(luma.level, chroma.level))
        luma.judge(luma_margin >= _LUMA_NEEDS)
        chroma.judge(margin >= _TOGETHER_NEEDS)
    levels = Levels(luma.level, chroma.level)
    # Luma may have come down after chroma was judged beside it.
    if trial.measure(levels)[0] < _TOGETHER_NEEDS and levels.chroma < CHROMA_LEVELS[-1]:
        levels = Levels(luma.level, CHROMA_LEVELS[CHROMA_LEVELS.index(levels.chroma) + 1])
    return Choice(levels, *trial.measure(levels))


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
        self._known: dict[Levels, tuple[float, float, float]] = {}

    def measure(self, levels: Levels) -> tuple[float, float, float]:
        """Margin after the reference attack, margin of luma alone, bytes ratio."""
        if levels not in self._known:
            embedder = Embedder(*self._size, self._payload, self._key, levels=levels)
            marked = [
                embedder.embed(planes, index / self._rate) for index, planes in enumerate(self._pictures)
            ]
            own, size = recode(marked, self._rate, crf=_OWN_CRF)
            attacked, _ = recode(marked, self._rate, crf=_REFERENCE_CRF)
            self._known[levels] = (
                self._z(attacked) / NEEDED,
                self._z(own, luma_alone=True) / NEEDED,
                size / self._plain_bytes,
            )
        return self._known[levels]

    def _z(self, pictures: Sequence[Planes], *, luma_alone: bool = False) -> float:
        read: Response = reduce(add, (self._reader.read(planes) for planes in pictures[::_READ]))
        whole = read.clipped()
        return known_z(whole, IDENTITY, self._layout, self._payload, luma_alone=luma_alone)
