"""The key store: who signs, what marks, and what vouches for the log.

    KEYS/
    ├── root.pem            certificate of the development root: the trust anchor of this home, public
    ├── identity.pem        leaf and intermediate certificate, public
    ├── identity.key        private key of the leaf (P-256, PKCS #8)
    ├── mark.key            32 random bytes, hex, from which the key of every epoch comes: lost, every mark is lost
    ├── mark.epoch          after `new_epoch`: the number of the current epoch; without it, 0
    ├── checkpoint.key      private key of the transparency log (Ed25519, PKCS #8)
    └── retired.json        after `rotate`: former roots and public keys of the log, with the day they were retired

The folder appears whole or not at all, and no key is overwritten by `create` or `restore`; `rotate` changes identity
and checkpoint key, keeps what verifies the past, and puts the new folder in the place of the old one. The keys of the
two authorities are forgotten as soon as the leaf is made: a stolen home can sign as itself, and vouch for nobody else.
"""

import contextlib
import datetime
import io
import json
import os
import secrets
import shutil
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from media.files import atomic_path, fsync_path
from provenance.development import new_development_chain, private_pem
from provenance.errors import KeysDamaged, KeysExist, KeysMissing, KeyStoreError
from provenance.identity import Identity, load_identity, read_private_bytes
from provenance.key_description import KeysDescription, describe
from provenance.trust import TrustAnchors
from provenance.watermark.epochs import MAX_EPOCH, MarkKeys

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ROOT: Final = "root.pem"
IDENTITY_CHAIN: Final = "identity.pem"
IDENTITY_KEY: Final = "identity.key"
MARK_KEY: Final = "mark.key"
CHECKPOINT_KEY: Final = "checkpoint.key"
MARK_EPOCH: Final = "mark.epoch"
RETIRED: Final = "retired.json"
_FILES: Final = (ROOT, IDENTITY_CHAIN, IDENTITY_KEY, MARK_KEY, CHECKPOINT_KEY)
_LATER: Final = (MARK_EPOCH, RETIRED)  # not there from the start

