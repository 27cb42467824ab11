"""How far an audit of many clips is: rate, time left, verdicts so far."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from clipproof.cli.output import err, say

if TYPE_CHECKING:
    from flows.audit_run import Tally

_LINE_EVERY_S = 60.0  # where nobody watches, a log should not fill


@contextlib.contextmanager
def audit_progress() -> Iterator[Callable[["Tally"], None]]:
    """A function that shows a tally: a bar on a terminal, elsewhere a line a minute."""
    if not err.is_terminal:
        last = time.monotonic()

        def tell(tally: "Tally") -> None:
            nonlocal last
            if time.monotonic() - last >= _LINE_EVERY_S:
                last = time.monotonic()
                say(f"… {tally.kept + tally.done} of {tally.total}: {progress_words(tally, last)}")

        yield tell
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=err, transient=True) as bars:
        bar = bars.add_task("", total=None)

        def draw(tally: "Tally") -> None:
            words = progress_words(tally, time.monotonic())
            bars.update(bar, total=tally.total, completed=tally.kept + tally.done, description=words)

        yield draw


def progress_words(tally: "Tally", now: float) -> str:
    """Clips a minute, time left and verdicts, at the monotonic second `now`."""
    words = [verdict_words(tally)]
    elapsed = now - tally.started
    if tally.done and elapsed > 0:
        left_s = (tally.total - tally.kept - tally.done) * elapsed / tally.done
        words = [f"{60 * tally.done / elapsed:.0f} a minute", f"{_duration(left_s)} left", *words]
    return " · ".join(words)


def verdict_words(tally: "Tally") -> str:
    """How many clips have which verdict, and how many none."""
    names = {"likely_ai": "likely AI", "likely_camera": "likely camera", "error": "without a verdict"}
    return ", ".join(f"{count} {names.get(name, name)}" for name, count in sorted(tally.verdicts.items()))


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"
