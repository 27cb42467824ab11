"""What does the mark cost, what does it survive, and what does it do to the picture?

Three tables, beside `invisible-watermark` (dwtDct, dwtDctSvd) on the same frames in the same run:

    python benchmarks/watermark.py                      # clips made here python benchmarks/watermark.py
    --clips FOLDER       # every video under a folder, evenly sampled to --limit python
    benchmarks/watermark.py --json out.json --skip-speed

Every clip is marked, published as x264 crf 18, attacked, and read blind with the key alone. For the
baseline the reader is told the length of the payload (48 bits) and has no "not marked" answer; it counts as
read when all bits are right. Quality compares encodes of the marked and of the unmarked clip with the
source. Not shown: what people see, attacks by someone who has the key or many clips of one key, codecs
other than x264."""

import argparse
import importlib.util
import io
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from media import MediaError, open_clip
from provenance.watermark import Detector, Embedder, WatermarkError
from provenance.watermark.embed import DEFAULT_STRENGTH

Plane = NDArray[np.uint8]
Picture = tuple[Plane, Plane, Plane]

KEY = bytes(range(32))
PAYLOAD = 0x0123456789ABCDEF
BASELINE_BITS = np.random.default_rng(0).integers(0, 2, 48)
VIDEO = {".mp4", ".webm", ".mkv", ".mov", ".gif", ".avi"}


@dataclass(frozen=True)
class Clip:
    name: str
    rate: float
    pictures: list[Picture]  # yuv420p, even sizes

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.pictures[0][0].shape
        return width, height


# ---------------------------------------------------------------- clips


def made_here() -> Iterator[Clip]:
    """A smooth rendered scene (the kind that the embedded generator makes) and a moving texture."""
    size, frames, rng = 512, 24, np.random.default_rng(5)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    rendered = []
    for t in range(frames):
        scene = np.stack([90 + 60 * y / size, 140 + 40 * y / size, 220 - 60 * y / size], axis=-1)
        for left, top, radius, colour in ((120, 160, 60, (220, 60, 40)), (330, 300, 90, (60, 190, 90))):
            dx, dy = x - left - 5 * t, y - top - 2 * t
            cover = np.clip(radius - np.hypot(dx, dy), 0, 1)[..., None]
            shade = np.clip(1 - np.hypot(dx + radius / 3, dy + radius / 3) / radius / 1.6, 0.2, 1)[..., None]
            scene = scene * (1 - cover) + cover * shade * np.array(colour)
        rendered.append(planes_of(np.clip(scene, 0, 255).astype(np.uint8)))
    yield Clip("rendered scene", 12.0, rendered)
    wide = 128 + sum(
        level * ndimage.gaussian_filter(rng.normal(size=(size, size + 96)), sigma) * sigma
        for sigma, level in ((1, 30), (4, 60), (15, 90))
    )
    panned = [np.clip(wide[:, 2 * t : 2 * t + size], 0, 255).astype(np.uint8) for t in range(frames)]
    tint = np.array([1.0, 0.95, 0.8])
    yield Clip("moving texture", 12.0, [planes_of((y[..., None] * tint).astype(np.uint8)) for y in panned])


