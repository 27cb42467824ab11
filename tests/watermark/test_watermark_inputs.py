"""What may be marked, what becomes of its colours and shape, and what is refused with a reason."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import PIL.Image
import pytest
from av.video.reformatter import Interpolation
from conftest import write_mp4
from numpy.typing import NDArray

from media import open_clip, probe
from provenance.watermark import (
    DepthNotSupported,
    Detection,
    Detector,
    FlatClip,
    InterlacedClip,
    SizeChanges,
    TooSmallToMark,
    TransparentClip,
    UnmarkableClip,
    detect_file,
    mark_file,
)

from .conftest import KEY, PAYLOAD, RATE, rendered

Pictures = NDArray[np.uint8]

LIMITED, FULL = 1, 2
BT709, BT601, UNSAID, HDR_PQ = 1, 5, 2, 16
WIDTH, HEIGHT = 384, 288
INTERLACED = {"x264-params": "tff=1"}


def write_clip(
    path: Path,
    pictures: Pictures,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    *,
    color: tuple[int, int, int, int] | None = None,
    sample_aspect: Fraction | None = None,
    rotation: int = 0,
    first: int = 0,
    options: dict[str, str] | None = None,
) -> Path:
    """A clip by PyAV alone; color: range, matrix, primaries, transfer; pictures uint8[n, h, w, 3 or 4];
    first: the number of the first one on the clip's clock.
    """
    height, width, channels = pictures.shape[1:]
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.options = options if options is not None else {"crf": "8"} if "264" in codec else {}
        context = stream.codec_context
        if color:
            context.color_range, context.colorspace, context.color_primaries, context.color_trc = color
        if sample_aspect:
            context.sample_aspect_ratio = sample_aspect
        if rotation:
            stream.set_display_rotation(rotation)
        for index, picture in enumerate(pictures, start=first):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24" if channels == 3 else "rgba")
            meaning = {"dst_colorspace": color[1], "dst_color_range": color[0]} if color else {}
            frame = frame.reformat(format=pixel_format, **meaning)
            if color:
                frame.color_range, frame.colorspace = color[:2]
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


# Without these swscale cuts off what it should round, and green comes out 1.5 levels darker.
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def shown(path: Path) -> NDArray[np.int16]:
    """The clip as a player shows it, RGB."""
    with av.open(str(path)) as container:
        frames = [frame.reformat(format="rgb24", interpolation=EXACT) for frame in container.decode(video=0)]
    return np.stack([frame.to_ndarray() for frame in frames]).astype(np.int16)


def color_tags(path: Path) -> tuple[int, int, int, int]:
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        return frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc


def detect_part(path: Path, start_s: float, end_s: float) -> Detection:
    detector = Detector()
    with open_clip(path, start_s=start_s, end_s=end_s) as clip:
        for frame in clip:
            detector.update(frame.yuv, frame.time)
    return detector.finish([KEY])


@pytest.fixture(scope="module")
def scene() -> Pictures:
    return rendered(WIDTH, HEIGHT, RATE)


# ---------------------------------------------------------------- colours


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "color"),
    [
        ("limited-709.mp4", "libx264", "yuv420p", (LIMITED, BT709, BT709, BT709)),
        ("full-709.mp4", "libx264", "yuv420p", (FULL, BT709, BT709, BT709)),
        ("full-601.mp4", "libx264", "yuvj420p", (FULL, BT601, BT601, BT709)),
        ("limited-601.mp4", "libx264", "yuv420p", (LIMITED, BT601, BT601, BT709)),
        ("full-422.mp4", "libx264", "yuvj422p", (FULL, BT709, BT709, BT709)),
        ("motion-jpeg.avi", "mjpeg", "yuvj420p", (FULL, BT601, UNSAID, UNSAID)),
    ],
)
def test_colours_mean_what_they_meant(
    name: str,
    codec: str,
    pixel_format: str,
    color: tuple[int, int, int, int],
    scene: Pictures,
    tmp_path: Path,
) -> None:
    """A range that is squeezed or only re-tagged shifts black and white by 16 levels and more."""
    source = write_clip(tmp_path / name, scene, codec, pixel_format, color=color)
    out = tmp_path / "out.mp4"
    mark_file(source, out, payload=PAYLOAD, key=KEY, crf=8)
    assert color_tags(source) == color
    assert color_tags(out) == color
    shift = shown(out) - shown(source)
    assert np.abs(shift.mean(axis=(0, 1, 2))).max() < 1
    assert np.abs(shift).mean() < 2
    assert detect_file(out, key=KEY).payload == PAYLOAD


def test_a_clip_that_says_nothing_of_its_colours_says_nothing_afterwards(
    scene: Pictures, tmp_path: Path
) -> None:
    source = write_clip(tmp_path / "plain.mp4", scene[:3])
    mark_file(source, tmp_path / "out.mp4", payload=PAYLOAD, key=KEY)
    assert color_tags(tmp_path / "out.mp4")[1:] == (UNSAID, UNSAID, UNSAID)


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("x264rgb.mp4", "libx264rgb", "rgb24"),
        ("png.mov", "png", "rgb24"),
        ("ffv1.mkv", "ffv1", "bgr0"),
    ],
)
def test_rgb_becomes_bt709_of_the_same_colours(
    name: str, codec: str, pixel_format: str, scene: Pictures, tmp_path: Path
) -> None:
    """A player takes planes that are tagged with the matrix of RGB for green, blue and red."""
    source = write_clip(tmp_path / name, scene, codec, pixel_format)
    out = tmp_path / "out.mp4"
    report = mark_file(source, out, payload=PAYLOAD, key=KEY, crf=8)
    assert color_tags(out) == (LIMITED, BT709, BT709, BT709)
    assert np.abs((shown(out) - shown(source)).mean(axis=(0, 1, 2))).max() < 1
    assert "RGB" in report.notes[0]
    assert detect_file(out, key=KEY).payload == PAYLOAD


@pytest.mark.parametrize(
    ("pixel_format", "chroma"), [("yuv420p", None), ("yuv422p", "4:2:2"), ("yuv444p", "4:4:4")]
)
def test_the_report_says_when_chroma_was_subsampled(
    pixel_format: str, chroma: str | None, scene: Pictures, tmp_path: Path
) -> None:
    source = write_clip(tmp_path / "source.mp4", scene[:3], pixel_format=pixel_format)
    notes = mark_file(source, tmp_path / "out.mp4", payload=1, key=KEY).notes
    assert [note for note in notes if "4:2:0" in note and str(chroma) in note] == list(notes)
    assert len(notes) == (chroma is not None)


def with_alpha(pictures: Pictures, alpha: int) -> Pictures:
    """The left half of every picture has this alpha."""
    plane = np.full((*pictures.shape[:3], 1), 255, np.uint8)
    plane[:, :, : pictures.shape[2] // 2] = alpha
    return np.concatenate([pictures, plane], axis=-1)


def test_an_alpha_channel_that_hides_nothing_may_go(scene: Pictures, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "opaque.mov", with_alpha(scene, 255), "png", "rgba")
    mark_file(source, tmp_path / "out.mp4", payload=PAYLOAD, key=KEY)
    assert detect_file(tmp_path / "out.mp4", key=KEY).payload == PAYLOAD


# ---------------------------------------------------------------- shape and time


@pytest.mark.parametrize("rotation", [0, 90])
def test_pixels_keep_their_shape(rotation: int, scene: Pictures, tmp_path: Path) -> None:
    """A PAL clip has pixels of 16:15; turned upright by 90 degrees they are 15:16."""
    aspect = Fraction(16, 15)
    source = write_clip(tmp_path / "pal.mp4", scene[:3], sample_aspect=aspect, rotation=rotation)
    mark_file(source, tmp_path / "out.mp4", payload=1, key=KEY)
    assert probe(tmp_path / "out.mp4").sample_aspect == probe(source).sample_aspect
    assert probe(source).sample_aspect == (1 / aspect if rotation else aspect)


def test_a_rotated_clip_comes_out_upright_and_marked(scene: Pictures, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "phone.mp4", scene, rotation=90)
    report = mark_file(source, tmp_path / "out.mp4", payload=PAYLOAD, key=KEY)
    assert (report.width, report.height, probe(report.path).rotation) == (HEIGHT, WIDTH, 0)
    assert detect_file(report.path, key=KEY).payload == PAYLOAD


def test_one_picture_is_a_clip(scene: Pictures, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "one.mp4", scene[:1])
    assert mark_file(source, tmp_path / "out.mp4", payload=PAYLOAD, key=KEY).frames == 1
    assert detect_file(tmp_path / "out.mp4", key=KEY).payload == PAYLOAD


# ---------------------------------------------------------------- parts without a picture


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Marked: a second of black, a second of fade, a slate, a still, then two seconds of motion."""
    scene = rendered(512, 384, 3 * RATE)
    black = np.zeros_like(scene[:RATE])
    fade = (scene[:RATE] * np.linspace(0, 1, RATE)[:, None, None, None]).astype(np.uint8)
    slate = np.full_like(black, (40, 60, 120))
    for letter in np.random.default_rng(1).permutation(36)[:24]:
        top, left = 100 + letter // 12 * 70, 60 + letter % 12 * 34
        slate[:, top : top + 40, left : left + 24] = 235
    still = np.repeat(scene[RATE : RATE + 1], RATE, axis=0)
    source = tmp_path_factory.mktemp("edited") / "source.mp4"
    write_mp4(source, np.concatenate([black, fade, slate, still, scene[RATE:]]), rate=RATE, crf=12)
    marked = source.with_name("marked.mp4")
    mark_file(source, marked, payload=PAYLOAD, key=KEY)
    return marked


