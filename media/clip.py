"""Clips from disk: what the container says, and frames with exact times."""

import dataclasses
import itertools
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from media.errors import CorruptMedia
from media.limits import Limits
from media.planes import Plane, Planes
from media.sandbox import run_job
from media.sniff import sniff

PixelFormat = Literal["yuv420p", "rgb24", "gray"]


class Color(NamedTuple):
    """How samples mean colours: FFmpeg's numbers of ITU-T H.273 (range, matrix, primaries, transfer)."""

    range: int
    matrix: int
    primaries: int
    transfer: int


@dataclass(frozen=True, slots=True)
class Probe:
    """What a container says of itself and of its first video stream."""

    path: Path
    media_type: str
    demuxer: str
    width: int  # as displayed, that is after rotation
    height: int
    rotation: int  # counter-clockwise degrees of the display matrix; frames are delivered upright
    sample_aspect: Fraction  # width to height of an upright pixel
    pixel_format: str
    chroma: str  # "4:2:0", "4:2:2", "4:4:4" ..., "RGB", "grey"; "" where it is not known
    bit_depth: int
    codec: str
    frame_rate: Fraction | None  # average
    time_base: Fraction
    duration_s: float | None
    frame_count: int | None  # as the container says, if it does
    audio_codecs: tuple[str, ...]
    metadata: dict[str, str]
    size_bytes: int
    color: Color  # of the yuv420p planes that are delivered; RGB video is delivered in BT.709, limited range


def probe_of(path: Path, said: dict[str, Any]) -> Probe:
    """A probe from what the child said of the file at `path`."""
    container = sniff(path)
    return Probe(
        path=path,
        media_type=container.media_type,
        demuxer=container.demuxer,
        frame_rate=Fraction(*said.pop("frame_rate")) if said["frame_rate"] else said.pop("frame_rate"),
        time_base=Fraction(*said.pop("time_base")),
        sample_aspect=Fraction(*said.pop("sample_aspect")),
        audio_codecs=tuple(said.pop("audio_codecs")),
        color=Color(*said.pop("color")),
        size_bytes=path.stat().st_size,
        **said,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One upright picture: `index` among the file's frames and presentation `time` in seconds, exact."""

    index: int
    time: Fraction
    planes: tuple[
        Plane, ...
    ]  # yuv420p: Y [H,W], U and V [⌈H/2⌉,⌈W/2⌉]; rgb24: [H,W,3]; gray: [H,W]; all uint8
    rescaled: bool = False  # was of another size than the first picture, whose size all have here
    interlaced: bool = False  # two fields, each at a time of its own, woven into one picture
    transparent: bool = False  # had pixels through which a background is seen; `planes` have no alpha

    @property
    def yuv(self) -> Planes:
        """The planes of a clip that was opened as yuv420p."""
        y, u, v = self.planes
        return y, u, v


class ClipReader:
    """Iterates over the frames of one file; the decoding happens in a child process that ends with it."""

    def __init__(self, path: Path, limits: Limits, strict: bool, **options: Any) -> None:
        self._path, self._strict = path, strict
        self._messages: Generator[tuple[dict[str, Any], bytes], None, None] = run_job(
            "frames", path, limits, **options
        )  # type: ignore[assignment]
        header, _ = next(self._messages)
        self.probe = probe_of(path, header["probe"])
        self.decode_errors = 0

    def __iter__(self) -> Iterator[Frame]:
        for header, payload in self._messages:
            if header["kind"] == "end":
                self.decode_errors = header["decode_errors"]
                if self._strict and self.decode_errors:
                    raise CorruptMedia(
                        f"{self._path}: {self.decode_errors} of its packets do not decode",
                        hint="Fetch or export the clip again.",
                    )
                return
            flat = np.frombuffer(payload, np.uint8)
            ends = list(itertools.accumulate(int(np.prod(shape)) for shape in header["shapes"]))
            planes = tuple(
                part.reshape(shape)
                for part, shape in zip(np.split(flat, ends[:-1]), header["shapes"], strict=True)
            )
            yield Frame(
                header["index"],
                Fraction(*header["time"]),
                planes,
                rescaled=header["rescaled"],
                interlaced=header["interlaced"],
                transparent=header["transparent"],
            )

    def close(self) -> None:
        self._messages.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_clip(
    path: Path | str,
    *,
    pixel_format: PixelFormat = "yuv420p",
    rate: Fraction | float | None = None,
    short_side: int | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    strict: bool = False,
    limits: Limits | None = None,
) -> ClipReader:
    """Open an untrusted video for reading, upright, in a child process.

    `rate`: at most so many frames a second (the nearest earlier ones). `short_side`: scaled down with area
    averaging until the short side is at most this, to even sizes. `start_s`, `end_s`: seconds after the first
    frame. `strict`: raise `CorruptMedia` at the end when anything did not decode; otherwise it is counted in
    `decode_errors`. Raises `UnsupportedMedia`, `CorruptMedia` or `LimitExceeded`.
    """
    step = 1 / Fraction(rate).limit_denominator(100_000) if rate else None
    return ClipReader(
        Path(path),
        limits or Limits(),
        strict,
        pixel_format=pixel_format,
        step=[step.numerator, step.denominator] if step else None,
        short_side=short_side,
        start_s=float(start_s),
        end_s=None if end_s is None else float(end_s),
        probe_only=False,
    )


def probe(path: Path | str, *, limits: Limits | None = None) -> Probe:
    """What the container at `path` says; raises as `open_clip` does. At least one frame decodes."""
    reader = ClipReader(
        Path(path),
        limits or Limits(),
        False,
        pixel_format="gray",
        step=None,
        short_side=None,
        start_s=0.0,
        end_s=None,
        probe_only=True,
    )
    with reader:
        return dataclasses.replace(reader.probe)
