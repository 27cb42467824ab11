"""Marks that `invisible-watermark` leaves, written and read here by the package itself."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import pywt
from conftest import write_mp4
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from imwatermark import WatermarkDecoder, WatermarkEncoder
from imwatermark.dwtDctSvd import EmbedDwtDctSvd
from imwatermark.maxDct import EmbedMaxDct
from numpy.typing import NDArray
from scipy import ndimage

from provenance.evidence import third_party_evidence
from provenance.trust import TrustAnchors
from provenance.verify import verify_clip
from provenance.watermark import read_third_party
from provenance.watermark.third_party import (
    KNOWN,
    LENGTHS,
    METHODS,
    Method,
    ThirdPartyMark,
    blocks_of,
    decode,
    readings,
    trials,
    u_plane,
    votes,
)

from .conftest import rendered, textured

Picture = NDArray[np.uint8]
Bits = NDArray[np.bool_]


def bgr(rgb: Picture) -> Picture:
    return np.ascontiguousarray(rgb[..., ::-1])


def leaves(width: int = 512, height: int = 384) -> Picture:
    plane = textured(width, height, 2)[1].astype(np.float32)
    return np.clip(np.stack([plane, plane * 0.9 + 10, plane * 0.6 + 40], axis=-1), 0, 255).astype(np.uint8)


def noise(seed: int = 1) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (384, 512, 3)).astype(np.uint8)


PICTURES = {"leaves": leaves(), "rendered": rendered(512, 384, 1)[0]}


def marked(picture: Picture, bits: Bits, method: Method) -> Picture:
    encoder = WatermarkEncoder()
    encoder.set_by_bits([int(bit) for bit in bits])
    return bgr(encoder.encode(bgr(picture), method))


def package_bits(picture: Picture, length: int, method: Method) -> Bits:
    return np.array(WatermarkDecoder("bits", length).decode(bgr(picture), method), dtype=bool)


def our_bits(picture: Picture, length: int, method: Method) -> Bits:
    return decode(votes(blocks_of(u_plane(picture)), method), length)


def random_bits(length: int, seed: int = 0) -> Bits:
    return np.random.default_rng(seed).integers(0, 2, length).astype(bool)


def text_bits(text: str) -> Bits:
    return np.unpackbits(np.frombuffer(text.encode(), np.uint8)).astype(bool)


# What the package reads


@given(arrays(np.uint8, st.tuples(st.integers(4, 40), st.integers(4, 40), st.just(3))))
def test_the_u_plane_is_opencvs(rgb: Picture) -> None:
    height, width = (side // 4 * 4 for side in rgb.shape[:2])
    assert np.array_equal(u_plane(rgb), cv2.cvtColor(bgr(rgb), cv2.COLOR_BGR2YUV)[:height, :width, 1])


def package_votes(u: NDArray[np.uint8]) -> dict[Method, list[int]]:
    haar = pywt.dwt2(u, "haar")[0]
    blocks = [haar[y : y + 4, x : x + 4] for y in range(0, len(haar), 4) for x in range(0, haar.shape[1], 4)]
    return {
        "dwtDct": [EmbedMaxDct().infer_dct_matrix(block, 36) for block in blocks],
        "dwtDctSvd": [EmbedDwtDctSvd().infer_dct_svd(block, 36) for block in blocks],
    }


@pytest.mark.parametrize("method", METHODS)
def test_a_flat_block_votes_as_the_package_rounds(method: Method) -> None:
    """Its largest singular value is 8 U, so that U = 117 lies on the border between a one and a zero."""
    u = np.repeat(np.arange(256, dtype=np.uint8), 8)[None].repeat(8, axis=0)
    assert votes(blocks_of(u), method).ravel().tolist() == package_votes(u)[method]


@pytest.mark.parametrize("method", METHODS)
@given(arrays(np.uint8, st.tuples(st.just(8), st.sampled_from([8, 16, 40])), elements=st.integers(0, 255)))
def test_any_block_votes_as_in_the_package(method: Method, u: NDArray[np.uint8]) -> None:
    assert votes(blocks_of(u), method).ravel().tolist() == package_votes(u)[method]


SIZES = st.sampled_from([(256, 256), (257, 259), (270, 261), (263, 322), (8, 8192), (1024, 66), (131, 1021)])
CONTENTS = st.sampled_from(["noise", "flat", "posterised", "smooth"])


@settings(max_examples=30, deadline=None)
@given(
    SIZES, CONTENTS, st.integers(1, 200), st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from(METHODS)
)
def test_a_picture_decodes_as_in_the_package(
    size: tuple[int, int], content: str, length: int, seed: int, with_mark: bool, method: Method
) -> None:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    wave = 128 + 100 * np.sin(np.stack([x, y, x + y], axis=-1) / rng.uniform(5, 90, 3))
    picture = {
        "noise": rng.integers(0, 256, (*size, 3)),
        "flat": np.broadcast_to(rng.integers(0, 256, 3), (*size, 3)),
        "posterised": wave // 48 * 48,
        "smooth": wave,
    }[content].astype(np.uint8)
    if with_mark:
        picture = marked(picture, random_bits(length, seed), method)
    assert np.array_equal(our_bits(picture, length, method), package_bits(picture, length, method))


@given(st.binary(min_size=1, max_size=17))
def test_a_payload_reads_as_the_packages_types_do(payload: bytes) -> None:
    bits = np.unpackbits(np.frombuffer(payload, np.uint8)).astype(bool)
    said = readings(bits)
    for kind in (
        "bytes",
        "b16",
        "bits",
        *(["uuid"] if len(payload) == 16 else []),
        *(["ipv4"] if len(payload) == 4 else []),
    ):
        theirs = WatermarkDecoder(kind, len(bits)).reconstruct(bits)
        if kind == "bytes" and "text" in said:
            assert said["text"].encode() == theirs
        elif kind == "b16":
            assert np.packbits(bits).tobytes().hex().upper() == theirs.decode()
        elif kind in ("uuid", "ipv4"):
            assert said[kind] == theirs


def test_only_what_can_be_printed_is_text() -> None:
    as_bits = [
        np.unpackbits(np.frombuffer(raw, np.uint8)) for raw in (b"a\x1b[0", b"\xff\xfe12", "名字".encode())
    ]
    assert [readings(bits.astype(bool)).get("text") for bits in as_bits] == [None, None, "名字"]


def test_a_payload_of_46_bits_has_no_bytes() -> None:
    assert readings(KNOWN["FLUX"]) == {}


# What is a mark


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("picture", PICTURES)
def test_the_payloads_of_known_generators_are_named(name: str, picture: str) -> None:
    (mark,) = read_third_party([marked(PICTURES[picture], KNOWN[name], "dwtDct")])
    assert (mark.known_as, mark.state, mark.method, mark.length) == (
        name,
        "marked",
        "dwtDct",
        len(KNOWN[name]),
    )
    assert mark.p_value < 1e-6


@pytest.mark.parametrize("length", [32, 40, 48, 64, 128, 136])
def test_any_payload_is_read(length: int) -> None:
    payload = random_bits(length, seed=length)
    picture = rendered(520, 384, 1)[0]  # 65 blocks a row: no length puts a bit always into one column
    (mark,) = read_third_party([marked(picture, payload, "dwtDctSvd")])
    assert (mark.state, mark.length, mark.known_as) == ("marked", length, None)
    assert mark.payload_hex == np.packbits(payload).tobytes().hex()


def test_a_uuid_is_shown_as_such() -> None:
    uuid = "12345678-1234-5678-9abc-def012345678"
    encoder = WatermarkEncoder()
    encoder.set_watermark("uuid", uuid)
    (mark,) = read_third_party([bgr(encoder.encode(bgr(rendered(520, 384, 1)[0]), "dwtDctSvd"))])
    assert mark.readings["uuid"] == uuid


def test_a_payload_is_read_where_the_packages_decoder_fails() -> None:
    """Most blocks of pale pictures vote for a one; the package's fixed threshold then misreads its own mark."""
    pale = (PICTURES["rendered"] * 0.3 + 100).astype(np.uint8)
    picture = marked(pale, KNOWN["Stable Diffusion XL"], "dwtDct")
    assert (package_bits(picture, 48, "dwtDct") != KNOWN["Stable Diffusion XL"]).sum() > 16
    (mark,) = read_third_party([picture])
    assert mark.known_as == "Stable Diffusion XL"