@pytest.mark.parametrize(
    ("start_s", "end_s"), [(1, 2), (2, 3), (3, 4), (4, 6)], ids=["fade", "slate", "still", "motion"]
)
def test_every_part_that_shows_something_says_the_payload(edited: Path, start_s: int, end_s: int) -> None:
    found = detect_part(edited, start_s, end_s)
    assert (found.state, found.payload) == ("marked", PAYLOAD)


def test_black_is_not_taken_for_another_payload(edited: Path) -> None:
    assert detect_part(edited, 0, 1).payload in (None, PAYLOAD)
    assert {part.payload for part in detect_file(edited, key=KEY).segments} <= {None, PAYLOAD}


def test_black_does_not_hide_the_mark_of_the_rest(edited: Path) -> None:
    found = detect_file(edited, key=KEY)
    assert (found.state, found.payload) == ("marked", PAYLOAD)
    assert all(part.state == "marked" for part in found.segments if part.start_s >= 2)
    assert all(one.end_s == other.start_s for one, other in pairwise(found.segments))


# ---------------------------------------------------------------- refusals


def concatenated(path: Path, parts: Iterable[Path]) -> Path:
    """Transport streams laid end to end are a transport stream: what a recorder makes."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def deep(folder: Path, scene: Pictures) -> Path:
    return write_clip(folder / "deep.mp4", scene[:3], pixel_format="yuv420p10le")


def deep_hdr(folder: Path, scene: Pictures) -> Path:
    color = (LIMITED, 9, 9, HDR_PQ)
    return write_clip(folder / "hdr.mp4", scene[:3], pixel_format="yuv420p10le", color=color)


def deep_with_alpha(folder: Path, scene: Pictures) -> Path:
    return write_clip(folder / "prores.mov", scene[:3], "prores_ks", "yuva444p10le")


def interlaced(folder: Path, scene: Pictures) -> Path:
    return write_clip(folder / "fields.mp4", scene[:3], options=INTERLACED)


def interlaced_later(folder: Path, scene: Pictures) -> Path:
    whole = write_clip(folder / "whole.ts", scene[:6])
    return concatenated(
        folder / "mixed.ts", [whole, write_clip(folder / "fields.ts", scene[:6], options=INTERLACED)]
    )


def several_sizes(folder: Path, scene: Pictures) -> Path:
    large = write_clip(folder / "large.ts", scene[:6])
    small = write_clip(folder / "small.ts", np.ascontiguousarray(scene[:6, :272, :320]), first=6)
    return concatenated(folder / "sizes.ts", [large, small])


def transparent(folder: Path, scene: Pictures) -> Path:
    return write_clip(folder / "overlay.mov", with_alpha(scene[:3], 100), "png", "rgba")


def transparent_webm(folder: Path, scene: Pictures) -> Path:
    return write_clip(folder / "overlay.webm", with_alpha(scene[:3], 100), "libvpx-vp9", "yuva420p")


def transparent_gif(folder: Path, scene: Pictures) -> Path:
    pictures = [PIL.Image.fromarray(picture, "RGBA") for picture in with_alpha(scene[:3], 0)]
    pictures[0].save(folder / "sticker.gif", save_all=True, append_images=pictures[1:], disposal=2)
    return folder / "sticker.gif"


def one_colour(folder: Path, scene: Pictures) -> Path:
    return write_clip(folder / "flat.mp4", np.full_like(scene, (90, 120, 60)))


def one_colour_at_a_time(folder: Path, scene: Pictures) -> Path:
    """Colour bars one after the other: never more than one colour in a picture."""
    colours = np.random.default_rng(0).integers(0, 256, (len(scene), 1, 1, 3))
    return write_clip(folder / "colours.mp4", np.broadcast_to(colours, scene.shape).astype(np.uint8))


def tiny(folder: Path, scene: Pictures) -> Path:
    return write_clip(folder / "tiny.mp4", np.ascontiguousarray(scene[:3, :62, :110]))


REFUSALS: list[tuple[Callable[[Path, Pictures], Path], type[UnmarkableClip], str, str]] = [
    (deep, DepthNotSupported, "10 bits", "-pix_fmt yuv420p"),
    (deep_hdr, DepthNotSupported, "HDR", "tonemap"),
    (deep_with_alpha, DepthNotSupported, "bits", "-pix_fmt yuv420p"),
    (interlaced, InterlacedClip, "interlaced", "bwdif"),
    (interlaced_later, InterlacedClip, "interlaced", "bwdif"),
    (several_sizes, SizeChanges, "starts with 384x288", "scale=384:288"),
    (transparent, TransparentClip, "transparent", "overlay"),
    (transparent_webm, TransparentClip, "transparent", "overlay"),
    (transparent_gif, TransparentClip, "transparent", "overlay"),
    (one_colour, FlatClip, "one flat colour", "pictures"),
    (one_colour_at_a_time, FlatClip, "one flat colour", "pictures"),
    (tiny, TooSmallToMark, "110x62", "upscale"),
]


@pytest.mark.parametrize(
    ("make", "error", "reason", "hint"), REFUSALS, ids=[case[0].__name__ for case in REFUSALS]
)
def test_what_cannot_be_marked_well_is_refused_with_reason_and_remedy(
    make: Callable[[Path, Pictures], Path],
    error: type[UnmarkableClip],
    reason: str,
    hint: str,
    scene: Pictures,
    tmp_path: Path,
    no_leftovers: Callable[[], None],
) -> None:
    source = make(tmp_path, scene)
    out = tmp_path / "out.mp4"
    out.write_bytes(b"what was here before")
    with pytest.raises(error, match=reason) as refusal:
        mark_file(source, out, payload=PAYLOAD, key=KEY)
    assert hint in refusal.value.hint
    assert "\n" not in str(refusal.value) + refusal.value.hint
    assert out.read_bytes() == b"what was here before"
    no_leftovers()


def test_a_clip_that_changes_its_size_can_be_read(scene: Pictures, tmp_path: Path) -> None:
    with open_clip(several_sizes(tmp_path, scene), pixel_format="gray") as clip:
        read = [(frame.planes[0].shape, frame.rescaled) for frame in clip]
    assert read == 6 * [((HEIGHT, WIDTH), False)] + 6 * [((HEIGHT, WIDTH), True)]
    assert detect_file(tmp_path / "sizes.ts", key=KEY).state == "not_found"


def test_a_flat_clip_with_one_picture_in_it_is_marked(scene: Pictures, tmp_path: Path) -> None:
    pictures = np.zeros_like(scene)
    pictures[-4:] = scene[-4:]
    source = write_clip(tmp_path / "source.mp4", pictures)
    assert mark_file(source, tmp_path / "out.mp4", payload=PAYLOAD, key=KEY).frames == len(scene)
    assert detect_file(tmp_path / "out.mp4", key=KEY).payload == PAYLOAD


def test_progressive_video_in_a_stream_that_may_hold_fields_is_marked(
    scene: Pictures, tmp_path: Path
) -> None:
    """Blu-ray encoders write whole pictures with the syntax of interlaced ones."""
    options = {"x264-params": "fake-interlaced=1"}
    source = write_clip(tmp_path / "disc.mp4", scene[:3], options=options)
    assert mark_file(source, tmp_path / "out.mp4", payload=1, key=KEY).frames == 3
