"""How a plain function becomes a Prefect task here."""

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from provenance.errors import TimeStampError
from provenance.ledger import LedgerLocked, LedgerUnreachable


def step(name: str, *retry_delays_s: float) -> Any:
    """A task decorator with one retry per delay, for what may pass by itself.

    Nothing is cached or kept by Prefect: our own work folder and ledger are what a run goes on from, and frames
    never pass through its results.
    """
    return task(
        name=name,
        retries=len(retry_delays_s),
        retry_delay_seconds=list(retry_delays_s),
        retry_condition_fn=_passes_by_itself,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


def _passes_by_itself(_task: Any, _run: Any, state: Any) -> bool:
    """A busy database or network; never a refusal, a bad input or a bug."""
    error = state.result(raise_on_failure=False)
    return isinstance(
        error, LedgerLocked | LedgerUnreachable | TimeStampError | TimeoutError | ConnectionError
    )
