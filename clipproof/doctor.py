"""What is wrong with this installation, and what can be mended."""

import datetime as dt
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from flows import runtime
from flows.home import identity_of, trust_of
from flows.settings import Settings
from media import Store
from provenance.errors import ProvenanceError
from provenance.keys import KeyStore
from provenance.ledger import LedgerError, LedgerMissing, connect

# Prefect's server breaks in silence with newer ones: schedules never fire.
_PINNED = {
    "fastapi": ("0.151", "Prefect's server does not start"),
    "sqlalchemy": ("2.1", "schedules never fire"),
}
_LEAST_FREE_BYTES = 1 << 30
_STALE_WORK_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `bad` makes the doctor exit with 5."""

    name: str
    state: Literal["ok", "note", "bad"]
    message: str


def examine(settings: Settings, *, repair: bool = False) -> list[Check]:
    """Look at everything; with `repair`, remove orphan files and leftovers of killed runs. Makes nothing."""
    looks: tuple[Callable[[Settings, bool], list[Check]], ...] = (
        _packages,
        _models,
        _home,
        _keys,
        _epoch,
        _trust,
        _ledger_and_store,
        _server,
    )
    return [check for look in looks for check in look(settings, repair)]


def _packages(settings: Settings, repair: bool) -> list[Check]:
    checks = []
    for name, (below, consequence) in _PINNED.items():
        found = version(name)
        newer = tuple(map(int, found.split(".")[:2])) >= tuple(map(int, below.split(".")[:2]))
        checks.append(
            Check(name, "bad", f"{found} is too new: {consequence}; install {name}<{below}")
            if newer
            else Check(name, "ok", found)
        )
    for name in ("c2pa-python", "av", "torch", "diffusers", "open_clip_torch", "prefect"):
        try:
            checks.append(Check(name, "ok", version(name)))
        except PackageNotFoundError:
            checks.append(Check(name, "bad", f"missing: pip install {name}"))
    return checks


def _models(settings: Settings, repair: bool) -> list[Check]:
    from flows.policies import guard_in_force, policy_in_force
    from generator.errors import GeneratorError
    from generator.models import find_model
    from generator.safety import SafetyError, check_prompt

    checks = []
    try:
        policy = policy_in_force(settings)
        check_prompt("a red ball", policy=policy)  # loads the sentence encoder, whose digest the policy pins
        checks.append(Check("prompt policy", "ok", policy.version))
    except SafetyError as error:
        checks.append(Check("prompt policy", "bad", f"{error}; {error.hint}"))
    try:
        guard = guard_in_force(settings)
        if guard is not None:
            checks.append(Check("LLM guard", "ok", guard.name))
    except SafetyError as error:
        checks.append(Check("LLM guard", "bad", f"{error}; {error.hint}"))
    try:
        checks.append(Check("embedded model", "ok", f"weights {find_model(None).weights_digest[:16]}"))
    except (GeneratorError, OSError) as error:
        checks.append(Check("embedded model", "bad", str(error)))
    from detector.audit import Detector
    from detector.errors import DetectorError

    try:
        head = Detector.load().head
        checks.append(Check("detector head", "ok", f"{head.head_id} {head.digest[:16]}"))
    except (DetectorError, OSError) as error:
        checks.append(Check("detector head", "bad", str(error)))
    return checks


def _home(settings: Settings, repair: bool) -> list[Check]:
    home = settings.home
    if not home.exists():
        return [Check("home", "note", f"{home}: not made yet; `clipproof produce` makes it")]
    free = shutil.disk_usage(home).free
    if free < _LEAST_FREE_BYTES:
        return [Check("home", "bad", f"{home}: only {free >> 20} MiB are free")]
    checks = [Check("home", "ok", f"{home}, {free >> 30} GiB free")]
    stale = [
        folder
        for folder in (settings.work_folder.iterdir() if settings.work_folder.is_dir() else ())
        if time.time() - folder.stat().st_mtime > _STALE_WORK_S
    ]
    if stale and repair:
        for path in stale:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if stale:
        said = "removed" if repair else "left by runs that nobody continued; --repair removes them"
        checks.append(Check("work", "ok" if repair else "note", f"{len(stale)} old files {said}"))
    return checks


def _keys(settings: Settings, repair: bool) -> list[Check]:
    store = KeyStore(settings.keys_folder)
    if not store.exists():
        return [Check("keys", "note", "none yet; `clipproof keys init` makes them")]
    try:
        signer = identity_of(settings, store.load())
    except ProvenanceError as error:
        return [Check("keys", "bad", f"{error}. {error.hint}")]
    left = signer.not_after - dt.datetime.now(dt.UTC)
    soon = left < dt.timedelta(days=settings.expiry_warning_days)
    what = f"{signer.kind} identity of {signer.organization}, valid until {signer.not_after:%Y-%m-%d}"
    return [Check("keys", "bad" if left < dt.timedelta() else "note" if soon else "ok", what)]


def _epoch(settings: Settings, repair: bool) -> list[Check]:
    """A home that was restored from an old backup would mark with a key that was given up."""
    try:
        epoch = KeyStore(settings.keys_folder).load().mark_keys.epoch
        with connect(settings.ledger_url) as ledger:
            used = ledger.latest_mark_epoch()
    except (ProvenanceError, LedgerError):
        return []  # of which the other checks speak
    if epoch >= used:
        return [Check("mark key", "ok", f"epoch {epoch}")]
    behind = f"epoch {epoch}, but clips were marked in epoch {used}: the keys came from an old backup"
    return [Check("mark key", "bad", f"{behind}. Run `clipproof keys new-epoch`.")]


def _trust(settings: Settings, repair: bool) -> list[Check]:
    """The lists of trust anchors, each with its version: a broken one stops every verification."""
    try:
        lists = trust_of(settings).lists
    except ProvenanceError as error:
        return [Check("trust", "bad", f"{error}. {error.hint}")]
    if not lists:
        return [
            Check("trust", "note", "nobody is trusted yet; set CLIPPROOF_ANCHORS, or `clipproof keys init`")
        ]
    kinds = {"signer": "signers", "tsa": "time stamps"}
    return [
        Check(
            "trust",
            "ok",
            f"{kinds[one.purpose]}: {len(one.fingerprints)} anchors of {one.source}, "
            f"version {one.version or 'unnamed'}, id {one.id[:16]}",
        )
        for one in lists
    ]


def _ledger_and_store(settings: Settings, repair: bool) -> list[Check]:
    try:
        with connect(settings.ledger_url) as ledger:
            log = ledger.verify_log()
            known = ledger.known_assets()
            clips = [clip.asset_sha256 for clip in ledger.clips(1_000_000)]
    except LedgerMissing:
        return [Check("ledger", "note", "none yet; `clipproof db upgrade` makes it")]
    except LedgerError as error:
        return [Check("ledger", "bad", f"{error}. {error.hint}")]
    checks = [
        Check("ledger", "ok", f"{len(clips)} clips"),
        Check("log", "ok", f"{log.size} entries, intact")
        if log.intact
        else Check("log", "bad", f"not intact: {log.problem}"),
    ]
    store = Store(settings.store_folder)
    missing = [digest for digest in known if not store.has(digest)]
    own = [digest for digest in missing if digest in set(clips)]
    damaged = [digest for digest in clips if store.has(digest) and not store.intact(digest)]
    if own or damaged:
        checks.append(Check("store", "bad", f"{len(own)} clips are missing, {len(damaged)} are damaged"))
    else:
        checks.append(Check("store", "ok", f"{len(known) - len(missing)} files, all clips intact"))
    if repair:
        checks.append(Check("sweep", "ok", f"{len(store.sweep(known))} orphan files removed"))
    else:
        orphans = sum(digest not in known for digest in store.digests())
        if orphans:
            checks.append(Check("sweep", "note", f"{orphans} files without a row; --repair removes old ones"))
    return checks


def _server(settings: Settings, repair: bool) -> list[Check]:
    now = runtime.status(settings)
    return [Check("server", "ok" if now.api_url else "note", now.ui_url or "down; started when it is needed")]
