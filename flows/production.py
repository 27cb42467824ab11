"""One clip from one prompt, up to its pictures: the job, the policy's decision, generation, the frame check.

Plain functions that `flows.produce` runs as Prefect tasks; `flows.finishing` has the rest. A run that is killed
anywhere goes on from its last whole step: what a step leaves in the run's work folder appears by an atomic rename.
Steps pass names and digests, never frames.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import generator
from flows import reviewing
from flows.home import Home
from flows.policies import guard_in_force, keep_policy, policy_in_force
from flows.raw import RAW_NAME, read_raw, write_raw
from flows.replay import without_text
from flows.settings import load_settings
from flows.work import Progress
from generator import safety
from provenance.ledger import Run, canonical_json
from provenance.manifest import PromptCommitment


@dataclass(frozen=True, slots=True)
class Job:
    """One clip that is asked for: the fields of a `GenerationRequest`, and how to go about it.

    Flat and JSON-able, so that a schedule can carry it.
    """

    prompt: str
    seed: int = 0
    model: str | None = None
    negative_prompt: str | None = None
    seconds: float | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    image: str | None = None
    last_image: str | None = None
    lora: tuple[str, ...] = ()
    quantize: Literal["8bit", "4bit"] | None = None
    loop: bool = False
    enhance: bool = False
    run_id: str | None = None  # the run key, where the caller chooses it
    nonce: str = ""  # makes another clip of an equal request
    accept_rewrite: bool = False
    campaign: str | None = None
    variant: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "lora", tuple(self.lora))  # a list, where the job came as JSON

    def request(self, prompt: str | None = None) -> generator.GenerationRequest:
        """What the model is asked for. Raises `generator.errors.RequestError`."""
        names = {field.name for field in fields(generator.GenerationRequest)}
        asked = {name: value for name, value in asdict(self).items() if name in names}
        return generator.GenerationRequest(**asked | ({} if prompt is None else {"prompt": prompt}))

    def recorded(self) -> dict[str, Any]:
        """What tells this job from another: files by the SHA-256 of their bytes, wherever they lie.

        What came after the first edition is left out where it is not asked for, so that older runs keep their keys.
        Raises `generator.errors.RequestError`.
        """
        asked = asdict(self)
        canonical = self.request().canonical()
        for name in ("image", "last_image", "lora", "quantize", "loop", "enhance"):
            del asked[name]
            if name in canonical:
                asked[name] = canonical[name]
        return asked

    @property
    def run_key(self) -> str:
        """Equal jobs under the same policy have equal keys, and so one clip."""
        if self.run_id:
            return self.run_id
        settings = load_settings()
        asked = self.recorded() | {"policy_version": policy_in_force(settings).version}
        if settings.guard_model is not None:
            asked["guard"] = str(settings.guard_model)
        return hashlib.sha256(canonical_json(asked).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `status`: `done`, or why there is no clip."""

    status: Literal["done", "refused", "review", "rewrite"]
    run_key: str
    clip_id: str | None = None
    path: str | None = None
    asset_sha256: str | None = None
    decision: Mapping[str, Any] | None = None
    message: str = ""
    notes: tuple[str, ...] = ()
    audit: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Cleared:
    """A prompt that may be generated."""

    prompt: str
    decision_id: int
    policy_version: str
    labelled: bool  # `allow_label`: the visible labels must be burnt in


def reserve(home: Home, job: Job, flow_run_id: str | None) -> Run:
    """The run of this job, with its clip id. The prompt itself does not go into the request that is kept."""
    return home.ledger.reserve_run(
        job.run_key,
        job.recorded() | {"prompt": None},
        prompt=job.prompt,
        flow_run_id=flow_run_id,
        campaign=job.campaign,
        variant=job.variant,
    )


def clear_prompt(home: Home, job: Job, run: Run) -> Cleared | Outcome:
    """The policy's decision, recorded; a `Cleared` prompt, or how the run ends."""
    policy = policy_in_force(home.settings)
    keep_policy(home.settings, policy)
    guard = guard_in_force(home.settings)
    decision = safety.check_prompt(job.prompt, policy=policy, guard=guard)
    prompt = job.prompt
    notes = decision.notes
    if decision.action in ("rewrite", "review") and job.accept_rewrite and decision.rewrite:
        # Two rows: the prompt as asked with its decision and the changes, then the prompt as used with its own.
        _note_decision(home, run, decision, prompt, refused=False)
        prompt = decision.rewrite
        decision = safety.check_prompt(prompt, policy=policy, guard=guard)
    ended = Outcome("refused", run.key, decision=decision.as_record(), notes=notes)
    if decision.action == "block" or (decision.action == "review" and not decision.overridable):
        # What no person may approve waits for nobody.
        _note_decision(home, run, decision, prompt, refused=True)
        return replace(ended, message=_reasons(decision))
    decision_id = _note_decision(home, run, decision, prompt, refused=False)
    if decision.action == "rewrite":
        return replace(
            ended,
            status="rewrite",
            message=f"{_reasons(decision)}{_proposed(decision)}",
        )
    if decision.action == "review":
        waits = _review(home, run, decision, decision_id, ended)
        if waits is not None:
            return waits
    home.ledger.set_run_status(run.key, "running")
    return Cleared(prompt, decision_id, decision.policy_version, decision.action == "allow_label")


