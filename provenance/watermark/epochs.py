"""Keys of the mark, one an epoch, all from one master key.

What a key marks can be read, removed and forged by whoever has it, and the more clips carry one pattern, the better
that can be estimated without the key. So a home goes on to a new epoch now and then: a leaked key, or an estimated
pattern, is of one epoch alone.
"""

from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from provenance.watermark.carrier import KEY_BYTES
from provenance.watermark.errors import BadEpoch, BadKey

NEWEST_EPOCHS: Final = 4  # that a detector tries without a lead: each key is a search of its own
MAX_EPOCH: Final = 2**32 - 1

_LABEL: Final = b"org.clipproof.mark-epoch.v1\0"


def epoch_key(master: bytes, epoch: int) -> bytes:
    """The 32-byte mark key of an epoch (0..MAX_EPOCH), from a master key of 32 random bytes.

    HKDF-SHA256 (RFC 5869) without a salt, which random key material does not need; the epoch is in `info`, of fixed
    length. HMAC being a pseudorandom function, keys of other epochs and the master cannot be had from any number of
    these. Raises BadKey, BadEpoch.
    """
    if len(master) != KEY_BYTES:
        raise BadKey(
            f"a master mark key has {KEY_BYTES} bytes, this one has {len(master)}",
            hint="use a key made by `clipproof keys init`",
        )
    if not 0 <= epoch <= MAX_EPOCH:
        raise BadEpoch(f"{epoch} is not the number of an epoch", hint=f"0 to {MAX_EPOCH}")
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=_LABEL + epoch.to_bytes(4, "big")).derive(master)


@dataclass(frozen=True, slots=True)
class MarkKeys:
    """The mark keys of one home. `epoch` is the current one, with whose key it marks."""

    master: bytes = field(repr=False)
    epoch: int = 0

    @property
    def current(self) -> bytes:
        return self.of(self.epoch)

    def of(self, epoch: int) -> bytes:
        """The key of any epoch, also of one that this home has not come to (or come back from, by an old backup)."""
        return epoch_key(self.master, epoch)

    def newest(self) -> tuple[int, ...]:
        """The current epoch and those before it, newest first: NEWEST_EPOCHS of them, or all there are."""
        return tuple(range(self.epoch, max(-1, self.epoch - NEWEST_EPOCHS), -1))
