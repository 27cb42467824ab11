"""Campaign files: one brief, prompts with variables, variants, a schedule, a budget."""

import hashlib
import itertools
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from flows.production import Job

_MAX_BYTES = 1 << 20
_MAX_JOBS = 10_000
_ASKED_OF_THE_MODEL = {
    "model",
    "negative_prompt",
    "seconds",
    "width",
    "height",
    "fps",
    "steps",
    "guidance_scale",
    "image",
    "last_image",
    "lora",
    "quantize",
    "loop",
    "enhance",
}


class BriefError(Exception):
    """A campaign file that cannot be used; `hint` says how to mend it."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Schedule(BaseModel):
    """When the campaign runs by itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cron: str = Field(description="Five fields: minute, hour, day of month, month, day of week.")
    timezone: str = "UTC"

    @field_validator("cron")
    @classmethod
    def _five_fields(cls, cron: str) -> str:
        if len(cron.split()) != 5:
            raise ValueError("five fields are needed, for example '0 3 * * *' for every night at three")
        return cron

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"{zone!r} is not a time zone, as for example Europe/Berlin is")
        return ZoneInfo(zone).key


class Budget(BaseModel):
    """What one run of the campaign may cost; what does not fit is not started."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clips: Annotated[int, Field(ge=1)] | None = None
    minutes: Annotated[float, Field(gt=0)] | None = None


class Brief(BaseModel):
    """One campaign. Every combination of the variables in every prompt is made `variants` times."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    brief: str = ""
    prompts: Annotated[list[str], Field(min_length=1)]
    variables: dict[str, list[str]] = {}
    variants: Annotated[int, Field(ge=1, le=1000)] = 1
    seed: Annotated[int, Field(ge=0, lt=1 << 31)] = 0
    model: str | None = None
    negative_prompt: str | None = None
    seconds: float | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    image: str | None = Field(None, description="Picture that every clip starts from.")
    last_image: str | None = Field(None, description="Picture that every clip ends with.")
    lora: list[str] = []
    quantize: Literal["8bit", "4bit"] | None = None
    loop: bool = False
    enhance: bool = False
    accept_rewrite: bool = Field(
        False, description="Use the policy's rewrites instead of leaving those prompts out."
    )
    out: Path | None = Field(
        None, description="Folder of the clips; default: a folder with the campaign's name."
    )
    schedule: Schedule | None = None
    budget: Budget = Budget()

    @model_validator(mode="after")
    def _variables_fit(self) -> "Brief":
        used = {
            name
            for prompt in self.prompts
            for _, name, _, _ in string.Formatter().parse(prompt)
            if name is not None
        }
        if "" in used or (missing := used - self.variables.keys()):
            raise ValueError(
                f"a prompt uses {sorted(missing) if '' not in used else '{}'}, which is no variable"
            )
        if unused := self.variables.keys() - used:
            raise ValueError(f"no prompt uses the variable {sorted(unused)}")
        if empty := [name for name, values in self.variables.items() if not values]:
            raise ValueError(f"the variable {empty} has no values")
        if sum(1 for _ in itertools.islice(self._prompts(), _MAX_JOBS + 1)) * self.variants > _MAX_JOBS:
            raise ValueError(f"more than {_MAX_JOBS} clips")
        return self

    def _prompts(self) -> Iterator[str]:
        for prompt in self.prompts:
            names = sorted({name for _, name, _, _ in string.Formatter().parse(prompt) if name})
            for values in itertools.product(*(self.variables[name] for name in names)):
                yield prompt.format(**dict(zip(names, values, strict=True)))

    def jobs(self, occasion: str) -> list[Job]:
        """All clips of one run of the campaign.

        `occasion` names the run (`manual`, or the scheduled time): the same occasion gives the same run keys, so that
        a broken run is continued and never doubled. Seeds come from a hash of campaign, occasion and number.
        """
        shared = self.model_dump(include=_ASKED_OF_THE_MODEL)
        jobs = []
        for number, (prompt, _) in enumerate(itertools.product(self._prompts(), range(self.variants))):
            name = f"{self.name}/{occasion}/{number:04d}"
            drawn = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
            jobs.append(
                Job(
                    prompt=prompt,
                    seed=int.from_bytes(drawn[:4], "big") >> 1,
                    run_id=name,
                    accept_rewrite=self.accept_rewrite,
                    campaign=self.name,
                    variant=f"{number:04d}",
                    **shared,
                )
            )
        return jobs


def read_brief(path: Path) -> Brief:
    """The campaign in a YAML file; relative paths in it are taken from its own folder. Raises `BriefError`."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BriefError(f"{path}: cannot be read ({error.strerror})", hint="Check the path.") from None
    if len(text) > _MAX_BYTES:
        raise BriefError(f"{path}: larger than a campaign file can be", hint="At most 1 MiB.")
    try:
        said: Any = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BriefError(
            f"{path}: not YAML ({str(error).splitlines()[0]})", hint="See docs/campaigns.md."
        ) from None
    try:
        brief = Brief.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BriefError(
            f"{path}: {where + ': ' if where else ''}{first['msg']}", hint="See docs/campaigns.md."
        ) from None
    here = path.absolute().parent
    files = {name: getattr(brief, name) for name in ("image", "last_image")}
    return brief.model_copy(
        update={
            "out": here / (brief.out or brief.name),
            "lora": [str(here / lora) for lora in brief.lora],
            **{name: str(here / file) for name, file in files.items() if file is not None},
        }
    )
