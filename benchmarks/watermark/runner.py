"""One clip after another in worker processes; what is measured is appended to a file, so that a killed run resumes."""

import hashlib
import json
import multiprocessing
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2

import provenance.watermark
from benchmarks.watermark import quality
from benchmarks.watermark.attacks import BY_NAME, Attack
from benchmarks.watermark.clips import Candidate, Clip
from benchmarks.watermark.encoders import as_published, recoded
from benchmarks.watermark.methods import (
    BASELINES,
    Clipproof,
    InvisibleWatermark,
    Method,
    Outcome,
    detected,
    secrets_of,
)
from provenance.watermark import WatermarkError

Record = dict[str, Any]

OWN = "clipproof"


@dataclass(frozen=True)
class Settings:
    """What results depend on, beside the code."""

    strength: float
    seconds: float
    then_crf: float | None = None  # of one more encode, after every attack that does not end with a codec
    folder: str | None = None  # of the clips: two folders may use one name


@dataclass(frozen=True)
class Task:
    """What is still to be measured of a clip: attacks by method, methods whose quality is asked for."""

    candidate: Candidate
    settings: Settings
    attacks: dict[str, list[str]]
    quality: list[str] = field(default_factory=list)
    controls: bool = False
    ffmpeg: str | None = None

    @property
    def is_done(self) -> bool:
        return not (any(self.attacks.values()) or self.quality or self.controls)


def code_digest() -> str:
    """Of the mark and of the bench: results of two versions are not the same measurement."""
    digest = hashlib.sha256()
    for folder in (Path(provenance.watermark.__file__).parent, Path(__file__).parent):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


# ---------------------------------------------------------------- one clip


def method_of(name: str, clip_name: str, strength: float) -> Method:
    key, payload = secrets_of(clip_name)
    return Clipproof(key, payload, strength) if name == OWN else InvisibleWatermark(name, payload)


def measure(task: Task) -> Record:
    """Marks the clip with each method, publishes it as x264 crf 18, attacks it and reads it blind."""
    cv2.setNumThreads(1)
    start, settings = time.monotonic(), task.settings
    record: Record = {"clip": task.candidate.name, "source": task.candidate.source}
    clip = task.candidate.load(settings.seconds)
    record |= {"size": clip.size, "rate": float(clip.rate), "pictures": len(clip.pictures)}
    record |= {"outcomes": defaultdict(dict), "quality": {}}
    for name in [OWN, *BASELINES]:
        if not (task.attacks.get(name) or name in task.quality or (name == OWN and task.controls)):
            continue
        method = method_of(name, clip.name, settings.strength)
        try:
            marked = method.mark(clip)
        except WatermarkError as error:
            return record | {"refused": str(error)}
        if name in task.quality:
            record["quality"][name] = quality.measured(clip, marked.clip, task.ffmpeg)
        if marked.details is not None:
            record["mark"] = marked.details
        published = as_published(marked.clip)
        del marked
        for attack_name in task.attacks.get(name, []):
            found = outcome(method, BY_NAME[attack_name], published, settings.then_crf)
            record["outcomes"][attack_name][name] = asdict(found)
        if name == OWN and task.controls:
            record["controls"] = controls(clip, published)
    return record | {"wall_s": time.monotonic() - start}


def attempt(task: Task) -> Record:
    """`measure`; a clip that does not open, or fails for another reason, does not end a run of hours."""
    try:
        return measure(task)
    except Exception as error:
        return {"clip": task.candidate.name, "failed": f"{type(error).__name__}: {error}"}


def outcome(method: Method, attack: Attack, published: Clip, then_crf: float | None) -> Outcome:
    """A reader that fails under an attack is a result of the attack, not the end of the run."""
    try:
        attacked = attack(published)
        if then_crf is not None and not attack.encodes:
            attacked = recoded(attacked, then_crf)
        return method.read(attacked)
    except Exception as error:
        return Outcome("error", error=f"{type(error).__name__}: {error}")


