"""The Prefect flow `audit`: one row a file, for any number of files, on threads, Dask or Ray."""

from pathlib import Path
from typing import Any, Literal

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.auditing import audit_row, clips_under
from flows.reporting import Row, write_rows
from flows.settings import Settings, load_settings
from flows.tasks import step
from flows.work import Progress

Runner = Literal["threads", "dask", "ray"]

_audit_one = step("audit clip", 2)(audit_row)
_AT_A_TIME = 256  # futures held at once: memory stays flat however long the list is


class RunnerMissing(Exception):
    """The task runner's package is not installed."""

    exit_code = 5

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@flow(name="audit", persist_result=False)
def audit(paths: list[str], out: str | None = None, runner: Runner = "threads") -> int:
    """Audit clips, folders or lists; writes the rows to `out` (.json or .csv). Returns how many rows there are."""
    clips = clips_under([Path(path) for path in paths])
    rows = run_audit(load_settings(), clips, progress=lambda _step, _share: None, runner=runner)
    if out is not None:
        write_rows(Path(out), rows)
    return len(rows)


def run_audit(
    settings: Settings, clips: list[Path], *, progress: Progress, runner: Runner = "threads"
) -> list[Row]:
    """A row for every clip, in order. Raises `RunnerMissing`."""

    @flow(
        name="audit clips", persist_result=False, validate_parameters=False, task_runner=_task_runner(runner)
    )
    def audit_clips() -> list[Row]:
        rows: list[Row] = []
        for start in range(0, len(clips), _AT_A_TIME):
            futures = [_audit_one.submit(settings, clip) for clip in clips[start : start + _AT_A_TIME]]
            for future in futures:
                rows.append(future.result())
                progress("audit", len(rows) / len(clips))
        return rows

    return audit_clips()


def _task_runner(name: Runner) -> Any:
    """Two clips at a time: decoding and features are what two cores have. Dask and Ray are extras."""
    if name == "threads":
        return ThreadPoolTaskRunner(max_workers=2)
    try:
        if name == "dask":
            from prefect_dask import DaskTaskRunner

            # Threads in this process: every worker process would import Prefect anew, some three CPU seconds.
            local = {"n_workers": 1, "threads_per_worker": 2, "processes": False, "dashboard_address": None}
            return DaskTaskRunner(cluster_kwargs=local)
        from prefect_ray import RayTaskRunner

        return RayTaskRunner(init_kwargs={"num_cpus": 2, "include_dashboard": False})
    except ImportError:
        raise RunnerMissing(
            f"the {name} runner is not installed", hint=f"pip install 'clipproof[{name}]'"
        ) from None
