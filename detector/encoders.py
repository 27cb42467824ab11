"""Image encoders whose frame embeddings a head may use, through open_clip.

Nothing is downloaded unless a pretrained tag is asked for by name; an encoder is never used with random
weights unless they come from a checkpoint file that the caller names.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from detector.errors import EncoderUnavailable
from detector.features.embedding import Layout

FRAMES = 8
"""Frames of a window that an open_clip encoder sees."""

MIDDLE = 0.75
"""How deep the middle block lies, as a share of all blocks: deeper ones see meaning, shallower ones texture."""

PROBES = (
    "a video frame made by an AI generator",
    "a computer-generated image",
    "a cartoon or a drawing",
    "a frame of footage filmed with a camera",
    "a photograph",
    "人工智能生成的画面",
    "电脑合成的图像",
    "摄像机实拍的画面",
)
"""Texts that every frame is compared with; the head learns what their cosines are worth."""


class Encoder(Protocol):
    """Turns pictures into vectors; `id` and `digest` key the heads fitted on them.

    `layout` names the parts of a vector, in order, and says how many frames of a window it should see.
    """

    @property
    def id(self) -> str: ...

    @property
    def digest(self) -> str: ...

    @property
    def layout(self) -> Layout: ...

    def embed(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """float32 [N, sum of the parts' widths] of uint8 pictures [N, H, W, 3]."""
        ...


class OpenClipEncoder:
    """The image tower of an open_clip model, and its cosines with `PROBES`.

    `model_name` is an architecture that open_clip knows ("ViT-B-32") or "local-dir:FOLDER" with a config
    and weights. `pretrained` is a checkpoint file or a tag ("laion2b_s34b_b79k"; needs the hub or its
    cache); not needed for "local-dir:". `digest` is a SHA-256 over the image tower's weights, its
    preprocessing and the probes' embeddings, so the same weights give the same digest wherever they come
    from. An embedding is (mean of the middle block's map, the model's own image embedding of length 1,
    cosines with the probes).
    """

    def __init__(
        self,
        model_name: str,
        pretrained: str | Path | None = None,
        device: str = "cpu",
        *,
        batch_size: int = 32,
    ) -> None:
        """Loads the weights; raises `EncoderUnavailable` where name, file or download fails."""
        if pretrained is None and not model_name.startswith("local-dir:"):
            raise EncoderUnavailable(
                f"no weights were named for encoder {model_name}",
                hint="Name a checkpoint file, or a pretrained tag that is cached or can be downloaded.",
            )
        model = _load(model_name, pretrained)
        self.id = f"open_clip:{model_name.removeprefix('local-dir:').rstrip('/').split('/')[-1]}"
        self.device, self.batch_size = device, batch_size
        self._probes = _embed_texts(model, model_name).to(device)
        self._visual = model.visual.to(device).eval().requires_grad_(False)
        config = model.visual.preprocess_cfg
        size = config["size"]
        self._size = (size, size) if isinstance(size, int) else tuple(size)
        self._mean, self._std = config["mean"], config["std"]
        self.digest = self._weights_digest()
        blocks = self._forward(np.zeros((1, 8, 8, 3), np.uint8), None)["image_intermediates"]
        self._middle = max(0, round(MIDDLE * len(blocks)) - 1)
        pooled = int(self._probes.shape[1])
        parts = (("middle", blocks[self._middle].shape[1]), ("pooled", pooled), ("probes", len(PROBES)))
        self.layout = Layout(parts, FRAMES)

    def _weights_digest(self) -> str:
        digest = hashlib.sha256(json.dumps([self._size, list(self._mean), list(self._std)]).encode())
        for name, tensor in [*sorted(self._visual.state_dict().items()), ("probes", self._probes)]:
            digest.update(f"{name}{tuple(tensor.shape)}".encode())
            digest.update(tensor.float().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def _forward(self, rgb: npt.NDArray[np.uint8], block: int | None) -> Any:
        """open_clip's own dictionary: maps of one block (or of all), and the image features."""
        import torch

        mean = torch.tensor(self._mean, device=self.device).view(1, 3, 1, 1)
        std = torch.tensor(self._std, device=self.device).view(1, 3, 1, 1)
        pictures = (
            torch.from_numpy(np.ascontiguousarray(rgb)).to(self.device).permute(0, 3, 1, 2).float() / 255
        )
        # The whole square is scaled to the encoder's size: the normal form has cropped it already.
        scaled = torch.nn.functional.interpolate(
            pictures, self._size, mode="bicubic", align_corners=False, antialias=True
        )
        with torch.inference_mode():
            return self._visual.forward_intermediates(
                (scaled.clamp(0, 1) - mean) / std,
                indices=None if block is None else [block],
                output_fmt="NCHW",
            )

    def embed(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """float32 [N, sum of the parts' widths] of uint8 pictures [N, H, W, 3]."""
        import torch

        rows = []
        for start in range(0, len(rgb), self.batch_size):
            out = self._forward(rgb[start : start + self.batch_size], self._middle)
            middle = out["image_intermediates"][0].float().mean((2, 3))
            pooled = torch.nn.functional.normalize(out["image_features"].float(), dim=-1)
            rows.append(torch.cat([middle, pooled, pooled @ self._probes.mT], dim=1).cpu().numpy())
        return np.concatenate(rows)


def _embed_texts(model: Any, model_name: str) -> Any:
    """The probes' embeddings [K, D], each of length 1; raises `EncoderUnavailable` without the tokenizer."""
    import open_clip
    import torch

    try:
        tokens = open_clip.get_tokenizer(model_name)(list(PROBES))
        with torch.inference_mode():
            return model.encode_text(tokens, normalize=True).float()
    except Exception as error:  # the hub client, transformers and torch raise a dozen unrelated types here
        raise EncoderUnavailable(
            f"the tokenizer of encoder {model_name} cannot be loaded: {error}",
            hint="Some models take their tokenizer from the hub: fetch it once into its cache, or use local-dir:.",
        ) from error


def _load(model_name: str, pretrained: str | Path | None) -> Any:
    try:
        import open_clip
    except ImportError as error:
        raise EncoderUnavailable(
            f"open_clip cannot be imported: {error}", hint="Install open_clip_torch."
        ) from error
    if isinstance(pretrained, Path) and not pretrained.is_file():
        raise EncoderUnavailable(
            f"{pretrained}: no such checkpoint", hint="Give the path of the weights file."
        )
    try:
        # require_pretrained: otherwise a download that fails leaves random weights behind a log line.
        return open_clip.create_model(
            model_name, pretrained=str(pretrained) if pretrained else None, require_pretrained=True
        )
    except Exception as error:  # open_clip, torch and the hub client raise a dozen unrelated types here
        raise EncoderUnavailable(
            f"encoder {model_name} with weights {pretrained} cannot be loaded: {error}",
            hint="Check the model name (open_clip.list_models()) and that the checkpoint is of that model; "
            "where the hub cannot be reached, fetch the checkpoint elsewhere and give its path.",
        ) from error