_MARK_KEY_BYTES = 32
_MAX_FILE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys of one home, loaded. Secrets are kept out of `repr`."""

    identity: Identity
    mark_keys: MarkKeys
    checkpoint_key: "Ed25519PrivateKey" = field(repr=False)
    anchors: TrustAnchors
    retired: "tuple[RetiredKeys, ...]" = ()

    @property
    def mark_key(self) -> bytes:
        """The key that marks now: 32 bytes, of the current epoch."""
        return self.mark_keys.current

    @property
    def checkpoint_public_keys(self) -> tuple[bytes, ...]:
        """Every public key (32 bytes) whose checkpoints count: the present one first."""
        former = reversed(self.retired)
        return (
            self.checkpoint_key.public_key().public_bytes_raw(),
            *(one.checkpoint_public for one in former),
        )


@dataclass(frozen=True, slots=True)
class RetiredKeys:
    """What stays of an identity and a checkpoint key that were rotated out: nothing that could sign."""

    retired: datetime.datetime
    root_pem: str = field(repr=False)
    certificate_sha256: str
    checkpoint_public: bytes


def _retired_json(retired: tuple[RetiredKeys, ...]) -> bytes:
    rows = [
        {
            "retired": one.retired.isoformat(),
            "root": one.root_pem,
            "certificate_sha256": one.certificate_sha256,
            "checkpoint_public": one.checkpoint_public.hex(),
        }
        for one in retired
    ]
    return json.dumps(rows, indent=1).encode() + b"\n"


class KeyStore:
    """The key store in one folder (mode 0700, private files 0600)."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def exists(self) -> bool:
        """Whether any key is there, complete or not; a rotation that was killed is undone first.

        Between its two renames the store stands aside, whole. Taken for missing, it would be made anew, with
        another mark key.
        """
        if not self.folder.exists():
            for aside in self.folder.parent.glob(".keys-*-old"):
                with contextlib.suppress(OSError):  # the rotation goes on after all, in another process
                    aside.rename(self.folder)
        return any((self.folder / name).exists() for name in _FILES)

    def create(self, *, organization: str = "Clipproof development") -> Keys:
        """Make a development identity, a mark key and a checkpoint key, and load them.

        Raises `KeysExist`; of two processes that create at once, one gets it and may `load`.
        """
        if self.exists():
            raise KeysExist(
                f"{self.folder}: there are keys already", hint="Use them, or choose another home."
            )
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        identity = new_development_chain(organization)
        files = {
            ROOT: identity.root_pem,
            IDENTITY_CHAIN: identity.chain_pem,
            IDENTITY_KEY: identity.key_pem,
            MARK_KEY: secrets.token_hex(_MARK_KEY_BYTES).encode() + b"\n",
            CHECKPOINT_KEY: private_pem(Ed25519PrivateKey.generate()),
        }
        self._publish(files)
        return self.load()

    def load(self) -> Keys:
        """The keys, from the disk; makes nothing. Raises `KeysMissing`, `KeysUnsafe` or `KeysDamaged`."""
        self._require()
        return Keys(
            identity=load_identity(
                self.folder / IDENTITY_CHAIN, self.folder / IDENTITY_KEY, kind="development"
            ),
            mark_keys=MarkKeys(self._mark_key(), self._mark_epoch()),
            checkpoint_key=self._checkpoint_key(),
            anchors=self.anchors(),
            retired=self._retired(),
        )

    def rotate(self, *, organization: str) -> Keys:
        """A new development identity (with a new root) and a new checkpoint key; mark key and epoch stay.

        The old root stays an anchor, so that clips signed until now stay trusted at home, and the old public key
        of the log stays known; the old private keys are gone. Raises as `load` does, or `KeyStoreError`.
        """
        keys = self.load()
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        identity = new_development_chain(organization)
        former = RetiredKeys(
            retired=datetime.datetime.now(datetime.UTC).replace(microsecond=0),
            root_pem=(self.folder / ROOT).read_text(),
            certificate_sha256=keys.identity.certificate_sha256,
            checkpoint_public=keys.checkpoint_key.public_key().public_bytes_raw(),
        )
        self._publish(
            {
                ROOT: identity.root_pem,
                IDENTITY_CHAIN: identity.chain_pem,
                IDENTITY_KEY: identity.key_pem,
                MARK_KEY: (self.folder / MARK_KEY).read_bytes(),
                MARK_EPOCH: f"{keys.mark_keys.epoch}\n".encode(),
                CHECKPOINT_KEY: private_pem(Ed25519PrivateKey.generate()),
                RETIRED: _retired_json((*keys.retired, former)),
            },
            replace=True,
        )
        return self.load()

    def new_epoch(self, *, after: int = 0) -> Keys:
        """Mark with the key of the next epoch from now on; the marks of former epochs stay readable.

        `after`: the last epoch that is known to be in use, where that is later than this store's own, as after a
        restore from an old backup. One small file changes, by one rename. Raises as `load` does, `BadEpoch` past the
        last, or `media.OutputError`.
        """
        keys = self.load().mark_keys
        epoch = max(after, keys.epoch) + 1
        keys.of(epoch)  # written only if it can be read back
        with atomic_path(self.folder / MARK_EPOCH) as tmp:
            tmp.chmod(0o600)
            tmp.write_text(f"{epoch}\n")
        return self.load()

    def anchors(self) -> TrustAnchors:
        """The development root of this home; needs no private file. Raises `KeysMissing`, `TrustError`."""
        path = self.folder / ROOT
        if not self.exists() or not path.is_file():
            raise self._missing()
        former = "".join(one.root_pem for one in self._retired())
        return TrustAnchors.from_pem(
            path.read_bytes() + former.encode(),
            source=f"development root of {self.folder}",
            kind="development",
        )

    def describe(self) -> KeysDescription:
        """What the store holds, redacted. Raises as `load` does."""
        return describe(self.folder, self.load())

    def backup(self, dst: Path | str) -> Path:
        """Write every file into one tar archive (mode 0600) at `dst`, and return it. The archive is secret.

        Raises as `load` does, `KeysExist` where `dst` is there already, or `media.OutputError`.
        """
        self.load()  # what does not load is not worth keeping
        dst = Path(dst)
        if dst.exists():
            raise KeysExist(
                f"{dst}: exists already; a backup overwrites nothing", hint="Choose another name."
            )
        with atomic_path(dst) as tmp:
            tmp.chmod(0o600)
            with tarfile.open(tmp, "w") as archive:
                for name in self._present():
                    content = (self.folder / name).read_bytes()
                    member = tarfile.TarInfo(name)
                    member.size, member.mode = len(content), 0o600
                    archive.addfile(member, io.BytesIO(content))
        return dst

    def restore(self, backup: Path | str) -> Keys:
        """Put the files of a backup into this (empty) store and load them.

        Only the known names are taken, and only if together they load.
        Raises `KeysExist` or `KeysDamaged`.
        """
        if self.exists():
            raise KeysExist(f"{self.folder}: there are keys already", hint="Restore into another home.")
        files: dict[str, bytes] = {}
        try:
            with tarfile.open(backup, "r:") as archive:
                for member in archive:
                    if (
                        member.name in (*_FILES, *_LATER)
                        and member.isfile()
                        and member.size <= _MAX_FILE_BYTES
                    ):
                        reader = archive.extractfile(member)
                        files[member.name] = reader.read() if reader else b""
        except (OSError, tarfile.TarError) as error:
            raise KeysDamaged(
                f"{backup}: not a key backup ({error})", hint="Give a file that `keys backup` wrote."
            ) from None
        if missing := [name for name in _FILES if name not in files]:
            raise KeysDamaged(f"{backup}: {', '.join(missing)} is not in it", hint="Give a complete backup.")
        self._publish(files)
        return self.load()

    def _present(self) -> list[str]:
        return [*_FILES, *(name for name in _LATER if (self.folder / name).is_file())]

    def _retired(self) -> tuple[RetiredKeys, ...]:
        path = self.folder / RETIRED
        if not path.is_file():
            return ()
        try:
            return tuple(
                RetiredKeys(
                    datetime.datetime.fromisoformat(one["retired"]),
                    str(one["root"]),
                    str(one["certificate_sha256"]),
                    bytes.fromhex(one["checkpoint_public"]),
                )
                for one in json.loads(path.read_text())
            )
        except (ValueError, KeyError, TypeError):
            raise KeysDamaged(
                f"{path}: not a list of retired keys", hint="Restore the store from a backup."
            ) from None

    def _publish(self, files: dict[str, bytes], *, replace: bool = False) -> None:
        """Write the files into a folder beside the store, check that they load, and rename it into place.

        With `replace` the store that is there steps aside first and is removed last; a rename that fails puts it
        back, and after a kill between the two renames `exists` does.
        """
        parent = self.folder.parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
            tmp = parent / f".keys-{secrets.token_hex(8)}"
            tmp.mkdir(mode=0o700)
            try:
                for name, content in files.items():
                    descriptor = os.open(tmp / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                    with os.fdopen(descriptor, "wb") as file:
                        file.write(content)
                        file.flush()
                        os.fsync(file.fileno())
                fsync_path(tmp)
                KeyStore(tmp).load()
                if replace:
                    aside = tmp.with_name(f"{tmp.name}-old")
                    self.folder.rename(aside)
                    try:
                        tmp.rename(self.folder)
                    except OSError:
                        aside.rename(self.folder)
                        raise
                    fsync_path(parent)
                    return shutil.rmtree(aside)
                # Renaming onto a folder succeeds only while that is empty: two creators cannot both win.
                tmp.rename(self.folder)
                fsync_path(parent)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(tmp)
        except OSError as error:
            if self.exists():
                raise KeysExist(f"{self.folder}: there are keys already", hint="Load them.") from None
            raise KeyStoreError(
                f"{self.folder}: the key store cannot be written ({error.strerror})",
                hint="Check its permissions.",
            ) from error

    def _missing(self) -> KeysMissing:
        return KeysMissing(f"{self.folder}: there are no keys", hint="run clipproof keys init")

    def _require(self) -> None:
        if not self.exists():
            raise self._missing()
        if missing := [name for name in _FILES if not (self.folder / name).is_file()]:
            raise KeysDamaged(
                f"{self.folder}: {', '.join(missing)} is missing", hint="Restore the store from a backup."
            )

    def _mark_key(self) -> bytes:
        path = self.folder / MARK_KEY
        try:
            key = bytes.fromhex(read_private_bytes(path).decode("ascii").strip())
        except ValueError:
            key = b""
        if len(key) != _MARK_KEY_BYTES:
            raise KeysDamaged(f"{path}: not 64 hex digits", hint="Restore the store from a backup.")
        return key

    def _mark_epoch(self) -> int:
        path = self.folder / MARK_EPOCH
        if not path.is_file():
            return 0
        text = path.read_bytes()[:_MAX_FILE_BYTES].strip()
        if not (text.isdigit() and len(text) <= 10 and int(text) <= MAX_EPOCH):
            raise KeysDamaged(f"{path}: not the number of an epoch", hint="Restore the store from a backup.")
        return int(text)

    def _checkpoint_key(self) -> "Ed25519PrivateKey":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        path = self.folder / CHECKPOINT_KEY
        try:
            key = load_pem_private_key(read_private_bytes(path), password=None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise KeysDamaged(f"{path}: not an Ed25519 private key", hint="Restore the store from a backup.")
        return key
