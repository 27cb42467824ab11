"""`make demo`: one clip from a prompt, and the proof that it comes home after everything a platform does to it.

Everything happens in the folder `demo/`, in a home of its own, by the same commands that a user types.
"""

import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

from rich.console import Console

PROMPT = "a purple ball bounces on sand at sunset, mountains in the background"
FOLDER = Path("demo")

console = Console(highlight=False, soft_wrap=True)


def main() -> None:
    """Run the demonstration; exits with 1 if any step did not end as it should."""
    FOLDER.mkdir(exist_ok=True)
    clip, expected = FOLDER / "clip.mp4", []
    expected.append(_run("produce", PROMPT, "--out", str(clip)) == 0)
    if not clip.exists():
        sys.exit(1)
    contact_sheet(clip, FOLDER / "clip.png")

    console.rule("its own home knows it")
    expected.append(_run("verify", str(clip)) == 0)

    console.rule("metadata stripped by a remux (ffmpeg -c copy)")
    _remux(clip, FOLDER / "stripped.mp4")
    expected.append(_run("verify", str(FOLDER / "stripped.mp4")) == 0)

    console.rule("re-encoded: H.264 crf 28, 75 % of the size")
    transcode(clip, FOLDER / "reencoded.mp4")
    expected.append(_run("verify", str(FOLDER / "reencoded.mp4")) == 6)

    console.rule("one byte changed")
    _flip_byte(clip, FOLDER / "changed.mp4")
    expected.append(_run("verify", str(FOLDER / "changed.mp4")) == 1)

    console.rule("another home, which does not trust this signer")
    expected.append(_run("verify", str(clip), home=FOLDER / "stranger") == 6)

    _run("down", show=False)
    shutil.rmtree(FOLDER / "stranger", ignore_errors=True)
    console.rule()
    if not all(expected):
        console.print("[red]not every step ended as it should[/]")
        sys.exit(1)
    console.print(
        f"The clip is {clip}, its frames are {FOLDER / 'clip.png'}. Play it; then try your own prompt:"
    )
    console.print("  .venv/bin/clipproof produce '一个蓝色的球在沙地上滚动' --out my-clip.mp4")


def _run(*arguments: str, home: Path = FOLDER / "home", show: bool = True) -> int:
    if show:
        words = " ".join(f"'{word}'" if " " in word else word for word in arguments)
        console.print(f"[bold]$ clipproof {words}[/]")
    environment = os.environ | {"CLIPPROOF_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-m", "clipproof", *arguments],
        env=environment,
        stdout=None if show else subprocess.DEVNULL,
        check=False,
    )
    if show:
        console.print(f"[dim]exit {done.returncode}[/]\n")
    return done.returncode


def contact_sheet(clip: Path, picture: Path) -> None:
    """Eight frames of a clip as one picture."""
    from PIL import Image

    from media import open_clip

    with open_clip(clip, pixel_format="rgb24", short_side=256) as reader:
        frames = [frame.planes[0] for frame in reader]
    kept = [Image.fromarray(frames[round(i * (len(frames) - 1) / 7)]) for i in range(8)]
    width, height = kept[0].size
    sheet = Image.new("RGB", (4 * width, 2 * height))
    for index, frame in enumerate(kept):
        sheet.paste(frame, (index % 4 * width, index // 4 * height))
    sheet.save(picture)


def _remux(source: Path, target: Path) -> None:
    import av

    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        video = writer.add_stream_from_template(reader.streams.video[0])
        for packet in reader.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                writer.mux(packet)


def transcode(source: Path, target: Path) -> Path:
    """What a platform does: H.264 at crf 28, 75 % of the size, no metadata."""
    from media import ClipWriter, open_clip, probe

    said = probe(source)
    smaller = round(min(said.width, said.height) * 0.75)
    with open_clip(source, short_side=smaller) as reader:
        frames = list(reader)
    height, width = frames[0].planes[0].shape
    with ClipWriter(
        target, width=width, height=height, frame_rate=said.frame_rate or Fraction(12), crf=28
    ) as writer:
        for frame in frames:
            writer.write((frame.planes[0], frame.planes[1], frame.planes[2]), frame.time)
    return target


def _flip_byte(source: Path, target: Path) -> None:
    content = bytearray(source.read_bytes())
    content[content.index(b"mdat") + 4 + (len(content) - content.index(b"mdat")) // 2] ^= 1
    target.write_bytes(content)


if __name__ == "__main__":
    main()
