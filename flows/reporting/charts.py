"""Inline SVG of the page: shares, a clip's timeline, histogram and reliability diagram of p_ai.

Colours come from the page's style by class, as a content security policy forbids inline style; no shape tells a
verdict by colour alone. Every figure has its numbers in its label, for those who do not see it.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from markupsafe import Markup, escape

from flows.reporting.wording import VERDICT_NAMES

BINS: Final = 20
_WIDTH, _HEIGHT = 500, 270  # of a figure, and of the field inside its axes:
_LEFT, _TOP, _RIGHT, _BOTTOM = 56, 34, 488, 222
_BAR_WIDTH, _BAR_HEIGHT, _GAP = 240, 34, 1.5
_STACK: Final = ("likely_camera", "inconclusive", "likely_ai")


def share_bar(counts: Sequence[tuple[str, int]]) -> Markup:
    """A bar of one piece a count, in order; (class, count) each."""
    total = sum(count for _, count in counts) or 1
    left, pieces = 0.0, []
    for name, count in counts:
        width = 100 * count / total
        if count:
            pieces.append(
                Markup('<rect class="{}" x="{:.3f}" width="{:.3f}" height="10"/>').format(name, left, width)
            )
        left += width
    open_ = Markup('<svg class="share" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">')
    return open_ + Markup("").join(pieces) + Markup("</svg>")


def timeline(segments: Sequence[Mapping[str, Any]]) -> Markup:
    """Bars along the clip, as high as the probability of AI; a segment with a fault is a hatched half bar.

    Neighbours overlap by half: each bar ends where the next one starts.
    """
    end = max(one["end_s"] for one in segments)
    scale = _BAR_WIDTH / end if end > 0 else 0.0
    edges = [*(one["start_s"] for one in segments), end]
    bars = []
    for segment, (left, right) in zip(segments, pairwise(edges), strict=True):
        x, width = left * scale, max((right - left) * scale - _GAP, 1)
        faulty = bool(segment.get("note")) or segment.get("p_ai") is None
        height = max(_BAR_HEIGHT * (0.5 if faulty else segment["p_ai"]), 2)
        bars.append(
            Markup(
                '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>'
            ).format(
                "fault" if faulty else segment["verdict"],
                x,
                _BAR_HEIGHT - height,
                width,
                height,
                segment_words(segment),
            )
        )
    peak = max((one["p_ai"] for one in segments if one.get("p_ai") is not None), default=0.5)
    label = f"{len(segments)} segments over {end:.1f} seconds, highest probability of AI {peak:.2f}"
    head = Markup(
        '<svg class="timeline" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">'
    ).format(_BAR_WIDTH, _BAR_HEIGHT, label)
    middle = Markup('<path class="middle" d="M0 {}H{}"/></svg>').format(_BAR_HEIGHT / 2, _BAR_WIDTH)
    return head + Markup("").join(bars) + middle


def segment_words(segment: Mapping[str, Any]) -> str:
    """A segment in words: its seconds, probability and verdict, or its fault."""
    seconds = f"{segment['start_s']:.1f}–{segment['end_s']:.1f} s"
    if segment.get("note") or segment.get("p_ai") is None:
        return f"{seconds}: {segment.get('note') or 'not scored'}"
    return f"{seconds}: {segment['p_ai']:.2f}, {VERDICT_NAMES.get(segment['verdict'], segment['verdict'])}"


def histogram(scored: Sequence[tuple[float, str]]) -> Markup:
    """Clips by p_ai, (p_ai, verdict) each, in bins of 0.05; the verdicts stacked."""
    counts = {name: [0] * BINS for name in _STACK}
    for p_ai, verdict in scored:
        counts[verdict][min(int(p_ai * BINS), BINS - 1)] += 1
    totals = [sum(counts[name][i] for name in _STACK) for i in range(BINS)]
    top = _round_up(max(totals))
    step = (_RIGHT - _LEFT) / BINS
    shapes = []
    for i in range(BINS):
        base = float(_BOTTOM)
        words = ", ".join(f"{counts[n][i]} {VERDICT_NAMES[n]}" for n in reversed(_STACK) if counts[n][i])
        for name in _STACK:
            height = (_BOTTOM - _TOP) * counts[name][i] / top
            base -= height
            if height:
                shapes.append(
                    f'<rect class="{name}" x="{_LEFT + i * step + 1:.1f}" y="{base:.1f}" width="{step - 2:.1f}" '
                    f'height="{height:.1f}"><title>p_ai {i / BINS:.2f}–{(i + 1) / BINS:.2f}: {words}</title></rect>'
                )
    label = "Histogram of the probability of AI: " + "; ".join(
        f"{i / BINS:.2f} to {(i + 1) / BINS:.2f}: {total}" for i, total in enumerate(totals) if total
    )
    ticks = sorted({0, top // 2, top}) if top > 1 else [0, 1]
    return _figure(label, shapes, [(t / top, f"{t:,}") for t in ticks], "probability of AI (p_ai)", "clips")


def reliability(points: Sequence[Mapping[str, float]]) -> Markup:
    """What p_ai promised against what was so, on clips the head was not fitted on.

    Each point has `p` (mean p_ai of a bin), `rate` (share of AI in it) and `weight` (how much material it stands
    for, which its area shows).
    """
    heaviest = max(point["weight"] for point in points) or 1
    shapes = [f'<path class="ideal" d="M{_LEFT} {_BOTTOM}L{_RIGHT} {_TOP}"/>']
    placed = [
        (_LEFT + (_RIGHT - _LEFT) * one["p"], _BOTTOM - (_BOTTOM - _TOP) * one["rate"], one)
        for one in sorted(points, key=lambda one: one["p"])
    ]
    shapes.append('<path class="curve" d="M' + "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in placed) + '"/>')
    for x, y, one in placed:
        radius = 3 + 7 * (one["weight"] / heaviest) ** 0.5
        shapes.append(
            f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"><title>p_ai {one["p"]:.2f} on average: '
            f"{one['rate']:.0%} were AI (weight {one['weight']:g})</title></circle>"
        )
    label = "Reliability diagram: " + "; ".join(
        f"promised {o['p']:.2f}, was {o['rate']:.2f}" for *_, o in placed
    )
    shares = [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")]
    return _figure(label, shapes, shares, "probability of AI (p_ai)", "share that was AI")


def _figure(
    label: str, shapes: Sequence[str], y_ticks: Sequence[tuple[float, str]], x_name: str, y_name: str
) -> Markup:
    """The shapes, which are ours throughout, in axes; x runs from 0 to 1."""
    axes = []
    for share, text in y_ticks:
        y = _BOTTOM - (_BOTTOM - _TOP) * share
        axes.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_RIGHT}"/>')
        axes.append(
            f'<text class="tick" text-anchor="end" x="{_LEFT - 6}" y="{y + 4:.1f}">{escape(text)}</text>'
        )
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = _LEFT + (_RIGHT - _LEFT) * share
        axes.append(
            f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{_BOTTOM + 18}">{share:g}</text>'
        )
    middle = (_LEFT + _RIGHT) / 2
    axes.append(
        f'<text class="name" text-anchor="middle" x="{middle}" y="{_BOTTOM + 40}">{escape(x_name)}</text>'
    )
    axes.append(f'<text class="name" x="0" y="14">{escape(y_name)}</text>')
    head = Markup('<svg class="figure" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        _WIDTH, _HEIGHT, label
    )
    drawn = Markup("".join([*axes, *shapes]))  # noqa: S704 - numbers and our own words
    return head + drawn + Markup("</svg>")


def _round_up(count: int) -> int:
    """The next 1, 2 or 5 times a power of ten: the top of an axis."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if factor * size >= count:
                return factor * size
        size *= 10
