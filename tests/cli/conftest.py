"""A home of its own for every test."""

from pathlib import Path

import pytest
from cli_process import Clipproof, Done, run_clipproof


@pytest.fixture
def clipproof(tmp_path: Path) -> Clipproof:
    def run(*arguments: str | Path, **environment: str) -> Done:
        return run_clipproof(tmp_path / "home", *arguments, cwd=tmp_path, **environment)

    return run
