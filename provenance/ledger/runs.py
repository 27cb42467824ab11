"""Runs, and what the policy decided about them."""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, insert, select, update

from provenance.ledger import log
from provenance.ledger.entities import insert_row, now, prompt_id
from provenance.ledger.errors import RunFinished, RunKeyTaken, RunUnknown
from provenance.ledger.records import Json, RecordedDecision, Run, RunStatus, clip_id_hex
from provenance.ledger.schema import generation_run, prompt, safety_decision


def reserve(
    connection: Connection,
    key: str,
    request: Json,
    *,
    prompt: str | None = None,
    flow_run_id: str | None = None,
    campaign: str | None = None,
    variant: str | None = None,
    draw: Callable[[], int] = lambda: secrets.randbits(64),
) -> Run:
    """The run of `key`, made with a fresh clip id and salt where there is none. Raises `RunKeyTaken`.

    Of the prompt a salted commitment is kept: with a plain hash whoever reads the ledger could try prompts, also after
    the text was erased. The key itself may be such a hash; it is in no log entry and is erased with the rest.
    """
    run = find(connection, key)
    salt = run.salt if run is not None and run.salt else secrets.token_bytes(16)
    kept = dict(request)
    if prompt is not None:
        kept["prompt_commitment"] = commitment(salt, hashlib.sha256(prompt.encode()).digest()).hex()
    if run is not None:
        if run.request != kept:
            raise RunKeyTaken(
                f"run key {key!r} belongs to another request",
                hint="Choose another --run-id, or leave it out.",
            )
        if flow_run_id is None or flow_run_id == run.flow_run_id:
            return run
        # A continued run has a new flow run: the one that works on it now is the one to look at.
        connection.execute(
            update(generation_run).where(generation_run.c.key == key).values(flow_run_id=flow_run_id)
        )
        return get(connection, key)
    clip_id = draw()
    while connection.execute(
        select(generation_run.c.id).where(generation_run.c.clip_id == clip_id)
    ).one_or_none():
        clip_id = draw()  # 3 % likely ever, at 10^9 clips
    moment = now()
    connection.execute(
        insert(generation_run).values(
            key=key,
            clip_id=clip_id,
            salt=salt,
            status="pending",
            request=kept,
            flow_run_id=flow_run_id,
            campaign=campaign,
            variant=variant,
            created=moment,
            updated=moment,
        )
    )
    return get(connection, key)


def commitment(salt: bytes, digest: bytes) -> bytes:
    """SHA-256(salt ‖ digest): says nothing of what the digest is of, until the salt is told too."""
    return hashlib.sha256(salt + digest).digest()


def find(connection: Connection, key: str) -> Run | None:
    """The run of `key`, or None."""
    row = connection.execute(select(generation_run).where(generation_run.c.key == key)).one_or_none()
    return None if row is None else run_of_row(row._mapping)


def get(connection: Connection, key: str) -> Run:
    """The run of `key`. Raises `RunUnknown`."""
    run = find(connection, key)
    if run is None:
        raise RunUnknown(f"no run has the key {key!r}", hint="Reserve the run first.")
    return run


def set_status(connection: Connection, key: str, status: RunStatus, reason: str | None = None) -> None:
    """Moves a run on. Raises `RunUnknown`, and `RunFinished` where it already ended with a clip."""
    if get(connection, key).status == "done":
        raise RunFinished(f"run {key!r} ended with a clip", hint="Ask for another with --new.")
    connection.execute(
        update(generation_run)
        .where(generation_run.c.key == key)
        .values(status=status, reason=reason, updated=now())
    )


def record_decision(
    connection: Connection,
    run_key: str,
    decision: Json,
    *,
    stage: Literal["prompt", "frames"],
    prompt_sha256: bytes | None,
    prompt_salt: bytes | None,
    prompt_text: str | None,
) -> int:
    """The row of a decision; the same one recorded again (a continued run) is the same row."""
    run_id = _row_id(connection, run_key)
    of_prompt = (
        None
        if prompt_sha256 is None
        else prompt_id(connection, prompt_sha256, salt=prompt_salt, text=prompt_text)
    )
    for known in _decisions(connection, generation_run.c.id == run_id):
        same_prompt = known.prompt_sha256 == prompt_sha256
        if known.stage == stage and same_prompt and known.decision == dict(decision):
            return known.id
    return insert_row(
        connection,
        safety_decision,
        generation_run_id=run_id,
        prompt_id=of_prompt,
        stage=stage,
        action=decision["action"],
        policy_version=decision["policy_version"],
        decision=dict(decision),
        created=now(),
    )


def refuse(connection: Connection, run_key: str, decision_id: int, reason: str | None) -> None:
    """Ends a run by the policy's decision, and logs it once. Raises `RunFinished`."""
    before = get(connection, run_key)
    set_status(connection, run_key, "refused", reason)
    if before.status != "refused":
        (decision,) = _decisions(connection, safety_decision.c.id == decision_id)
        body = {
            # The clip id, though there is no clip: random, unlike the run's key, which may be a hash of the prompt.
            "clip_id": clip_id_hex(before.clip_id),
            "action": decision.action,
            "policy_version": decision.policy_version,
            "prompt": decision.prompt_sha256.hex() if decision.prompt_sha256 else None,
        }
        log.append(connection, "run.refused", body)


def decisions_of(connection: Connection, run_key: str) -> tuple[RecordedDecision, ...]:
    """The decisions about a run, in the order in which they were made."""
    return tuple(_decisions(connection, generation_run.c.key == run_key))


def run_of_row(columns: Mapping[Any, Any]) -> Run:
    """The columns of `generation_run`, from a row that may have others too, as a record."""
    names = (field.name for field in fields(Run))
    return Run(**{name: columns[generation_run.c[name]] for name in names})


def _row_id(connection: Connection, run_key: str) -> int:
    get(connection, run_key)
    row_id: int = connection.execute(
        select(generation_run.c.id).where(generation_run.c.key == run_key)
    ).scalar_one()
    return row_id


def _decisions(connection: Connection, condition: ColumnElement[bool]) -> list[RecordedDecision]:
    query = (
        select(safety_decision, prompt.c.sha256, prompt.c.text)
        .join(generation_run, safety_decision.c.generation_run_id == generation_run.c.id)
        .outerjoin(prompt, safety_decision.c.prompt_id == prompt.c.id)
        .where(condition)
        .order_by(safety_decision.c.id)
    )
    return [
        RecordedDecision(
            id=row.id,
            stage=row.stage,
            action=row.action,
            policy_version=row.policy_version,
            decision=row.decision,
            prompt_sha256=row.sha256,
            prompt_text=row.text,
            created=row.created,
        )
        for row in connection.execute(query)
    ]
