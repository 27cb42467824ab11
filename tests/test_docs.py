"""The documentation names what there is."""

import re
from pathlib import Path

import pytest
import typer

from clipproof.cli import app
from flows.settings import Settings

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands() -> list[str]:
    found = []

    def walk(command: object, name: str) -> None:
        for child, one in getattr(command, "commands", {}).items():
            path = f"{name} {child}"
            if not getattr(one, "commands", None):
                found.append(path)
            walk(one, path)

    walk(typer.main.get_command(app), "clipproof")
    return found


def test_there_are_commands() -> None:
    assert {"clipproof produce", "clipproof verify", "clipproof campaign schedule"} <= set(commands())


@pytest.mark.parametrize("command", commands())
def test_every_command_is_documented(command: str) -> None:
    assert f"`{command}`" in (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_documented(name: str) -> None:
    assert f"`CLIPPROOF_{name.upper()}`" in (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
