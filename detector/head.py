"""The head: a linear score over window features, its calibration, and the clips that it must not judge."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detector.calibration import Conformal, Platt, Verdict
from detector.errors import HeadMismatch, HeadNotFound
from detector.features import Schema, schema
from detector.features.embedding import Layout

Floats = npt.NDArray[np.float64]

HEADS_DIR = Path(__file__).parent / "heads"
PLAIN_HEAD = "temporal-v2"
"""Needs nothing but what is always installed."""
ENCODER_HEAD = "vit-v2"
"""Needs the extra `vit`."""
FORMAT = "detector-head/2"
CLIP_DEVIATIONS = 6.0


@dataclass(frozen=True)
class Contract:
    """What a head's input must be made with; every field must match, or the head is refused."""

    preprocess: str
    families: tuple[str, ...]
    schema_digest: str
    encoder: str | None = None
    encoder_digest: str | None = None
    encoder_layout: Layout | None = None

    @property
    def schema(self) -> Schema:
        return schema(self.families, self.encoder_layout)


@dataclass(frozen=True)
class LinearModel:
    """A ridge classifier: score = standardise(x) @ weight + bias, above 0 leans to AI.

    Standardised features are divided by the square root of their block's size, so that every family has
    the same say before fitting, whether it has five features or a thousand.
    """

    mean: Floats
    spread: Floats
    block_size: Floats
    weight: Floats
    bias: float

    def standardise(self, x: npt.NDArray[np.floating]) -> Floats:
        """float64 [..., d]; each feature clipped at six standard deviations."""
        z = np.clip((np.asarray(x, np.float64) - self.mean) / self.spread, -CLIP_DEVIATIONS, CLIP_DEVIATIONS)
        return np.asarray(z / np.sqrt(self.block_size))

    def score(self, x: npt.NDArray[np.floating]) -> Floats:
        """float64 [...] of features [..., d]."""
        return np.asarray(self.standardise(x) @ self.weight + self.bias)


@dataclass(frozen=True)
class Familiarity:
    """Mahalanobis distance to the training windows under a probabilistic PCA (Tipping & Bishop 1999).

    `axes` [d, k] with variances [k]; what lies outside them is measured against `rest_variance` per
    dimension. `threshold` is the distance that 99 % of training windows stay under when their group is
    left out.
    """

    centre: Floats
    axes: Floats
    variances: Floats
    rest_variance: float
    threshold: float

    def distance(self, z: Floats) -> Floats:
        """float64 [...] for standardised features [..., d]; above 1 is unlike anything trained on."""
        offset = z - self.centre
        along = offset @ self.axes
        rest = np.maximum((offset**2).sum(-1) - (along**2).sum(-1), 0)
        squared = (along**2 / self.variances).sum(-1) + rest / self.rest_variance
        return np.asarray(np.sqrt(squared) / self.threshold)


def clip_score(window_scores: npt.NDArray[np.floating]) -> float:
    """The mean of window scores [n], n >= 1, without the lowest and highest fifth."""
    ordered = np.sort(np.asarray(window_scores, np.float64))
    cut = len(ordered) // 5
    return float(ordered[cut : len(ordered) - cut].mean())


@dataclass(frozen=True)
class Head:
    """A fitted detector: scores windows, decides on clips, and tells what it was fitted on.

    `card` is the published record (data, protocol, error rates, uses); `digest` is the SHA-256 of its
    files, in hex.
    """

    head_id: str
    contract: Contract
    linear: LinearModel
    familiarity: Familiarity
    platt: Platt
    conformal: Conformal
    alpha: float
    card: Mapping[str, Any]
    digest: str = ""

    def probability(self, score: float) -> float:
        """Calibrated probability of AI for a clip score, given as many AI clips as camera clips."""
        return float(self.platt.probability(score))

    def verdict(self, score: float) -> Verdict:
        """The conformal verdict at the head's own `alpha`."""
        return self.conformal.verdict(score, self.alpha)

    def check(self, made: Contract) -> None:
        """Raises `HeadMismatch` naming every field in which features made here differ from those fitted on."""
        wanted, given = asdict(self.contract), asdict(made)
        differing = [f"{k}: head {wanted[k]!r}, here {given[k]!r}" for k in wanted if wanted[k] != given[k]]
        if differing:
            raise HeadMismatch(
                f"head {self.head_id} does not fit the features made here ({'; '.join(differing)})",
                hint="Use the encoder that the head was fitted with, or fit a head with detector.train.",
            )


