"""Codecs, levels, colours and cuts that a mark survives, and what is said where it does not."""

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import transcode, write_mp4

from media import Planes
from provenance.watermark import detect_file, embed, mark_file
from provenance.watermark.carrier import Carrier, carrier
from provenance.watermark.evidence import HOPELESS, cells, pilot_chips, pilot_z
from provenance.watermark.pose import IDENTITY
from provenance.watermark.response import Reader

from .conftest import KEY, PAYLOAD, RATE, Clip, at, decoded, detect, marked, rendered
from .test_watermark_geometry import BLACK, crop, turn


def luma(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Planes], Planes]:
    def changed(picture: Planes) -> Planes:
        y, u, v = picture
        return np.clip(change(y), 0, 255).astype(np.uint8), u, v

    return changed


def hues(hue_deg: float = 0.0, saturation: float = 1.0) -> Callable[[Planes], Planes]:
    """Turns and scales the plane of blue and red differences."""
    cos, sin = (saturation * part(np.radians(hue_deg)) for part in (np.cos, np.sin))

    def changed(picture: Planes) -> Planes:
        y, *wide = picture
        u, v = (plane.astype(np.float32) - 128 for plane in wide)
        turned = (128 + u * cos - v * sin, 128 + u * sin + v * cos)
        u8, v8 = (np.clip(np.rint(plane), 0, 255).astype(np.uint8) for plane in turned)
        return y, u8, v8

    return changed


def noisy(picture: Planes, scale: float = 6, seed: int = 0) -> Planes:
    rng = np.random.default_rng([seed, int(picture[0].sum())])
    return tuple(  # type: ignore[return-value]
        np.clip(plane + rng.normal(scale=scale, size=plane.shape), 0, 255).astype(np.uint8)
        for plane in picture
    )


def blurred(picture: Planes) -> Planes:
    y, u, v = picture
    return (  # type: ignore[return-value]
        np.asarray(cv2.GaussianBlur(y, (0, 0), 1.5)),
        *(np.asarray(cv2.GaussianBlur(plane, (0, 0), 0.75)) for plane in (u, v)),
    )


def with_banner(picture: Planes) -> Planes:
    y, u, v = (plane.copy() for plane in picture)
    y[-60:], u[-30:], v[-30:] = 235, 90, 160
    return y, u, v


