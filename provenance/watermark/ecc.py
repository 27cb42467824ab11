"""The payload's code: CRC-16, then a rate-1/4 convolutional code of constraint length 9, decoded softly.

Generators 463, 535, 733, 745 (octal) have free distance 24, the best known for this rate and memory
(Larsen, "Short convolutional codes with maximal free distance", IEEE Trans. IT 19, 1973).
"""

import numpy as np
from numpy.typing import NDArray

PAYLOAD_BITS = 64
CRC_BITS = 16
CONSTRAINT_LENGTH = 9
GENERATORS = (0o463, 0o535, 0o733, 0o745)
STEPS = PAYLOAD_BITS + CRC_BITS + CONSTRAINT_LENGTH - 1
CODED_BITS = STEPS * len(GENERATORS)

_STATES = 1 << (CONSTRAINT_LENGTH - 1)

Bits = NDArray[np.uint8]
Floats = NDArray[np.float32]


def _parity(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.bitwise_count(values).astype(np.int64) & 1


def _branches() -> tuple[NDArray[np.int64], Floats]:
    """Predecessors int64[states, 2] of every state and the ±1 outputs float32[states, 2, 4] on the way from
    them.

    A state holds the last eight input bits, newest on top; a register is the input bit above the old state.
    """
    state = np.arange(_STATES)
    previous = ((state << 1) & (_STATES - 1))[:, None] | np.array([0, 1])
    register = ((state >> (CONSTRAINT_LENGTH - 2)) << (CONSTRAINT_LENGTH - 1))[:, None] | previous
    outputs = [1 - 2 * _parity(register & generator) for generator in GENERATORS]
    return previous, np.stack(outputs, axis=-1).astype(np.float32)


_PREVIOUS, _OUTPUTS = _branches()


def crc16(bits: Bits) -> Bits:
    """CRC-16/CCITT-FALSE (polynomial 0x1021, start 0xFFFF) of uint8 bits, as 16 bits, high bit first."""
    register = 0xFFFF
    for bit in bits.tolist():
        feedback = (register >> 15) ^ bit
        register = ((register << 1) & 0xFFFF) ^ (0x1021 if feedback else 0)
    return _to_bits(register, CRC_BITS)


def _to_bits(value: int, count: int) -> Bits:
    return np.array([(value >> shift) & 1 for shift in range(count - 1, -1, -1)], dtype=np.uint8)


def encode(payload: int) -> Floats:
    """The codeword of an unsigned 64-bit payload: ±1, float32[CODED_BITS]; bit 0 is sent as +1."""
    message = _to_bits(payload, PAYLOAD_BITS)
    tail = np.zeros(CONSTRAINT_LENGTH - 1, dtype=np.uint8)
    bits = np.concatenate([tail, message, crc16(message), tail]).astype(np.int64)
    register = np.zeros(STEPS, dtype=np.int64)
    for delay in range(CONSTRAINT_LENGTH):
        start = CONSTRAINT_LENGTH - 1 - delay
        register |= bits[start : start + STEPS] << (CONSTRAINT_LENGTH - 1 - delay)
    outputs = [1 - 2 * _parity(register & generator) for generator in GENERATORS]
    return np.stack(outputs, axis=-1).reshape(-1).astype(np.float32)


def decode(soft: Floats) -> tuple[list[int], NDArray[np.bool_]]:
    """Maximum-likelihood payloads of soft codewords.

    soft: float32[batch, CODED_BITS], any common positive scale, positive for bit 0. Returns the payloads
    and, for each, whether its CRC holds. A failed CRC means that the payload is not to be used.
    """
    batch = len(soft)
    steps = soft.reshape(batch, STEPS, len(GENERATORS))
    metric = np.full((batch, _STATES), -np.inf, dtype=np.float32)
    metric[:, 0] = 0.0
    came_from = np.empty((STEPS, batch, _STATES), dtype=np.bool_)
    outputs = _OUTPUTS.reshape(-1, len(GENERATORS)).T
    for step in range(STEPS):
        arriving = metric[:, _PREVIOUS] + (steps[:, step] @ outputs).reshape(batch, _STATES, 2)
        came_from[step] = arriving[..., 1] > arriving[..., 0]
        metric = arriving.max(axis=-1)

    rows = np.arange(batch)
    state = np.zeros(batch, dtype=np.int64)
    bits = np.empty((batch, STEPS), dtype=np.uint8)
    for step in range(STEPS - 1, -1, -1):
        bits[:, step] = state >> (CONSTRAINT_LENGTH - 2)
        state = _PREVIOUS[state, came_from[step, rows, state].astype(np.int64)]

    messages = bits[:, :PAYLOAD_BITS]
    checks = bits[:, PAYLOAD_BITS : PAYLOAD_BITS + CRC_BITS]
    payloads = [int.from_bytes(np.packbits(message).tobytes(), "big") for message in messages]
    valid = [
        bool(np.array_equal(crc16(message), check)) for message, check in zip(messages, checks, strict=True)
    ]
    return payloads, np.array(valid, dtype=np.bool_)
