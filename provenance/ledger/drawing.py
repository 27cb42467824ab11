"""A lineage as an SVG for people who would rather look: light and dark, no script, nothing to load."""

import base64
import struct
import unicodedata
import zlib
from collections.abc import Iterator
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from provenance.ledger.layout import Box, Layout, Wire, layout
from provenance.ledger.lineage import Lineage, Node
from provenance.ledger.records import clip_id_hex
from provenance.manifest import display_text

_HEADER: Final = 62.0
_FOOTER: Final = 40.0
_THUMBNAIL: Final = 36.0
_CHARACTERS: Final = 19  # that fit into a box; wide ones count twice
_NAMES: Final = {"mark_and_encode": "finish", "frames": "raw frames", "asset": "file"}

# (light, dark) of each part; written out, because not every viewer of SVG knows CSS variables.
_COLOURS: Final = {
    ".page{fill:%s}": ("#ffffff", "#12171e"),
    ".type,.note{fill:%s}": ("#5d6b7c", "#a3b0c0"),
    ".label,.head{fill:%s}": ("#1b2430", "#eef2f7"),
    ".wire{stroke:%s}": ("#9aa7b6", "#66758a"),
    ".tip{fill:%s}": ("#9aa7b6", "#66758a"),
    ".entity{fill:%s}": ("#fff8dc", "#3a3417"),
    ".entity{stroke:%s}": ("#c7a73c", "#b99a35"),
    ".activity{fill:%s}": ("#e6eeff", "#1d2c4d"),
    ".activity{stroke:%s}": ("#5f86d9", "#6a92ea"),
    ".agent{fill:%s}": ("#ffe9d6", "#43301f"),
    ".agent{stroke:%s}": ("#d98a4a", "#d9904f"),
    ".main{fill:%s}": ("#d8f3e3", "#173d2b"),
    ".main{stroke:%s}": ("#2f9e66", "#3fb57b"),
}
_STYLE: Final = (
    'svg{font-family:ui-sans-serif,system-ui,"Segoe UI",Helvetica,Arial,"Noto Sans CJK SC",sans-serif}'
    ".type{font-size:10px}.label{font-size:12px}.head{font-size:16px;font-weight:600}.note{font-size:11px}"
    ".wire{fill:none;stroke-width:1.3px}.derived{stroke-dasharray:5 4}.box{stroke-width:1.3px}"
    + "".join(rule % light for rule, (light, _) in _COLOURS.items())
    + "@media (prefers-color-scheme:dark){"
    + "".join(rule % dark for rule, (_, dark) in _COLOURS.items())
    + "}"
)


def draw(lineage: Lineage) -> str:
    """The SVG document. Every text in it is escaped, and cut to fit; the full one is the element's title."""
    placed = layout(lineage)
    width = max(placed.width, 640.0)
    height = placed.height + _HEADER + _FOOTER
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    name = clip_id_hex(lineage.clip_id)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title">',
        f'<title id="title">Lineage of clip {name}</title>',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>',
        f'<rect class="page" width="{width:.0f}" height="{height:.0f}"/>',
        *_header(lineage, name),
        f'<g transform="translate(0 {_HEADER:.0f})">',
        *(_wire(wire, lineage) for wire in placed.wires),
        *_nodes(lineage, placed, f"clip.{name}"),
        "</g>",
        *_legend(height - 16, truncated=lineage.truncated),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _header(lineage: Lineage, name: str) -> Iterator[str]:
    left = 24.0
    for picture in lineage.thumbnails:
        place = f'x="{left:.0f}" y="16" width="{_THUMBNAIL:.0f}" height="{_THUMBNAIL:.0f}"'
        yield f'<image {place} href="data:image/png;base64,{base64.b64encode(_png(picture)).decode()}"/>'
        left += _THUMBNAIL + 4
    left += 8 if len(lineage.thumbnails) else 0
    yield f'<text class="head" x="{left:.0f}" y="33">clip {name}</text>'
    recorded = next((node.at for node in lineage.nodes if node.id == f"clip.{name}"), None)
    when = f"recorded {recorded:%Y-%m-%d %H:%M} UTC" if recorded else ""
    yield f'<text class="note" x="{left:.0f}" y="50">{when}</text>'


