"""Audit a clip: how likely its pictures are generated, where, on what evidence, and how often that is
wrong.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from detector.calibration import Verdict
from detector.encoders import Encoder
from detector.errors import HeadMismatch, HeadNotFound
from detector.examine import Examination, examine_clip, kept_examination, layout_of
from detector.features import schema
from detector.head import ENCODER_HEAD, PLAIN_HEAD, Contract, Head, clip_score, load_head
from detector.normal_form import PREPROCESS_ID
from detector.wheel_encoder import WHEEL_ID, WheelEncoder, wheel_installed
from media import Limits

NEUTRAL = 0.5
"""The probability given where there is nothing to score."""

FAMILY_WORDS = {
    "trajectory": "the path that the frames draw through time",
    "flow": "how well smooth motion explains each next frame",
    "flicker": "brightness and texture that change without motion",
    "filters": "edges, grain and colour contrasts of single frames",
}
ENCODER_WORDS = {
    "mean": "what an image encoder sees in the frames",
    "std": "how much that varies",
    "path": "the path of its embeddings through time",
}


def block_words(block: str) -> str:
    """What a block of features looks at, in plain words."""
    if block.startswith("encoder_probes"):
        return "how the frames compare with words for generated and for filmed pictures"
    return FAMILY_WORDS.get(block) or ENCODER_WORDS[block.rsplit("_", 1)[1]]


@dataclass(frozen=True)
class Segment:
    """A stretch of the clip, in seconds, with its own probability; neighbours overlap by half.

    Verdicts of segments use the clip's thresholds: they show where to look, their error rates were not
    measured.
    """

    start_s: float
    end_s: float
    p_ai: float
    verdict: Verdict
    note: str = ""


@dataclass(frozen=True)
class Evidence:
    """One plain-language statement: what was looked at, what spoke, what is missing, or what forbids a
    verdict.
    """

    kind: Literal["looked_at", "reason", "missing", "limit"]
    text: str


@dataclass(frozen=True)
class AuditReport:
    """The detector's word on one clip.

    `p_ai` is calibrated for as many AI clips as camera clips and is 0.5 where nothing could be scored.
    `ood_score` above 1 means unlike the training material (None: not measured). `error_rates` are those of
    the head's model card. An `inconclusive` clip always carries the reason among its `evidence`.
    """

    path: str
    sha256: str
    p_ai: float
    verdict: Verdict
    segments: tuple[Segment, ...]
    evidence: tuple[Evidence, ...]
    ood_score: float | None
    error_rates: Mapping[str, Any]
    head_id: str
    head_digest: str

    def to_dict(self) -> dict[str, Any]:
        """Plain types, ready for JSON."""
        return asdict(self)

    def to_json(self) -> str:
        """The report as one JSON object; the same file and head give the same text."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True)


def contract_here(families: tuple[str, ...], encoder: Encoder | None) -> Contract:
    """What features made by this version with that encoder are."""
    layout = layout_of(encoder)
    return Contract(
        preprocess=PREPROCESS_ID,
        families=families,
        schema_digest=schema(families, layout).digest,
        encoder=encoder.id if encoder else None,
        encoder_digest=encoder.digest if encoder else None,
        encoder_layout=layout,
    )


def audit_clip(
    path: str | Path,
    *,
    head: Head | str | Path | None = None,
    encoder: Encoder | None = None,
    cache: Path | None = None,
    max_windows: int = 64,
    limits: Limits | None = None,
) -> AuditReport:
    """The detector's report on the clip at `path`.

    `head` is a loaded head, the name of a shipped one or a folder; without it the best shipped one that runs
    here is used. A head fitted with an encoder that you brought needs that `encoder`. Features are kept in the
    folder `cache`, if given. At most about `max_windows` windows are scored, evenly spaced. Raises
    `HeadNotFound`, `HeadMismatch`, `EncoderUnavailable`, and the errors of `media` for a file that cannot be
    read.
    """
    detector = Detector.load(head, encoder)
    return detector.audit(path, cache=cache, max_windows=max_windows, limits=limits)


@dataclass(frozen=True)
class Detector:
    """A head and the encoder that it needs, loaded once for many clips."""

    head: Head
    encoder: Encoder | None

    @classmethod
    def load(cls, head: Head | str | Path | None = None, encoder: Encoder | None = None) -> "Detector":
        """Checks that the two belong together; arguments and errors as in `audit_clip`."""
        if head is None and encoder is not None:
            raise HeadNotFound(
                f"no shipped head belongs to encoder {encoder.id}",
                hint="Fit one with clipproof audit fit --encoder NAME --checkpoint PATH, then name it.",
            )
        if head is None:
            head = ENCODER_HEAD if wheel_installed() else PLAIN_HEAD
        head = head if isinstance(head, Head) else load_head(head)
        if head.contract.encoder == WHEEL_ID and encoder is None:
            encoder = WheelEncoder()
        if head.contract.encoder and encoder is None:
            raise HeadMismatch(
                f"head {head.head_id} needs encoder {head.contract.encoder}",
                hint="Load it with detector.OpenClipEncoder and pass it as encoder (--encoder, --checkpoint).",
            )
        head.check(contract_here(head.contract.families, encoder))
        return cls(head, encoder)

    def examine(
        self,
        path: str | Path,
        *,
        cache: Path | None = None,
        max_windows: int = 64,
        limits: Limits | None = None,
    ) -> Examination:
        """The clip measured as this head needs it. Raises the errors of `media`."""
        return examine_clip(
            Path(path),
            families=self.head.contract.families,
            encoder=self.encoder,
            cache=cache,
            max_windows=max_windows,
            limits=limits,
        )

    def kept(self, sha256: str, cache: Path, *, max_windows: int = 64) -> Examination | None:
        """What the folder `cache` holds of the clip with that digest, as this head needs it."""
        return kept_examination(cache, sha256, self.head.contract.families, self.encoder, max_windows)

    def judge(self, path: str | Path, examined: Examination) -> AuditReport:
        """The report on what was measured; costs next to nothing."""
        return _report(str(path), self.head, examined)

    def audit(self, path: str | Path, **options: Any) -> AuditReport:
        """`examine` (which takes the options), then `judge`."""
        return self.judge(path, self.examine(path, **options))


