"""Changed files through the whole reading path: no crash, no hang, no hunger for memory, no false `trusted`.

    python benchmarks/fuzz.py --count 10000 --work fuzz-work --json fuzz.json

Every case is a seed file (progressive, fragmented, QuickTime, AVI, with a signed parent, unsigned, and two stores to
splice) under one to three changes: bits, runs of bytes, sizes, types, order of boxes, truncation, the manifest store of
another file, heads of JUMBF boxes and of CBOR items. Case N of a seed number is always the same file. The work folder
keeps how far the run came, so that it can be stopped and taken up again, and every offending file.

A case offends when the worker dies or raises, takes more than 5 s, grows past 512 MB, or is called `trusted` although
something that is shown, or the stream digest of what plays, differs from the seed. It shows nothing of attacks that
need a key: those are in tests/adversarial.
"""

import collections
import dataclasses
import datetime as dt
import json
import multiprocessing
import random
import resource
import struct
import tempfile
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import av
import c2pa
import numpy as np
from measure import arguments, report

from media import stream_digest
from provenance.development import new_development_chain
from provenance.identity import Identity, load_identity
from provenance.manifest import Claim, ContentDigests, Generation, PromptCommitment, manifest_definition
from provenance.reading import read_manifest
from provenance.trust import TrustAnchors, sdk_context
from provenance.verify import verify_clip

_HANG_S = 5.0
_VERDICT_S = 30.0  # a verdict starts child processes that decode; its share is for crashes, not for time
_MEMORY_BYTES = 512 << 20
_VERDICT_EVERY = 50  # …th case goes through `verify_clip` as well
_CONTAINERS = {
    b"moov",
    b"trak",
    b"mdia",
    b"minf",
    b"stbl",
    b"moof",
    b"traf",
    b"mvex",
    b"edts",
    b"udta",
    b"mfra",
}
_KINDS = [
    *sorted(_CONTAINERS),
    b"mdat",
    b"free",
    b"skip",
    b"uuid",
    b"stco",
    b"stsz",
    b"trun",
    b"tfhd",
    b"meta",
]


# Seeds


def _video(path: Path, container: str = "mp4", movflags: str = "faststart", seed: int = 0) -> Path:
    scene = np.random.default_rng(seed).integers(30, 220, (9, 16), dtype=np.uint8)
    scene = np.kron(scene, np.ones((16, 16), np.uint8))
    options = {} if container == "avi" else {"movflags": movflags}
    with av.open(str(path), "w", format=container, options=options) as output:
        stream = output.add_stream(
            "libx264", rate=12, options={"preset": "ultrafast", "threads": "1", "g": "6"}
        )
        stream.width, stream.height, stream.pix_fmt = 160, 128, "yuv420p"
        for index in range(12):
            window = np.ascontiguousarray(scene[:128, 4 * index : 4 * index + 160])
            output.mux(
                stream.encode(av.VideoFrame.from_ndarray(window, format="gray").reformat(format="yuv420p"))
            )
        output.mux(stream.encode())
    return path


def _claim(origin: str) -> Claim:
    prompt = PromptCommitment.of("a lighthouse", salt=bytes(16))
    generation = Generation("m", bytes(32), 1, 20, 4.5, {}, prompt, "d", "1")
    return Claim(
        title="a lighthouse",
        origin=origin,  # type: ignore[arg-type]
        created=dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
        duration_s=1.0,
        clip_id=7,
        content=ContentDigests(stream=bytes(32), frames=bytes(32)),
        software_version="0.1.0",
        generation=generation if origin == "generated" else None,
    )


def _sign(
    src: Path, media_type: str, identity: Identity, trust: TrustAnchors, parent: Path | None = None
) -> Path:
    """Signed by the bare SDK, which embeds into AVI, too."""
    target = src.with_name(f"signed-{src.name}")
    definition = manifest_definition(_claim("camera" if parent else "generated"), media_type="video/mp4")
    context = sdk_context(trust, fragmented="fragmented" in src.name)
    signer = c2pa.Signer.from_callback(
        identity.sign, c2pa.C2paSigningAlg[identity.algorithm], identity.chain_pem
    )
    with signer, c2pa.Builder.from_json(definition, context=context) as builder:
        if parent is not None:
            with parent.open("rb") as file:
                said = {"title": "parent", "relationship": "parentOf", "label": "parent"}
                builder.add_ingredient(said, "video/mp4", file)
        with src.open("rb") as source, target.open("w+b") as output:
            builder.sign(signer, media_type, source, output)
    return target


