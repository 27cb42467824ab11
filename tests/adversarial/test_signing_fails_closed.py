"""Cases 20 and 21: what must not be signed, and what fails while signing, leaves no file; 23: nor a full memory."""

import contextlib
import multiprocessing
import resource
import signal
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import mp4_surgery as surgery
import pytest
from authorities import claim
from conftest import moving_picture

from media import ClipWriter, OutputError, file_digest
from provenance.errors import ClaimError, SigningError
from provenance.identity import Identity
from provenance.keys import KeyStore
from provenance.reading import read_manifest
from provenance.signing import sign_file
from provenance.trust import TrustAnchors


@pytest.mark.parametrize(
    "record",
    [
        {"libraries": {f"lib{number}": "1" * 300 for number in range(4000)}},
        {"guidance_scale": float("nan")},
        {"guidance_scale": float("inf")},
    ],
    ids=["1.1 MB", "NaN", "Infinity"],
)
def test_20_a_claim_past_all_bounds_is_one_error_and_no_file(
    record: dict[str, object],
    plain: Path,
    reporter: Identity,
    trust: TrustAnchors,
    tmp_path: Path,
) -> None:
    said = claim()
    assert said.generation is not None
    changed = replace(said.generation, **record)  # type: ignore[arg-type]
    with pytest.raises(ClaimError):
        sign_file(plain, tmp_path / "out.mp4", replace(said, generation=changed), reporter, trust)
    assert list(tmp_path.iterdir()) == []


@contextlib.contextmanager
def little_room(limit: int) -> Iterator[None]:
    """No file of this process may grow past `limit` bytes: what a full disk looks like to a writer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def broken_signer(message: bytes) -> bytes:
    raise ConnectionError("the key service is down")


@pytest.mark.parametrize("failure", ["key service", "same file", "full disk"])
def test_21_a_failed_signature_leaves_the_source_and_nothing_else(
    failure: str,
    plain: Path,
    reporter: Identity,
    trust: TrustAnchors,
    tmp_path: Path,
) -> None:
    source = tmp_path / "source.mp4"
    source.write_bytes(plain.read_bytes())
    target = source if failure == "same file" else tmp_path / "out.mp4"
    identity = replace(reporter, sign=broken_signer) if failure == "key service" else reporter
    room = little_room(source.stat().st_size // 2) if failure == "full disk" else contextlib.nullcontext()
    with room, pytest.raises((SigningError, OutputError)):
        sign_file(source, target, claim(), identity, trust)
    assert file_digest(source) == file_digest(plain)
    assert list(tmp_path.iterdir()) == [source]


def test_23_forty_megabytes_are_signed_and_read_without_being_held_in_memory(tmp_path: Path) -> None:
    small = tmp_path / "small.mp4"
    with ClipWriter(small, width=320, height=256, frame_rate=Fraction(12)) as writer:  # its index is in front
        for index, picture in enumerate(moving_picture(12, 256, 320, 0)):
            writer.write_rgb(picture, Fraction(index, 12))
    content = small.read_bytes()
    start, end = surgery.find(content, b"mdat")
    assert end == len(content)
    size = end - start + (40 << 20)
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.write(content[:start] + size.to_bytes(4, "big") + content[start + 4 :])
        file.truncate(start + size)
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    child = context.Process(target=memory_of_a_large_clip, args=(small, large, results))
    child.start()
    child.join(120)
    assert child.exitcode == 0
    state, grown = results.get()
    assert state == "trusted"
    assert grown < 24 << 20  # the SDK's defaults take twice the file


def memory_of_a_large_clip(
    small: Path, large: Path, results: "multiprocessing.SimpleQueue[tuple[str, int]]"
) -> None:
    """Signs and reads a small clip and then a large one; by how much the second made the peak grow."""
    keys = KeyStore(small.parent / "keys").create()
    peaks, state = [], ""
    for clip in (small, large):
        target = clip.with_name(f"signed-{clip.name}")
        sign_file(clip, target, claim(), keys.identity, keys.anchors)
        state = read_manifest(target, keys.anchors).state
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10)
    results.put((state, peaks[1] - peaks[0]))
