"""The work folder of one run: what a killed run left is there for its next try, and one process has it at a time."""

import contextlib
import fcntl
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from flows.home import Home

Progress = Callable[[str, float], None]  # (step, share done 0..1)


@contextlib.contextmanager
def exclusive(home: Home, run_key: str) -> Iterator[Path]:
    """The work folder of a run, for one process at a time; another waits here and then finds it done."""
    folder = home.settings.work_folder / hashlib.sha256(run_key.encode()).hexdigest()[:32]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder.mkdir(exist_ok=True)
        yield folder
