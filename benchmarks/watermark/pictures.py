"""The ladder of what survives, and what the mark does to a picture, to look at."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from benchmarks.watermark.clips import Candidate, rgb_of
from benchmarks.watermark.report import FULL_SIDE, LARGE, SMALL, columns_of
from benchmarks.watermark.runner import OWN, method_of
from media import MediaError, Planes
from provenance.watermark import WatermarkError

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

INK, FAINT, TRACK = "#1d2a33", "#7b8a94", "#eceff1"
COLOURS = {LARGE: "#0b7a75", SMALL: "#7cc2bd", "dwtDct": "#d9a441", "dwtDctSvd": "#b5651d"}
TITLES = {SMALL: f"< {FULL_SIDE} px"}
WIDTHS = {LARGE: 2.2, SMALL: 1.3, "dwtDct": 0.9, "dwtDctSvd": 0.9}
GAP = 0.25
AMPLIFIED = 20


def ladder(found: dict[str, Any], said: str, target: Path) -> None:
    """One row an attack, by family; a lane a method, filled to the share that was read exactly; a line where the target
    stands."""
    lines = _lines(found["attacks"])
    middle = _middle(lines)
    halves = [half for half in (lines[:middle], lines[middle:]) if half]
    height = 1.15 + 0.215 * max(len(half) for half in halves)
    figure, axes = plt.subplots(1, len(halves), figsize=(7.6 * len(halves), height), squeeze=False)
    columns = columns_of(found)
    for axis, half in zip(axes[0], halves, strict=True):
        _draw_half(axis, half, columns, max(len(one) for one in halves))
    title = "Share of clips whose payload is read exactly"
    figure.text(0.012, 1 - 0.32 / height, title, size=14, weight="bold", color=INK)
    lines_said = textwrap.fill(said, 105 * len(halves))
    figure.text(0.012, 1 - 0.42 / height, lines_said, size=9, color=FAINT, va="top")
    figure.subplots_adjust(left=0.012, right=0.99, top=1 - 0.8 / height, bottom=0.01, wspace=0.05)
    figure.savefig(target, dpi=130, facecolor="white")
    plt.close(figure)


def _lines(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any] | str]:
    """The rows with their family's name before the first of each."""
    lines: list[dict[str, Any] | str] = []
    for family in dict.fromkeys(row["family"] for row in rows):
        lines += [family, *(row for row in rows if row["family"] == family)]
    return lines


def _middle(lines: Sequence[dict[str, Any] | str]) -> int:
    """Where a second column begins: at the family that halves the list best; short lists stay whole."""
    if len(lines) < 24:
        return len(lines)
    starts = [index for index, line in enumerate(lines) if isinstance(line, str) and index]
    return min(starts, key=lambda index: abs(index - len(lines) / 2), default=len(lines))


def _draw_half(
    axis: Axes, lines: Sequence[dict[str, Any] | str], columns: Sequence[str], height: int
) -> None:
    label_width = 3.4
    starts, right = {}, label_width
    for column in columns:
        starts[column] = right
        right += WIDTHS[column] + GAP
    axis.set_xlim(0, right)
    axis.set_ylim(height - 0.3, -1.2)
    axis.axis("off")
    for column, start in starts.items():
        axis.text(
            start,
            -0.75,
            TITLES.get(column, column),
            color=COLOURS[column],
            size=8.5,
            weight="bold",
            va="center",
        )
    for place, line in enumerate(lines):
        if isinstance(line, str):
            axis.text(0, place, line, color=INK, size=9.5, weight="bold", va="center")
            continue
        axis.text(label_width - 0.12, place, line["name"], color=INK, size=8, va="center", ha="right")
        for column, start in starts.items():
            _draw_lane(axis, start, place, column, line["exact"].get(column), line["target"])


def _draw_lane(
    axis: Axes, start: float, place: int, column: str, counts: list[int] | None, target: float | None
) -> None:
    if counts is None:
        return
    width, share = WIDTHS[column], counts[0] / counts[1]
    axis.barh(place, width, left=start, height=0.66, color=TRACK)
    axis.barh(place, width * share, left=start, height=0.66, color=COLOURS[column])
    if column == LARGE:
        if target is not None:
            x = start + width * target
            axis.plot([x, x], [place - 0.42, place + 0.42], color=INK, linewidth=1.4, solid_capstyle="butt")
        if share < 1:
            inside = share > 0.3
            axis.text(
                start + width * share + (-0.05 if inside else 0.05), place, f"{counts[0]}/{counts[1]}", size=6.5,
                color="white" if inside else INK, va="center", ha="right" if inside else "left",
            )  # fmt: skip


# ---------------------------------------------------------------- what is seen


def differences(candidates: Sequence[Candidate], strength: float, target: Path, count: int = 4) -> None:
    """Source, marked, and their difference times twenty about grey, of a picture of the first few clips that carry a
    mark."""
    shown: list[tuple[str, NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]] = []
    for candidate in candidates:
        if len(shown) == count:
            break
        try:
            clip = candidate.load(0.5)
            marked = method_of(OWN, candidate.name, strength).mark(clip).clip
        except (MediaError, ValueError, WatermarkError):
            continue
        index = len(clip.pictures) // 2
        source, with_mark = clip.pictures[index], marked.pictures[index]
        shown.append(
            (candidate.name, rgb_of(source), rgb_of(with_mark), rgb_of(_amplified(source, with_mark)))
        )
    if not shown:
        return
    height = sum(4.6 * one[1].shape[0] / one[1].shape[1] for one in shown) + 0.35 * len(shown)
    ratios = [one[1].shape[0] / one[1].shape[1] for one in shown]
    figure, axes = plt.subplots(
        len(shown), 3, figsize=(13.8, height), squeeze=False, gridspec_kw={"height_ratios": ratios}
    )
    for row, (name, *pictures) in zip(axes, shown, strict=True):
        for axis, picture, title in zip(
            row, pictures, (name, "marked", f"difference × {AMPLIFIED}"), strict=True
        ):
            axis.imshow(picture, interpolation="none" if picture.shape[1] < 600 else "antialiased")
            axis.set_title(title, size=9, color=INK, loc="left", pad=3)
            axis.axis("off")
    figure.tight_layout(pad=0.4)
    figure.savefig(target, dpi=130, facecolor="white")
    plt.close(figure)


def _amplified(source: Planes, marked: Planes) -> Planes:
    """Signed, about grey, luma and chroma."""

    def amplified(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.uint8]:
        signed = 128 + AMPLIFIED * (b.astype(np.int16) - a)
        return np.asarray(np.clip(signed, 0, 255), dtype=np.uint8)

    y, u, v = (amplified(a, b) for a, b in zip(source, marked, strict=True))
    return y, u, v
