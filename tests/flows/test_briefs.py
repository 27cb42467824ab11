"""Campaign files: what they expand to, and how bad ones are refused."""

from pathlib import Path

import pytest

from flows.briefs import BriefError, read_brief

GOOD = """
name: toys
brief: Calm toy physics for the spring window
prompts:
  - a {colour} ball rolls to the {side} on grass
  - 一个{colour}的方块落下
variables:
  colour: [red, blue]
  side: [left, right]
variants: 3
seed: 7
schedule: {cron: "0 3 * * *", timezone: Europe/Berlin}
budget: {clips: 5}
"""


def brief_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "campaign.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_combination_is_made_as_often_as_asked(tmp_path: Path) -> None:
    jobs = read_brief(brief_file(tmp_path, GOOD)).jobs("manual")
    assert len(jobs) == (2 * 2 + 2) * 3
    assert jobs[0].prompt == "a red ball rolls to the left on grass"
    assert len({job.seed for job in jobs}) == len({job.run_key for job in jobs}) == len(jobs)


def test_the_same_occasion_gives_the_same_runs_and_another_gives_others(tmp_path: Path) -> None:
    brief = read_brief(brief_file(tmp_path, GOOD))
    assert brief.jobs("20260102T030000Z") == brief.jobs("20260102T030000Z")
    assert not {j.run_key for j in brief.jobs("a")} & {j.run_key for j in brief.jobs("b")}


def test_clips_go_beside_the_file(tmp_path: Path) -> None:
    assert read_brief(brief_file(tmp_path, GOOD)).out == tmp_path / "toys"


BAD = {
    "not YAML": ("name: [", "not YAML"),
    "a list": ("- a\n- b", "dictionary"),
    "no prompts": ("name: x\nprompts: []", "prompts"),
    "a name that could be a path": ("name: ../../etc\nprompts: [a]", "name"),
    "an unknown field": ("name: x\nprompts: [a]\nprompt: b", "prompt"),
    "an unknown variable": ("name: x\nprompts: ['a {colour} ball']", "colour"),
    "an unused variable": ("name: x\nprompts: [a]\nvariables: {colour: [red]}", "colour"),
    "an empty variable": ("name: x\nprompts: ['{c}']\nvariables: {c: []}", "no values"),
    "too many clips": (
        f"name: x\nprompts: ['{{c}}']\nvariants: 999\nvariables: {{c: {[*'abcdefghijk']}}}",
        "10000",
    ),
    "a cron line of four fields": ("name: x\nprompts: [a]\nschedule: {cron: '0 3 * *'}", "five fields"),
    "a zone that is none": ("name: x\nprompts: [a]\nschedule: {cron: '0 3 * * *', timezone: Mars}", "Mars"),
    "a budget of nothing": ("name: x\nprompts: [a]\nbudget: {clips: 0}", "budget"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_one_line_that_names_the_place(name: str, tmp_path: Path) -> None:
    text, told = BAD[name]
    with pytest.raises(BriefError, match=told) as caught:
        read_brief(brief_file(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BriefError, match="cannot be read"):
        read_brief(tmp_path / "nothing.yaml")
