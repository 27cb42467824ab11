"""Telling whoever listens that something happened to a review: events on the Prefect server, where one runs.

Best effort: where no server answers, nothing is sent and nobody waits. What is sent lands in Prefect's own database,
which `clipproof ledger erase` does not reach, so it holds no names, no reasons and nothing of the prompt; not even the
run key, which is a hash of it.
"""

import logging
import os
import urllib.error
import urllib.request
from typing import Any, Literal

from flows import runtime
from flows.settings import Settings, quiet_prefect
from provenance.ledger import Review, clip_id_hex

Notice = Literal["requested", "decided", "expired", "reopened"]
_PATIENCE_S = 2.0


def announce(settings: Settings, notice: Notice, review: Review) -> bool:
    """Emit `clipproof.review.<notice>` of `clipproof.review.<number>`; whether a server was there to take it."""
    url = os.environ.get("PREFECT_API_URL") or runtime.status(settings).api_url
    if url is None or not _answers(url):
        return False
    # Prefect reads its environment when it is imported. Inside of a flow it is set and imported already.
    for name, value in (quiet_prefect(settings) | {"PREFECT_API_URL": url}).items():
        os.environ.setdefault(name, value)
    resource = f"clipproof.review.{review.id}"
    try:
        from prefect.events import emit_event

        # Sent from a thread that is waited for at the exit, where it would say that it is still at it.
        logging.getLogger("EventsWorker").setLevel(logging.ERROR)
        sent = emit_event(
            f"clipproof.review.{notice}",
            resource={"prefect.resource.id": resource, "prefect.resource.name": f"review {review.id}"},
            payload=payload(review),
        )
    except Exception:  # whatever ails Prefect, the decision is made and written down
        return False
    return sent is not None


def payload(review: Review) -> dict[str, Any]:
    """What an event says of a review."""
    return {
        "schema": "clipproof.review-event/1",
        "review": review.id,
        "clip_id": clip_id_hex(review.clip_id),
        "status": review.status,
        "codes": list(review.codes),
        "language": review.language,
        "policy_version": review.policy_version,
        "approvals": review.approvals,
        "approvals_needed": review.approvals_needed,
        "waiting_since": review.waiting_since.isoformat(),
        "produced": review.produced,
    }


def _answers(api_url: str) -> bool:
    """Whether anything that speaks HTTP is there: Prefect's own client would try for a minute."""
    if not api_url.startswith(("http://", "https://")):
        return False
    try:
        urllib.request.urlopen(f"{api_url}/health", timeout=_PATIENCE_S).close()  # noqa: S310
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
    return True