def make_seeds(folder: Path) -> tuple[dict[str, Path], TrustAnchors]:
    """The seed files and the root that vouches for them; kept, so that a run can be taken up again."""
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / "root.pem"
    listing = folder / "seeds.json"
    if not listing.exists():
        chain = new_development_chain("Fuzz")
        root.write_bytes(chain.root_pem)
        (folder / "chain.pem").write_bytes(chain.chain_pem)
        key = folder / "chain.key"
        key.touch(0o600)
        key.write_bytes(chain.key_pem)
        identity = load_identity(folder / "chain.pem", key, kind="development")
        trust = TrustAnchors.from_file(root)
        plain = _video(folder / "progressive.mp4")
        fragmented = _video(folder / "fragmented.mp4", movflags="frag_keyframe+empty_moov+default_base_moof")
        progressive = _sign(plain, "video/mp4", identity, trust)
        seeds = {
            "progressive": progressive,
            "fragmented": _sign(fragmented, "video/mp4", identity, trust),
            "quicktime": _sign(_video(folder / "quicktime.mov", "mov"), "video/quicktime", identity, trust),
            "avi": _sign(_video(folder / "riff.avi", "avi"), "video/avi", identity, trust),
            "child": _sign(_video(folder / "child.mp4", seed=1), "video/mp4", identity, trust, progressive),
            "unsigned": plain,
        }
        listing.write_text(json.dumps({name: path.name for name, path in seeds.items()}))
    named = json.loads(listing.read_text())
    return {name: folder / file for name, file in named.items()}, TrustAnchors.from_file(root)


# Changes

Change = Callable[[bytearray, random.Random, list[bytes]], bytearray]
Span = tuple[bytes, int, int, list[int]]  # type, start, end, offsets of the boxes around it


def spans(content: bytes, start: int = 0, end: int | None = None, above: tuple[int, ...] = ()) -> list[Span]:
    """Boxes, outer ones first; of RIFF files the chunks of the first level."""
    found: list[Span] = []
    end = len(content) if end is None else end
    riff = content[:4] == b"RIFF" and not above
    offset = 12 if riff and not start else start
    while offset + 8 <= end and len(found) < 4000:
        if riff:
            kind, size = struct.unpack_from("<4sI", content, offset)
            size += 8 + size % 2
        else:
            size, kind = struct.unpack_from(">I4s", content, offset)
        if size < 8 or offset + size > end:
            break
        found.append((kind, offset, offset + size, list(above)))
        if kind in _CONTAINERS and not riff:
            found += spans(content, offset + 8, offset + size, (*above, offset))
        offset += size
    return found


def _pick(content: bytearray, dice: random.Random) -> Span | None:
    boxes = spans(bytes(content))
    return dice.choice(boxes) if boxes else None


def _resize(content: bytearray, around: list[int], by: int) -> None:
    for offset in around:
        size = int.from_bytes(content[offset : offset + 4], "big") + by
        content[offset : offset + 4] = max(0, min(size, 2**32 - 1)).to_bytes(4, "big")


def flip_bits(content: bytearray, dice: random.Random, others: list[bytes]) -> bytearray:
    for _ in range(dice.choice((1, 1, 1, 4, 16)) if content else 0):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    return content


def overwrite_a_run(content: bytearray, dice: random.Random, others: list[bytes]) -> bytearray:
    if content:
        at, length = dice.randrange(len(content)), dice.choice((1, 2, 4, 8, 64, 1000))
        length = min(length, len(content) - at)
        run = dice.choice((bytes(length), b"\xff" * length, dice.randbytes(length)))
        content[at : at + length] = run
    return content


def change_a_size(content: bytearray, dice: random.Random, others: list[bytes]) -> bytearray:
    if box := _pick(content, dice):
        size = box[2] - box[1]
        new = dice.choice(
            (0, 1, 7, 8, 9, size - 1, size + 1, size * 2, 2**31, 2**32 - 1, dice.randrange(2**32))
        )
        content[box[1] : box[1] + 4] = struct.pack(">I", max(0, min(new, 2**32 - 1)))
    return content


def change_a_type(content: bytearray, dice: random.Random, others: list[bytes]) -> bytearray:
    if box := _pick(content, dice):
        content[box[1] + 4 : box[1] + 8] = dice.choice((*_KINDS, dice.randbytes(4)))
    return content


