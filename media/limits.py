"""What an untrusted file may cost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one media file; exceeding any of them raises `LimitExceeded`.

    `memory_bytes` and `cpu_s` are set on the child process by the kernel (RLIMIT_AS, RLIMIT_CPU); the
    clock is kept by the parent, which ends the child.
    """

    max_bytes: int = 8 << 30
    max_pixels: int = 8192 * 4608  # 8K DCI with room; a decoder holds some 20 such frames
    max_frames: int = 216_000  # one hour at 60 frames a second
    max_seconds: float = 3600.0
    max_streams: int = 32
    memory_bytes: int = 4 << 30
    cpu_s: int = 1200
    wall_s: float = 1800.0
