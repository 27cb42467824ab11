"""A lineage in the forms that other software reads: W3C PROV-JSON, OpenLineage events, Graphviz DOT.

Deterministic: the same ledger gives the same bytes. Ids are those of `provenance.ledger.lineage`.
"""

import datetime as dt
import json
import uuid
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any, Final, Literal

from provenance.ledger.lineage import Lineage, Node, NodeKind, RelationKind
from provenance.ledger.records import clip_id_hex
from provenance.manifest import display_text

Format = Literal["prov", "openlineage", "dot"]

# A name-space without a host: nothing of ours can be fetched, and no address can lapse.
_NAMESPACE: Final = "urn:clipproof:"
_RUN_IDS: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:clipproof:openlineage")
_EVENT_SCHEMA: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"

# PROV-JSON's names for the two ends of a relation (submission of 2013-04-24, section 3).
_ENDS: Final[Mapping[RelationKind, tuple[str, str]]] = {
    "used": ("prov:activity", "prov:entity"),
    "wasGeneratedBy": ("prov:entity", "prov:activity"),
    "wasAssociatedWith": ("prov:activity", "prov:agent"),
    "wasAttributedTo": ("prov:entity", "prov:agent"),
    "wasDerivedFrom": ("prov:generatedEntity", "prov:usedEntity"),
    "wasInformedBy": ("prov:informed", "prov:informant"),
    "specializationOf": ("prov:specificEntity", "prov:generalEntity"),
}
_ROLES: Final = frozenset({"used", "wasGeneratedBy", "wasAssociatedWith"})  # those that may have prov:role
_AGENT_TYPES: Final = {"reviewer": "prov:Person", "person": "prov:Person", "signer": "prov:Organization"}
_SHAPES: Final[Mapping[NodeKind, str]] = {
    "entity": 'shape=ellipse, fillcolor="#fffcd6"',
    "activity": 'shape=box, fillcolor="#dfe6ff"',
    "agent": 'shape=house, fillcolor="#ffe3c2"',
}


def export(lineage: Lineage, to: Format, *, compact: bool = False) -> Iterator[str]:
    """One lineage as texts without line ends: one JSON document (`compact`: on one line), events, or one graph."""
    if to == "prov":
        indent = None if compact else 1
        yield json.dumps(prov_json(lineage), ensure_ascii=False, indent=indent, sort_keys=True)
    elif to == "openlineage":
        for event in openlineage_events(lineage):
            yield json.dumps(event, ensure_ascii=False, sort_keys=True)
    else:
        yield dot(lineage)


def prov_json(lineage: Lineage) -> dict[str, Any]:
    """The PROV-JSON document of a lineage."""
    document: dict[str, Any] = {
        "prefix": {"clipproof": _NAMESPACE},
        "entity": {},
        "activity": {},
        "agent": {},
    }
    for node in lineage.nodes:
        said: dict[str, Any] = {"prov:label": node.label}
        said |= {f"clipproof:{name}": value for name, value in node.attributes.items()}
        types = [f"clipproof:{node.type}"]
        if node.kind == "agent":
            types.append(_AGENT_TYPES.get(node.type, "prov:SoftwareAgent"))
        if node.type == "campaign":
            types.append("prov:Plan")
        said["prov:type"] = [{"$": name, "type": "prov:QUALIFIED_NAME"} for name in types]
        if node.kind == "activity" and node.at is not None:
            said["prov:endTime"] = _time(node.at)
        document[node.kind][f"clipproof:{node.id}"] = said
    for number, relation in enumerate(lineage.relations):
        later, earlier = _ENDS[relation.kind]
        said = {later: f"clipproof:{relation.source}", earlier: f"clipproof:{relation.target}"}
        if relation.role:
            said["prov:role" if relation.kind in _ROLES else "clipproof:role"] = relation.role
        document.setdefault(relation.kind, {})[f"_:r{number}"] = said
    return {name: part for name, part in document.items() if part}


def openlineage_events(lineage: Lineage) -> list[dict[str, Any]]:
    """One COMPLETE run event for each activity, in order of time; run ids follow from the activities' ids."""
    producer = f"{_NAMESPACE}{version('clipproof')}"
    nodes = {node.id: node for node in lineage.nodes}

    def datasets(kind: RelationKind, of: str) -> list[dict[str, Any]]:
        ends = (
            (r.target, r.source) if kind == "used" else (r.source, r.target)
            for r in lineage.relations
            if r.kind == kind
        )
        return [
            {"namespace": "clipproof", "name": name, "facets": _facet(producer, nodes[name])}
            for name, activity in sorted(ends)
            if activity == of
        ]

    def agents(of: str) -> list[str]:
        named = (r for r in lineage.relations if r.kind == "wasAssociatedWith" and r.source == of)
        return sorted(nodes[r.target].label for r in named)

    ordered = sorted(lineage.activities, key=lambda one: one.at or dt.datetime.min.replace(tzinfo=dt.UTC))
    return [
        {
            "eventType": "COMPLETE",
            "eventTime": _time(one.at or dt.datetime.fromtimestamp(0, dt.UTC)),
            "run": {
                "runId": str(uuid.uuid5(_RUN_IDS, one.id)),
                "facets": _facet(producer, one, agents=agents(one.id)),
            },
            "job": {"namespace": "clipproof", "name": one.type},
            "inputs": datasets("used", one.id),
            "outputs": datasets("wasGeneratedBy", one.id),
            "producer": producer,
            "schemaURL": _EVENT_SCHEMA,
        }
        for one in ordered
    ]


def dot(lineage: Lineage) -> str:
    """The graph for Graphviz; edges point to what came earlier, as in PROV."""
    lines = [f"digraph {_quoted(clip_id_hex(lineage.clip_id))} {{"]
    lines.append('  rankdir=RL; node [style=filled, fontname="Helvetica", fontsize=11];')
    lines.append('  edge [fontname="Helvetica", fontsize=9, color="#666666"];')
    for node in lineage.nodes:
        label = _quoted(f"{node.type}\n{display_text(node.label, 40)}")
        lines.append(f"  {_quoted(node.id)} [label={label}, {_SHAPES[node.kind]}];")
    for relation in lineage.relations:
        ends = f"{_quoted(relation.source)} -> {_quoted(relation.target)}"
        lines.append(f"  {ends} [label={_quoted(relation.kind)}];")
    return "\n".join([*lines, "}"])


def _facet(producer: str, node: Node, **more: object) -> dict[str, Any]:
    schema = f"{_NAMESPACE}facet:1"
    own = {"type": node.type, "label": node.label, "attributes": dict(node.attributes)}
    return {"clipproof": {"_producer": producer, "_schemaURL": schema} | own | more}


def _time(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
