"""Produce for real: the local server, the embedded model, schedules, and processes killed in the middle."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_process import Clipproof, Done, run_clipproof

from flows.settings import Settings
from media import Store, file_digest, probe
from provenance.ledger import connect

pytestmark = pytest.mark.server

RED_BALL = "a red ball bounces on grass at dusk"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("production"))


@pytest.fixture(scope="module")
def clipproof(settings: Settings) -> Iterator[Clipproof]:
    """The command line on one home with the local server up, as an installation has it after its first clip."""

    def run(*arguments: str | Path) -> Done:
        return run_clipproof(settings.home, *arguments)

    up = run("up", "--json")
    assert up.code == 0, up.err
    yield run
    assert run("down", "--json").json["stopped"] is True
    assert run("status", "--json").json["server_pid"] is None


def rows(settings: Settings) -> int:
    with connect(settings.ledger_url) as ledger:
        return len(ledger.clips(1000))


def nothing_is_orphaned(settings: Settings) -> bool:
    store = Store(settings.store_folder)
    with connect(settings.ledger_url) as ledger:
        known, intact = ledger.known_assets(), ledger.verify_log().intact
    stored = set(store.digests())
    work = settings.work_folder
    folders = [path for path in work.iterdir() if path.is_dir()] if work.is_dir() else []
    return intact and stored == known and all(store.intact(one) for one in stored) and not folders


@pytest.fixture(scope="module")
def produced(clipproof: Clipproof, tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Path]:
    target = tmp_path_factory.mktemp("clips") / "ball.mp4"
    return clipproof("produce", RED_BALL, "--out", target, "--json"), target


def test_a_prompt_becomes_a_clip_that_its_home_trusts(
    clipproof: Clipproof, settings: Settings, produced: tuple[Done, Path]
) -> None:
    done, target = produced
    assert done.code == 0, done.err
    said = probe(target)
    assert min(said.width, said.height) >= 512
    assert '"ProduceID": "' + done.json["clip_id"] in said.metadata["AIGC"]
    report = clipproof("verify", target, "--json")
    assert (report.code, report.json["verdict"], report.json["clip_id"]) == (
        0,
        "trusted",
        done.json["clip_id"],
    )
    shown = clipproof("ledger", "show", done.json["clip_id"], "--json").json
    assert shown["source"] == "ai"
    assert shown["audit"]["verdict"] in {"likely_ai", "likely_camera", "inconclusive"}
    assert {one["stage"] for one in shown["decisions"]} == {"prompt", "frames"}
    assert nothing_is_orphaned(settings)


def test_server_noise_never_reaches_the_user(produced: tuple[Done, Path]) -> None:
    done, _ = produced
    assert not [
        line
        for line in done.err.splitlines()
        if line and not line.startswith(("…", "made", "whoever", "start"))
    ]


def test_the_same_command_gives_the_same_clip_and_new_gives_another(
    clipproof: Clipproof, settings: Settings, produced: tuple[Done, Path], tmp_path: Path
) -> None:
    done, target = produced
    before = rows(settings)
    again = clipproof("produce", RED_BALL, "--out", tmp_path / "again.mp4", "--json")
    assert again.json["clip_id"] == done.json["clip_id"]
    assert file_digest(tmp_path / "again.mp4") == file_digest(target)
    assert rows(settings) == before
    other = clipproof("produce", RED_BALL, "--new", "--out", tmp_path / "other.mp4", "--json")
    assert other.json["clip_id"] != done.json["clip_id"]
    assert rows(settings) == before + 1


@pytest.mark.parametrize(
    "prompt",
    [
        "BREAKING NEWS live footage: the president announces a nuclear strike",
        "突发新闻直播:某国领导人宣布发动核打击",
    ],
)
def test_fake_news_leaves_no_clip_and_one_row_without_its_text(
    prompt: str, clipproof: Clipproof, settings: Settings, tmp_path: Path
) -> None:
    before = rows(settings)
    done = clipproof("produce", prompt, "--out", tmp_path / "news.mp4", "--json")
    assert (done.code, done.json["status"]) == (4, "refused")
    assert done.json["decision"]["codes"]
    assert not (tmp_path / "news.mp4").exists()
    assert rows(settings) == before
    with connect(settings.ledger_url) as ledger:
        run = ledger.run(done.json["run_key"])
        assert run is not None
        assert run.status == "refused"
        (decision,) = ledger.decisions(run.key)
    assert decision.prompt_text is None
    assert prompt not in str(decision) + str(run)
    assert nothing_is_orphaned(settings)
    again = clipproof("produce", prompt, "--out", tmp_path / "news.mp4", "--json")
    assert (again.code, again.json["run_key"]) == (4, done.json["run_key"])


def test_a_prompt_in_review_produces_once_it_is_approved(
    clipproof: Clipproof, settings: Settings, tmp_path: Path
) -> None:
    command = (
        "produce",
        "Taylor Swift throws a red ball on a beach",
        "--out",
        tmp_path / "clip.mp4",
        "--json",
    )
    waiting = clipproof(*command)
    assert (waiting.code, waiting.json["status"]) == (4, "review")
    (review,) = clipproof("review", "list", "--json").json["reviews"]
    assert review["run_key"] == waiting.json["run_key"]
    approved = clipproof(
        "review", "approve", str(review["id"]), "--reason", "she agreed in writing", "--reviewer", "Ada"
    )
    assert approved.code == 0
    done = clipproof(*command)
    assert (done.code, done.json["run_key"]) == (0, waiting.json["run_key"])
    assert clipproof("verify", tmp_path / "clip.mp4", "--json").json["verdict"] == "trusted"
    with connect(settings.ledger_url) as ledger:
        decided = ledger.review_of(waiting.json["run_key"])
    assert decided is not None
    assert (decided.reviewer, decided.reason) == ("Ada", "she agreed in writing")


def test_a_rejected_prompt_stays_rejected(clipproof: Clipproof, tmp_path: Path) -> None:
    command = ("produce", "Taylor Swift drops a blue box on sand", "--out", tmp_path / "clip.mp4", "--json")
    clipproof(*command)
    (review,) = clipproof("review", "list", "--json").json["reviews"]
    assert clipproof("review", "reject", str(review["id"]), "--reason", "no consent").code == 0
    done = clipproof(*command)
    assert (done.code, done.json["status"]) == (4, "refused")
    assert "no consent" in done.json["message"]
    assert clipproof("review", "approve", str(review["id"]), "--reason", "oh well").code == 2


def test_a_destination_that_cannot_be_written_is_refused_before_anything_is_made(
    clipproof: Clipproof, settings: Settings, tmp_path: Path
) -> None:
    before = rows(settings)
    done = clipproof("produce", "a black ball rolls on snow", "--out", tmp_path / "no" / "clip.mp4")
    assert done.code == 5
    assert "does not exist" in done.err
    assert rows(settings) == before


def test_ctrl_c_ends_with_130_and_the_run_can_go_on(
    clipproof: Clipproof, settings: Settings, tmp_path: Path
) -> None:
    command = [
        "produce",
        "a white ball rolls on sand",
        "--out",
        str(tmp_path / "clip.mp4"),
        "--run-id",
        "ctrl-c",
    ]
    victim = subprocess.Popen(
        [sys.executable, "-m", "clipproof", *command],
        env=os.environ | {"CLIPPROOF_HOME": str(settings.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not any(settings.work_folder.glob("*/raw.npz")):
        assert victim.poll() is None
        time.sleep(0.005)
    victim.send_signal(signal.SIGINT)
    _, told = victim.communicate(timeout=120)
    assert victim.returncode == 130
    assert "Traceback" not in told
    assert clipproof(*command).code == 0
    assert nothing_is_orphaned(settings)


# What the run has just finished when it is killed; None: as early as can be.
STEPS = ("run", "raw.npz", "marked.mp4", "signed.mp4", "store")


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_run_goes_on_and_ends_with_one_whole_clip(
    step: str, clipproof: Clipproof, settings: Settings, tmp_path: Path
) -> None:
    prompt = f"a blue box falls on sand, {STEPS.index(step)}"
    target = tmp_path / "clip.mp4"
    before, stored = rows(settings), len(list(Store(settings.store_folder).digests()))
    victim = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "clipproof",
            "produce",
            prompt,
            "--out",
            str(target),
            "--run-id",
            f"killed-{step}",
        ],
        env=os.environ | {"CLIPPROOF_HOME": str(settings.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def reached() -> bool:
        if step == "run":
            with connect(settings.ledger_url) as ledger:
                return ledger.run(f"killed-{step}") is not None
        if step == "store":
            return len(list(Store(settings.store_folder).digests())) > stored
        return any(settings.work_folder.glob(f"*/{step}"))

    deadline = time.monotonic() + 240
    while not reached():
        assert victim.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    victim.send_signal(signal.SIGKILL)
    victim.wait()

    done = clipproof("produce", prompt, "--out", target, "--run-id", f"killed-{step}", "--json")
    assert done.code == 0, done.err
    assert rows(settings) == before + 1
    assert nothing_is_orphaned(settings)
    assert clipproof("verify", target, "--json").json["verdict"] == "trusted"
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_campaign_makes_every_clip_and_continues_without_doubling(
    clipproof: Clipproof, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "c.yaml").write_text(
        "name: duo\nprompts: ['a {c} ball rolls on snow']\nvariables: {c: [red, green]}\n"
    )
    before = rows(settings)
    done = clipproof("campaign", "run", tmp_path / "c.yaml", "--json")
    assert done.code == 0, done.err
    made = [row["clip_id"] for row in done.json["rows"]]
    assert len(set(made)) == 2
    assert sorted(p.name for p in (tmp_path / "duo").iterdir()) == [
        "duo-manual-0000.mp4",
        "duo-manual-0001.mp4",
    ]
    again = clipproof("campaign", "run", tmp_path / "c.yaml", "--json")
    assert [row["clip_id"] for row in again.json["rows"]] == made
    assert rows(settings) == before + 2


def test_a_scheduled_campaign_fires_by_itself_and_ends_with_its_ledger_row(
    clipproof: Clipproof, settings: Settings, tmp_path: Path
) -> None:
    """Prefect's scheduler fails in silence with a wrong SQLAlchemy: only a run that really appears shows that."""
    (tmp_path / "c.yaml").write_text(
        "name: every-minute\nprompts: [a red ball rolls on stone]\nschedule: {cron: '* * * * *'}\n"
    )
    scheduled = clipproof("campaign", "schedule", tmp_path / "c.yaml", "--json")
    assert scheduled.code == 0, scheduled.err
    try:
        deadline = time.monotonic() + 300
        clips: list[dict[str, str]] = []
        while not clips and time.monotonic() < deadline:
            time.sleep(3)
            with connect(settings.ledger_url) as ledger:
                clips = [c for c in ledger.clips(1000) if c.campaign == "every-minute"]  # type: ignore[misc]
        assert clips, (settings.prefect_folder / "logs" / "worker.log").read_text()[-4000:]
        assert clipproof("campaign", "status", tmp_path / "c.yaml", "--json").json["next_runs"]
    finally:
        assert clipproof("campaign", "unschedule", tmp_path / "c.yaml", "--json").json["removed"] is True
    assert list((tmp_path / "every-minute").glob("*.mp4"))


def test_an_audit_of_a_folder_has_a_row_for_every_file(
    clipproof: Clipproof, produced: tuple[Done, Path], tmp_path: Path
) -> None:
    _, target = produced
    (tmp_path / "ours.mp4").write_bytes(target.read_bytes())
    (tmp_path / "broken.mp4").write_bytes(target.read_bytes()[:5000])
    (tmp_path / "notes.txt.mp4").write_text("not a video")
    done = clipproof("audit", tmp_path, "--out", tmp_path / "rows.json", "--json")
    assert done.code == 0, done.err
    found = {Path(row["path"]).name: row for row in done.json["rows"]}
    assert found["ours.mp4"]["provenance"] == "trusted"
    assert found["broken.mp4"]["error"]
    assert found["notes.txt.mp4"]["error"]
