"""The Prefect flow `produce`: one clip from one prompt, each step a task with its own retries."""

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.context import FlowRunContext

from flows import finishing, production
from flows.home import Home, open_home
from flows.production import Cleared, Job, Outcome
from flows.raw import read_raw
from flows.settings import Settings, load_settings
from flows.stamping import stamp_due
from flows.tasks import step
from flows.work import Progress, exclusive
from media import require_writable
from provenance.ledger import ClipRow, RecordedDecision, Run, clip_id_hex
from provenance.manifest import PromptCommitment

_clear_prompt = step("decide", 1, 5, 20)(production.clear_prompt)
_generate = step("generate", 30)(production.generate_frames)
_check_frames = step("check frames", 2, 2, 2)(production.check_frames)
_mark = step("mark and encode", 5)(finishing.mark_and_encode)
_sign = step("sign and self-check", 10, 10)(finishing.sign)
_audit = step("audit", 5)(finishing.audit)
_record = step("record", 1, 2, 5, 10, 30)(finishing.record)


@flow(name="produce", persist_result=False)
def produce(job: dict[str, Any], out: str | None = None) -> dict[str, Any]:
    """One clip; `job` has the fields of `flows.production.Job`. For deployments: settings come from the environment."""
    from dataclasses import asdict

    return asdict(_produce(load_settings(), Job(**job), Path(out) if out else None, _silent))


def run_produce(settings: Settings, job: Job, *, out: Path | str | None, progress: Progress) -> Outcome:
    """The same from Python, with progress as it goes; raises what a step raised."""

    @flow(name="produce", persist_result=False, flow_run_name=job.run_key[:12], validate_parameters=False)
    def produce() -> Outcome:
        return _produce(settings, job, Path(out) if out else None, progress)

    return produce()


def _produce(settings: Settings, job: Job, out: Path | None, progress: Progress) -> Outcome:
    # What cannot end well fails here, before anything is made.
    job.request()
    require_writable(_target(out, "clip.mp4"))
    with open_home(settings) as home, exclusive(home, job.run_key) as folder:
        run = production.reserve(home, job, _flow_run_id())
        if run.status != "done":
            ended = _make(home, job, run, folder, progress)
            if ended is not None:
                finishing.forget_work(folder)
                return ended
        row = home.ledger.clip(run.clip_id)
        assert row is not None, "a run that is done has its clip"
        target = _target(out, f"clip-{clip_id_hex(run.clip_id)}.mp4")
        finishing.publish(home, row.asset.sha256, target)
        finishing.forget_work(folder)
        stamp_due(home)
        return Outcome(
            "done",
            run.key,
            clip_id=clip_id_hex(run.clip_id),
            path=str(target),
            asset_sha256=row.asset.sha256.hex(),
            decision=_prompt_decisions(row)[-1].decision,
            notes=_notes(row),
            audit=row.audit,
        )


def _target(out: Path | None, name: str) -> Path:
    """Where the clip goes: `out` itself, or `name` in the folder `out` (by default the current one)."""
    folder = Path() if out is None else out
    return folder / name if folder.is_dir() else folder


def _make(home: Home, job: Job, run: Run, folder: Path, progress: Progress) -> Outcome | None:
    """All steps to a recorded clip; an `Outcome` where the policy ends the run."""
    progress("decide", 0.0)
    cleared = _clear_prompt(home, job, run)
    if isinstance(cleared, Outcome):
        return cleared
    progress("generate", 0.0)
    _generate(home, job, cleared, folder, progress)
    progress("check frames", 0.0)
    refused: Outcome | None = _check_frames(home, run, folder)
    if refused is not None:
        return refused
    progress("mark and encode", 0.0)
    _mark(home, run, folder, labelled=cleared.labelled)
    progress("sign and self-check", 0.0)
    origin = _origin(home, run, cleared, folder)
    _sign(home, run, origin, folder)
    progress("audit", 0.0)
    report = _audit(home.settings, folder)
    progress("record", 0.0)
    _record(home, run, origin, report, folder)
    return None


def _origin(home: Home, run: Run, cleared: Cleared, folder: Path) -> finishing.Origin:
    _, _, params = read_raw(folder)
    return finishing.Origin(
        source="ai",
        title=f"clip-{clip_id_hex(run.clip_id)}.mp4",
        generation=params,
        prompt=PromptCommitment.of(cleared.prompt, salt=run.salt),
        decision_id=cleared.decision_id,
        policy_version=cleared.policy_version,
    )


def _prompt_decisions(row: ClipRow) -> list[RecordedDecision]:
    return [one for one in row.decisions if one.stage == "prompt"]


def _notes(row: ClipRow) -> tuple[str, ...]:
    """A rewritten prompt, the policy's notes, what the model did otherwise than asked, words it does not know."""
    params = row.generation.params if row.generation else {}
    decided = _prompt_decisions(row)
    told = []
    if len(decided) > 1 and decided[0].decision.get("rewrite") == decided[-1].prompt_text:
        told.append(f"the prompt was rewritten to: {decided[-1].prompt_text}")
    told += decided[0].decision.get("notes", ())
    told += [f"{a['what']}: {a['asked']} → {a['given']} ({a['why']})" for a in params.get("adjustments", ())]
    reading = params.get("prompt_report") or {}
    if reading.get("ignored"):
        told.append("the embedded model does not know: " + ", ".join(reading["ignored"]))
    told += [f"left out: {one['words']} ({one['reason']})" for one in reading.get("unused", ())]
    return tuple(told)


def _flow_run_id() -> str | None:
    context = FlowRunContext.get()
    return str(context.flow_run.id) if context and context.flow_run else None


def _silent(_step: str, _share: float) -> None:
    pass
