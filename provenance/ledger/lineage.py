"""How a clip came about, as a graph of W3C PROV: entities, the activities that made them, the agents behind.

Built from the ledger alone. A prompt is its salted digest here, never its text.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, and_, or_, select

from provenance.ledger import clips, reviews
from provenance.ledger.records import ClipRow, clip_id_hex
from provenance.ledger.schema import asset, audit, clip, derivation, generation_run, verification

NodeKind = Literal["entity", "activity", "agent"]
RelationKind = Literal[
    "used",
    "wasGeneratedBy",
    "wasAssociatedWith",
    "wasAttributedTo",
    "wasDerivedFrom",
    "wasInformedBy",
    "specializationOf",
]
Value = str | int | float

_FINDINGS: Final = 8  # the newest audits, verifications and derived clips of each clip
_BATCH: Final = 200
_THUMBNAILS: Final = 3


@dataclass(frozen=True, slots=True)
class Node:
    """A thing, a doing or a doer. `id` is the same in every export: `asset.<sha256>`, `clip.<clip id>`, …"""

    id: str
    kind: NodeKind
    type: str  # prompt, model, generation, asset, signer, …
    label: str
    at: dt.datetime | None = None
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Relation:
    """A PROV relation; as in PROV, the source is the later one: `source` wasGeneratedBy `target`."""

    kind: RelationKind
    source: str
    target: str
    role: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Lineage:
    """The lineage of one clip. `truncated` where more clips are related than were followed.

    `thumbnails` uint8 [N,64,64]: luma of a few recorded frames of the clip.
    """

    clip_id: int
    nodes: tuple[Node, ...]
    relations: tuple[Relation, ...]
    truncated: bool
    thumbnails: NDArray[np.uint8]

    @property
    def entities(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.kind == "entity")

    @property
    def activities(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.kind == "activity")

    @property
    def agents(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.kind == "agent")


def trace(connection: Connection, clip_id: int, *, depth: int, max_nodes: int) -> Lineage | None:
    """The graph around a clip: its making, its parents' and theirs, and the clips that derive from it."""
    root = clips.read(connection, clip_id)
    if root is None:
        return None
    graph = _Graph(connection)
    waiting, seen, truncated = [(root, 0)], {clip_id}, False
    while waiting:
        row, distance = waiting.pop(0)
        graph.add_clip(row)
        related = _related(connection, row)
        for other in related:
            if other in seen:
                continue
            if distance >= depth or len(graph.nodes) + len(waiting) * 8 >= max_nodes:
                truncated = True
                continue
            found = clips.read(connection, other)
            if found is not None:
                seen.add(other)
                waiting.append((found, distance + 1))
    frames = root.fingerprint
    count = 0 if frames is None else len(frames)
    chosen = sorted({round(i * (count - 1) / (_THUMBNAILS - 1)) for i in range(_THUMBNAILS)}) if count else []
    pictures = np.zeros((0, 64, 64), np.uint8) if frames is None else frames.thumbnails[chosen]
    known = graph.nodes.keys()
    relations = tuple(r for r in graph.relations if r.source in known and r.target in known)
    return Lineage(clip_id, tuple(graph.nodes.values()), relations, truncated, pictures)


def clip_ids(
    connection: Connection,
    campaign: str | None,
    since: dt.datetime | None,
    after: tuple[dt.datetime, int] | None,
) -> list[tuple[dt.datetime, int]]:
    """The next batch of clips by time of recording: (when, clip id), after the last of the batch before."""
    query = select(clip.c.created, clip.c.clip_id).order_by(clip.c.created, clip.c.clip_id).limit(_BATCH)
    if campaign is not None:
        query = query.join(generation_run, generation_run.c.clip_id == clip.c.clip_id)
        query = query.where(generation_run.c.campaign == campaign)
    if since is not None:
        query = query.where(clip.c.created >= since)
    if after is not None:
        when, last = after
        query = query.where(or_(clip.c.created > when, and_(clip.c.created == when, clip.c.clip_id > last)))
    return [(row.created, row.clip_id) for row in connection.execute(query)]


