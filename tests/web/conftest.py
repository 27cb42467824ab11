"""One home with a recorded clip, and the API over it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from api_service import PERSON, Api, Recorded
from conftest import transcode, write_mp4
from fastapi.testclient import TestClient
from flows_media import textured
from steady_marks import steady_marks

from clipproof.web.app import Service, create_app
from clipproof.web.limits import ApiLimits
from flows.home import open_home
from flows.marking import mark_clip
from flows.settings import Settings
from provenance.ledger import Ledger, connect


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("api")
    settings = Settings(home=folder / "home")
    source = write_mp4(folder / f"{PERSON}.mp4", textured(24), crf=16)
    signed = folder / "signed.mp4"
    with steady_marks(2), open_home(settings) as home:
        marked = mark_clip(home, source, signed, source="ai")
        row = home.ledger.clip(int(marked.clip_id, 16))
        keys = home.keys.mark_keys
    assert row is not None
    copy = transcode(signed, folder / "copy.mp4")
    stranger = write_mp4(folder / "stranger.mp4", textured(24, seed=7))
    return Recorded(settings, keys, row, signed, copy, stranger)


@pytest.fixture
def ledger(recorded: Recorded) -> Iterator[Ledger]:
    with connect(recorded.settings.ledger_url) as opened:
        yield opened


@pytest.fixture
def api(recorded: Recorded, ledger: Ledger) -> Iterator[Api]:
    """Makes clients of the API over that home; keyword arguments are those of `ApiLimits` and `Service`."""
    opened: list[TestClient] = []

    def make(*, client: tuple[str, int] = ("127.0.0.1", 50000), **changes: Any) -> TestClient:
        names = {name for name in changes if name in ApiLimits.__dataclass_fields__}
        limits = replace(
            ApiLimits(requests_per_minute=6000, uploads_per_minute=6000), **{n: changes.pop(n) for n in names}
        )
        service = Service(ledger, "Example Studio", mark_keys=recorded.mark_keys, limits=limits, **changes)
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
