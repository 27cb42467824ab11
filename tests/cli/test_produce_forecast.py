"""`produce --dry-run` tells before anything starts."""

from pathlib import Path

import tiny_plugins
from cli_process import Clipproof


def test_a_forecast_names_model_licence_memory_time_and_writes_nothing(
    clipproof: Clipproof, tmp_path: Path
) -> None:
    done = clipproof("produce", "a red ball bounces on grass", "--seconds", "2.2", "--dry-run", "--json")
    assert done.code == 0, done.err
    told = done.json
    plan = told["plan"]
    assert told["problem"] is None
    assert (plan["model"], plan["weights_licence"]) == ("embedded", "Apache-2.0")
    assert plan["memory"]["fits"]
    assert 0 < plan["time"]["least_s"] < plan["time"]["most_s"]
    assert [note["what"] for note in plan["adjustments"]] == ["frames"]
    assert not (tmp_path / "home").exists()


def test_a_clip_that_is_too_large_for_this_machine_ends_with_5(clipproof: Clipproof, tmp_path: Path) -> None:
    tiny_plugins.save_wan(tmp_path / "wan")
    size = ("--seconds", "60", "--width", "4096", "--height", "4096")
    done = clipproof("produce", "a ball", "--model", tmp_path / "wan", *size, "--dry-run")
    assert done.code == 5, done.err
    assert "tends to repeat" in done.out
    assert "error:" in done.err


def test_a_picture_that_is_not_there_ends_with_2(clipproof: Clipproof, tmp_path: Path) -> None:
    done = clipproof("produce", "a ball", "--image", tmp_path / "no.png", "--dry-run", "--json")
    assert done.code == 2
    assert "no.png" in done.json["error"]
