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


class Encoder(Protocol):
    """Turns pictures into vectors; `id` and `digest` key the heads fitted on them."""

    @property
    def id(self) -> str: ...

    @property
    def digest(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def embed(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """float32 [T, dim] of uint8 pictures [T, H, W, 3]."""
        ...


class OpenClipEncoder:
    """The image tower of an open_clip model.

    `model_name` is an architecture that open_clip knows ("ViT-B-32") or "local-dir:FOLDER" with a config
    and weights. `pretrained` is a checkpoint file or a tag ("laion2b_s34b_b79k"; needs the hub or its
    cache); not needed for "local-dir:". `digest` is a SHA-256 over the image tower's weights and its
    preprocessing, so the same weights give the same digest wherever they come from.
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
        self._visual = model.visual.to(device).eval().requires_grad_(False)
        config = model.visual.preprocess_cfg
        size = config["size"]
        self._size = (size, size) if isinstance(size, int) else tuple(size)
        self._mean, self._std = config["mean"], config["std"]
        self.digest = self._weights_digest()
        self.dim = int(self.embed(np.zeros((1, 8, 8, 3), np.uint8)).shape[1])

    def _weights_digest(self) -> str:
        digest = hashlib.sha256(json.dumps([self._size, list(self._mean), list(self._std)]).encode())
        for name, tensor in sorted(self._visual.state_dict().items()):
            digest.update(f"{name}{tuple(tensor.shape)}".encode())
            digest.update(tensor.float().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def embed(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """float32 [T, dim] of uint8 pictures [T, H, W, 3], each of length 1.

        The whole square is scaled to the encoder's size; the normal form has cropped it already.
        """
        import torch

        mean = torch.tensor(self._mean, device=self.device).view(1, 3, 1, 1)
        std = torch.tensor(self._std, device=self.device).view(1, 3, 1, 1)
        parts = []
        with torch.inference_mode():
            for start in range(0, len(rgb), self.batch_size):
                pictures = torch.from_numpy(np.ascontiguousarray(rgb[start : start + self.batch_size]))
                pictures = pictures.to(self.device).permute(0, 3, 1, 2).float() / 255
                scaled = torch.nn.functional.interpolate(
                    pictures, self._size, mode="bicubic", align_corners=False, antialias=True
                )
                tokens: Any = self._visual((scaled.clamp(0, 1) - mean) / std)
                pooled = tokens[0] if isinstance(tokens, tuple) else tokens
                parts.append(torch.nn.functional.normalize(pooled.float(), dim=-1).cpu().numpy())
        return np.concatenate(parts)


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
