"""A reviewer works the queue from the command line: no keys, no server, one ledger."""

import csv
import io
import json
import unicodedata
from pathlib import Path

import pytest
import yaml
from cli_process import Clipproof, Done, run_clipproof
from flows_review import parked
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from clipproof.cli import app
from clipproof.cli.failures import exit_code
from clipproof.cli.review_forms import table_text, visible
from flows.settings import Settings
from provenance.ledger import connect


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", user="Ines")


@pytest.fixture
def clipproof(settings: Settings) -> Clipproof:
    """The command line in this process: a new one takes a second, and there are many commands here."""

    def run(*arguments: str | Path, **environment: str) -> Done:
        environment = {"CLIPPROOF_HOME": str(settings.home), "CLIPPROOF_USER": "Ines"} | environment
        done = CliRunner().invoke(app, list(map(str, arguments)), env=environment)
        if done.exception is None or isinstance(done.exception, SystemExit):
            return Done(done.exit_code, done.stdout, done.stderr)
        assert isinstance(done.exception, Exception)
        hint = getattr(done.exception, "hint", "")
        return Done(exit_code(done.exception), done.stdout, f"{done.stderr}{done.exception} {hint}")

    return run


def queued(settings: Settings, *prompts: str) -> list[int]:
    """Prompts that the shipped policy sends to review, parked as `produce` parks them."""
    return [parked(settings, prompt).id for prompt in prompts]


SINGER = "Taylor Swift throws a red ball on a beach"


def test_the_queue_is_listed_shown_commented_and_decided(clipproof: Clipproof, settings: Settings) -> None:
    (number,) = map(str, queued(settings, SINGER))
    (listed,) = clipproof("review", "list", "--json").json["reviews"]
    assert (listed["prompt"], listed["requester"], listed["state"]) == (SINGER, "Ines", "waits")

    shown = clipproof("review", "show", number)
    assert "P1" in shown.out
    assert listed["policy_version"] in shown.out
    assert "public figure" in shown.out or "real, known person" in shown.out

    assert (
        clipproof("review", "comment", number, "--text", "is there consent?", "--reviewer", "Ana").code == 0
    )
    done = clipproof("review", "reject", number, "--reason", "no consent", "--code", "P1", "--reviewer", "Bo")
    assert (done.code, done.out) == (0, f"review {number} rejected by Bo; it ends here\n")
    assert clipproof("review", "list").out == "nothing waits\n"

    history = clipproof("review", "show", number, "--json").json["history"]
    assert [(one["kind"], one["by"], one["code"], one["note"]) for one in history] == [
        ("commented", "Ana", None, "is there consent?"),
        ("rejected", "Bo", "P1", "no consent"),
    ]
    assert all(one["pinned"] for one in history)


def test_four_eyes_on_the_command_line(clipproof: Clipproof, settings: Settings) -> None:
    (number,) = map(str, queued(settings, SINGER))

    def approve(name: str) -> tuple[int, str]:
        done = clipproof(
            *("review", "approve", number, "--reason", "she agreed", "--reviewer", name),
            CLIPPROOF_REVIEW_APPROVALS="2",
        )
        return done.code, done.out + done.err

    code, said = approve("Ines")
    assert (code, "asked for this clip" in said) == (2, True)
    code, said = approve("Ana")
    assert (code, "approved by 1 of 2" in said) == (0, True)
    assert clipproof("review", "list", "--json").json["reviews"][0]["state"] == "approved by 1 of 2"
    code, said = approve("ana")
    assert (code, "another person" in said) == (2, True)
    code, said = approve("Bo")
    assert (code, "run the same `clipproof produce` command again" in said) == (0, True)


def test_a_decided_review_is_reopened_with_a_reason(clipproof: Clipproof, settings: Settings) -> None:
    (number,) = map(str, queued(settings, SINGER))
    assert clipproof("review", "approve", number, "--reason", "satire").code == 0
    late = clipproof("review", "reject", number, "--reason", "no")
    assert (late.code, "reopen" in late.err) == (2, True)
    assert clipproof("review", "reopen", number, "--reason", "she complained").out == (
        f"review {number} waits again\n"
    )
    assert clipproof("review", "reopen", number, "--reason", "again").code == 2


