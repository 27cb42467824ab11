"""The structure of the house: arrows go down, light commands stay light, the two pin lists agree."""

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {"media", "generator", "provenance", "detector", "migrations", "flows", "clipproof"}
MAY_IMPORT = {
    "media": set(),
    "generator": {"media"},
    "provenance": {"media", "migrations"},
    "detector": {"media"},
    "migrations": {"provenance"},
    "flows": {"media", "generator", "provenance", "detector"},
    "clipproof": {"media", "generator", "provenance", "detector", "flows"},
}
FOREIGN_TO_DOMAINS = {"prefect", "typer", "rich", "fastapi", "pydantic_settings"}


def imports_of(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_arrows_go_only_down(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        wrong = (imports_of(path) & ROOMS) - MAY_IMPORT[room] - {room}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize("room", ["media", "generator", "provenance", "detector"])
def test_domains_know_no_orchestrator_settings_or_front(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        assert not imports_of(path) & FOREIGN_TO_DOMAINS, path.relative_to(ROOT)


def modules_after(code: str) -> set[str]:
    script = f"import json, sys\n{code}\njson.dump(sorted(sys.modules), sys.stdout)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import clipproof",
        "import clipproof; clipproof.verify, clipproof.produce, clipproof.audit",
        "import generator, detector, generator.safety",
        "import contextlib, io\nfrom clipproof.cli import app\nfrom typer.testing import CliRunner\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0",
    ],
)
def test_light_imports_stay_light(code: str) -> None:
    heavy = {"prefect", "torch", "diffusers", "open_clip", "transformers", "cv2", "onnxruntime", "fastapi"}
    assert not modules_after(code) & heavy


def test_verifying_loads_opencv_and_nothing_heavy() -> None:
    """OpenCV is what marks are read with; it takes a twentieth of a second."""
    loaded = modules_after("import provenance.verify")
    assert not loaded & {
        "prefect",
        "torch",
        "diffusers",
        "open_clip",
        "transformers",
        "onnxruntime",
        "fastapi",
    }


def test_the_two_lists_of_pins_are_equal() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == project["tool"]["uv"][
        "constraint-dependencies"
    ]


def test_no_rooms_without_a_purpose() -> None:
    forbidden = {"utils", "helpers", "common", "misc", "manager"}
    assert not [p for room in ROOMS for p in (ROOT / room).rglob("*.py") if p.stem in forbidden]


def test_exported_names_exist() -> None:
    import clipproof

    for name in clipproof.__all__:
        assert getattr(clipproof, name) is not None
