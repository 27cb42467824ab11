"""Decide again what was decided, with the policy that decided it."""

from typing import Any

from flows.home import Home
from flows.policies import guard_in_force, kept_policy
from generator.safety import check_prompt
from generator.safety.errors import GuardError
from generator.safety.guard import Guard
from provenance.errors import ProvenanceError
from provenance.ledger import RecordedDecision, RunUnknown, canonical_json
from provenance.manifest import PromptCommitment


class PromptNotKept(ProvenanceError):
    """The ledger holds only the hash of a prompt."""


def replay_run(home: Home, run_key: str, prompt: str | None = None) -> list[dict[str, Any]]:
    """One row per decision on a prompt of the run: the recorded one, the replayed one, and whether they agree.

    `prompt` stands in where the ledger keeps only the salted hash, and must have that hash. Raises
    `PromptNotKept`, PolicyError where a policy is not kept, RunUnknown.
    """
    run = home.ledger.run(run_key)
    if run is None:
        raise RunUnknown(f"no run {run_key}", hint="`clipproof review list` and `ledger show` name runs.")
    rows = []
    for decided in home.ledger.decisions(run_key):
        if decided.stage != "prompt":
            continue
        text = decided.prompt_text
        if text is None:
            text = prompt
            if text is not None and text.endswith("\n") and not _is_of(text, run.salt, decided):
                text = text.removesuffix("\n").removesuffix("\r")  # what an editor or `echo` adds
            if text is None or not _is_of(text, run.salt, decided):
                raise PromptNotKept(
                    "the ledger keeps only the hash of this prompt, and "
                    + ("none was given" if prompt is None else "the given one has another"),
                    hint="Give the exact text with --prompt FILE.",
                )
        policy = kept_policy(home.settings, decided.policy_version)
        guard = _same_guard(home, decided.decision.get("guard"))
        replayed = check_prompt(text, policy=policy, guard=guard).as_record() | {"text_sha256": None}
        if decided.prompt_text is None:
            replayed = without_text(replayed)
        rows.append(
            {
                "action": decided.action,
                "policy_version": decided.policy_version,
                "same": canonical_json(dict(decided.decision)) == canonical_json(replayed),
                "recorded": dict(decided.decision),
                "replayed": replayed,
            }
        )
    if not rows:
        raise PromptNotKept(f"run {run_key} has no decision on a prompt", hint="There is nothing to replay.")
    return rows


def _same_guard(home: Home, name: str | None) -> Guard | None:
    if name is None:
        return None
    guard = guard_in_force(home.settings)
    if guard is None or guard.name != name:
        raise GuardError(f"the decision asked guard {name}", hint="Name its folder in CLIPPROOF_GUARD_MODEL.")
    return guard


def without_text(record: dict[str, Any]) -> dict[str, Any]:
    """A decision's record with nothing in it that repeats the prompt; scores of the learned layers stay."""
    matches = [match | {"span": ""} for match in record["matches"]]
    return record | {"normalised": None, "rewrite": None, "changes": [], "matches": matches}


def _is_of(text: str, salt: bytes | None, decided: RecordedDecision) -> bool:
    return salt is not None and PromptCommitment.of(text, salt=salt).digest == decided.prompt_sha256