@dataclass(frozen=True)
class Decision:
    """What follows from the features of a clip's windows; `score`, `ood_score` None where there are none."""

    p_ai: float
    verdict: Verdict
    score: float | None
    ood_score: float | None
    obstacles: tuple[str, ...]


def decide(head: Head, features: npt.NDArray[np.floating], obstacles: Sequence[str] = ()) -> Decision:
    """The decision on features [n, d]; any obstacle makes it inconclusive, and so does unfamiliar material."""
    if not len(features):
        return Decision(NEUTRAL, "inconclusive", None, None, tuple(obstacles))
    score = clip_score(head.linear.score(features))
    ood_score = float(np.median(head.familiarity.distance(head.linear.standardise(features))))
    if ood_score > 1:
        far = f"unlike the material the head was fitted on (distance {ood_score:.2f}, 1 is the limit)"
        obstacles = (*obstacles, far)
    verdict: Verdict = "inconclusive" if obstacles else head.verdict(score)
    return Decision(head.probability(score), verdict, score, ood_score, tuple(obstacles))


def _report(path: str, head: Head, examined: Examination) -> AuditReport:
    decision = decide(head, examined.x, examined.obstacles)
    evidence = [Evidence("looked_at", _looked_at(examined))]
    evidence += [Evidence("limit", text) for text in decision.obstacles]
    if decision.score is not None:
        if decision.verdict == "inconclusive" and not decision.obstacles:
            evidence.append(Evidence("limit", _between(head, decision.score)))
        evidence += [Evidence("reason", text) for text in _reasons(head, examined.x)]
    evidence += [Evidence("missing", text) for text in _missing(head, examined)]
    return AuditReport(
        path=path,
        sha256=examined.sha256,
        p_ai=round(decision.p_ai, 6),
        verdict=decision.verdict,
        segments=_segments(head, examined, bool(decision.obstacles)),
        evidence=tuple(evidence),
        ood_score=None if decision.ood_score is None else round(decision.ood_score, 4),
        error_rates=head.card.get("error_rates", {}),
        head_id=head.head_id,
        head_digest=head.digest,
    )


def _segments(head: Head, examined: Examination, barred: bool) -> tuple[Segment, ...]:
    segments = []
    scores = iter(head.linear.score(examined.x).tolist())
    for window in examined.windows:
        start, end = round(window.start_s, 3), round(window.end_s, 3)
        if window.fault:
            segments.append(Segment(start, end, NEUTRAL, "inconclusive", window.fault))
            continue
        score = next(scores)
        verdict: Verdict = "inconclusive" if barred else head.verdict(score)
        segments.append(Segment(start, end, round(head.probability(score), 6), verdict))
    return tuple(segments)


def _looked_at(examined: Examination) -> str:
    if not examined.windows:
        return f"{examined.sampled} frames at {examined.rate:.1f} a second: too few to look at motion"
    count, frames = len(examined.windows), examined.windows[0].frames
    return (
        f"{count} windows of {frames} frames at {examined.rate:.1f} a second, {count - len(examined.x)} of them "
        f"set aside; pictures only, re-encoded, centre square of {examined.crop_px:.0f} px"
    )


def _between(head: Head, score: float) -> str:
    p_ai, p_camera = head.conformal.p_values(score)
    if max(p_ai, p_camera) <= head.alpha:
        return "scores like this one are rare among AI clips and among camera clips alike"
    return (
        f"scores like this one come from both: {p_ai:.0%} of AI clips score as low, {p_camera:.0%} of camera "
        f"clips as high; a verdict needs one of them at or under {head.alpha:.0%}"
    )


def _reasons(head: Head, features: npt.NDArray[np.floating]) -> list[str]:
    """What each family added to the score, strongest first."""
    share = (head.linear.standardise(features) * head.linear.weight).mean(0)
    totals: dict[str, float] = {}
    for block, part in zip(head.contract.schema.blocks, share, strict=True):
        words = block_words(block)
        totals[words] = totals.get(words, 0.0) + float(part)
    ranked = sorted(totals.items(), key=lambda item: -abs(item[1]))
    return [f"{words} leans to {'AI' if total > 0 else 'camera'} ({total:+.2f})" for words, total in ranked]


def _missing(head: Head, examined: Examination) -> list[str]:
    missing = []
    if not head.contract.encoder:
        missing.append(
            "no image encoder: motion and low-level filters only; what the pictures show is not looked at "
            "(pip install 'clipproof[vit]', or bring CLIP weights)"
        )
    missing.append("sound, metadata, signatures and watermarks are not looked at here")
    if examined.decode_errors:
        missing.append(f"{examined.decode_errors} packets of the file do not decode")
    return missing
