"""Real encoders and decoders, in memory."""

import io
import os
from dataclasses import dataclass
from typing import Any

import av

from benchmarks.watermark.clips import Clip
from media import Planes
from media.planes import plane_array
from media.recode import frame_of

os.environ.setdefault("SVT_LOG", "1")  # errors alone: it prints its build on every start

PUBLISHED_CRF = 18

# One thread each: clips run side by side, and the result does not depend on the number of cores.
ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    "H.264": ("libx264", {"preset": "medium"}),
    "H.265": ("libx265", {"preset": "fast", "x265-params": "log-level=error:pools=1:frame-threads=1"}),
    "AV1": ("libsvtav1", {"preset": "8", "svtav1-params": "lp=1"}),
    "VP9": ("libvpx-vp9", {"deadline": "good", "cpu-used": "4", "b": "0"}),
}


@dataclass(frozen=True)
class Encoded:
    """A Matroska file in memory; stream_bytes: of the pictures alone."""

    clip: Clip
    file: bytes
    stream_bytes: int

    def decoded(self) -> Clip:
        with av.open(io.BytesIO(self.file), "r") as reader:
            return Clip(self.clip.name, self.clip.rate, [_planes(frame) for frame in reader.decode(video=0)])


def encoded(clip: Clip, crf: float, codec: str = "H.264") -> Encoded:
    encoder, options = ENCODERS[codec]
    buffer, size = io.BytesIO(), 0
    with av.open(buffer, "w", format="matroska") as output:
        stream: Any = output.add_stream(encoder, rate=clip.rate)
        stream.width, stream.height = clip.size
        stream.pix_fmt, stream.thread_count = "yuv420p", 1
        stream.options = {"crf": f"{crf:g}", **options}
        for index in range(len(clip.pictures) + 1):
            frame = frame_of(clip.pictures[index]) if index < len(clip.pictures) else None
            if frame is not None:
                frame.pts, frame.time_base = index, 1 / clip.rate
            for packet in stream.encode(frame):
                size += packet.size
                output.mux(packet)
    return Encoded(clip, buffer.getvalue(), size)


def as_published(clip: Clip) -> Clip:
    """What comes out of the file that Clipproof writes."""
    return recoded(clip, PUBLISHED_CRF)


def recoded(clip: Clip, crf: float, codec: str = "H.264") -> Clip:
    return encoded(clip, crf, codec).decoded()


def _planes(frame: av.VideoFrame) -> Planes:
    y, u, v = (plane_array(plane).copy() for plane in frame.planes)
    return y, u, v
