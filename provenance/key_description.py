"""What may be shown of a key store: who signs, and ids by which keys are told apart, never a key."""

import datetime
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from provenance.identity import CertificateDescription
from provenance.trust import TrustAnchors

if TYPE_CHECKING:
    from provenance.keys import Keys


@dataclass(frozen=True, slots=True)
class RetiredDescription:
    """A retired root and checkpoint key, as shown: still believed, no longer signing."""

    retired: datetime.datetime
    root_sha256: str
    certificate_sha256: str
    checkpoint_key_id: str


@dataclass(frozen=True, slots=True)
class KeysDescription:
    """What may be shown of a key store. Fingerprints are SHA-256, hex; those of keys cut to 16 digits."""

    folder: Path
    kind: str
    signer: str
    organization: str
    certificate_sha256: str
    root_sha256: str
    not_after: datetime.datetime
    mark_key_id: str  # of the master: the same in every epoch
    mark_epoch: int
    mark_epochs_tried: int  # how many of the newest epochs a detector tries without a lead
    checkpoint_key_id: str
    chain: tuple[CertificateDescription, ...]
    retired: tuple[RetiredDescription, ...]


def describe(folder: Path, keys: "Keys") -> KeysDescription:
    """The keys of a folder, redacted."""
    # Hashed under a name of its own, so that the id is of no use as the key or as another hash of it.
    named = b"clipproof mark key id\0" + keys.mark_keys.master
    present, *_ = keys.checkpoint_public_keys
    return KeysDescription(
        folder=folder,
        kind=keys.identity.kind,
        signer=keys.identity.common_name,
        organization=keys.identity.organization,
        certificate_sha256=keys.identity.certificate_sha256,
        root_sha256=keys.anchors.fingerprints[0],
        not_after=keys.identity.not_after,
        mark_key_id=_short(named),
        mark_epoch=keys.mark_keys.epoch,
        mark_epochs_tried=len(keys.mark_keys.newest()),
        checkpoint_key_id=_short(present),
        chain=keys.identity.certificates(),
        retired=tuple(
            RetiredDescription(
                one.retired,
                TrustAnchors.from_pem(one.root_pem.encode(), source="retired keys").fingerprints[0],
                one.certificate_sha256,
                _short(one.checkpoint_public),
            )
            for one in keys.retired
        ),
    )


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
