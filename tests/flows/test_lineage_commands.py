"""`clipproof ledger graph`, `export` and `report`: what they print, write and refuse."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from clipproof.cli import app
from flows.home import Home
from flows.marking import Marked


@pytest.fixture(autouse=True)
def _here(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLIPPROOF_HOME", str(home.settings.home))
    monkeypatch.chdir(tmp_path)


def ledger(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["ledger", *arguments])


def test_a_graph_is_a_file_named_after_its_clip(marked: Marked, tmp_path: Path) -> None:
    done = ledger("graph", marked.clip_id, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["schema"], told["path"]) == ("clipproof.graph/1", f"clip-{marked.clip_id}.svg")
    ElementTree.fromstring((tmp_path / told["path"]).read_text())  # noqa: S314 - our own output
    assert ledger("graph", marked.clip_id).exit_code == 2  # exists
    assert ledger("graph", marked.clip_id, "--force").exit_code == 0
    assert ledger("graph", marked.clip_id, "-o", "-").stdout.startswith("<svg")


def test_exports_go_to_standard_output_one_document_a_line_for_many(marked: Marked) -> None:
    one = json.loads(ledger("export", marked.clip_id).stdout)
    assert f"clipproof:clip.{marked.clip_id}" in one["entity"]
    lines = ledger("export", "--all").stdout.splitlines()
    assert one in [json.loads(line) for line in lines]
    events = ledger("export", marked.clip_id, "--format", "openlineage").stdout.splitlines()
    assert {json.loads(event)["job"]["name"] for event in events} >= {"mark_and_encode", "sign"}
    assert ledger("export", marked.clip_id, "--format", "dot").stdout.startswith("digraph")
    assert ledger("export", "--all", "--since", "2999-01-01").stdout == ""
    assert ledger("export", "--campaign", "none").stdout == ""


def test_a_report_answers_in_json_markdown_and_html(marked: Marked, tmp_path: Path) -> None:
    told = json.loads(ledger("report", marked.clip_id, "--law", "eu", "--json").stdout)
    assert told["schema"] == "clipproof.law-report/1"
    assert {"id", "requires", "clause", "status", "evidence", "todo"} <= told["duties"][0].keys()
    assert ledger("report", marked.clip_id, "-o", "report.html").exit_code == 0
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert "not legal advice" in ledger("report", marked.clip_id, "--law", "cn").stdout


def test_statuses_are_data_unless_a_script_asks(marked: Marked) -> None:
    assert ledger("report", marked.clip_id, "--law", "cn").exit_code == 0
    assert ledger("report", marked.clip_id, "--law", "cn", "--fail-on", "not_met").exit_code == 1


@pytest.mark.parametrize("verb", ["graph", "export", "report"])
@pytest.mark.parametrize("clip_id", ["0" * 16, "banana"])
def test_an_unknown_clip_is_one_error_and_leaves_no_file(verb: str, clip_id: str, tmp_path: Path) -> None:
    done = ledger(verb, clip_id, "-o", "out.md")
    assert done.exit_code == 2
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ["export"],
        ["export", "0" * 16, "--all"],
        ["export", "0" * 16, "--since", "2026-01-01"],
        ["report", "--all", "-o", "all.md"],
        ["report", "0" * 16, "-o", "report.pdf"],
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_a_usage_error(arguments: list[str]) -> None:
    assert ledger(*arguments).exit_code == 2
