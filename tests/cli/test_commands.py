"""The verbs that need no server: words, JSON and exit codes."""

import sqlite3
import stat
from pathlib import Path

import pytest
from cli_process import Clipproof
from conftest import write_mp4
from flows_media import textured

from media.digest import StreamDigest
from provenance.ledger import Asset, ClipRecord, Mark, connect
from provenance.watermark import SCHEME, epoch_key


@pytest.fixture(scope="session")
def holiday(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mp4(tmp_path_factory.mktemp("cli") / "holiday.mp4", textured(24, seed=3), sound=True, crf=16)


def test_help_and_version(clipproof: Clipproof) -> None:
    for arguments in (["--help"], ["verify", "-h"], ["campaign", "run", "--help"]):
        done = clipproof(*arguments)
        assert (done.code, done.err) == (0, "")
    assert clipproof("--version").out.startswith("clipproof ")


def test_a_word_that_is_no_command_is_a_usage_error(clipproof: Clipproof) -> None:
    done = clipproof("verfy")
    assert done.code == 2
    assert "verify" in done.err  # it says what was meant


def test_mark_then_verify_then_show(clipproof: Clipproof, holiday: Path, tmp_path: Path) -> None:
    marked = clipproof("mark", holiday, tmp_path / "marked.mp4", "--source", "camera", "--json")
    assert marked.code == 0
    assert "whoever loses the mark key" in marked.err

    verified = clipproof("verify", tmp_path / "marked.mp4", "--json")
    assert (verified.code, verified.json["verdict"]) == (0, "trusted")
    assert verified.json["clip_id"] == marked.json["clip_id"]
    assert clipproof("verify", tmp_path / "marked.mp4").out.startswith("TRUSTED")

    stranger = clipproof("verify", tmp_path / "marked.mp4", "--anchors", "none", "--json", "--no-audit")
    assert (stranger.code, stranger.json["verdict"]) == (6, "valid_untrusted")
    accepted = clipproof(
        "verify", tmp_path / "marked.mp4", "--anchors", "none", "--accept", "valid_untrusted", "--no-audit"
    )
    assert accepted.code == 0
    other_signer = clipproof("verify", tmp_path / "marked.mp4", "--expect-signer", "Reuters", "--json")
    assert (other_signer.code, other_signer.json["signer_matches"]) == (1, False)

    listed = clipproof("ledger", "show", "--json")
    assert [clip["clip_id"] for clip in listed.json["clips"]] == [marked.json["clip_id"]]
    shown = clipproof("ledger", "show", marked.json["clip_id"], "--json")
    assert shown.json["source"] == "camera"
    assert shown.json["derived_from"][0]["role"] == "parent"
    assert clipproof("ledger", "log", "verify", "--json").json["intact"] is True
    assert clipproof("ledger", "show", "0" * 16).code == 2

    doctor = clipproof("doctor", "--json")
    assert doctor.code == 0, doctor.out
    assert {check["name"]: check["state"] for check in doctor.json["checks"]}["store"] == "ok"


def test_production_is_never_signed_by_a_development_identity(
    clipproof: Clipproof, holiday: Path, tmp_path: Path
) -> None:
    done = clipproof("mark", holiday, tmp_path / "out.mp4", "--production")
    assert done.code == 5
    assert "only a development identity" in done.err
    assert "CLIPPROOF_SIGNING_CHAIN" in done.err
    assert not (tmp_path / "out.mp4").exists()


def test_mark_replaces_nothing_unasked(clipproof: Clipproof, holiday: Path, tmp_path: Path) -> None:
    (tmp_path / "kept.mp4").write_bytes(b"mine")
    assert clipproof("mark", holiday, tmp_path / "kept.mp4").code == 2
    assert (tmp_path / "kept.mp4").read_bytes() == b"mine"


def test_verify_always_gives_a_verdict_for_a_file(clipproof: Clipproof, tmp_path: Path) -> None:
    (tmp_path / "junk.mp4").write_bytes(b"not a video at all")
    junk = clipproof("verify", tmp_path / "junk.mp4", "--json")
    assert (junk.code, junk.json["verdict"]) == (1, "malformed")
    (tmp_path / "empty.mp4").touch()
    assert clipproof("verify", tmp_path / "empty.mp4", "--json").json["verdict"] == "malformed"
    missing = clipproof("verify", tmp_path / "nothing.mp4", "--json")
    assert missing.code == 2
    assert "nothing.mp4" in missing.json["error"]


def test_verify_makes_nothing(clipproof: Clipproof, holiday: Path, tmp_path: Path) -> None:
    assert clipproof("verify", holiday, "--no-audit").code == 3
    assert not (tmp_path / "home").exists()


def test_audit_of_one_clip_gives_a_row(clipproof: Clipproof, holiday: Path, tmp_path: Path) -> None:
    done = clipproof("audit", holiday, "--json", "--out", tmp_path / "rows.csv")
    assert done.code == 0
    (row,) = done.json["rows"]
    assert row["verdict"] in {"likely_ai", "likely_camera", "inconclusive"}
    assert 0 <= row["p_ai"] <= 1
    assert row["provenance"] == "unsigned"
    assert (tmp_path / "rows.csv").read_text().startswith("path,verdict,p_ai,provenance")
    assert clipproof("audit", tmp_path / "nothing.mp4", "--json").json["rows"][0]["error"]


def test_audit_can_fail_a_script(clipproof: Clipproof, holiday: Path) -> None:
    verdict = clipproof("audit", holiday, "--json").json["rows"][0]["verdict"]
    assert clipproof("audit", holiday, "--fail-on", verdict).code == 1
    assert clipproof("audit", holiday, "--fail-on", "nonsense").code == 2


@pytest.mark.parametrize(
    ("prompt", "code", "action"),
    [
        ("a red ball bounces on grass at dusk", 0, "allow"),
        ("一个红色的球在草地上弹跳", 0, "allow"),
        ("BREAKING NEWS live footage: the president announces a nuclear strike", 4, "block"),
        ("突发新闻直播:某国领导人宣布发动核打击", 4, "block"),
    ],
)
def test_safety_check(clipproof: Clipproof, prompt: str, code: int, action: str) -> None:
    done = clipproof("safety", "check", prompt, "--json")
    assert (done.code, done.json["action"]) == (code, action)
    assert bool(done.json["codes"]) == (code == 4)


def test_keys_are_made_once_shown_redacted_and_backed_up(clipproof: Clipproof, tmp_path: Path) -> None:
    assert clipproof("keys", "show").code == 5
    made = clipproof("keys", "init", "--json")
    assert made.code == 0
    assert clipproof("keys", "init").code == 5
    secret = (tmp_path / "home" / "keys" / "mark.key").read_text().strip()
    for done in (made, clipproof("keys", "show"), clipproof("keys", "backup", tmp_path / "backup.tar")):
        assert done.code == 0
        assert secret not in done.out + done.err
    assert stat.S_IMODE((tmp_path / "backup.tar").stat().st_mode) == 0o600
    restored = clipproof(
        "keys", "restore", tmp_path / "backup.tar", "--json", CLIPPROOF_HOME=str(tmp_path / "other")
    )
    assert restored.json["mark_key_id"] == made.json["mark_key_id"]


def test_a_new_epoch_is_told_and_shown_and_no_key_is(clipproof: Clipproof, tmp_path: Path) -> None:
    assert clipproof("keys", "new-epoch").code == 5  # there are no keys
    made = clipproof("keys", "init", "--json").json
    assert (made["mark_epoch"], made["mark_epochs_tried"]) == (0, 1)
    later = clipproof("keys", "new-epoch", "--json")
    assert (later.code, later.json["mark_epoch"], later.json["mark_epochs_tried"]) == (0, 1, 2)
    assert later.json["mark_key_id"] == made["mark_key_id"]
    assert "keys backup" in later.err
    shown = clipproof("keys", "show")
    assert "mark epoch           1" in shown.out
    master = bytes.fromhex((tmp_path / "home" / "keys" / "mark.key").read_text())
    for key in (master, *(epoch_key(master, epoch) for epoch in (0, 1))):
        assert key.hex() not in later.out + later.err + shown.out + shown.err


def test_keys_from_an_old_backup_are_noticed_and_go_past_the_epochs_that_were_used(
    clipproof: Clipproof, tmp_path: Path
) -> None:
    clipproof("keys", "init")
    clipproof("db", "upgrade")
    with connect(f"sqlite:///{tmp_path / 'home' / 'ledger.db'}") as ledger:
        run = ledger.reserve_run("key", {})
        marks = (Mark(SCHEME, run.clip_id, {"epoch": 5}),)
        asset = Asset(bytes(32), 1, "video/mp4")
        ledger.record_clip(ClipRecord("key", asset, "ai", StreamDigest({}), marks=marks))
    check = {one["name"]: one for one in clipproof("doctor", "--json").json["checks"]}["mark key"]
    assert check["state"] == "bad"
    assert "epoch 0, but clips were marked in epoch 5" in check["message"]
    assert clipproof("keys", "new-epoch", "--json").json["mark_epoch"] == 6
    check = {one["name"]: one for one in clipproof("doctor", "--json").json["checks"]}["mark key"]
    assert (check["state"], check["message"]) == ("ok", "epoch 6")


def test_the_ledger_is_made_on_request_and_a_newer_one_is_refused(
    clipproof: Clipproof, tmp_path: Path
) -> None:
    assert clipproof("ledger", "show").code == 5
    assert clipproof("db", "upgrade", "--json").json["revision"]
    with sqlite3.connect(tmp_path / "home" / "ledger.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    done = clipproof("ledger", "show")
    assert done.code == 5
    assert "newer" in done.err


def test_an_unwritable_destination_is_an_environment_error(
    clipproof: Clipproof, holiday: Path, tmp_path: Path
) -> None:
    done = clipproof("mark", holiday, tmp_path / "no" / "such" / "folder" / "out.mp4")
    assert done.code == 5
    assert "does not exist" in done.err


def test_a_bad_setting_is_named(clipproof: Clipproof) -> None:
    done = clipproof("status", CLIPPROOF_CRF="900")
    assert done.code == 2
    assert "CLIPPROOF_CRF" in done.err


def test_campaign_dry_run_lists_clips_and_decisions(clipproof: Clipproof, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "name: toys\nprompts: ['a {c} ball rolls']\nvariables: {c: [red, blue]}\n"
    )
    done = clipproof("campaign", "run", tmp_path / "c.yaml", "--dry-run", "--json")
    assert done.code == 0
    assert [row["prompt"] for row in done.json["rows"]] == ["a red ball rolls", "a blue ball rolls"]
    assert clipproof("campaign", "schedule", tmp_path / "c.yaml").code == 2
    assert not (tmp_path / "home").exists()
