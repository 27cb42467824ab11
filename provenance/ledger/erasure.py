"""Forgetting what a person may ask us to forget, while the log and every signed clip still hold.

The log and the manifests hold salted commitments: without the salt nobody, we included, can show what they are of. So
erasing a text and its salt erases it everywhere that we can reach. Not reached: signed files that name a person,
backups, and Prefect's own database, which is disposable.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, select, update

from provenance.ledger import log, reviewing, runs
from provenance.ledger.errors import RunUnknown
from provenance.ledger.records import clip_id_hex
from provenance.ledger.schema import (
    agent,
    generation,
    generation_run,
    prompt,
    review_event,
    review_item,
    safety_decision,
)

# What a decision and a generation say in words of the prompt, or as a hash that could be guessed.
_DECISION_WORDS: dict[str, Any] = {"normalised": None, "rewrite": None, "text_sha256": None, "changes": []}
# Of a rule that fired: its explanation and its proposed change are made with the words that were read.
_MATCH_WORDS = {"span": "", "explanation": "", "change": ""}
_PARAMETER_WORDS = ("prompt", "negative_prompt", "prompt_report", "request_digest", "adjustments")


@dataclass(frozen=True, slots=True)
class Erasure:
    """Rows touched, by table; and the key that the run had, under which its work folder may lie."""

    rows: dict[str, int]
    run_key: str | None = None


def erase_prompt(connection: Connection, name: str) -> Erasure:
    """Erases the prompt of a run, named by its key or its clip id in hex; an unfinished run ends with it.

    Raises `RunUnknown`.
    """
    run_id, run = _run(connection, name)
    reviewing.withdraw(connection, run.key)
    of_run = safety_decision.c.generation_run_id == run_id
    reviewed = review_item.c.generation_run_id == run_id
    prompts = select(safety_decision.c.prompt_id).where(of_run, safety_decision.c.prompt_id.is_not(None))
    touched = {
        "prompt": connection.execute(
            update(prompt).where(prompt.c.id.in_(prompts)).values(text=None, salt=None)
        ).rowcount,
        "safety_decision": 0,
        "generation": 0,
        "review_item": connection.execute(update(review_item).where(reviewed).values(reason=None)).rowcount,
        "review_event": connection.execute(
            update(review_event)
            .where(review_event.c.review_item_id.in_(select(review_item.c.id).where(reviewed)))
            .where(review_event.c.note.is_not(None))
            .values(note=None, salt=None)
        ).rowcount,
        "generation_run": 1,
    }
    for row in connection.execute(select(safety_decision).where(of_run)).all():
        said = {**row.decision, **_DECISION_WORDS}
        said["matches"] = [{**match, **_MATCH_WORDS} for match in said.get("matches", ())]
        connection.execute(
            update(safety_decision).where(safety_decision.c.id == row.id).values(decision=said)
        )
        touched["safety_decision"] += 1
    made = select(generation.c.params).where(generation.c.clip_id == run.clip_id)
    params = connection.execute(made).scalar_one_or_none()
    if params is not None:
        connection.execute(
            update(generation)
            .where(generation.c.clip_id == run.clip_id)
            .values(params=_without_words(params))
        )
        touched["generation"] = 1
    connection.execute(
        update(generation_run)
        .where(generation_run.c.id == run_id)
        .values(
            key=f"erased-{clip_id_hex(run.clip_id)}",
            status=run.status if run.status == "done" else "refused",
            salt=None,
            reason=None,
            request={"erased": True},
        )
    )
    log.append(connection, "erased", {"what": "prompt", "clip_id": clip_id_hex(run.clip_id)})
    return Erasure(touched, run.key)


def erase_person(connection: Connection, name: str) -> Erasure:
    """Erases a person's name and what they wrote; no rows where nobody has that name."""
    of_person = (agent.c.kind == "person") & (agent.c.name == name)
    ids = list(connection.execute(select(agent.c.id).where(of_person)).scalars())
    if not ids:
        return Erasure({})
    reviewing.void_approvals(connection, ids)
    said = review_item.c.reviewer_id.in_(ids) | review_item.c.reason.contains(name, autoescape=True)
    noted = review_event.c.agent_id.in_(ids) | review_event.c.note.contains(name, autoescape=True)
    touched = {
        "review_item": connection.execute(update(review_item).where(said).values(reason=None)).rowcount,
        "review_event": connection.execute(
            update(review_event).where(noted, review_event.c.note.is_not(None)).values(note=None, salt=None)
        ).rowcount,
        "agent": len(ids),
    }
    for number in ids:
        connection.execute(
            update(agent).where(agent.c.id == number).values(name=f"erased person {number}", key_id="")
        )
    log.append(connection, "erased", {"what": "person"})
    return Erasure(touched)


def scrub(engine: Engine) -> None:
    """Makes the bytes of erased values unreadable in a SQLite file: rewrites it and empties the write-ahead log.

    PostgreSQL keeps old row versions until they are vacuumed; that is its administrator's to schedule.
    """
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        for statement in ("PRAGMA secure_delete=ON", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            raw.execute(statement).fetchall()


def _run(connection: Connection, name: str) -> tuple[int, Any]:
    run = runs.find(connection, name)
    if run is None and len(name) == 16:
        try:
            by_clip = select(generation_run.c.key).where(generation_run.c.clip_id == int(name, 16))
            key = connection.execute(by_clip).scalar_one_or_none()
        except ValueError:
            key = None
        run = None if key is None else runs.find(connection, key)
    if run is None:
        raise RunUnknown(f"no run has the key or clip id {name!r}", hint="See `clipproof ledger show`.")
    run_id = connection.execute(
        select(generation_run.c.id).where(generation_run.c.key == run.key)
    ).scalar_one()
    return run_id, run


def _without_words(params: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in params.items() if name not in _PARAMETER_WORDS}
    if isinstance(kept.get("arguments"), dict):
        kept["arguments"] = {n: v for n, v in kept["arguments"].items() if n not in _PARAMETER_WORDS}
    return kept
