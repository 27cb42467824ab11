"""A policy of one's own decides production, and every past decision can be made again."""

import dataclasses
import json
from pathlib import Path

import pytest

from flows.home import Home
from flows.policies import keep_policy, kept_policy, policy_in_force
from flows.production import Cleared, Job, Outcome, clear_prompt, reserve
from flows.replay import PromptNotKept, replay_run
from generator.safety import PolicyError
from generator.safety.policy import shipped_policy, shipped_sources

HOUSE_RULE = "rules: [{id: house.balloons, code: A1, any_of: 'balloon, 气球', action: block}]"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A policy folder that also forbids balloons."""
    path = tmp_path / "policy"
    path.mkdir()
    for name, content in shipped_sources().items():
        (path / name).write_bytes(content)
    (path / "house.yaml").write_text(HOUSE_RULE, encoding="utf-8")
    return path


@pytest.fixture
def strict(home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("CLIPPROOF_POLICY", str(folder))
    return dataclasses.replace(home, settings=home.settings.model_copy(update={"policy": folder}))


def decide(home: Home, prompt: str) -> tuple[str, Cleared | Outcome]:
    job = Job(prompt)
    run = reserve(home, job, None)
    return run.key, clear_prompt(home, job, run)


def test_the_policy_of_the_settings_decides(home: Home, strict: Home) -> None:
    assert isinstance(decide(home, "a red balloon over a lake")[1], Cleared)
    _, ended = decide(strict, "a blue balloon over a lake")
    assert isinstance(ended, Outcome)
    assert "house.balloons" in ended.message


def test_an_edit_is_in_force_at_once_and_makes_other_runs(
    strict: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = policy_in_force(strict.settings).version
    key = Job("a ball").run_key
    (folder / "house.yaml").write_text(HOUSE_RULE.replace("balloon,", "kite,"), encoding="utf-8")
    assert policy_in_force(strict.settings).version != before
    assert Job("a ball").run_key != key


def test_a_decision_is_replayed_byte_for_byte_after_the_policy_changed(strict: Home, folder: Path) -> None:
    key, _ = decide(strict, "put my coworker's face on this dancer")
    (folder / "house.yaml").write_text(HOUSE_RULE.replace("balloon", "kite"), encoding="utf-8")
    (row,) = replay_run(strict, key)
    assert row["same"]
    assert json.dumps(row["recorded"], sort_keys=True) == json.dumps(row["replayed"], sort_keys=True)


def test_a_refused_prompt_is_replayed_from_its_text_alone(strict: Home) -> None:
    text = "a man stabs his neighbour in the garden"
    key, _ = decide(strict, text)
    with pytest.raises(PromptNotKept, match="none was given"):
        replay_run(strict, key)
    with pytest.raises(PromptNotKept, match="has another"):
        replay_run(strict, key, text + ".")
    (row,) = replay_run(strict, key, text + "\r\n")
    assert row["same"]
    assert "neighbour" not in json.dumps(row)


def test_a_policy_that_is_not_kept_or_was_altered_is_told(home: Home, folder: Path) -> None:
    with pytest.raises(PolicyError, match="is not kept here"):
        kept_policy(home.settings, "1.0.0+000000000000")
    with pytest.raises(PolicyError, match="is not kept here"):
        kept_policy(home.settings, "../../keys/root")
    path = keep_policy(home.settings, shipped_policy())
    other = path.with_name("9.9.9+000000000000.zip")
    path.replace(other)
    with pytest.raises(PolicyError, match="holds policy"):
        kept_policy(home.settings, "9.9.9+000000000000")
    other.write_bytes(b"no zip")
    with pytest.raises(PolicyError, match="cannot be read"):
        kept_policy(home.settings, "9.9.9+000000000000")


def test_a_folder_that_is_no_policy_is_told(home: Home, tmp_path: Path) -> None:
    nowhere = home.settings.model_copy(update={"policy": tmp_path / "nowhere"})
    with pytest.raises(PolicyError, match="nowhere"):
        policy_in_force(nowhere)


def test_past_decisions_stay_readable_while_the_policy_in_force_is_broken(
    home: Home, strict: Home, folder: Path
) -> None:
    key, _ = decide(home, "put my neighbour's face on this singer")
    (folder / "policy.yaml").write_text("version: one", encoding="utf-8")
    (row,) = replay_run(strict, key)
    assert row["same"]