def from_folder(folder: Path, limit: int, frames: int) -> Iterator[Clip]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO)
    chosen = [paths[index * len(paths) // limit] for index in range(limit)] if len(paths) > limit else paths
    for path in chosen:
        try:
            with open_clip(path) as reader:
                rate = float(reader.probe.frame_rate or 24)
                pictures = []
                for frame in reader:
                    y, u, v = frame.planes
                    height, width = (side // 2 * 2 for side in y.shape)
                    half = slice(height // 2), slice(width // 2)
                    pictures.append((y[:height, :width], u[half], v[half]))
                    if len(pictures) == frames:
                        break
            clip = Clip(str(path.relative_to(folder)), rate, pictures)
            Embedder(*clip.size, PAYLOAD, KEY)
        except (MediaError, WatermarkError) as error:
            print(f"left out: {path.name}: {error}")
            continue
        yield clip


# ---------------------------------------------------------------- pictures and codecs


def frame_of(picture: Picture) -> av.VideoFrame:
    y = picture[0]
    flat = np.concatenate([np.ascontiguousarray(plane).ravel() for plane in picture])
    return av.VideoFrame.from_ndarray(flat.reshape(-1, y.shape[1]), format="yuv420p")


def planes_of(rgb: Plane) -> Picture:
    return split(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"))


def rgb_of(picture: Picture) -> Plane:
    return np.asarray(frame_of(picture).to_ndarray(format="rgb24"), dtype=np.uint8)


def split(frame: av.VideoFrame) -> Picture:
    flat: Plane = np.asarray(frame.to_ndarray(format="yuv420p"), dtype=np.uint8).ravel()
    height, width = frame.height, frame.width
    whole, half = (height, width), (height // 2, width // 2)
    y, u, v = np.split(flat, [height * width, height * width * 5 // 4])
    return y.reshape(whole), u.reshape(half), v.reshape(half)


def resized(picture: Picture, factor: float) -> Picture:
    height, width = (round(side * factor / 2) * 2 for side in picture[0].shape)
    return split(frame_of(picture).reformat(width=width, height=height, interpolation="BICUBIC"))


def encoded(clip: Clip, crf: float) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        stream: Any = output.add_stream("libx264", rate=Fraction(clip.rate).limit_denominator(1001))
        stream.width, stream.height = clip.size
        stream.pix_fmt, stream.thread_count = "yuv420p", 1
        stream.options = {"crf": f"{crf:g}", "preset": "medium"}
        for picture in clip.pictures:
            output.mux(stream.encode(frame_of(picture)))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def decoded(file: bytes, clip: Clip) -> Clip:
    with av.open(io.BytesIO(file), "r") as reader:
        return Clip(clip.name, clip.rate, [split(frame) for frame in reader.decode(video=0)])


def each(change: Callable[[Plane], Plane]) -> Callable[[Clip], Clip]:
    """An attack on every plane of every picture."""

    def attack(clip: Clip) -> Clip:
        pictures = [tuple(np.ascontiguousarray(change(p)) for p in planes) for planes in clip.pictures]
        return Clip(clip.name, clip.rate, pictures)  # type: ignore[arg-type]

    return attack


def crop(
    share: float, across: float = 0.5, down: float = 0.5, aspect: float | None = None
) -> Callable[[Clip], Clip]:
    """Keeps a share of either side, at a relative position; `aspect` (width to height) narrows it further."""

    def attack(clip: Clip) -> Clip:
        width, height = (int(side * share) // 4 * 4 for side in clip.size)
        if aspect:
            width = min(width, int(height * aspect) // 4 * 4)
        left, top = (
            int((clip.size[0] - width) * across) // 2 * 2,
            int((clip.size[1] - height) * down) // 2 * 2,
        )
        luma = np.s_[top : top + height, left : left + width]
        chroma = np.s_[top // 2 : (top + height) // 2, left // 2 : (left + width) // 2]
        return Clip(clip.name, clip.rate, [(y[luma], u[chroma], v[chroma]) for y, u, v in clip.pictures])

    return attack


def recode(crf: float, factor: float = 1.0) -> Callable[[Clip], Clip]:
    def attack(clip: Clip) -> Clip:
        small = clip.pictures if factor == 1 else [resized(picture, factor) for picture in clip.pictures]
        source = Clip(clip.name, clip.rate, small)
        return decoded(encoded(source, crf), source)

    return attack


def both(first: Callable[[Clip], Clip], second: Callable[[Clip], Clip]) -> Callable[[Clip], Clip]:
    return lambda clip: second(first(clip))


ATTACKS: dict[str, Callable[[Clip], Clip]] = {
    "none (crf 18)": lambda clip: clip,
    "x264 crf 23": recode(23),
    "x264 crf 28": recode(28),
    "x264 crf 33": recode(33),
    "x264 crf 40": recode(40),
    "75 % + crf 28": recode(28, 0.75),
    "75 % + crf 33": recode(33, 0.75),
    "resize 50 %": lambda clip: Clip(clip.name, clip.rate, [resized(p, 0.5) for p in clip.pictures]),
    "resize 150 %": lambda clip: Clip(clip.name, clip.rate, [resized(p, 1.5) for p in clip.pictures]),
    "mirror": each(lambda plane: plane[:, ::-1]),
    "quarter turn": each(np.rot90),
    "crop 90 %": crop(0.9),
    "crop 70 % off centre": crop(0.7, 0.2, 0.8),
    "crop 50 %": crop(0.5),
    "9:16 crop": crop(1.0, aspect=9 / 16),
    "rotate 2°": each(lambda plane: ndimage.rotate(plane, 2, reshape=False, order=1)),
    "rotate 5°": each(lambda plane: ndimage.rotate(plane, 5, reshape=False, order=1)),
    "crop 70 % + crf 28": both(crop(0.7, 0.2, 0.8), recode(28)),
    "first second": lambda clip: Clip(clip.name, clip.rate, clip.pictures[: max(1, round(clip.rate))]),
    "one frame": lambda clip: Clip(clip.name, clip.rate, clip.pictures[:1]),
}


# ---------------------------------------------------------------- the marks


def marked(clip: Clip, strength: float) -> Clip:
    embedder = Embedder(*clip.size, PAYLOAD, KEY, strength=strength)
    pictures = [embedder.embed(planes, index / clip.rate) for index, planes in enumerate(clip.pictures)]
    return Clip(clip.name, clip.rate, pictures)


def ours(clip: Clip) -> str:
    detector = Detector()
    for index, planes in enumerate(clip.pictures):
        detector.update(planes, index / clip.rate)
    found = detector.finish([KEY])
    return {PAYLOAD: "read", None: found.state}.get(found.payload, "WRONG")


def baseline(method: str) -> Any:
    """The package's own class, without its __init__, which imports torch."""
    package: Any = importlib.util.find_spec("imwatermark")
    module_name, class_name = {
        "dwtDct": ("maxDct", "EmbedMaxDct"),
        "dwtDctSvd": ("dwtDctSvd", "EmbedDwtDctSvd"),
    }[method]
    path = Path(package.submodule_search_locations[0]) / f"{module_name}.py"
    spec: Any = importlib.util.spec_from_file_location(f"imwatermark_{module_name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, class_name)


def bgr_of(picture: Picture) -> Plane:
    return np.ascontiguousarray(rgb_of(picture)[..., ::-1])


def baseline_marked(clip: Clip, method: str) -> Clip:
    embed = baseline(method)(BASELINE_BITS.tolist(), len(BASELINE_BITS)).encode
    return Clip(clip.name, clip.rate, [planes_of(embed(bgr_of(p))[..., ::-1]) for p in clip.pictures])


def baseline_read(clip: Clip, method: str, frames: int = 6) -> str:
    decode = baseline(method)([], len(BASELINE_BITS)).decode
    step = max(1, len(clip.pictures) // frames)
    votes = np.mean([decode(bgr_of(picture)) for picture in clip.pictures[::step]], axis=0)
    return "read" if ((votes > 0.5) == BASELINE_BITS).all() else "lost"


# ---------------------------------------------------------------- questions


def cpu_ms(work: Callable[[], object], count: int) -> float:
    start = time.process_time()
    work()
    return (time.process_time() - start) / count * 1000


def speed(clip: Clip) -> dict[str, float]:
    """CPU ms per frame at 720p, one thread."""
    frames = [resized(p, 1.0) for p in clip.pictures[:24]]
    frames = [split(frame_of(p).reformat(width=1280, height=720)) for p in frames]
    hd = Clip(clip.name, 24.0, frames)
    bgr = [bgr_of(picture) for picture in frames[:4]]
    detector = Detector()
    marked_hd = marked(hd, DEFAULT_STRENGTH)

    def update() -> None:
        for index, planes in enumerate(marked_hd.pictures):
            detector.update(planes, index / hd.rate)

    def unmarked() -> None:
        blind = Detector()
        blind.update(frames[0], 0)
        blind.finish([KEY])

    result = {
        "clipproof embed": cpu_ms(lambda: marked(hd, DEFAULT_STRENGTH), len(frames)),
        "clipproof read (24 fps, 12 read)": cpu_ms(update, len(frames)),
        "clipproof verdict, marked (per clip)": cpu_ms(lambda: detector.finish([KEY]), 1),
        "clipproof verdict, not marked (per clip)": cpu_ms(unmarked, 1),
    }
    for method in ("dwtDct", "dwtDctSvd"):
        coder = baseline(method)(BASELINE_BITS.tolist(), len(BASELINE_BITS))
        result[f"{method} embed"] = cpu_ms(lambda c=coder: [c.encode(p) for p in bgr], len(bgr))  # type: ignore[misc]
        result[f"{method} read"] = cpu_ms(lambda c=coder: [c.decode(p) for p in bgr], len(bgr))  # type: ignore[misc]
    return result


def ladder(clip: Clip, strength: float, with_baseline: bool) -> dict[str, dict[str, str]]:
    """For every attack what each method reads."""
    source = {"clipproof": marked(clip, strength)}
    if with_baseline:
        source |= {method: baseline_marked(clip, method) for method in ("dwtDct", "dwtDctSvd")}
    published = {method: recode(18)(made) for method, made in source.items()}
    outcome: dict[str, dict[str, str]] = {}
    for name, attack in ATTACKS.items():
        outcome[name] = {
            method: ours(attack(made)) if method == "clipproof" else baseline_read(attack(made), method)
            for method, made in published.items()
        }
    outcome["not marked"] = {"clipproof": ours(recode(18)(clip))}
    return outcome


def psnr(one: Clip, other: Clip) -> float:
    pairs = zip(one.pictures, other.pictures, strict=True)
    error = np.mean([np.mean((a[0].astype(np.float32) - b[0]) ** 2) for a, b in pairs])
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def ssim(one: Clip, other: Clip) -> float:
    """Mean SSIM of luma, Gaussian window of 1.5 px (Wang et al. 2004), on every fourth picture."""
    values = []
    for a, b in zip(one.pictures[::4], other.pictures[::4], strict=True):
        x, y = a[0].astype(np.float32), b[0].astype(np.float32)
        blur = lambda plane: ndimage.gaussian_filter(plane, 1.5)  # noqa: E731
        mx, my = blur(x), blur(y)
        vx, vy, cov = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        values.append(((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean())
    return float(np.mean(values))


def vmaf(reference: Clip, other: Clip, ffmpeg: str | None) -> float | None:
    """VMAF by an ffmpeg that has libvmaf; None without one."""
    if ffmpeg is None:
        return None
    width, height = reference.size
    with tempfile.TemporaryDirectory() as folder:
        inputs = []
        for name, clip in (("other", other), ("reference", reference)):
            path = Path(folder) / name
            path.write_bytes(b"".join(np.ascontiguousarray(p).tobytes() for ps in clip.pictures for p in ps))
            inputs += ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-i", str(path)]
        command = [ffmpeg, "-hide_banner", *inputs, "-lavfi", "libvmaf=n_threads=1", "-f", "null", "-"]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    return float(said.split("VMAF score:")[1].split()[0]) if "VMAF score:" in said else None


def quality(clip: Clip, strength: float, ffmpeg: str | None) -> dict[str, float | None]:
    """Marked and unmarked through the same x264 crf 23, both against the source."""
    made = marked(clip, strength)
    files = {"plain": encoded(clip, 23), "marked": encoded(made, 23)}
    plain, with_mark = (decoded(file, clip) for file in files.values())
    vmafs = [vmaf(clip, one, ffmpeg) for one in (plain, with_mark)]
    return {
        "PSNR-Y of the mark, dB": psnr(clip, made),
        "PSNR-Y after crf 23, plain": psnr(clip, plain),
        "PSNR-Y after crf 23, marked": psnr(clip, with_mark),
        "SSIM-Y after crf 23, plain": ssim(clip, plain),
        "SSIM-Y after crf 23, marked": ssim(clip, with_mark),
        "VMAF after crf 23, plain": vmafs[0],
        "VMAF after crf 23, marked": vmafs[1],
        "bytes at crf 23, marked / plain": len(files["marked"]) / len(files["plain"]),
    }


# ---------------------------------------------------------------- tables


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tally(outcomes: list[dict[str, dict[str, str]]]) -> str:
    methods = list(outcomes[0]["none (crf 18)"])
    rows = []
    for attack in outcomes[0]:
        row = [attack]
        for method in methods:
            said = [outcome[attack].get(method) for outcome in outcomes]
            row.append(f"{said.count('read')}/{len(said)}" if said[0] else "-")
        others = [outcome[attack]["clipproof"] for outcome in outcomes]
        row += [str(others.count("present_unreadable")), str(others.count("WRONG"))]
        rows.append(row)
    return table(["attack", *methods, "present, unreadable", "wrong payload"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--clips", type=Path, help="a folder with videos; without it, two clips are made here"
    )
    parser.add_argument("--limit", type=int, default=12, help="at most so many clips of the folder")
    parser.add_argument("--frames", type=int, default=48, help="at most so many frames of a clip")
    parser.add_argument("--strength", type=float, default=DEFAULT_STRENGTH)
    parser.add_argument("--no-baseline", action="store_true")
    parser.add_argument("--skip-speed", action="store_true")
    parser.add_argument("--ffmpeg", default=shutil.which("ffmpeg"), help="an ffmpeg with libvmaf, for VMAF")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    clips = from_folder(options.clips, options.limit, options.frames) if options.clips else made_here()
    results: dict[str, Any] = {"strength": options.strength, "clips": {}}
    for clip in clips:
        if not options.skip_speed and "cpu_ms" not in results:
            results["cpu_ms"] = speed(clip)
            print(
                table(
                    ["CPU ms, 720p, one thread", ""], [[k, f"{v:.1f}"] for k, v in results["cpu_ms"].items()]
                )
            )
        results["clips"][clip.name] = {
            "size": clip.size,
            "frames": len(clip.pictures),
            "quality": quality(clip, options.strength, options.ffmpeg),
            "ladder": ladder(clip, options.strength, not options.no_baseline),
        }
        lost = [k for k, v in results["clips"][clip.name]["ladder"].items() if v["clipproof"] != "read"]
        print(f"{clip.name}: not read: {', '.join(lost)}", flush=True)
        if options.json:
            options.json.write_text(json.dumps(results, indent=1))

    each_clip = list(results["clips"].values())
    print(tally([one["ladder"] for one in each_clip]))
    names = list(each_clip[0]["quality"])
    values = {name: [one["quality"][name] for one in each_clip] for name in names}
    rows = [
        [name, f"{np.mean(v):.3f}", f"{np.min(v):.3f}", f"{np.max(v):.3f}"]
        for name, v in values.items()
        if None not in v
    ]
    print(table(["quality", "mean", "least", "most"], rows))


if __name__ == "__main__":
    main()
