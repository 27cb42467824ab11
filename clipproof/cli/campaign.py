"""`clipproof campaign`: scheduled production from one file."""

import os
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from clipproof.cli.output import Json, emit, out, progress, say

app = typer.Typer(help="One brief, many clips, on a schedule.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="A campaign file (YAML); see docs/campaigns.md.")]


@app.command("run")
def run(
    file: File,
    occasion: Annotated[
        str, typer.Option(help="Name of this run; the same name continues it, another makes new clips.")
    ] = "manual",
    production: Annotated[bool, typer.Option(help="Refuse to sign as a development identity.")] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Only list the clips and what the policy says of them.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Produce every clip of the campaign now. Exits with 4 if the policy stopped one, with 5 if one failed."""
    from flows import runtime
    from flows.briefs import read_brief
    from flows.home import check_signer
    from flows.settings import load_settings

    brief = read_brief(file)
    if dry_run:
        return _plan(brief.jobs(occasion), as_json)
    settings = load_settings()
    if production:
        os.environ["CLIPPROOF_PRODUCTION"] = "true"  # the runs of the campaign read their own settings
        settings = load_settings()
    check_signer(settings, say)
    settings.home.mkdir(parents=True, exist_ok=True)
    runtime.use(settings, say=say)
    from flows.campaign import run_campaign

    with progress() as tell:
        rows = run_campaign(brief, occasion, progress=tell)
    _show(brief.name, rows, as_json)
    states = Counter(row["status"] for row in rows)
    if states["failed"]:
        raise typer.Exit(5)
    if states["refused"] or states["review"] or states["rewrite"]:
        raise typer.Exit(4)


@app.command("schedule")
def schedule(file: File, as_json: Json = False) -> None:
    """Let the campaign run by itself on its schedule; starts the local server and worker."""
    from flows import runtime
    from flows.briefs import BriefError, read_brief
    from flows.settings import load_settings

    brief = read_brief(file)
    if brief.schedule is None:
        raise BriefError(f"{file}: has no schedule", hint="Add `schedule: {cron: '0 3 * * *'}`.")
    settings = load_settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    runtime.up(settings, worker=True, say=say)
    runtime.use(settings)
    from flows.campaign import schedule as deploy

    deployment = deploy(settings, brief)
    emit(
        {"schema": "clipproof.schedule/1", "campaign": brief.name, "deployment": deployment}
        | brief.schedule.model_dump(),
        as_json=as_json,
        text=lambda: out.print(
            f"{escape(brief.name)} runs at {escape(brief.schedule.cron)} ({brief.schedule.timezone})"  # type: ignore[union-attr]
        ),
    )


@app.command("unschedule")
def unschedule(file: File, as_json: Json = False) -> None:
    """Take the schedule away; clips stay."""
    from flows import runtime
    from flows.briefs import read_brief
    from flows.settings import load_settings

    brief = read_brief(file)
    runtime.use(load_settings(), say=say)
    from flows.campaign import unschedule as remove

    removed = remove(brief)
    emit(
        {"schema": "clipproof.schedule/1", "campaign": brief.name, "removed": removed},
        as_json=as_json,
        text=lambda: out.print("no longer scheduled" if removed else "was not scheduled"),
    )


@app.command("status")
def status(file: File, as_json: Json = False) -> None:
    """What the campaign has produced, and when it runs next."""
    from contextlib import ExitStack

    from flows import runtime
    from flows.briefs import read_brief
    from flows.home import ledger_if_any
    from flows.settings import load_settings
    from provenance.ledger import clip_id_hex

    brief, settings = read_brief(file), load_settings()
    with ExitStack() as stack:
        ledger = ledger_if_any(settings)
        clips = []
        if ledger is not None:
            stack.enter_context(ledger)
            clips = [clip for clip in ledger.clips(100_000) if clip.campaign == brief.name]
    times = []
    if runtime.status(settings).api_url:
        runtime.use(settings)
        from flows.campaign import scheduled_runs

        times = [time.isoformat() for time in scheduled_runs(brief)]
    data = {
        "schema": "clipproof.campaign-status/1",
        "campaign": brief.name,
        "clips": [
            {"clip_id": clip_id_hex(c.clip_id), "run_key": c.run_key, "recorded": c.created} for c in clips
        ],
        "next_runs": times,
    }

    def text() -> None:
        out.print(f"{escape(brief.name)}: {len(clips)} clips recorded")
        out.print(f"next run: {times[0] if times else 'not scheduled, or the server is down'}")

    emit(data, as_json=as_json, text=text)


def _plan(jobs: list[Any], as_json: bool) -> None:
    from flows.policies import guard_in_force, policy_in_force
    from flows.settings import load_settings
    from generator.safety import check_prompt

    settings = load_settings()
    policy, guard = policy_in_force(settings), guard_in_force(settings)
    rows = [
        {
            "variant": job.variant,
            "seed": job.seed,
            "status": check_prompt(job.prompt, policy=policy, guard=guard).action.value,
            "prompt": job.prompt,
        }
        for job in jobs
    ]
    _show("plan", rows, as_json)


def _show(name: str, rows: list[dict[str, Any]], as_json: bool) -> None:
    def text() -> None:
        table = Table(box=None, header_style="dim")
        for column in ("variant", "status", "clip", "prompt", ""):
            table.add_column(column, overflow="fold")
        for row in rows:
            told = (row["variant"], row["status"], row.get("clip_id"), row["prompt"], row.get("error") or "")
            table.add_row(*(escape(str(cell or "")) for cell in told))
        out.print(table)

    emit({"schema": "clipproof.campaign/1", "campaign": name, "rows": rows}, as_json=as_json, text=text)
