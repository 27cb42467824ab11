"""Which model: the embedded one, a local folder, or a hub id; found, checked, digested and loaded."""

import hashlib
import inspect
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from .errors import ModelNotFoundError, UnsupportedModelError, WeightsError

EMBEDDED = "embedded"
EMBEDDED_FOLDER = Path(__file__).parent / "spacetime" / "weights"
DIGESTS = "SHA256SUMS"
_OWN_CLASS = "SpacetimePipeline"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


_MAX_CARD_BYTES = 1 << 20


@dataclass(frozen=True)
class FoundModel:
    """A model on disk. ``weights_digest``: SHA-256 over names and digests of all its safetensors files."""

    model_id: str
    folder: Path
    pipeline_class: str
    weights_digest: str
    weights_licence: str
    embedded: bool


def find_model(model: str | None) -> FoundModel:
    """Resolve ``None``/``"embedded"``, a folder, or a hub id (downloaded to the hub's cache).

    Raises :class:`ModelNotFoundError`, :class:`UnsupportedModelError` or :class:`WeightsError`; loads no
    weights.
    """
    embedded = model is None or model == EMBEDDED
    if model is None or embedded:
        folder = EMBEDDED_FOLDER
    elif Path(model).expanduser().is_dir():
        folder = Path(model).expanduser()
    elif _HUB_ID.fullmatch(model):
        folder = _download(model)
    else:
        raise ModelNotFoundError(
            f"no model at {model!r}: not a folder, and not a hub id of the form owner/name",
            hint="Leave the model out to use the embedded one.",
        )
    index = folder / "model_index.json"
    if not index.is_file():
        raise ModelNotFoundError(
            f"{folder} has no model_index.json, so it is not a diffusers pipeline",
            hint="Save one there with pipeline.save_pretrained(folder).",
        )
    try:
        pipeline_class = str(json.loads(index.read_text(encoding="utf-8"))["_class_name"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelNotFoundError(f"{index} does not name a pipeline class: {error}") from error
    _check_text_to_video(pipeline_class, folder)
    return FoundModel(
        model_id=EMBEDDED if embedded else str(model),
        folder=folder,
        pipeline_class=pipeline_class,
        weights_digest=weights_digest(folder),
        weights_licence=_licence(folder),
        embedded=pipeline_class == _OWN_CLASS,
    )


def load_pipeline(found: FoundModel, device: str, dtype: str) -> Any:
    """The pipeline, ready to run on ``device`` ("cpu", "cuda", "cuda:1", "mps") in ``dtype`` (a torch
    dtype's name).

    Only safetensors are read (pickles can run code). On CUDA a plug-in model is offloaded to the CPU part
    by part and its VAE decodes in tiles, so that large models fit. The last pipeline is kept for the next
    call.
    """
    return _load(found.folder, found.pipeline_class, found.weights_digest, device, dtype)


@lru_cache(maxsize=1)
def _load(folder: Path, pipeline_class: str, digest: str, device: str, dtype: str) -> Any:
    import torch
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging as diffusers_logging

    loader: Any = DiffusionPipeline
    if pipeline_class == _OWN_CLASS:
        from .spacetime.pipeline import SpacetimePipeline

        loader = SpacetimePipeline
    # Its bars know nothing of the caller's terminal; `progress` is how generation is followed.
    diffusers_logging.disable_progress_bar()
    try:
        pipeline = loader.from_pretrained(
            folder, dtype=getattr(torch, dtype), use_safetensors=True, local_files_only=True
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise WeightsError(
            f"{folder} cannot be loaded as {pipeline_class}: {error}",
            hint="The model must hold safetensors weights for every component.",
        ) from error
    for component in pipeline.components.values():
        if isinstance(component, torch.nn.Module):
            component.eval()  # a pipeline built from modules is in train mode, dropout included
    pipeline.set_progress_bar_config(disable=True)
    if device.startswith("cuda") and pipeline_class != _OWN_CLASS:
        pipeline.enable_model_cpu_offload(device=device)
        if hasattr(getattr(pipeline, "vae", None), "enable_tiling"):
            pipeline.vae.enable_tiling()
        return pipeline
    return pipeline.to(device)


def choose_device(asked: str | None) -> str:
    """``asked``, else CUDA, else Apple's MPS, else the CPU."""
    if asked is not None:
        return asked
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def choose_dtype(found: FoundModel, device: str) -> str:
    """bfloat16 for plug-in models on CUDA; float32 for the embedded one (it is small) and wherever else."""
    return "bfloat16" if device.startswith("cuda") and not found.embedded else "float32"


def weights_digest(folder: Path) -> str:
    """SHA-256 (hex) over the sorted ``sha256sum`` lines of all safetensors files below ``folder``.

    A folder with ``SHA256SUMS`` is held to it. Raises :class:`WeightsError` for missing or changed weights.
    """
    sums = {
        path.relative_to(folder).as_posix(): _file_digest(path.resolve())
        for path in folder.rglob("*.safetensors")
    }
    if not sums:
        raise WeightsError(f"{folder} holds no safetensors weights", hint="Pickled weights are not loaded.")
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
    stated = folder / DIGESTS
    if stated.is_file() and stated.read_text(encoding="ascii") != lines:
        raise WeightsError(
            f"the weights in {folder} are not those that its {DIGESTS} lists",
            hint="Restore the folder, or remove the list if the change is yours.",
        )
    return hashlib.sha256(lines.encode()).hexdigest()


def write_digests(folder: Path) -> None:
    """Write ``SHA256SUMS`` (the format of ``sha256sum``) for the weights below ``folder``."""
    paths = sorted(folder.rglob("*.safetensors"), key=lambda path: path.relative_to(folder).as_posix())
    lines = [f"{_file_digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in paths]
    (folder / DIGESTS).write_text("".join(lines), encoding="ascii")


def _file_digest(path: Path) -> str:
    return _file_digest_at(path, path.stat().st_size, path.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _file_digest_at(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_text_to_video(pipeline_class: str, folder: Path) -> None:
    if pipeline_class == _OWN_CLASS:
        return
    import diffusers

    pipeline = getattr(diffusers, pipeline_class, None)
    if pipeline is None:
        raise UnsupportedModelError(
            f"{folder} is a {pipeline_class}, which diffusers {diffusers.__version__} does not have",
            hint="Update diffusers, or choose a model with a pipeline that it knows.",
        )
    arguments = inspect.signature(pipeline.__call__).parameters
    required = [
        name
        for name, parameter in arguments.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        and name not in ("self", "prompt")
    ]
    if required or "prompt" not in arguments or "num_frames" not in arguments:
        missing = f"needs {', '.join(required)}" if required else "does not make video from text"
        raise UnsupportedModelError(
            f"{folder} is a {pipeline_class}, which {missing}", hint="Choose a text-to-video model."
        )


def _download(model: str) -> Path:
    from diffusers import DiffusionPipeline
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        return Path(DiffusionPipeline.download(model, use_safetensors=True))
    except GatedRepoError as error:
        raise ModelNotFoundError(
            f"the hub gives {model} only to those who accepted its terms",
            hint="Accept them on the model's page and log in with `hf auth login`.",
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelNotFoundError(f"the hub has no model {model}", hint="Check the spelling.") from error
    except (OfflineModeIsEnabled, HfHubHTTPError, OSError, ValueError) as error:
        raise ModelNotFoundError(
            f"{model} is neither on this machine nor to be had from the hub ({type(error).__name__})",
            hint="Go online, give a local folder, or leave the model out to use the embedded one.",
        ) from error


def model_card(folder: Path) -> dict[str, str] | None:
    """The model's card: SHA-256 of the whole, and its first sentences on training data; None where there is none."""
    path = _card_path(folder)
    if path is None:
        return None
    with path.open("rb") as file:
        card = file.read(_MAX_CARD_BYTES + 1)
    if len(card) > _MAX_CARD_BYTES:
        return None
    text = card.decode(errors="replace")
    section = re.search(
        r"^#+[^\n]*\btrain[^\n]*\n+(.+?)(?=\n\s*\n|\n#|\Z)", text, re.MULTILINE | re.IGNORECASE | re.S
    )
    summary = " ".join(section[1].split()) if section else ""
    return {"sha256": hashlib.sha256(card).hexdigest(), "summary": summary[:280]}


def _card_path(folder: Path) -> Path | None:
    paths = (folder / name for name in ("MODEL_CARD.md", "README.md"))
    return next((path for path in paths if path.is_file()), None)


def _licence(folder: Path) -> str:
    """``license:`` from the front matter of the model's card, else ``"unknown"``."""
    path = _card_path(folder)
    if path is not None:
        text = path.read_text(encoding="utf-8", errors="replace")[:4_000]
        match = re.search(r"^license:[ \t]*[\"']?([\w.+-]+)", text, re.MULTILINE | re.IGNORECASE)
        if match:
            return match[1]
    return "unknown"
