"""What the benchmark scripts share: a table on standard output, JSON on request, CPU seconds of a whole command."""

import argparse
import json
import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]


def arguments(description: str) -> argparse.ArgumentParser:
    """A parser with the option that every script has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, help="also write the rows here")
    return parser


def report(rows: Sequence[Row], target: Path | None = None) -> None:
    """Print rows as a Markdown table, and write them as JSON."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    print("| " + " | ".join(names) + " |")
    print("|" + " --- |" * len(names))
    for row in rows:
        print("| " + " | ".join(_cell(row.get(name, "")) for name in names) + " |")
    if target is not None:
        target.write_text(json.dumps(list(rows), indent=1, default=str))


def timed_command(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> tuple[float, float, str]:
    """Wall seconds, CPU seconds (of it and its children) and standard output of a command that must not crash."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(command, env={**os.environ, **(environment or {})}, capture_output=True, text=True)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 3, 6):
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, done.stdout


def _cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