def test_reviews_expire_whenever_the_queue_is_read(clipproof: Clipproof, settings: Settings) -> None:
    (number,) = map(str, queued(settings, SINGER))
    soon = {"CLIPPROOF_REVIEW_TIMEOUT_HOURS": "1e-9"}
    assert clipproof("review", "approve", number, "--reason", "late", **soon).code == 2
    (expired,) = clipproof("review", "list", "--status", "expired", "--json").json["reviews"]
    assert (expired["id"], expired["reviewer"]) == (int(number), "clipproof")
    assert clipproof("review", "expire", **soon).out == "expired: none\n"
    without = clipproof("review", "expire")
    assert (without.code, "CLIPPROOF_REVIEW_TIMEOUT_HOURS" in without.err) == (2, True)
    assert clipproof("review", "reopen", number, "--reason", "I am back").code == 0
    assert clipproof("review", "expire", **soon).out == f"expired: {number}\n"


def test_the_list_is_filtered_and_says_what_it_leaves_out(clipproof: Clipproof, settings: Settings) -> None:
    english, chinese = queued(settings, SINGER, "周杰伦在海滩上跳舞")
    clipproof("review", "comment", str(chinese), "--text", "谁?", "--reviewer", "Ana")

    def found(*options: str) -> list[int]:
        return [one["id"] for one in clipproof("review", "list", *options, "--json").json["reviews"]]

    assert found() == [english, chinese]
    assert found("--lang", "zh") == [chinese]
    assert found("--code", "P1", "--lang", "en") == [english]
    assert found("--code", "V1") == []
    assert found("--reviewer", "Ana") == [chinese]
    assert found("--since", "2099-01-01") == []
    cut = clipproof("review", "list", "--limit", "1")
    assert "1 more" in cut.err


@pytest.mark.parametrize("form", ["json", "csv"])
def test_an_export_holds_the_whole_history_and_prompts_only_if_asked(
    clipproof: Clipproof, settings: Settings, tmp_path: Path, form: str
) -> None:
    first, second = map(str, queued(settings, SINGER, "Barack Obama dances on a table"))
    clipproof("review", "comment", first, "--text", '=HYPERLINK("http://x")', "--reviewer", "Ana")
    clipproof("review", "reject", first, "--reason", "no consent", "--reviewer", "Bo")
    target = tmp_path / f"reviews.{form}"
    command = ("review", "export", "--format", form, "--out", target)
    told = clipproof(*command, "--json")
    assert (told.json["reviews"], told.json["events"]) == (2, 2)
    text = target.read_text(encoding="utf-8")
    assert "Taylor" not in text
    assert clipproof(*command).code == 2  # it is there already
    assert clipproof(*command, "--force", "--prompts").code == 0
    text = target.read_text(encoding="utf-8")
    if form == "csv":
        rows = list(csv.DictReader(text.splitlines()))
        assert [row["event"] for row in rows] == ["commented", "rejected", ""]
        assert rows[0]["note"].startswith("'=")  # a spreadsheet would run it
        assert {row["codes"] for row in rows} == {"P1"}
        assert rows[0]["prompt"] == SINGER
        assert rows[2]["review"] == second
    else:
        reviews = json.loads(text)["reviews"]
        assert [[event["kind"] for event in one["history"]] for one in reviews] == [
            ["commented", "rejected"],
            [],
        ]
        assert reviews[0]["prompt"] == SINGER
        assert reviews[0]["policy_version"]
    assert not list(tmp_path.glob(".reviews*"))


def test_an_export_to_a_folder_that_is_not_there_leaves_nothing(
    clipproof: Clipproof, settings: Settings, tmp_path: Path
) -> None:
    queued(settings, SINGER)
    done = clipproof("review", "export", "--out", tmp_path / "no" / "reviews.json")
    assert (done.code, "does not exist" in done.err) == (5, True)