def delete_a_box(content: bytearray, dice: random.Random, others: list[bytes]) -> bytearray:
    if box := _pick(content, dice):
        del content[box[1] : box[2]]
        if dice.random() < 0.7:
            _resize(content, box[3], box[1] - box[2])
    return content


def duplicate_a_box(content: bytearray, dice: random.Random, others: list[bytes]) -> bytearray:
    if box := _pick(content, dice):
        content[box[2] : box[2]] = content[box[1] : box[2]]
        _resize(content, box[3], box[2] - box[1])
    return content


def swap_boxes(content: bytearray, dice: random.Random, others: list[bytes]) -> bytearray:
    level = [box for box in spans(bytes(content)) if not box[3]]
    if len(level) > 1:
        at = dice.randrange(len(level) - 1)
        (_, a, b, _), (_, _, c, _) = level[at], level[at + 1]
        content[a:c] = content[b:c] + content[a:b]
    return content


def insert_a_box(content: bytearray, dice: random.Random, others: list[bytes]) -> bytearray:
    box = _pick(content, dice)
    if box is not None:
        payload = dice.randbytes(dice.choice((0, 4, 16, 200)))
        new = struct.pack(">I4s", 8 + len(payload), dice.choice(_KINDS)) + payload
        content[box[1] : box[1]] = new
        _resize(content, box[3], len(new))
    return content


def truncate(content: bytearray, dice: random.Random, others: list[bytes]) -> bytearray:
    return content[: dice.randrange(len(content) + 1)]


def append(content: bytearray, dice: random.Random, others: list[bytes]) -> bytearray:
    return content + dice.choice(
        (b"\0", dice.randbytes(40), b"\0\0\0\x10free" + dice.randbytes(8), bytes(5000))
    )


def _store(content: bytes) -> tuple[int, int] | None:
    """Where the outermost JUMBF box of the manifest store is."""
    at = content.find(b"jumb")
    if at < 4:
        return None
    return at - 4, min(len(content), at - 4 + int.from_bytes(content[at - 4 : at], "big"))


def splice_a_store(content: bytearray, dice: random.Random, others: list[bytes]) -> bytearray:
    """The manifest box of another file, in place of one's own or beside it; or a piece of its store."""
    other = dice.choice(others)
    mine, theirs = _store(bytes(content)), _store(other)
    if mine is None or theirs is None:
        boxes = [box for box in spans(other) if box[0] == b"uuid"]
        if boxes:
            at = dice.choice([box[1] for box in spans(bytes(content))] or [0])
            content[at:at] = other[boxes[0][1] : boxes[0][2]]
        return content
    piece = other[theirs[0] : theirs[1]]
    if dice.random() < 0.5:  # same length: boxes around it stay whole
        length = min(mine[1] - mine[0], len(piece))
        start = dice.randrange(length)
        content[mine[0] + start : mine[0] + length] = piece[start:length]
    else:
        content[mine[0] : mine[1]] = piece
    return content


def change_a_jumbf_box(content: bytearray, dice: random.Random, others: list[bytes]) -> bytearray:
    """Size, type or label of a JUMBF box."""
    places = [
        at
        for kind in (b"jumb", b"jumd", b"cbor", b"json", b"bfdb", b"bidb")
        for at in _all(bytes(content), kind)
        if at >= 4
    ]
    if places:
        at = dice.choice(places)
        action = dice.randrange(4)
        if action == 0:
            content[at - 4 : at] = struct.pack(">I", dice.choice((0, 1, 8, 2**31, dice.randrange(20_000))))
        elif action == 1:
            content[at : at + 4] = dice.choice((b"jumb", b"jumd", b"cbor", b"json", b"free", b"bidb"))
        elif at + 40 < len(content):
            content[at + 4 + dice.randrange(36)] = dice.randrange(256)
    return content


def change_a_cbor_head(content: bytearray, dice: random.Random, others: list[bytes]) -> bytearray:
    """The first byte of some item of a CBOR box: another type, another or an absurd length."""
    places = [at for at in _all(bytes(content), b"cbor") if at + 40 < len(content)]
    if places:
        at = dice.choice(places) + 4
        for _ in range(dice.randrange(24)):  # step over a few heads
            major, low = content[at] >> 5, content[at] & 31
            wide = {24: 1, 25: 2, 26: 4, 27: 8}.get(low, 0)
            length = int.from_bytes(content[at + 1 : at + 1 + wide], "big") if wide else low
            at += 1 + wide + (length if major in (2, 3) and length < 5000 else 0)
            if at + 10 >= len(content):
                return content
        content[at] = dice.choice(
            (
                0x1B,
                0x3B,
                0x5B,
                0x5F,
                0x7B,
                0x7F,
                0x9B,
                0x9F,
                0xBB,
                0xBF,
                0xDB,
                0xF7,
                0xFB,
                0xFF,
                dice.randrange(256),
            )
        )
    return content


