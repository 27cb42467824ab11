"""Produce for real: the local server, the embedded model, reviews, campaigns, schedules."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread

import pytest
from cli_process import Clipproof, Done, nothing_is_orphaned, rows

from flows.settings import Settings, quiet_prefect
from media import file_digest, probe
from provenance.ledger import connect

pytestmark = pytest.mark.server

RED_BALL = "a red ball bounces on grass at dusk"


@pytest.fixture(scope="module")
def produced(running: Clipproof, tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Path]:
    target = tmp_path_factory.mktemp("clips") / "ball.mp4"
    return running("produce", RED_BALL, "--out", target, "--json"), target


def test_a_prompt_becomes_a_clip_that_its_home_trusts(
    running: Clipproof, settings: Settings, produced: tuple[Done, Path]
) -> None:
    done, target = produced
    assert done.code == 0, done.err
    said = probe(target)
    assert min(said.width, said.height) >= 512
    assert '"ProduceID": "' + done.json["clip_id"] in said.metadata["AIGC"]
    report = running("verify", target, "--json")
    assert (report.code, report.json["verdict"], report.json["clip_id"]) == (
        0,
        "trusted",
        done.json["clip_id"],
    )
    shown = running("ledger", "show", done.json["clip_id"], "--json").json
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
    running: Clipproof, settings: Settings, produced: tuple[Done, Path], tmp_path: Path
) -> None:
    done, target = produced
    before = rows(settings)
    again = running("produce", RED_BALL, "--out", tmp_path / "again.mp4", "--json")
    assert again.json["clip_id"] == done.json["clip_id"]
    assert file_digest(tmp_path / "again.mp4") == file_digest(target)
    assert rows(settings) == before
    other = running("produce", RED_BALL, "--new", "--out", tmp_path / "other.mp4", "--json")
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
    prompt: str, running: Clipproof, settings: Settings, tmp_path: Path
) -> None:
    before = rows(settings)
    done = running("produce", prompt, "--out", tmp_path / "news.mp4", "--json")
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
    again = running("produce", prompt, "--out", tmp_path / "news.mp4", "--json")
    assert (again.code, again.json["run_key"]) == (4, done.json["run_key"])


def test_a_prompt_in_review_produces_once_it_is_approved(
    running: Clipproof, settings: Settings, tmp_path: Path
) -> None:
    command = (
        "produce",
        "Taylor Swift throws a red ball on a beach",
        "--out",
        tmp_path / "clip.mp4",
        "--json",
    )
    waiting = running(*command)
    assert (waiting.code, waiting.json["status"]) == (4, "review")
    (review,) = running("review", "list", "--json").json["reviews"]
    assert review["run_key"] == waiting.json["run_key"]
    approved = running(
        "review", "approve", str(review["id"]), "--reason", "she agreed in writing", "--reviewer", "Ada"
    )
    assert approved.code == 0
    done = running(*command)
    assert (done.code, done.json["run_key"]) == (0, waiting.json["run_key"])
    assert running("verify", tmp_path / "clip.mp4", "--json").json["verdict"] == "trusted"
    with connect(settings.ledger_url) as ledger:
        decided = ledger.review_of(waiting.json["run_key"])
    assert decided is not None
    assert (decided.reviewer, decided.reason) == ("Ada", "she agreed in writing")


def test_a_rejected_prompt_stays_rejected(running: Clipproof, tmp_path: Path) -> None:
    command = ("produce", "Taylor Swift drops a blue box on sand", "--out", tmp_path / "clip.mp4", "--json")
    running(*command)
    (review,) = running("review", "list", "--json").json["reviews"]
    assert running("review", "reject", str(review["id"]), "--reason", "no consent").code == 0
    done = running(*command)
    assert (done.code, done.json["status"]) == (4, "refused")
    assert "no consent" in done.json["message"]
    assert running("review", "approve", str(review["id"]), "--reason", "oh well").code == 2


def test_whoever_listens_is_told_of_a_review_and_told_no_words(
    running: Clipproof, settings: Settings, tmp_path: Path
) -> None:
    """The automation of docs/review.md, as it stands there, against the real server."""
    told: Queue[str] = Queue()

    class Desk(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.put(self.rfile.read(int(self.headers["content-length"])).decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    desk = HTTPServer(("127.0.0.1", 0), Desk)
    Thread(target=desk.serve_forever, daemon=True).start()
    page = (Path(__file__).parents[2] / "docs" / "review.md").read_text(encoding="utf-8")
    (automation,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    automation = automation.replace(
        "https://chat.example/hooks/review-desk", f"http://127.0.0.1:{desk.server_port}/"
    )
    api = running("status", "--json").json["api_url"]
    environment = os.environ | quiet_prefect(settings) | {"PREFECT_API_URL": api}
    try:
        subprocess.run([sys.executable, "-c", automation], env=environment, check=True, timeout=120)
        waiting = running("produce", "Taylor Swift holds a yellow kite", "--out", tmp_path, "--json")
        assert waiting.json["status"] == "review"
        (review,) = running("review", "list", "--json").json["reviews"]
        assert json.loads(told.get(timeout=60)) == {"text": f"review {review['id']}: P1, pending"}
        decided = running(
            "review", "reject", str(review["id"]), "--reason", "no consent", "--reviewer", "Ada"
        )
        assert (decided.code, decided.err) == (0, "")
        asked = urllib.request.Request(  # noqa: S310
            f"{api}/events/filter",
            json.dumps({"filter": {"event": {"prefix": ["clipproof.review."]}}}).encode(),
            {"content-type": "application/json"},
        )
        deadline = time.monotonic() + 60
        names: dict[str, str] = {}
        while "clipproof.review.decided" not in names and time.monotonic() < deadline:
            time.sleep(0.5)  # the server writes events down a moment after it has them
            with urllib.request.urlopen(asked) as answer:  # noqa: S310
                events = json.load(answer)["events"]
            of_review = [
                one for one in events if one["resource"]["prefect.resource.id"].endswith(f".{review['id']}")
            ]
            names = {one["event"]: one["payload"]["status"] for one in of_review}
        assert names == {"clipproof.review.requested": "pending", "clipproof.review.decided": "rejected"}
        assert not [word for word in ("Taylor", "kite", "consent", "Ada") if word in json.dumps(of_review)]
    finally:
        desk.shutdown()
        desk.server_close()


def test_a_destination_that_cannot_be_written_is_refused_before_anything_is_made(
    running: Clipproof, settings: Settings, tmp_path: Path
) -> None:
    before = rows(settings)
    done = running("produce", "a black ball rolls on snow", "--out", tmp_path / "no" / "clip.mp4")
    assert done.code == 5
    assert "does not exist" in done.err
    assert rows(settings) == before


def test_a_campaign_makes_every_clip_and_continues_without_doubling(
    running: Clipproof, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "c.yaml").write_text(
        "name: duo\nprompts: ['a {c} ball rolls on snow']\nvariables: {c: [red, green]}\n"
    )
    before = rows(settings)
    done = running("campaign", "run", tmp_path / "c.yaml", "--json")
    assert done.code == 0, done.err
    made = [row["clip_id"] for row in done.json["rows"]]
    assert len(set(made)) == 2
    assert sorted(p.name for p in (tmp_path / "duo").iterdir()) == [
        "duo-manual-0000.mp4",
        "duo-manual-0001.mp4",
    ]
    again = running("campaign", "run", tmp_path / "c.yaml", "--json")
    assert [row["clip_id"] for row in again.json["rows"]] == made
    assert rows(settings) == before + 2


def test_a_scheduled_campaign_fires_by_itself_and_ends_with_its_ledger_row(
    running: Clipproof, settings: Settings, tmp_path: Path
) -> None:
    """Prefect's scheduler fails in silence with a wrong SQLAlchemy: only a run that really appears shows that."""
    (tmp_path / "c.yaml").write_text(
        "name: every-minute\nprompts: [a red ball rolls on stone]\nschedule: {cron: '* * * * *'}\n"
    )
    scheduled = running("campaign", "schedule", tmp_path / "c.yaml", "--json")
    assert scheduled.code == 0, scheduled.err
    try:
        deadline = time.monotonic() + 300
        clips: list[dict[str, str]] = []
        while not clips and time.monotonic() < deadline:
            time.sleep(3)
            with connect(settings.ledger_url) as ledger:
                clips = [c for c in ledger.clips(1000) if c.campaign == "every-minute"]  # type: ignore[misc]
        assert clips, (settings.prefect_folder / "logs" / "worker.log").read_text()[-4000:]
        assert running("campaign", "status", tmp_path / "c.yaml", "--json").json["next_runs"]
    finally:
        assert running("campaign", "unschedule", tmp_path / "c.yaml", "--json").json["removed"] is True
    assert list((tmp_path / "every-minute").glob("*.mp4"))


def test_an_audit_of_a_folder_has_a_row_for_every_file(
    running: Clipproof, produced: tuple[Done, Path], tmp_path: Path
) -> None:
    _, target = produced
    (tmp_path / "ours.mp4").write_bytes(target.read_bytes())
    (tmp_path / "broken.mp4").write_bytes(target.read_bytes()[:5000])
    (tmp_path / "notes.txt.mp4").write_text("not a video")
    done = running("audit", tmp_path, "--out", tmp_path / "rows.json", "--json")
    assert done.code == 0, done.err
    found = {Path(row["path"]).name: row for row in done.json["rows"]}
    assert found["ours.mp4"]["provenance"] == "trusted"
    assert found["broken.mp4"]["error"]
    assert found["notes.txt.mp4"]["error"]
