"""ISO BMFF boxes of a hostile file: a bounded walk, and typed reads that never run past a box."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, NamedTuple

import numpy as np

from provenance.errors import BmffError

_MAX_FINDINGS = 100  # a hostile file must not fill the memory with them


class Finding(StrEnum):
    """What the guard found; any of them keeps a file from being trusted."""

    MALFORMED_BOX = "malformed_box"  # a box that ends outside its parent, or a table that is cut short
    MISSING_MOVIE = "missing_movie"  # no movie header: a lone segment, or one that hides in another box
    MULTIPLE_MOVIES = "multiple_movies"  # players may choose another one than the verifier
    UNCHECKED_SAMPLES = "unchecked_samples"  # sample tables where this guard cannot follow a player
    SAMPLE_OFFSET_OUTSIDE_MDAT = "sample_offset_outside_mdat"  # frames in bytes that no hash covers
    EXTERNAL_MEDIA = "external_media"  # frames in another file
    EXCLUDED_PAYLOAD = "excluded_payload"  # much, or a hidden movie, in boxes that the hash leaves out
    FRAGMENTS_MISSING = (
        "fragments_missing"  # an initialisation segment alone, or not all of its fragments in order
    )
    MULTIPLE_MANIFESTS = "multiple_manifests"
    UNEXPECTED_EXCLUSION = "unexpected_exclusion"  # the manifest leaves out more than the standard lets it


@dataclass(frozen=True, slots=True)
class GuardFinding:
    """One finding, with the byte offset of the box that it is about."""

    code: Finding
    message: str
    offset: int = 0


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """What a file may cost the guard; beyond it `BmffError`. Real files stay far below."""

    max_depth: int = 16
    max_boxes: int = 200_000  # an hour in one-second fragments has some 40 000
    max_table_bytes: int = 16 << 20  # sample tables: 4 million samples, 48 hours at 24 frames a second
    max_manifest_bytes: int = 64 << 20  # the SDK reads the whole manifest store into memory
    max_excluded_bytes: int = 1 << 20  # cameras reserve a few hundred KB of `free`


class Box(NamedTuple):
    """One box: its four-character type, and the offsets where it starts, its payload starts, and it ends."""

    kind: bytes
    offset: int
    body: int
    end: int


class BoxReader:
    """Reads boxes of one open file within limits and collects findings."""

    def __init__(self, file: BinaryIO, name: str, limits: GuardLimits) -> None:
        self.size = os.fstat(file.fileno()).st_size
        self.findings: list[GuardFinding] = []
        self._file, self._name, self._limits = file, name, limits
        self._boxes = self._table_bytes = 0

    def find(self, code: Finding, message: str, offset: int = 0) -> None:
        if len(self.findings) < _MAX_FINDINGS:
            self.findings.append(GuardFinding(code, message, offset))

    def refuse(self, reason: str) -> BmffError:
        return BmffError(
            f"{self._name}: {reason}", hint="No real clip looks like this; it is not read further."
        )

    def read(self, offset: int, count: int) -> bytes:
        """At most `count` bytes; fewer at the end of the file."""
        self._file.seek(offset)
        return self._file.read(max(0, count))

    def boxes(self, start: int, end: int, *, depth: int, strict: bool = True) -> Iterator[Box]:
        """The boxes in [start, end). What is not a box ends the walk, and is a finding where `strict`.

        Raises `BmffError` past the limits on depth and number.
        """
        if depth > self._limits.max_depth:
            raise self.refuse(f"boxes nested deeper than {self._limits.max_depth}")
        offset = start
        while offset < end:
            self._boxes += 1
            if self._boxes > self._limits.max_boxes:
                raise self.refuse(f"more than {self._limits.max_boxes} boxes")
            header = self.read(offset, min(16, end - offset))
            size, header_size = _box_size(header, end - offset, top_level=depth == 0)
            if size < header_size or size > end - offset:
                if strict:
                    self.find(Finding.MALFORMED_BOX, f"box {header[4:8]!r} does not fit", offset)
                return
            yield Box(header[4:8], offset, offset + header_size, offset + size)
            offset += size

    def fields(self, layout: str, at: int, box: Box) -> tuple[int, ...] | None:
        """Numbers at byte `at` of a box, or None and a finding where it is too short for them."""
        size = struct.calcsize(layout)
        content = self.read(at, min(size, box.end - at))
        if len(content) < size:
            self.find(Finding.MALFORMED_BOX, f"box {box.kind!r} is cut short", box.offset)
            return None
        return struct.unpack(layout, content)

    def table(self, dtype: str | np.dtype[np.void], count: int, at: int, box: Box) -> np.ndarray | None:
        """`count` numbers (or rows) at byte `at` of a box, or None and a finding where it ends before them.

        Raises `BmffError` where all tables together are past the limit.
        """
        size = count * np.dtype(dtype).itemsize
        if size > box.end - at:
            self.find(Finding.MALFORMED_BOX, f"the table of {box.kind!r} is longer than its box", box.offset)
            return None
        self._table_bytes += size
        if self._table_bytes > self._limits.max_table_bytes:
            raise self.refuse(f"sample tables of more than {self._limits.max_table_bytes} bytes")
        return np.frombuffer(self.read(at, size), dtype=dtype)


def _box_size(header: bytes, room: int, *, top_level: bool) -> tuple[int, int]:
    """(size of the box, size of its header) in bytes; a size too small for its header means "no box"."""
    if len(header) < 8:
        return 0, 8
    size = int.from_bytes(header[:4], "big")
    if size == 1:  # the real size follows in 64 bits
        return (int.from_bytes(header[8:16], "big"), 16) if len(header) >= 16 else (0, 16)
    if size == 0 and top_level:  # to the end of the file
        return room, 8
    return size, 8
