"""A run that is killed before each thing that it makes durable: nothing is lost, nothing is half there."""

import json
import subprocess
import sys
from pathlib import Path

from cli_process import nothing_is_orphaned

from flows.settings import Settings
from media import Store, file_digest
from provenance.keys import KeyStore
from provenance.ledger import LedgerMissing, connect
from provenance.reading import read_manifest

DRIVER = Path(__file__).parent.parent / "killed_production.py"
LEAST_PLACES = 40


def recorded_clips(settings: Settings) -> list[bytes]:
    try:
        with connect(settings.ledger_url) as ledger:
            return [clip.asset_sha256 for clip in ledger.clips()]
    except LedgerMissing:
        return []


def test_killed_before_every_durable_event_a_run_still_ends_with_one_whole_clip(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    store = Store(settings.store_folder)
    (tmp_path / "out").mkdir()
    out = tmp_path / "out" / "clip.mp4"
    driver = subprocess.Popen(
        [sys.executable, str(DRIVER), str(settings.home), str(out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert driver.stdin is not None
    assert driver.stdout is not None
    places = []
    for line in driver.stdout:
        told = json.loads(line)
        where = f"{told['step']}: {told['before']}"
        if told["killed"]:
            places.append(where)
        clips = recorded_clips(settings)
        assert all(store.intact(digest) for digest in clips), f"a row without its file after {where}"
        assert not out.exists() or file_digest(out) in clips, (
            f"a published file without its row after {where}"
        )
        driver.stdin.write("\n")
        driver.stdin.flush()
    _, said = driver.communicate()
    assert driver.returncode == 0, f"{places[-1:]}: {said[-2000:]}"
    assert len(places) >= LEAST_PLACES, places

    assert recorded_clips(settings) == [file_digest(out)]
    assert nothing_is_orphaned(settings)
    assert read_manifest(out, KeyStore(settings.keys_folder).anchors()).state == "trusted"
    # What a kill may leave beside the clip is a temporary copy, hidden and never named like a clip.
    assert [path for path in out.parent.iterdir() if not path.name.startswith(".")] == [out]
