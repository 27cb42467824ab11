"""Where FFmpeg plays something else than was hashed, the guard finds it; where nothing changes, it needs no finding."""

import itertools
import struct
from pathlib import Path

import av
import mp4_surgery as surgery
import numpy as np
import pytest
from authorities import sign_bare

from media import stream_digest
from provenance.bmff import C2PA_UUID, inspect_bmff
from provenance.boxes import Finding
from provenance.exclusions import missing_fragments, unexpected_exclusions
from provenance.identity import Identity
from provenance.reading import read_manifest
from provenance.trust import TrustAnchors

box = surgery.box
FRAGMENTED = "frag_keyframe+empty_moov+default_base_moof"


def movie(
    path: Path, movflags: str = "faststart", *, codec: str = "libx264", container: str = "mp4"
) -> bytes:
    with av.open(str(path), "w", format=container, options={"movflags": movflags}) as output:
        stream = output.add_stream(codec, rate=24)
        stream.width, stream.height = 64, 64
        stream.pix_fmt = "rgb24" if codec == "rawvideo" else "yuv420p"
        stream.options = {"g": "4", "threads": "1"}
        for index in range(12):
            picture = np.full((64, 64, 3), 20 * index, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode())
    return path.read_bytes()


def plays(content: bytes, folder: Path) -> bytes:
    """What the decoder is given, in order."""
    path = folder / "plays.mp4"
    path.write_bytes(content)
    with av.open(str(path)) as container:
        return b"".join(bytes(packet) for packet in container.demux(video=0))


def findings(content: bytes, folder: Path) -> set[Finding]:
    path = folder / "inspected.mp4"
    path.write_bytes(content)
    return {one.code for one in inspect_bmff(path).findings}


def grow(content: bytes, kinds: tuple[bytes, ...], by: int) -> bytes:
    changed = bytearray(content)
    for kind in kinds:
        at = changed.index(kind) - 4
        changed[at : at + 4] = (int.from_bytes(changed[at : at + 4], "big") + by).to_bytes(4, "big")
    return bytes(changed)


