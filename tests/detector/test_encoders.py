"""The image encoder: weights by file, never by chance, and a digest that knows them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from detector import EncoderUnavailable, OpenClipEncoder
from detector.encoders import PROBES


def pictures(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 48, 48, 3), np.uint8)


def test_embeddings_have_length_one_and_do_not_depend_on_the_batch(tiny_encoder_checkpoint: Path) -> None:
    whole = OpenClipEncoder("tiny-vit", tiny_encoder_checkpoint)
    pairs = OpenClipEncoder("tiny-vit", tiny_encoder_checkpoint, batch_size=2)
    embeddings = whole.embed(pictures())
    (middle, width), (pooled, dim), (probes, texts) = whole.layout.parts
    assert (middle, pooled, probes) == ("middle", "pooled", "probes")
    assert embeddings.shape == (5, width + dim + texts) == (5, 32 + 16 + len(PROBES))
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings[:, width : width + dim], axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(pairs.embed(pictures()), embeddings, atol=1e-5)


def test_the_digest_follows_the_weights_not_the_file(tiny_encoder_checkpoint: Path, tmp_path: Path) -> None:
    weights = torch.load(tiny_encoder_checkpoint, weights_only=True)
    torch.save({"epoch": 3, "state_dict": weights}, tmp_path / "wrapped.pt")
    weights["visual.proj"] = weights["visual.proj"] + 1e-3
    torch.save(weights, tmp_path / "other.pt")
    first, wrapped, other = (
        OpenClipEncoder("tiny-vit", path).digest
        for path in (tiny_encoder_checkpoint, tmp_path / "wrapped.pt", tmp_path / "other.pt")
    )
    assert first == wrapped
    assert first != other


def test_random_weights_are_never_used_unasked() -> None:
    with pytest.raises(EncoderUnavailable, match="no weights were named") as caught:
        OpenClipEncoder("ViT-B-32")
    assert "checkpoint" in caught.value.hint


@pytest.mark.parametrize(
    ("model", "weights"),
    [
        ("no-such-model", "no-such-tag"),
        ("tiny-vit", "no-such-tag"),
        ("tiny-vit", Path("no/such/file.pt")),
        ("local-dir:no/such/folder", None),
    ],
)
def test_what_cannot_be_loaded_is_a_typed_error_with_a_hint(
    model: str, weights: str | Path | None, tiny_encoder_checkpoint: Path
) -> None:
    with pytest.raises(EncoderUnavailable) as caught:
        OpenClipEncoder(model, weights)
    assert caught.value.hint


def test_weights_of_another_architecture_are_refused(tiny_encoder_checkpoint: Path, tmp_path: Path) -> None:
    weights = torch.load(tiny_encoder_checkpoint, weights_only=True)
    del weights["visual.conv1.weight"]
    torch.save(weights, tmp_path / "cut.pt")
    with pytest.raises(EncoderUnavailable, match="tiny-vit"):
        OpenClipEncoder("tiny-vit", tmp_path / "cut.pt")


def test_an_unreachable_hub_is_a_typed_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_encoder_checkpoint: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderUnavailable) as caught:
        OpenClipEncoder("ViT-B-32", "laion2b_s34b_b79k")
    assert "hub" in caught.value.hint
