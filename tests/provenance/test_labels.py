"""AIGC labels: in the metadata as GB 45438-2025 asks, and on the picture."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import LabelError
from provenance.keys import Keys
from provenance.labels import LABEL_SECONDS, AigcLabel, Extent, Language, VisibleLabel, read_aigc
from provenance.manifest import Claim
from provenance.signing import sign_file
from provenance.trust import TrustAnchors

LANGUAGES: tuple[Language, ...] = ("zh", "en", "both")
EXTENTS: tuple[Extent, ...] = ("start", "whole")
LABEL = AigcLabel.produced("Clipproof", "0123456789abcdef", security_code="ab12")


def test_the_label_has_the_seven_fields_of_the_standard_in_order() -> None:
    (key, text), *more = LABEL.metadata().items()
    assert key == "AIGC"
    assert not more
    assert json.loads(text) == {
        "Label": "1",
        "ContentProducer": "Clipproof",
        "ProduceID": "0123456789abcdef",
        "ReservedCode1": "ab12",
        "ContentPropagator": "Clipproof",
        "PropagateID": "0123456789abcdef",
        "ReservedCode2": "",
    }


def test_the_label_survives_writing_and_signing(
    make_mp4: Callable[..., Path],
    generated_claim: Claim,
    home_keys: Keys,
    anchors: TrustAnchors,
    tmp_path: Path,
) -> None:
    clip = make_mp4(tmp_path / "labelled.mp4", metadata=LABEL.metadata())
    sign_file(clip, tmp_path / "signed.mp4", generated_claim, home_keys.identity, anchors)
    content = (tmp_path / "signed.mp4").read_bytes()
    assert b"mdta" in content
    assert b"AIGC" in content
    with av.open(str(tmp_path / "signed.mp4")) as container:
        assert read_aigc(container.metadata) == LABEL


def test_both_forms_of_the_wild_are_read() -> None:
    text = LABEL.metadata()["AIGC"]
    for metadata in (
        {"AIGC": text},
        {"aigc": text},
        {"AIGC": f'{{"AIGC": {text}}}'},
        {"title": "a clip", "comment": f'{{"AIGC": {text}}}'},
    ):
        assert read_aigc(metadata) == LABEL
    assert read_aigc({"title": "AIGC", "encoder": "Lavf"}) is None


@pytest.mark.parametrize(
    "text", ["", "no", "[]", "{}", '{"Label": "9"}', '{"Label": {}}', "[" * 5000, '{"AIGC": 1}']
)
def test_a_damaged_label_is_an_error(text: str) -> None:
    with pytest.raises(LabelError):
        read_aigc({"AIGC": text})


@given(st.text())
def test_no_metadata_raise_anything_but_a_label_error(text: str) -> None:
    with contextlib.suppress(LabelError):
        assert read_aigc({"AIGC": text}) is not None
    with contextlib.suppress(LabelError):
        assert read_aigc({"comment": text}) is None


@pytest.mark.parametrize("value", ['a"b', "a'b", "a\\b", "生成", "a\nb", "x" * 600])
def test_what_the_standard_does_not_allow_is_refused(value: str) -> None:
    with pytest.raises(LabelError):
        AigcLabel.produced(value, "id").metadata()


# On the picture


def planes(width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    half = ((height + 1) // 2, (width + 1) // 2)
    return np.full((height, width), 90, np.uint8), np.full(half, 60, np.uint8), np.full(half, 200, np.uint8)


@pytest.mark.parametrize(("width", "height"), [(512, 512), (1920, 1080), (720, 1280), (513, 515)])
def test_the_visible_label_is_a_twentieth_of_the_short_side_high_and_legible(width: int, height: int) -> None:
    before = planes(width, height)
    after = VisibleLabel(width, height).draw(before)
    lit_rows, lit_columns = np.nonzero(after[0] > 200)
    glyph_rows = lit_rows[
        lit_columns < lit_columns.min() + 0.05 * min(width, height)
    ]  # the first letter alone
    assert glyph_rows.max() - glyph_rows.min() + 1 >= 0.05 * min(width, height)
    box = after[0] != before[0]
    assert (after[0][box].max(), after[0][box].min()) == (235, 16)
    assert box[: height // 2].sum() == 0  # the rest of the picture is untouched
    assert LABEL_SECONDS >= 2


def test_drawing_leaves_the_planes_given_as_they_were_and_removes_colour_under_the_text() -> None:
    before = planes(640, 480)
    kept = tuple(plane.copy() for plane in before)
    after = VisibleLabel(640, 480).draw(before)
    assert all(np.array_equal(plane, copy) for plane, copy in zip(before, kept, strict=True))
    assert set(np.unique(after[1])) == {60, 128}
    assert set(np.unique(after[2])) == {128, 200}


def test_the_two_chinese_characters_are_drawn_and_differ() -> None:
    label = VisibleLabel(1024, 1024)
    luma = label.draw(planes(1024, 1024))[0]
    rows, columns = np.nonzero(luma > 200)
    band = luma[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] > 128
    gaps = np.flatnonzero(~band.any(axis=0))
    letters = [part for part in np.split(np.arange(band.shape[1]), gaps) if len(part) > 2]
    widest = sorted(letters, key=len)[-2:]
    assert all(len(part) > label.glyph_height for part in widest)  # wider than any Latin letter


def test_a_tiny_picture_is_labelled_as_far_as_it_reaches() -> None:
    after = VisibleLabel(64, 48).draw(planes(64, 48))
    assert after[0].shape == (48, 64)
    assert (after[0] > 200).any()


@pytest.mark.parametrize("language", ["zh", "en", "both"])
def test_each_language_is_drawn_at_the_height_that_the_standard_asks(language: Language) -> None:
    label = VisibleLabel(640, 512, language=language)
    lit = np.nonzero(label.draw(planes(640, 512))[0] > 200)
    assert lit[0].max() - lit[0].min() + 1 >= 0.05 * 512
    assert label.details()["language"] == language
    assert float(str(label.details()["glyph_share"])) >= 0.05


def test_the_languages_are_as_wide_as_their_texts() -> None:
    widths = {}
    for language in LANGUAGES:
        after = VisibleLabel(1024, 1024, language=language).draw(planes(1024, 1024))
        widths[language] = int((after[0] != 90).any(axis=0).sum())
    assert widths["zh"] < widths["en"] < widths["both"]


def test_a_label_on_the_start_ends_and_one_on_the_whole_does_not() -> None:
    before = planes(640, 480)
    start, whole = (VisibleLabel(640, 480, extent=extent) for extent in EXTENTS)
    for label in (start, whole):
        assert not np.array_equal(label.draw_at(before, 1.99)[0], before[0])
    assert start.draw_at(before, 2.0) is before
    assert not np.array_equal(whole.draw_at(before, 3600.0)[0], before[0])


@pytest.mark.parametrize("language", LANGUAGES)
def test_fiction_is_labelled_at_the_same_height_apart_from_the_other_label_and_on_every_frame(
    language: Language,
) -> None:
    before = planes(640, 512)
    label = VisibleLabel(640, 512, language=language, fictional=True)
    changed = label.draw(before)[0] != before[0]
    rows = np.flatnonzero(changed.any(axis=1))
    upper, lower = rows[rows < 256], rows[rows >= 256]
    assert lower.min() - upper.max() > 256  # the two stand far apart
    lit = np.nonzero(label.draw(before)[0][:256] > 200)[0]
    assert lit.max() - lit.min() + 1 >= 0.05 * 512
    late = label.draw_at(before, 3600.0)[0] != before[0]
    assert late[:256].any()
    assert not late[256:].any()
    assert label.details()["fiction"] == {
        "text": {"zh": "虚构", "en": "fictional", "both": "虚构 / fictional"}[language],
        "extent": "whole",
    }