def _legend(level: float, *, truncated: bool) -> Iterator[str]:
    left = 24.0
    for kind, text in (("entity", "thing"), ("activity", "step"), ("agent", "who or what did it")):
        yield _shape(kind, Box(left, level - 11, 22, 14), kind)
        yield f'<text class="note" x="{left + 28:.0f}" y="{level:.0f}">{text}</text>'
        left += 48 + 6.2 * len(text)
    more = " More clips are related than are drawn." if truncated else ""
    note = f"Time runs to the right; dashed: derived from.{more}"
    yield f'<text class="note" x="{left:.0f}" y="{level:.0f}">{note}</text>'


def _nodes(lineage: Lineage, placed: Layout, main: str) -> Iterator[str]:
    for node in lineage.nodes:
        box = placed.boxes[node.id]
        said = [f"{node.kind}: {node.type}", node.label]
        said += [f"{name}: {value}" for name, value in node.attributes.items()]
        said += [f"at: {node.at:%Y-%m-%d %H:%M:%S} UTC"] if node.at else []
        title = "\n".join(display_text(line) for line in said)
        inset = box.left + (20 if node.kind == "entity" else 12)
        kind = _NAMES.get(node.type, node.type)
        yield f"<g><title>{escape(title)}</title>"
        yield _shape(node.kind, box, f"{node.kind} main" if node.id == main else node.kind)
        yield f'<text class="type" x="{inset:.1f}" y="{box.top + 18:.1f}">{escape(kind)}</text>'
        label = escape(_short(_said(node)))
        yield f'<text class="label" x="{inset:.1f}" y="{box.top + 34:.1f}">{label}</text></g>'


def _said(node: Node) -> str:
    if node.type == "manifest":  # the last part of a urn tells two manifests apart
        return node.label.rpartition(":")[2]
    if node.type == "model":
        return node.label.rpartition("/")[2]
    return node.label


def _shape(kind: str, box: Box, classes: str) -> str:
    left, top, width, height = box.left, box.top, box.width, box.height
    if kind == "agent":  # PROV's house, lying on its side so that text fits
        cut = min(12.0, height / 3)
        right, bottom = left + width, top + height
        points = (
            f"{left:.1f},{top:.1f} {right - cut:.1f},{top:.1f} {right:.1f},{top + height / 2:.1f} "
            f"{right - cut:.1f},{bottom:.1f} {left:.1f},{bottom:.1f}"
        )
        return f'<polygon class="box {classes}" points="{points}"/>'
    radius = height / 2 if kind == "entity" else 3.0
    place = f'x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius:.1f}"'
    return f'<rect class="box {classes}" {place}/>'


def _wire(wire: Wire, lineage: Lineage) -> str:
    (x, y), *rest = wire.points
    path = [f"M{x:.1f} {y:.1f}"]
    for px, py in rest:
        half = (px - x) / 2
        path.append(f"C{x + half:.1f} {y:.1f} {px - half:.1f} {py:.1f} {px:.1f} {py:.1f}")
        x, y = px, py
    role = f" ({wire.relation.role})" if wire.relation.role else ""
    title = escape(display_text(f"{wire.relation.source} {wire.relation.kind} {wire.relation.target}{role}"))
    derived = " derived" if wire.relation.kind == "wasDerivedFrom" else ""
    return f'<path class="wire{derived}" d="{" ".join(path)}" marker-end="url(#tip)"><title>{title}</title></path>'


def _short(text: str) -> str:
    """Text cut to the width of a box."""
    kept, room = "", _CHARACTERS
    text = display_text(text)
    for character in text:
        room -= 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if room < 0:
            return kept[:-1].rstrip() + "…"
        kept += character
    return kept


def _png(luma: NDArray[np.uint8]) -> bytes:
    """A grey picture uint8 [H,W] as PNG (ISO/IEC 15948): signature, header, one compressed block, end."""
    height, width = luma.shape
    rows = b"".join(b"\0" + row.tobytes() for row in luma)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    compressed = zlib.compress(rows, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", compressed) + chunk(b"IEND", b"")
