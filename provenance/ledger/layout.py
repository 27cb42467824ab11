"""Where the nodes of a lineage stand on a page: layers from left to right, as time goes.

After K. Sugiyama, S. Tagawa and M. Toda (1981): layers by longest path, a place kept free in every layer that
an edge passes, and few crossings by the median of neighbours. Edges bend between layers only, so none can
cross a box.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from provenance.ledger.lineage import Lineage, Relation

BOX_WIDTH: Final = 152.0
BOX_HEIGHT: Final = 46.0
_GAP: Final = 46.0  # between layers: here the edges bend
_SPACE: Final = 14.0  # between boxes
_LANE: Final = 10.0  # an edge that passes a layer
_MARGIN: Final = 24.0
_SWEEPS: Final = 12
# What a person who looks need not see twice: the signature says whose the file is.
_UNDRAWN: Final = frozenset({"wasAttributedTo"})


@dataclass(frozen=True, slots=True)
class Box:
    """Where a node stands."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Wire:
    """An edge from the earlier node to the later: it passes these points and is level at each of them."""

    relation: Relation
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    width: float
    height: float
    boxes: Mapping[str, Box]
    wires: tuple[Wire, ...]


def layout(lineage: Lineage) -> Layout:
    """Places for all nodes of a lineage."""
    drawn = [r for r in lineage.relations if r.kind not in _UNDRAWN and r.source != r.target]
    ends = list(dict.fromkeys(_flow(r) for r in drawn))
    rank = _ranks([node.id for node in lineage.nodes], ends)
    layers: list[list[str]] = [[] for _ in range(1 + max(rank.values(), default=0))]
    for name, layer in rank.items():
        layers[layer].append(name)
    paths = {}
    for earlier, later in ends:
        steps = [earlier]
        for layer in range(rank[earlier] + 1, rank[later]):
            steps.append(f"{earlier}\0{later}\0{layer}")
            layers[layer].append(steps[-1])
        paths[earlier, later] = [*steps, later]
    neighbours = _neighbours(paths.values())
    _order(layers, neighbours)
    tops = _heights(layers, neighbours)
    shift = _MARGIN - min(tops.values(), default=0.0)
    boxes: dict[str, Box] = {}
    for number, layer_names in enumerate(layers):
        left = _MARGIN + number * (BOX_WIDTH + _GAP)
        for name in layer_names:
            boxes[name] = Box(left, tops[name] + shift, BOX_WIDTH, _height(name))
    wires = tuple(
        Wire(relation, tuple(_points([boxes[n] for n in paths[_flow(relation)]]))) for relation in drawn
    )
    height = max((box.top + box.height for box in boxes.values()), default=0.0) + _MARGIN
    width = 2 * _MARGIN + len(layers) * (BOX_WIDTH + _GAP) - _GAP
    return Layout(width, height, {n: box for n, box in boxes.items() if "\0" not in n}, wires)


def _flow(relation: Relation) -> tuple[str, str]:
    """(earlier, later); the clip itself stands after the file that it is delivered as."""
    if relation.kind == "specializationOf":
        return relation.source, relation.target
    return relation.target, relation.source


def _ranks(names: list[str], ends: list[tuple[str, str]]) -> dict[str, int]:
    """Layers by longest path; what only points onward stands right before what it points to."""
    before: dict[str, set[str]] = {name: set() for name in names}
    after: dict[str, set[str]] = {name: set() for name in names}
    for earlier, later in ends:
        before[later].add(earlier)
        after[earlier].add(later)
    rank: dict[str, int] = {}
    waiting = list(names)
    while waiting:
        ready = [name for name in waiting if before[name] <= rank.keys()]
        ready = ready or waiting[:1]  # a circle, which a sound ledger has not: broken where it is met
        for name in ready:
            rank[name] = 1 + max((rank[one] for one in before[name] if one in rank), default=-1)
        waiting = [name for name in waiting if name not in rank]
    for earlier, later in ends:  # in a circle an edge may point back: it is not followed
        if rank[later] <= rank[earlier]:
            rank[later] = rank[earlier] + 1
    for name in names:
        if not before[name] and after[name]:
            rank[name] = max(0, min(rank[one] for one in after[name]) - 1)
    return {name: rank[name] - min(rank.values()) for name in names}


def _neighbours(paths: Iterable[list[str]]) -> dict[str, tuple[list[str], list[str]]]:
    found: dict[str, tuple[list[str], list[str]]] = {}
    for path in paths:
        for earlier, later in pairwise(path):
            found.setdefault(earlier, ([], []))[1].append(later)
            found.setdefault(later, ([], []))[0].append(earlier)
    return found


def _order(layers: list[list[str]], neighbours: Mapping[str, tuple[list[str], list[str]]]) -> None:
    """Sorts each layer by the mean place of its neighbours, forth and back."""
    place = {name: float(i) for layer in layers for i, name in enumerate(layer)}
    for sweep in range(_SWEEPS):
        side = sweep % 2
        for layer in layers if side == 0 else layers[::-1]:
            wanted = {}
            for name in layer:
                near = neighbours.get(name, ([], []))[side]
                wanted[name] = sum(place[n] for n in near) / len(near) if near else place[name]
            layer.sort(key=lambda name: (wanted[name], place[name]))
            for i, name in enumerate(layer):
                place[name] = float(i)


def _heights(
    layers: list[list[str]], neighbours: Mapping[str, tuple[list[str], list[str]]]
) -> dict[str, float]:
    """Tops: each node as near to the level of its neighbours as those above and below it allow."""
    middle: dict[str, float] = {}
    for layer in layers:
        _settle(layer, [float(i) * BOX_HEIGHT for i in range(len(layer))], middle)
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            wanted = []
            for name in layer:
                back, on = neighbours.get(name, ([], []))
                # Lanes count more: a long edge should be straight.
                near = [(middle[n], 4.0 if "\0" in n else 1.0) for n in (*back, *on)]
                weight = sum(w for _, w in near)
                wanted.append(sum(m * w for m, w in near) / weight if near else middle[name])
            _settle(layer, wanted, middle)
    return {name: middle[name] - _height(name) / 2 for name in middle}


def _settle(layer: list[str], wanted: list[float], middle: dict[str, float]) -> None:
    """Middles nearest to those wanted, in order and without touching (pool adjacent violators)."""
    offsets, total = [], 0.0
    for i, name in enumerate(layer):
        total += _height(name) / 2 if i else 0.0
        offsets.append(total)
        total += _height(name) / 2 + _SPACE
    blocks: list[tuple[float, int]] = []  # mean of (wanted - offset), how many
    for want, offset in zip(wanted, offsets, strict=True):
        mean, count = want - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, more = blocks.pop()
            mean, count = (mean * count + other * more) / (count + more), count + more
        blocks.append((mean, count))
    starts = [mean for mean, count in blocks for _ in range(count)]
    for name, start, offset in zip(layer, starts, offsets, strict=True):
        middle[name] = start + offset


def _height(name: str) -> float:
    return _LANE if "\0" in name else BOX_HEIGHT


def _points(boxes: list[Box]) -> Iterable[tuple[float, float]]:
    """From the right side of the first to the left side of the last, straight through the lanes between."""
    for i, box in enumerate(boxes):
        level = box.top + box.height / 2
        if i > 0:
            yield box.left, level
        if i < len(boxes) - 1:
            yield box.left + box.width, level
