"""The Prefect flow `audit`: a row for each of any number of files, on processes, threads, Dask or Ray."""

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any, Literal

from prefect import flow
from prefect.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner

from flows.audit_outputs import audited
from flows.audit_run import InPool, RunnerMissing, Session, usable_cores
from flows.auditing import audit_rows
from flows.clip_lists import clips_of
from flows.settings import load_settings
from flows.tasks import step

Runner = Literal["processes", "threads", "dask", "ray"]

_audit_rows = step("audit clips")(audit_rows)
# Prefect sends a flow to every worker, with its arguments and what it closes over: a million entries must not be that.
_sessions: list[Session] = []


@flow(name="audit", persist_result=False)
def audit(
    paths: list[str], out: str | None = None, runner: Runner = "processes", workers: int | None = None
) -> int:
    """Audit clips, folders or lists; goes on with, or writes, the folder or the file (.json, .csv, .parquet) `out`.

    Returns how many rows there are.
    """
    entries = clips_of(paths)
    count = workers or usable_cores()
    with audited(
        load_settings(),
        entries,
        in_pool=prefect_pool(runner, count),
        out=None if out is None else Path(out),
        workers=count,
    ) as done:
        return len(done.rows)


def prefect_pool(runner: Runner, workers: int) -> InPool:
    """What gives each part of an audit a Prefect flow with fresh workers. Raises `RunnerMissing`."""
    with_workers = _audit_clips.with_options(task_runner=_task_runner(runner, workers))

    def in_pool(session: Session) -> None:
        _sessions.append(session)
        try:
            with_workers()
        finally:
            _sessions.pop()

    return in_pool


@flow(name="audit clips", persist_result=False, validate_parameters=False)
def _audit_clips() -> None:
    _run_session()


def _run_session() -> None:
    try:
        _sessions[-1](_audit_rows.submit)
    except BaseException:
        # Prefect would wait for what they are at; and their rows would go nowhere.
        for worker in multiprocessing.active_children():
            worker.terminate()
        raise


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _task_runner(name: Runner, workers: int) -> Any:
    if name == "threads":
        return ThreadPoolTaskRunner(max_workers=workers)
    if name == "processes":
        # Of a pool that broke, Python's clean-up would say so in a line of its own, on the user's screen.
        os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
        # Ctrl-C goes to every process of the terminal; the one that keeps the rows ends the others.
        return ProcessPoolTaskRunner(max_workers=workers, initializer=_ignore_interrupts)
    try:
        if name == "dask":
            from prefect_dask import DaskTaskRunner

            # Threads in this process: every worker process would import Prefect anew, some three CPU seconds.
            local = {
                "n_workers": 1,
                "threads_per_worker": workers,
                "processes": False,
                "dashboard_address": None,
            }
            return DaskTaskRunner(cluster_kwargs=local)
        from prefect_ray import RayTaskRunner

        return RayTaskRunner(init_kwargs={"num_cpus": workers, "include_dashboard": False})
    except ImportError:
        raise RunnerMissing(
            f"the {name} runner is not installed", hint=f"pip install 'clipproof[{name}]'"
        ) from None
