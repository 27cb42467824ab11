"""Homes: one of its own for every test, and one with the local server up for every module that produces."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_process import Clipproof, Done, run_clipproof

from flows.settings import Settings


@pytest.fixture
def clipproof(tmp_path: Path) -> Clipproof:
    def run(*arguments: str | Path, **environment: str) -> Done:
        return run_clipproof(tmp_path / "home", *arguments, cwd=tmp_path, **environment)

    return run


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("production"))


@pytest.fixture(scope="module")
def running(settings: Settings) -> Iterator[Clipproof]:
    """The command line on one home with the local server up, as an installation has it after its first clip."""

    def run(*arguments: str | Path, typed: str = "") -> Done:
        return run_clipproof(settings.home, *arguments, typed=typed)

    up = run("up", "--json")
    assert up.code == 0, up.err
    assert run("db", "upgrade").code == 0
    yield run
    assert run("down", "--json").json["stopped"] is True
    assert run("status", "--json").json["server_pid"] is None
