"""What the user sees: data on standard output, words and progress on standard error."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(message: str, *, style: str = "dim") -> None:
    """A line for the person at the terminal."""
    err.print(escape(message), style=style)


def visible(text: str) -> str:
    """Text of strangers, such as a file's name, on one line: what a terminal would obey is written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def emit(data: dict[str, Any], *, as_json: bool, text: Callable[[], None]) -> None:
    """The answer of a command: JSON for machines, or what `text` prints."""
    if as_json:
        sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2, default=str) + "\n")
    else:
        text()


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str, float], None]]:
    """A function (step, share done 0..1) that draws bars on a terminal and prints one line a step elsewhere."""
    if not err.is_terminal:
        told: set[str] = set()

        def tell(step: str, share: float) -> None:
            if step not in told:
                told.add(step)
                say(f"… {step}")

        yield tell
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<28}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def draw(step: str, share: float) -> None:
            for other, task in tasks.items():
                if other != step:
                    bars.update(task, completed=1.0)
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=1.0)
            bars.update(tasks[step], completed=share)

        yield draw
