"""Averaging and collusion: how many clips under one key until its mark can be estimated, and what follows.

    python benchmarks/watermark_collusion.py --clips DIR --split fit --json collusion.json --png collusion.png

The attacker knows the scheme and has published clips, but no key. He takes for the mark what is left of a picture
when it is smoothed, averaged over pictures, textured places weighing less. All clips are brought to one size, marked,
and encoded; what he makes is encoded again before it is read. The attacks:

  own frames      the estimate from one clip's frames, times k, subtracted from it (no other clip is needed)
  clips of a key  the estimate from N other clips of the key with payloads of their own, subtracted from a clip
  ... other key   the same against a clip of another key: what rotation leaves of the attack
  transplant      the estimate from one clip, added to an unmarked clip: does the detector say that clip's payload,
                  and does the fingerprint then disagree
  forged pilot    the estimate from N clips, added to an unmarked clip
  collusion       N copies of one clip with payloads of their own: mean, median, or pictures and blocks taken in turn

Printed for each: how often the right payload is read, only a mark's presence, or nothing; a payload that none of the
clips carries would be "wrong"; the same after a crop, which the pilot is needed for; the correlations at the true pose
and the attack's PSNR against the published clip, of luma and blue-difference.

It does not show attackers who have the key or the detector's answers, who cluster cells by how they flip between
clips, or who train a network on pairs of marked and unmarked clips.
"""

import csv
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from measure import arguments, report
from numpy.typing import NDArray
from scipy import ndimage
from watermark_cells import layer_z, response_of

from media import MediaError, Planes, open_clip, recode
from media.planes import plane_array
from media.recode import frame_of
from provenance.agreement import agreement
from provenance.fingerprint import QUERY_RATE_HZ, RECORD_RATE_HZ, ClipFingerprint, Fingerprinter
from provenance.watermark import Detector, Embedder

VIDEO = {".mp4", ".webm", ".mkv", ".mov", ".gif", ".avi"}
KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
RATE = 12
SMOOTHING_CELLS = 0.8
PLANE_CELLS = (
    96,
    32,
)  # along the short side of each plane that is marked: what the attacker knows of the scheme
TEXTURE_PX = 9
QUIET = 0.5  # variance, 8-bit levels²: below it a place tells no more

Clip = list[Planes]
Row = dict[str, Any]


# ---------------------------------------------------------------- clips


def paths_of(folder: Path, split: str | None) -> list[Path]:
    """The videos of a folder, mixed; `split`: those that its manifest.csv puts there."""
    if split:
        with (folder / "manifest.csv").open(encoding="utf-8") as lines:
            paths = [folder / row["path"] for row in csv.DictReader(lines) if row["split"] == split]
    else:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO)
    random.Random(0).shuffle(paths)
    return paths


def read_clips(paths: Iterable[Path], width: int, height: int, frames: int) -> Iterator[Clip]:
    """The first frames of every clip that has as many, cut to the shape and scaled to the size."""
    for path in paths:
        try:
            with open_clip(path, rate=RATE, end_s=frames / RATE + 1) as reader:
                if min(reader.probe.width, reader.probe.height) < height * 2 // 3:
                    continue
                clip = [
                    fitted(frame.yuv, width, height) for frame, _ in zip(reader, range(frames), strict=False)
                ]
        except MediaError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        if len(clip) == frames:
            yield clip


