"""What a Prefect server of one's own is given: prefect.yaml, and the flow that keeps verdicts."""

import ast
from pathlib import Path

import pytest
import yaml
from conftest import remux

from flows.home import Home
from flows.marking import Marked

ROOT = Path(__file__).parent.parent.parent
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda one: one["name"])
def test_every_entrypoint_is_a_flow(deployment: dict[str, str]) -> None:
    file, name = deployment["entrypoint"].split(":")
    functions = {
        n.name: n for n in ast.parse((ROOT / file).read_text()).body if isinstance(n, ast.FunctionDef)
    }
    decorators = [ast.unparse(one) for one in functions[name].decorator_list]
    assert any(one.startswith("flow(") for one in decorators)


def test_verdicts_of_a_watched_folder_are_kept(
    home: Home, marked: Marked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.verify import verify_and_record

    monkeypatch.setenv("CLIPPROOF_HOME", str(home.settings.home))
    stripped = remux(Path(marked.path), tmp_path / "stripped.mp4")
    (tmp_path / "junk.mp4").write_bytes(b"not a video")
    before = len(home.ledger.known_assets())
    assert verify_and_record(str(stripped))["verdict"] == "recovered_exact"
    assert len(home.ledger.known_assets()) == before + 1
    assert verify_and_record(str(tmp_path / "junk.mp4"))["verdict"] == "malformed"
    assert verify_and_record(str(tmp_path / "nothing.mp4"))["error"]
