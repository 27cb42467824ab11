"""`clipproof audit fit` and `audit adapt`: heads of one's own."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from clipproof.cli.output import Json, emit, out, progress, say

_Encoder = Annotated[
    str | None, typer.Option(help="open_clip architecture, or local-dir:FOLDER.", metavar="NAME")
]
_Checkpoint = Annotated[
    str | None, typer.Option(help="Its weights: a file, or a pretrained tag.", metavar="PATH")
]
_Device = Annotated[str, typer.Option(help="Where the encoder runs: cpu, cuda.")]


def fit(
    clips: Annotated[Path, typer.Option(help="Folder that the manifest's paths are in.")],
    manifest: Annotated[
        Path,
        typer.Option(
            help="CSV: path, split (fit, report), label (ai, real), source, group, width, height, fps, frames, bytes."
        ),
    ],
    out_path: Annotated[
        Path, typer.Option("--out", "-o", help="Folder to write the head to; its name is the head's.")
    ],
    encoder: _Encoder = None,
    checkpoint: _Checkpoint = None,
    vit: Annotated[bool, typer.Option("--vit", help="Use the encoder of the extra `vit`.")] = False,
    device: _Device = "cpu",
    cache: Annotated[
        Path | None, typer.Option(help="Folder for measured features; default: in this home.")
    ] = None,
    robustness: Annotated[bool, typer.Option(help="Also measure re-encoded and downscaled copies.")] = True,
    as_json: Json = False,
) -> None:
    """Fit a head to your own labelled clips, measure it on sources it has not seen, and write its model card."""
    from detector.encoders import Encoder, OpenClipEncoder
    from detector.train import train
    from detector.wheel_encoder import WheelEncoder
    from flows.detection import detector_cache
    from flows.settings import load_settings

    if vit and encoder:
        raise typer.BadParameter("give either --vit or --encoder", param_hint="--vit")
    chosen: Encoder | None = None
    if vit:
        chosen = WheelEncoder()
    elif encoder:
        chosen = OpenClipEncoder(encoder, checkpoint, device)
    folder = cache or detector_cache(load_settings())
    with progress() as tell:
        head = train(
            clips, manifest, out_path, cache=folder, encoder=chosen, robustness=robustness, progress=tell
        )
    say(f"head {head.head_id} in {out_path}; read its MODEL_CARD.md before you rely on it")
    data = {
        "schema": "clipproof.head/1",
        "head_id": head.head_id,
        "digest": head.digest,
        "folder": str(out_path),
        "error_rates": head.card["error_rates"],
    }
    emit(data, as_json=as_json, text=lambda: out.print((out_path / "MODEL_CARD.md").read_text("utf-8")))


def adapt(
    folder: Annotated[Path, typer.Argument(help="Folder with clips of one new generator or camera.")],
    out_path: Annotated[Path, typer.Option("--out", "-o", help="Folder to write the adapted head to.")],
    ai: Annotated[bool, typer.Option("--ai", help="The clips are generated.")] = False,
    camera: Annotated[bool, typer.Option("--camera", help="The clips were filmed.")] = False,
    head: Annotated[
        str | None, typer.Option(help="The head to start from: a shipped one, or a folder.")
    ] = None,
    encoder: _Encoder = None,
    checkpoint: _Checkpoint = None,
    device: Annotated[
        str | None, typer.Option(help="Where the encoder runs: cpu, cuda.", show_default=False)
    ] = None,
    strength: Annotated[
        float, typer.Option(min=0.1, max=20.0, help="How much the new source weighs, in sources.")
    ] = 2.0,
    as_json: Json = False,
) -> None:
    """Teach a head a new generator or camera from a handful of clips (five at least); prints before and after.

    What is printed as "after" leaves each clip out of its own adaptation. Use the head with `audit --head FOLDER`.
    """
    from detector.adapt import adapt as adapt_head
    from detector.head import save_head
    from detector.model_card import render_adaptation
    from flows.clip_lists import clips_of
    from flows.detection import detector_cache, detector_of
    from flows.settings import load_settings
    from media import MediaError, atomic_path

    if ai == camera:
        raise typer.BadParameter("say what the clips are: --ai or --camera", param_hint="--ai")
    paths = [Path(clip.name) for clip in clips_of([str(folder)])]
    if not paths:
        raise typer.BadParameter(f"no clip is in {folder}", param_hint="FOLDER")
    named = {"head": head, "encoder": encoder, "encoder_weights": checkpoint, "encoder_device": device}
    settings = load_settings().model_copy(update={name: value for name, value in named.items() if value})
    detector, cache = detector_of(settings), detector_cache(settings)
    features = []
    with progress() as tell:
        for number, path in enumerate(paths):
            tell("measure clips", number / len(paths))
            try:
                examined = detector.examine(path, cache=cache)
            except MediaError as error:
                say(f"left out: {error}", style="yellow")
                continue
            if examined.obstacles:
                say(f"left out: {path}: {examined.obstacles[0]}", style="yellow")
            else:
                features.append(examined.x)
    result = adapt_head(detector.head, features, is_ai=ai, name=folder.resolve().name, strength=strength)
    adapted = replace(result.head, head_id=out_path.name)
    digest = save_head(adapted, out_path)
    with atomic_path(out_path / "MODEL_CARD.md") as temporary:
        temporary.write_text(render_adaptation(adapted.head_id, adapted.card), encoding="utf-8")
    data = {
        "schema": "clipproof.adaptation/1",
        "head_id": adapted.head_id,
        "digest": digest,
        "folder": str(out_path),
        **adapted.card["adaptations"][-1],
    }
    emit(data, as_json=as_json, text=lambda: _print_adaptation(data))


def _print_adaptation(data: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(box=None, header_style="dim")
    for name in (
        f"{data['clips']} clips of {data['source']}",
        "likely AI",
        "inconclusive",
        "likely camera",
        "mean p_ai",
        "AUROC",
    ):
        table.add_column(name)
    for name in ("before", "after"):
        row = data[name]
        shares = (f"{row[k]:.0%}" for k in ("likely_ai", "inconclusive", "likely_camera"))
        table.add_row(name, *shares, f"{row['mean_p_ai']:.2f}", f"{row['auroc']:.2f}")
    out.print(table)
    out.print(f"scores of the other sources move by {data['moved']:.0%} of their spread")
    out.print(f"use it: clipproof audit --head {data['folder']} CLIPS", style="dim")
