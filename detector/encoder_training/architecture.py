"""The encoder's shape, its tokenizer, and the folder that open_clip loads it from as `local-dir:`."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from media import atomic_path

MEAN = STD = (0.5, 0.5, 0.5)
SPECIAL = ("<pad>", "<start>", "<end>")
CONTEXT = 32
"""Tokens of a sentence; one of the rendered world takes at most 15, in either language."""


def model_config(size: str = "small") -> dict[str, Any]:
    """open_clip's `model_cfg`; `tiny` is for tests.

    A RegNet without a fixed input size trains on crops of 128 px at a quarter of the cost of the 192 px
    that it embeds. The text tower's own BPE vocabulary of 1,024 replaces open_clip's of 49,408, which
    alone would be larger than the image tower; its alphabet is bytes, so it covers Chinese.
    """
    tower, embed_dim, image_size, vocabulary, width = {
        "small": ("regnetx_002", 256, 192, 1024, 128),
        "tiny": ("test_resnet", 16, 32, 512, 16),
    }[size]
    return {
        "embed_dim": embed_dim,
        "vision_cfg": {
            "timm_model_name": tower,
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
            "image_size": image_size,
        },
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": vocabulary,
            "hf_tokenizer_name": "tokenizer",
            "width": width,
            "heads": 4,
            "layers": 4 if size == "small" else 1,
            "pad_id": 0,
            "eos_id": 2,
            "pool_type": "eos",
        },
    }


def build(config: dict[str, Any]) -> nn.Module:
    """A model of that shape with random weights."""
    from open_clip.model import CLIP

    model: nn.Module = CLIP(**config)
    return model


def fit_tokenizer(sentences: Iterable[str], vocabulary: int) -> Any:
    """A byte-level BPE tokenizer of at most `vocabulary` entries, lower-case, as transformers knows it."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        sentences,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=list(SPECIAL),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            max_token_length=16,
            show_progress=False,
        ),
    )
    pad, start, end = SPECIAL
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(t, tokenizer.token_to_id(t)) for t in (start, end)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, bos_token=start, eos_token=end, model_max_length=CONTEXT
    )


def to_batch(pictures: Iterable[np.ndarray]) -> Tensor:
    """float32 [N, 3, H, W], standardised, of uint8 pictures [H, W, 3]."""
    batch = torch.from_numpy(np.stack(list(pictures))).permute(0, 3, 1, 2).float() / 255
    return (batch - MEAN[0]) / STD[0]


def write_encoder(folder: Path, model: nn.Module, config: dict[str, Any], tokenizer: Any, card: str) -> None:
    """Writes what `OpenClipEncoder("local-dir:FOLDER")` loads: config, float16 weights, tokenizer, card."""
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    with atomic_path(folder / "open_clip_model.safetensors") as temporary:
        temporary.write_bytes(save(dict(_halved(model.state_dict()))))
    preprocess = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    text = json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}, indent=1)
    for name, content in (("MODEL_CARD.md", card), ("open_clip_config.json", text + "\n")):
        with atomic_path(folder / name) as temporary:
            temporary.write_text(content, encoding="utf-8")


def _halved(state: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in state.items():
        # Running variances span more than float16 does.
        keep = "running" in name or not tensor.is_floating_point()
        yield name, (tensor if keep else tensor.half()).contiguous()
