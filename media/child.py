"""The child process that parses and decodes untrusted media: `python -m media.child < job.json`.

It reads one job (JSON) on standard input, puts itself under kernel limits, and answers on standard output
with messages of one shape: a 4-byte big-endian length, a JSON header, and `header["bytes"]` raw bytes.
The last message is `end` or `error`. Nothing is ever unpickled on either side.
"""

import contextlib
import hashlib
import itertools
import json
import resource
import signal
import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, BinaryIO

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from numpy.typing import NDArray

from media.limits import Limits
from media.planes import Plane, plane_array

PIXEL_FORMATS = ("yuv420p", "rgb24", "gray")
BT709, LIMITED, UNSPECIFIED = 1, 1, 2  # FFmpeg's numbers of ITU-T H.273; LIMITED is a range
PROGRESSIVE = 1  # FFmpeg's field orders: 0 is unknown, those above 1 are interlaced
SUBSAMPLING = {
    (8, 8): "4:4:4",
    (8, 4): "4:4:0",
    (4, 8): "4:2:2",
    (4, 4): "4:2:0",
    (2, 8): "4:1:1",
    (2, 2): "4:1:0",
}


class RefusalError(Exception):
    """The job ends here; `kind` is the name of the `media.errors` class that the parent raises."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Wire:
    """Messages to the parent."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def send(self, header: dict[str, Any], *payload: bytes) -> None:
        header["bytes"] = sum(len(part) for part in payload)
        text = json.dumps(header).encode()
        self._stream.write(len(text).to_bytes(4, "big") + text)
        for part in payload:
            self._stream.write(part)
        self._stream.flush()


def confine(limits: Limits) -> None:
    """Put this process under kernel limits: memory, CPU seconds, no files written, no core dump."""
    for what, soft in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        value = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
        resource.setrlimit(what, (value, value))
    # The parent keeps this clock; it may have been killed.
    signal.setitimer(signal.ITIMER_REAL, limits.wall_s + 10)


def open_container(path: str, demuxer: str) -> InputContainer:
    # `file:` in front: a name such as `concat:a|b` or `-` is then only a name.
    # Old cameras write their names in Latin-1; PyAV would refuse the whole clip for one such letter.
    return av.open(
        f"file:{path}",
        mode="r",
        format=demuxer,
        options={"protocol_whitelist": "file"},
        metadata_errors="replace",
    )


def video_stream(container: InputContainer, path: str, limits: Limits) -> Any:
    if len(container.streams) > limits.max_streams:
        raise RefusalError(
            "LimitExceeded", f"{path}: {len(container.streams)} streams, {limits.max_streams} are allowed"
        )
    videos = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]
    if not videos:
        raise RefusalError("UnsupportedMedia", f"{path}: no video stream (sound or pictures only)")
    stream = videos[0]
    context = stream.codec_context
    if context is None or not context.width or not context.height:
        raise RefusalError("CorruptMedia", f"{path}: the video stream says no size or an unknown codec")
    if context.width * context.height > limits.max_pixels:
        raise RefusalError(
            "LimitExceeded",
            f"{path}: {context.width}×{context.height} pixels, {limits.max_pixels} are allowed",
        )
    if (
        stream.duration
        and stream.time_base
        and float(stream.duration * stream.time_base) > limits.max_seconds
    ):
        raise RefusalError("LimitExceeded", f"{path}: longer than {limits.max_seconds:g} s")
    stream.thread_type = "AUTO"
    stream.thread_count = 2
    return stream


def picture(frame: av.VideoFrame, pixel_format: str, width: int, height: int) -> tuple[Plane, ...]:
    """The frame as planes of `pixel_format`, scaled to width × height with area averaging.

    Of YUV, range and matrix stay as they are; RGB becomes what `planes_color` says.
    """
    meaning = {}
    if pixel_format == "yuv420p" and is_rgb(frame.format):
        meaning = {"dst_colorspace": BT709, "dst_color_range": LIMITED}
    frame = frame.reformat(width=width, height=height, format=pixel_format, interpolation="AREA", **meaning)
    if pixel_format == "rgb24":
        planes: tuple[Plane, ...] = (np.asarray(frame.to_ndarray(), np.uint8),)
        return planes
    return tuple(plane_array(plane) for plane in frame.planes)


def is_rgb(pixels: av.VideoFormat | None) -> bool:
    return pixels is not None and (pixels.is_rgb or pixels.has_palette)


def chroma_of(pixels: av.VideoFormat | None) -> str:
    """How many colour samples there are: "4:2:0" and so on, "RGB" or "grey"."""
    if pixels is None:
        return ""
    if is_rgb(pixels):
        return "RGB"
    if len(pixels.components) < 3:
        return "grey"
    return SUBSAMPLING.get((pixels.chroma_width(8), pixels.chroma_height(8)), "")


