"""From a prompt to what may be generated; and one run for one process at a time."""

import json
import threading
from pathlib import Path

import numpy as np

from flows import finishing
from flows.home import Home
from flows.production import Cleared, Job, Outcome, clear_prompt, reserve
from flows.raw import write_raw
from flows.work import exclusive
from media import open_clip
from provenance.manifest import PromptCommitment

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


def test_a_real_person_is_played_by_a_fictional_role_when_the_rewrite_is_accepted(home: Home) -> None:
    asked = Job("Elon Musk opens a bakery")
    waiting = clear_prompt(home, asked, reserve(home, asked, None))
    assert isinstance(waiting, Outcome)
    assert waiting.status == "review"
    assert "a fictional technology entrepreneur opens a bakery" in waiting.message

    accepted = Job("Elon Musk opens a bakery", accept_rewrite=True)
    run = reserve(home, accepted, None)
    cleared = clear_prompt(home, accepted, run)
    assert isinstance(cleared, Cleared)
    asked_row, used_row = home.ledger.decisions(run.key)
    assert run.salt is not None
    assert asked_row.prompt_sha256 == PromptCommitment.of(accepted.prompt, salt=run.salt).digest
    assert used_row.prompt_sha256 == PromptCommitment.of(cleared.prompt, salt=run.salt).digest
    assert asked_row.decision["changes"] == [
        {"from": "Elon Musk", "to": "a fictional technology entrepreneur"}
    ]


def test_a_prompt_that_defies_physics_is_cleared_and_told(home: Home) -> None:
    job = Job("a stream flows uphill")
    run = reserve(home, job, None)
    assert isinstance(clear_prompt(home, job, run), Cleared)
    (row,) = home.ledger.decisions(run.key)
    assert "uphill" in row.decision["notes"][0]


def test_a_labelled_clip_shows_both_labels_and_keeps_its_mark(home: Home, tmp_path: Path) -> None:
    job = Job("a red ball rolls on grass", run_id="labelled")
    run = reserve(home, job, None)
    grey = np.full((30, 96, 96, 3), 128, np.uint8)
    write_raw(tmp_path, grey, 12, {})
    finishing.mark_and_encode(home, run, tmp_path, labelled=True)
    with open_clip(tmp_path / finishing.MARKED, pixel_format="gray") as clip:
        brightest: dict[str, dict[float, int]] = {"upper": {}, "lower": {}}
        for frame in clip:
            luma = frame.planes[0]
            brightest["upper"][float(frame.time)] = int(luma[: len(luma) // 2].max())
            brightest["lower"][float(frame.time)] = int(luma[len(luma) // 2 :].max())
    assert min(level for time, level in brightest["lower"].items() if time < 2) > 200
    assert max(level for time, level in brightest["lower"].items() if time > 2.1) < 200
    assert min(brightest["upper"].values()) > 200  # the label of fiction stays to the end
    kept = json.loads((tmp_path / finishing.MARK_DETAILS).read_text())["visible_label"]
    assert kept["fiction"] == {"text": "虚构 / fictional", "extent": "whole"}
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