@pytest.mark.parametrize("text", ["SDV1", "newsroom", "StableDiffusionV2"])
def test_a_text_that_is_like_a_known_one_is_not_taken_for_it(text: str) -> None:
    (mark,) = read_third_party([marked(leaves(528), text_bits(text), "dwtDctSvd")])
    assert (mark.known_as, mark.readings.get("text")) == (None, text)


def test_a_longer_payload_is_not_read_at_a_length_that_divides_it() -> None:
    """At 512 px, 64 bits lie in 64 columns, which cannot be judged; 32 bits can, and have half in common."""
    for seed in range(4):
        for mark in read_third_party([marked(PICTURES["leaves"], random_bits(64, seed), "dwtDctSvd")]):
            assert mark.state == "present_unreadable"


def test_unmarked_pictures_have_no_mark() -> None:
    for picture in (*PICTURES.values(), noise(), np.full((384, 512, 3), 90, np.uint8)):
        assert read_third_party([picture, picture]) == ()


def test_stripes_are_not_taken_for_a_payload() -> None:
    """Random upright stripes, eight pixels wide, look like a payload as long as a row of blocks."""
    levels = np.repeat(np.random.default_rng(2).integers(40, 220, (64, 3)), 8, axis=0)
    assert read_third_party([np.tile(levels, (384, 1, 1)).astype(np.uint8)]) == ()


