"""Pictures that a request names: untrusted files."""

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from generator import GenerationRequest
from generator.errors import RequestError
from generator.pictures import MAX_PICTURE_BYTES, fit_picture, read_picture


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header promises width x height pixels, with hardly any content."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def write(path: Path, kind: str) -> None:
    picture = Image.new("RGB", (8, 8), "red")
    if kind == "text":
        path.write_text("no picture")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "too large":
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(MAX_PICTURE_BYTES))
    elif kind == "many pixels":
        path.write_bytes(png_of_size(8_000, 8_000))
    elif kind == "bomb":
        path.write_bytes(png_of_size(60_000, 60_000))
    elif kind == "gif":
        picture.save(path, "GIF")
    elif kind == "animated":
        picture.save(path, "WEBP", save_all=True, append_images=[Image.new("RGB", (8, 8), "blue")])
    elif kind == "16 bits":
        Image.new("I;16", (8, 8)).save(path, "PNG")
    elif kind == "folder":
        path.mkdir()


@pytest.mark.parametrize("field", ["image", "last_image"])
@pytest.mark.parametrize(
    "kind",
    ["missing", "text", "empty", "too large", "many pixels", "bomb", "gif", "animated", "16 bits", "folder"],
)
def test_a_picture_that_cannot_be_used_ends_the_request_with_a_hint(
    kind: str, field: str, tmp_path: Path
) -> None:
    write(tmp_path / "p.png", kind)
    with pytest.raises(RequestError, match=field) as caught:
        GenerationRequest("a ball", **{field: str(tmp_path / "p.png")})  # type: ignore[arg-type]
    assert caught.value.hint


def test_a_picture_that_breaks_off_is_refused_when_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "half.png"
    Image.effect_noise((64, 64), 90).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[:2_000])
    with pytest.raises(RequestError, match="damaged"):
        read_picture(path, "image")


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    lying = Image.new("RGB", (20, 10), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn a quarter to the right
    lying.save(tmp_path / "p.jpg", exif=exif)
    assert read_picture(tmp_path / "p.jpg", "image").image.size == (10, 20)


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "p.png")
    assert read_picture(tmp_path / "p.png", "image").image.getpixel((0, 0)) == (255, 255, 255)


def test_a_picture_of_another_shape_is_cropped_in_the_middle_and_told() -> None:
    picture = Image.new("RGB", (90, 30), "black")
    picture.paste("red", (30, 0, 60, 30))
    notes: list[dict[str, Any]] = []
    fitted = fit_picture(picture, 16, 16, "image", notes.append)
    assert fitted.size == (16, 16)
    assert fitted.getpixel((8, 8)) == (255, 0, 0)
    assert [(note["asked"], note["given"]) for note in notes] == [("90x30", "16x16")]
    assert fit_picture(fitted, 16, 16, "image", notes.append) is fitted
    assert len(notes) == 1


def test_a_request_is_the_bytes_of_its_picture_wherever_they_lie(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "b.png")
    (tmp_path / "copy.png").write_bytes((tmp_path / "a.png").read_bytes())
    one, copy, other = (
        GenerationRequest("a ball", image=str(tmp_path / name)).digest()
        for name in ("a.png", "copy.png", "b.png")
    )
    assert one == copy
    assert len({one, other, GenerationRequest("a ball").digest()}) == 3


def test_requests_without_files_keep_the_digest_of_the_first_edition() -> None:
    """Recorded before pictures, LoRAs and quantised weights could be asked for."""
    request = GenerationRequest("a red ball bounces on grass", seed=7, seconds=2, steps=3)
    assert request.digest() == "ec744d18f6bafd158702cc1201654412453ca3e42fbc974a7d70acc87f7d1044"


@pytest.mark.parametrize(
    "fields",
    [
        {"lora": "one.safetensors"},
        {"lora": ["weights.bin"]},
        {"lora": ["missing.safetensors"]},
        {"lora": [7]},
        {"quantize": "2bit"},
        {"image": ""},
        {"image": 7},
    ],
)
def test_fields_that_name_no_file_or_level_cannot_exist(fields: dict[str, object]) -> None:
    with pytest.raises(RequestError, match=next(iter(fields))):
        GenerationRequest("a ball", **fields)  # type: ignore[arg-type]