def test_of_two_defaults_for_a_track_ffmpeg_believes_the_one_that_leads_out(tmp_path: Path) -> None:
    """Samples without sizes of their own take the default of `trex`: the first in FFmpeg, the last in others."""
    trex = lambda size: box(b"trex", struct.pack(">6I", 0, 1, 1, 0, size, 0))  # noqa: E731
    content = movie(tmp_path / "m.mp4", FRAGMENTED, codec="rawvideo", container="mov")
    at = content.index(b"trex") - 4
    frame = 64 * 64 * 3
    doubled = grow(content[:at] + trex(frame // 2) + content[at:], (b"mvex", b"moov"), 32)
    assert findings(content, tmp_path) == set()
    assert Finding.UNCHECKED_SAMPLES in findings(doubled, tmp_path)


def test_a_movie_inside_a_box_before_the_movie_is_the_one_that_ffmpeg_plays(tmp_path: Path) -> None:
    """`udta` before `moov` holds a movie of its own, of a track that plays other frames of the same media."""
    content = movie(tmp_path / "m.mp4", "use_metadata_tags")  # the movie behind the media
    start, end = surgery.find(content, b"moov")
    hidden = bytearray(content[start:end])
    table = hidden.index(b"stts")
    count = struct.unpack_from(">I", hidden, table + 8)[0]
    struct.pack_into(
        ">I", hidden, table + 8 + 4 * 2 * count, 4 * struct.unpack_from(">I", hidden, table + 16)[0]
    )
    attacked = content[:start] + box(b"udta", bytes(hidden)) + content[start:]
    (tmp_path / "attacked.mp4").write_bytes(attacked)
    (tmp_path / "plain.mp4").write_bytes(content)
    changed = stream_digest(tmp_path / "plain.mp4").differences(stream_digest(tmp_path / "attacked.mp4"))
    assert "video/0/timing" in changed  # it plays slower: the attack is real
    assert Finding.MULTIPLE_MOVIES in findings(attacked, tmp_path)


def with_box_in_movie(content: bytes, new: bytes) -> bytes:
    start, end = surgery.find(content, b"moov")
    moov = box(b"moov", content[start + 8 : end] + new)
    return content[:start] + moov + content[end:]


@pytest.mark.parametrize(
    ("new", "finding"),
    [
        (
            box(b"meta", bytes(4) + box(b"iloc", bytes(8))),
            Finding.UNCHECKED_SAMPLES,
        ),  # items at offsets of their own
        (box(b"saio", struct.pack(">3I", 0, 1, 8)), Finding.SAMPLE_OFFSET_OUTSIDE_MDAT),  # keys in `ftyp`
        (box(b"saio", struct.pack(">2IQ", 1 << 24, 1, 1 << 60)), Finding.SAMPLE_OFFSET_OUTSIDE_MDAT),
        (
            box(b"dinf", box(b"dref", struct.pack(">2I", 0, 65) + 65 * box(b"url ", b"\0\0\0\1"))),
            Finding.EXTERNAL_MEDIA,
        ),
        (
            box(b"pssh", bytes((1 << 20) + 1)),
            Finding.EXCLUDED_PAYLOAD,
        ),  # left out of the hash, inside the movie
        (box(b"moov"), Finding.MULTIPLE_MOVIES),
        (box(b"udta", box(b"moov")), Finding.MULTIPLE_MOVIES),
    ],
    ids=["iloc", "saio", "saio-64", "dref", "pssh", "moov", "udta"],
)
def test_each_box_that_leads_a_player_out_has_its_finding(
    new: bytes, finding: Finding, tmp_path: Path
) -> None:
    content = movie(tmp_path / "m.mp4", "use_metadata_tags")
    assert findings(content, tmp_path) == set()
    assert finding in findings(with_box_in_movie(content, new), tmp_path)


def test_auxiliary_data_inside_what_is_hashed_are_no_finding(tmp_path: Path) -> None:
    content = movie(tmp_path / "m.mp4", "use_metadata_tags")
    media, _ = surgery.find(content, b"mdat")
    inside = box(b"saio", struct.pack(">3I", 0, 1, media + 8))
    assert findings(with_box_in_movie(content, inside), tmp_path) == set()


def test_two_headers_in_a_track_fragment_are_found(tmp_path: Path) -> None:
    content = movie(tmp_path / "m.mp4", FRAGMENTED)
    at = content.index(b"tfhd") - 4
    size = int.from_bytes(content[at : at + 4], "big")
    doubled = grow(content[:at] + content[at : at + size] + content[at:], (b"traf", b"moof"), size)
    assert Finding.UNCHECKED_SAMPLES in findings(doubled, tmp_path)


def test_brands_that_are_no_text_are_found(tmp_path: Path) -> None:
    """Found by the fuzz: no hash covers them, and a file with such brands does not open here."""
    content = movie(tmp_path / "m.mp4")
    changed = content[:18] + b"\xff\xff" + content[20:]
    assert Finding.MALFORMED_BOX in findings(changed, tmp_path)


# What is not hashed, and changes nothing


@pytest.mark.parametrize("brand", [b"qt  ", b"isom", b"mp42", b"heic", b"avif", b"dash", b"jp2 "])
@pytest.mark.parametrize(
    ("movflags", "container"), [("faststart", "mp4"), ("faststart", "mov"), (FRAGMENTED, "mp4")]
)
def test_another_brand_plays_the_same(brand: bytes, movflags: str, container: str, tmp_path: Path) -> None:
    content = movie(tmp_path / "m.mp4", movflags, container=container)
    for changed in (content[:8] + brand + content[12:], content + box(b"ftyp", brand + bytes(4))):
        assert plays(changed, tmp_path) == plays(content, tmp_path)
        (tmp_path / "a.mp4").write_bytes(content)
        (tmp_path / "b.mp4").write_bytes(changed)
        assert stream_digest(tmp_path / "a.mp4").digest == stream_digest(tmp_path / "b.mp4").digest


def test_other_times_in_the_fragment_index_play_the_same(tmp_path: Path) -> None:
    content = bytearray(movie(tmp_path / "m.mp4", FRAGMENTED))
    (tmp_path / "a.mp4").write_bytes(content)
    at = content.index(b"tfra")
    (count,) = struct.unpack_from(">I", content, at + 16)
    assert (content[at + 4], count > 1) == (1, True)
    row = 16 + sum(1 + (content[at + 15] >> shift & 3) for shift in (0, 2, 4))
    for index in range(count):
        struct.pack_into(">Q", content, at + 20 + row * index, 1_000_000 - 7 * index)
    (tmp_path / "b.mp4").write_bytes(content)
    assert findings(bytes(content), tmp_path) == set()
    assert stream_digest(tmp_path / "a.mp4").digest == stream_digest(tmp_path / "b.mp4").digest


# Merkle trees


def test_a_tree_must_cover_every_byte_of_every_media_box() -> None:
    def binding(*trees: object) -> dict[str, object]:
        return {
            "exclusions": [{"xpath": "/mdat", "subset": [{"offset": 16, "length": 0}]}],
            "merkle": list(trees),
        }

    whole = {"uniqueId": 0, "localId": 0, "count": 3, "fixedBlockSize": 1024}
    assert unexpected_exclusions(binding(whole), [3000]) == ()
    assert unexpected_exclusions(binding(whole), None) == ()
    assert unexpected_exclusions(binding({"count": 2, "variableBlockSizes": [1000, 2000]}), [3000]) == ()
    for trees, sizes in (
        ([whole], [3000, 50]),  # a second media box without a tree
        ([whole], [5000]),
        ([{"count": 3}], [10]),
        ([{"count": 1, "variableBlockSizes": "abc"}], [10]),
        (["x"], [10]),
        ([], [10]),
        ([], None),
    ):
        assert unexpected_exclusions(binding(*trees), sizes), (trees, sizes)


def test_media_under_merkle_trees_are_read_and_a_second_media_box_is_not(
    plain: Path, reporter: Identity, trust: TrustAnchors, tmp_path: Path
) -> None:
    clip = sign_bare(plain, tmp_path / "trees.mp4", reporter, merkle=True)
    assert read_manifest(clip, trust).state == "trusted"
    clip.write_bytes(clip.read_bytes() + box(b"mdat", bytes(40)))
    reading = read_manifest(clip, trust)
    assert reading.state == "invalid"
    assert Finding.UNEXPECTED_EXCLUSION in {one.code for one in reading.guard_findings}


# Segments


def segments(content: bytes, folder: Path) -> tuple[Path, list[Path]]:
    """A fragmented file cut into its initialisation segment and its media segments."""
    starts = [start for kind, start, _ in surgery.boxes(content) if kind in (b"moof", b"mfra")]
    pieces = [content[: starts[0]], *(content[a:b] for a, b in itertools.pairwise(starts))]
    paths = [folder / f"segment-{index}.mp4" for index in range(len(pieces))]
    for path, piece in zip(paths, pieces, strict=True):
        path.write_bytes(piece)
    return paths[0], paths[1:]


def test_an_initialisation_segment_alone_is_found(tmp_path: Path) -> None:
    first, media = segments(movie(tmp_path / "m.mp4", FRAGMENTED), tmp_path)
    assert {one.code for one in inspect_bmff(first).findings} == {Finding.FRAGMENTS_MISSING}
    assert inspect_bmff(first, fragments=media).findings == ()
    assert {one.code for one in inspect_bmff(first, fragments=[first]).findings} >= {
        Finding.MULTIPLE_MOVIES,
        Finding.FRAGMENTS_MISSING,
    }


def test_every_segment_is_guarded(tmp_path: Path) -> None:
    first, media = segments(movie(tmp_path / "m.mp4", FRAGMENTED), tmp_path)
    content = media[1].read_bytes()
    media[1].write_bytes(content.replace(b"mdat", b"free"))
    assert Finding.SAMPLE_OFFSET_OUTSIDE_MDAT in {
        one.code for one in inspect_bmff(first, fragments=media).findings
    }


def test_a_signed_fragmented_file_does_not_hold_as_segments(
    reporter: Identity, trust: TrustAnchors, tmp_path: Path
) -> None:
    """It was bound as one file: nothing says that these are its segments, all of them, in order."""
    source = tmp_path / "m.mp4"
    movie(source, FRAGMENTED)
    whole = sign_bare(source, tmp_path / "signed.mp4", reporter)
    assert read_manifest(whole, trust).state == "trusted"
    first, media = segments(whole.read_bytes(), tmp_path)
    assert read_manifest(first, trust).state == "invalid"
    assert read_manifest(first, trust, fragments=media).state in ("invalid", "malformed")


PROOFS: list[tuple[list[tuple[int, int, int]], bool]] = [
    ([(1, 1, 0), (1, 1, 1), (1, 1, 2)], True),
    ([(1, 1, 0), (1, 1, 1)], False),
    ([(1, 1, 0), (1, 1, 2), (1, 1, 1)], False),
    ([(1, 1, 0), (1, 1, 0), (1, 1, 1)], False),
    ([(1, 1, 0), (1, 1, 1), (1, 1, 2), (1, 1, 2)], False),
    ([(1, 1, 0), (2, 1, 1), (1, 1, 2)], False),
    ([], False),
]


@pytest.mark.parametrize(("proofs", "whole"), PROOFS)
def test_dropped_reordered_and_repeated_segments_are_found(
    proofs: list[tuple[int, int, int]], whole: bool
) -> None:
    from provenance.bmff import Proof

    binding = {"merkle": [{"uniqueId": 1, "localId": 1, "count": 3}]}
    assert (missing_fragments(binding, [Proof(*one) for one in proofs]) == ()) == whole
    assert missing_fragments({}, [Proof(*one) for one in proofs])


def test_the_guard_reads_the_places_of_merkle_proofs(plain: Path, reporter: Identity, tmp_path: Path) -> None:
    clip = sign_bare(plain, tmp_path / "trees.mp4", reporter, merkle=True)
    places = [proof.location for proof in inspect_bmff(clip).proofs]
    assert places == list(range(len(places)))
    assert len(places) > 2
    broken = clip.read_bytes() + box(b"uuid", C2PA_UUID + bytes(4) + b"merkle\0" + b"\x9f")
    clip.write_bytes(broken)
    assert Finding.MALFORMED_BOX in {one.code for one in inspect_bmff(clip).findings}