def _tensors(head: Head) -> dict[str, Floats]:
    linear, familiar, conformal = head.linear, head.familiarity, head.conformal
    return {
        "linear.mean": linear.mean,
        "linear.spread": linear.spread,
        "linear.block_size": linear.block_size,
        "linear.weight": linear.weight,
        "linear.bias": np.array([linear.bias]),
        "familiarity.centre": familiar.centre,
        "familiarity.axes": familiar.axes,
        "familiarity.variances": familiar.variances,
        "familiarity.rest_variance": np.array([familiar.rest_variance]),
        "familiarity.threshold": np.array([familiar.threshold]),
        "platt": np.array([head.platt.slope, head.platt.offset]),
        "conformal.ai_scores": conformal.ai_scores,
        "conformal.ai_weights": conformal.ai_weights,
        "conformal.camera_scores": conformal.camera_scores,
        "conformal.camera_weights": conformal.camera_weights,
        "conformal.own_weights": np.array([conformal.ai_own, conformal.camera_own]),
    }


def save_head(head: Head, folder: Path) -> str:
    """Writes head.safetensors and head.json into `folder`; returns the head's digest."""
    from safetensors.numpy import save

    from media import atomic_path

    folder.mkdir(parents=True, exist_ok=True)
    tensors = save({k: np.ascontiguousarray(v, np.float64) for k, v in _tensors(head).items()})
    record = {
        "format": FORMAT,
        "head_id": head.head_id,
        "contract": asdict(head.contract),
        "alpha": head.alpha,
        "tensors_sha256": hashlib.sha256(tensors).hexdigest(),
        "card": head.card,
    }
    text = json.dumps(record, indent=1, sort_keys=True).encode() + b"\n"
    for name, content in (("head.safetensors", tensors), ("head.json", text)):
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(content)
    return hashlib.sha256(text).hexdigest()


def load_head(name: str | Path = PLAIN_HEAD) -> Head:
    """The shipped head of that name, or the head in that folder.

    Raises `HeadNotFound`, or `HeadMismatch` where its files do not belong together or to this version.
    """
    folder = Path(name) if isinstance(name, Path) or "/" in name or "\\" in name else HEADS_DIR / name
    try:
        text = (folder / "head.json").read_bytes()
        packed = (folder / "head.safetensors").read_bytes()
    except OSError as error:
        raise HeadNotFound(
            f"no head at {folder}: {error.strerror}",
            hint="Name a shipped head or the folder that detector.train wrote.",
        ) from error
    damaged = "Fetch the head again, or fit it anew with detector.train."
    try:
        record = json.loads(text)
        if record["format"] != FORMAT:
            raise HeadMismatch(
                f"{folder}: format {record['format']!r}, this version reads {FORMAT!r}", hint=damaged
            )
        if hashlib.sha256(packed).hexdigest() != record["tensors_sha256"]:
            raise HeadMismatch(
                f"{folder}: head.safetensors is not the file that head.json names", hint=damaged
            )
        head = _assemble(record, packed, hashlib.sha256(text).hexdigest())
    except (KeyError, TypeError, ValueError) as error:
        raise HeadMismatch(f"{folder}: head.json is damaged ({error!r})", hint=damaged) from error
    if head.contract.schema.digest != head.contract.schema_digest:
        raise HeadMismatch(
            f"head {head.head_id} was fitted on feature schema {head.contract.schema_digest[:12]}, "
            f"this version makes {head.contract.schema.digest[:12]}",
            hint="Fit the head anew with detector.train, or use the version of the features that it names.",
        )
    return head


def _assemble(record: Mapping[str, Any], packed: bytes, digest: str) -> Head:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        t = load(packed)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    contract = dict(record["contract"])
    contract["families"] = tuple(contract["families"])
    if layout := contract["encoder_layout"]:
        parts = tuple((str(name), int(width)) for name, width in layout["parts"])
        contract["encoder_layout"] = Layout(parts, int(layout["frames"]))
    return Head(
        head_id=record["head_id"],
        contract=Contract(**contract),
        linear=LinearModel(
            t["linear.mean"],
            t["linear.spread"],
            t["linear.block_size"],
            t["linear.weight"],
            float(t["linear.bias"][0]),
        ),
        familiarity=Familiarity(
            t["familiarity.centre"],
            t["familiarity.axes"],
            t["familiarity.variances"],
            float(t["familiarity.rest_variance"][0]),
            float(t["familiarity.threshold"][0]),
        ),
        platt=Platt(*t["platt"].tolist()),
        conformal=Conformal(
            t["conformal.ai_scores"],
            t["conformal.ai_weights"],
            t["conformal.camera_scores"],
            t["conformal.camera_weights"],
            *t["conformal.own_weights"].tolist(),
        ),
        alpha=float(record["alpha"]),
        card=record["card"],
        digest=digest,
    )