CHANGES: dict[str, Callable[[Planes], Planes]] = {
    "darker": luma(lambda y: y * 0.6),
    "half the contrast": luma(lambda y: 64 + y * 0.5),
    "gamma": luma(lambda y: 255 * (y / 255) ** 1.6),
    "noise": noisy,
    "blur": blurred,
    "banner": with_banner,
    "hue turned by 25 degrees": hues(hue_deg=25),
    "hue turned by 90 degrees": hues(hue_deg=90),
    "opposite hues": hues(hue_deg=180),
    "half the saturation": hues(saturation=0.5),
    "half as much again of saturation": hues(saturation=1.5),
    "greyscale": hues(saturation=0.0),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_payload_survives_changed_levels_and_colours(name: str, marked_clip: Clip) -> None:
    assert detect(CHANGES[name](picture) for picture in marked_clip[::2]).payload == PAYLOAD


@pytest.mark.parametrize("crf", [23, 28])
def test_the_payload_survives_x264_and_a_resize_to_75_percent(
    crf: int, marked_file: Path, tmp_path: Path
) -> None:
    attacked = transcode(marked_file, tmp_path / "attacked.mp4", crf=crf, scale=0.75)
    found = detect_file(attacked, key=KEY)
    assert (found.state, found.payload) == ("marked", PAYLOAD)


def test_at_480_rows_a_marked_file_survives_what_its_levels_were_chosen_for(tmp_path: Path) -> None:
    source = write_mp4(tmp_path / "source.mp4", rendered(640, 480, 24), rate=RATE, crf=12)
    report = mark_file(source, tmp_path / "marked.mp4", payload=PAYLOAD, key=KEY)
    assert report.choice.margin > 1
    attacked = transcode(report.path, tmp_path / "attacked.mp4", crf=33)
    assert detect_file(attacked, key=KEY).payload == PAYLOAD


def test_x264_a_crop_and_a_turn_together(marked_file: Path, tmp_path: Path) -> None:
    attacked = decoded(transcode(marked_file, tmp_path / "attacked.mp4", crf=28))
    assert detect(turn(crop(picture, 0.8, 0.3, 0.6), 2) for picture in attacked).payload == PAYLOAD


@pytest.mark.parametrize("start", [0, 5, 12])
def test_one_second_is_enough(start: int, marked_clip: Clip) -> None:
    assert detect(marked_clip[start : start + 12]).payload == PAYLOAD


@pytest.mark.parametrize("index", [0, 7, 23])
def test_one_frame_is_enough(index: int, marked_clip: Clip) -> None:
    assert detect(marked_clip[index : index + 1]).payload == PAYLOAD


@pytest.mark.parametrize("rate", [9, 15, 60])
def test_order_and_speed_do_not_matter(rate: float, marked_clip: Clip) -> None:
    assert detect(reversed(marked_clip), rate=rate).payload == PAYLOAD


def test_dropped_and_repeated_frames_do_not_matter(marked_clip: Clip) -> None:
    kept = [marked_clip[index] for index in (0, 0, 3, 4, 4, 4, 11, 12, 20, 20)]
    assert detect(kept).payload == PAYLOAD


def faded(picture: Planes, share: float) -> Planes:
    """Towards black, at 0."""
    return tuple(  # type: ignore[return-value]
        np.rint(level + (plane.astype(np.float32) - level) * share).astype(np.uint8)
        for plane, level in zip(picture, BLACK, strict=True)
    )


def test_black_frames_and_a_fade_do_not_hide_the_mark(marked_clip: Clip) -> None:
    black = [faded(picture, 0) for picture in marked_clip[:12]]
    fade = [faded(picture, index / 12) for index, picture in enumerate(marked_clip[:12])]
    assert detect([*black, *fade, *marked_clip[12:]]).payload == PAYLOAD


OTHERS = 0x9E3779B97F4A7  # times a frame's number: a payload of its own
STRENGTHS = (0.15, 0.3, 0.5, 1.0)


@pytest.fixture(scope="module")
def weak_marks(textured_clip: Clip) -> dict[float, Clip]:
    return {strength: marked(textured_clip[::8], levels=at(strength)) for strength in STRENGTHS}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("strength", STRENGTHS)
def test_a_mark_too_weak_is_never_read_wrongly(
    strength: float, seed: int, weak_marks: dict[float, Clip]
) -> None:
    """From lost to found: whatever is said, it is not another payload."""
    found = detect(noisy(picture, seed=seed) for picture in weak_marks[strength])
    assert found.payload in (None, PAYLOAD)
    assert (found.payload is None) == (found.state != "marked")
    assert [part.payload for part in found.segments if part.payload is not None] in ([], [PAYLOAD])


def test_a_mark_that_cannot_be_read_is_still_proven(textured_clip: Clip) -> None:
    """The third state. Payloads that change from frame to frame cancel out; what all share adds up."""
    mixed = [marked([picture], payload=OTHERS * index)[0] for index, picture in enumerate(textured_clip)]
    found = detect(mixed)
    assert (found.state, found.payload, found.key_index) == ("present_unreadable", None, 0)
    assert found.p_value < 1e-6
    assert [(part.state, part.payload) for part in found.segments] == [("present_unreadable", None)]


def test_the_payload_is_read_in_place_where_the_pilot_was_taken_out(
    rendered_clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pilot is the same in all clips of a key: who has many of them can estimate it and subtract it."""
    whole = carrier(KEY)
    coin = np.random.default_rng(11)
    layers = []
    for layer in whole.layers:
        noise = coin.choice(np.float32([-1, 1]), layer.signs.shape)
        layers.append(replace(layer, signs=np.where(layer.is_pilot, noise, layer.signs)))
    with monkeypatch.context() as patch:
        patch.setattr(embed, "carrier", lambda key: Carrier(tuple(layers)))
        clip = marked(rendered_clip[::4], levels=at(1.0))
    reader = Reader(*rendered_clip[0][0].shape[::-1])
    response = reduce(add, (reader.read(picture) for picture in clip)).clipped()
    assert pilot_z(pilot_chips(response, IDENTITY, cells(whole))) < HOPELESS
    assert detect(clip).payload == PAYLOAD
