"""A finished clip and everything about it: written at once, read back whole."""

import hashlib
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, insert, select

from media.digest import StreamDigest
from provenance.fingerprint import ClipFingerprint
from provenance.ledger import log, runs, stamps
from provenance.ledger.canonical import canonical_json
from provenance.ledger.entities import agent_id, asset_id, insert_row, now
from provenance.ledger.errors import ClipIdTaken
from provenance.ledger.records import (
    Asset,
    ClipRecord,
    ClipRow,
    ClipSummary,
    Edge,
    Generation,
    Json,
    Label,
    Manifest,
    Mark,
    clip_id_hex,
)
from provenance.ledger.schema import (
    agent,
    asset,
    audit,
    clip,
    credit,
    derivation,
    fingerprint,
    generation,
    generation_run,
    label,
    manifest,
    mark,
    sound,
)
from provenance.manifest import Credit
from provenance.pdq import SIDE
from provenance.sound import SoundFingerprint

_VIDEO_PACKETS = "video/0/packets"
_SOUND = np.dtype("<u4")


def write(connection: Connection, record: ClipRecord) -> None:
    """Writes all rows of a clip, its log entry, and its run's status `done`.

    The same file recorded again changes nothing. Raises `ClipIdTaken` where the run ended with another file,
    `RunUnknown` where the run was never reserved.
    """
    run = runs.get(connection, record.run_key)
    known = connection.execute(
        select(asset.c.sha256).join(clip, clip.c.asset_id == asset.c.id).where(clip.c.clip_id == run.clip_id)
    ).scalar_one_or_none()
    if known == record.asset.sha256:
        return
    if known is not None:
        raise ClipIdTaken(
            f"clip {clip_id_hex(run.clip_id)} is recorded with the file {known.hex()}",
            hint="The run had ended already: use its clip, or ask for another with --new.",
        )
    ids = {one.sha256: asset_id(connection, one) for one in (record.asset, *record.ancestors)}
    components = {name: part.hex() for name, part in record.streams.components.items()}
    seq = log.append(connection, "clip.recorded", _log_body(connection, run.clip_id, record))
    connection.execute(
        insert(clip).values(
            clip_id=run.clip_id,
            asset_id=ids[record.asset.sha256],
            source=record.source,
            stream_digest=record.streams.digest,
            video_packets_digest=record.streams.components.get(_VIDEO_PACKETS),
            stream_components=components,
            log_seq=seq,
            created=now(),
        )
    )
    _write_edges(connection, record, ids)
    _write_evidence(connection, run.clip_id, record)
    for one in record.credits:
        connection.execute(
            insert(credit).values(
                clip_id=run.clip_id, agent_id=agent_id(connection, "person", one.name), role=one.role
            )
        )
    if record.awaits_time_stamp:
        stamps.queue(connection, run.clip_id)
    if record.audit is not None:
        write_audit(connection, record.asset, record.audit)
    runs.set_status(connection, record.run_key, "done")


def write_audit(connection: Connection, audited: Asset, report: Json) -> int:
    """A detector's report on a file; `report` has `verdict` and, where there is one, `p_ai`."""
    return insert_row(
        connection,
        audit,
        asset_id=asset_id(connection, audited),
        verdict=report["verdict"],
        p_ai=report.get("p_ai"),
        report=dict(report),
        created=now(),
    )


def find(connection: Connection, condition: ColumnElement[bool]) -> ClipRow | None:
    """The earliest clip that meets a condition on `clip` or `mark`, or None."""
    # Apart from what is then read of it: in one query with all those tables PostgreSQL plans for the worst.
    clip_id = connection.execute(
        select(clip.c.clip_id)
        .outerjoin(mark)
        .where(condition)
        .order_by(clip.c.created, clip.c.clip_id)
        .limit(1)
    ).scalar_one_or_none()
    return None if clip_id is None else read(connection, clip_id)


