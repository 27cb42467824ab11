"""A plain clip with a trusted signer for it, and two homes, one with a marked clip."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from authorities import Authority
from conftest import moving_picture, write_mp4
from flows_media import textured
from steady_marks import steady_marks

from flows.home import Home, open_home
from flows.marking import Marked, mark_clip
from flows.settings import Settings
from provenance.identity import Identity
from provenance.trust import TrustAnchors


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mp4(tmp_path_factory.mktemp("plain") / "plain.mp4", moving_picture(12, 256, 320, 0))


@pytest.fixture(scope="session")
def newsroom() -> Authority:
    return Authority.named("Newsroom Root")


@pytest.fixture(scope="session")
def reporter(newsroom: Authority, tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return newsroom.signer(tmp_path_factory.mktemp("reporter"), "Reporter")


@pytest.fixture(scope="session")
def trust(newsroom: Authority) -> TrustAnchors:
    return TrustAnchors.from_pem(newsroom.pem, source="newsroom")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    with steady_marks(1), open_home(settings):
        pass  # its keys are made
    with open_home(settings) as opened:
        yield opened


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Another home, with keys and a signer of its own."""
    with open_home(Settings(home=tmp_path_factory.mktemp("stranger"), organisation="Mallory")) as opened:
        yield opened


@pytest.fixture(scope="session")
def marked(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Marked:
    """A clip that was marked, signed and recorded in that home."""
    folder = tmp_path_factory.mktemp("marked")
    original = write_mp4(folder / "original.mp4", textured(), crf=16)
    with steady_marks(2):
        return mark_clip(home, original, folder / "clip.mp4", source="camera")
