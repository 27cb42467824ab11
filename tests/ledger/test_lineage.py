"""Where a clip comes from, as a graph: complete, bounded, the same in every form, and fit to look at."""

import dataclasses
import datetime as dt
import hashlib
import itertools
import json
import uuid
import warnings
from xml.etree import ElementTree

import numpy as np
import prov.model
import pydot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openlineage.client import event_v2
from openlineage.client.serde import Serde

from media.digest import StreamDigest
from provenance.fingerprint import ClipFingerprint
from provenance.ledger import (
    Asset,
    ClipRecord,
    Edge,
    Generation,
    Label,
    Ledger,
    Lineage,
    Manifest,
    Mark,
    Node,
    Relation,
)
from provenance.ledger.drawing import draw
from provenance.ledger.exports import dot, export, openlineage_events, prov_json
from provenance.ledger.layout import Layout, layout
from provenance.manifest import Credit

HOSTILE = "</text><script>alert(1)</script>\"'&<img src=x onerror=alert(1)>\u202e\x1b[31m"
SECRET = "the text of the prompt"


def digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def record(ledger: Ledger, key: str, campaign: str | None = None, signer: str = "Example News") -> ClipRecord:
    """A produced clip's record, as `produce` leaves it."""
    run = ledger.reserve_run(key, {"key": key}, campaign=campaign, variant="a" if campaign else None)
    return ClipRecord(
        run_key=key,
        asset=Asset(digest(f"{key} file"), 1000, "video/mp4"),
        source="ai",
        streams=StreamDigest({"video/0/packets": digest(f"{key} packets")}),
        generation=Generation(
            "small",
            2**64 - 1,
            {"steps": 30, "frames_sha256": "ab" * 32},
            "clipproof",
            "0.1.0",
            digest("weights"),
        ),
        marks=(
            Mark("clipproof-1", run.clip_id, {"strength": 1.0, "crf": 18.0, "software_version": "0.1.0"}),
        ),
        manifest=Manifest(f"urn:c2pa:{key}", signer, b"\x00jumb" * 100, "ab12"),
        fingerprint=ClipFingerprint(
            times=np.arange(3) / 2,
            hashes=np.zeros((3, 32), np.uint8),
            qualities=np.full(3, 100),
            thumbnails=np.full((3, 64, 64), 90, np.uint8),
        ),
        audit={"verdict": "likely_ai", "p_ai": 0.97, "segments": [], "head_id": "temporal-v1"},
        labels=(Label("aigc", {"label": "1"}), Label("visible", {"text": "AI生成", "extent": "start"})),
    )


def copied(ledger: Ledger, key: str, *parents: Asset) -> int:
    """A clip that `mark` made from other files; returns its id."""
    made = record(ledger, key)
    edges = tuple(Edge(parent.sha256, made.asset.sha256, "parent") for parent in parents)
    ledger.record_clip(
        dataclasses.replace(made, source="composite", generation=None, ancestors=parents, edges=edges)
    )
    return found(ledger, key)


def found(ledger: Ledger, key: str) -> int:
    run = ledger.run(key)
    assert run is not None
    return run.clip_id


@pytest.fixture
def produced(ledger: Ledger) -> int:
    """A clip with all that can happen on its way: a review, a frame check, labels, a later verification."""
    made = record(ledger, "made", campaign="spring")
    review = {"action": "review", "policy_version": "2026-11", "codes": ["likeness"]}
    decision = ledger.record_decision("made", review, digest("prompt"), SECRET)
    waiting = ledger.enqueue_review("made", decision)
    ledger.decide_review(waiting.id, approve=True, reviewer="Ann Lee", reason="satire")
    ledger.record_decision("made", {"action": "allow", "policy_version": "f1", "codes": []}, stage="frames")
    ledger.record_clip(made)
    ledger.record_verification(
        Asset(digest("found"), 5, "video/mp4", "external"),
        {"verdict": "recovered_derived", "clip_id": f"{found(ledger, 'made'):016x}"},
    )
    return found(ledger, "made")


def lineage_of(ledger: Ledger, clip_id: int, depth: int = 3) -> Lineage:
    traced = ledger.lineage(clip_id, depth=depth)
    assert traced is not None
    return traced


def test_everything_that_made_a_clip_is_in_its_lineage(ledger: Ledger, produced: int) -> None:
    traced = lineage_of(ledger, produced)
    types = sorted(node.type for node in traced.nodes)
    assert types == sorted(
        "prompt model frames mark label label manifest asset asset clip fingerprint campaign "
        "decision decision review generation mark_and_encode sign audit verification "
        "policy policy reviewer software signer detector".split()
    )
    said = {node.type: node for node in traced.nodes}
    assert said["generation"].attributes["seed"] == str(2**64 - 1)
    assert said["model"].attributes["weights_sha256"] == digest("weights").hex()
    assert said["prompt"].attributes == {"salted_sha256": digest("prompt").hex()}