def fitted(planes: Planes, width: int, height: int) -> Planes:
    rows, columns = (side // 2 for side in planes[0].shape)
    kept = min(rows, columns * height // width), min(columns, rows * width // height)
    top, left = (rows - kept[0]) // 2, (columns - kept[1]) // 2
    y = planes[0][2 * top : 2 * (top + kept[0]), 2 * left : 2 * (left + kept[1])]
    u, v = (plane[top : top + kept[0], left : left + kept[1]] for plane in planes[1:])
    scaled = frame_of((y, u, v)).reformat(width=width, height=height, interpolation="BICUBIC")
    y, u, v = (plane_array(plane).copy() for plane in scaled.planes)
    return y, u, v


def published(clip: Clip, crf: float) -> Clip:
    """The clip as a player shows it after H.264."""
    return recode(clip, RATE, crf=crf)[0]


def marked(clip: Clip, payload: int, key: bytes = KEY) -> Clip:
    height, width = clip[0][0].shape
    embedder = Embedder(width, height, payload, key)
    return [embedder.embed(planes, Fraction(index, RATE)) for index, planes in enumerate(clip)]


def payload_of(number: int) -> int:
    return int.from_bytes(np.random.default_rng([number, 4]).bytes(8), "big")


# ---------------------------------------------------------------- the attacker


class Estimate:
    """The common additive pattern of pictures of one size, float32 for each plane: a weighted mean of residuals.

    A residual's weight is one over its variance around the place: the best mean of a constant in noise that is loud in
    some places of some pictures.
    """

    def __init__(self) -> None:
        self._sums: list[NDArray[np.float32]] = []
        self._weights: list[NDArray[np.float32]] = []

    def add(self, clip: Clip) -> None:
        for planes in clip:
            for index, number_of_cells in enumerate(PLANE_CELLS):
                values = planes[index].astype(np.float32)
                sigma = SMOOTHING_CELLS * min(values.shape) / number_of_cells
                residual = values - ndimage.gaussian_filter(values, sigma)
                weight = 1 / (ndimage.uniform_filter(residual * residual, TEXTURE_PX) + QUIET)
                if len(self._sums) == index:
                    self._sums.append(np.zeros_like(values))
                    self._weights.append(np.zeros_like(values))
                self._sums[index] += weight * residual
                self._weights[index] += weight

    def pattern(self) -> list[NDArray[np.float32]]:
        return [total / weight for total, weight in zip(self._sums, self._weights, strict=True)]


def added(clip: Clip, pattern: Sequence[NDArray[np.float32]], factor: float) -> Clip:
    """The clip with `factor` times the pattern, rounded at random: a tenth of a level is there in a tenth of the
    pictures, where plain rounding would drop it from all.
    """
    rng = np.random.default_rng(0)
    made: Clip = []
    for planes in clip:
        changed = [
            np.clip(np.floor(plane + factor * part + rng.random(part.shape)), 0, 255).astype(np.uint8)
            for plane, part in zip(planes, pattern, strict=False)
        ]
        made.append((*changed, *planes[len(changed) :]))  # type: ignore[arg-type]
    return made


def colluded(copies: list[Clip], how: str) -> Clip:
    """One clip of several copies that differ in their marks."""
    rng = np.random.default_rng(0)
    clip: Clip = []
    for index, pictures in enumerate(zip(*copies, strict=True)):
        if how == "pictures in turn":
            clip.append(pictures[index % len(copies)])
            continue
        planes = []
        for stack in (np.stack(plane) for plane in zip(*pictures, strict=True)):
            if how == "blocks in turn":
                rows, columns = (-(-side // 8) for side in stack.shape[1:])
                chosen = np.kron(rng.integers(0, len(copies), (rows, columns)), np.ones((8, 8), np.int64))
                chosen = chosen[: stack.shape[1], : stack.shape[2]]
                planes.append(np.take_along_axis(stack, chosen[None], axis=0)[0])
            else:
                middle = np.mean(stack, axis=0) if how == "mean" else np.median(stack, axis=0)
                planes.append(np.rint(middle).astype(np.uint8))
        clip.append(tuple(planes))  # type: ignore[arg-type]
    return clip


# ---------------------------------------------------------------- what is said of it


@dataclass(frozen=True)
class Said:
    state: str  # "read", "present", "not found" or "wrong"
    payload: int | None


def asked(clip: Clip, payloads: Iterable[int], key: bytes = KEY) -> Said:
    detector = Detector()
    for index, planes in enumerate(clip):
        detector.update(planes, Fraction(index, RATE))
    found = detector.finish([key])
    if found.state == "marked":
        return Said("read" if found.payload in set(payloads) else "wrong", found.payload)
    return Said("present" if found.state == "present_unreadable" else "not found", None)


def cropped(clip: Clip) -> Clip:
    """0.9 of either side, off centre."""
    height, width = (side * 9 // 20 * 2 for side in clip[0][0].shape)
    top, left = (side // 40 * 2 for side in clip[0][0].shape)
    return [
        (y[top : top + height, left : left + width], *(
            np.ascontiguousarray(plane[top // 2 : (top + height) // 2, left // 2 : (left + width) // 2])
            for plane in (u, v)
        ))
        for y, u, v in clip
    ]  # type: ignore[misc]  # fmt: skip


def true_pose_z(clip: Clip, payload: int, key: bytes = KEY) -> Row:
    """Each layer's correlation with pilot and payload where they were put, in standard deviations."""
    return {f"{name} z": z for name, z in layer_z(response_of(clip), payload, key).items()}


def psnr(one: Clip, other: Clip, plane: int) -> float:
    errors = [np.mean((a[plane].astype(np.float32) - b[plane]) ** 2) for a, b in zip(one, other, strict=True)]
    error = float(np.mean(errors))
    return 10 * np.log10(255**2 / error) if error else float("inf")


def fingerprint(clip: Clip, rate_hz: float) -> ClipFingerprint:
    fingerprinter = Fingerprinter(rate_hz)
    for index, planes in enumerate(clip):
        fingerprinter.update(planes[0], index / RATE)
    return fingerprinter.finish()


class Table:
    """Outcomes of one kind of attack, one number of clips and one factor make a row."""

    def __init__(self, crf: float) -> None:
        self._crf = crf
        self._outcomes: dict[tuple[str, int, float], list[Row]] = {}

    def judge(
        self,
        attack: str,
        clips: int,
        factor: float,
        made: Clip,
        before: Clip,
        payloads: Sequence[int],
        *,
        key: bytes = KEY,
        record: ClipFingerprint | None = None,
    ) -> None:
        """payloads: what may rightly be read, the likeliest first. record: of the clip whose payload it is."""
        shown = published(made, self._crf)
        said = asked(shown, payloads, key)
        after_crop = asked(cropped(shown), payloads, key)
        read = said.payload if said.state == "read" and said.payload is not None else payloads[0]
        outcome: Row = {"said": said.state, "after crop": after_crop.state} | true_pose_z(shown, read, key)
        outcome |= {f"PSNR-{name}, dB": psnr(made, before, index) for index, name in enumerate("YU")}
        if record is not None:
            outcome["agreement"] = agreement(fingerprint(shown, QUERY_RATE_HZ), record).state
        self._outcomes.setdefault((attack, clips, factor), []).append(outcome)
        print(f"\r{attack}, {clips} clips, k = {factor:g}: {said.state}          ", end="", file=sys.stderr)

    def rows(self) -> list[Row]:
        rows = []
        for (attack, clips, factor), outcomes in self._outcomes.items():
            count = {name: [one[name] for one in outcomes].count for name in ("said", "after crop")}
            row: Row = {"attack": attack, "clips": clips, "k": factor, "tried": len(outcomes)}
            row |= {state: count["said"](state) for state in ("read", "present", "not found")}
            row |= {f"{state} after a crop": count["after crop"](state) for state in ("read", "present")}
            row["wrong"] = count["said"]("wrong") + count["after crop"]("wrong")
            row |= {
                name: float(np.mean([one[name] for one in outcomes]))
                for name in outcomes[0]
                if name.endswith((" z", " dB"))
            }
            agreements = [one["agreement"] for one in outcomes if "agreement" in one]
            if agreements:
                row["fingerprint"] = ", ".join(f"{agreements.count(s)} {s}" for s in sorted(set(agreements)))
            rows.append(row)
        return rows


# ---------------------------------------------------------------- the run


@dataclass(frozen=True)
class Victim:
    plain: Clip
    shown: Clip
    shown_of_other_key: Clip
    payload: int
    estimate: list[NDArray[np.float32]]  # from its own frames


def victim_of(clip: Clip, number: int, crf: float) -> Victim:
    payload = payload_of(number)
    shown = published(marked(clip, payload), crf)
    own = Estimate()
    own.add(shown)
    return Victim(
        published(clip, crf), shown, published(marked(clip, payload, OTHER_KEY), crf), payload, own.pattern()
    )


def attack_alone(table: Table, victims: list[Victim], factors: list[float]) -> None:
    for victim, stranger in zip(victims, victims[1:] + victims[:1], strict=True):
        table.judge("none", 0, 0, victim.shown, victim.shown, [victim.payload])
        table.judge("none, unmarked", 0, 0, victim.plain, victim.plain, [victim.payload])
        record = fingerprint(stranger.shown, RECORD_RATE_HZ)
        for factor in factors:
            made = added(victim.shown, victim.estimate, -factor)
            table.judge("own frames", 1, factor, made, victim.shown, [victim.payload])
            made = added(victim.plain, stranger.estimate, factor)
            table.judge("transplant", 1, factor, made, victim.plain, [stranger.payload], record=record)


def attack_with_many(
    table: Table,
    victims: list[Victim],
    others: Iterable[Clip],
    counts: list[int],
    factors: list[float],
    crf: float,
) -> None:
    estimate = Estimate()
    payloads: list[int] = []
    for count, clip in enumerate(others, start=1):
        payloads.append(payload_of(1000 + count))
        estimate.add(published(marked(clip, payloads[-1]), crf))
        if count not in counts:
            continue
        pattern = estimate.pattern()
        for victim in victims:
            for factor in factors:
                made = added(victim.shown, pattern, -factor)
                table.judge("clips of a key", count, factor, made, victim.shown, [victim.payload])
                made = added(victim.plain, pattern, factor)
                table.judge("forged pilot", count, factor, made, victim.plain, list(payloads))
            made = added(victim.shown_of_other_key, pattern, -factors[0])
            table.judge(
                "... other key",
                count,
                factors[0],
                made,
                victim.shown_of_other_key,
                [victim.payload],
                key=OTHER_KEY,
            )
        if count == max(counts):
            break


def collude(table: Table, victims: list[Victim], plain: list[Clip], counts: list[int], crf: float) -> None:
    for victim, clip in zip(victims, plain, strict=True):
        payloads = [victim.payload] + [payload_of(2000 + number) for number in range(1, max(counts))]
        copies = [published(marked(clip, payload), crf) for payload in payloads]
        for count in counts:
            for how in ("mean", "median", "pictures in turn", "blocks in turn"):
                made = colluded(copies[:count], how)
                table.judge(f"collusion: {how}", count, 1, made, victim.shown, payloads[:count])


def draw(rows: list[Row], target: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = [name for name in rows[0] if name.endswith((" z", " dB"))]
    figure, grid = pyplot.subplots(2, 3, figsize=(13, 7.5), layout="constrained")
    panels = grid.ravel()
    unharmed = next(row for row in rows if row["attack"] == "none")
    many = [row for row in rows if row["attack"] in ("clips of a key", "... other key")]
    for attack, factor in dict.fromkeys((row["attack"], row["k"]) for row in many):
        chosen = [row for row in many if (row["attack"], row["k"]) == (attack, factor)]
        style = "--" if attack == "... other key" else "-"
        label = f"another key's, k = {factor:g}" if attack == "... other key" else f"k = {factor:g}"
        for panel, name in zip(panels, names, strict=True):
            panel.plot(
                [row["clips"] for row in chosen],
                [row[name] for row in chosen],
                style,
                marker="o",
                label=label,
            )
    for panel, name in zip(panels, names, strict=True):
        panel.set(xscale="log", xlabel="clips of one key that were averaged", ylabel=name)
        if name.endswith(" z"):
            panel.axhline(unharmed[name], color="grey", linestyle=":", label="no attack")
        panel.legend(fontsize=8)
    figure.savefig(target, dpi=120)


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True, help="a folder of many videos")
    parser.add_argument("--split", help="only clips of this split in the folder's manifest.csv")
    parser.add_argument("--size", default="640x360", help="width x height that all clips are brought to")
    parser.add_argument("--frames", type=int, default=12, help="frames of a clip, twelve a second")
    parser.add_argument("--victims", type=int, default=6, help="clips that are attacked")
    parser.add_argument("--counts", default="1,2,5,10,20,50,100", help="clips of one key that are averaged")
    parser.add_argument("--copies", default="2,3,5,10", help="copies of one clip that collude")
    parser.add_argument(
        "--factors", default="1,2,3", help="k: how much of the estimate is subtracted or added"
    )
    parser.add_argument("--crf", type=float, default=23, help="of every encode, before and after the attack")
    parser.add_argument("--png", type=Path, help="evidence and PSNR over the number of clips")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    counts, copies = ([int(text) for text in given.split(",")] for given in (options.counts, options.copies))
    factors = [float(text) for text in options.factors.split(",")]

    clips = read_clips(paths_of(options.clips, options.split), width, height, options.frames)
    plain = [clip for clip, _ in zip(clips, range(options.victims), strict=False)]
    victims = [victim_of(clip, number, options.crf) for number, clip in enumerate(plain)]
    if len(victims) < 2:
        raise SystemExit("a transplant takes two clips that are long and large enough")
    table = Table(options.crf)
    attack_alone(table, victims, factors)
    attack_with_many(table, victims, clips, counts, factors, options.crf)
    collude(table, victims, plain, copies, options.crf)
    print(file=sys.stderr)
    report(table.rows(), options.json)
    if options.png:
        draw(table.rows(), options.png)


if __name__ == "__main__":
    main()
