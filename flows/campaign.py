"""The Prefect flow `campaign`: every clip of one brief, each as its own `produce` run; and its schedule."""

import datetime as dt
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.deployments.runner import EntrypointType, RunnerDeployment
from prefect.runtime import flow_run
from prefect.schedules import Cron

from flows.briefs import Brief
from flows.produce import produce
from flows.runtime import WORK_POOL
from flows.settings import Settings, quiet_prefect
from flows.work import Progress

Row = dict[str, Any]


@flow(name="campaign", persist_result=False)
def campaign(brief: dict[str, Any], occasion: str | None = None) -> list[Row]:
    """Every clip of a brief. `occasion`: by default the time for which this run was scheduled."""
    scheduled = flow_run.get_scheduled_start_time() or dt.datetime.now(dt.UTC)
    said = Brief.model_validate(brief)
    return _produce_all(said, occasion or scheduled.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%SZ"), _silent)


def run_campaign(brief: Brief, occasion: str, *, progress: Progress) -> list[Row]:
    """The same from Python, now, with progress."""

    @flow(
        name="campaign",
        persist_result=False,
        flow_run_name=f"{brief.name} {occasion}",
        validate_parameters=False,
    )
    def campaign() -> list[Row]:
        return _produce_all(brief, occasion, progress)

    return campaign()


def _produce_all(brief: Brief, occasion: str, progress: Progress) -> list[Row]:
    """One row a clip. A clip that fails is a row with its error, and the others go on."""
    folder = Path(brief.out or brief.name)
    folder.mkdir(parents=True, exist_ok=True)
    jobs = brief.jobs(occasion)
    started = time.monotonic()
    rows: list[Row] = []
    for number, job in enumerate(jobs):
        progress(f"{brief.name}: clip {number + 1} of {len(jobs)}", number / len(jobs))
        row: Row = {"variant": job.variant, "prompt": job.prompt, "run_key": job.run_key, "seed": job.seed}
        done = sum(one["status"] == "done" for one in rows)
        minutes = (time.monotonic() - started) / 60
        if (brief.budget.clips and done >= brief.budget.clips) or (
            brief.budget.minutes and minutes >= brief.budget.minutes
        ):
            rows.append(row | {"status": "not_started", "error": "the budget is used up"})
            continue
        try:
            outcome = produce(asdict(job), str(folder / f"{brief.name}-{occasion}-{job.variant}.mp4"))
            kept = {name: outcome[name] for name in ("status", "clip_id", "path", "message")}
            rows.append(row | kept | {"error": None})
        except Exception as error:  # one clip's failure must not end the night's production
            rows.append(row | {"status": "failed", "error": f"{type(error).__name__}: {error}"})
    return rows


def schedule(settings: Settings, brief: Brief) -> str:
    """A deployment of this brief on the local server, with its cron schedule; replaces an earlier one.

    Runs get the settings of now as environment variables: a worker knows nothing of the shell that scheduled them.
    """
    assert brief.schedule is not None
    deployment = campaign.to_deployment(
        name=brief.name,
        schedules=[Cron(brief.schedule.cron, timezone=brief.schedule.timezone)],
        parameters={"brief": brief.model_dump(mode="json")},
        work_pool_name=WORK_POOL,
        job_variables={"env": settings.environment() | quiet_prefect(settings)},
        entrypoint_type=EntrypointType.MODULE_PATH,
        tags=["clipproof"],
    )
    assert isinstance(deployment, RunnerDeployment)  # a coroutine only where a loop runs already
    return str(deployment.apply())


def scheduled_runs(brief: Brief) -> list[dt.datetime]:
    """The next times at which the campaign runs by itself; empty where it is not scheduled."""
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterName,
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[brief.name])),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
            ),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            limit=5,
        )
    return [run.expected_start_time for run in runs if run.expected_start_time]


def unschedule(brief: Brief) -> bool:
    """Remove the schedule; whether there was one."""
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            client.delete_deployment(client.read_deployment_by_name(f"campaign/{brief.name}").id)
        except ObjectNotFound:
            return False
    return True


def _silent(_step: str, _share: float) -> None:
    pass
