import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from provenance.watermark import ecc

payloads = st.integers(0, 2**64 - 1)


def test_crc_is_the_published_one() -> None:
    bits = np.unpackbits(np.frombuffer(b"123456789", dtype=np.uint8))
    assert int.from_bytes(np.packbits(ecc.crc16(bits)).tobytes(), "big") == 0x29B1


@given(payloads)
def test_every_payload_comes_back(payload: int) -> None:
    (decoded,), (valid,) = ecc.decode(ecc.encode(payload)[None])
    assert decoded == payload
    assert valid


@given(payloads, st.sets(st.integers(0, ecc.CODED_BITS - 1), max_size=11))
def test_any_eleven_wrong_bits_are_corrected(payload: int, wrong: set[int]) -> None:
    """The code's free distance is 24."""
    received = ecc.encode(payload)
    received[list(wrong)] *= -1
    (decoded,), (valid,) = ecc.decode(received[None])
    assert decoded == payload
    assert valid


@given(payloads, st.integers(0, 2**32))
def test_a_quarter_of_the_code_erased_is_filled_in(payload: int, seed: int) -> None:
    received = ecc.encode(payload).reshape(ecc.STEPS, 4)
    received[np.arange(ecc.STEPS), np.random.default_rng(seed).integers(0, 4, ecc.STEPS)] = 0
    (decoded,), (valid,) = ecc.decode(received.reshape(1, -1))
    assert decoded == payload
    assert valid


@given(payloads, payloads)
def test_different_payloads_lie_at_least_the_free_distance_apart(one: int, other: int) -> None:
    apart = int((ecc.encode(one) != ecc.encode(other)).sum())
    assert apart == 0 if one == other else apart >= 24


def test_noise_seldom_passes_the_checksum() -> None:
    noise = np.random.default_rng(1).normal(size=(400, ecc.CODED_BITS)).astype(np.float32)
    assert ecc.decode(noise)[1].sum() <= 1  # expected: 400 / 65,536


def test_a_batch_decodes_as_its_members_do() -> None:
    rng = np.random.default_rng(2)
    soft = np.stack([ecc.encode(value) for value in (0, 1, 2**64 - 1)])
    soft += rng.normal(scale=1.2, size=soft.shape).astype(np.float32)
    together = ecc.decode(soft)[0]
    assert together == [ecc.decode(row[None])[0][0] for row in soft]
