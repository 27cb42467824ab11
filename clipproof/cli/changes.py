"""The words that a rewrite changed, for a terminal."""

from collections.abc import Iterable

from rich.markup import escape


def lines_of(changes: Iterable[tuple[str, str]]) -> list[str]:
    """One line of markup per change: what went, struck through, and what came."""
    lines = []
    for old, new in changes:
        gone = f"[red]- [strike]{escape(old)}[/strike][/red]" if old else ""
        come = f"[green]+ {escape(new)}[/green]" if new else ""
        lines.append("  ".join(part for part in (gone, come) if part))
    return lines
