"""The guard over MP4 boxes: real files pass, every known way around the hash is found, nothing crashes it."""

import contextlib
import struct
import time
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import mp4_surgery as surgery
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.bmff import C2PA_UUID, inspect_bmff
from provenance.boxes import Finding, GuardLimits
from provenance.errors import BmffError, UnreadableFile
from provenance.exclusions import unexpected_exclusions
from provenance.keys import Keys
from provenance.manifest import Claim
from provenance.signing import Signed, sign_file
from provenance.trust import TrustAnchors

box = surgery.box


def write_variant(
    folder: Path, container: str, movflags: str, *, codec: str = "libx264", sound: bool = False
) -> bytes:
    path = folder / "variant"
    with av.open(str(path), "w", format=container, options={"movflags": movflags}) as output:
        video = output.add_stream(codec, rate=24)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        video.options = {"g": "8", "threads": "1"}
        audio = output.add_stream("aac", rate=8000, layout="mono") if sound else None
        for index in range(24):
            plane = np.full((96, 64), 5 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(plane, format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            output.mux(video.encode(frame))
        if audio is not None:
            for index in range(8):
                tone = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
                tone.sample_rate, tone.pts, tone.time_base = 8000, 1024 * index, Fraction(1, 8000)
                output.mux(audio.encode(tone))
            output.mux(audio.encode())
        output.mux(video.encode())
    return path.read_bytes()


@pytest.fixture
def inspect(tmp_path: Path) -> Callable[..., set[Finding]]:
    def run(content: bytes, **limits: int) -> set[Finding]:
        path = tmp_path / "clip.mp4"
        path.write_bytes(content)
        return {finding.code for finding in inspect_bmff(path, limits=GuardLimits(**limits)).findings}

    return run


Inspect = Callable[..., set[Finding]]

FRAGMENTED = "frag_keyframe+empty_moov"


@pytest.mark.parametrize("container", ["mp4", "mov"])
@pytest.mark.parametrize("sound", [False, True])
@pytest.mark.parametrize(
    "movflags",
    [
        "faststart",
        "use_metadata_tags",
        FRAGMENTED,
        FRAGMENTED + "+default_base_moof",
        FRAGMENTED + "+separate_moof",
        "frag_keyframe",
        "dash+" + FRAGMENTED,
    ],
)
def test_files_of_every_layout_pass(
    inspect: Inspect, tmp_path: Path, container: str, movflags: str, sound: bool
) -> None:
    assert inspect(write_variant(tmp_path, container, movflags, sound=sound)) == set()


def test_constant_and_compact_sample_sizes_are_read(inspect: Inspect, tmp_path: Path) -> None:
    raw = write_variant(tmp_path, "mov", "faststart", codec="rawvideo")
    assert inspect(raw) == set()
    assert inspect(with_tables(stsz=box(b"stsz", struct.pack(">III", 0, 25, 4)))) == set()
    assert inspect(with_tables(stsz=box(b"stsz", struct.pack(">III", 0, 26, 4)))) == {
        Finding.SAMPLE_OFFSET_OUTSIDE_MDAT
    }
    for bits, sizes in ((4, b"\xff\xff"), (8, bytes([25] * 4)), (16, struct.pack(">4H", *[25] * 4))):
        table = box(b"stz2", struct.pack(">III", 0, bits, 4) + sizes)
        assert inspect(with_tables(stsz=table)) == set()
    assert inspect(with_tables(stsz=box(b"stz2", struct.pack(">III", 0, 16, 2) + b"\x00\x01\xff\xff"))) == {
        Finding.SAMPLE_OFFSET_OUTSIDE_MDAT
    }


@pytest.mark.parametrize("movflags", ["faststart", FRAGMENTED, FRAGMENTED + "+default_base_moof"])
def test_signed_files_of_each_layout_pass(
    movflags: str,
    generated_claim: Claim,
    home_keys: Keys,
    anchors: TrustAnchors,
    tmp_path: Path,
) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(write_variant(tmp_path, "mp4", movflags, sound=True))
    sign_file(clip, tmp_path / "signed.mp4", generated_claim, home_keys.identity, anchors)
    report = inspect_bmff(tmp_path / "signed.mp4")
    assert (report.manifest_boxes, report.findings) == (1, ())


def test_other_containers_are_not_its_business(tmp_path: Path) -> None:
    path = tmp_path / "clip.webm"
    path.write_bytes(b"\x1a\x45\xdf\xa3" + bytes(100))
    assert not inspect_bmff(path).applicable


# A minimal movie of four samples of 25 bytes, in one chunk of 100 bytes of media

FTYP = box(b"ftyp", b"isom\0\0\0\0isom")
DINF = box(b"dinf", box(b"dref", struct.pack(">II", 0, 1) + box(b"url ", struct.pack(">I", 1))))


def with_tables(
    *,
    offset: int = -1,
    stsz: bytes = b"",
    stsc: tuple[tuple[int, int, int], ...] = ((1, 4, 1),),
    stbl: bytes = b"",
    extra: bytes = b"",
    minf: bytes = DINF,
) -> bytes:
    """A movie whose one chunk is at `offset` (the start of the media, where -1); its `mdat` comes first."""
    media = box(b"mdat", bytes(100))
    offset = len(FTYP) + 8 if offset < 0 else offset
    runs = b"".join(struct.pack(">III", *run) for run in stsc)
    tables = stbl or (
        (stsz or box(b"stsz", struct.pack(">III", 0, 0, 4) + struct.pack(">4I", *[25] * 4)))
        + box(b"stsc", struct.pack(">II", 0, len(stsc)) + runs)
        + box(b"co64", struct.pack(">II", 0, 1) + struct.pack(">Q", offset))
    )
    track = box(b"trak", box(b"mdia", box(b"minf", minf + box(b"stbl", tables))))
    return FTYP + media + box(b"moov", track + extra)


def test_the_minimal_movie_passes(inspect: Inspect) -> None:
    assert inspect(with_tables()) == set()


@pytest.mark.parametrize("offset", [0, len(FTYP) + 7, len(FTYP) + 9, 10_000, 2**63, 2**64 - 1])
def test_a_chunk_that_leaves_the_media_by_one_byte_is_found(inspect: Inspect, offset: int) -> None:
    assert inspect(with_tables(offset=offset)) == {Finding.SAMPLE_OFFSET_OUTSIDE_MDAT}


def test_frames_in_a_free_box_are_found(inspect: Inspect, plain_clip: Path) -> None:
    moved = surgery.move_frames_to_free_box(plain_clip.read_bytes())
    assert inspect(moved) == {Finding.SAMPLE_OFFSET_OUTSIDE_MDAT}


def test_frames_in_the_box_of_the_manifest_are_found(inspect: Inspect) -> None:
    movie = with_tables(offset=len(with_tables()) + 60)
    store = box(b"uuid", C2PA_UUID + bytes(4) + b"manifest\0" + bytes(200))
    assert inspect(movie + store) == {Finding.SAMPLE_OFFSET_OUTSIDE_MDAT}


def test_frames_of_a_fragment_in_a_free_box_are_found(inspect: Inspect, tmp_path: Path) -> None:
    content = write_variant(tmp_path, "mp4", FRAGMENTED + "+default_base_moof")
    start, _ = surgery.find(content, b"mdat")
    hidden = content[: start + 4] + b"free" + content[start + 8 :]
    assert inspect(content) == set()
    assert inspect(hidden) == {Finding.SAMPLE_OFFSET_OUTSIDE_MDAT}


def frames_played(content: bytes, tmp_path: Path) -> int:
    path = tmp_path / "played.mp4"
    path.write_bytes(content)
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_movie_that_plays_from_a_free_box_is_found(
    inspect: Inspect, plain_clip: Path, tmp_path: Path
) -> None:
    content = plain_clip.read_bytes()
    start, _ = surgery.find(content, b"moov")
    hidden = content[: start + 4] + b"free" + content[start + 8 :]
    assert frames_played(hidden, tmp_path) == 24
    assert inspect(hidden) == {Finding.EXCLUDED_PAYLOAD, Finding.MISSING_MOVIE}


def test_frames_that_play_by_a_table_in_the_sample_description_are_found(
    inspect: Inspect, plain_clip: Path, tmp_path: Path
) -> None:
    hidden = surgery.hide_chunk_table_in_sample_description(plain_clip.read_bytes())
    assert frames_played(hidden, tmp_path) == 24
    assert inspect(hidden) == {Finding.UNCHECKED_SAMPLES}


def test_an_index_that_leads_into_a_box_is_found(inspect: Inspect, tmp_path: Path) -> None:
    content = write_variant(tmp_path, "mp4", FRAGMENTED + "+dash+global_sidx")
    assert inspect(content) == set()
    start, _ = surgery.find(content, b"sidx")
    assert inspect(surgery.flip(content, start + 31)) == {Finding.UNCHECKED_SAMPLES}  # its first offset
    start, _ = surgery.find(content, b"mfra")
    table = content.index(b"tfra", start)
    assert inspect(surgery.flip(content, table + 35)) == {Finding.UNCHECKED_SAMPLES}  # its first moof


@pytest.mark.parametrize("flags", [0x1, 0x20000, 0])
@pytest.mark.parametrize("size_flag", [0, 0x200])
def test_each_way_to_place_a_fragment_is_followed(inspect: Inspect, flags: int, size_flag: int) -> None:
    trex = box(b"mvex", box(b"trex", struct.pack(">6I", 0, 1, 1, 0, 50, 0)))
    empty = b"".join(box(kind, bytes(8)) for kind in (b"stsc", b"stco")) + box(b"stsz", bytes(12))
    head = FTYP + box(b"moov", box(b"trak", box(b"stbl", empty)) + trex)

    def fragment(shift: int) -> bytes:
        base = struct.pack(">Q", len(head)) if flags & 1 else b""
        sizes = struct.pack(">2I", 50, 50) if size_flag else b""
        header = box(b"tfhd", struct.pack(">II", flags, 1) + base)
        run = box(b"trun", struct.pack(">IIi", 1 | size_flag, 2, shift) + sizes)
        return box(b"moof", box(b"traf", header + run))

    media_at = len(fragment(0)) + 8
    for shift, found in ((media_at, set()), (media_at - 1, True), (media_at + 1, True), (-(10**6), True)):
        expected = {Finding.SAMPLE_OFFSET_OUTSIDE_MDAT} if found else set()
        assert inspect(head + fragment(shift) + box(b"mdat", bytes(100))) == expected


def test_a_second_traf_follows_the_data_of_the_first(inspect: Inspect) -> None:
    empty = b"".join(box(kind, bytes(8)) for kind in (b"stsc", b"stco")) + box(b"stsz", bytes(12))
    head = FTYP + box(b"moov", box(b"trak", box(b"stbl", empty)))

    def moof(shift: int, second: int) -> bytes:
        first = box(b"tfhd", struct.pack(">III", 0x10, 1, 60)) + box(
            b"trun", struct.pack(">IIi", 1, 1, shift)
        )
        follower = box(b"tfhd", struct.pack(">III", 0x10, 2, second)) + box(b"trun", struct.pack(">II", 0, 1))
        return box(b"moof", box(b"traf", first) + box(b"traf", follower))

    media_at = len(moof(0, 0)) + 8
    assert inspect(head + moof(media_at, 40) + box(b"mdat", bytes(100))) == set()
    assert inspect(head + moof(media_at, 41) + box(b"mdat", bytes(100))) == {
        Finding.SAMPLE_OFFSET_OUTSIDE_MDAT
    }


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (FTYP + box(b"mdat", bytes(100)), Finding.MISSING_MOVIE),
        (with_tables() + box(b"moov"), Finding.MULTIPLE_MOVIES),
        (with_tables() + b"\0", Finding.MALFORMED_BOX),
        (with_tables() + struct.pack(">I4s", 4, b"free"), Finding.MALFORMED_BOX),
        (with_tables() + struct.pack(">I4sQ", 1, b"free", 2**63), Finding.MALFORMED_BOX),
        (with_tables(stsc=((2, 4, 1),)), Finding.MALFORMED_BOX),
        (with_tables(stsc=((1, 1, 1), (1, 3, 1))), Finding.MALFORMED_BOX),
        (with_tables(stsz=box(b"stsz", struct.pack(">III", 0, 0, 5) + bytes(16))), Finding.MALFORMED_BOX),
        (with_tables(extra=box(b"trak")), Finding.UNCHECKED_SAMPLES),
        (with_tables(extra=box(b"cmov", bytes(20))), Finding.UNCHECKED_SAMPLES),
        (with_tables(extra=box(b"stco", bytes(8))), Finding.UNCHECKED_SAMPLES),
        (with_tables(extra=box(b"trun", bytes(8))), Finding.UNCHECKED_SAMPLES),
        (with_tables(minf=box(b"stsd", bytes(90) + box(b"co64", bytes(16)))), Finding.UNCHECKED_SAMPLES),
        (with_tables(minf=DINF + box(b"stco", bytes(8))), Finding.UNCHECKED_SAMPLES),
        (with_tables(extra=box(b"rmra", bytes(20))), Finding.EXTERNAL_MEDIA),
        (
            with_tables(
                minf=box(
                    b"dinf", box(b"dref", struct.pack(">II", 0, 1) + box(b"url ", bytes(4) + b"file:///x\0"))
                )
            ),
            Finding.EXTERNAL_MEDIA,
        ),
        (with_tables() + box(b"free", box(b"mvhd", bytes(100))), Finding.EXCLUDED_PAYLOAD),
        (with_tables() + box(b"skip", bytes((1 << 20) + 1)), Finding.EXCLUDED_PAYLOAD),
        (
            with_tables() + box(b"uuid", C2PA_UUID + bytes(4) + b"merkle\0" + bytes(5000)),
            Finding.EXCLUDED_PAYLOAD,
        ),
        (
            with_tables() + box(b"uuid", C2PA_UUID + bytes(4) + b"other\0"),
            Finding.EXCLUDED_PAYLOAD,
        ),
        (with_tables() + 2 * box(b"uuid", C2PA_UUID + bytes(4) + b"manifest\0"), Finding.MULTIPLE_MANIFESTS),
    ],
)
def test_each_trick_has_its_finding(inspect: Inspect, content: bytes, finding: Finding) -> None:
    assert finding in inspect(content)


