"""`clipproof ledger`: what was recorded."""

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from clipproof.cli import erase, log
from clipproof.cli.output import Json, emit, out

app = typer.Typer(help="What was recorded.", no_args_is_help=True)
app.add_typer(log.app, name="log")
app.command("erase")(erase.erase)


@app.command("show")
def show(
    clip_id: Annotated[
        str | None, typer.Argument(help="16 hex digits; without it, the newest clips.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many clips to list.")] = 20,
    as_json: Json = False,
) -> None:
    """One clip with its whole lineage, or the newest clips."""
    from flows.settings import load_settings
    from provenance.ledger import connect

    with connect(load_settings().ledger_url) as ledger:
        if clip_id is None:
            return _list(ledger, limit, as_json)
        row = ledger.clip(clip_number(clip_id))
    if row is None:
        raise typer.BadParameter(f"there is no clip {clip_id} in this ledger", param_hint="CLIP_ID")
    told = clip_json(row)

    def text() -> None:
        for name, value in told.items():
            out.print(f"[dim]{name.replace('_', ' '):<16}[/] {escape(_plain(value))}")

    emit({"schema": "clipproof.clip/1", **told}, as_json=as_json, text=text)


def _list(ledger: Any, limit: int, as_json: bool) -> None:
    from provenance.ledger import clip_id_hex

    rows = [
        {
            "clip_id": clip_id_hex(clip.clip_id),
            "recorded": clip.created.isoformat(),
            "source": clip.source,
            "campaign": clip.campaign,
            "variant": clip.variant,
            "run_key": clip.run_key,
        }
        for clip in ledger.clips(limit)
    ]

    def text() -> None:
        table = Table(box=None, header_style="dim")
        for name in ("clip_id", "recorded", "source", "campaign", "variant", "run_key"):
            table.add_column(name)
        for row in rows:
            table.add_row(*(escape(str(value or "")) for value in row.values()))
        out.print(table if rows else "no clips yet")

    emit({"schema": "clipproof.clips/1", "clips": rows}, as_json=as_json, text=text)


def clip_json(row: Any) -> dict[str, Any]:
    """A ledger row as JSON types; binary digests as hex."""
    from provenance.ledger import clip_id_hex

    made = row.generation
    return {
        "clip_id": clip_id_hex(row.clip_id),
        "recorded": row.created.isoformat(),
        "source": row.source,
        "run_key": row.run.key,
        "campaign": row.run.campaign,
        "variant": row.run.variant,
        "asset_sha256": row.asset.sha256.hex(),
        "size": row.asset.size,
        "stream_digest": row.streams.digest.hex(),
        "derived_from": [{"asset_sha256": edge.used.hex(), "role": edge.role} for edge in row.edges],
        "decisions": [
            {
                "stage": d.stage,
                "action": d.action,
                "policy_version": d.policy_version,
                "prompt": d.prompt_text,
            }
            for d in row.decisions
        ],
        "generation": None
        if made is None
        else {"model": made.model, "seed": made.seed, "software": f"{made.software} {made.software_version}"}
        | {"params": dict(made.params)},
        "marks": [
            {"scheme": m.scheme, "clip_id": clip_id_hex(m.payload)} | dict(m.details) for m in row.marks
        ],
        "labels": [{"kind": one.kind} | dict(one.details) for one in row.labels],
        "manifest": None
        if row.manifest is None
        else {"label": row.manifest.label, "signer": row.manifest.signer},
        "fingerprint_frames": 0 if row.fingerprint is None else len(row.fingerprint),
        "audit": None if row.audit is None else {k: row.audit[k] for k in ("verdict", "p_ai", "head_id")},
    }


def clip_number(text: str) -> int:
    if len(text) != 16 or not set(text.lower()) <= set("0123456789abcdef"):
        raise typer.BadParameter("a clip id is 16 hex digits", param_hint="CLIP_ID")
    return int(text, 16)


def _plain(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(_plain(one) for one in value) or "–"
    if isinstance(value, dict):
        return ", ".join(f"{name}={_plain(one)}" for name, one in value.items())
    return "–" if value is None else str(value)
