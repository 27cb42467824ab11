"""One home with two recorded clips, and the API over it: in this process, and as a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import transcode, write_mp4
from fastapi.testclient import TestClient
from flows_media import textured

from clipproof.web.app import Service, create_app
from clipproof.web.limits import ApiLimits
from flows.home import open_home
from flows.marking import mark_clip
from flows.settings import Settings
from provenance.ledger import ClipRow, Ledger, connect

PERSON = "Wilhelmina Ostergaard"


@dataclass(frozen=True)
class Recorded:
    """A home with a marked clip whose name credits a person, and copies of that clip."""

    settings: Settings
    mark_key: bytes
    row: ClipRow
    signed: Path
    copy: Path  # re-encoded, without its manifest
    stranger: Path

    @property
    def manifest_id(self) -> str:
        assert self.row.manifest is not None
        return self.row.manifest.label


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("api")
    settings = Settings(home=folder / "home")
    source = write_mp4(folder / f"{PERSON}.mp4", textured(24), crf=16)
    signed = folder / "signed.mp4"
    with open_home(settings) as home:
        marked = mark_clip(home, source, signed, source="ai")
        row = home.ledger.clip(int(marked.clip_id, 16))
        key = home.keys.mark_key
    assert row is not None
    copy = transcode(signed, folder / "copy.mp4")
    stranger = write_mp4(folder / "stranger.mp4", textured(24, seed=7))
    return Recorded(settings, key, row, signed, copy, stranger)


@pytest.fixture
def ledger(recorded: Recorded) -> Iterator[Ledger]:
    with connect(recorded.settings.ledger_url) as opened:
        yield opened


Api = Callable[..., TestClient]


@pytest.fixture
def api(recorded: Recorded, ledger: Ledger) -> Iterator[Api]:
    """Makes clients of the API over that home; keyword arguments are those of `ApiLimits` and `Service`."""
    opened: list[TestClient] = []

    def make(*, client: tuple[str, int] = ("127.0.0.1", 50000), **changes: Any) -> TestClient:
        names = {name for name in changes if name in ApiLimits.__dataclass_fields__}
        limits = replace(
            ApiLimits(requests_per_minute=6000, uploads_per_minute=6000), **{n: changes.pop(n) for n in names}
        )
        service = Service(ledger, "Example Studio", mark_key=recorded.mark_key, limits=limits, **changes)
        made = TestClient(
            create_app(service),
            base_url="http://127.0.0.1",
            client=client,
            raise_server_exceptions=False,
            follow_redirects=False,
        )
        opened.append(made.__enter__())
        return made

    yield make
    for one in opened:
        one.__exit__(None, None, None)


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
