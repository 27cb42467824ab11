"""The command line as a user meets it: a process, its exit code, what it printed where."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.settings import Settings
from media import Store
from provenance.ledger import connect


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.out)
        return said


Clipproof = Callable[..., Done]


def run_clipproof(
    home: Path, *arguments: str | Path, cwd: Path | None = None, typed: str = "", **environment: str
) -> Done:
    """One command in one home, with `typed` on its standard input; a traceback is never right."""
    done = subprocess.run(
        [sys.executable, "-m", "clipproof", *map(str, arguments)],
        input=typed,
        capture_output=True,
        text=True,
        env=os.environ | {"CLIPPROOF_HOME": str(home), "NO_COLOR": "1"} | environment,
        cwd=cwd or home.parent,
        timeout=500,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def rows(settings: Settings) -> int:
    """How many clips the ledger of a home has."""
    with connect(settings.ledger_url) as ledger:
        return len(ledger.clips(1000))


def nothing_is_orphaned(settings: Settings) -> bool:
    """Store and ledger agree, the log is intact, and no unfinished work lies about."""
    store = Store(settings.store_folder)
    with connect(settings.ledger_url) as ledger:
        known, intact = ledger.known_assets(), ledger.verify_log().intact
    stored = set(store.digests())
    work = settings.work_folder
    folders = [path for path in work.iterdir() if path.is_dir()] if work.is_dir() else []
    return intact and stored == known and all(store.intact(one) for one in stored) and not folders
