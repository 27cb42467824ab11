"""One key an epoch, from one master: each stands for itself."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.watermark import MAX_EPOCH, NEWEST_EPOCHS, BadEpoch, BadKey, MarkKeys, epoch_key

MASTER = bytes(range(32))
masters = st.binary(min_size=32, max_size=32)
epochs = st.integers(0, MAX_EPOCH)


@pytest.mark.parametrize(
    ("epoch", "key"),
    [
        (0, "a97df117b33c61bc21d4921fdba6b8a20315eed1eb47d79d8bc57eb066c7e479"),
        (1, "7cc9424ce258bbd994f9e9ad2cb721dc40829b785d8833c4ee520e0cbb919006"),
        (MAX_EPOCH, "a051a04d596731d7b5581567f62a2fd99f64ea0e679f9de5afc73afcaaad4c1b"),
    ],
)
def test_the_key_of_an_epoch_never_changes(epoch: int, key: str) -> None:
    """Else every mark that was made with it would be lost."""
    assert epoch_key(MASTER, epoch).hex() == key


@given(masters, epochs)
def test_it_is_hkdf_as_rfc_5869_writes_it(master: bytes, epoch: int) -> None:
    extracted = hmac.digest(bytes(hashlib.sha256().digest_size), master, "sha256")
    info = b"org.clipproof.mark-epoch.v1\0" + epoch.to_bytes(4, "big")
    assert epoch_key(master, epoch) == hmac.digest(extracted, info + b"\1", "sha256")


@given(masters, st.sets(epochs, min_size=2, max_size=20))
def test_epochs_have_keys_of_their_own_and_none_is_the_master(master: bytes, some: set[int]) -> None:
    keys = {epoch_key(master, epoch) for epoch in some}
    assert len(keys | {master}) == len(some) + 1


@given(masters, masters, epochs)
def test_another_master_gives_another_key(one: bytes, other: bytes, epoch: int) -> None:
    assert (epoch_key(one, epoch) == epoch_key(other, epoch)) == (one == other)


@pytest.mark.parametrize("epoch", [-1, MAX_EPOCH + 1])
def test_what_is_no_epoch_has_no_key(epoch: int) -> None:
    with pytest.raises(BadEpoch, match=str(epoch)):
        epoch_key(MASTER, epoch)


@pytest.mark.parametrize("master", [b"", bytes(31), bytes(64)])
def test_a_master_of_another_length_is_refused_and_not_repeated(master: bytes) -> None:
    with pytest.raises(BadKey, match=f"has {len(master)}$"):
        epoch_key(master, 0)


@given(epochs | st.integers(0, 20))
def test_the_newest_epochs_come_first_and_are_bounded(epoch: int) -> None:
    newest = MarkKeys(MASTER, epoch).newest()
    assert newest == tuple(sorted(newest, reverse=True))
    assert (newest[0], len(newest)) == (epoch, min(NEWEST_EPOCHS, epoch + 1))


def test_a_home_marks_with_the_key_of_its_epoch_and_shows_no_key() -> None:
    keys = MarkKeys(MASTER, 3)
    assert keys.current == keys.of(3) == epoch_key(MASTER, 3)
    assert MASTER.hex() not in repr(keys)
    assert repr(MASTER) not in repr(keys)
