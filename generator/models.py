"""Which model: the embedded one, a local folder, or a hub id; found, checked, digested and loaded."""

import hashlib
import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from .errors import ModelError, ModelNotFoundError, UnsupportedModelError, WeightsError

EMBEDDED = "embedded"
EMBEDDED_FOLDER = Path(__file__).parent / "spacetime" / "weights"
DIGESTS = "SHA256SUMS"
OWN_CLASS = "SpacetimePipeline"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


_MAX_CARD_BYTES = 1 << 20
_MAX_CONFIG_BYTES = 1 << 20


@dataclass(frozen=True)
class FoundModel:
    """A model on disk. ``index``: its model_index.json."""

    model_id: str
    folder: Path
    pipeline_class: str
    index: Mapping[str, Any] = field(hash=False)
    weights_licence: str
    embedded: bool

    @cached_property
    def weights_digest(self) -> str:
        """SHA-256 (hex) over names and digests of all safetensors files: reads every byte when first asked.

        Raises :class:`WeightsError` where they are not those that the folder's own list names.
        """
        return weights_digest(self.folder)

    def config(self, component: str) -> Mapping[str, Any]:
        """The config.json of a component; empty where there is none. Raises :class:`WeightsError` for junk."""
        return self._configs.get(component, {})

    @cached_property
    def _configs(self) -> Mapping[str, Mapping[str, Any]]:
        paths = sorted(self.folder.glob("*/config.json"))
        return {path.parent.name: _read_json(path, WeightsError) for path in paths}


def find_model(model: str | None, *, download: bool = True) -> FoundModel:
    """Resolve ``None``/``"embedded"``, a folder, or a hub id (downloaded to the hub's cache).

    Loads no weights and, without ``download``, fetches nothing. Raises :class:`ModelNotFoundError`,
    :class:`UnsupportedModelError` or :class:`WeightsError`.
    """
    embedded = model is None or model == EMBEDDED
    if model is None or embedded:
        folder = EMBEDDED_FOLDER
    elif Path(model).expanduser().is_dir():
        folder = Path(model).expanduser()
    elif _HUB_ID.fullmatch(model):
        folder = _download(model) if download else _downloaded(model)
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
    said = _read_json(index, ModelNotFoundError)
    pipeline_class = said.get("_class_name")
    if not isinstance(pipeline_class, str):
        raise ModelNotFoundError(
            f"{index} does not name a pipeline class", hint="Save the pipeline anew with save_pretrained."
        )
    _check_makes_video(pipeline_class, folder)
    if not any(folder.rglob("*.safetensors")):
        raise WeightsError(f"{folder} holds no safetensors weights", hint="Pickled weights are not loaded.")
    return FoundModel(
        model_id=EMBEDDED if embedded else str(model),
        folder=folder,
        pipeline_class=pipeline_class,
        index=said,
        weights_licence=_licence(folder),
        embedded=pipeline_class == OWN_CLASS,
    )


def _read_json(path: Path, error_type: type[ModelError]) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(_MAX_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise error_type(f"{path} cannot be read: {error}", hint="Fetch or save the model anew.") from None
    if not isinstance(said, dict):
        raise error_type(f"{path} is no JSON object", hint="Fetch or save the model anew.")
    return said


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


def pipeline_type(name: str) -> Any:
    """The pipeline class of that name: the embedded model's, or one of diffusers; None where there is none."""
    if name == OWN_CLASS:
        from .spacetime.pipeline import SpacetimePipeline

        return SpacetimePipeline
    import diffusers

    found = getattr(diffusers, name, None) if name.endswith("Pipeline") else None
    return found if hasattr(found, "__call__") and hasattr(found, "from_pretrained") else None  # noqa: B004


def _check_makes_video(pipeline_class: str, folder: Path) -> None:
    """A class that turns a prompt, or a prompt and a first picture, into a number of frames."""
    pipeline = pipeline_type(pipeline_class)
    if pipeline is None:
        import diffusers

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
        and name not in ("self", "prompt", "image")
    ]
    if required or "prompt" not in arguments or "num_frames" not in arguments:
        missing = f"needs {', '.join(required)}" if required else "does not make video from text"
        raise UnsupportedModelError(
            f"{folder} is a {pipeline_class}, which {missing}",
            hint="Choose a text-to-video or image-to-video model.",
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


def _downloaded(model: str) -> Path:
    """The folder of a hub id that was downloaded before."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except (LocalEntryNotFoundError, OSError, ValueError):
        raise ModelNotFoundError(
            f"{model} is not on this machine yet, so nothing can be said of it",
            hint=f"It is fetched when a clip is made, or now with `hf download {model}`.",
        ) from None


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
