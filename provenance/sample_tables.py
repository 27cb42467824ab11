"""Where the samples of a movie lie: the tables of a track, and the runs of a movie fragment, as byte ranges."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from provenance.boxes import Box, BoxReader, Finding

# Table boxes and the table that each one is: sizes and offsets come in two widths.
TABLES: Final = {b"stsc": b"stsc", b"stsz": b"stsz", b"stz2": b"stsz", b"stco": b"stco", b"co64": b"stco"}
FAR: Final = 1 << 62  # beyond any file: keeps the sum of two hostile 64-bit numbers from wrapping around

# Starts and ends of the byte ranges, and the offset of the box that names them.
Extents = tuple[np.ndarray, np.ndarray, int]


class Track:
    """The sample tables of one `trak`, as read (ISO/IEC 14496-12 §8.7)."""

    def __init__(self, reader: BoxReader, box: Box) -> None:
        self.reader, self.box = reader, box
        self.tables: set[bytes] = set()
        self.chunk_offsets: np.ndarray | None = None  # uint64
        self.runs: np.ndarray | None = (
            None  # int64 [n, 3] of stsc: first chunk (from 1), samples a chunk, description
        )
        self.sizes: np.ndarray | None = None  # of each sample; None where `constant_size` holds for all
        self.constant_size = 0
        self.sample_count = 0

    def read(self, box: Box) -> None:
        """Take in one table box."""
        table = TABLES[box.kind]
        if table in self.tables:  # readers differ in which of two they believe
            self.reader.find(Finding.UNCHECKED_SAMPLES, f"a stray {table.decode()} table", box.offset)
            return
        self.tables.add(table)
        if table == b"stsz":
            if fields := self.reader.fields(">3I", box.body, box):
                _, self.constant_size, self.sample_count = fields
                if box.kind == b"stz2":
                    bits, self.constant_size = self.constant_size & 0xFF, 0
                    self.sizes = self._compact_sizes(bits, self.sample_count, box)
                elif not self.constant_size:
                    self.sizes = self.reader.table(">u4", self.sample_count, box.body + 12, box)
        elif header := self.reader.fields(">2I", box.body, box):
            if table == b"stsc":
                runs = self.reader.table(">u4", 3 * header[1], box.body + 8, box)
                self.runs = None if runs is None else runs.reshape(-1, 3).astype(np.int64)
            else:
                width = ">u8" if box.kind == b"co64" else ">u4"
                self.chunk_offsets = self.reader.table(width, header[1], box.body + 8, box)

    def _compact_sizes(self, bits: int, count: int, box: Box) -> np.ndarray | None:
        if bits == 16:
            return self.reader.table(">u2", count, box.body + 12, box)
        if bits == 8:
            return self.reader.table("u1", count, box.body + 12, box)
        packed = self.reader.table("u1", (count + 1) // 2, box.body + 12, box) if bits == 4 else None
        return None if packed is None else np.stack([packed >> 4, packed & 15], axis=1).reshape(-1)[:count]

    def extents(self) -> Iterator[Extents]:
        """The byte ranges, one a chunk."""
        runs, offsets = self.runs, self.chunk_offsets
        if offsets is None or runs is None or (self.sizes is None and not self.constant_size):
            # All three must be there, if empty (§8.7); a player may know another place for them.
            self.reader.find(Finding.UNCHECKED_SAMPLES, "a track without readable tables", self.box.offset)
            return
        if not len(offsets):  # the samples are in fragments
            return
        first = runs[:, 0] - 1
        if not len(runs) or first[0] != 0 or np.any(np.diff(first) <= 0):
            self.reader.find(Finding.MALFORMED_BOX, "the runs of stsc are out of order", self.box.offset)
            return
        chunks = len(offsets)
        chunks_of_run = np.diff(
            np.append(np.minimum(first, chunks), chunks)
        )  # runs past the end mean nothing
        last_sample = np.minimum(np.cumsum(np.repeat(runs[:, 1], chunks_of_run)), self.sample_count)
        first_sample = np.concatenate(([0], last_sample[:-1]))
        if self.sizes is None:  # below 2**32 each: the product fits 64 bits without a sign
            lengths = (last_sample - first_sample).astype(np.uint64) * np.uint64(self.constant_size)
        else:
            total = np.concatenate(([0], np.cumsum(self.sizes, dtype=np.int64)))
            lengths = total[last_sample] - total[first_sample]
        yield extents_of(offsets, lengths, self.box.offset)


class Fragment:
    """Where the data of the track fragments of one `moof` are (ISO/IEC 14496-12 §8.8.7)."""

    def __init__(self, reader: BoxReader, moof: int, default_sizes: dict[int, int]) -> None:
        self.reader, self.default_sizes = reader, default_sizes
        self.moof = self.base = self.next_data = moof
        self.default_size = 0
        self.tracks = 0
        self.headed = False  # whether the current `traf` has had its header

    def read(self, box: Box) -> Iterator[Extents]:
        """Take in a `tfhd` or `trun`; the byte range of the latter."""
        fields = self.reader.fields(">2I", box.body, box)
        if fields is not None and box.kind == b"tfhd":
            self._header(fields[0] & 0xFFFFFF, fields[1], box)
        elif fields is not None:
            yield from self._run(fields[0] & 0xFFFFFF, fields[1], box)

    def _header(self, flags: int, track_id: int, box: Box) -> None:
        at = box.body + 8
        if flags & 0x1:
            explicit = self.reader.fields(">Q", at, box)
            self.base = explicit[0] if explicit else FAR
            at += 8
        elif flags & 0x020000 or not self.tracks:
            self.base = self.moof
        else:  # after the data of the track fragment before it
            self.base = self.next_data
        at += 4 * bool(flags & 0x2) + 4 * bool(flags & 0x8)
        if self.headed:  # readers differ in which of two they believe
            self.reader.find(Finding.UNCHECKED_SAMPLES, "a track fragment with two headers", box.offset)
        self.headed = True
        size = self.reader.fields(">I", at, box) if flags & 0x10 else None
        self.default_size = size[0] if size else self.default_sizes.get(track_id, 0)
        self.next_data = self.base
        self.tracks += 1

    def _run(self, flags: int, count: int, box: Box) -> Iterator[Extents]:
        at = box.body + 8
        start = self.next_data
        if flags & 0x1:
            shift = self.reader.fields(">i", at, box)
            start = self.base + shift[0] if shift else FAR
            at += 4
        at += 4 * bool(flags & 0x4)
        columns = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
        length = count * self.default_size
        if columns:
            samples = self.reader.table(">u4", count * len(columns), at, box)
            if samples is None:
                return
            if 0x200 in columns:
                length = int(samples.reshape(-1, len(columns))[:, columns.index(0x200)].sum(dtype=np.int64))
        self.next_data = start + length
        # Before the file is as far outside as behind it.
        place = [number if 0 <= number < FAR else FAR for number in (start, length)]
        yield extents_of(np.array(place[:1], np.uint64), np.array(place[1:], np.uint64), box.offset)


def extents_of(offsets: np.ndarray, lengths: np.ndarray, at: int) -> Extents:
    """Byte ranges of some length; those of no length are left out."""
    starts = np.minimum(offsets.astype(np.uint64), np.uint64(FAR))
    ends = starts + np.minimum(lengths.astype(np.uint64), np.uint64(FAR))
    used = ends > starts
    return starts[used], ends[used], at
