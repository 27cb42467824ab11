"""`clipproof ledger log`: the transparency log, for its owner and for strangers."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from clipproof.cli.output import Json, emit, out, say

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from provenance.ledger import Checkpoint, Ledger

app = typer.Typer(help="The transparency log: check it, sign it, prove what is in it.", no_args_is_help=True)

Out = Annotated[Path | None, typer.Option("--out", "-o", help="A file instead of standard output.")]


@app.command("verify")
def verify(
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint that was kept elsewhere; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Recompute the whole log, and compare it with checkpoints. Exits with 1 where it is not intact."""
    from flows.settings import load_settings
    from provenance.ledger import connect

    known = [_kept(path) for path in checkpoint or ()]
    with connect(load_settings().ledger_url) as ledger:
        found = ledger.verify_log(*known)
    data = {
        "schema": "clipproof.log/2",
        "intact": found.intact,
        "size": found.size,
        "root": found.root.hex(),
        "problem": found.problem,
        "compared_with": [one.size for one in known],
    }
    emit(
        data,
        as_json=as_json,
        text=lambda: out.print(
            f"{found.size} entries, root {found.root.hex()[:16]}: "
            + ("intact" if found.intact else escape(str(found.problem)))
        ),
    )
    if not found.intact:
        raise typer.Exit(1)


@app.command("checkpoint")
def checkpoint(file: Out = None, as_json: Json = False) -> None:
    """Sign the log as it is now. Give the text to somebody else: it is what a rewritten past shows against."""
    with _open() as (ledger, key):
        signed = ledger.sign_checkpoint(key)
    _write(file, signed.text)
    data = {"schema": "clipproof.checkpoint/1", "size": signed.size, "root": signed.root.hex()}
    emit(
        data | {"checkpoint": signed.text, "path": None if file is None else str(file)},
        as_json=as_json,
        text=lambda: None if file else out.print(escape(signed.text), end=""),
    )


@app.command("prove")
def prove(
    what: Annotated[str, typer.Argument(metavar="CLIP_ID|NUMBER", help="A clip, or the number of an entry.")],
    since: Annotated[
        Path | None, typer.Option(help="An older checkpoint: also prove that the log only grew since.")
    ] = None,
    open_prompt: Annotated[
        bool, typer.Option(help="Also show the prompt that the entry commits to. It is readable then.")
    ] = False,
    file: Out = None,
    as_json: Json = False,
) -> None:
    """Prove that an entry is in the log, as one JSON file that a stranger checks with `ledger log checker`."""
    from provenance.ledger import verifier_key

    older = None if since is None else _kept(since)
    with _open() as (ledger, key):
        entry = _entry(ledger, what)
        signed = ledger.sign_checkpoint(key)
        bundle: dict[str, Any] = {
            "schema": "clipproof.log-proof/1",
            "seq": entry.seq,
            "entry": entry.text,
            "inclusion": [part.hex() for part in ledger.prove_inclusion(entry.seq, signed.size)],
            "checkpoint": signed.text,
            "verifier_key": verifier_key(key.public_key()),
        }
        if older is not None:
            try:
                path = ledger.prove_consistency(older.size, signed.size)
            except ValueError as error:
                raise typer.BadParameter(str(error), param_hint="--since") from None
            bundle["older"] = {"checkpoint": older.text, "consistency": [part.hex() for part in path]}
        if open_prompt:
            bundle["openings"] = _openings(ledger, what)
    text = json.dumps(bundle, ensure_ascii=False, indent=1) + "\n"
    if file is None:
        out.file.write(text)
        return
    _write(file, text)
    emit(
        {"schema": "clipproof.proof-written/1", "path": str(file), "seq": entry.seq, "size": signed.size},
        as_json=as_json,
        text=lambda: out.print(f"{escape(str(file))}: entry {entry.seq} of {signed.size}"),
    )


@app.command("key")
def key(as_json: Json = False) -> None:
    """The log's public key, which whoever checks proofs should have from you and not from the proof."""
    from flows.settings import load_settings
    from provenance.keys import KeyStore
    from provenance.ledger import verifier_key

    text = verifier_key(KeyStore(load_settings().keys_folder).load().checkpoint_key.public_key())
    emit(
        {"schema": "clipproof.log-key/1", "verifier_key": text},
        as_json=as_json,
        text=lambda: out.print(escape(text)),
    )


@app.command("checker")
def checker(file: Out = None) -> None:
    """The program that checks a proof offline: one file that needs Python and `cryptography` alone."""
    from importlib.resources import files

    text = (files("provenance.ledger") / "offline_checker.py").read_text(encoding="utf-8")
    if file is None:
        out.file.write(text)
    else:
        _write(file, text)
        say(f"{file}: python {file.name} PROOF --key KEY")


class _open:  # noqa: N801 (used as a function)
    """The ledger of this home and the key that signs for its log."""

    def __enter__(self) -> "tuple[Ledger, Ed25519PrivateKey]":
        from flows.settings import load_settings
        from provenance.keys import KeyStore
        from provenance.ledger import connect

        settings = load_settings()
        key = KeyStore(settings.keys_folder).load().checkpoint_key
        self._ledger = connect(settings.ledger_url)
        return self._ledger, key

    def __exit__(self, *_: object) -> None:
        self._ledger.close()


def _entry(ledger: "Ledger", what: str) -> Any:
    entry = None
    if what.isdecimal() and len(what) < 16:
        entry = ledger.log_entry(int(what))
    elif len(what) == 16 and set(what.lower()) <= set("0123456789abcdef"):
        entry = ledger.log_entry_of_clip(int(what, 16))
    if entry is None:
        raise typer.BadParameter(f"the log has no entry {what!r}", param_hint="CLIP_ID|NUMBER")
    return entry


def _openings(ledger: "Ledger", what: str) -> list[dict[str, str]]:
    row = ledger.clip(int(what, 16)) if len(what) == 16 else None
    told = [one.prompt_text for one in row.decisions if one.prompt_text] if row else []
    if row is None or row.run.salt is None or not told:
        raise typer.BadParameter("no prompt is kept for this entry", param_hint="--open-prompt")
    return [{"text": text, "salt": row.run.salt.hex()} for text in dict.fromkeys(told)]


def _kept(path: Path) -> "Checkpoint":
    """A checkpoint of this home's log in a file."""
    from flows.settings import load_settings
    from provenance.keys import KeyStore
    from provenance.ledger import read_checkpoint

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path}: cannot be read ({type(error).__name__})") from None
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    known = KeyStore(load_settings().keys_folder).load().checkpoint_public_keys
    return read_checkpoint(text, *(Ed25519PublicKey.from_public_bytes(one) for one in known))


def _write(file: Path | None, text: str) -> None:
    from media import atomic_path

    if file is not None:
        with atomic_path(file) as tmp:
            tmp.write_text(text, encoding="utf-8")
