"""The ledger: where every clip comes from, and the log that shows when that was rewritten."""

import datetime as dt
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, insert, select

from provenance.ledger import clips, erasure, lineage, log, reviewing, reviews, runs, stamps
from provenance.ledger.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from provenance.ledger.engine import ledger_url, open_engine, reading, writing
from provenance.ledger.entities import asset_id, insert_row, now
from provenance.ledger.erasure import Erasure
from provenance.ledger.lineage import Lineage
from provenance.ledger.nearest import FingerprintIndex
from provenance.ledger.records import (
    Asset,
    ClipRecord,
    ClipRow,
    ClipSummary,
    FingerprintMatch,
    Json,
    LogCheck,
    LogEntry,
    Mark,
    RecordedDecision,
    Review,
    ReviewEvent,
    ReviewStatus,
    Run,
    TimeStamp,
)
from provenance.ledger.revisions import check_revision, current, known_revisions, upgrade
from provenance.ledger.schema import asset, clip, log_checkpoint, manifest, mark, verification
from provenance.manifest import Credit

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def connect(url: str, *, create: bool = False, wait_s: float = 30.0) -> "Ledger":
    """Opens the ledger at `sqlite:///path` or `postgresql://…`; with `create`, makes or upgrades it first.

    `wait_s`: how long a writer waits for another. Raises `LedgerMissing`, `LedgerTooOld`, `LedgerTooNew`,
    `LedgerUnreachable`.
    """
    if create and current(url) != known_revisions()[-1]:
        upgrade(url)
    engine = open_engine(ledger_url(url), wait_s=wait_s)
    try:
        check_revision(engine)
    except BaseException:
        engine.dispose()
        raise
    return Ledger(engine)