def nest_cbor(content: bytearray, dice: random.Random, others: list[bytes]) -> bytearray:
    """Arrays or maps in each other, over the rest of a CBOR box."""
    if places := [at for at in _all(bytes(content), b"cbor") if at + 60 < len(content)]:
        at = dice.choice(places) + 4
        length = min(dice.choice((50, 500, 4000)), len(content) - at)
        content[at : at + length] = dice.choice((b"\x81", b"\xa1", b"\xc0", b"\x9f")) * length
    return content


def _all(content: bytes, kind: bytes) -> list[int]:
    found, at = [], content.find(kind)
    while at >= 0 and len(found) < 500:
        found.append(at)
        at = content.find(kind, at + 4)
    return found


CHANGES: tuple[Change, ...] = (
    flip_bits,
    overwrite_a_run,
    change_a_size,
    change_a_type,
    delete_a_box,
    duplicate_a_box,
    swap_boxes,
    insert_a_box,
    truncate,
    append,
    splice_a_store,
    change_a_jumbf_box,
    change_a_cbor_head,
    nest_cbor,
)


def make_case(number: int, seed: int, seeds: dict[str, bytes]) -> tuple[str, list[str], bytes]:
    """(seed file, names of the changes, content) of case `number`; always the same for the same seeds."""
    dice = random.Random(f"{seed}/{number}")
    name = dice.choice(sorted(seeds))
    content = bytearray(seeds[name])
    others = [one for other, one in seeds.items() if other != name]
    changes = dice.choices(CHANGES, k=dice.choice((1, 1, 1, 2, 3)))
    for change in changes:
        content = change(content, dice, others)
    return name, [change.__name__ for change in changes], bytes(content)


# One case, in a process of its own


@dataclasses.dataclass(frozen=True)
class Result:
    state: str
    offence: str = ""


def _judge(
    path: Path,
    original: Path,
    seed_reading: Any,
    trust: TrustAnchors,
    deep: bool,
    read_in_time: Callable[[], None],
) -> Result:
    reading = read_manifest(path, trust)
    read_in_time()
    if reading.state == "trusted":
        if reading != seed_reading:
            return Result(reading.state, "false trusted: something that is shown changed")
        try:
            plays = stream_digest(path).digest
        except Exception as error:
            return Result(reading.state, f"false trusted: it does not play ({type(error).__name__})")
        if plays != stream_digest(original).digest:
            return Result(reading.state, "false trusted: it plays otherwise")
    if deep:
        verdict = verify_clip(path, trust=trust).verdict
        if (verdict == "trusted") != (reading.state == "trusted"):
            return Result(reading.state, f"read as {reading.state}, but the verdict is {verdict}")
    return Result(reading.state)


def _work(pipe: Connection, folder: Path, seeds: dict[str, Path], root: Path) -> None:
    trust = TrustAnchors.from_file(root)
    readings = {name: read_manifest(path, trust) for name, path in seeds.items()}
    file = folder / f"case-{multiprocessing.current_process().pid}"
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    # A backstop for the machine; what counts is the growth that is measured.
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
    pipe.send(None)
    while (job := pipe.recv()) is not None:
        name, content, deep = job
        file.write_bytes(content)
        try:
            result = _judge(file, seeds[name], readings[name], trust, deep, lambda: pipe.send(None))
        except BaseException:
            result = Result("raised", f"raised: {traceback.format_exc(limit=-3)}")
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) - idle
        if grown > _MEMORY_BYTES and not result.offence:
            result = Result(result.state, f"memory grew by {grown >> 20} MB")
        pipe.send((result.state, result.offence, grown))
    file.unlink(missing_ok=True)


