"""MP4 files that play anywhere: H.264, yuv420p, index in front, written whole or not at all."""

import contextlib
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np

from media.clip import Color
from media.errors import MediaError, UnsupportedMedia
from media.files import atomic_path
from media.planes import Plane, Planes, plane_array
from media.recode import frame_of
from media.sniff import sniff

SQUARE = Fraction(1)
BT709 = Color(range=1, matrix=1, primaries=1, transfer=1)
_THREADS = 2  # x264's output depends on the number, so it is fixed
_CONTAINER_TAGS = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})


class ClipWriter:
    """Encodes frames to `dst` as MP4; a context manager that publishes the file on a clean exit only.

    `time_base` (default: one tick a frame at `frame_rate`) is the grid to which frame times are exact.
    `sample_aspect`: width to height of a pixel.
    Odd sizes are padded to even by repeating the last row or column, as 4:2:0 has no odd sizes.
    `copy_streams_from`: every other stream of that file (sound, subtitles), its chapters and its tags are
    carried over packet by packet, untouched; what MP4 cannot hold raises `UnsupportedMedia`, except for
    timed data streams, which `dropped_streams` names. Raises `OutputError` where `dst` cannot be written.
    """

    def __init__(
        self,
        dst: Path | str,
        *,
        width: int,
        height: int,
        frame_rate: Fraction | None = None,
        time_base: Fraction | None = None,
        crf: float = 18.0,
        preset: str = "medium",
        metadata: Mapping[str, str] | None = None,
        copy_streams_from: Path | str | None = None,
        color: Color | None = None,
        sample_aspect: Fraction = SQUARE,
    ) -> None:
        self.dst = Path(dst)
        self._size = (height, width)
        self._sample_aspect = sample_aspect
        self._rate = frame_rate or Fraction(25)
        self._time_base = time_base or 1 / self._rate
        self._crf, self._preset = crf, preset
        self._metadata = dict(metadata or {})
        self._source_path = Path(copy_streams_from) if copy_streams_from else None
        self._color = color or BT709
        self._last_tick: int | None = None
        self.frames_written = 0
        self.dropped_streams: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        self._cleanup = contextlib.ExitStack()
        try:
            self._tmp = self._cleanup.enter_context(atomic_path(self.dst))
            self._open()
        except BaseException as error:
            self._cleanup.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def _open(self) -> None:
        # use_metadata_tags: any key, such as AIGC, goes to moov/udta/meta (keys, ilst)
        options = {"movflags": "use_metadata_tags+faststart"}
        self._output = self._cleanup.enter_context(
            av.open(str(self._tmp), "w", format="mp4", options=options)
        )
        height, width = self._size
        stream: Any = self._output.add_stream("libx264", rate=self._rate)
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        stream.time_base = stream.codec_context.time_base = self._time_base
        stream.codec_context.thread_count = _THREADS
        if self._sample_aspect != SQUARE:
            stream.codec_context.sample_aspect_ratio = self._sample_aspect
        stream.codec_context.color_range = self._color.range
        stream.codec_context.colorspace = self._color.matrix
        stream.codec_context.color_primaries = self._color.primaries
        stream.codec_context.color_trc = self._color.transfer
        # x264's macroblock tree reads uninitialised memory at some widths: the first encode of a process
        # differed from the next (measured). Without it, same frames give same bytes.
        stream.options = {"crf": f"{self._crf:g}", "preset": self._preset, "x264-params": "mbtree=0"}
        self._video = stream
        tags: dict[str, str] = {}
        self._others: Iterator[Any] = iter(())
        self._waiting: Any = None
        if self._source_path is not None:
            tags = self._open_source(self._source_path)
        self._output.metadata.update(tags | self._metadata)

    def _open_source(self, path: Path) -> dict[str, str]:
        source = self._cleanup.enter_context(
            av.open(
                f"file:{path.absolute()}",
                format=sniff(path).demuxer,
                options={"protocol_whitelist": "file"},
                metadata_errors="replace",
            )
        )
        carried: dict[int, Any] = {}
        dropped = []
        for stream in source.streams:
            if stream.type == "video":
                continue
            try:
                carried[stream.index] = self._output.add_stream_from_template(stream)
            except (ValueError, av.error.FFmpegError) as error:
                name = f"{stream.type}/{stream.index}"
                if stream.type in ("audio", "subtitle"):
                    raise UnsupportedMedia(
                        f"{path}: its {stream.type} ({stream.codec_context.name}) does not fit into MP4",
                        hint="Convert that stream first, for example to AAC.",
                    ) from error
                dropped.append(name)
        self.dropped_streams = tuple(dropped)
        if carried:
            self._others = self._carried_packets(source, carried)
            self._waiting = next(self._others, None)
        with contextlib.suppress(AttributeError, av.error.FFmpegError):
            self._output.set_chapters(source.chapters())
        return {k: v for k, v in source.metadata.items() if k not in _CONTAINER_TAGS}

    @staticmethod
    def _carried_packets(source: Any, carried: dict[int, Any]) -> Iterator[Any]:
        for packet in source.demux([source.streams[index] for index in carried]):
            if packet.size:  # the last, empty packet of a stream only flushes decoders
                packet.stream = carried[packet.stream_index]
                yield packet

    def write(self, planes: Planes, time: Fraction) -> None:
        """One frame: Y uint8 [H,W], U and V uint8 [⌈H/2⌉,⌈W/2⌉], shown from `time` (seconds)."""
        height, width = self._size
        if planes[0].shape != (height, width):
            raise MediaError(f"{self.dst}: a frame of {planes[0].shape} in a clip of {(height, width)}")
        self._encode(frame_of(planes), time)

    def write_rgb(self, rgb: Plane, time: Fraction) -> None:
        """One frame of RGB, uint8 [H,W,3], converted to limited-range BT.709."""
        self.write(yuv420p_of_rgb(rgb), time)

    def _encode(self, frame: av.VideoFrame, time: Fraction) -> None:
        tick = round(time / self._time_base)
        if self._last_tick is not None and tick <= self._last_tick:
            raise MediaError(f"{self.dst}: frame times must rise ({float(time):g} s comes after a later one)")
        self._last_tick = tick
        frame.pts, frame.time_base = tick, self._time_base
        frame.color_range, frame.colorspace = self._color.range, self._color.matrix
        frame.color_primaries, frame.color_trc = self._color.primaries, self._color.transfer
        self._mux(self._video.encode(frame))
        self.frames_written += 1

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            due = packet.dts * packet.time_base
            while self._waiting is not None and _stamp(self._waiting) <= due:
                self._output.mux_one(self._waiting)
                self._waiting = next(self._others, None)
            self._output.mux_one(packet)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._cleanup.__exit__(kind, error, trace)
            return
        with self._cleanup:
            if not self.frames_written:
                raise MediaError(f"{self.dst}: there are no frames to write")
            self._mux(self._video.encode(None))
            while self._waiting is not None:
                self._output.mux_one(self._waiting)
                self._waiting = next(self._others, None)


def _stamp(packet: Any) -> Fraction:
    stamp = packet.dts if packet.dts is not None else packet.pts
    return Fraction(0) if stamp is None else stamp * Fraction(packet.time_base)


def yuv420p_of_rgb(rgb: Plane) -> tuple[Plane, Plane, Plane]:
    """Limited-range BT.709 planes of an RGB picture: uint8 [H,W,3] to Y [H,W], U and V [⌈H/2⌉,⌈W/2⌉]."""
    height, width = rgb.shape[:2]
    even = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24").reformat(
        format="yuv420p", dst_colorspace=BT709.matrix, dst_color_range=BT709.range, interpolation="AREA"
    )
    y, u, v = (plane_array(plane).copy() for plane in frame.planes)
    return y[:height, :width], u, v