def test_the_padding_that_cameras_leave_is_no_finding(inspect: Inspect) -> None:
    assert inspect(with_tables() + box(b"free", bytes(400 << 10))) == set()


def test_samples_past_the_last_one_do_not_count(inspect: Inspect) -> None:
    assert inspect(with_tables(stsc=((1, 1000, 1), (9, 1, 1)))) == set()


# Bombs


def nested(kind: bytes, depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = box(kind, content)
    return content


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (with_tables() + nested(b"moov", 3000), "nested deeper"),
        (with_tables(extra=nested(b"udta", 3000)), "nested deeper"),
        (with_tables() + nested(b"meta", 17), "nested deeper"),
        (with_tables() + box(b"free") * 25_000, "more than 20000 boxes"),
        (
            with_tables() + box(b"uuid", C2PA_UUID + bytes(4) + b"manifest\0" + bytes(65 << 20)),
            "manifest store",
        ),
        (
            with_tables(stsz=box(b"stsz", struct.pack(">III", 0, 0, 5 << 20) + bytes(20 << 20))),
            "sample tables",
        ),
    ],
    ids=["moov", "udta", "meta", "boxes", "manifest", "table"],
)
def test_a_bomb_ends_with_an_error_soon_and_in_little_memory(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "bomb.mp4"
    path.write_bytes(content)
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(BmffError, match=reason) as caught:
            inspect_bmff(path, limits=GuardLimits(max_boxes=20_000))
        assert time.process_time() - started < 5
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.hint


def test_huge_counts_without_data_cost_nothing(inspect: Inspect) -> None:
    constant = box(b"stsz", struct.pack(">III", 0, 2**32 - 1, 2**32 - 1))
    assert Finding.SAMPLE_OFFSET_OUTSIDE_MDAT in inspect(
        with_tables(stsz=constant, stsc=((1, 2**32 - 1, 1),))
    )


def test_a_missing_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile):
        inspect_bmff(tmp_path / "none.mp4")


