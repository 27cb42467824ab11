"""A plain clip, and a home whose signer is trusted by its own root."""

from pathlib import Path

import pytest
from authorities import Authority
from conftest import moving_picture, write_mp4

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
