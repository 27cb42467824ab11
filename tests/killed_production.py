"""A production that is ended by SIGKILL before each thing that it makes durable, one after the other.

    python tests/killed_production.py HOME OUT

Durable events are fsyncs, renames, removals and commits. An attempt dies before the first event of its step at which
none has died yet; the next one goes on from what that left. So every state that a power cut can leave is met, and gone
on from. Prefect's part is left out (its tasks are called as the functions that they wrap).

Prints one JSON line an attempt, and waits for a line on standard input before the next.
"""

import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

# Imported before the first fork, so that an attempt costs no imports.
import detector.audit  # noqa: F401
import generator.spacetime.pipeline  # noqa: F401
from flows import finishing, produce
from flows.production import Job
from flows.settings import Settings

TASKS = ("_clear_prompt", "_generate", "_check_frames", "_mark", "_sign", "_audit", "_record")
STEPS = ("reserve", *TASKS, "publish")
CALLS = ("fsync", "replace", "rename", "unlink", "rmdir")
STEP_PASSED = 7  # exit code of an attempt whose step has no more new events: it ends there, too


class Reaper:
    """Ends the process before the first durable event of `step` that is not in `known`, and says which it was."""

    def __init__(self, step: str, known: set[str], told: int) -> None:
        self._now, self._step, self._known, self._told = STEPS[0], step, known, told
        self._seen: Counter[str] = Counter()

    def enter(self, step: str) -> None:
        if STEPS.index(step) > STEPS.index(self._step):
            os._exit(STEP_PASSED)
        self._now = step

    def meet(self, call: str, subject: object = "") -> None:
        if self._now != self._step:
            return
        if isinstance(subject, int) and Path(f"/dev/fd/{subject}").exists():
            subject = os.path.realpath(f"/dev/fd/{subject}")
        # Temporary names differ from one attempt to the next; the repeated event of a step is told by its number.
        name = f"{call} {re.sub(r'[0-9a-f]{8,}', '*', Path(str(subject)).name)}"
        self._seen[name] += 1
        name = f"{name} {self._seen[name]}"
        if name not in self._known:
            os.write(self._told, name.encode())
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def met(*arguments: Any, **options: Any) -> Any:
            self.meet(name, arguments[0] if arguments else "")
            return call(*arguments, **options)

        return met

    def during(self, step: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def entered(*arguments: Any, **options: Any) -> Any:
            self.enter(step)
            return call(*arguments, **options)

        return entered


def attempt(home: Path, out: Path, reaper: Reaper) -> None:
    """One try at the run, in this process."""
    for name in TASKS:
        task = getattr(produce, name)
        setattr(produce, name, reaper.during(name, getattr(task, "fn", task)))
    finishing.publish = reaper.during("publish", finishing.publish)
    for name in CALLS:
        setattr(os, name, reaper.before(name, getattr(os, name)))
    event.listen(Engine, "commit", lambda _connection: reaper.meet("commit"))
    job = Job("a red ball falls on sand", seconds=1.0, run_id="killed")
    done = produce._produce(Settings(home=home), job, out, produce._silent)
    assert done.status == "done", done


def attempt_in_a_child(home: Path, out: Path, step: str, known: set[str]) -> tuple[int, str]:
    """Exit code (-9: killed) and the event before which it was killed."""
    heard, told = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            attempt(home, out, Reaper(step, known, told))
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(told)
    _, status = os.waitpid(child, 0)
    with os.fdopen(heard, "rb") as pipe:
        return os.waitstatus_to_exitcode(status), pipe.read().decode()


def main() -> None:
    home, out = Path(sys.argv[1]), Path(sys.argv[2])
    for step in STEPS:
        known: set[str] = set()
        code = -signal.SIGKILL
        while code == -signal.SIGKILL:
            code, at = attempt_in_a_child(home, out, step, known)
            known.add(at)
            print(json.dumps({"step": step, "before": at, "killed": code == -signal.SIGKILL}), flush=True)
            sys.stdin.readline()
        if code not in (0, STEP_PASSED):
            sys.exit(1)


if __name__ == "__main__":
    main()
