"""The public Python API; the command line is the same functions with words around them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.settings import Settings, load_settings

if TYPE_CHECKING:
    from detector import AuditReport
    from flows.marking import Marked
    from flows.production import Outcome
    from provenance.verify import Verification


def produce(
    prompt: str,
    *,
    out: Path | str | None = None,
    settings: Settings | None = None,
    say: Callable[[str], None] = lambda _: None,
    progress: Callable[[str, float], None] = lambda _step, _share: None,
    **options: Any,
) -> "Outcome":
    """A clip from a prompt: decided, generated, marked, signed, audited, recorded.

    `options` are the fields of `flows.production.Job`: seed, model, negative_prompt, seconds, width, height, fps,
    steps, guidance_scale, image, last_image, lora, quantize, loop, enhance, run_id, nonce, accept_rewrite.
    `out`: a file or a folder; default: the current folder. Equal jobs give the same clip. The outcome's `status` is
    `done`, or says why there is no clip. Runs a Prefect flow on the local server, which is started if need be.
    """
    from flows import runtime
    from flows.home import check_signer
    from flows.production import Job

    settings = settings or load_settings()
    check_signer(settings, say)
    runtime.use(settings, say=say)
    from flows.produce import run_produce  # after `use`: Prefect reads its environment on import

    return run_produce(settings, Job(prompt=prompt, **options), out=out, progress=progress)


def verify(
    path: Path | str,
    *,
    anchors: str | None = None,
    audit: bool = True,
    fragments: Sequence[Path | str] = (),
    settings: Settings | None = None,
) -> "Verification":
    """Where did this clip come from? Needs no server; makes no keys and no home.

    `anchors`: a PEM file, or `none`, instead of this home's own trust. `audit`: let the detector speak where nothing
    else is conclusive. `fragments`: the media segments, in order, of a file that is an initialisation segment (DASH).
    Raises `UnreadableFile` where there is no such file; junk has the verdict `malformed`.
    """
    from contextlib import ExitStack

    from flows.detection import detector_of
    from flows.home import keys_if_any, ledger_if_any, trust_of
    from provenance.reading import joined, read_manifest
    from provenance.verify import verify_clip

    settings = settings or load_settings()
    with ExitStack() as stack:
        ledger = ledger_if_any(settings)
        if ledger is not None:
            stack.enter_context(ledger)
        trust = trust_of(settings, anchors)
        reading = read_manifest(path, trust, fragments=fragments) if fragments else None
        report = verify_clip(
            stack.enter_context(joined(path, fragments)) if fragments else path,
            trust=trust,
            ledger=ledger,
            keys=keys_if_any(settings),
            detector=(lambda file: detector_of(settings).audit(file).to_dict()) if audit else None,
            reading=reading,
        )
        return replace(report, path=Path(path))


def audit(path: Path | str, *, settings: Settings | None = None) -> "AuditReport":
    """How likely the pictures of one clip are AI-generated; raises `media.MediaError` where it does not decode."""
    from flows.detection import detector_of

    return detector_of(settings or load_settings()).audit(path)


def mark(
    src: Path | str,
    dst: Path | str,
    *,
    source: str = "unknown",
    ingredients: Sequence[Path | str] = (),
    actions: Sequence[str] = (),
    credits: Sequence[tuple[str, str]] = (),
    settings: Settings | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> "Marked":
    """Mark, sign and record your own clip; `source` is `ai`, `camera`, `composite` or `unknown`.

    `ingredients` are other files that went into it, `actions` what was done (`ACTION` or `ACTION=DESCRIPTION`),
    `credits` names with their roles. What is signed cannot be taken back, names included.
    """
    from flows.home import open_home
    from flows.marking import History, mark_clip
    from flows.stamping import stamp_due
    from provenance.manifest import Credit, Edit

    settings = settings or load_settings()
    history = History(
        ingredients=tuple(map(Path, ingredients)),
        edits=tuple(map(Edit.parse, actions)),
        credits=tuple(Credit(name, role) for name, role in credits),
    )
    with open_home(settings, say=say) as home:
        marked = mark_clip(home, Path(src), Path(dst), source=source, history=history)
        stamp_due(home)
        return marked
