"""The tables, named after W3C PROV: entities, the activities that made them, the agents behind those.

Entities: prompt, asset, clip, manifest, mark, label, fingerprint, sound. Activities: generation_run, generation,
safety_decision, review_item with its review_events, audit, verification. Agents: agent, and `credit`, who is named in
a clip. `derivation` joins assets (wasDerivedFrom); `event_log`, `log_node` and `log_checkpoint` are the transparency
log and stand alone.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from provenance.ledger.columns import Digest, Json, RowId, Unsigned64, UtcDateTime

# Without names SQLite's batch migrations cannot drop a constraint. PostgreSQL cuts names at 63 bytes.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _one_of(column: str, *values: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(map(repr, values))})", name=column)


def _row_id() -> Column[int]:
    return Column("id", RowId, primary_key=True)


def _of_clip(*, primary: bool = False, nullable: bool = False) -> Column[int]:
    to_clip = ForeignKey("clip.clip_id")
    return Column("clip_id", to_clip, primary_key=primary, nullable=nullable, index=not primary)


def _to(table: str, *, nullable: bool = False, name: str = "", unique: bool = False) -> Column[int]:
    """A foreign key, always indexed: PostgreSQL does not index the referring side by itself."""
    return Column(
        name or f"{table}_id",
        ForeignKey(f"{table}.id"),
        nullable=nullable,
        index=not unique,
        unique=unique or None,
    )


agent = Table(
    "agent",
    metadata,
    _row_id(),
    Column("kind", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    UniqueConstraint("kind", "name", "version", "key_id"),
    _one_of("kind", "software", "person", "key"),
)

prompt = Table(
    "prompt",
    metadata,
    _row_id(),
    Column("sha256", Digest, nullable=False, unique=True),
    Column("salt", LargeBinary),
    Column("text", Text),
    Column("created", UtcDateTime, nullable=False),
)

generation_run = Table(
    "generation_run",
    metadata,
    _row_id(),
    Column("key", Text, nullable=False, unique=True),
    Column("clip_id", Unsigned64, nullable=False, unique=True),
    Column("salt", LargeBinary),  # of every commitment about this run; erased with what it hides
    Column("status", String(16), nullable=False),
    Column("reason", Text),
    Column("request", Json, nullable=False),
    Column("flow_run_id", Text),
    Column("campaign", Text),
    Column("variant", Text),
    Column("created", UtcDateTime, nullable=False),
    Column("updated", UtcDateTime, nullable=False),
    Index(None, "campaign", "variant"),
    _one_of("status", "pending", "running", "done", "refused", "failed"),
)

safety_decision = Table(
    "safety_decision",
    metadata,
    _row_id(),
    _to("generation_run"),
    _to("prompt", nullable=True),
    Column("stage", String(16), nullable=False),
    Column("action", String(16), nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("decision", Json, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    _one_of("stage", "prompt", "frames"),
    _one_of("action", "allow", "allow_label", "rewrite", "review", "block"),
)

review_item = Table(
    "review_item",
    metadata,
    _row_id(),
    _to("generation_run", unique=True),
    _to("safety_decision", nullable=True),
    Column("status", String(16), nullable=False),
    _to("agent", nullable=True, name="reviewer_id"),
    Column("reason", Text),
    Column("created", UtcDateTime, nullable=False),
    Column("decided", UtcDateTime),
    _to("agent", nullable=True, name="requester_id"),
    Column("approvals_needed", Integer, nullable=False, server_default="1"),
    _one_of("status", "pending", "approved", "rejected", "expired"),
)

# How a review came to stand where it stands: only ever added to. `salt` and `note` go together when erased.
review_event = Table(
    "review_event",
    metadata,
    _row_id(),
    _to("review_item"),
    Column("kind", String(16), nullable=False),
    _to("agent"),
    Column("policy_version", Text),
    Column("code", String(16)),
    Column("note", Text),
    Column("salt", LargeBinary),
    Column("log_seq", BigInteger),  # its entry in the log; none for what was decided before there were events
    Column("created", UtcDateTime, nullable=False),
    _one_of("kind", "commented", "endorsed", "approved", "rejected", "reopened", "expired"),
)

asset = Table(
    "asset",
    metadata,
    _row_id(),
    Column("sha256", Digest, nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("origin", String(16), nullable=False),
    Column("created", UtcDateTime, nullable=False),
    _one_of("origin", "produced", "external"),
    CheckConstraint("size >= 0", name="size"),
)

derivation = Table(
    "derivation",
    metadata,
    Column("used_id", ForeignKey("asset.id"), primary_key=True),
    Column("generated_id", ForeignKey("asset.id"), primary_key=True, index=True),
    Column("role", String(32), primary_key=True),
    _to("generation_run"),
    CheckConstraint("used_id <> generated_id", name="not_itself"),
)

clip = Table(
    "clip",
    metadata,
    Column("clip_id", ForeignKey("generation_run.clip_id"), primary_key=True),
    _to("asset", unique=True),
    Column("source", String(16), nullable=False),
    Column("stream_digest", Digest, nullable=False, index=True),
    Column("video_packets_digest", Digest, index=True),
    Column("stream_components", Json, nullable=False),
    Column("log_seq", BigInteger),  # its entry in the log
    Column("created", UtcDateTime, nullable=False),
    _one_of("source", "ai", "camera", "composite", "unknown"),
)

generation = Table(
    "generation",
    metadata,
    _of_clip(primary=True),
    _to("agent", name="software_id"),
    Column("model", Text, nullable=False),
    Column("weights_sha256", Digest),
    Column("seed", Unsigned64, nullable=False),
    Column("params", Json, nullable=False),
)

mark = Table(
    "mark",
    metadata,
    _row_id(),
    _of_clip(),
    Column("scheme", String(64), nullable=False),
    Column("payload", Unsigned64, nullable=False),
    Column("details", Json, nullable=False),
    UniqueConstraint("scheme", "payload"),
)

manifest = Table(
    "manifest",
    metadata,
    _of_clip(primary=True),
    Column("label", Text, nullable=False, unique=True),
    _to("agent", name="signer_id"),
    Column("store", LargeBinary, nullable=False),
)

label = Table(
    "label",
    metadata,
    _row_id(),
    Column("clip_id", ForeignKey("clip.clip_id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("details", Json, nullable=False),
    UniqueConstraint("clip_id", "kind"),
    _one_of("kind", "aigc", "visible"),
)

# Signatures that wait for an RFC 3161 time stamp, and what came of it; `asset_id` is the stamped edition.
time_stamp = Table(
    "time_stamp",
    metadata,
    _of_clip(primary=True),
    Column("imprint", LargeBinary),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
    Column("token", LargeBinary),
    _to("asset", nullable=True),
    Column("created", UtcDateTime, nullable=False),
    Column("next_try", UtcDateTime, nullable=False),
    Column("done", UtcDateTime),
    Index(None, "state", "next_try"),
    _one_of("state", "pending", "done", "failed"),
)

# People who are named in a clip's manifest.
credit = Table(
    "credit",
    metadata,
    _of_clip(primary=True),
    Column("agent_id", ForeignKey("agent.id"), primary_key=True, index=True),
    Column("role", String(64), primary_key=True),
)

fingerprint = Table(
    "fingerprint",
    metadata,
    _row_id(),
    Column("clip_id", ForeignKey("clip.clip_id"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("time_s", Float(53), nullable=False),
    Column("pdq", Digest, nullable=False),
    Column("quality", Integer, nullable=False),
    Column("thumbnail", LargeBinary, nullable=False),
    UniqueConstraint("clip_id", "ordinal"),
    CheckConstraint("quality BETWEEN 0 AND 100", name="quality"),
)

# One row a clip that has sound: its sub-fingerprints are only ever compared as a whole.
sound = Table(
    "sound",
    metadata,
    _of_clip(primary=True),
    Column("start_s", Float(53), nullable=False),
    Column("bits", LargeBinary, nullable=False),
    Column("reliable", LargeBinary, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    _row_id(),
    _to("asset"),
    Column("verdict", String(32), nullable=False),
    Column("p_ai", Float(53)),
    Column("report", Json, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)

verification = Table(
    "verification",
    metadata,
    _row_id(),
    _to("asset"),
    _of_clip(nullable=True),
    Column("verdict", String(32), nullable=False),
    Column("report", Json, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)

# `entry` is TEXT, never a JSON type: the leaf is a hash of exactly these characters, and JSONB reorders keys.
event_log = Table(
    "event_log",
    metadata,
    Column("seq", RowId, primary_key=True, autoincrement=False),
    Column("entry", Text, nullable=False),
    Column("leaf", Digest, nullable=False),
)

# The complete subtrees of the log's Merkle tree above its leaves: what roots and proofs are put together from.
log_node = Table(
    "log_node",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", Digest, nullable=False),
)

log_checkpoint = Table(
    "log_checkpoint",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)
