"""The payload's code: 64 bits and their CRC in 320 coded bits, around a circle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.watermark import ecc

payloads = st.integers(0, 2**64 - 1)
FREE_DISTANCE = 29


def as_bits(payload: int) -> np.ndarray:
    return np.array([payload >> shift & 1 for shift in range(63, -1, -1)], np.uint8)


def test_crc_is_the_published_one() -> None:
    bits = np.unpackbits(np.frombuffer(b"123456789", dtype=np.uint8))
    assert int.from_bytes(np.packbits(ecc.crc16(bits)).tobytes(), "big") == 0x29B1


def test_eighty_bits_become_320() -> None:
    assert (ecc.STEPS, ecc.CODED_BITS) == (80, 320)
    assert ecc.encode(5).shape == (320,)


@settings(max_examples=40)
@given(payloads)
def test_every_payload_comes_back(payload: int) -> None:
    assert ecc.decode(ecc.encode(payload)[None]) == [payload]


@settings(max_examples=40)
@given(payloads, st.sets(st.integers(0, ecc.CODED_BITS - 1), min_size=14, max_size=14))
def test_any_fourteen_wrong_bits_are_corrected(payload: int, wrong: set[int]) -> None:
    """The code's free distance is 29."""
    received = ecc.encode(payload)
    received[list(wrong)] *= -1
    assert ecc.decode(received[None]) == [payload]


@settings(max_examples=20)
@given(payloads, st.floats(1e-3, 1e3))
def test_only_the_ratios_of_the_soft_bits_count(payload: int, level: float) -> None:
    assert ecc.decode(np.float32(level) * ecc.encode(payload)[None]) == [payload]


@settings(max_examples=20)
@given(payloads, st.integers(0, 2**32))
def test_a_quarter_of_the_code_erased_is_filled_in(payload: int, seed: int) -> None:
    received = ecc.encode(payload).reshape(ecc.STEPS, 4)
    received[np.arange(ecc.STEPS), np.random.default_rng(seed).integers(0, 4, ecc.STEPS)] = 0
    assert ecc.decode(received.reshape(1, -1)) == [payload]


@settings(max_examples=20)
@given(payloads, st.integers(0, ecc.CODED_BITS - 1))
def test_a_gap_of_28_coded_bits_is_filled_in_wherever_it_lies(payload: int, start: int) -> None:
    received = ecc.encode(payload)
    received[(start + np.arange(28)) % ecc.CODED_BITS] = 0
    assert ecc.decode(received[None]) == [payload]


@given(payloads, payloads)
def test_different_payloads_lie_at_least_the_free_distance_apart(one: int, other: int) -> None:
    apart = int((ecc.encode(one) != ecc.encode(other)).sum())
    assert apart == 0 if one == other else apart >= FREE_DISTANCE


@given(payloads, st.sets(st.integers(0, 63), min_size=1, max_size=3))
def test_neighbouring_payloads_lie_at_least_the_free_distance_apart(payload: int, flipped: set[int]) -> None:
    other = payload ^ sum(1 << bit for bit in flipped)
    assert int((ecc.encode(payload) != ecc.encode(other)).sum()) >= FREE_DISTANCE


def textbook(message: np.ndarray, start: int = 0) -> np.ndarray:
    """The encoder as a textbook draws it: a shift register that goes once around the bits, from `start` on."""
    around = np.roll(message, -start).tolist()
    last_ten = 0  # newest on top
    for bit in around[-10:]:
        last_ten = last_ten >> 1 | bit << 9
    coded = []
    for bit in around:
        register = bit << 10 | last_ten
        coded += [1 - 2 * ((register & generator).bit_count() & 1) for generator in ecc.GENERATORS]
        last_ten = register >> 1
    return np.array(coded, np.float32)


def with_crc(payload: int) -> np.ndarray:
    return np.concatenate([as_bits(payload), ecc.crc16(as_bits(payload))])


@settings(max_examples=20)
@given(payloads, st.integers(0, ecc.STEPS - 1))
def test_the_code_has_no_beginning(payload: int, start: int) -> None:
    """Tail-biting: whoever enters the circle elsewhere reads the same codeword, turned."""
    assert np.array_equal(textbook(with_crc(payload), start), np.roll(ecc.encode(payload), -4 * start))


def lightest_difference() -> np.ndarray:
    """The message bits of a lightest codeword, of those with up to ten bits at a stretch."""
    patterns = [np.array([pattern >> bit & 1 for bit in range(80)]) for pattern in range(1, 1 << 10, 2)]
    return min(patterns, key=lambda bits: int((textbook(bits) < 0).sum()))


LIGHTEST = lightest_difference()


def test_the_lightest_codeword_has_the_weight_of_the_free_distance() -> None:
    assert int((textbook(LIGHTEST) < 0).sum()) == FREE_DISTANCE


@pytest.mark.parametrize("start", range(0, ecc.STEPS, 9))
def test_fourteen_wrong_bits_on_the_way_to_the_nearest_codeword_are_corrected(start: int) -> None:
    """The worst place for errors: one more, and the neighbour would be the nearer one."""
    received = ecc.encode(2**63 + 5)
    toward = np.flatnonzero(textbook(np.roll(LIGHTEST, start)) < 0)
    received[toward[::2][:14]] *= -1
    assert ecc.decode(received[None]) == [2**63 + 5]


def test_the_list_finds_what_the_best_path_misses() -> None:
    """The likeliest path is another one, but its checksum fails: the next one's holds."""
    payload = 0x0123456789ABCDEF
    impostor = textbook(with_crc(payload) ^ np.roll(LIGHTEST, 74))
    received = 0.45 * ecc.encode(payload) + 0.55 * impostor
    assert received @ impostor > received @ ecc.encode(payload)
    assert ecc.decode(received[None]) == [payload]


def test_noise_seldom_passes_the_checksum() -> None:
    noise = np.random.default_rng(1).normal(size=(200, ecc.CODED_BITS)).astype(np.float32)
    passed = [payload for payload in ecc.decode(noise) if payload is not None]
    assert len(passed) <= 1  # expected: 200 / 8,192


def test_silence_is_decoded_without_an_error() -> None:
    """All paths are equal; the detector's bound, not the code, says that nothing was there."""
    assert len(ecc.decode(np.zeros((2, ecc.CODED_BITS), np.float32))) == 2


def test_a_batch_decodes_as_its_members_do() -> None:
    rng = np.random.default_rng(2)
    soft = np.stack([ecc.encode(value) for value in (0, 1, 2**64 - 1)])
    soft += rng.normal(scale=1.0, size=soft.shape).astype(np.float32)
    together = ecc.decode(soft)
    assert together == [ecc.decode(row[None])[0] for row in soft] == [0, 1, 2**64 - 1]
    assert ecc.decode(soft[:0]) == []
