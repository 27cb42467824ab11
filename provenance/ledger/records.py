"""What goes into the ledger and what comes out: frozen records, digests as 32 bytes, times in UTC."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from media.digest import StreamDigest
from provenance.fingerprint import ClipFingerprint
from provenance.manifest import Credit
from provenance.sound import SoundFingerprint

RunStatus = Literal["pending", "running", "done", "refused", "failed"]
ReviewStatus = Literal["pending", "approved", "rejected", "expired"]
ReviewEventKind = Literal["commented", "endorsed", "approved", "rejected", "reopened", "expired"]
Source = Literal["ai", "camera", "composite", "unknown"]
Json = Mapping[str, Any]


def clip_id_hex(clip_id: int) -> str:
    """A clip id as people and JSON see it: 16 lower-case hex digits."""
    return f"{clip_id:016x}"


@dataclass(frozen=True, slots=True)
class Asset:
    """An immutable file: its SHA-256, its size in bytes, and whether we produced it."""

    sha256: bytes
    size: int
    media_type: str
    origin: Literal["produced", "external"] = "produced"


@dataclass(frozen=True, slots=True)
class Edge:
    """One asset was derived from another (SHA-256 of each); `role` says how: `marked`, `signed`, `parent`."""

    used: bytes
    generated: bytes
    role: str


@dataclass(frozen=True, slots=True)
class Generation:
    """The run of one model with one seed (0..2^64-1) that made a clip."""

    model: str
    seed: int
    params: Json
    software: str
    software_version: str
    weights_sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """The watermark in a clip; `payload` 0..2^64-1, `details` as the embedder reported them (strength, …)."""

    scheme: str
    payload: int
    details: Json = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """That of the key it was made with; 0 where the record names none that could be."""
        said = self.details.get("epoch", 0)
        return said if isinstance(said, int) and said >= 0 else 0


@dataclass(frozen=True, slots=True)
class Label:
    """What tells people or platforms that a clip is AI-generated: metadata (`aigc`) or on the picture (`visible`)."""

    kind: Literal["aigc", "visible"]
    details: Json


@dataclass(frozen=True, slots=True)
class Manifest:
    """A C2PA manifest store as it was signed: label of the active manifest, signer's name and key id."""

    label: str
    signer: str
    store: bytes
    signer_key_id: str = ""


@dataclass(frozen=True, slots=True)
class TimeStamp:
    """Where the time stamp of one clip's signature stands. `token` is the TimeStampResp (DER) over `imprint`."""

    clip_id: int
    state: Literal["pending", "done", "failed"]
    attempts: int
    last_error: str | None
    imprint: bytes | None
    token: bytes | None
    edition_sha256: bytes | None  # the clip again, with its stamp in an update manifest
    next_try: dt.datetime
    done: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Run:
    """One request on its way to one clip; the clip id is drawn once and belongs to the key for ever."""

    key: str
    clip_id: int
    status: RunStatus
    reason: str | None
    request: Json
    flow_run_id: str | None
    campaign: str | None
    variant: str | None
    created: dt.datetime
    updated: dt.datetime
    salt: bytes | None = field(default=None, repr=False)  # None once what it hides was erased


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """What the safety policy decided at one stage of a run."""

    id: int
    stage: Literal["prompt", "frames"]
    action: str
    policy_version: str
    decision: Json
    prompt_sha256: bytes | None
    prompt_text: str | None
    created: dt.datetime


@dataclass(frozen=True, slots=True)
class Review:
    """A run that waits, or waited, for a person's decision.

    `approvals` of `approvals_needed` different people have approved it since it last began to wait. `requester` is
    who asked for the clip, where that was recorded. `prompt_text` is None where only the salted hash was kept.
    """

    id: int
    run_key: str
    status: ReviewStatus
    reviewer: str | None
    reason: str | None
    decision: Json | None
    created: dt.datetime
    decided: dt.datetime | None
    clip_id: int
    produced: bool  # there is a clip, whatever became of the review since
    policy_version: str | None
    prompt_sha256: bytes | None
    prompt_text: str | None
    requester: str | None
    approvals: int
    approvals_needed: int
    waiting_since: dt.datetime

    @property
    def codes(self) -> tuple[str, ...]:
        """The reason codes of the policy's decision, gravest first."""
        return tuple((self.decision or {}).get("codes", ()))

    @property
    def language(self) -> str | None:
        """`zh`, `en` or `und`; None where no decision is attached."""
        return (self.decision or {}).get("language")

    @property
    def overridable(self) -> bool:
        """Whether a person may approve it at all."""
        return (self.decision or {}).get("overridable") is not False


@dataclass(frozen=True, slots=True)
class ReviewEvent:
    """One thing that happened to a review. `endorsed` is an approval that waits for another person's.

    `pinned`: whether the log has this event as it stands here, its note included; None where it has no entry, as
    decisions have none that were made before reviews had a history. An erased note leaves it pinned.
    """

    kind: ReviewEventKind
    by: str
    by_software: bool
    code: str | None
    note: str | None
    policy_version: str | None
    at: dt.datetime
    log_seq: int | None
    pinned: bool | None


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """All that one finished clip leaves in the ledger, written in one transaction.

    `asset` is the delivered file; `ancestors` the other files that `edges` mention (raw, marked, the parent).
    `audit` is the detector's report as JSON with at least `verdict`, and `p_ai` where there is one.
    """

    run_key: str
    asset: Asset
    source: Source
    streams: StreamDigest
    ancestors: tuple[Asset, ...] = ()
    edges: tuple[Edge, ...] = ()
    generation: Generation | None = None
    marks: tuple[Mark, ...] = ()
    manifest: Manifest | None = None
    fingerprint: ClipFingerprint | None = None
    audit: Json | None = None
    labels: tuple[Label, ...] = ()
    credits: tuple[Credit, ...] = ()
    awaits_time_stamp: bool = False
    sound: SoundFingerprint | None = None


@dataclass(frozen=True, slots=True)
class ClipRow:
    """All that the ledger knows of one clip."""

    clip_id: int
    run: Run
    asset: Asset
    source: Source
    streams: StreamDigest
    created: dt.datetime
    edges: tuple[Edge, ...]
    decisions: tuple[RecordedDecision, ...]
    generation: Generation | None
    marks: tuple[Mark, ...]
    manifest: Manifest | None
    fingerprint: ClipFingerprint | None
    audit: Json | None
    labels: tuple[Label, ...] = ()
    sound: SoundFingerprint | None = None


@dataclass(frozen=True, slots=True)
class ClipSummary:
    """One line of a list of clips."""

    clip_id: int
    run_key: str
    asset_sha256: bytes
    source: Source
    campaign: str | None
    variant: str | None
    created: dt.datetime


@dataclass(frozen=True, slots=True)
class FingerprintMatch:
    """A recorded frame near a query frame: PDQ distance 0..256, time in the recorded clip in seconds."""

    clip_id: int
    query_index: int
    distance: int
    time_s: float


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the transparency log; `text` is the canonical JSON that `leaf` is the hash of."""

    seq: int
    at: dt.datetime
    kind: str
    body: Json
    text: str
    leaf: bytes


@dataclass(frozen=True, slots=True)
class LogCheck:
    """Whether the log is intact. `root` is that of its Merkle tree; `problem` names the first thing wrong."""

    intact: bool
    size: int
    root: bytes
    problem: str | None = None