def controls(clip: Clip, published: Clip) -> dict[str, Any]:
    """What must not be found: a mark in the unmarked clip, and the mark of another key."""
    own_key, _ = secrets_of(clip.name)
    other_key, _ = secrets_of(f"not {clip.name}")
    unmarked = as_published(clip)
    found = {}
    for name, searched, key in (("not marked", unmarked, own_key), ("another key", published, other_key)):
        detection, seconds = detected(searched, [key])
        found[name] = {"state": detection.state, "p_value": detection.p_value, "seconds": seconds}
    return found


# ---------------------------------------------------------------- all clips


class Results:
    """The file of what was measured, one JSON object a line; lines of other settings stay and are left alone."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self._path, self._settings = path, json.loads(json.dumps(asdict(settings)))
        self.by_clip: dict[str, Record] = {}
        self.speed: dict[str, dict[str, float]] | None = None
        self.codes: set[str] = set()
        written = path.read_text(encoding="utf-8") if path.exists() else ""
        whole, _, cut_short = written.rpartition("\n")
        if cut_short:  # the line that a killed run was writing
            path.write_text(whole + "\n", encoding="utf-8")
        for record in map(json.loads, whole.splitlines()):
            if record.pop("settings") == self._settings:
                self._take(record)

    def _take(self, record: Record) -> None:
        self.codes.add(record.pop("code"))
        if "speed" in record:
            self.speed = record["speed"]
            return
        known = self.by_clip.setdefault(record["clip"], {"outcomes": {}, "quality": {}})
        for attack, found in record.pop("outcomes", {}).items():
            known["outcomes"].setdefault(attack, {}).update(found)
        known["quality"].update(record.pop("quality", {}))
        known.update(record)

    def add(self, record: Record) -> None:
        line = json.dumps({"settings": self._settings, "code": code_digest(), **record})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        record = json.loads(line)
        del record["settings"]
        self._take(record)

    def task(
        self,
        candidate: Candidate,
        settings: Settings,
        *,
        methods: Sequence[str],
        attacks: Sequence[str],
        with_quality: bool,
        ffmpeg: str | None,
    ) -> Task:
        """What of this is not known yet."""
        known = self.by_clip.get(candidate.name, {"outcomes": {}, "quality": {}})
        if known.get("refused"):
            return Task(candidate, settings, {})
        missing = {m: [a for a in attacks if m not in known["outcomes"].get(a, {})] for m in methods}
        unseen = [m for m in methods if m not in known["quality"]] if with_quality else []
        return Task(candidate, settings, missing, unseen, "controls" not in known, ffmpeg)


def run(tasks: Sequence[Task], results: Results, jobs: int) -> dict[str, str]:
    """Measures what is not measured yet, progress on standard error; gives the clips that failed, which are tried again
    by the next run, and why."""
    failed = {}
    todo = [task for task in tasks if not task.is_done]
    started = time.monotonic()
    for count, record in enumerate(_measured(todo, jobs), 1):
        if "failed" in record:
            failed[record["clip"]] = record["failed"]
        else:
            results.add(record)
        spent = time.monotonic() - started
        left = spent / count * (len(todo) - count)
        said = record.get("failed") or record.get("refused") or _said(record)
        where = f"{count}/{len(todo)} clips, {_minutes(spent)}, about {_minutes(left)} left"
        print(f"{where} · {record['clip']}: {said}", file=sys.stderr, flush=True)
    return failed


def _measured(todo: Sequence[Task], jobs: int) -> Iterator[Record]:
    if jobs == 1 or len(todo) < 2:
        yield from map(attempt, todo)
        return
    # Spawned, not forked: OpenCV and BLAS threads do not survive a fork.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(attempt, task) for task in todo]
        try:
            for done in as_completed(waiting):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _said(record: Record) -> str:
    states = [found[OWN]["state"] for found in record["outcomes"].values() if OWN in found]
    return f"{states.count('exact')}/{len(states)} exact" if states else "measured"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
