"""`clipproof produce`: a provable clip from a prompt."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape

from clipproof.cli.changes import lines_of
from clipproof.cli.failures import ENVIRONMENT, POLICY
from clipproof.cli.forecast import plan_lines
from clipproof.cli.output import Json, emit, out, progress, say

if TYPE_CHECKING:
    from flows.production import Outcome
    from flows.settings import Settings


def produce(
    prompt: Annotated[str, typer.Argument(help="What the clip should show, in Chinese or English.")],
    out_path: Annotated[
        Path | None, typer.Option("--out", "-o", help="A file or a folder; default: this folder.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Which of the possible clips; default 0.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A folder or hub id of a diffusers video model; default: embedded."),
    ] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What it should not show.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Length.")] = None,
    width: Annotated[int | None, typer.Option(help="Native width asked of the model.")] = None,
    height: Annotated[int | None, typer.Option(help="Native height asked of the model.")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames a second.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    guidance_scale: Annotated[float | None, typer.Option(help="How closely to follow the prompt.")] = None,
    image: Annotated[
        Path | None, typer.Option(help="Picture that the clip starts from, for image-to-video models.")
    ] = None,
    last_image: Annotated[Path | None, typer.Option(help="Picture that the clip ends with.")] = None,
    lora: Annotated[
        list[Path] | None, typer.Option(help="LoRA (.safetensors) to fold into the weights; may be repeated.")
    ] = None,
    quantize: Annotated[
        Literal["8bit", "4bit"] | None,
        typer.Option(help="Weights of the large parts in fewer bits; needs CUDA and bitsandbytes."),
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="The end leads back to the beginning.")] = False,
    enhance: Annotated[
        bool, typer.Option("--enhance", help="Add words for what the prompt leaves open, and record them.")
    ] = False,
    offload: Annotated[
        Literal["auto", "none", "model", "sequential"] | None,
        typer.Option(
            help="Which weights wait in main memory: none, whole parts, every layer; default: what free memory asks."
        ),
    ] = None,
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
        "image": None if image is None else str(image),
        "last_image": None if last_image is None else str(last_image),
        "lora": tuple(map(str, lora or ())),
        "quantize": quantize,
        "loop": loop,
        "enhance": enhance,
        "run_id": run_id,
        "nonce": secrets.token_hex(8) if new else "",
        "accept_rewrite": accept_rewrite,
    }
    from flows.settings import load_settings

    chosen: dict[str, Any] = {"production": True} if production else {}
    if offload is not None:
        chosen["offload"] = offload
    settings = load_settings().model_copy(update=chosen)
    if dry_run:
        return _dry_run(prompt, options, settings, as_json)
    with progress() as tell:
        outcome = produce_clip(prompt, out=out_path, settings=settings, say=say, progress=tell, **options)
    emit({"schema": "clipproof.produce/1", **asdict(outcome)}, as_json=as_json, text=lambda: _print(outcome))
    if outcome.status != "done":
        raise typer.Exit(POLICY)


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


def _dry_run(prompt: str, options: dict[str, Any], settings: "Settings", as_json: bool) -> None:
    from flows.policies import guard_in_force, policy_in_force
    from flows.production import Job
    from generator import plan_generation, safety
    from generator.errors import InsufficientMemoryError

    job = Job(prompt=prompt, **options)
    request = job.request()
    decision = safety.check_prompt(prompt, policy=policy_in_force(settings), guard=guard_in_force(settings))
    offload = None if settings.offload == "auto" else settings.offload
    plan = plan_generation(request, offload=offload, download=False)
    report = plan.report(settings.threads, settings.work_folder)
    problem = None
    try:
        plan.check(settings.work_folder)
    except InsufficientMemoryError as error:
        problem = {"error": str(error), "hint": error.hint}
    data = {
        "schema": "clipproof.plan/1",
        "run_key": job.run_key,
        "decision": decision.as_record(),
        "request": asdict(request),
        "plan": report,
        "problem": problem,
    }

    def text() -> None:
        out.print(f"run {job.run_key}: the policy says {decision.action.value}; nothing was written")
        for note in decision.notes:
            say(note, style="yellow")
        if decision.rewrite:
            out.print(f"  proposed: {escape(decision.rewrite)}")
        for line in lines_of(decision.changes):
            out.print(f"    {line}")
        for line in plan_lines(report):
            out.print(f"  {escape(line)}")
        if problem is not None:
            say(f"error: {problem['error']}", style="red")
            say(f"       {problem['hint']}")

    emit(data, as_json=as_json, text=text)
    if decision.action in ("block", "review", "rewrite"):
        raise typer.Exit(POLICY)
    if problem is not None:
        raise typer.Exit(ENVIRONMENT)