def test_people_who_are_credited_are_agents_with_their_roles(ledger: Ledger) -> None:
    made = record(ledger, "credited")
    ledger.record_clip(dataclasses.replace(made, credits=(Credit("Jane Doe", "editor"),)))
    run = ledger.run("credited")
    assert run is not None
    lineage = lineage_of(ledger, run.clip_id)
    (person,) = (one for one in lineage.agents if one.type == "person")
    assert person.label == "Jane Doe"
    (edge,) = (one for one in lineage.relations if one.target == person.id)
    assert (edge.kind, edge.role) == ("wasAttributedTo", "editor")


def test_the_text_of_a_prompt_is_in_no_form(ledger: Ledger, produced: int) -> None:
    traced = lineage_of(ledger, produced)
    for told in (
        *(line for to in ("prov", "openlineage", "dot") for line in export(traced, to)),
        draw(traced),
    ):
        assert SECRET not in told


def test_every_relation_joins_nodes_that_are_there_and_all_hang_together(
    ledger: Ledger, produced: int
) -> None:
    traced = lineage_of(ledger, produced)
    reached, size = {f"clip.{produced:016x}"}, 0
    while len(reached) > size:
        size = len(reached)
        for one in traced.relations:
            if {one.source, one.target} & reached:
                reached |= {one.source, one.target}
    alone = {node.id for node in traced.nodes} - reached
    # A copy found in the wild was not made from the clip by us: only its verification uses it.
    assert {name.partition(".")[0] for name in alone} <= {"asset", "verification"}


def test_parents_that_are_our_clips_are_followed_and_so_are_copies(ledger: Ledger, produced: int) -> None:
    parent = Asset(digest("made file"), 1000, "video/mp4")
    other = Asset(digest("camera"), 7, "video/mp4", "external")
    child = copied(ledger, "child", parent, other)
    grandchild = copied(ledger, "grandchild", Asset(digest("child file"), 1000, "video/mp4"))
    everyone = {f"clip.{one:016x}" for one in (produced, child, grandchild)}
    for one in (produced, child, grandchild):
        assert {node.id for node in lineage_of(ledger, one).nodes if node.type == "clip"} == everyone
    near = lineage_of(ledger, produced, depth=1)
    assert near.truncated
    assert sum(node.type == "clip" for node in near.nodes) == 2


def test_a_long_chain_is_cut_and_says_so(ledger: Ledger) -> None:
    ledger.record_clip(record(ledger, "0"))
    for i in range(1, 8):
        copied(ledger, str(i), Asset(digest(f"{i - 1} file"), 1000, "video/mp4"))
    traced = ledger.lineage(found(ledger, "7"), depth=10, max_nodes=40)
    assert traced is not None
    assert traced.truncated
    assert len(traced.nodes) < 60


def test_an_unknown_clip_has_no_lineage(ledger: Ledger) -> None:
    assert ledger.lineage(1) is None