def _related(connection: Connection, row: ClipRow) -> list[int]:
    """Our clips that are parents of this one or derive from it, through files of the same digest."""
    parents = [edge.used for edge in row.edges]
    of_parents = select(clip.c.clip_id).join(asset, clip.c.asset_id == asset.c.id)
    of_parents = of_parents.where(asset.c.sha256.in_(parents)).order_by(clip.c.clip_id).limit(_FINDINGS)
    used = asset.alias("used")
    of_children = (
        select(clip.c.clip_id)
        .join(derivation, derivation.c.generated_id == clip.c.asset_id)
        .join(used, derivation.c.used_id == used.c.id)
        .where(used.c.sha256 == row.asset.sha256)
        .order_by(clip.c.created, clip.c.clip_id)
        .limit(_FINDINGS)
    )
    return [*connection.execute(of_parents).scalars(), *connection.execute(of_children).scalars()]


class _Graph:
    """Nodes by id, in the order of the clip's making, and relations, each once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.nodes: dict[str, Node] = {}
        self.relations: dict[Relation, None] = {}

    def add_clip(self, row: ClipRow) -> None:
        decided = self._add_decisions(row)
        drawn_from = self._add_generation(row, decided) if row.generation else self._add_parents(row)
        finished = self._add_finish(row, drawn_from)
        self._add_asset(row, finished)
        self._add_findings(row)

    def _node(
        self,
        kind: NodeKind,
        type_: str,
        name: object,
        label: str,
        at: dt.datetime | None = None,
        /,
        **attributes: object,
    ) -> str:
        identity = f"{type_}.{name}"
        kept = {key: _value(value) for key, value in attributes.items() if value not in (None, "")}
        self.nodes.setdefault(identity, Node(identity, kind, type_, label, at, kept))
        return identity

    def _agent(self, type_: str, label: str, **attributes: object) -> str:
        # A digest, because names may hold anything and ids go into other formats.
        said = repr((label, sorted(attributes.items())))
        return self._node(
            "agent", type_, hashlib.sha256(said.encode()).hexdigest()[:16], label, None, **attributes
        )

    def _relate(self, kind: RelationKind, source: str, target: str, role: str = "") -> None:
        self.relations.setdefault(Relation(kind, source, target, role))

    def _add_decisions(self, row: ClipRow) -> str | None:
        """Prompts and the decisions on them, with a person's where there was one; the last one's id."""
        last: str | None = None
        for one in row.decisions:
            if one.stage != "prompt":
                continue
            decided = self._decision(one)
            if one.prompt_sha256 is not None:
                digest = one.prompt_sha256.hex()
                prompt = self._node("entity", "prompt", digest, digest[:16], salted_sha256=digest)
                self._relate("used", decided, prompt)
            if last is not None:
                self._relate("wasInformedBy", decided, last)
            last = decided
        review = reviews.of_run(self._connection, row.run.key)
        if review is not None:
            when = review.decided or review.created
            held = self._node(
                "activity",
                "review",
                review.id,
                review.status,
                when,
                status=review.status,
                reason=review.reason,
            )
            if last is not None:
                self._relate("wasInformedBy", held, last)
            for event in reviews.history(self._connection, review.id):
                kind = "software" if event.by_software else "reviewer"
                self._relate("wasAssociatedWith", held, self._agent(kind, event.by))
            last = held
        return last

    def _decision(self, one: Any) -> str:
        decided = self._node(
            "activity",
            "decision",
            one.id,
            f"{one.stage}: {one.action}",
            one.created,
            stage=one.stage,
            action=one.action,
            policy_version=one.policy_version,
            codes=", ".join(map(str, one.decision.get("codes") or ())),
        )
        policy = self._agent("policy", one.policy_version, version=one.policy_version)
        self._relate("wasAssociatedWith", decided, policy)
        return decided

    def _add_generation(self, row: ClipRow, decided: str | None) -> str:
        """The model's run, from prompt and weights to raw frames."""
        made = row.generation
        assert made is not None
        ran = self._node(
            "activity",
            "generation",
            clip_id_hex(row.clip_id),
            f"seed {made.seed}",
            row.run.created,
            seed=str(made.seed),  # as text: JSON readers round whole numbers above 2**53
            run_key=row.run.key,
            **{name: made.params.get(name) for name in ("steps", "guidance_scale", "scheduler", "device")},
        )
        weights = made.weights_sha256.hex() if made.weights_sha256 else ""
        name = weights or hashlib.sha256(made.model.encode()).hexdigest()
        model = self._node("entity", "model", name, made.model, model=made.model, weights_sha256=weights)
        self._relate("used", ran, model)
        software = f"{made.software} {made.software_version}"
        self._relate("wasAssociatedWith", ran, self._agent("software", software))
        if decided is not None:
            self._relate("wasInformedBy", ran, decided)
        prompts = [one.prompt_sha256 for one in row.decisions if one.prompt_sha256]
        if prompts:
            self._relate("used", ran, f"prompt.{prompts[-1].hex()}")
        if row.run.campaign:
            plan = hashlib.sha256(row.run.campaign.encode()).hexdigest()[:16]
            campaign = self._node("entity", "campaign", plan, row.run.campaign, name=row.run.campaign)
            self._relate("used", ran, campaign, row.run.variant or "")
        digest = str(made.params.get("frames_sha256") or "")
        frames = self._node(
            "entity",
            "frames",
            digest or clip_id_hex(row.clip_id),
            digest[:16] or "not recorded",
            frames_sha256=digest,
        )
        self._relate("wasGeneratedBy", frames, ran)
        for one in row.decisions:
            if one.stage == "frames":
                self._relate("used", self._decision(one), frames)
        return frames

    def _add_parents(self, row: ClipRow) -> str | None:
        """The files that a clip was made from; the first one's id."""
        first: str | None = None
        known = {
            found.sha256: found
            for found in self._connection.execute(
                select(asset).where(asset.c.sha256.in_([edge.used for edge in row.edges]))
            )
        }
        for edge in row.edges:
            found = known[edge.used]
            self._asset_node(found.sha256, found.size, found.media_type, found.origin)
            first = first or f"asset.{found.sha256.hex()}"
        return first

    def _add_finish(self, row: ClipRow, drawn_from: str | None) -> str | None:
        """Label, mark and encode; what was put into the clip hangs on it."""
        if not row.marks and not row.labels:
            return None
        details = row.marks[0].details if row.marks else {}
        done = self._node(
            "activity",
            "mark_and_encode",
            clip_id_hex(row.clip_id),
            "label, mark, encode",
            row.created,
            **{name: details.get(name) for name in ("crf", "strength", "software_version")},
        )
        if version := details.get("software_version"):
            self._relate("wasAssociatedWith", done, self._agent("software", f"clipproof {version}"))
        if drawn_from is not None:
            self._relate("used", done, drawn_from)
        for one in row.marks:
            payload = clip_id_hex(one.payload)
            found = self._node("entity", "mark", payload, payload, scheme=one.scheme, payload=payload)
            self._relate("wasGeneratedBy", found, done)
        for label in row.labels:
            text = str(label.details.get("text") or "AIGC metadata")
            found = self._node(
                "entity", "label", f"{label.kind}.{clip_id_hex(row.clip_id)}", text, **label.details
            )
            self._relate("wasGeneratedBy", found, done)
        return done

    def _add_asset(self, row: ClipRow, finished: str | None) -> None:
        """The delivered file, its manifest and signer, its fingerprint, and the clip that it is."""
        name = clip_id_hex(row.clip_id)
        delivered = self._asset_node(row.asset.sha256, row.asset.size, row.asset.media_type, row.asset.origin)
        made_by = finished
        if row.manifest is not None:
            signed = self._node("activity", "sign", name, "C2PA manifest", row.created)
            manifest = self._node(
                "entity",
                "manifest",
                name,
                row.manifest.label,
                label=row.manifest.label,
                sha256=hashlib.sha256(row.manifest.store).hexdigest(),
            )
            signer = self._agent("signer", row.manifest.signer, key_id=row.manifest.signer_key_id)
            self._relate("wasAssociatedWith", signed, signer)
            self._relate("wasGeneratedBy", manifest, signed)
            self._relate("wasAttributedTo", delivered, signer)
            for one in self._generated_by(finished):
                self._relate("used", signed, one)
            made_by = signed
        for person in clips.read_credits(self._connection, row.clip_id):
            self._relate("wasAttributedTo", delivered, self._agent("person", person.name), person.role)
        if made_by is not None:
            self._relate("wasGeneratedBy", delivered, made_by)
        for edge in row.edges:
            parent, child = f"asset.{edge.used.hex()}", f"asset.{edge.generated.hex()}"
            self._relate("wasDerivedFrom", child, parent, edge.role)
        whole = self._node(
            "entity",
            "clip",
            name,
            name,
            row.created,
            source=row.source,
            campaign=row.run.campaign,
            variant=row.run.variant,
            stream_digest=row.streams.digest.hex(),
        )
        self._relate("specializationOf", delivered, whole)
        if row.fingerprint is not None and len(row.fingerprint):
            digest = hashlib.sha256(row.fingerprint.hashes.tobytes()).hexdigest()
            count = len(row.fingerprint)
            seen = self._node(
                "entity", "fingerprint", name, f"{count} frames, PDQ", sha256=digest, frames=count
            )
            self._relate("wasDerivedFrom", seen, delivered)

    def _generated_by(self, activity: str | None) -> list[str]:
        return [r.source for r in self.relations if r.kind == "wasGeneratedBy" and r.target == activity]

    def _asset_node(self, sha256: bytes, size: int, media_type: str, origin: str) -> str:
        digest = sha256.hex()
        return self._node(
            "entity",
            "asset",
            digest,
            digest[:16],
            sha256=digest,
            size=size,
            media_type=media_type,
            origin=origin,
        )

    def _add_findings(self, row: ClipRow) -> None:
        """What was found later: audits of the file, verifications of it or of copies of it."""
        delivered = f"asset.{row.asset.sha256.hex()}"
        query = select(audit).join(asset, audit.c.asset_id == asset.c.id)
        query = query.where(asset.c.sha256 == row.asset.sha256).order_by(audit.c.id.desc()).limit(_FINDINGS)
        for one in self._connection.execute(query):
            head = str(one.report.get("head_id") or "")
            found = self._node(
                "activity", "audit", one.id, one.verdict, one.created, verdict=one.verdict, p_ai=one.p_ai
            )
            self._relate("used", found, delivered)
            if head:
                self._relate("wasAssociatedWith", found, self._agent("detector", head))
        query = select(verification, asset.c.sha256, asset.c.size, asset.c.media_type, asset.c.origin)
        query = query.join(asset, verification.c.asset_id == asset.c.id)
        query = query.where(verification.c.clip_id == row.clip_id)
        for one in self._connection.execute(query.order_by(verification.c.id.desc()).limit(_FINDINGS)):
            found = self._node(
                "activity", "verification", one.id, one.verdict, one.created, verdict=one.verdict
            )
            checked = self._asset_node(one.sha256, one.size, one.media_type, one.origin)
            self._relate("used", found, checked)


def _value(value: object) -> Value:
    return value if isinstance(value, str | int | float) else str(value)
