"""The marks that are compared: Clipproof's and those of invisible-watermark, each with the same 64 bits."""

import importlib.util
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from math import floor
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.watermark.clips import Clip, planes_of, rgb_of
from media import Planes
from provenance.watermark import Detection, Detector, Embedder, choose
from provenance.watermark.detect import READ_RATE
from provenance.watermark.strength import excerpt_range

State = Literal["exact", "present_unreadable", "not_found", "wrong", "error"]

PAYLOAD_BITS = 64
BASELINES = ("dwtDct", "dwtDctSvd")
BASELINE_PICTURES = 6  # read of each clip: it takes a tenth of a second and more for each


@dataclass(frozen=True)
class Outcome:
    """What a reader says. p_value: None where a method has none; bits_right: of the payload, for such a method;
    seconds: CPU time of reading, without decoding and without the attack."""

    state: State
    p_value: float | None = None
    bits_right: float | None = None
    seconds: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Marked:
    """details: what was chosen for this clip; None where a method has no choice."""

    clip: Clip
    details: dict[str, float] | None = None


class Method(Protocol):
    @property
    def name(self) -> str: ...

    def mark(self, clip: Clip) -> Marked:
        """The marked pictures, before any codec. Raises WatermarkError."""

    def read(self, clip: Clip) -> Outcome:
        """What is read blind."""


def secrets_of(name: str) -> tuple[bytes, int]:
    """A key and a payload of a clip's own: no result hangs on one lucky pattern."""
    digest = sha256(f"attack bench {name}".encode()).digest()
    return digest, int.from_bytes(sha256(digest).digest()[: PAYLOAD_BITS // 8])


# ---------------------------------------------------------------- clipproof


@dataclass(frozen=True)
class Clipproof:
    key: bytes
    payload: int
    strength: float  # a factor on what the closed loop chooses
    name: str = "clipproof"

    def mark(self, clip: Clip) -> Marked:
        wanted = excerpt_range(len(clip.pictures) / float(clip.rate), clip.rate)
        tried = [clip.pictures[index] for index in wanted]
        choice = choose(tried, clip.rate, self.payload, self.key).scaled(self.strength)
        embedder = Embedder(*clip.size, self.payload, self.key, levels=choice.levels)
        made = [embedder.embed(planes, index / clip.rate) for index, planes in enumerate(clip.pictures)]
        return Marked(Clip(clip.name, clip.rate, made), choice.details())

    def read(self, clip: Clip) -> Outcome:
        found, seconds = detected(clip, [self.key])
        state: State = "exact"
        if found.payload is None:
            state = "present_unreadable" if found.state == "present_unreadable" else "not_found"
        elif found.payload != self.payload:
            state = "wrong"
        return Outcome(state, p_value=found.p_value, seconds=seconds)


def detected(clip: Clip, keys: Sequence[bytes]) -> tuple[Detection, float]:
    """As detect_file, from pictures; and the CPU seconds."""
    detector, seconds = Detector(), 0.0
    for index in _read_indices(clip):
        planes = clip.pictures[index]
        start = time.process_time()
        detector.update(planes, index / clip.rate)
        seconds += time.process_time() - start
    start = time.process_time()
    found = detector.finish(keys)
    return found, seconds + time.process_time() - start


def _read_indices(clip: Clip) -> Iterator[int]:
    """No more than READ_RATE pictures a second, the nearest earlier ones, as a file is read."""
    last = -1
    for index in range(len(clip.pictures)):
        slot = floor(index / clip.rate * READ_RATE)
        if slot != last:
            yield index
        last = slot


# ---------------------------------------------------------------- invisible-watermark


@dataclass(frozen=True)
class InvisibleWatermark:
    """Its reader is told the length of the payload and votes over a few pictures. It has no "not marked" answer."""

    name: str
    payload: int

    @property
    def bits(self) -> NDArray[np.int64]:
        return np.array([self.payload >> index & 1 for index in range(PAYLOAD_BITS)])

    def mark(self, clip: Clip) -> Marked:
        embed = package_class(self.name)(self.bits.tolist(), PAYLOAD_BITS).encode
        made = [planes_of(embed(bgr_of(picture))[..., ::-1]) for picture in clip.pictures]
        return Marked(Clip(clip.name, clip.rate, made))

    def read(self, clip: Clip) -> Outcome:
        decode = package_class(self.name)([], PAYLOAD_BITS).decode
        count = min(BASELINE_PICTURES, len(clip.pictures))
        chosen = [bgr_of(clip.pictures[index * len(clip.pictures) // count]) for index in range(count)]
        start = time.process_time()
        votes = np.mean([decode(picture) for picture in chosen], axis=0)
        right = float(np.mean((votes > 0.5) == self.bits))
        seconds = time.process_time() - start
        return Outcome("exact" if right == 1 else "not_found", bits_right=right, seconds=seconds)


def bgr_of(picture: Planes) -> NDArray[np.uint8]:
    return np.ascontiguousarray(rgb_of(picture)[..., ::-1])


@cache
def package_class(name: str) -> Any:
    """The package's own class, without its __init__, which imports torch."""
    package: Any = importlib.util.find_spec("imwatermark")
    module_name, class_name = {
        "dwtDct": ("maxDct", "EmbedMaxDct"),
        "dwtDctSvd": ("dwtDctSvd", "EmbedDwtDctSvd"),
    }[name]
    path = Path(package.submodule_search_locations[0]) / f"{module_name}.py"
    spec: Any = importlib.util.spec_from_file_location(f"imwatermark_{module_name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, class_name)
