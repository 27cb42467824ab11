"""The parent's side of `media.child`: start it, read its messages, end it in time."""

import dataclasses
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from media import errors
from media.errors import CorruptMedia, LimitExceeded, MediaError
from media.limits import Limits
from media.sniff import sniff

_HEADER_MAX = 1 << 20
_HINTS = {
    "LimitExceeded": "Cut or scale it down first, or raise the limits if you trust the file.",
    "CorruptMedia": "Play it elsewhere; if it plays, remux it (ffmpeg -c copy) and try again.",
    "UnsupportedMedia": "Give a video file.",
}


def run_job(
    kind: str, path: Path | str, limits: Limits, **options: Any
) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Messages of a child process over the media file at `path`: (header, raw bytes), without the last.

    The generator ends the child when it is closed. Raises what the child reports, `LimitExceeded` where a
    limit ended it, `CorruptMedia` where the file did.
    """
    path = Path(path)
    container = sniff(path)
    size = path.stat().st_size
    if size > limits.max_bytes:
        raise LimitExceeded(
            f"{path}: {size} bytes, {limits.max_bytes} are allowed", hint=_HINTS["LimitExceeded"]
        )
    job = {
        "kind": kind,
        "path": str(path.absolute()),
        "demuxer": container.demuxer,
        "limits": dataclasses.asdict(limits),
        **options,
    }
    # -P: the folder that a user happens to stand in never reaches the child's import path.
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "media.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={
            "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
            "PATH": os.defpath,
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        },
        # Ctrl-C in a terminal is for the parent: a decoder that it ended would look like a broken file.
        process_group=0,
    )
    timed_out = threading.Event()

    def end_late_child() -> None:
        timed_out.set()
        child.kill()

    clock = threading.Timer(limits.wall_s, end_late_child)
    clock.daemon = True
    clock.start()
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        with child.stdin:
            child.stdin.write(json.dumps(job).encode())
        while True:
            header = _read_header(child.stdout)
            if header is None:
                child.wait()
                raise _ended_early(path, child.returncode, timed_out.is_set())
            payload = child.stdout.read(header["bytes"])
            if header["kind"] == "error":
                kind = header["error"]
                message = header["message"].replace(job["path"], str(path))
                raise getattr(errors, kind)(message, hint=_HINTS[kind])
            yield header, payload
            if header["kind"] == "end":
                return
    except BrokenPipeError:
        raise CorruptMedia(f"{path}: the decoder did not start", hint="Run `clipproof doctor`.") from None
    finally:
        clock.cancel()
        child.kill()
        child.stdout.close()
        child.wait()


def _read_header(stream: Any) -> dict[str, Any] | None:
    prefix = stream.read(4)
    if len(prefix) < 4:
        return None
    length = int.from_bytes(prefix, "big")
    text = stream.read(length) if length <= _HEADER_MAX else b""
    if len(text) < length or not text:
        return None
    header: dict[str, Any] = json.loads(text)
    return header


def _ended_early(path: Path, returncode: int, timed_out: bool) -> MediaError:
    if timed_out:
        return LimitExceeded(f"{path}: takes too long to decode", hint=_HINTS["LimitExceeded"])
    if returncode in (-9, -24):  # SIGKILL by the kernel, SIGXCPU
        return LimitExceeded(f"{path}: needs too much memory or CPU time", hint=_HINTS["LimitExceeded"])
    return CorruptMedia(f"{path}: the decoder broke off on it", hint=_HINTS["CorruptMedia"])
