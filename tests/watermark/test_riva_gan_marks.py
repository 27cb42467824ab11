"""Marks of rivaGan, written and read here by the package's own networks."""

from pathlib import Path

import numpy as np
import pytest
from imwatermark import WatermarkDecoder, WatermarkEncoder
from numpy.typing import NDArray

from provenance.watermark.errors import ModelUnavailable
from provenance.watermark.riva_gan import (
    answers,
    bits_of,
    load_decoder,
    packaged_decoder,
    read_riva_gan,
)

from .conftest import rendered, textured

Picture = NDArray[np.uint8]

TEXT = "riva"


def foliage() -> Picture:
    plane = textured(512, 256, 2)[1].astype(np.float32)
    return np.clip(np.stack([plane, plane * 0.9 + 10, plane * 0.6 + 40], axis=-1), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def marked() -> Picture:
    WatermarkEncoder.loadModel()
    encoder = WatermarkEncoder()
    encoder.set_watermark("bytes", TEXT.encode())
    return np.ascontiguousarray(encoder.encode(foliage()[..., ::-1], "rivaGan")[..., ::-1])


def test_our_bits_are_the_packages(marked: Picture) -> None:
    for rgb in (marked[:, :256], rendered(270, 259, 1)[0]):
        theirs = WatermarkDecoder("bits", 32).decode(np.ascontiguousarray(rgb[..., ::-1]), "rivaGan")
        assert bits_of(answers(load_decoder(packaged_decoder()), rgb)).tolist() == theirs.tolist()


def test_a_mark_is_read(marked: Picture) -> None:
    mark = read_riva_gan(marked)
    assert mark is not None
    assert (mark.method, mark.state, mark.length) == ("rivaGan", "marked", 32)
    assert mark.readings["text"] == TEXT
    assert mark.p_value < 1e-6


def test_an_upright_picture_is_read_at_its_ends(marked: Picture) -> None:
    tall = np.concatenate([marked[:, :256], marked[:, 256:]])
    mark = read_riva_gan(tall)
    assert mark is not None
    assert mark.readings["text"] == TEXT


def test_unmarked_pictures_have_no_mark() -> None:
    """Nor where both ends are one and the same, to which the network answers the same."""
    half = foliage()[:, :256]
    for picture in (foliage(), np.concatenate([half, half], axis=1)):
        assert read_riva_gan(picture) is None


def test_pictures_that_the_package_refuses_are_not_read() -> None:
    assert read_riva_gan(np.zeros((255, 256, 3), np.uint8)) is None


def test_a_missing_or_other_network_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"absent\.onnx cannot be read") as absent:
        load_decoder(tmp_path / "absent.onnx")
    other = tmp_path / "other.onnx"
    other.write_bytes(b"another network")
    with pytest.raises(ModelUnavailable, match=r"other\.onnx has SHA-256") as changed:
        read_riva_gan(foliage(), other)
    assert "invisible-watermark" in absent.value.hint
    assert "invisible-watermark" in changed.value.hint
