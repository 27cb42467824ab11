"""Heads of one's own at the command line: fitted, adapted, chosen, refused."""

import json
from pathlib import Path

import pytest
from cli_process import Clipproof
from moving_textures import redrawn, travelling, write_clip

from detector.head import PLAIN_HEAD


@pytest.fixture(scope="module")
def six_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("newgen")
    for k in range(6):
        write_clip(folder / f"{k}.mp4", redrawn(300 + k, 20))
    return folder


def test_a_head_is_adapted_and_then_used_by_name(
    clipproof: Clipproof, six_clips: Path, tmp_path: Path
) -> None:
    arguments = ("audit", "adapt", six_clips, "--ai", "--out", "mine", "--head", PLAIN_HEAD, "--json")
    done = clipproof(*arguments)
    assert done.code == 0, done.err
    assert (done.json["clips"], done.json["class"], done.json["source"]) == (6, "ai", six_clips.name)
    assert {"likely_ai", "inconclusive", "auroc"} <= set(done.json["before"]) & set(done.json["after"])
    assert done.json["after"]["mean_p_ai"] > done.json["before"]["mean_p_ai"]

    audited = clipproof("audit", "--head", tmp_path / "mine", six_clips / "0.mp4", "--json")
    assert audited.code == 0
    (row,) = audited.json["rows"]
    assert (row["head_id"], row["head_digest"]) == ("mine", done.json["digest"])
    by_setting = clipproof("audit", six_clips / "0.mp4", "--json", CLIPPROOF_HEAD=str(tmp_path / "mine"))
    assert by_setting.json["rows"][0]["p_ai"] == row["p_ai"]


def test_adapting_needs_to_be_told_the_class_and_five_clips(
    clipproof: Clipproof, six_clips: Path, tmp_path: Path
) -> None:
    unsaid = clipproof("audit", "adapt", six_clips, "--out", "mine")
    assert unsaid.code == 2
    assert "--ai or --camera" in unsaid.err
    (tmp_path / "few").mkdir()
    for k in range(2):
        (tmp_path / "few" / f"{k}.mp4").write_bytes((six_clips / f"{k}.mp4").read_bytes())
    (tmp_path / "few" / "still.mp4").write_text("not a video")
    few = clipproof("audit", "adapt", tmp_path / "few", "--camera", "--out", "mine", "--head", PLAIN_HEAD)
    assert few.code == 2
    assert "2 usable clips" in few.err
    assert not (tmp_path / "mine").exists()


def test_a_head_is_fitted_from_a_manifest_with_its_card(clipproof: Clipproof, tmp_path: Path) -> None:
    lines = ["path,split,label,source,group,width,height,fps,frames,bytes"]
    for label, shape in (("ai", redrawn), ("real", travelling)):
        for source in range(3):
            for k in range(2):
                clip = write_clip(tmp_path / f"{label}-{source}-{k}.mp4", shape(10 * source + k, 18))
                split = "report" if source == 2 else "fit"
                row = (clip.name, split, label, f"{label}{source}", f"g-{label}{source}", 192, 160, 8, 18)
                lines.append(",".join(map(str, (*row, clip.stat().st_size))))
    (tmp_path / "m.csv").write_text("\n".join(lines) + "\n")
    done = clipproof(
        *("audit", "fit", "--clips", tmp_path, "--manifest", "m.csv", "--out", "own"),
        "--no-robustness",
        "--json",
    )
    assert done.code == 0, done.err
    assert done.json["head_id"] == "own"
    assert "report_split_unseen_sources" in done.json["error_rates"]
    assert (tmp_path / "own" / "MODEL_CARD.md").read_text().startswith("# Model card: own")
    assert json.loads((tmp_path / "own" / "head.json").read_text())["contract"]["encoder"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--head", "no/such/head"), 5, "no head at"),
        (("--encoder", "ViT-B-32"), 5, "no weights were named"),
        (("--drift", "yesterday.json"), 2, "--out FOLDER"),
    ],
)
def test_what_does_not_belong_together_is_said_before_any_clip_is_opened(
    clipproof: Clipproof, six_clips: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = clipproof("audit", six_clips, *arguments)
    assert done.code == code, done.err
    assert words in done.err
    assert "Traceback" not in done.err


def test_a_folder_that_is_called_like_a_command_is_audited_as_a_path(
    clipproof: Clipproof, six_clips: Path, tmp_path: Path
) -> None:
    (tmp_path / "fit").mkdir()
    (tmp_path / "fit" / "a.mp4").write_bytes((six_clips / "0.mp4").read_bytes())
    done = clipproof("audit", "./fit", "--json")
    assert done.code == 0
    assert [row["path"] for row in done.json["rows"]] == ["fit/a.mp4"]
