"""Prompts in review, parked as `produce` parks them, without anything being generated."""

from flows.home import open_home
from flows.production import Job, clear_prompt, reserve
from flows.settings import Settings
from provenance.ledger import Review


def parked(settings: Settings, prompt: str, **options: str) -> Review:
    """The review of a prompt that the shipped policy sends to one."""
    job = Job(prompt, **options)  # type: ignore[arg-type]
    with open_home(settings) as home:
        clear_prompt(home, job, reserve(home, job, None))
        review = home.ledger.review_of(job.run_key)
    assert review is not None, prompt
    return review
