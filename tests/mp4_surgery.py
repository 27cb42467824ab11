"""Cuts and grafts on MP4 files, for tests that attack them."""

import struct

CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}


def box(kind: bytes, payload: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def boxes(content: bytes, start: int = 0, end: int | None = None) -> list[tuple[bytes, int, int]]:
    """(type, start, end) of every box of a sound file, parents before children."""
    found, offset, end = [], start, len(content) if end is None else end
    while offset < end:
        size, kind = struct.unpack_from(">I4s", content, offset)
        found.append((kind, offset, offset + size))
        if kind in CONTAINERS:
            found += boxes(content, offset + 8, offset + size)
        offset += size
    return found


def find(content: bytes, kind: bytes) -> tuple[int, int]:
    """Start and end of the first box of a type."""
    return next((start, end) for name, start, end in boxes(content) if name == kind)


def flip(content: bytes, at: int) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 0x01
    return bytes(changed)


def move_frames_to_free_box(content: bytes) -> bytes:
    """The same clip with its frames in a `free` box and a decoy in `mdat`: it plays as before."""
    start, end = find(content, b"mdat")
    frames = content[start + 8 : end]
    _, ftyp_end = find(content, b"ftyp")
    moov_start, moov_end = find(content, b"moov")
    moov = bytearray(content[moov_start:moov_end])
    frames_at = ftyp_end + len(moov) + 8
    table, _ = find(bytes(moov), b"stco")
    chunks = struct.unpack_from(">I", moov, table + 12)[0]
    for chunk in range(chunks):
        (offset,) = struct.unpack_from(">I", moov, table + 16 + 4 * chunk)
        struct.pack_into(">I", moov, table + 16 + 4 * chunk, offset - (start + 8) + frames_at)
    return content[:ftyp_end] + bytes(moov) + box(b"free", frames) + box(b"mdat", bytes(64))


def hide_chunk_table_in_sample_description(content: bytes) -> bytes:
    """The same clip with its frames in a `free` box, found through a second `stco` inside `stsd`.

    The `stco` in its proper place points to as many bytes of `mdat`: whoever believes that one sees no harm.
    """
    _, ftyp_end = find(content, b"ftyp")
    start, end = find(content, b"mdat")
    frames = content[start + 8 : end]
    moov_start, moov_end = find(content, b"moov")

    def rebuild(kind: bytes, payload: bytes, frames_at: int) -> bytes:
        children, offset = [], 0
        while offset < len(payload):
            size, name = struct.unpack_from(">I4s", payload, offset)
            children.append((name, payload[offset + 8 : offset + size]))
            offset += size
        chunk = dict(children).get(b"stco")
        parts = []
        for name, inner in children:
            if name in CONTAINERS:
                inner = rebuild(name, inner, frames_at)
            elif name == b"stsd" and chunk is not None:
                (first,) = struct.unpack_from(">I", chunk, 8)
                hidden = box(b"stco", struct.pack(">3I", 0, 1, first - (start + 8) + frames_at))
                (entry,) = struct.unpack_from(">I", inner, 8)
                inner = inner[:8] + struct.pack(">I", entry + len(hidden)) + inner[12:] + hidden
            elif name == b"stco":
                inner = struct.pack(">3I", 0, 1, frames_at + len(frames) + 8)
            parts.append(box(name, inner))
        return b"".join(parts)

    movie = content[moov_start + 8 : moov_end]
    size = len(box(b"moov", rebuild(b"moov", movie, 0)))
    moov = box(b"moov", rebuild(b"moov", movie, ftyp_end + size + 8))
    return content[:ftyp_end] + moov + box(b"free", frames) + box(b"mdat", bytes(len(frames)))