def generate_frames(home: Home, job: Job, cleared: Cleared, folder: Path, progress: Progress) -> None:
    """`raw.npz`: native frames and the exact parameters that made them."""
    if (folder / RAW_NAME).exists():
        return
    made = generator.generate(
        job.request(cleared.prompt),
        threads=home.settings.threads,
        offload=None if home.settings.offload == "auto" else home.settings.offload,
        progress=lambda done, total: progress("generate", done / total),
    )
    # What is enough to tell whether another run made the same pictures, without keeping them.
    digest = hashlib.sha256(repr(made.frames.shape).encode() + made.frames.tobytes()).hexdigest()
    write_raw(folder, made.frames, made.fps, dict(made.params) | {"frames_sha256": digest})


def check_frames(home: Home, run: Run, folder: Path) -> Outcome | None:
    """The frame check, recorded; None where the pictures may be shown."""
    frames, fps, _ = read_raw(folder)
    policy = policy_in_force(home.settings)
    keep_policy(home.settings, policy)
    decision = safety.check_frames(frames, fps=float(fps), policy=policy)
    record = json.loads(decision.to_json())
    if decision.action in ("block", "review"):
        home.ledger.record_refusal(
            run.key, record, stage="frames", reason="the frame check refused the pictures"
        )
        message = (
            f"the pictures themselves were refused ({', '.join(decision.codes)}); ask with another --seed"
            + "".join(
                f"\n  {one.start_s:.2f}-{one.end_s:.2f} s: {one.explanation}" for one in decision.findings
            )
        )
        return Outcome("refused", run.key, decision=record, message=message)
    home.ledger.record_decision(run.key, record, stage="frames")
    return None


def _review(
    home: Home, run: Run, decision: safety.Decision, decision_id: int, ended: Outcome
) -> Outcome | None:
    """What a person said of the prompt, or that one is asked; None where it was approved."""
    review = reviewing.ask(home.ledger, home.settings, run.key, decision_id)
    if review.status == "approved":
        return None
    if review.status == "rejected":
        home.ledger.set_run_status(run.key, "refused", f"review {review.id}: {review.reason}")
        return replace(ended, message=f"Rejected by {review.reviewer}: {review.reason}")
    if review.status == "expired":
        told = (
            f"Review {review.id} expired: {review.reason}. `clipproof review reopen {review.id}` asks again."
        )
        return replace(ended, status="review", message=told)
    stands = reviewing.standing(home.settings, review)
    how = f"`clipproof review approve {review.id}` lets the same command go on."
    return replace(
        ended,
        status="review",
        message=f"{_reasons(decision)}\nReview {review.id}: {stands}. {how}{_proposed(decision)}",
    )


def _note_decision(home: Home, run: Run, decision: safety.Decision, prompt: str, *, refused: bool) -> int:
    """Record a decision; the text stays out of the ledger where it must, or where the run is refused."""
    # A plain hash of the text could be guessed; the salted one stands in the prompt's own row.
    record = dict(decision.as_record()) | {"text_sha256": None}
    keep = decision.normalised is not None and (not refused or home.settings.keep_refused_prompts)
    if not keep:
        record = without_text(record)
    commitment = PromptCommitment.of(prompt, salt=run.salt)
    note = home.ledger.record_refusal if refused else home.ledger.record_decision
    return note(
        run.key,
        record,
        commitment.digest,
        prompt if keep else None,
        prompt_salt=commitment.salt,
    )


def _proposed(decision: safety.Decision) -> str:
    """The lines of a message that offer the rewrite; empty where there is none that the policy would allow."""
    if not decision.rewrite:
        return ""
    changes = "".join(f"\n  - {change.old or '∅'}\n  + {change.new or '∅'}" for change in decision.changes)
    return f"\nProposed: {decision.rewrite}{changes}\nUse it with --accept-rewrite."


def _reasons(decision: safety.Decision) -> str:
    told = dict.fromkeys(
        f"{match.code} ({match.rule_id}): {match.explanation} {match.change}".strip()
        for match in decision.matches
        if match.action == decision.action
    )
    return f"{decision.action.value} by policy {decision.policy_version}: " + "; ".join(told)
