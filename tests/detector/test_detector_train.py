"""Fitting a head from a folder of clips, with and without an encoder, and using it."""

import json
from pathlib import Path

import pytest

from detector import HeadMismatch, HeadNotFound, OpenClipEncoder, TrainingDataError, audit_clip, load_head
from detector.corpus import read_manifest
from detector.model_card import render_card
from detector.train import train


@pytest.fixture(scope="module")
def encoder(tiny_encoder_checkpoint: Path) -> OpenClipEncoder:
    return OpenClipEncoder("tiny-vit", tiny_encoder_checkpoint)


@pytest.fixture(scope="module")
def fitted(training_clips: Path, encoder: OpenClipEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("heads") / "tiny-v1"
    train(
        training_clips,
        training_clips / "manifest.csv",
        out,
        cache=training_clips / "cache",
        encoder=encoder,
        robustness=False,
    )
    return out


def test_a_fitted_head_is_written_with_a_card_that_matches(fitted: Path) -> None:
    record = json.loads((fitted / "head.json").read_text())
    assert (fitted / "MODEL_CARD.md").read_text(encoding="utf-8") == render_card(record)
    assert record["contract"]["encoder"] == "open_clip:tiny-vit"
    data = record["card"]["data"]
    assert (data["fit"]["ai"]["usable"], data["fit"]["camera"]["clips"]) == (9, 10)
    assert data["fit"]["camera"]["usable"] == 9, "the clip in which nothing moves trains nothing"
    assert data["unreadable"] == 1
    assert {"in_flow", "joint"} < set(record["card"]["protocol"]["controls"]["content of one frame"])


def test_sources_of_the_report_split_train_nothing(fitted: Path) -> None:
    card = load_head(fitted).card
    assert "ai3" not in card["data"]["fit"]["ai"]["sources"]
    assert set(card["report"]["ai"]["sources"]) == {"ai3"}


def test_the_head_tells_redrawn_from_travelling_textures_of_unseen_sources(
    fitted: Path, training_clips: Path, encoder: OpenClipEncoder
) -> None:
    painted = audit_clip(training_clips / "ai-3-0.mp4", head=fitted, encoder=encoder)
    filmed = audit_clip(training_clips / "real-3-0.mp4", head=fitted, encoder=encoder)
    assert painted.p_ai > 0.7 > 0.3 > filmed.p_ai
    assert not any("CLIP" in e.text for e in painted.evidence)


def test_nine_clips_a_class_are_too_few_for_a_verdict(
    fitted: Path, training_clips: Path, encoder: OpenClipEncoder
) -> None:
    report = audit_clip(training_clips / "ai-3-1.mp4", head=fitted, encoder=encoder)
    assert report.verdict == "inconclusive"
    assert any(e.kind == "limit" for e in report.evidence)


def test_a_head_with_an_encoder_wants_that_encoder(
    fitted: Path, training_clips: Path, encoder: OpenClipEncoder
) -> None:
    clip = training_clips / "ai-3-0.mp4"
    with pytest.raises(HeadMismatch, match="needs encoder open_clip:tiny-vit"):
        audit_clip(clip, head=fitted)
    with pytest.raises(HeadNotFound, match="no shipped head belongs to encoder"):
        audit_clip(clip, encoder=encoder)


def test_the_same_architecture_with_other_weights_is_refused(
    fitted: Path, training_clips: Path, tiny_encoder_checkpoint: Path, tmp_path: Path
) -> None:
    import torch

    weights = torch.load(tiny_encoder_checkpoint, weights_only=True)
    weights["visual.proj"] = weights["visual.proj"] * 1.01
    torch.save(weights, tmp_path / "other.pt")
    other = OpenClipEncoder("tiny-vit", tmp_path / "other.pt")
    with pytest.raises(HeadMismatch, match="encoder_digest"):
        audit_clip(training_clips / "ai-3-0.mp4", head=fitted, encoder=other)


def test_a_second_fit_from_the_cache_gives_the_same_head(
    fitted: Path, training_clips: Path, encoder: OpenClipEncoder, tmp_path: Path
) -> None:
    again = train(
        training_clips,
        training_clips / "manifest.csv",
        tmp_path / "tiny-v1",
        cache=training_clips / "cache",
        encoder=encoder,
        robustness=False,
    )
    assert again.digest == load_head(fitted).digest


def test_a_manifest_without_labels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,split\na.mp4,fit\n")
    with pytest.raises(TrainingDataError, match="no column label"):
        read_manifest(tmp_path / "m.csv")


def test_an_unknown_split_is_named_with_its_line(tmp_path: Path) -> None:
    head = "path,split,label,source,group,width,height,fps,frames,bytes\n"
    (tmp_path / "m.csv").write_text(head + "a.mp4,train,ai,s,g,1,1,1,1,1\n")
    with pytest.raises(TrainingDataError, match=r"m\.csv:2: label 'ai', split 'train'"):
        read_manifest(tmp_path / "m.csv")


def test_one_group_a_class_cannot_be_measured(training_clips: Path, tmp_path: Path) -> None:
    lines = (training_clips / "manifest.csv").read_text().splitlines()
    one_each = [lines[0], *(line for line in lines if line.startswith(("ai-0-0", "real-0-0")))]
    (training_clips / "small.csv").write_text("\n".join(one_each))
    with pytest.raises(TrainingDataError, match="1 usable groups of ai clips"):
        train(training_clips, training_clips / "small.csv", tmp_path / "h", cache=training_clips / "cache2")
