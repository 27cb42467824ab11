"""A user's own encoder: trained from captioned pictures and clips, loaded by open_clip like any other."""

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file

from detector import OpenClipEncoder
from detector.corpus import read_manifest
from detector.encoder_training.__main__ import main
from detector.encoder_training.frames import ClipFrames, cached_frames, load_clips, load_pairs
from detector.encoder_training.objective import LabelObjective, contrast, view_contrast
from detector.encoder_training.training import SELFTEST, Recipe, train_encoder
from detector.encoder_training.views import view
from detector.errors import TrainingDataError
from generator.spacetime.pairs import write_pairs


@pytest.fixture(scope="module")
def pairs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs(folder / "pairs-0000.npz", seed=1, pairs=32, side=32)
    return folder


@pytest.fixture(scope="module")
def frame_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("frames")


def command_line(clips: Path, pairs: Path, cache: Path, out: Path, *more: str) -> list[str]:
    folders = {"--clips": clips, "--manifest": clips / "manifest.csv", "--pairs": pairs, "--cache": cache}
    return [str(x) for pair in folders.items() for x in pair] + ["--out", str(out), *more]


@pytest.fixture(scope="module")
def trained(
    training_clips: Path, pairs_folder: Path, frame_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("run")
    assert main(command_line(training_clips, pairs_folder, frame_cache, out, "--selftest")) == 0
    return out


@pytest.fixture(scope="module")
def clips(training_clips: Path, frame_cache: Path) -> list[ClipFrames]:
    entries = [e for e in read_manifest(training_clips / "manifest.csv") if e.split == "fit"]
    return load_clips(entries, training_clips, frame_cache, lambda text: None)


def test_open_clip_loads_the_encoder_from_its_folder(trained: Path) -> None:
    encoder = OpenClipEncoder(f"local-dir:{trained / 'encoder'}")
    embeddings = encoder.embed(np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), np.uint8))
    assert dict(encoder.layout.parts)["pooled"] == 16
    assert len(embeddings) == 2
    assert np.abs(embeddings[0] - embeddings[1]).max() > 0


def test_weights_are_stored_in_half_precision(trained: Path) -> None:
    weights = load_file(trained / "encoder" / "open_clip_model.safetensors")
    assert {t.dtype for name, t in weights.items() if t.is_floating_point() and "running" not in name} == {
        torch.float16
    }


def test_the_tokenizer_of_the_folder_reads_chinese(trained: Path) -> None:
    tokenizer = open_clip.get_tokenizer(f"local-dir:{trained / 'encoder'}")
    red, blue, unknown = tokenizer(["一个红色球", "一个蓝色球", "龘"])
    assert not torch.equal(red, blue)
    assert (unknown == 2).sum() == 1  # ends once, and is spelt in bytes:
    assert (unknown > 2).sum() >= 3


def test_the_report_split_and_dull_clips_are_left_alone(trained: Path) -> None:
    card = (trained / "encoder" / "MODEL_CARD.md").read_text()
    assert "9 AI clips and 9 camera clips, with labels" in card


def test_groups_that_are_left_out_are_not_trained_on(
    training_clips: Path, pairs_folder: Path, frame_cache: Path, tmp_path: Path
) -> None:
    left_out = ["--selftest", "--leave-out", "group-ai0,group-real1,group-real2"]
    assert main(command_line(training_clips, pairs_folder, frame_cache, tmp_path, *left_out)) == 0
    assert "6 AI clips and 3 camera clips" in (tmp_path / "encoder" / "MODEL_CARD.md").read_text()


def test_a_run_goes_on_from_its_state(clips: list[ClipFrames], pairs_folder: Path, tmp_path: Path) -> None:
    pairs = load_pairs(pairs_folder)

    def run(steps: int, recipe: Recipe = SELFTEST) -> dict[str, object]:
        train_encoder(
            clips, pairs, tmp_path, 10.0, recipe, resume=True, most_steps=steps, progress=lambda text: None
        )
        return torch.load(tmp_path / "state.pt", weights_only=True)

    first, again, on = run(1), run(1), run(2)
    assert (first["step"], again["step"], on["step"]) == (1, 1, 2)
    name = "clip.text_projection"
    assert torch.equal(first["learner"][name], again["learner"][name])
    assert not torch.equal(first["learner"][name], on["learner"][name])
    with pytest.raises(TrainingDataError, match="another recipe") as caught:
        run(3, Recipe(size="tiny", side=32, clips=4, pairs=4))
    assert "--out" in caught.value.hint


def test_an_encoder_taught_further_says_so(
    clips: list[ClipFrames], pairs_folder: Path, trained: Path, tmp_path: Path
) -> None:
    train_encoder(
        clips[:6],
        load_pairs(pairs_folder),
        tmp_path,
        10.0,
        SELFTEST,
        resume=False,
        most_steps=0,
        start_from=trained / "state.pt",
        progress=lambda text: None,
    )
    states = [torch.load(run / "state.pt", weights_only=True)["learner"] for run in (trained, tmp_path)]
    shared = [key for key in states[0] if key.startswith("clip.")]
    assert shared
    assert all(torch.equal(states[0][key], states[1][key]) for key in shared)
    assert "earlier run" in (tmp_path / "encoder" / "MODEL_CARD.md").read_text()


def test_a_folder_without_pictures_says_how_to_make_them(
    training_clips: Path, frame_cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command_line(training_clips, tmp_path, frame_cache, tmp_path / "out")) == 2
    assert "generator.spacetime.pairs" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_cached_frames_are_the_decoded_ones(travelling_clip: Path, tmp_path: Path) -> None:
    decoded = np.array(cached_frames(travelling_clip, tmp_path))
    cached = cached_frames(travelling_clip, tmp_path)
    assert decoded.shape[1:] == (256, 256, 3)
    assert len(decoded) % 16 == 0
    assert len(decoded)
    np.testing.assert_array_equal(decoded, cached)
    assert len(list(tmp_path.iterdir())) == 1


def test_views_of_one_picture_differ_and_follow_the_seed() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    first, second, again = (view(picture, 32, np.random.default_rng(seed)) for seed in (1, 2, 1))
    assert first.shape == (32, 32, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - second).mean() > 1


def test_contrastive_losses_reward_what_belongs_together() -> None:
    x = torch.eye(6)
    scale = torch.tensor(3.0)
    assert contrast(x, x, scale) < 0.01 < contrast(x, x.roll(1, 0), scale)
    assert view_contrast(x, x, 0.1) < 0.01 < view_contrast(x, x.roll(1, 0), 0.1)


def test_the_adversary_pushes_against_the_source_and_only_within_a_label() -> None:
    torch.manual_seed(0)
    objective = LabelObjective(4, [True, True, False])
    source = torch.tensor([0, 1])
    x = torch.randn(2, 4, requires_grad=True)

    def gradient(weight: float) -> torch.Tensor:
        return torch.autograd.grad(objective(x, source, weight), x)[0]

    pushed = gradient(1.0) - gradient(0.0)
    unit = torch.nn.functional.normalize(x, dim=-1) * 2
    told = torch.nn.functional.cross_entropy(objective.source(unit)[:, :2], source)
    straight = torch.autograd.grad(told, x)[0]
    torch.testing.assert_close(pushed, -straight)

    alone = torch.tensor([2])  # the only source of its label: nothing to tell apart
    embedded = torch.randn(1, 4)
    assert objective(embedded, alone, 5.0) == objective(embedded, alone, 0.0)
