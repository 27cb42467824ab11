"""Jobs: what tells one from another, and that the files they name are their bytes."""

from dataclasses import asdict
from pathlib import Path

import pytest
from PIL import Image

from flows.briefs import read_brief
from flows.production import Job
from generator.errors import RequestError

FIRST_EDITION = {
    "prompt", "seed", "model", "negative_prompt", "seconds", "width", "height", "fps", "steps", "guidance_scale",
    "run_id", "nonce", "accept_rewrite", "campaign", "variant",
}  # fmt: skip


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, str]:
    for colour in ("red", "blue"):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{colour}.png")
    (tmp_path / "copy.png").write_bytes((tmp_path / "red.png").read_bytes())
    return {name: str(tmp_path / f"{name}.png") for name in ("red", "blue", "copy")}


def test_a_job_without_files_is_recorded_as_in_the_first_edition_so_that_its_key_stays() -> None:
    assert set(Job("a ball").recorded()) == FIRST_EDITION


def test_the_same_picture_under_another_name_is_the_same_job(pictures: dict[str, str]) -> None:
    red, copy, blue = (Job("a ball", image=pictures[name]) for name in ("red", "copy", "blue"))
    assert red.run_key == copy.run_key
    assert len({red.run_key, blue.run_key, Job("a ball").run_key}) == 3


def test_what_is_recorded_holds_no_path(pictures: dict[str, str]) -> None:
    recorded = Job("a ball", image=pictures["red"], quantize="8bit").recorded()
    assert pictures["red"] not in str(recorded)
    assert set(recorded) - FIRST_EDITION == {"image", "quantize"}


def test_a_job_goes_through_json_unchanged() -> None:
    job = Job("a ball", lora=("a.safetensors",))
    assert Job(**(asdict(job) | {"lora": ["a.safetensors"]})) == job


def test_a_job_whose_picture_went_is_refused(pictures: dict[str, str]) -> None:
    job = Job("a ball", image=pictures["red"])
    Path(pictures["red"]).unlink()
    with pytest.raises(RequestError, match="cannot be read"):
        job.request()


def test_a_campaign_finds_its_files_beside_it(pictures: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("name: x\nprompts: [a]\nimage: red.png\nlora: [style.safetensors]\n")
    job = read_brief(tmp_path / "c.yaml").jobs("manual")[0]
    assert job.image == pictures["red"]
    assert job.lora == (str(tmp_path / "style.safetensors"),)