def test_clips_are_listed_by_campaign_and_time_in_order(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provenance.ledger.lineage._BATCH", 2)
    for i in range(5):
        ledger.record_clip(record(ledger, str(i), campaign="odd" if i % 2 else "even"))
    every = [found(ledger, str(i)) for i in range(5)]
    assert list(ledger.clip_ids()) == every
    assert list(ledger.clip_ids(campaign="even")) == every[::2]
    row = ledger.clip(every[3])
    assert row is not None
    assert list(ledger.clip_ids(since=row.created)) == every[3:]
    assert not list(ledger.clip_ids(since=row.created + dt.timedelta(hours=1)))


# Exports


def test_prov_software_reads_every_record(ledger: Ledger, produced: int) -> None:
    traced = lineage_of(ledger, produced)
    text = json.dumps(prov_json(traced))
    document = prov.model.ProvDocument.deserialize(content=text, format="json")
    assert len(list(document.get_records())) == len(traced.nodes) + len(traced.relations)
    kinds = {
        prov.model.ProvEntity: traced.entities,
        prov.model.ProvActivity: traced.activities,
        prov.model.ProvAgent: traced.agents,
    }
    for kind, nodes in kinds.items():
        names = {str(one.identifier) for one in document.get_records(kind)}
        assert names == {f"clipproof:{node.id}" for node in nodes}


def test_openlineage_software_accepts_every_event(ledger: Ledger, produced: int) -> None:
    traced = lineage_of(ledger, produced)
    events = openlineage_events(traced)
    assert len(events) == len(traced.activities)
    for said in events:
        event = event_v2.RunEvent(
            eventType=event_v2.RunState(said["eventType"]),
            eventTime=said["eventTime"],
            run=event_v2.Run(runId=said["run"]["runId"]),
            job=event_v2.Job(**said["job"]),
            producer=said["producer"],
            inputs=[event_v2.InputDataset(one["namespace"], one["name"]) for one in said["inputs"]],
            outputs=[event_v2.OutputDataset(one["namespace"], one["name"]) for one in said["outputs"]],
        )
        assert Serde.to_dict(event)["run"]["runId"] == said["run"]["runId"]
        assert uuid.UUID(said["run"]["runId"]).version == 5
        for holder in (said["run"], *said["inputs"], *said["outputs"]):
            assert {"_producer", "_schemaURL"} <= holder["facets"]["clipproof"].keys()
    times = [said["eventTime"] for said in events]
    assert times == sorted(times)


def read_dot(text: str) -> pydot.Dot:
    with warnings.catch_warnings():  # pydot calls its parser by old names
        warnings.simplefilter("ignore")
        (graph,) = pydot.graph_from_dot_data(text) or (None,)
    assert graph is not None
    return graph


def test_graphviz_reads_every_node_and_edge(ledger: Ledger, produced: int) -> None:
    traced = lineage_of(ledger, produced)
    graph = read_dot(dot(traced))
    names = {one.get_name().strip('"') for one in graph.get_nodes()} - {"node", "edge", "graph"}
    assert names == {node.id for node in traced.nodes}
    assert len(graph.get_edges()) == len(traced.relations)


def test_the_same_ledger_gives_the_same_bytes(ledger: Ledger, produced: int) -> None:
    for to in ("prov", "openlineage", "dot"):
        first, again = (list(export(lineage_of(ledger, produced), to)) for _ in range(2))
        assert first == again
    assert draw(lineage_of(ledger, produced)) == draw(lineage_of(ledger, produced))


# The drawing


def made_up(names: int, pairs: set[tuple[int, int]]) -> Lineage:
    kinds = itertools.cycle(("entity", "activity", "agent"))
    nodes = tuple(
        Node(f"n{i}", kind, "thing", f"node {i}") for i, kind in zip(range(names), kinds, strict=False)
    )
    relations = tuple(Relation("used", f"n{late}", f"n{early}") for early, late in sorted(pairs))
    return Lineage(0, nodes, relations, False, np.zeros((0, 64, 64), np.uint8))


def curve(wire: tuple[tuple[float, float], ...]) -> list[tuple[float, float]]:
    """Points along the Bézier curves that are drawn."""
    points = []
    for (x0, y0), (x1, y1) in itertools.pairwise(wire):
        for t in np.linspace(0, 1, 25):
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
            middle = (x0 + x1) / 2
            points.append((a * x0 + (b + c) * middle + d * x1, (a + b) * y0 + (c + d) * y1))
    return points


def assert_readable(placed: Layout) -> None:
    for one, other in itertools.combinations(placed.boxes.values(), 2):
        apart = (
            one.left + one.width <= other.left
            or other.left + other.width <= one.left
            or one.top + one.height <= other.top
            or other.top + other.height <= one.top
        )
        assert apart, (one, other)
    for wire in placed.wires:
        for x, y in curve(wire.points):
            for box in placed.boxes.values():
                within = box.left < x - 0.01 and x + 0.01 < box.left + box.width
                assert not (within and box.top < y < box.top + box.height), (wire, box)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 60).flatmap(
        lambda n: st.tuples(
            st.just(n),
            st.sets(
                st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] < p[1]),
                max_size=2 * n,
            ),
        )
    )
)
def test_no_two_boxes_touch_and_no_edge_crosses_a_box(drawn: tuple[int, set[tuple[int, int]]]) -> None:
    placed = layout(made_up(*drawn))
    assert len(placed.boxes) == drawn[0]
    assert_readable(placed)
    assert all(box.left >= 0 and box.top >= 0 for box in placed.boxes.values())
    assert all(box.left + box.width <= placed.width for box in placed.boxes.values())
    assert all(box.top + box.height <= placed.height for box in placed.boxes.values())


def test_a_real_lineage_is_readable(ledger: Ledger, produced: int) -> None:
    copied(ledger, "child", Asset(digest("made file"), 1000, "video/mp4"))
    assert_readable(layout(lineage_of(ledger, produced)))


def test_a_circle_in_a_damaged_ledger_is_drawn_all_the_same() -> None:
    draw(made_up(3, {(0, 1), (1, 2), (2, 0)}))


def test_hostile_texts_stay_text(ledger: Ledger) -> None:
    made = record(ledger, "k", campaign=HOSTILE, signer=HOSTILE)
    ledger.record_clip(made)
    traced = lineage_of(ledger, found(ledger, "k"))
    drawn = draw(traced)
    root = ElementTree.fromstring(drawn)  # noqa: S314 - our own output
    kinds = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert kinds <= set("svg title style defs marker path rect polygon g text image".split())
    assert not [a for e in root.iter() for a in e.attrib if a.lower().startswith("on")]
    assert "\x1b" not in drawn
    assert "\u202e" not in drawn
    assert any("<script>" in (e.text or "") for e in root.iter())  # shown, in a title
    assert len(read_dot(dot(traced)).get_edges()) == len(traced.relations)
    prov.model.ProvDocument.deserialize(content=json.dumps(prov_json(traced)), format="json")


def test_a_drawing_loads_nothing_and_shows_the_recorded_frames(ledger: Ledger, produced: int) -> None:
    root = ElementTree.fromstring(draw(lineage_of(ledger, produced)))  # noqa: S314 - our own output
    images = [e.attrib["href"] for e in root.iter() if e.tag.endswith("image")]
    assert len(images) == 3
    assert all(href.startswith("data:image/png;base64,") for href in images)
