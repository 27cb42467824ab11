"""A home with one marked clip in it, made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import write_mp4
from flows_media import textured

from flows.home import Home, open_home
from flows.marking import Marked, mark_clip
from flows.settings import Settings


@pytest.fixture(scope="session")
def camera_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mp4(tmp_path_factory.mktemp("camera") / "original.mp4", textured(), sound=True, crf=16)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with open_home(Settings(home=tmp_path_factory.mktemp("home"))) as opened:
        yield opened


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Another home, with keys and a signer of its own."""
    with open_home(Settings(home=tmp_path_factory.mktemp("stranger"), organisation="Mallory")) as opened:
        yield opened


@pytest.fixture(scope="session")
def marked(home: Home, camera_original: Path, tmp_path_factory: pytest.TempPathFactory) -> Marked:
    return mark_clip(home, camera_original, tmp_path_factory.mktemp("marked") / "clip.mp4", source="camera")
