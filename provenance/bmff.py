"""A guard for MP4 and MOV files: what plays must be what was hashed.

The C2PA hard binding of ISO BMFF files (`c2pa.hash.bmff`) leaves some boxes out of the hash: `ftyp`, `free`,
`skip`, `mfra` and the manifest's own `uuid` box. The SDK (0.91.3) does not ask what is in them, so a signer
can point the sample tables into a `free` box, sign, and swap the frames later: still "Trusted" (reproduced
in the tests). This module walks the boxes by itself (ISO/IEC 14496-12), reads no media, and reports every
way that it knows in which a player could be led to bytes that no hash covers.

What needs no check, and why: edit lists (`elst`), composition shifts (`cslg`, `ctts`), sample groups (`sbgp`, `sgpd`),
`mehd`, `stsd` and `trex` lie in `moov` or `moof` and are hashed, so that nobody changes them after signing; what the
signer says there is part of what was signed. The brands of `ftyp` and the times of `mfra` are not
hashed, but change nothing that FFmpeg plays (tests/adversarial/test_players.py). Bytes after the last box are hashed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from media.sniff import container_of
from provenance.boxes import Box, BoxReader, Finding, GuardFinding, GuardLimits
from provenance.cbor import decode_cbor
from provenance.errors import UnreadableFile
from provenance.sample_tables import FAR, TABLES, Extents, Fragment, Track

C2PA_UUID: Final = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")

# Boxes whose payload is a list of boxes. In the lenient ones other software also writes things that are not
# boxes (a terminating zero, QuickTime's own metadata); the SDK descends into them, so bombs are sought there.
_STRUCTURE: Final = frozenset(
    {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"mvex", b"moof", b"traf"}
)
_LENIENT: Final = frozenset(
    {
        b"udta",
        b"meta",
        b"edts",
        b"tref",
        b"mfra",
        b"schi",
        b"ilst",
        b"sinf",
        b"wave",
        b"gmhd",
        b"iprp",
        b"ipco",
    }
)
_EXCLUDED: Final = frozenset({b"ftyp", b"free", b"skip", b"mfra", b"emsg"})
# Excluded inside the movie: the keys of a DRM system, which no player takes for media.
_EXCLUDED_IN_MOVIE: Final = frozenset({b"pssh"})
_MAX_REFERENCES: Final = 64
_MOVIE_PARTS: Final = frozenset({b"mvhd", b"cmov", b"trak"})
_STORE_PURPOSES: Final = frozenset({b"manifest", b"original", b"update"})
# The SDK writes one box with a Merkle proof for each MiB of a large file: 245 bytes at 400 MB.
_MAX_PROOF_BYTES: Final = 4096


class Proof(NamedTuple):
    """Which leaf of which Merkle tree a piece of media says to be (C2PA 2.2 §A.5.4)."""

    unique_id: int
    local_id: int
    location: int


@dataclass(frozen=True, slots=True)
class BmffReport:
    """What the guard saw. For a container other than MP4 and MOV `applicable` is False, the rest empty."""

    applicable: bool
    findings: tuple[GuardFinding, ...] = ()
    manifest_boxes: int = 0
    excluded_bytes: int = 0
    fragmented: bool = False
    media_sizes: tuple[int, ...] = ()  # payload of each top-level `mdat`
    proofs: tuple[Proof, ...] = ()  # in order, of the file and then of its fragments


def inspect_bmff(
    path: Path | str, *, limits: GuardLimits | None = None, fragments: Sequence[Path | str] = ()
) -> BmffReport:
    """Walk the boxes of an MP4 or MOV file and report what a hard binding would not cover.

    `fragments` are the media segments, in order, where the file is an initialisation segment (DASH, CMAF); offsets in
    their findings are those in the segment.

    Memory is bounded by `limits.max_table_bytes`; `mdat` is never read. Raises `BmffError` (a box bomb, or
    past the limits) and `UnreadableFile`, nothing else, whatever the bytes.
    """
    try:
        with Path(path).open("rb") as file:
            container = container_of(file.read(16))
            if container is None or container.demuxer not in ("mp4", "mov"):
                return BmffReport(applicable=False)
            limits = limits or GuardLimits()
            guard = _Guard(BoxReader(file, str(path), limits), limits)
            report = guard.report(initialisation=bool(fragments))
        for fragment in fragments:
            with Path(fragment).open("rb") as file:
                reader = BoxReader(file, str(fragment), limits)
                part = _Guard(reader, limits, default_sizes=guard.default_sizes).fragment_report()
                report = replace(
                    report,
                    fragmented=True,
                    findings=report.findings + part.findings,
                    proofs=report.proofs + part.proofs,
                )
        return report
    except OSError as error:
        raise UnreadableFile(f"{path}: cannot be read ({error.strerror})", hint="Check the path.") from None


class _Guard:
    """One pass over the boxes of one file."""

    def __init__(
        self, reader: BoxReader, limits: GuardLimits, default_sizes: dict[int, int] | None = None
    ) -> None:
        self.reader, self.limits = reader, limits
        self.movies = self.excluded_bytes = 0
        self.stores: list[bytes] = []  # the purpose of each box with a manifest store
        self.fragmented = False
        self.media: list[tuple[int, int]] = []  # payload of each top-level mdat: start, end
        self.extents: list[Extents] = []
        self.top_level: set[int] = set()  # where a box begins
        self.jumps: list[tuple[np.ndarray, int]] = []  # where an index sends a player, offset of the index
        self.track: Track | None = None
        self.fragment: Fragment | None = None
        # track id -> default sample size of its fragments
        self.default_sizes: dict[int, int] = dict(default_sizes or {})
        self.proofs: list[Proof] = []
        self.extends = False  # whether the movie says that fragments follow
        self.hashed: list[tuple[int, int]] = []  # top-level boxes that the hash covers: start, end
        self.auxiliary: list[tuple[int, int]] = []  # where `saio` sends a player, offset of the `saio`

    def fragment_report(self) -> BmffReport:
        """Of a media segment: boxes without a movie of their own."""
        self._walk()
        if self.movies:
            self.reader.find(Finding.MULTIPLE_MOVIES, "a movie box in a media segment")
        if not self.fragmented:
            self.reader.find(Finding.FRAGMENTS_MISSING, "a media segment without a movie fragment")
        if self.stores:
            self.reader.find(Finding.MULTIPLE_MANIFESTS, "a manifest store in a media segment")
        if self.excluded_bytes > self.limits.max_excluded_bytes:
            self.reader.find(Finding.EXCLUDED_PAYLOAD, f"{self.excluded_bytes} bytes that no hash covers")
        return BmffReport(applicable=True, findings=tuple(self.reader.findings), proofs=tuple(self.proofs))

    def _walk(self) -> None:
        for box in self.reader.boxes(0, self.reader.size, depth=0):
            self.top_level.add(box.offset)
            self._top_level(box)
            self._visit(box, depth=0)
        self._check_extents()
        self._check_jumps()
        self._check_auxiliary()

    def report(self, *, initialisation: bool = False) -> BmffReport:
        find = self.reader.find
        self._walk()
        if self.extends and not self.fragmented and not self.media and not initialisation:
            find(Finding.FRAGMENTS_MISSING, "an initialisation segment without its fragments")
        if not self.movies:
            find(Finding.MISSING_MOVIE, "no movie box")
        if self.movies > 1:
            find(Finding.MULTIPLE_MOVIES, f"{self.movies} movie boxes")
        # A store that was updated is kept in two boxes, which the SDK reads as one: its past, and what was added.
        stores = 1 if self.stores == [b"original", b"update"] else len(self.stores)
        if stores > 1:
            find(Finding.MULTIPLE_MANIFESTS, f"{stores} manifest stores")
        if self.excluded_bytes > self.limits.max_excluded_bytes:
            find(Finding.EXCLUDED_PAYLOAD, f"{self.excluded_bytes} bytes that no hash covers")
        return BmffReport(
            applicable=True,
            findings=tuple(self.reader.findings),
            manifest_boxes=stores,
            excluded_bytes=self.excluded_bytes,
            fragmented=self.fragmented,
            media_sizes=tuple(end - start for start, end in self.media),
            proofs=tuple(self.proofs),
        )

    def _top_level(self, box: Box) -> None:
        payload = box.end - box.body
        if box.kind == b"mdat":
            self.media.append((box.body, box.end))
            self.hashed.append((box.offset, box.end))
        elif box.kind in _EXCLUDED:
            self.excluded_bytes += payload
            if box.kind == b"ftyp":
                self._brands(box)
            # FFmpeg takes a `free` box for the movie when it begins like one and no other was found.
            if box.kind in (b"free", b"skip") and self.reader.read(box.body, 8)[4:8] in _MOVIE_PARTS:
                self.reader.find(Finding.EXCLUDED_PAYLOAD, "a movie hides in a free box", box.offset)
        elif box.kind == b"uuid" and self.reader.read(box.body, 16) == C2PA_UUID:
            # After the UUID: version and flags, then the purpose, ended by a zero (C2PA 2.2 §A.5.1).
            purpose = self.reader.read(box.body + 20, min(16, payload - 20)).split(b"\0")[0]
            if payload > self.limits.max_manifest_bytes:
                raise self.reader.refuse(f"a manifest store of {payload} bytes")
            if purpose in _STORE_PURPOSES:
                self.stores.append(purpose)
            elif purpose != b"merkle" or payload > _MAX_PROOF_BYTES:
                self.reader.find(Finding.EXCLUDED_PAYLOAD, f"a C2PA box for {purpose!r}", box.offset)
            else:
                self._proof(box)
        else:
            self.hashed.append((box.offset, box.end))

    def _brands(self, box: Box) -> None:
        """Brands are four printable characters (§4.3); no hash covers others, and they keep a file from opening."""
        said = self.reader.read(box.body, min(box.end - box.body, 1024))
        brands = said[:4] + said[8:]
        if any(not 0x20 <= one < 0x7F for one in brands.replace(b"\0", b" ")):
            self.reader.find(Finding.MALFORMED_BOX, "a brand that is no text", box.offset)

    def _proof(self, box: Box) -> None:
        try:
            said = decode_cbor(self.reader.read(box.body + 20 + len(b"merkle\0"), _MAX_PROOF_BYTES))
            if isinstance(said, dict):
                names = ("uniqueId", "localId", "location")
                self.proofs.append(Proof(*(int(said[name]) for name in names)))
        except (ValueError, IndexError, KeyError, TypeError):  # the SDK refuses it by itself
            self.reader.find(Finding.MALFORMED_BOX, "a Merkle proof that does not parse", box.offset)

    def _visit(self, box: Box, *, depth: int) -> None:
        """Look into one box, wherever it lies: players find tables in unexpected places, too."""
        if box.kind == b"moov":
            self.movies += 1  # FFmpeg takes the first one that it meets, at whatever depth
        elif box.kind == b"mvex":
            self.extends = True
        if box.kind == b"trak":
            outer, self.track = self.track, Track(self.reader, box)
            self._descend(box, depth=depth)
            self.extents += self.track.extents()
            self.track = outer
        elif box.kind == b"moof":
            outer_fragment, self.fragment = (
                self.fragment,
                Fragment(self.reader, box.offset, self.default_sizes),
            )
            self.fragmented = True
            self._descend(box, depth=depth)
            self.fragment = outer_fragment
        elif box.kind in _STRUCTURE or box.kind in _LENIENT:
            if box.kind == b"traf" and self.fragment is not None:
                self.fragment.headed = False
            self._descend(box, depth=depth)
        elif box.kind in TABLES:
            if self.track is None:  # FFmpeg may believe it all the same
                self.reader.find(
                    Finding.UNCHECKED_SAMPLES, f"a stray {TABLES[box.kind].decode()} table", box.offset
                )
            else:
                self.track.read(box)
        elif box.kind == b"stsd":
            self._sample_description(box)
        elif box.kind == b"dref":
            self._data_references(box)
        elif box.kind == b"trex":
            if values := self.reader.fields(">6I", box.body, box):
                if values[1] in self.default_sizes:  # FFmpeg believes the first, others the last
                    self.reader.find(Finding.UNCHECKED_SAMPLES, "track defaults given twice", box.offset)
                self.default_sizes[values[1]] = values[4]
        elif box.kind in (b"tfhd", b"trun"):
            if self.fragment is None:
                self.reader.find(
                    Finding.UNCHECKED_SAMPLES, "a track fragment outside a movie fragment", box.offset
                )
            else:
                self.extents += self.fragment.read(box)
        elif box.kind in (b"sidx", b"tfra"):
            self._index(box)
        elif box.kind == b"saio":
            self._auxiliary_offsets(box)
        elif box.kind == b"iloc":
            # Items (pictures, metadata) at offsets of their own (§8.11.3): not what plays as video, and not followed.
            self.reader.find(Finding.UNCHECKED_SAMPLES, "a table of items", box.offset)
        elif box.kind in _EXCLUDED_IN_MOVIE:
            self.excluded_bytes += box.end - box.body
        elif box.kind == b"cmov":
            self.reader.find(Finding.UNCHECKED_SAMPLES, "a compressed movie box", box.offset)
        elif box.kind == b"rmra":
            self.reader.find(Finding.EXTERNAL_MEDIA, "a reference movie", box.offset)

    def _descend(self, box: Box, *, depth: int) -> None:
        # `meta` has four (zero) bytes of version and flags in MP4, and none in QuickTime.
        versioned = box.kind == b"meta" and self.reader.read(box.body, 4) == bytes(4)
        start = min(box.body + 4 * versioned, box.end)
        for child in self.reader.boxes(start, box.end, depth=depth + 1, strict=box.kind in _STRUCTURE):
            self._visit(child, depth=depth + 1)

    def _sample_description(self, box: Box) -> None:
        # FFmpeg parses whatever boxes follow the known fields of a sample entry with its one table of
        # parsers, sample tables too: one hidden here wins over the one that is checked (played in the tests).
        content = self.reader.read(box.body, min(box.end - box.body, self.limits.max_excluded_bytes))
        if any(table in content for table in TABLES):
            self.reader.find(Finding.UNCHECKED_SAMPLES, "a sample table in a sample description", box.offset)

    def _data_references(self, box: Box) -> None:
        """An entry without the flag "self-contained" points to another file (§8.7.2)."""
        header = self.reader.fields(">2I", box.body, box)
        at = box.body + 8
        if header and header[1] > _MAX_REFERENCES:
            self.reader.find(Finding.EXTERNAL_MEDIA, f"{header[1]} data references", box.offset)
        for _ in range(min(header[1], _MAX_REFERENCES) if header else 0):
            entry = self.reader.fields(">3I", at, box)
            if entry is None:
                return
            if not entry[2] & 1:
                self.reader.find(Finding.EXTERNAL_MEDIA, "frames may lie in another file", at)
            at += max(12, entry[0])

    def _auxiliary_offsets(self, box: Box) -> None:
        """Where the keys of encrypted samples lie (§8.7.9): from the start of the file, or of the fragment's data."""
        at = box.body
        header = self.reader.fields(">I", at, box)
        if header is None:
            return
        at += 4 + 8 * bool(header[0] & 1)
        count = self.reader.fields(">I", at, box)
        if count is None:
            return
        offsets = self.reader.table(">u8" if header[0] >> 24 else ">u4", count[0], at + 4, box)
        base = self.fragment.base if self.fragment is not None else 0
        if offsets is not None:
            self.auxiliary += [(base + int(offset), box.offset) for offset in offsets[:1000]]
            if len(offsets) > 1000:
                self.reader.find(Finding.UNCHECKED_SAMPLES, "too many auxiliary offsets", box.offset)

    def _check_auxiliary(self) -> None:
        for place, at in self.auxiliary:
            if not any(start <= place < end for start, end in self.hashed):
                self.reader.find(Finding.SAMPLE_OFFSET_OUTSIDE_MDAT, "auxiliary data outside the media", at)

    def _index(self, box: Box) -> None:
        """Where a segment index (§8.16.3) or a fragment index (§8.8.10, itself not hashed) sends a player."""
        at = box.body
        wide = self.reader.read(at, 1) == b"\1"  # version 1 has times and offsets of 64 bits
        if box.kind == b"sidx":
            fields = self.reader.fields(">4x2I2QHH" if wide else ">4x4IHH", at, box)
            if fields is None:
                return
            entries = self.reader.table(">u4", 3 * fields[5], at + (32 if wide else 24), box)
            if entries is not None:
                sizes = entries.reshape(-1, 3)[:, 0] & 0x7FFFFFFF
                places = np.cumsum(sizes, dtype=np.int64) - sizes + box.end + min(fields[3], FAR >> 1)
                self.jumps.append((places, box.offset))
        else:
            fields = self.reader.fields(">4x3I", at, box)
            if fields is None:
                return
            number = ">u8" if wide else ">u4"
            tail = sum(1 + (fields[1] >> shift & 3) for shift in (0, 2, 4))
            row = np.dtype([("time", number), ("moof", number), ("numbers", f"V{tail}")])
            entries = self.reader.table(row, fields[2], at + 16, box)
            if entries is not None:
                self.jumps.append((np.minimum(entries["moof"], FAR).astype(np.int64), box.offset))

    def _check_jumps(self) -> None:
        """An index must lead to boxes that the walk has seen, not into the middle of one."""
        for places, at in self.jumps:
            if not self.top_level.issuperset(places.tolist()):
                self.reader.find(Finding.UNCHECKED_SAMPLES, "an index that leads into a box", at)

    def _check_extents(self) -> None:
        """Every chunk must lie inside one `mdat`. Those come in file order and do not overlap."""
        starts = np.array([start for start, _ in self.media], dtype=np.uint64)
        ends = np.array([end for _, end in self.media], dtype=np.uint64)
        for first, last, at in self.extents:
            inside = np.zeros(len(first), dtype=bool)
            if len(starts):
                nearest = np.searchsorted(starts, first, side="right").astype(np.int64) - 1
                inside = (nearest >= 0) & (last <= ends[np.maximum(nearest, 0)])
            if not inside.all():
                astray = (
                    f"{np.count_nonzero(~inside)} chunks outside the media, one at {first[np.argmin(inside)]}"
                )
                self.reader.find(Finding.SAMPLE_OFFSET_OUTSIDE_MDAT, astray, at)
