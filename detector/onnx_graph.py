"""ONNX graphs cut open: an inner value as an output, and what lies behind it is never computed."""

from collections.abc import Iterator, Sequence
from typing import Any


def open_session(model: bytes, outputs: Sequence[str]) -> Any:
    """An onnxruntime session of one thread on the CPU whose outputs are those inner values, in order."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        with_outputs(model, outputs), options, providers=["CPUExecutionProvider"]
    )


def with_outputs(model: bytes, names: Sequence[str]) -> bytes:
    """The ONNX model with inner values as its only outputs.

    Protocol-buffer wire format: ModelProto.graph is field 7, GraphProto.output field 12, a ValueInfoProto
    with only a name (field 1); everything else is copied byte for byte.
    """
    outputs = b"".join(_delimited(12, _delimited(1, name.encode())) for name in names)
    parts = []
    for number, raw, body in _wire_fields(model):
        if number == 7:
            kept = b"".join(piece for inner, piece, _ in _wire_fields(body) if inner != 12)
            raw = _delimited(7, kept + outputs)
        parts.append(raw)
    return b"".join(parts)


def _wire_fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(number, whole field, body) of each field; the body is empty for numbers, which are copied only."""
    position = 0
    while position < len(message):
        start = position
        key, position = _varint(message, position)
        body = b""
        if key & 7 == 2:
            size, position = _varint(message, position)
            body = message[position : position + size]
            position += size
        else:  # neither ModelProto nor GraphProto has fixed-width fields
            _, position = _varint(message, position)
        yield key >> 3, message[start:position], body


def _varint(source: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = source[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position


def _delimited(number: int, body: bytes) -> bytes:
    return _encoded(number << 3 | 2) + _encoded(len(body)) + body


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
