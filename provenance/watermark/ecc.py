"""The payload's code: CRC-16, then a tail-biting convolutional code of rate 1/4, decoded softly to a list.

Constraint length 11, generators 2327, 2353, 2671, 3175 (octal), free distance 29 (Larsen, "Short
convolutional codes with maximal free distance", IEEE Trans. IT 19, 1973). Tail-biting: the encoder starts in
the state in which it will end, so no symbols are spent on a tail. The decoder goes around twice (the wrap-
around Viterbi algorithm, Shao, Lin and Fossorier 2003) and offers the best path and those that differ from it
by the least sure decisions (Seshadri and Sundberg, "List Viterbi decoding", 1994); the CRC picks.
"""

import numpy as np
from numpy.typing import NDArray

PAYLOAD_BITS = 64
CRC_BITS = 16
CONSTRAINT_LENGTH = 11
GENERATORS = (0o2327, 0o2353, 0o2671, 0o3175)
STEPS = PAYLOAD_BITS + CRC_BITS
CODED_BITS = STEPS * len(GENERATORS)
# A wrong path passes the CRC once in 65,536: of a clip that cannot be read, one in 8,192 gets this far. A longer
# list reads few clips more.
LIST_SIZE = 8

_MEMORY = CONSTRAINT_LENGTH - 1
_STATES = 1 << _MEMORY

Bits = NDArray[np.uint8]
Floats = NDArray[np.float32]


def _parity(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.bitwise_count(values).astype(np.int64) & 1


def _branches() -> tuple[NDArray[np.int64], Floats]:
    """Predecessors int64[states, 2] of every state and the ±1 outputs float32[4, states * 2] on the way from
    them.

    A state holds the last ten input bits, newest on top; a register is the input bit above the old state.
    """
    state = np.arange(_STATES)
    previous = ((state << 1) & (_STATES - 1))[:, None] | np.array([0, 1])
    register = ((state >> (_MEMORY - 1)) << _MEMORY)[:, None] | previous
    outputs = [(1 - 2 * _parity(register & generator)).ravel() for generator in GENERATORS]
    return previous, np.array(outputs, dtype=np.float32)


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
    bits = np.concatenate([message, crc16(message)]).astype(np.int64)
    around = np.concatenate([bits[-_MEMORY:], bits])
    register = np.zeros(STEPS, dtype=np.int64)
    for delay in range(CONSTRAINT_LENGTH):
        start = _MEMORY - delay
        register |= around[start : start + STEPS] << start
    outputs = [1 - 2 * _parity(register & generator) for generator in GENERATORS]
    return np.stack(outputs, axis=-1).reshape(-1).astype(np.float32)


def decode(soft: Floats) -> list[int | None]:
    """The likeliest payload of each soft codeword whose CRC holds, or None.

    soft: float32[batch, CODED_BITS], any common positive scale, positive for bit 0.
    """
    batch = len(soft)
    steps = soft.reshape(batch, STEPS, len(GENERATORS))
    metric = np.zeros((batch, _STATES), dtype=np.float32)
    came_from = np.empty((STEPS, batch, _STATES), dtype=np.bool_)
    margin = np.empty((STEPS, batch, _STATES), dtype=np.float32)
    for _ in range(2):
        for step in range(STEPS):
            arriving = metric[:, _PREVIOUS] + (steps[:, step] @ _OUTPUTS).reshape(batch, _STATES, 2)
            np.subtract(arriving[..., 1], arriving[..., 0], out=margin[step])
            np.greater(margin[step], 0, out=came_from[step])
            metric = arriving.max(axis=-1)
    ends = metric.argmax(axis=1)
    return [_pick(soft[row], _messages(came_from[:, row], margin[:, row], ends[row])) for row in range(batch)]


def _messages(came_from: NDArray[np.bool_], margin: Floats, end: np.int64) -> Bits:
    """The best path around the circle and those that leave it once where it won most narrowly, as messages
    uint8[paths, STEPS]; paths that do not close are left out.
    """
    state = end
    for step in range(
        STEPS - 1, -1, -1
    ):  # a lap back: the last steps are not yet decided by what follows them
        state = _PREVIOUS[state, int(came_from[step, state])]
    best = np.empty(STEPS, dtype=np.int64)
    first = state
    for step in range(STEPS - 1, -1, -1):
        best[step] = state
        state = _PREVIOUS[state, int(came_from[step, state])]
    around = np.arange(STEPS)
    leave = np.argsort(np.abs(margin[around, best]))[: LIST_SIZE - 1]
    paths = np.empty((len(leave), STEPS), dtype=np.int64)
    row = np.arange(len(leave))
    here, step_of = best[leave], leave
    turned = ~came_from[leave, here]
    for _ in range(STEPS):
        paths[row, step_of] = here
        here, step_of = _PREVIOUS[here, turned.astype(np.int64)], (step_of - 1) % STEPS
        turned = came_from[step_of, here]
    kept = paths[here == best[leave]]
    if state == first:
        kept = np.concatenate([best[None], kept])
    messages: Bits = (kept >> (_MEMORY - 1)).astype(np.uint8)
    return messages


def _pick(soft: Floats, messages: Bits) -> int | None:
    best, height = None, -np.inf
    for message in messages:
        payload, check = message[:PAYLOAD_BITS], message[PAYLOAD_BITS:]
        if np.array_equal(crc16(payload), check):
            value = int.from_bytes(np.packbits(payload).tobytes(), "big")
            reached = float(soft @ encode(value))
            if reached > height:
                best, height = value, reached
    return best
