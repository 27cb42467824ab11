"""What an encoder makes of pictures, in memory: for pictures of our own, to see what becomes of them."""

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Literal

import av
import numpy as np

from media.planes import Planes, plane_array

Codec = Literal["libx264", "libx265"]

# Without the macroblock tree x264 gives the same pictures for the same pictures (see media.writer).
_PARAMETERS = {
    "libx264": {"x264-params": "mbtree=0"},
    "libx265": {"x265-params": "log-level=error:pools=none"},
}


def recode(
    pictures: Sequence[Planes],
    rate: Fraction | float,
    *,
    crf: float,
    codec: Codec = "libx264",
) -> tuple[list[Planes], int]:
    """The yuv420p pictures (one size, uint8) after an encoder at `rate` a second, and the bytes they took."""
    height, width = pictures[0][0].shape
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as output:
        stream: Any = output.add_stream(codec, rate=Fraction(rate).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        stream.thread_count = 1
        stream.options = {"crf": f"{crf:g}", "preset": "veryfast", **_PARAMETERS[codec]}
        for planes in pictures:
            output.mux(stream.encode(frame_of(planes)))
        output.mux(stream.encode(None))
    size = buffer.tell()
    buffer.seek(0)
    with av.open(buffer, "r", format="matroska") as reader:
        return [_cropped(frame, width, height) for frame in reader.decode(video=0)], size


def frame_of(planes: Planes) -> av.VideoFrame:
    """A frame of yuv420p planes; odd sizes are padded by repeating the last row or column."""
    height, width = planes[0].shape
    luma = np.pad(planes[0], ((0, height % 2), (0, width % 2)), mode="edge")
    stacked = [luma.ravel(), *(np.ascontiguousarray(plane).ravel() for plane in planes[1:])]
    return av.VideoFrame.from_ndarray(np.concatenate(stacked).reshape(-1, luma.shape[1]), format="yuv420p")


def _cropped(frame: av.VideoFrame, width: int, height: int) -> Planes:
    y, u, v = (plane_array(plane).copy() for plane in frame.planes)
    return y[:height, :width], u, v
