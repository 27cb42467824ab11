"""Where things are and how production runs: environment variables `CLIPPROOF_*`. Imports no domain."""

import getpass
import os
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user need not have a name
        return f"user {os.getuid()}"


class Settings(BaseSettings):
    """One installation of Clipproof. Every field is an environment variable `CLIPPROOF_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="CLIPPROOF_", extra="ignore", frozen=True)

    home: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("clipproof", appauthor=False),
        description="Keys, ledger and store.",
    )
    database_url: str | None = Field(default=None, description="The ledger; default: SQLite in the home.")
    organisation: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        default="Clipproof development", description="Who signs: the O of the development identity."
    )
    producer_code: Annotated[str, Field(pattern=r"^[\x20-\x21\x23-\x26\x28-\x5b\x5d-\x7e]{1,128}$")] = Field(
        default="Clipproof",
        description="ContentProducer of the AIGC label: plain ASCII, such as a company's credit code.",
    )
    signing_chain: Path | None = Field(
        default=None, description="PEM chain of a production identity, leaf first."
    )
    signing_key: Path | None = Field(default=None, description="PEM private key of that identity.")
    signer_command: str | None = Field(
        default=None, description="Program that signs stdin for the production chain, instead of a key file."
    )
    production: bool = Field(default=False, description="Refuse to sign as a development identity.")
    expiry_warning_days: Annotated[int, Field(ge=0, le=3650)] = Field(
        default=30, description="Warn when a certificate of the signing chain ends within so many days."
    )
    tsa_url: str | None = Field(default=None, description="RFC 3161 time-stamp authority.")
    tsa_policy: Literal["require", "queue"] = Field(
        default="require", description="While the authority is down: fail, or sign now and stamp later."
    )
    training: Literal["allowed", "notAllowed"] = Field(
        default="notAllowed", description="What the manifest says of AI training and data mining."
    )
    policy: Path | None = Field(
        default=None, description="Folder of your own prompt policy; default: the one that ships."
    )
    guard_model: Path | None = Field(
        default=None, description="Folder of an LLM guard that judges prompts as well; default: none."
    )
    guard_family: Literal["llama_guard", "shield_gemma"] = Field(
        default="llama_guard", description="How that guard is asked and answers."
    )
    head: str | None = Field(
        default=None,
        description="The detector's head: a shipped one, or a folder. Default: the best that runs.",
    )
    encoder: str | None = Field(
        default=None, description="open_clip architecture that the head looks with, or local-dir:FOLDER."
    )
    encoder_weights: str | None = Field(default=None, description="Its weights: a file, or a pretrained tag.")
    encoder_device: str = Field(default="cpu", description="Where that encoder runs, such as cuda.")
    keep_refused_prompts: bool = Field(
        default=False, description="Keep the text of refused prompts, not just its hash."
    )
    review_approvals: Annotated[int, Field(ge=1, le=2)] = Field(
        default=1, description="How many different people must approve a prompt in review: 2 is four eyes."
    )
    review_timeout_hours: Annotated[float, Field(gt=0, le=87_600)] | None = Field(
        default=None, description="A review that waits longer expires; default: never."
    )
    user: Annotated[str, Field(pattern=r"\S", max_length=200)] = Field(
        default_factory=_login_name,
        description="Who you are: who asked for a clip that goes to review, and who reviews. Default: login name.",
    )
    anchors: Path | None = Field(
        default=None, description="PEM file, or folder of them, of more signers' authorities to trust."
    )
    tsa_anchors: Path | None = Field(
        default=None, description="PEM file, or folder of them, of the authorities whose time stamps count."
    )
    visible_label: Literal["none", "start", "whole"] = Field(
        default="none", description="Burn the visible AI label into AI clips: first two seconds or all of it."
    )
    label_language: Literal["zh", "en", "both"] = Field(
        default="both", description="Language of the visible AI label."
    )
    crf: Annotated[float, Field(ge=0, le=40)] = Field(
        default=18.0, description="x264 quality of delivered clips."
    )
    threads: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="torch threads of one generation."
    )
    offload: Literal["auto", "none", "model", "sequential"] = Field(
        default="auto",
        description="Which weights of a large model wait in main memory: none, whole parts, every layer.",
    )
    concurrency: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="Clips produced at a time."
    )

    @property
    def ledger_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'ledger.db'}"

    @property
    def keys_folder(self) -> Path:
        return self.home / "keys"

    @property
    def store_folder(self) -> Path:
        return self.home / "store"

    @property
    def work_folder(self) -> Path:
        """Unfinished runs, one folder a run key: what a killed run left for its next try."""
        return self.home / "work"

    @property
    def cache_folder(self) -> Path:
        """What can be made again; may be deleted at any time."""
        return self.home / "cache"

    @property
    def prefect_folder(self) -> Path:
        return self.home / "prefect"

    def environment(self) -> dict[str, str]:
        """The variables that give another process these settings."""
        own = {f"CLIPPROOF_{name.upper()}": str(value) for name, value in self if value is not None}
        return own | {"CLIPPROOF_HOME": str(self.home.absolute())}


class SettingsError(Exception):
    """A setting that cannot be used; `hint` names the variable."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def load_settings() -> Settings:
    """Settings from the environment. Raises `SettingsError`."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "CLIPPROOF_" + str(first["loc"][0]).upper()
        raise SettingsError(
            f"{name}: {first['msg']}", hint="Correct or unset it; see docs/settings.md."
        ) from None


def quiet_prefect(settings: Settings) -> dict[str, str]:
    """Prefect's environment: its files under our home, nothing sent anywhere, no noise."""
    return {
        "PREFECT_HOME": str(settings.prefect_folder.absolute()),
        "PREFECT_LOCAL_STORAGE_PATH": str((settings.prefect_folder / "results").absolute()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
        "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": os.environ.get("CLIPPROOF_LOG_LEVEL", "CRITICAL"),
        "DO_NOT_TRACK": "1",
    }
