"""Signing and verifying a large clip: does memory stay constant? Wall, CPU and growth of memory.

    python benchmarks/large_files.py [--megabytes 500] [--json FILE]

Shows: one clip whose media data were padded to the size asked for, signed and read back. Does not
show: decoding, marking, other containers, or a disk that nobody else uses (wall times are of the disk's mood).
"""

import argparse
import datetime
import json
import resource
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import numpy as np

from media import ClipWriter
from provenance.keys import KeyStore
from provenance.manifest import Claim, ContentDigests
from provenance.reading import read_manifest
from provenance.signing import Ingredient, sign_file


def large_clip(path: Path, megabytes: int) -> None:
    """A short H.264 clip whose last box, the media data, is grown to the size; what plays is not changed."""
    with ClipWriter(path, width=320, height=256, frame_rate=Fraction(24), crf=30) as writer:
        chroma = np.full((128, 160), 128, np.uint8)
        for index in range(24):
            writer.write((np.full((256, 320), 8 * index, np.uint8), chroma, chroma), Fraction(index, 24))
    content = path.read_bytes()
    at = content.rindex(b"mdat") - 4
    assert int.from_bytes(content[at : at + 4], "big") == len(content) - at, "the media data come last"
    size = megabytes << 20
    with path.open("wb") as file:
        file.write(content[:at] + (size - at).to_bytes(4, "big") + content[at + 4 :])
        noise = np.random.default_rng(0)
        while (left := size - file.tell()) > 0:
            file.write(noise.bytes(min(left, 1 << 20)))


def measured(work: Callable[[], object]) -> dict[str, float]:
    """Wall and CPU seconds, and by how much the peak of memory grew."""
    before, cpu, wall = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        time.process_time(),
        time.monotonic(),
    )
    work()
    return {
        "wall_s": time.monotonic() - wall,
        "cpu_s": time.process_time() - cpu,
        "growth_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        keys = KeyStore(folder / "keys").create()
        rows = []
        clip, signed = folder / "clip.mp4", folder / "signed.mp4"
        claim = Claim(
            title="large",
            origin="camera",
            created=datetime.datetime.now(datetime.UTC),
            duration_s=1.0,
            content=ContentDigests(bytes(32)),
            software_version=version("clipproof"),
        )

        def sign() -> None:
            sign_file(clip, signed, claim, keys.identity, keys.anchors, ingredients=[Ingredient(clip)])

        def verify() -> None:
            assert read_manifest(signed, keys.anchors).state == "trusted"

        for megabytes in (1, options.megabytes):  # the first loads code, and grows the peak by it
            large_clip(clip, megabytes)
            for step, work in (("sign", sign), ("verify", verify)):
                rows.append({"step": step, "megabytes": megabytes, **measured(work)})
    print(f"{'step':<8}{'MB':>6}{'wall s':>9}{'CPU s':>9}{'growth MB':>11}")
    for row in rows:
        print(
            f"{row['step']:<8}{row['megabytes']:>6}{row['wall_s']:>9.2f}{row['cpu_s']:>9.2f}{row['growth_mb']:>11.1f}"
        )
    if options.json:
        options.json.write_text(json.dumps({"schema": "clipproof.large-files/1", "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