def planes_color(context: Any) -> list[int]:
    """Range, matrix, primaries and transfer of the yuv420p planes that `picture` makes of this stream."""
    said = [context.color_range, context.colorspace, context.color_primaries, context.color_trc]
    if not is_rgb(context.format):
        return said
    # The matrix of an RGB stream says "these are RGB samples": on YUV planes it would paint them green.
    return [LIMITED, BT709, *(BT709 if value == UNSPECIFIED else value for value in said[2:])]


def is_transparent(frame: av.VideoFrame) -> bool:
    """Whether any pixel lets the background through."""
    if not any(component.is_alpha for component in frame.format.components):
        return frame.format.has_palette and is_transparent(frame.reformat(format="bgra"))
    return bool(plane_array(frame.reformat(format="yuva420p").planes[3]).min() < 255)


def samples(frame: av.VideoFrame) -> tuple[NDArray[Any], ...]:
    """The decoder's samples, without the padding of lines, whose bytes are arbitrary."""
    if frame.format.name in ("yuv420p", "yuvj420p"):
        return tuple(plane_array(plane) for plane in frame.planes)  # odd sizes too
    try:
        return (frame.to_ndarray(),)
    except ValueError:  # a format that has no array form: 16 bits a channel lose nothing of it
        return (frame.reformat(format="rgb48le").to_ndarray(),)


def turned(planes: tuple[Plane, ...], rotation: int) -> tuple[Plane, ...]:
    """Turned upright; `rotation` is counter-clockwise degrees, as in the display matrix."""
    quarter = round(rotation / 90) % 4
    return tuple(np.rot90(plane, quarter) for plane in planes) if quarter else planes


