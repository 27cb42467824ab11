"""Marks that `invisible-watermark` leaves, written here by the package's own embedder."""

import importlib.util
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from provenance.watermark import read_third_party
from provenance.watermark.third_party import KNOWN, METHODS, Method, blocks_of, decode, u_plane, votes

from .conftest import rendered, textured

Picture = NDArray[np.uint8]
Package = dict[Method, Callable[..., Any]]


def package_module(name: str) -> ModuleType:
    """One module of the package, without its __init__, which imports torch."""
    found = importlib.util.find_spec("imwatermark")
    assert found is not None
    assert found.submodule_search_locations
    path = f"{found.submodule_search_locations[0]}/{name}.py"
    spec = importlib.util.spec_from_file_location(f"imwatermark_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def package() -> Package:
    return {
        "dwtDct": package_module("maxDct").EmbedMaxDct,
        "dwtDctSvd": package_module("dwtDctSvd").EmbedDwtDctSvd,
    }


def leaves() -> Picture:
    plane = textured(512, 384, 2)[1].astype(np.float32)
    return np.clip(np.stack([plane, plane * 0.9 + 10, plane * 0.6 + 40], axis=-1), 0, 255).astype(np.uint8)


PICTURES = {"leaves": leaves(), "rendered": rendered(512, 384, 1)[0]}


def marked(package: Package, picture: Picture, bits: NDArray[np.bool_], method: Method) -> Picture:
    bgr = package[method]([int(bit) for bit in bits], len(bits)).encode(
        np.ascontiguousarray(picture[..., ::-1])
    )
    return np.ascontiguousarray(bgr[..., ::-1])


def random_bits(length: int, seed: int = 0) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).integers(0, 2, length).astype(bool)


def test_the_u_plane_is_opencvs() -> None:
    import cv2

    rgb = np.random.default_rng(0).integers(0, 256, (67, 131, 3)).astype(np.uint8)
    theirs = cv2.cvtColor(np.ascontiguousarray(rgb[..., ::-1]), cv2.COLOR_BGR2YUV)[:64, :128, 1]
    assert np.array_equal(u_plane(rgb), theirs)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("with_mark", [True, False])
def test_our_decoder_says_what_the_package_says(
    package: Package, method: Method, picture: str, with_mark: bool
) -> None:
    rgb = PICTURES[picture]
    if with_mark:
        rgb = marked(package, rgb, random_bits(48), method)
    theirs = package[method]([], 48).decode(np.ascontiguousarray(rgb[..., ::-1]))
    ours = decode(votes(blocks_of(u_plane(rgb)), method).astype(float), 48)
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("name", KNOWN)
def test_the_payloads_of_known_generators_are_named(package: Package, name: str) -> None:
    (mark,) = read_third_party([marked(package, PICTURES["leaves"], KNOWN[name], "dwtDct")])
    assert (mark.known_as, mark.state, mark.method, mark.length) == (
        name,
        "marked",
        "dwtDct",
        len(KNOWN[name]),
    )
    assert mark.p_value < 1e-6


@pytest.mark.parametrize("length", [32, 40, 48, 64, 128, 136])
def test_any_payload_is_read(package: Package, length: int) -> None:
    payload = random_bits(length, seed=length)
    picture = rendered(520, 384, 1)[0]  # 65 blocks a row: no length puts a bit always into one column
    (mark,) = read_third_party([marked(package, picture, payload, "dwtDctSvd")])
    assert (mark.state, mark.length, mark.known_as) == ("marked", length, None)
    assert mark.payload_hex == np.packbits(payload).tobytes().hex()


def test_unmarked_pictures_have_no_mark() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (384, 512, 3)).astype(np.uint8)
    for picture in (*PICTURES.values(), noise, np.full((384, 512, 3), 90, np.uint8)):
        assert read_third_party([picture, picture]) == ()


def test_stripes_are_not_taken_for_a_payload() -> None:
    """Random upright stripes, eight pixels wide, look like a payload as long as a row of blocks."""
    levels = np.repeat(np.random.default_rng(2).integers(40, 220, (64, 3)), 8, axis=0)
    assert read_third_party([np.tile(levels, (384, 1, 1)).astype(np.uint8)]) == ()


def test_repeating_a_frame_is_no_further_evidence() -> None:
    noise = np.random.default_rng(3).integers(0, 256, (384, 512, 3)).astype(np.uint8)
    assert read_third_party([noise] * 40) == ()


def test_a_resized_picture_has_lost_its_mark(package: Package) -> None:
    picture = marked(package, PICTURES["leaves"], KNOWN["Stable Diffusion XL"], "dwtDctSvd")
    assert read_third_party([np.ascontiguousarray(picture[4:, 12:])]) == ()


def test_pictures_that_the_package_refuses_are_not_read() -> None:
    assert read_third_party([np.zeros((255, 256, 3), np.uint8)]) == ()
    assert read_third_party([]) == ()
