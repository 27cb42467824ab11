"""`clipproof safety`: what a trust-and-safety lead does with a policy."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from clipproof.cli import app

runner = CliRunner()


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPPROOF_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CLIPPROOF_POLICY", raising=False)


def safety(*arguments: str) -> Result:
    return runner.invoke(app, ["safety", *arguments])


def test_the_shipped_policy_holds_its_own_cases() -> None:
    done = safety("policy", "check", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["failures"] == []


def test_the_taxonomy_is_shown_whole_or_by_code() -> None:
    whole = json.loads(safety("policy", "show", "--json").stdout)
    assert {row["code"] for row in whole["codes"]} >= {"N1", "P1", "T1", "F1"}
    one = json.loads(safety("policy", "show", "--code", "N1", "--json").stdout)
    assert [row["code"] for row in one["codes"]] == ["N1"]
    assert all(rule["code"] == "N1" for rule in one["rules"])
    assert safety("policy", "show", "--code", "Z9").exit_code == 2


def test_a_newcomer_adds_a_rule_a_concept_and_an_exception_and_tests_them(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    assert safety("policy", "export", str(folder)).exit_code == 0
    (folder / "house.yaml").write_text("rules: [{id: house.kites, code: A1, any_of: kite}]", encoding="utf-8")
    (folder / "concepts.yaml").write_text(
        "concepts:\n- {id: concept.swatting, code: I1, threshold: 0.6, examples: ["
        "a false hostage call sends armed police to a streamer's home]}",
        encoding="utf-8",
    )
    taxonomy = (folder / "policy.yaml").read_text(encoding="utf-8")
    (folder / "policy.yaml").write_text(
        taxonomy.replace(
            "exceptions:\n", "exceptions:\n  - {id: kites, title: t, any_of: kite festival, codes: [A1]}\n"
        ),
        encoding="utf-8",
    )
    cases = folder / "cases.csv"
    cases.write_text(
        cases.read_text(encoding="utf-8")
        + "a boy flies a kite,review,A1,our rule\n"
        + "a fake hostage call brings a swat team to a gamer's house,block,I1,our concept\n"
        + "a dog flies a kite,allow,,wrong on purpose\n",
        encoding="utf-8",
    )
    done = safety("policy", "check", str(folder), "--json")
    assert done.exit_code == 1
    (failure,) = json.loads(done.stdout)["failures"]
    assert failure["text"] == "a dog flies a kite"
    assert failure["got"] == {"action": "review", "codes": ["A1"]}
    assert failure["matches"] == ["house.kites"]


def test_a_diff_names_parts_and_the_prompts_that_are_decided_otherwise(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    safety("policy", "export", str(folder))
    works = (folder / "works.yaml").read_text(encoding="utf-8")
    (folder / "works.yaml").write_text(works.replace("pikachu, ", "", 1), encoding="utf-8")
    prompts = tmp_path / "prompts.csv"
    prompts.write_text("text\nPikachu runs through a meadow\na red ball\n", encoding="utf-8")
    done = safety("policy", "diff", "shipped", str(folder), "--prompts", str(prompts), "--json")
    report = json.loads(done.stdout)
    assert [(one["old"], one["new"]) for one in report["changes"]] == [(["pikachu"], [])]
    assert [row["text"] for row in report["drift"]] == ["Pikachu runs through a meadow"]
    assert done.exit_code == 0


def test_what_is_no_policy_is_a_user_mistake_without_a_traceback(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "policy.yaml").write_text("version: one", encoding="utf-8")
    for arguments in (
        ("check", str(broken)),
        ("show", "9.9.9+ffffffffffff"),
        ("diff", "shipped", str(broken)),
    ):
        done = safety("policy", *arguments)
        assert done.exit_code != 0
        assert "Traceback" not in done.output
    assert safety("policy", "export", str(broken)).exit_code != 0
    assert (broken / "policy.yaml").read_text(encoding="utf-8") == "version: one"


def test_files_that_are_missing_or_have_no_such_column_are_user_mistakes(tmp_path: Path) -> None:
    short = tmp_path / "short.csv"
    short.write_text("id,text\n1\n", encoding="utf-8")
    other = tmp_path / "other.csv"
    other.write_text("id,prompt\n", encoding="utf-8")
    assert safety("policy", "diff", "shipped", "shipped", "--prompts", str(short)).exit_code == 0
    for arguments in (
        ("policy", "diff", "shipped", "shipped", "--prompts", str(other)),
        ("policy", "check", "--cases", str(tmp_path / "nowhere.csv")),
        ("policy", "check", "--cases", str(other)),
        ("replay", "a-run", "--prompt", str(tmp_path / "nowhere.txt")),
    ):
        done = safety(*arguments)
        assert done.exit_code != 0
        assert not isinstance(done.exception, (OSError, TypeError, KeyError)), done.exception