class Frames:
    """Decoded frames with exact times, and how many packets did not decode."""

    def __init__(self, container: InputContainer, stream: Any, path: str, limits: Limits) -> None:
        self._container, self._stream, self._path, self._limits = container, stream, path, limits
        self.errors = 0

    def __iter__(self) -> Iterator[tuple[int, Fraction, av.VideoFrame]]:
        rate = self._stream.average_rate or self._stream.guessed_rate or Fraction(25)
        first = None
        for index, frame in enumerate(self._decoded()):
            if frame.pts is not None and frame.time_base:
                time = frame.pts * Fraction(frame.time_base)
            else:  # AVI and raw streams may carry no timestamps
                time = Fraction(index) / rate
            first = time if first is None else first
            if index >= self._limits.max_frames:
                raise RefusalError(
                    "LimitExceeded", f"{self._path}: more than {self._limits.max_frames} frames"
                )
            if time - first > self._limits.max_seconds:
                raise RefusalError(
                    "LimitExceeded", f"{self._path}: longer than {self._limits.max_seconds:g} s"
                )
            if frame.width * frame.height > self._limits.max_pixels:  # the size may change in mid-stream
                raise RefusalError(
                    "LimitExceeded", f"{self._path}: a frame of {frame.width}×{frame.height} pixels"
                )
            if frame.is_corrupt:
                self.errors += 1
            yield index, time, frame

    def _decoded(self) -> Iterator[av.VideoFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:
                self.errors += 1
                return
            if packet is None:
                return
            if packet.is_corrupt:
                self.errors += 1
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                self.errors += 1


def display_matrix(frame: av.VideoFrame) -> bytes:
    """The raw display matrix, which FFmpeg gives with a frame; empty where there is none."""
    with contextlib.suppress(KeyError):
        return bytes(frame.side_data[SideDataType.DISPLAYMATRIX])  # type: ignore[typeddict-item]
    return b""


def no_frame(path: str) -> RefusalError:
    return RefusalError("CorruptMedia", f"{path}: not one frame decodes")


def upright(said: dict[str, Any], rotation: int) -> dict[str, Any]:
    """A description whose width, height and sample aspect are those of the displayed picture."""
    sides = (said["width"], said["height"])
    across, down = said["sample_aspect"]
    if round(rotation / 90) % 2:
        sides, (across, down) = sides[::-1], (down, across)
    return said | {
        "width": sides[0],
        "height": sides[1],
        "sample_aspect": [across, down],
        "rotation": rotation,
    }


def describe(container: InputContainer, stream: Any) -> dict[str, Any]:
    context = stream.codec_context
    duration = float(stream.duration * stream.time_base) if stream.duration else None
    if duration is None and container.duration:
        duration = container.duration / 1e6
    components = context.format.components if context.format else ()
    rate = stream.average_rate or stream.guessed_rate
    aspect = stream.sample_aspect_ratio or Fraction(1)  # FFmpeg says 0/1 where a file says nothing
    return {
        "width": context.width,
        "height": context.height,
        "pixel_format": context.pix_fmt or "",
        "chroma": chroma_of(context.format),
        "sample_aspect": [aspect.numerator, aspect.denominator],
        "bit_depth": max((component.bits for component in components), default=8),
        "codec": context.name,
        "frame_rate": [rate.numerator, rate.denominator] if rate else None,
        "time_base": [stream.time_base.numerator, stream.time_base.denominator],
        "duration_s": duration,
        "frame_count": stream.frames or None,
        "audio_codecs": [s.codec_context.name if s.codec_context else "?" for s in container.streams.audio],
        "metadata": {str(k)[:200]: str(v)[:4000] for k, v in list(container.metadata.items())[:100]},
        "color": planes_color(context),
    }


def send_frames(job: dict[str, Any], limits: Limits, wire: Wire) -> None:
    path, demuxer = job["path"], job["demuxer"]
    with open_container(path, demuxer) as container:
        stream = video_stream(container, path, limits)
        frames = Frames(container, stream, path, limits)
        said = describe(
            container, stream
        )  # before a decoder is opened, which may change what the context says
        # Codecs without flags of their own leave it to the container.
        fields = stream.codec_context.field_order > PROGRESSIVE
        alpha_apart = stream.metadata.get("alpha_mode") == "1"  # WebM: beside the pictures, not decoded
        decoded = iter(frames)
        head = next(decoded, None)
        if head is None:
            raise no_frame(path)
        rotation = int(head[2].rotation)
        said |= {"width": head[2].width, "height": head[2].height}  # containers may say another size
        wire.send({"kind": "probe", "probe": upright(said, rotation)})
        if job["probe_only"]:
            return wire.send({"kind": "end", "decode_errors": 0})
        step = Fraction(*job["step"]) if job["step"] else None
        first = due = None
        for index, time, frame in itertools.chain([head], decoded):
            first = time if first is None else first
            if time - first < job["start_s"]:
                continue
            if job["end_s"] is not None and time - first >= job["end_s"]:
                break
            if step is not None:
                due = time if due is None else due
                if time < due:
                    continue
                due += step * (1 + (time - due) // step)
            # The size may change in mid-stream: as in a player, all pictures have the size of the first.
            width, height = head[2].width, head[2].height
            if job["short_side"] and min(width, height) > job["short_side"]:
                scale = Fraction(job["short_side"], min(width, height))
                width, height = (max(2, round(side * scale / 2) * 2) for side in (width, height))
            planes = turned(picture(frame, job["pixel_format"], width, height), rotation)
            wire.send(
                {
                    "kind": "frame",
                    "index": index,
                    "time": [time.numerator, time.denominator],
                    "shapes": [plane.shape for plane in planes],
                    "rescaled": (frame.width, frame.height) != (head[2].width, head[2].height),
                    "interlaced": fields or frame.interlaced_frame,
                    "transparent": alpha_apart or is_transparent(frame),
                },
                *(np.ascontiguousarray(plane).tobytes() for plane in planes),
            )
    wire.send({"kind": "end", "decode_errors": frames.errors})


def send_stream_digest(job: dict[str, Any], limits: Limits, wire: Wire) -> None:
    """Per stream: SHA-256 of its packets, of their times and of its parameters."""
    path, demuxer = job["path"], job["demuxer"]
    with open_container(path, demuxer) as container:
        video = video_stream(container, path, limits)
        said = describe(container, video)
        head: av.VideoFrame | None = None
        streams = {s.index: s for s in container.streams if s.type in ("video", "audio", "subtitle")}
        ordinals: dict[str, int] = {}
        names: dict[int, str] = {}
        hashes: dict[int, Any] = {}
        first: dict[int, Fraction] = {}
        counts: dict[int, int] = {}
        # Read before a decoder is opened, which may change what the context says.
        described = {index: parameters(stream) for index, stream in streams.items()}
        for index, stream in streams.items():
            ordinal = ordinals[stream.type] = ordinals.get(stream.type, -1) + 1
            names[index] = f"{stream.type}/{ordinal}"
            hashes[index] = (hashlib.sha256(), hashlib.sha256())
            counts[index] = 0
        for packet in container.demux(list(streams.values())):
            if head is None and packet.stream_index == video.index:
                with contextlib.suppress(av.error.FFmpegError):
                    head = next((f for f in packet.decode() if isinstance(f, av.VideoFrame)), None)
            if not packet.size:
                continue
            packets, timing = hashes[packet.stream_index]
            packets.update(packet.size.to_bytes(8, "big"))
            packets.update(memoryview(packet))
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None:
                timing.update(b"none;")
            else:
                time = stamp * Fraction(packet.time_base)
                start = first.setdefault(packet.stream_index, time)
                timing.update(f"{time - start};".encode())
            counts[packet.stream_index] += 1
            if counts[packet.stream_index] > 50 * limits.max_frames:
                raise RefusalError("LimitExceeded", f"{path}: too many packets")
        if head is None:
            raise no_frame(path)
        described[video.index]["display_matrix"] = display_matrix(head).hex()
        components = {}
        for index in streams:
            packets, timing = hashes[index]
            components[f"{names[index]}/packets"] = packets.hexdigest()
            components[f"{names[index]}/timing"] = timing.hexdigest()
            text = json.dumps(described[index], sort_keys=True).encode()
            components[f"{names[index]}/parameters"] = hashlib.sha256(text).hexdigest()
    wire.send({"kind": "probe", "probe": upright(said, int(head.rotation))})
    wire.send({"kind": "components", "components": components})
    wire.send({"kind": "end", "decode_errors": 0})


def parameters(stream: Any) -> dict[str, Any]:
    """How a stream's packets are to be decoded; the display matrix is added once a frame has told it."""
    context = stream.codec_context
    said: dict[str, Any] = {"codec": context.name if context else "", "extradata": ""}
    if context is not None and context.extradata:
        said["extradata"] = context.extradata.hex()
    if stream.type == "video":
        aspect = stream.sample_aspect_ratio
        said |= {
            "size": [context.width, context.height],
            # FFmpeg says 0/1 and 1/1 for square samples, depending on the container
            "sample_aspect": str(aspect) if aspect else "1",
            "display_matrix": "",
        }
    elif stream.type == "audio":
        said |= {"rate": context.sample_rate, "layout": context.layout.name}
    return said


def send_frames_digest(job: dict[str, Any], limits: Limits, wire: Wire) -> None:
    path, demuxer = job["path"], job["demuxer"]
    digest = hashlib.sha256()
    with open_container(path, demuxer) as container:
        frames = Frames(container, video_stream(container, path, limits), path, limits)
        for _, _, frame in frames:
            digest.update(f"{frame.format.name} {frame.width}x{frame.height};".encode())
            for array in samples(frame):
                digest.update(np.ascontiguousarray(array).data)
    wire.send({"kind": "components", "components": {"frames": digest.hexdigest()}})
    wire.send({"kind": "end", "decode_errors": frames.errors})


def send_sound(job: dict[str, Any], limits: Limits, wire: Wire) -> None:
    """The first sound stream as mono float32 at `job["rate"]`, and when it starts after the first picture.

    A stream without sound, or whose codec is not known, gives no `samples` message.
    """
    path, rate = job["path"], job["rate"]
    errors = sent = 0
    with open_container(path, job["demuxer"]) as container:
        video = video_stream(container, path, limits)
        sounds = [stream for stream in container.streams.audio if stream.codec_context is not None]
        if not sounds:
            return wire.send({"kind": "end", "decode_errors": 0})
        stream = sounds[0]
        shown = (video.start_time or 0) * Fraction(video.time_base or 1)
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                errors += 1
                continue
            for frame in frames:
                heard = shown
                if frame.pts is not None and frame.time_base is not None:
                    heard = frame.pts * Fraction(frame.time_base)
                for piece in resampler.resample(frame):
                    values = np.ascontiguousarray(piece.to_ndarray(), dtype=np.float32)
                    if sent + values.size > limits.max_seconds * rate:
                        raise RefusalError("LimitExceeded", f"{path}: longer than {limits.max_seconds:g} s")
                    if values.size:
                        start = heard - shown
                        times = {"start": [start.numerator, start.denominator]} if not sent else {}
                        wire.send({"kind": "samples"} | times, values.tobytes())
                    sent += values.size
    wire.send({"kind": "end", "decode_errors": errors})


JOBS = {
    "frames": send_frames,
    "stream_digest": send_stream_digest,
    "frames_digest": send_frames_digest,
    "sound": send_sound,
}


def main() -> None:
    job = json.load(sys.stdin)
    limits = Limits(**job["limits"])
    av.logging.set_level(None)
    confine(limits)
    wire = Wire(sys.stdout.buffer)
    try:
        JOBS[job["kind"]](job, limits, wire)
    except RefusalError as refusal:
        wire.send({"kind": "error", "error": refusal.kind, "message": str(refusal)})
    except (MemoryError, av.error.MemoryError):
        wire.send(
            {"kind": "error", "error": "LimitExceeded", "message": f"{job['path']}: needs too much memory"}
        )
    except (av.error.FFmpegError, ValueError, OverflowError, IndexError) as error:
        wire.send(
            {"kind": "error", "error": "CorruptMedia", "message": f"{job['path']}: does not parse ({error})"}
        )
    except BrokenPipeError:
        pass  # the parent has seen enough


if __name__ == "__main__":
    main()