@pytest.mark.parametrize("width", [512, 640, 1280])
@pytest.mark.parametrize("period", [32, 128, 256, 320])
def test_pictures_that_repeat_themselves_are_not_taken_for_a_payload(width: int, period: int) -> None:
    """Wallpaper, bars, and stereo pairs agree with themselves as the halves of a marked picture do."""
    rng = np.random.default_rng(period)
    tile = ndimage.gaussian_filter(rng.normal(size=(period, period, 3)), (3, 3, 0))
    tile = np.clip(128 + 400 * tile, 0, 255).astype(np.uint8)
    wallpaper = np.tile(tile, (512 // period + 1, width // period + 1, 1))[:384, :width]
    bars = np.repeat(wallpaper[:1], 384, axis=0)
    half = leaves(width // 2)
    for picture in (wallpaper, bars, np.concatenate([half, half], axis=1)):
        assert read_third_party([picture]) == ()


def test_repeating_a_frame_is_no_further_evidence() -> None:
    assert read_third_party([noise()] * 40) == ()


@pytest.mark.parametrize("smoothness", [0.0, 0.7, 2.0])
def test_p_values_of_unmarked_votes_are_not_too_small(smoothness: float) -> None:
    """Votes as pictures cast them, from noise to large areas; and whatever they favour."""
    rng = np.random.default_rng(int(smoothness * 10))
    found = []
    for _ in range(150):
        field = ndimage.gaussian_filter(rng.normal(size=(60, 85)), smoothness)
        found += [trial.p_value for trial in trials((field > rng.normal() * field.std()).astype(float))]
    p_values = np.array(found)
    assert len(p_values) == 150 * (len(KNOWN) + len(LENGTHS))
    assert (p_values < 0.1).mean() < 0.1
    assert (p_values < 0.01).mean() < 0.01
    assert p_values.min() > 1e-5


def test_a_cropped_or_resized_picture_has_lost_its_mark() -> None:
    picture = marked(PICTURES["leaves"], KNOWN["Stable Diffusion XL"], "dwtDctSvd")
    for changed in (picture[4:, 12:], cv2.resize(picture, (448, 336))):
        assert read_third_party([np.ascontiguousarray(changed)]) == ()


def test_a_mirrored_mark_is_not_read() -> None:
    picture = marked(PICTURES["leaves"], KNOWN["Stable Diffusion XL"], "dwtDctSvd")
    for mark in read_third_party([np.ascontiguousarray(picture[:, ::-1])]):
        assert (mark.state, mark.known_as, mark.readings) == ("present_unreadable", None, {})


def test_a_mark_that_cannot_be_read_is_unclear() -> None:
    mark = ThirdPartyMark("dwtDct", "00ff00ff", 32, 1e-9, "present_unreadable")
    found = third_party_evidence([mark], 512, 384)
    assert (found.state, "too damaged to read" in found.summary) == ("unclear", True)


def test_pictures_that_the_package_refuses_are_not_read() -> None:
    assert read_third_party([np.zeros((255, 256, 3), np.uint8)]) == ()
    assert read_third_party([np.zeros((4, 40_000, 3), np.uint8)]) == ()
    assert read_third_party([]) == ()


# What a verification says of it


def clip(path: Path, picture: Picture) -> Path:
    return write_mp4(path, np.stack([picture] * 4), rate=2, crf=10)


def evidence_on(path: Path) -> Any:
    (found,) = (
        one for one in verify_clip(path, trust=TrustAnchors.none()).evidence if one.check == "third_party"
    )
    return found


def test_verify_names_the_generator_and_how_sure_it_is(tmp_path: Path) -> None:
    """In pictures that are scaled to 1080 lines to search them for our own mark: not for this one."""
    picture = marked(leaves(1096, 1096), KNOWN["Stable Diffusion XL"], "dwtDctSvd")
    found = evidence_on(clip(tmp_path / "xl.mp4", picture))
    assert found.state == "found"
    assert "Stable Diffusion XL (dwtDctSvd, p ≤ " in found.summary
    (mark,) = found.details["marks"]
    assert (mark["known_as"], mark["state"]) == ("Stable Diffusion XL", "marked")
    assert mark["p_value"] < 1e-6


def test_verify_shows_a_payload_that_is_text(tmp_path: Path) -> None:
    picture = marked(leaves(528), text_bits("newsroom"), "dwtDctSvd")
    found = evidence_on(clip(tmp_path / "text.mp4", picture))
    assert (found.state, "“newsroom”" in found.summary) == ("found", True)


def test_verify_says_what_an_absent_mark_means(tmp_path: Path) -> None:
    found = evidence_on(clip(tmp_path / "plain.mp4", leaves()))
    assert (found.state, "resize or a crop" in found.summary) == ("absent", True)
    small = evidence_on(clip(tmp_path / "small.mp4", leaves(240, 240)))
    assert (small.state, "240×240" in small.summary) == ("not_checked", True)
