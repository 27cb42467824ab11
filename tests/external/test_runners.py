"""The same audit on processes, threads, Dask and Ray."""

from pathlib import Path

import pytest
from cli_process import run_clipproof
from conftest import moving_picture, write_mp4

pytestmark = pytest.mark.external


@pytest.mark.filterwarnings("default")
def test_every_runner_gives_the_same_rows(tmp_path: Path) -> None:
    pytest.importorskip("prefect_dask", reason="run `make test-external`, which installs it")
    pytest.importorskip("prefect_ray", reason="run `make test-external`, which installs it")
    clips = tmp_path / "clips"
    clips.mkdir()
    for seed in range(2):
        write_mp4(clips / f"{seed}.mp4", moving_picture(24, 240, 320, seed))
    (clips / "2.mp4").write_bytes((clips / "1.mp4").read_bytes())
    (clips / "broken.mp4").write_bytes(b"\x00\x00\x00\x18ftypisom")
    home = tmp_path / "home"
    try:
        rows = {}
        for runner in ("processes", "threads", "dask", "ray"):
            done = run_clipproof(home, "audit", clips, "--runner", runner, "--workers", "2", "--json")
            assert done.code == 0, done.err
            rows[runner] = done.json["rows"]
        assert [row["error"] is None for row in rows["threads"]] == [True, True, True, False]
        assert rows["threads"][2]["duplicate_of"] == rows["threads"][1]["path"]
        assert rows["processes"] == rows["threads"]
        assert rows["dask"] == rows["threads"]
        assert rows["ray"] == rows["threads"]
    finally:
        run_clipproof(home, "down")