def read(connection: Connection, clip_id: int) -> ClipRow | None:
    """The clip with that id, or None.

    What a clip has one of comes with one query: on a server each further one is a round trip.
    """
    software, signer = agent.alias("software"), agent.alias("signer")
    newest_audit = (
        select(audit.c.report)
        .where(audit.c.asset_id == clip.c.asset_id)
        .order_by(audit.c.id.desc())
        .limit(1)
        .scalar_subquery()
        .label("newest_audit")
    )
    row = connection.execute(
        select(
            clip,
            generation_run,
            *(asset.c.sha256, asset.c.size, asset.c.media_type, asset.c.origin),
            *(generation.c.model, generation.c.weights_sha256, generation.c.seed, generation.c.params),
            *(software.c.name.label("software"), software.c.version.label("software_version")),
            *(manifest.c.label, manifest.c.store),
            *(signer.c.name.label("signer"), signer.c.key_id.label("signer_key_id")),
            *(sound.c.bits, sound.c.reliable, sound.c.start_s),
            newest_audit,
        )
        .join(asset, clip.c.asset_id == asset.c.id)
        .join(generation_run, clip.c.clip_id == generation_run.c.clip_id)
        .outerjoin(generation, clip.c.clip_id == generation.c.clip_id)
        .outerjoin(software, generation.c.software_id == software.c.id)
        .outerjoin(manifest, clip.c.clip_id == manifest.c.clip_id)
        .outerjoin(signer, manifest.c.signer_id == signer.c.id)
        .outerjoin(sound, clip.c.clip_id == sound.c.clip_id)
        .where(clip.c.clip_id == clip_id)
    ).one_or_none()
    if row is None:
        return None
    recorded = row._mapping
    run = runs.run_of_row(recorded)
    components = {name: bytes.fromhex(part) for name, part in row.stream_components.items()}
    return ClipRow(
        clip_id=clip_id,
        run=run,
        asset=Asset(row.sha256, row.size, row.media_type, row.origin),
        source=row.source,
        streams=StreamDigest(components),
        created=recorded[clip.c.created],
        edges=_read_edges(connection, recorded[generation_run.c.id]),
        decisions=runs.decisions_of(connection, run.key),
        generation=None
        if row.model is None
        else Generation(
            row.model, row.seed, row.params, row.software, row.software_version, row.weights_sha256
        ),
        marks=_read_marks(connection, clip_id),
        manifest=None if row.label is None else Manifest(row.label, row.signer, row.store, row.signer_key_id),
        fingerprint=_read_fingerprint(connection, clip_id),
        audit=row.newest_audit,
        labels=_read_labels(connection, clip_id),
        sound=None if row.bits is None else _sound_of(row.bits, row.reliable, row.start_s),
    )


def summaries(connection: Connection, limit: int) -> list[ClipSummary]:
    """The newest clips, newest first."""
    query = (
        select(clip, generation_run, asset.c.sha256, clip.c.created.label("recorded"))
        .join(generation_run, clip.c.clip_id == generation_run.c.clip_id)
        .join(asset, clip.c.asset_id == asset.c.id)
        .order_by(clip.c.created.desc(), clip.c.clip_id)
        .limit(limit)
    )
    return [
        ClipSummary(
            clip_id=row.clip_id,
            run_key=row.key,
            asset_sha256=row.sha256,
            source=row.source,
            campaign=row.campaign,
            variant=row.variant,
            created=row.recorded,
        )
        for row in connection.execute(query)
    ]


def read_credits(connection: Connection, clip_id: int) -> tuple[Credit, ...]:
    """The people credited in a clip, by name."""
    query = (
        select(agent.c.name, credit.c.role)
        .join(agent, credit.c.agent_id == agent.c.id)
        .where(credit.c.clip_id == clip_id)
        .order_by(agent.c.name, credit.c.role)
    )
    return tuple(Credit(row.name, row.role) for row in connection.execute(query))


def _write_edges(connection: Connection, record: ClipRecord, ids: dict[bytes, int]) -> None:
    run_id = connection.execute(
        select(generation_run.c.id).where(generation_run.c.key == record.run_key)
    ).scalar_one()
    for edge in record.edges:
        ends = {"used_id": ids.get(edge.used), "generated_id": ids.get(edge.generated)}
        if None in ends.values():
            raise ValueError(f"the edge {edge.role!r} names a file that is not among the record's assets")
        row = {**ends, "role": edge.role, "generation_run_id": run_id}
        same = [derivation.c[name] == row[name] for name in ("used_id", "generated_id", "role")]
        # An untouched source with the same raw file may have been derived in an earlier run.
        if connection.execute(select(derivation.c.role).where(*same)).one_or_none() is None:
            connection.execute(insert(derivation).values(**row))


