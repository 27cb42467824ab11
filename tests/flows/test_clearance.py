"""From a prompt to what may be generated; and one run for one process at a time."""

import threading
from pathlib import Path

import numpy as np

from flows import finishing
from flows.home import Home
from flows.production import Cleared, Job, Outcome, clear_prompt, reserve
from flows.raw import write_raw
from flows.work import exclusive
from media import open_clip

STYLE = "a red ball on a beach in the style of Studio Ghibli"


def test_a_rewrite_is_proposed_and_used_only_when_accepted(home: Home) -> None:
    asked = Job(STYLE)
    proposed = clear_prompt(home, asked, reserve(home, asked, None))
    assert isinstance(proposed, Outcome)
    assert proposed.status == "rewrite"
    assert "--accept-rewrite" in proposed.message

    accepted = Job(STYLE, accept_rewrite=True)
    run = reserve(home, accepted, None)
    cleared = clear_prompt(home, accepted, run)
    assert isinstance(cleared, Cleared)
    assert "Ghibli" not in cleared.prompt
    assert home.ledger.decisions(run.key)[0].action == "rewrite"


def test_a_labelled_clip_shows_its_label_for_two_seconds_and_keeps_its_mark(
    home: Home, tmp_path: Path
) -> None:
    job = Job("a red ball rolls on grass", run_id="labelled")
    run = reserve(home, job, None)
    grey = np.full((30, 96, 96, 3), 128, np.uint8)
    write_raw(tmp_path, grey, 12, {})
    finishing.mark_and_encode(home, run, tmp_path, labelled=True)
    with open_clip(tmp_path / finishing.MARKED, pixel_format="gray") as clip:
        brightest = {float(frame.time): int(frame.planes[0].max()) for frame in clip}
    assert min(level for time, level in brightest.items() if time < 2) > 200
    assert max(level for time, level in brightest.items() if time > 2.1) < 200
    assert finishing.reads_back(home, run, tmp_path / finishing.MARKED)


def test_a_second_process_waits_for_the_first(home: Home) -> None:
    entered = threading.Event()

    def second() -> None:
        with exclusive(home, "one at a time"):
            entered.set()

    with exclusive(home, "one at a time") as folder:
        waiting = threading.Thread(target=second)
        waiting.start()
        assert not entered.wait(0.3)
    assert entered.wait(10)
    waiting.join()
    finishing.forget_work(folder)
