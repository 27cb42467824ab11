"""`clipproof produce`: a provable clip from a prompt."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from clipproof.cli.output import Json, emit, out, progress, say

if TYPE_CHECKING:
    from flows.production import Outcome


def produce(
    prompt: Annotated[str, typer.Argument(help="What the clip should show, in Chinese or English.")],
    out_path: Annotated[
        Path | None, typer.Option("--out", "-o", help="A file or a folder; default: this folder.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Which of the possible clips; default 0.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A folder or hub id of a diffusers text-to-video model; default: embedded."),
    ] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What it should not show.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Length.")] = None,
    width: Annotated[int | None, typer.Option(help="Native width asked of the model.")] = None,
    height: Annotated[int | None, typer.Option(help="Native height asked of the model.")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames a second.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    guidance_scale: Annotated[float | None, typer.Option(help="How closely to follow the prompt.")] = None,
    run_id: Annotated[
        str | None, typer.Option(help="Name the run; the same name gives the same clip.")
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Another clip, although this one was made before.")
    ] = False,
    accept_rewrite: Annotated[
        bool, typer.Option(help="Use the policy's rewrite, where it proposes one.")
    ] = False,
    production: Annotated[bool, typer.Option(help="Refuse to sign as a development identity.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Only say what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Turn a prompt into an MP4 that is watermarked, C2PA-signed, audited and recorded.

    The same command gives the same clip, and goes on where an interrupted run stopped. A refused prompt exits with 4
    and says which rule refused it.
    """
    import secrets

    from clipproof.api import produce as produce_clip

    options: dict[str, Any] = {
        "seed": (secrets.randbits(31) if new else 0) if seed is None else seed,
        "model": model,
        "negative_prompt": negative_prompt,
        "seconds": seconds,
        "width": width,
        "height": height,
        "fps": fps,
        "steps": steps,
        "guidance_scale": guidance_scale,
        "run_id": run_id,
        "nonce": secrets.token_hex(8) if new else "",
        "accept_rewrite": accept_rewrite,
    }
    if dry_run:
        return _dry_run(prompt, options, as_json)
    from flows.settings import load_settings

    settings = load_settings()
    if production:
        settings = settings.model_copy(update={"production": True})
    with progress() as tell:
        outcome = produce_clip(prompt, out=out_path, settings=settings, say=say, progress=tell, **options)
    emit({"schema": "clipproof.produce/1", **asdict(outcome)}, as_json=as_json, text=lambda: _print(outcome))
    if outcome.status != "done":
        raise typer.Exit(4)


def _print(outcome: "Outcome") -> None:
    for note in outcome.notes:
        say(note, style="yellow")
    if outcome.status != "done":
        out.print(f"[red]no clip[/]: {escape(outcome.message)}")
        return
    out.print(f"[green]✓[/] {escape(str(outcome.path))}")
    out.print(f"  clip {outcome.clip_id}, run {outcome.run_key}")
    if outcome.audit:
        out.print(
            f"  [dim]our own detector on it: {outcome.audit['verdict']} (p_ai {outcome.audit['p_ai']:.2f})[/]"
        )


def _dry_run(prompt: str, options: dict[str, Any], as_json: bool) -> None:
    from flows.policies import guard_in_force, policy_in_force
    from flows.production import Job
    from flows.settings import load_settings
    from generator import safety

    settings = load_settings()
    job = Job(prompt=prompt, **options)
    request = asdict(job.request())
    decision = safety.check_prompt(prompt, policy=policy_in_force(settings), guard=guard_in_force(settings))
    data = {
        "schema": "clipproof.plan/1",
        "run_key": job.run_key,
        "decision": decision.as_record(),
        "request": request,
    }

    def text() -> None:
        out.print(f"run {job.run_key}: the policy says {decision.action.value}; nothing was written")
        for name, value in request.items():
            if value is not None:
                out.print(f"  {name}: {escape(str(value))}")

    emit(data, as_json=as_json, text=text)
    if decision.action in ("block", "review", "rewrite"):
        raise typer.Exit(4)
