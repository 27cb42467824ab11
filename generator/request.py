"""What is asked of a generator, and what comes back. Importable without torch."""

import hashlib
import json
import math
import os
import unicodedata
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from .errors import RequestError
from .pictures import check_picture, file_sha256

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_PROMPT_CHARS = 4_000
MAX_SECONDS = 60.0
MAX_SIDE = 4_096
MAX_FPS = 120.0
MAX_STEPS = 1_000
MAX_GUIDANCE = 50.0
MAX_SEED = 2**63 - 1
MAX_LORAS = 8

Quantize = Literal["8bit", "4bit"]


@dataclass(frozen=True)
class GenerationRequest:
    """One clip to be made. ``None`` means: as the model recommends.

    ``prompt``: 1 to 4,000 characters. ``seed``: 0 to 2**63 - 1. ``model``: ``None`` or ``"embedded"``, a
    local folder, or a hub id. ``seconds`` up to 60, ``width`` and ``height`` in pixels, ``fps`` in Hz.
    ``image`` and ``last_image``: paths of the pictures that the clip starts from and ends with. ``lora``:
    paths of safetensors files that are folded into the weights, at most 8. ``quantize``: the weights of the
    large parts in 8 or 4 bits; it changes the frames, and so it is part of what is asked. ``loop``: the end
    leads back to the beginning, where the model can. ``enhance``: words are added for what the prompt leaves
    open, and recorded. Raises
    :class:`RequestError` for anything else and for files that cannot be used, so that a request that exists
    is a request that makes sense.
    """

    prompt: str
    seed: int = 0
    model: str | None = None
    negative_prompt: str | None = None
    seconds: float | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    image: str | None = None
    last_image: str | None = None
    lora: tuple[str, ...] = ()
    quantize: Quantize | None = None
    loop: bool = False
    enhance: bool = False

    def __post_init__(self) -> None:
        for name in ("prompt", "negative_prompt"):
            text = getattr(self, name)
            if text is None and name == "negative_prompt":
                continue
            if not isinstance(text, str) or len(text) > MAX_PROMPT_CHARS:
                raise RequestError(f"{name} must be a text of at most {MAX_PROMPT_CHARS:,} characters")
        if not self.prompt.strip():
            raise RequestError("the prompt is empty", hint="Say what the clip should show.")
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or not 0 <= self.seed <= MAX_SEED:
            raise RequestError(f"seed must be a whole number from 0 to 2**63 - 1, not {self.seed!r}")
        if self.model is not None and (not isinstance(self.model, str) or not self.model.strip()):
            raise RequestError(f"model must be a name, a folder or a hub id, not {self.model!r}")
        self._check_number("seconds", 0.0, MAX_SECONDS, whole=False)
        self._check_number("fps", 0.0, MAX_FPS, whole=False)
        self._check_number("width", 15, MAX_SIDE, whole=True)
        self._check_number("height", 15, MAX_SIDE, whole=True)
        self._check_number("steps", 0, MAX_STEPS, whole=True)
        self._check_number("guidance_scale", -1e-9, MAX_GUIDANCE, whole=False)
        self._check_files()
        for name in ("loop", "enhance"):
            if not isinstance(getattr(self, name), bool):
                raise RequestError(f"{name} must be true or false, not {getattr(self, name)!r}")
        if self.quantize not in (None, *get_args(Quantize)):
            raise RequestError(
                f"quantize must be one of {', '.join(get_args(Quantize))}, not {self.quantize!r}"
            )

    def _check_files(self) -> None:
        for name in ("image", "last_image"):
            path = getattr(self, name)
            if path is None:
                continue
            if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
                raise RequestError(f"{name} must be the path of a picture, not {path!r}")
            object.__setattr__(self, name, os.fspath(path))
            check_picture(path, name)
        if not isinstance(self.lora, (list, tuple)) or len(self.lora) > MAX_LORAS:
            raise RequestError(f"lora must be a list of at most {MAX_LORAS} paths, not {self.lora!r}")
        for path in self.lora:
            if not isinstance(path, (str, os.PathLike)) or not os.fspath(path).endswith(".safetensors"):
                raise RequestError(
                    f"lora: {path!r} is not the path of a .safetensors file",
                    hint="Pickled LoRAs can run code when they are opened; convert them first.",
                )
            if not Path(path).expanduser().is_file():
                raise RequestError(f"lora: there is no file {path}", hint="Check the path.")
        object.__setattr__(self, "lora", tuple(os.fspath(path) for path in self.lora))

    def _check_number(self, name: str, above: float, most: float, *, whole: bool) -> None:
        value = getattr(self, name)
        if value is None:
            return
        kind = int if whole else (int, float)
        number = isinstance(value, kind) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or not above < value <= most:
            least = "0" if above < 0 else f"more than {above:g}"
            raise RequestError(
                f"{name} must be a {'whole ' if whole else ''}number, {least} to {most:g}, not {value!r}"
            )

    def canonical(self) -> dict[str, Any]:
        """The request as JSON-able values with one spelling: NFC text, floats for real numbers, no alias.

        A file is the SHA-256 of its bytes, wherever it lies. What came after the first edition (pictures, LoRAs,
        quantised weights, loops, enhancing) is left out where it is not asked for, so that older requests keep
        their digests.
        """
        fields = asdict(self)
        for name in ("image", "last_image"):
            path = fields.pop(name)
            if path is not None:
                fields[name] = {"sha256": file_sha256(path, name)}
        fields["lora"] = [{"sha256": file_sha256(path, "lora")} for path in self.lora]
        for name in ("lora", "quantize", "loop", "enhance"):
            if not fields[name]:
                del fields[name]
        for name in ("prompt", "negative_prompt"):
            if fields[name] is not None:
                fields[name] = unicodedata.normalize("NFC", fields[name])
        for name in ("seconds", "fps", "guidance_scale"):
            if fields[name] is not None:
                fields[name] = float(fields[name])
        fields["model"] = None if self.model == "embedded" else self.model
        return fields

    def digest(self) -> str:
        """SHA-256 (hex) of the canonical request as sorted compact JSON: equal requests, equal digests."""
        text = json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


@dataclass(frozen=True, eq=False)
class Generated:
    """A clip in memory. ``frames``: uint8 [T, H, W, 3], RGB, at the model's own size. ``params``:
    JSON-able, all that decided the frames (model, weights digest, seed, steps, versions, device), what was
    adjusted, and which words of the prompt the model understood."""

    frames: "NDArray[np.uint8]"
    fps: Fraction
    params: dict[str, Any]