def test_suggestions_are_yaml_with_their_reviews_and_change_nothing(
    clipproof: Clipproof, settings: Settings
) -> None:
    first, second = map(str, queued(settings, "a gun lies on a table", "a gun dog runs over a meadow"))
    assert clipproof("review", "suggest").out == "# nothing to suggest\n"
    clipproof("review", "reject", first, "--reason", "how to arm", "--code", "X1")
    clipproof("review", "approve", second, "--reason", "a dog")
    before = clipproof("safety", "policy", "show", "--json").json["version"]
    said = clipproof("review", "suggest", second).out
    assert f"# harmless for V1, from reviews {second}: any rule file" in said
    assert "# tried: lets pass 0 of 1 rejected and 1 of 1 approved prompts" in said
    assert yaml.safe_load(said) == {"harmless": "gun dog"}
    found = clipproof("review", "suggest", "--json").json
    assert {one["kind"] for one in found["suggestions"]} == {"rule", "concept", "harmless"}
    assert (
        found["policy_version"] == clipproof("safety", "policy", "show", "--json").json["version"] == before
    )
    assert clipproof("review", "suggest", "99").code == 2


def test_a_prompt_cannot_play_tricks_on_the_reviewers_terminal(
    clipproof: Clipproof, settings: Settings
) -> None:
    (number,) = map(str, queued(settings, "Taylor Swift \x1b[2J\x1b]0;owned\x07 \u202e[bold]waves[/bold]"))
    for command in (("list",), ("show", number)):
        said = clipproof("review", *command).out
        assert "\x1b" not in said
        assert "\u202e" not in said
        assert "\\u001b" in said.replace("\n", "").replace(" ", "")


@given(st.text())
def test_no_text_that_is_shown_holds_what_a_terminal_would_obey_or_hide(text: str) -> None:
    shown = visible(text)
    assert not [char for char in shown if unicodedata.category(char) in ("Cc", "Cf", "Cs")]
    if not [char for char in text if unicodedata.category(char).startswith("C")]:
        assert shown == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_table_holds_every_text_and_no_formula(text: str) -> None:
    review = dict.fromkeys(
        ("id", "created", "clip_id", "status", "language", "policy_version", "requester"), "x"
    )
    told = table_text(
        [review | {"codes": [], "history": [{"kind": "commented", "note": text}], "prompt": text}]
    )
    (row,) = csv.DictReader(io.StringIO(told, newline=""))
    assert row["note"] == row["prompt"]
    assert row["note"].removeprefix("'") == text.removeprefix("'")
    assert row["note"][:1] not in list("=+-@\t\r")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("show", "99"), "99"),
        (("show", "0"), "number"),
        (("approve", "99", "--reason", "x"), "99"),
        (("approve", "1", "--reason", "  "), "empty"),
        (("approve", "1", "--reason", "x", "--reviewer", ""), "empty"),
        (("reject", "1", "--reason", "x" * 4001), "4000"),
        (("reject", "1", "--reason", "x", "--code", "ZZ"), "ZZ"),
        (("comment", "1", "--text", ""), "empty"),
        (("list", "--status", "lost"), "lost"),
        (("export", "--format", "xml", "--out", "x"), "xml"),
    ],
)
def test_a_mistake_is_told_in_a_line(
    clipproof: Clipproof, settings: Settings, arguments: tuple[str, ...], word: str
) -> None:
    queued(settings, SINGER)
    done = clipproof("review", *arguments)
    assert done.code == 2
    assert word in done.err
    with connect(settings.ledger_url) as ledger:
        assert ledger.log_entries() == []


def test_what_no_person_may_approve_is_a_policy_stop(clipproof: Clipproof, settings: Settings) -> None:
    (number,) = map(str, queued(settings, SINGER))
    with connect(settings.ledger_url) as ledger:
        (run_key,) = (one.run_key for one in ledger.reviews())
        decision = {"action": "review", "policy_version": "9", "codes": ["S0"], "overridable": False}
        ledger.enqueue_review(run_key, ledger.record_decision(run_key, decision))
    assert clipproof("review", "list", "--json").json["reviews"][0]["state"] == "waits; can only be rejected"
    done = clipproof("review", "approve", number, "--reason", "art")
    assert (done.code, "no person" in done.err) == (4, True)


def test_a_home_without_a_ledger_is_named(tmp_path: Path) -> None:
    done = run_clipproof(tmp_path / "nothing", "review", "list")
    assert (done.code, "db upgrade" in done.err) == (5, True)
    assert not (tmp_path / "nothing").exists()
