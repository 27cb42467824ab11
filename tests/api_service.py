"""The API as its clients meet it: in this process, and as a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from fastapi.testclient import TestClient

from flows.settings import Settings
from provenance.ledger import ClipRow
from provenance.watermark import MarkKeys

PERSON = "Wilhelmina Ostergaard"

Api = Callable[..., TestClient]


@dataclass(frozen=True)
class Recorded:
    """A home with a marked clip whose name credits a person, and copies of that clip."""

    settings: Settings
    mark_keys: MarkKeys
    row: ClipRow
    signed: Path
    copy: Path  # re-encoded, without its manifest
    stranger: Path

    @property
    def manifest_id(self) -> str:
        assert self.row.manifest is not None
        return self.row.manifest.label


@contextmanager
def serving(home: Path, *arguments: str) -> Iterator[tuple[httpx.Client, "subprocess.Popen[str]"]]:
    """`clipproof serve --api` on a free port, as a process; its log is shown where a test fails."""
    log = (home.parent / "serve.log").open("w+")
    process = subprocess.Popen(
        [sys.executable, "-m", "clipproof", "serve", "--api", "--port", "0", "--json", *arguments],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=os.environ | {"CLIPPROOF_HOME": str(home), "NO_COLOR": "1"},
    )
    try:
        assert process.stdout is not None
        told = ""
        while not told.endswith("}\n"):
            line = process.stdout.readline()
            assert line, "the server did not start"
            told += line
        with httpx.Client(base_url=json.loads(told)["url"], timeout=120, trust_env=False) as client:
            yield client, process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        assert process.stdout is not None
        process.stdout.close()
        log.seek(0)
        print(log.read())
        log.close()