def _write_evidence(connection: Connection, clip_id: int, record: ClipRecord) -> None:
    made = record.generation
    if made is not None:
        connection.execute(
            insert(generation).values(
                clip_id=clip_id,
                software_id=agent_id(connection, "software", made.software, version=made.software_version),
                model=made.model,
                weights_sha256=made.weights_sha256,
                seed=made.seed,
                params=dict(made.params),
            )
        )
    for one in record.marks:
        connection.execute(
            insert(mark).values(
                clip_id=clip_id, scheme=one.scheme, payload=one.payload, details=dict(one.details)
            )
        )
    for named in record.labels:
        connection.execute(
            insert(label).values(clip_id=clip_id, kind=named.kind, details=dict(named.details))
        )
    signed = record.manifest
    if signed is not None:
        signer_id = agent_id(connection, "key", signed.signer, key_id=signed.signer_key_id)
        connection.execute(
            insert(manifest).values(
                clip_id=clip_id, label=signed.label, signer_id=signer_id, store=signed.store
            )
        )
    frames = record.fingerprint
    if frames is not None and len(frames):
        rows = [
            {
                "clip_id": clip_id,
                "ordinal": ordinal,
                "time_s": float(frames.times[ordinal]),
                "pdq": frames.hashes[ordinal].tobytes(),
                "quality": int(frames.qualities[ordinal]),
                "thumbnail": frames.thumbnails[ordinal].tobytes(),
            }
            for ordinal in range(len(frames))
        ]
        connection.execute(insert(fingerprint), rows)
    if record.sound is not None:
        connection.execute(
            insert(sound).values(
                clip_id=clip_id,
                start_s=record.sound.start_s,
                bits=record.sound.bits.astype(_SOUND).tobytes(),
                reliable=record.sound.reliable.astype(_SOUND).tobytes(),
            )
        )


def _log_body(connection: Connection, clip_id: int, record: ClipRecord) -> dict[str, Any]:
    """What the log pins: digests of everything, words of nothing; of prompts salted ones (`PromptCommitment`)."""
    made, signed, frames = record.generation, record.manifest, record.fingerprint
    return {
        "clip_id": clip_id_hex(clip_id),
        "source": record.source,
        "asset": record.asset.sha256.hex(),
        "streams": record.streams.digest.hex(),
        "decisions": [
            {
                "stage": one.stage,
                "action": one.action,
                "policy_version": one.policy_version,
                "prompt": one.prompt_sha256.hex() if one.prompt_sha256 else None,
            }
            for one in runs.decisions_of(connection, record.run_key)
        ],
        "edges": [[edge.used.hex(), edge.generated.hex(), edge.role] for edge in record.edges],
        "model": None if made is None else made.model,
        "labels": [{"kind": one.kind, **one.details} for one in record.labels],
        "marks": [{"scheme": one.scheme, "payload": clip_id_hex(one.payload)} for one in record.marks],
        "manifest": None
        if signed is None
        else {"label": signed.label, "sha256": hashlib.sha256(signed.store).hexdigest()},
        "fingerprint": None if frames is None else hashlib.sha256(frames.hashes.tobytes()).hexdigest(),
        "sound": None if record.sound is None else hashlib.sha256(record.sound.bits.tobytes()).hexdigest(),
        "audit": None
        if record.audit is None
        else hashlib.sha256(canonical_json(dict(record.audit)).encode()).hexdigest(),
    }


def _read_edges(connection: Connection, run_id: int) -> tuple[Edge, ...]:
    used, generated = asset.alias("used"), asset.alias("generated")
    query = (
        select(used.c.sha256.label("used"), generated.c.sha256.label("generated"), derivation.c.role)
        .select_from(derivation)
        .join(used, derivation.c.used_id == used.c.id)
        .join(generated, derivation.c.generated_id == generated.c.id)
        .where(derivation.c.generation_run_id == run_id)
        .order_by(generated.c.id.desc(), used.c.id, derivation.c.role)
    )
    return tuple(Edge(row.used, row.generated, row.role) for row in connection.execute(query))


def _read_marks(connection: Connection, clip_id: int) -> tuple[Mark, ...]:
    query = select(mark).where(mark.c.clip_id == clip_id).order_by(mark.c.id)
    return tuple(Mark(row.scheme, row.payload, row.details) for row in connection.execute(query))


def _read_labels(connection: Connection, clip_id: int) -> tuple[Label, ...]:
    query = select(label).where(label.c.clip_id == clip_id).order_by(label.c.kind)
    return tuple(Label(row.kind, row.details) for row in connection.execute(query))


def _sound_of(bits: bytes, reliable: bytes, start_s: float) -> SoundFingerprint:
    words, mask = (np.frombuffer(part, _SOUND).astype(np.uint32) for part in (bits, reliable))
    return SoundFingerprint(words, mask, start_s)


def _read_fingerprint(connection: Connection, clip_id: int) -> ClipFingerprint | None:
    rows = connection.execute(
        select(fingerprint).where(fingerprint.c.clip_id == clip_id).order_by(fingerprint.c.ordinal)
    ).all()
    if not rows:
        return None
    return ClipFingerprint(
        times=np.array([row.time_s for row in rows]),
        hashes=np.frombuffer(b"".join(row.pdq for row in rows), np.uint8).reshape(-1, 32),
        qualities=np.array([row.quality for row in rows], dtype=np.int64),
        thumbnails=np.frombuffer(b"".join(row.thumbnail for row in rows), np.uint8).reshape(-1, SIDE, SIDE),
    )
