"""Which prompt policy is in force, and the policies of past decisions, kept so that these can be replayed."""

import io
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

from flows.settings import Settings
from generator.safety import Policy, PolicyError, load_policy, read_policy_folder
from generator.safety.guard import Guard, load_guard
from generator.safety.policy import shipped_policy
from media import atomic_path

_MAX_KEPT_BYTES = 64 * 2**20


def policy_in_force(settings: Settings) -> Policy:
    """The policy of `CLIPPROOF_POLICY`, read anew whenever its files change, else the shipped one.

    Raises PolicyError where the folder is not a policy.
    """
    if settings.policy is None:
        return shipped_policy()
    return _loaded(tuple(sorted(read_policy_folder(settings.policy).items())))


def guard_in_force(settings: Settings) -> Guard | None:
    """The LLM guard of `CLIPPROOF_GUARD_MODEL`, loaded once a process, or None. Raises GuardError."""
    if settings.guard_model is None:
        return None
    return _guard(settings.guard_model, settings.guard_family)


def keep_policy(settings: Settings, policy: Policy) -> Path:
    """A copy of the policy's files in the home, written once per version."""
    folder = settings.home / "policies"
    path = folder / f"{policy.version}.zip"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(policy.sources.items()):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    with atomic_path(path) as tmp:
        tmp.write_bytes(packed.getvalue())
    return path


def kept_policy(settings: Settings, version: str) -> Policy:
    """The policy of a past decision; raises PolicyError where it is not kept, or not what its name says."""
    if shipped_policy().version == version:
        return shipped_policy()
    path = settings.home / "policies" / f"{version}.zip"
    if Path(version).name != version or not path.is_file():
        raise PolicyError(
            f"policy {version} is not kept here",
            hint="Policies are kept in the home that used them; name a folder instead.",
        )
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _MAX_KEPT_BYTES:
                raise PolicyError(f"{path} is too large for a policy", hint="Restore it from a backup.")
            sources = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    except (zipfile.BadZipFile, zlib.error, RuntimeError, OSError) as error:
        raise PolicyError(f"{path} cannot be read: {error}", hint="Restore it from a backup.") from error
    policy = load_policy(sources)
    if policy.version != version:
        raise PolicyError(f"{path} holds policy {policy.version}", hint="Restore it from a backup.")
    return policy


@lru_cache(maxsize=1)
def _guard(folder: Path, family: str) -> Guard:
    return load_guard(folder, family)


@lru_cache(maxsize=4)
def _loaded(sources: tuple[tuple[str, bytes], ...]) -> Policy:
    return load_policy(dict(sources))