class _Worker:
    """One process that reads cases; ended and replaced where a case takes too long or kills it."""

    def __init__(self, folder: Path, seeds: dict[str, Path], root: Path) -> None:
        self._made_of = (folder, seeds, root)
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, *self._made_of), daemon=False)
        self.process.start()
        theirs.close()
        if not self.pipe.poll(120):
            raise SystemExit("a worker does not start")
        self.pipe.recv()

    def run(self, name: str, content: bytes, deep: bool) -> tuple[str, str, int, float]:
        """State, offence, bytes that the worker has grown by, seconds."""
        limit = _HANG_S
        started = time.perf_counter()
        self.pipe.send((name, content, deep))
        try:
            if not self.pipe.poll(limit):
                self.process.kill()
                raise TimeoutError
            said = self.pipe.recv()
            seconds = time.perf_counter() - started
            if said is None:  # it was read; what follows decodes in a process of its own
                limit = _VERDICT_S
                if not self.pipe.poll(limit):
                    self.process.kill()
                    raise TimeoutError
                said = self.pipe.recv()
            state, offence, grown = said
        except (TimeoutError, EOFError, ConnectionError) as error:
            self.process.join()
            what = f"hang: more than {limit:.0f} s" if isinstance(error, TimeoutError) else "crash"
            state, offence, grown = "none", f"{what} (exit {self.process.exitcode})", 0
            seconds = time.perf_counter() - started
            self._start()
        return state, offence, grown, seconds

    def stop(self) -> None:
        self.pipe.send(None)
        self.process.join(10)
        if self.process.is_alive():
            self.process.kill()


def run(count: int, seed: int, work: Path) -> dict[str, Any]:
    """Cases 0 to `count`, from where the work folder stands; returns the tallies."""
    seeds, _ = make_seeds(work / "seeds")
    contents = {name: path.read_bytes() for name, path in seeds.items()}
    progress = work / "progress.json"
    done = json.loads(progress.read_text()) if progress.exists() else {}
    if done.get("seed", seed) != seed:
        raise SystemExit(f"{work}: was begun with --seed {done['seed']}")
    first, tally = done.get("next", 0), collections.Counter(done.get("states", {}))
    offences, by_change = done.get("offences", []), collections.Counter(done.get("changes", {}))
    slowest, grown_most, verdicts = (
        done.get("slowest_s", 0.0),
        done.get("grown_bytes", 0),
        done.get("verdicts", 0),
    )
    slowest_case = done.get("slowest_case", -1)
    worker = _Worker(work, seeds, work / "seeds" / "root.pem")

    def save(number: int) -> dict[str, Any]:
        said = {
            "seed": seed,
            "next": number,
            "states": dict(sorted(tally.items())),
            "changes": dict(sorted(by_change.items())),
            "verdicts": verdicts,
            "slowest_s": slowest,
            "slowest_case": slowest_case,
            "grown_bytes": grown_most,
            "offences": offences,
        }
        partial = progress.with_suffix(".part")
        partial.write_text(json.dumps(said, indent=1))
        partial.replace(progress)
        return said

    try:
        for number in range(first, count):
            name, changes, content = make_case(number, seed, contents)
            deep = number % _VERDICT_EVERY == 0
            state, offence, grown, seconds = worker.run(name, content, deep)
            tally[f"{name}: {'unchanged' if content == contents[name] else state}"] += 1
            by_change.update(changes)
            verdicts += deep
            if seconds > slowest:
                slowest, slowest_case = seconds, number
            grown_most = max(grown_most, grown)
            if offence:
                (work / "offenders").mkdir(exist_ok=True)
                (work / "offenders" / f"{number:06d}{seeds[name].suffix}").write_bytes(content)
                offences.append({"case": number, "seed": name, "changes": changes, "offence": offence})
            if number % 50 == 49:
                save(number + 1)
    finally:
        worker.stop()
    return save(max(first, count))


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, help="kept folder of a run that can be taken up again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        said = run(options.count, options.seed, work)
    rows: dict[str, dict[str, Any]] = {}
    for key, cases in said["states"].items():
        name, state = key.split(": ")
        rows.setdefault(name, {"seed": name, "cases": 0})
        rows[name]["cases"] += cases
        rows[name][state] = cases
    columns = [
        "seed",
        "cases",
        *sorted({column for row in rows.values() for column in row} - {"seed", "cases"}),
    ]
    report([{column: row.get(column, 0) for column in columns} for row in rows.values()])
    print(
        f"{said['next']} cases, {said['verdicts']} with a verdict; slowest reading {said['slowest_s']:.2f} s "
        f"(case {said['slowest_case']}), "
        f"growth {said['grown_bytes'] >> 20} MB, {len(said['offences'])} offences"
    )
    for one in said["offences"][:20]:
        print(one)
    if options.json:
        options.json.write_text(json.dumps(said, indent=1))
    raise SystemExit(1 if said["offences"] else 0)


if __name__ == "__main__":
    main()