# Fuzzing

BOX_NAMES = st.sampled_from(
    [
        "moov",
        "trak",
        "mdia",
        "minf",
        "stbl",
        "stco",
        "co64",
        "stsz",
        "stz2",
        "stsc",
        "stsd",
        "mdat",
        "free",
        "moof",
        "traf",
        "tfhd",
        "trun",
        "mvex",
        "trex",
        "dref",
        "dinf",
        "udta",
        "meta",
        "uuid",
    ]
).map(str.encode)
BOXES = st.recursive(
    st.builds(box, BOX_NAMES, st.binary(max_size=40)),
    lambda inner: st.builds(box, BOX_NAMES, st.lists(inner, max_size=5).map(b"".join)),
    max_leaves=30,
)
SHARED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@SHARED
@given(content=st.lists(BOXES, max_size=6).map(lambda parts: FTYP + b"".join(parts)))
def test_no_arrangement_of_boxes_crashes_the_guard(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fuzz.mp4"
    path.write_bytes(content)
    assert inspect_bmff(path).applicable


@SHARED
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 10**6), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6
    )
)
def test_no_change_of_a_real_file_crashes_the_guard(
    tmp_path: Path, signed: Signed, changes: list[tuple[int, bytes]]
) -> None:
    content = bytearray(signed.path.read_bytes())
    start, end = surgery.find(bytes(content), b"moov")
    for position, replacement in changes:
        at = start + position % (end - start)
        content[at : at + len(replacement)] = replacement
    path = tmp_path / "fuzz.mp4"
    path.write_bytes(content)
    with contextlib.suppress(BmffError):
        assert inspect_bmff(path).applicable


@SHARED
@given(
    value=st.recursive(
        st.none() | st.integers() | st.sampled_from(["/uuid", "/mdat", "/free", "/moov"]),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["xpath", "data", "offset", "value"]), inner)
        ),
        max_leaves=12,
    )
)
def test_no_shape_of_exclusions_crashes_the_check(value: object) -> None:
    for finding in unexpected_exclusions({"exclusions": value, "merkle": value}):
        assert finding.code is Finding.UNEXPECTED_EXCLUSION