class Ledger:
    """One open ledger. Each method is one transaction; methods may be called from several threads.

    Every method raises the `LedgerError`s of `provenance.ledger.errors`, never the database's own.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._index = FingerprintIndex()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    # Runs

    def reserve_run(
        self,
        key: str,
        request: Json,
        *,
        prompt: str | None = None,
        flow_run_id: str | None = None,
        campaign: str | None = None,
        variant: str | None = None,
    ) -> Run:
        """The run of `key` with its clip id and salt, drawn on the first call; the same for every later one.

        `prompt` is part of the request, but only a salted commitment of it is kept. Raises `RunKeyTaken` where the key
        was reserved for another request.
        """
        with writing(self._engine) as connection:
            return runs.reserve(
                connection,
                key,
                request,
                prompt=prompt,
                flow_run_id=flow_run_id,
                campaign=campaign,
                variant=variant,
            )

    def run(self, key: str) -> Run | None:
        """The run of `key`, or None."""
        with reading(self._engine) as connection:
            return runs.find(connection, key)

    def set_run_status(
        self, key: str, status: Literal["pending", "running", "refused", "failed"], reason: str | None = None
    ) -> None:
        """Moves a run on; only `record_clip` ends it with `done`. Raises `RunUnknown`, `RunFinished`."""
        with writing(self._engine) as connection:
            runs.set_status(connection, key, status, reason)

    # Decisions and reviews

    def record_decision(
        self,
        run_key: str,
        decision: Json,
        prompt_sha256: bytes | None = None,
        prompt_text: str | None = None,
        *,
        prompt_salt: bytes | None = None,
        stage: Literal["prompt", "frames"] = "prompt",
    ) -> int:
        """Notes what the policy decided; returns the row's number.

        `decision` has `action` and `policy_version`. Without `prompt_text` only the hash is kept. The same
        decision noted again is the same row.
        """
        with writing(self._engine) as connection:
            return runs.record_decision(
                connection,
                run_key,
                decision,
                stage=stage,
                prompt_sha256=prompt_sha256,
                prompt_salt=prompt_salt,
                prompt_text=prompt_text,
            )

    def record_refusal(
        self,
        run_key: str,
        decision: Json,
        prompt_sha256: bytes | None = None,
        prompt_text: str | None = None,
        *,
        prompt_salt: bytes | None = None,
        stage: Literal["prompt", "frames"] = "prompt",
        reason: str | None = None,
    ) -> int:
        """Notes the decision and ends the run with `refused`; returns the decision's number."""
        with writing(self._engine) as connection:
            decision_id = runs.record_decision(
                connection,
                run_key,
                decision,
                stage=stage,
                prompt_sha256=prompt_sha256,
                prompt_salt=prompt_salt,
                prompt_text=prompt_text,
            )
            runs.refuse(connection, run_key, decision_id, reason)
            return decision_id

    def decisions(self, run_key: str) -> tuple[RecordedDecision, ...]:
        """The decisions about a run, first to last."""
        with reading(self._engine) as connection:
            return runs.decisions_of(connection, run_key)

    def enqueue_review(
        self,
        run_key: str,
        decision_id: int | None = None,
        *,
        requester: str | None = None,
        approvals_needed: int = 1,
    ) -> Review:
        """Parks a run in the review queue; a run has one review item, whatever became of it.

        `requester`, who asks for the clip, cannot approve it where `approvals_needed` is more than one. Another
        decision of the policy than the one that was approved re-opens the review.
        """
        with writing(self._engine) as connection:
            return reviewing.park(
                connection, run_key, decision_id, requester=requester, approvals_needed=approvals_needed
            )

    def reviews(
        self,
        status: ReviewStatus | None = None,
        *,
        code: str | None = None,
        language: str | None = None,
        since: dt.datetime | None = None,
        reviewer: str | None = None,
    ) -> list[Review]:
        """The review queue, oldest first: what fits all that is given."""
        with reading(self._engine) as connection:
            return reviews.matching(
                connection, status=status, code=code, language=language, since=since, reviewer=reviewer
            )

    def review(self, review_id: int) -> Review:
        """One review. Raises `ReviewUnknown`."""
        with reading(self._engine) as connection:
            return reviews.find(connection, review_id)

    def review_of(self, run_key: str) -> Review | None:
        """The review item of a run, or None."""
        with reading(self._engine) as connection:
            return reviews.of_run(connection, run_key)

    def review_history(self, review_id: int) -> tuple[ReviewEvent, ...]:
        """What happened to a review, first to last. Raises `ReviewUnknown`."""
        with reading(self._engine) as connection:
            return reviews.history(connection, review_id)

    def decide_review(
        self,
        review_id: int,
        *,
        approve: bool,
        reviewer: str,
        reason: str,
        code: str | None = None,
        approvals_needed: int = 1,
    ) -> Review:
        """A person's decision; still `pending` where it needs another's. `code`: what a rejected prompt is.

        Raises `ReviewUnknown`, `ReviewDecided`, `ReviewerRefused`, `NotOverridable`.
        """
        with writing(self._engine) as connection:
            return reviewing.decide(
                connection,
                review_id,
                approve=approve,
                reviewer=reviewer,
                reason=reason,
                code=code,
                approvals_needed=approvals_needed,
            )

    def comment_review(self, review_id: int, *, reviewer: str, text: str) -> Review:
        """A person's words on a review, decided or not. Raises `ReviewUnknown`, `ReviewerRefused`."""
        with writing(self._engine) as connection:
            return reviewing.comment(connection, review_id, reviewer, text)

    def reopen_review(self, review_id: int, *, reviewer: str, reason: str) -> Review:
        """Lets a decided review wait again; a clip that was produced stays. Raises `ReviewUnknown`, `ReviewPending`."""
        with writing(self._engine) as connection:
            return reviewing.reopen(connection, review_id, reviewer, reason)

    def expire_reviews(self, after: dt.timedelta) -> list[Review]:
        """Ends what has waited longer than `after`; gives what was ended. Writes only where there is something."""
        with reading(self._engine) as connection:
            if not reviews.overdue(connection, after):
                return []
        with writing(self._engine) as connection:
            return reviewing.expire(connection, after)

    # Clips

    def record_clip(self, record: ClipRecord) -> None:
        """Writes everything about a finished clip, its log entry and its run's end: all of it or nothing.

        The files must be in the store before. The same file again changes nothing. Raises `ClipIdTaken`,
        `RunUnknown`, `RecordConflict` (e.g. a payload that another clip carries).
        """
        with writing(self._engine) as connection:
            clips.write(connection, record)

    def clip(self, clip_id: int) -> ClipRow | None:
        """The clip with that id, or None."""
        with reading(self._engine) as connection:
            return clips.read(connection, clip_id)

    def find_stream(self, digest: bytes) -> ClipRow | None:
        """The earliest clip that plays exactly so (`StreamDigest.digest`), or None."""
        with reading(self._engine) as connection:
            return clips.find(connection, clip.c.stream_digest == digest)

    def find_component(self, video_packets_digest: bytes) -> ClipRow | None:
        """The earliest clip with these video packets, whatever their timing and the sound, or None."""
        with reading(self._engine) as connection:
            return clips.find(connection, clip.c.video_packets_digest == video_packets_digest)

    def find_mark(self, scheme: str, payload: int) -> ClipRow | None:
        """The clip that carries this mark, or None."""
        with reading(self._engine) as connection:
            return clips.find(connection, (mark.c.scheme == scheme) & (mark.c.payload == payload))

    def mark_epochs(self, scheme: str, payloads: Sequence[int]) -> dict[int, int]:
        """The key epoch of each of these marks that is recorded, by payload."""
        query = select(mark).where((mark.c.scheme == scheme) & mark.c.payload.in_(payloads))
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return {row.payload: Mark(row.scheme, row.payload, row.details).epoch for row in rows}

    def latest_mark_epoch(self) -> int:
        """The highest key epoch among the last hundred marks; 0 where there is none."""
        query = select(mark).order_by(mark.c.id.desc()).limit(100)
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return max((Mark(row.scheme, row.payload, row.details).epoch for row in rows), default=0)

    def stamps_waiting(self, *, due: bool = True, limit: int = 1000) -> list[TimeStamp]:
        """Signatures without a time stamp, longest waiting first; `due`: only those whose next try has come."""
        with reading(self._engine) as connection:
            return stamps.waiting(connection, due=due, limit=limit)

    def time_stamp(self, clip_id: int) -> TimeStamp | None:
        """Where the late time stamp of a clip stands; None where it never waited for one."""
        with reading(self._engine) as connection:
            return stamps.find(connection, clip_id)

    def stamp_failed(self, clip_id: int, reason: str) -> None:
        """Notes a try that gave no stamp, and when to try next."""
        with writing(self._engine) as connection:
            stamps.fail(connection, clip_id, reason)

    def record_stamp(self, clip_id: int, *, imprint: bytes, token: bytes, edition: Asset) -> None:
        """Notes the stamp of a clip and the edition that carries it, which must be in the store before."""
        with writing(self._engine) as connection:
            stamps.finish(connection, clip_id, imprint, token, edition)

    def credits(self, clip_id: int) -> tuple[Credit, ...]:
        """The people whom the manifest of a clip names."""
        with reading(self._engine) as connection:
            return clips.read_credits(connection, clip_id)

    def find_manifest(self, label: str) -> ClipRow | None:
        """The clip whose active manifest has this label, or None."""
        with reading(self._engine) as connection:
            query = select(manifest.c.clip_id).where(manifest.c.label == label)
            clip_id = connection.execute(query).scalar_one_or_none()
            return None if clip_id is None else clips.read(connection, clip_id)

    def clips(self, limit: int = 50) -> list[ClipSummary]:
        """The newest clips, newest first."""
        with reading(self._engine) as connection:
            return clips.summaries(connection, limit)

    def lineage(self, clip_id: int, *, depth: int = 3, max_nodes: int = 400) -> Lineage | None:
        """How a clip came about, and what became of it, as a graph; None where there is no such clip.

        `depth`: how many clips away parents and derived clips are followed.
        """
        with reading(self._engine) as connection:
            return lineage.trace(connection, clip_id, depth=depth, max_nodes=max_nodes)

    def clip_ids(self, *, campaign: str | None = None, since: dt.datetime | None = None) -> Iterator[int]:
        """The ids of all clips, oldest first, read in batches: of a campaign, or recorded since a moment."""
        after: tuple[dt.datetime, int] | None = None
        while True:
            with reading(self._engine) as connection:
                batch = lineage.clip_ids(connection, campaign, since, after)
            yield from (clip_id for _, clip_id in batch)
            if not batch:
                return
            after = batch[-1]

    def nearest_fingerprints(
        self, hashes: NDArray[np.uint8], max_distance: int = 31
    ) -> list[FingerprintMatch]:
        """Recorded frames within `max_distance` bits of PDQ hashes uint8 [N,32], nearest first.

        Brute force over every recorded frame that is not flat: leave flat ones (quality < 50) out.
        """
        with reading(self._engine) as connection:
            self._index.refresh(connection)
        return self._index.within(hashes, max_distance)

    def known_assets(self) -> set[bytes]:
        """SHA-256 of every file that some row mentions."""
        with reading(self._engine) as connection:
            return set(connection.execute(select(asset.c.sha256)).scalars())

    # Findings about any file

    def record_audit(self, audited: Asset, report: Json) -> int:
        """Keeps a detector's report (with `verdict`, and `p_ai` where there is one); returns its number."""
        with writing(self._engine) as connection:
            return clips.write_audit(connection, audited, report)

    def record_verification(self, verified: Asset, report: Json) -> int:
        """Keeps a verification (`verdict`, and `clip_id` in 16 hex digits or None); returns its number."""
        with writing(self._engine) as connection:
            named = report.get("clip_id")
            clip_id = connection.execute(
                select(clip.c.clip_id).where(clip.c.clip_id == int(named or "0", 16))
            ).scalar_one_or_none()
            return insert_row(
                connection,
                verification,
                asset_id=asset_id(connection, verified),
                clip_id=clip_id,
                verdict=report["verdict"],
                report=dict(report),
                created=now(),
            )

    # The transparency log

    def append_log(self, kind: str, body: Json) -> int:
        """Adds an entry to the transparency log; returns its number.

        What it says can never be taken back: no names and no prompts. `body` must have a canonical form
        (`canonical_json`), else `ValueError` or `TypeError`.
        """
        with writing(self._engine) as connection:
            return log.append(connection, kind, body)

    def log_entries(self, start: int = 0) -> list[LogEntry]:
        """The log from entry `start` on, in order."""
        with reading(self._engine) as connection:
            return list(log.entries(connection, start))

    def log_entry(self, seq: int) -> LogEntry | None:
        """One entry, or None."""
        with reading(self._engine) as connection:
            return log.entry(connection, seq)

    def log_entry_of_clip(self, clip_id: int) -> LogEntry | None:
        """The entry that pins a clip's record, or None where there is no such clip."""
        with reading(self._engine) as connection:
            seq = connection.execute(select(clip.c.log_seq).where(clip.c.clip_id == clip_id)).scalar()
            return None if seq is None else log.entry(connection, seq)

    def sign_checkpoint(self, key: "Ed25519PrivateKey") -> Checkpoint:
        """The log as it is now, signed; kept. A log that has not grown has its last checkpoint again."""
        with writing(self._engine) as connection:
            size = log.size(connection)
            signed = sign_checkpoint(size, log.root(connection, size), key)
            kept = select(log_checkpoint.c.text).where(log_checkpoint.c.size == size)
            if connection.execute(kept).one_or_none() is None:
                connection.execute(insert(log_checkpoint).values(size=size, text=signed.text, created=now()))
            return signed

    def checkpoints(self) -> list[str]:
        """The texts of all checkpoints that were signed, smallest first."""
        with reading(self._engine) as connection:
            query = select(log_checkpoint.c.text).order_by(log_checkpoint.c.size)
            return list(connection.execute(query).scalars())

    def prove_inclusion(self, seq: int, size: int) -> list[bytes]:
        """What leads from entry `seq` to the root of the first `size` entries. Raises `ValueError`."""
        with reading(self._engine) as connection:
            _require_size(connection, size)
            return log.inclusion_proof(connection, seq, size)

    def prove_consistency(self, old: int, new: int) -> list[bytes]:
        """That the log of `new` entries grew from that of `old` entries. Raises `ValueError`."""
        with reading(self._engine) as connection:
            _require_size(connection, new)
            return log.consistency_proof(connection, old, new)

    def verify_log(self, *known: Checkpoint) -> LogCheck:
        """Recomputes the whole log. `known` checkpoints, kept elsewhere, also show a rewritten past."""
        with reading(self._engine) as connection:
            own = connection.execute(select(log_checkpoint.c.text)).scalars()
            # Those kept elsewhere last: where the two differ, the log is what was rewritten.
            roots = [(one.size, one.root) for one in (*map(parse_checkpoint, own), *known)]
            return log.verify(connection, dict(roots))

    # Erasure

    def erase_prompt(self, name: str, *, dry_run: bool = False) -> Erasure:
        """Erases what a run (clip id in hex, or run key) keeps of its prompt. Raises `RunUnknown`."""
        with writing(self._engine) as connection:
            touched = erasure.erase_prompt(connection, name)
            if dry_run:
                connection.rollback()
        if not dry_run:
            erasure.scrub(self._engine)
        return touched

    def erase_person(self, name: str, *, dry_run: bool = False) -> Erasure:
        """Erases a person's name wherever it stands; no rows where it stands nowhere."""
        with writing(self._engine) as connection:
            touched = erasure.erase_person(connection, name)
            if dry_run:
                connection.rollback()
        if not dry_run:
            erasure.scrub(self._engine)
        return touched


def _require_size(connection: Connection, size: int) -> None:
    if size > log.size(connection):
        raise ValueError(f"the log has fewer than {size} entries")
