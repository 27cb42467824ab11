"""What one client, and all of them together, may cost the server."""

from dataclasses import dataclass, field

from media import Limits

# Tighter than the command line's: whoever runs a command pays for it, a stranger's upload is paid by the host.
CONTENT_LIMITS = Limits(
    max_bytes=256 << 20,
    max_pixels=4096 * 2304,
    max_frames=18_000,
    max_seconds=600.0,
    max_streams=8,
    memory_bytes=2 << 30,
    cpu_s=90,
    wall_s=90.0,
)


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """`content`: on each uploaded file, its decoding included. `content_jobs`: files decoded at a time;
    `uploads`: files received at a time. Rates are per client address and minute. `upload_s` bounds the receiving
    of one body, `answer_s` the work on it.
    """

    content: Limits = field(default=CONTENT_LIMITS)
    content_jobs: int = 2
    uploads: int = 8
    requests_per_minute: int = 120
    uploads_per_minute: int = 12
    upload_s: float = 60.0
    answer_s: float = 120.0
    query_bytes: int = 4096
    json_bytes: int = 64 << 10
