"""What is recorded of a clip comes back, whole, once, or not at all."""

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sqlalchemy import NullPool, func, select, text

from media.digest import StreamDigest
from provenance.fingerprint import ClipFingerprint
from provenance.ledger import (
    Asset,
    ClipIdTaken,
    ClipRecord,
    Edge,
    Generation,
    Ledger,
    LedgerLocked,
    LedgerReadOnly,
    Manifest,
    Mark,
    RecordConflict,
    RecordRejected,
    ReviewDecided,
    ReviewUnknown,
    RunFinished,
    RunKeyTaken,
    RunUnknown,
    clip_id_hex,
    connect,
    runs,
    upgrade,
)
from provenance.ledger.engine import ledger_url, open_engine, writing
from provenance.ledger.schema import metadata

REQUEST = {"prompt": "a heron at dawn", "seed": 2**64 - 1}
ALLOW = {"action": "allow", "policy_version": "2026-11", "codes": []}
BLOCK = {"action": "block", "policy_version": "2026-11", "codes": ["violence"]}


def digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def fingerprint_of(name: str, frames: int = 3) -> ClipFingerprint:
    chance = np.random.default_rng(int.from_bytes(digest(name)[:8]))
    return ClipFingerprint(
        times=np.arange(frames) / 2,
        hashes=chance.integers(0, 256, (frames, 32), dtype=np.uint8),
        qualities=np.full(frames, 100),
        thumbnails=chance.integers(0, 256, (frames, 64, 64), dtype=np.uint8),
    )


def record(ledger: Ledger, key: str, **changes: Any) -> ClipRecord:
    """A full record for a run, reserved here."""
    run = ledger.reserve_run(key, {"key": key})
    signed, raw, marked = (
        Asset(digest(f"{key} {step}"), 1000, "video/mp4") for step in ("signed", "raw", "marked")
    )
    full = ClipRecord(
        run_key=key,
        asset=signed,
        source="ai",
        streams=StreamDigest(
            {"video/0/packets": digest(f"{key} packets"), "video/0/timing": digest(f"{key} timing")}
        ),
        ancestors=(raw, marked),
        edges=(Edge(raw.sha256, marked.sha256, "marked"), Edge(marked.sha256, signed.sha256, "signed")),
        generation=Generation("small", 2**64 - 1, {"steps": 30}, "clipproof", "0.1.0", digest("weights")),
        marks=(Mark("clipproof-1", run.clip_id, {"psnr_db": 42.5}),),
        manifest=Manifest(f"urn:c2pa:{key}", "Example News", b"\x00jumb" * 100, "ab12"),
        fingerprint=fingerprint_of(key),
        audit={"verdict": "likely_ai", "p_ai": 0.97, "segments": []},
    )
    return dataclasses.replace(full, **changes)


def row_counts(url: str) -> dict[str, int]:
    with open_engine(ledger_url(url), poolclass=NullPool).connect() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in metadata.tables.items()
        }


# Runs


def test_a_run_key_has_one_clip_id_for_ever(ledger: Ledger) -> None:
    first = ledger.reserve_run("key", REQUEST, flow_run_id="flow 1", campaign="spring", variant="b")
    again = ledger.reserve_run("key", REQUEST)
    assert first == again == ledger.run("key")
    assert first.status == "pending"
    assert first.request == REQUEST
    assert (first.campaign, first.variant) == ("spring", "b")
    assert first.created.utcoffset() == dt.timedelta(0)
    assert ledger.run("other") is None


def test_a_continued_run_names_the_flow_run_that_works_on_it_now(ledger: Ledger) -> None:
    first = ledger.reserve_run("key", REQUEST, flow_run_id="flow 1")
    continued = ledger.reserve_run("key", REQUEST, flow_run_id="flow 2")
    assert continued == dataclasses.replace(first, flow_run_id="flow 2")


def test_a_run_key_cannot_be_used_for_another_request(ledger: Ledger) -> None:
    ledger.reserve_run("key", REQUEST)
    with pytest.raises(RunKeyTaken, match="key") as caught:
        ledger.reserve_run("key", REQUEST | {"seed": 1})
    assert "--run-id" in caught.value.hint


@pytest.mark.parametrize("clip_id", [0, 1, 2**63 - 1, 2**63, 2**64 - 1])
def test_clip_ids_use_all_64_bits(ledger: Ledger, url: str, clip_id: int) -> None:
    with writing(open_engine(ledger_url(url), poolclass=NullPool)) as connection:
        runs.reserve(connection, "key", REQUEST, draw=lambda: clip_id)
    run = ledger.run("key")
    assert run is not None
    assert run.clip_id == clip_id
    assert int(clip_id_hex(clip_id), 16) == clip_id
    assert len(clip_id_hex(clip_id)) == 16


def test_a_clip_id_that_is_taken_is_drawn_again(ledger: Ledger, url: str) -> None:
    drawn = iter([7, 7, 7, 8])
    with writing(open_engine(ledger_url(url), poolclass=NullPool)) as connection:
        ids = [
            runs.reserve(connection, key, REQUEST, draw=lambda: next(drawn)).clip_id for key in ("one", "two")
        ]
    assert ids == [7, 8]


def test_a_run_moves_on_and_keeps_its_reason(ledger: Ledger) -> None:
    ledger.reserve_run("key", REQUEST)
    ledger.set_run_status("key", "failed", "out of memory")
    run = ledger.run("key")
    assert run is not None
    assert (run.status, run.reason) == ("failed", "out of memory")
    assert run.updated >= run.created
    ledger.set_run_status("key", "running")
    assert ledger.run("key") != run


def test_a_run_that_nobody_reserved_is_unknown(ledger: Ledger) -> None:
    with pytest.raises(RunUnknown, match="nobody"):
        ledger.set_run_status("nobody", "running")


# Decisions and reviews


def test_the_same_decision_noted_twice_is_one_row(ledger: Ledger) -> None:
    ledger.reserve_run("key", REQUEST)
    first = ledger.record_decision("key", ALLOW, digest("prompt"), "a heron at dawn", prompt_salt=b"salt")
    assert ledger.record_decision("key", ALLOW, digest("prompt"), "a heron at dawn") == first
    frames = ledger.record_decision("key", ALLOW, stage="frames")
    assert [(one.id, one.stage) for one in ledger.decisions("key")] == [(first, "prompt"), (frames, "frames")]


def test_a_prompt_is_kept_as_a_hash_until_its_text_is_given(ledger: Ledger) -> None:
    ledger.reserve_run("key", REQUEST)
    ledger.record_decision("key", ALLOW, digest("prompt"))
    assert [one.prompt_text for one in ledger.decisions("key")] == [None]
    ledger.record_decision("key", ALLOW, digest("prompt"), "a heron at dawn")
    (decision,) = ledger.decisions("key")
    assert (decision.prompt_sha256, decision.prompt_text) == (digest("prompt"), "a heron at dawn")


def test_a_refused_run_is_logged_once_without_its_prompt(ledger: Ledger) -> None:
    ledger.reserve_run("key", REQUEST)
    for _ in range(2):
        ledger.record_refusal("key", BLOCK, digest("prompt"), "something violent", reason="violence")
    run = ledger.run("key")
    assert run is not None
    assert (run.status, run.reason) == ("refused", "violence")
    (entry,) = ledger.log_entries()
    assert entry.kind == "run.refused"
    assert entry.body["prompt"] == digest("prompt").hex()
    assert "violent" not in entry.text


def test_a_decision_that_the_policy_cannot_make_is_refused(ledger: Ledger) -> None:
    ledger.reserve_run("key", REQUEST)
    with pytest.raises(RecordConflict):
        ledger.record_decision("key", ALLOW | {"action": "shrug"})


def test_a_parked_run_waits_once_and_is_decided_once(ledger: Ledger) -> None:
    ledger.reserve_run("key", REQUEST)
    decision_id = ledger.record_decision("key", ALLOW | {"action": "review"}, digest("prompt"))
    parked = ledger.enqueue_review("key", decision_id)
    assert ledger.enqueue_review("key", decision_id) == parked
    assert ledger.reviews("pending") == [parked]
    assert parked.decision is not None
    assert parked.decision["action"] == "review"

    decided = ledger.decide_review(parked.id, approve=True, reviewer="Ana Ruiz", reason="a news photograph")
    assert (decided.status, decided.reviewer) == ("approved", "Ana Ruiz")
    assert ledger.review_of("key") == decided
    assert ledger.reviews("pending") == []
    with pytest.raises(ReviewDecided, match="Ana Ruiz"):
        ledger.decide_review(parked.id, approve=False, reviewer="Bo", reason="no")
    (entry,) = ledger.log_entries()
    assert entry.kind == "review.approved"
    assert "Ana" not in entry.text  # an append-only log cannot forget a name


def test_a_review_that_is_not_there_is_unknown(ledger: Ledger) -> None:
    assert ledger.review_of("key") is None
    with pytest.raises(ReviewUnknown):
        ledger.decide_review(99, approve=True, reviewer="Ana", reason="")


# Clips


def test_a_recorded_clip_comes_back_whole(ledger: Ledger) -> None:
    full = record(ledger, "key")
    ledger.record_decision("key", ALLOW, digest("prompt"))
    ledger.record_clip(full)
    run = ledger.run("key")
    assert run is not None
    assert run.status == "done"
    clip = ledger.clip(run.clip_id)
    assert clip is not None
    assert clip.run == run
    assert clip.asset == full.asset
    assert clip.source == "ai"
    assert clip.streams.components == full.streams.components
    assert clip.streams.digest == full.streams.digest
    assert set(clip.edges) == set(full.edges)
    assert clip.generation == full.generation
    assert clip.marks == full.marks
    assert clip.manifest == full.manifest
    assert clip.audit == full.audit
    assert [one.decision for one in clip.decisions] == [ALLOW]
    assert clip.created.utcoffset() == dt.timedelta(0)
    assert clip.fingerprint is not None
    assert full.fingerprint is not None
    for name in ("times", "hashes", "qualities", "thumbnails"):
        read, written = getattr(clip.fingerprint, name), getattr(full.fingerprint, name)
        assert read.dtype == written.dtype
        assert np.array_equal(read, written)


def test_a_clip_needs_no_more_than_its_file_and_its_streams(ledger: Ledger) -> None:
    bare = ClipRecord("key", Asset(digest("file"), 1, "video/mp4"), "camera", StreamDigest({}))
    run = ledger.reserve_run("key", REQUEST)
    ledger.record_clip(bare)
    clip = ledger.clip(run.clip_id)
    assert clip is not None
    assert (clip.generation, clip.manifest, clip.fingerprint, clip.audit) == (None,) * 4
    assert (clip.marks, clip.edges, clip.decisions) == ((), (), ())


@pytest.mark.parametrize(
    "find",
    [
        lambda ledger, clip: ledger.find_stream(clip.streams.digest),
        lambda ledger, clip: ledger.find_component(clip.streams.components["video/0/packets"]),
        lambda ledger, clip: ledger.find_mark("clipproof-1", clip.marks[0].payload),
        lambda ledger, clip: ledger.find_manifest(clip.manifest.label),
    ],
    ids=["stream digest", "video packets", "mark", "manifest"],
)
def test_a_clip_is_found_by(ledger: Ledger, find: Callable[[Ledger, ClipRecord], Any]) -> None:
    records = [record(ledger, key) for key in ("one", "two")]
    for one in records:
        ledger.record_clip(one)
    for one in records:
        found = find(ledger, one)
        assert found is not None
        assert found.run.key == one.run_key


def test_what_is_not_recorded_is_not_found(ledger: Ledger) -> None:
    ledger.record_clip(record(ledger, "key"))
    assert ledger.clip(1) is None
    assert ledger.find_stream(digest("nothing")) is None
    assert ledger.find_component(digest("nothing")) is None
    assert ledger.find_mark("clipproof-1", 1) is None
    assert ledger.find_manifest("urn:c2pa:nothing") is None
    assert ledger.find_mark("another scheme", ledger.clips()[0].clip_id) is None


def test_a_slow_motion_copy_is_found_by_its_packets_and_the_difference_is_named(ledger: Ledger) -> None:
    full = record(ledger, "key")
    ledger.record_clip(full)
    slow = StreamDigest(full.streams.components | {"video/0/timing": digest("slower")})
    assert ledger.find_stream(slow.digest) is None
    found = ledger.find_component(slow.components["video/0/packets"])
    assert found is not None
    assert slow.differences(found.streams) == ("video/0/timing",)


def test_recording_a_clip_again_changes_nothing(ledger: Ledger, url: str) -> None:
    full = record(ledger, "key")
    ledger.record_clip(full)
    before = row_counts(url)
    ledger.record_clip(full)
    assert row_counts(url) == before
    assert ledger.verify_log().size == 1


def test_a_finished_run_keeps_its_first_file(ledger: Ledger) -> None:
    full = record(ledger, "key")
    ledger.record_clip(full)
    with pytest.raises(ClipIdTaken, match=full.asset.sha256.hex()):
        ledger.record_clip(
            dataclasses.replace(full, asset=Asset(digest("another"), 5, "video/mp4"), edges=())
        )
    with pytest.raises(RunFinished):
        ledger.set_run_status("key", "failed")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"marks": (Mark("clipproof-1", 7),)}, RecordConflict),  # another clip's payload
        ({"manifest": Manifest("urn:c2pa:first", "Example News", b"store")}, RecordConflict),
        ({"source": "dream"}, RecordConflict),
        ({"marks": (Mark("clipproof-1", 2**64),)}, RecordRejected),
        ({"generation": Generation("model", -1, {}, "clipproof", "0")}, RecordRejected),
        ({"generation": Generation("model", 1, {"cfg": float("nan")}, "clipproof", "0")}, RecordRejected),
        ({"edges": (Edge(bytes(32), bytes(32), "signed"),)}, ValueError),
        ({"audit": {"verdict": "likely_ai", "count": 2**60}}, ValueError),  # fails last, while logging
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value.__name__,
)
def test_a_clip_that_fails_to_record_leaves_no_row(
    ledger: Ledger, url: str, change: dict[str, Any], error: type[Exception]
) -> None:
    first = record(ledger, "first")
    ledger.record_clip(dataclasses.replace(first, marks=(Mark("clipproof-1", 7),)))
    second = record(ledger, "second")
    before = row_counts(url)
    with pytest.raises(error):
        ledger.record_clip(dataclasses.replace(second, **change))
    assert row_counts(url) == before
    run = ledger.run("second")
    assert run is not None
    assert run.status == "pending"
    ledger.record_clip(second)
    assert ledger.verify_log().size == 2


def test_a_clip_without_a_run_is_refused(ledger: Ledger) -> None:
    with pytest.raises(RunUnknown):
        ledger.record_clip(ClipRecord("nobody", Asset(digest("x"), 1, "video/mp4"), "ai", StreamDigest({})))


def test_two_clips_may_share_a_parent(ledger: Ledger) -> None:
    parent = Asset(digest("parent"), 77, "video/quicktime", "external")
    for key in ("one", "two"):
        own = record(ledger, key)
        edge = Edge(parent.sha256, own.asset.sha256, "parent")
        ledger.record_clip(dataclasses.replace(own, ancestors=(parent,), edges=(edge,)))
    assert parent.sha256 in ledger.known_assets()
    assert len(ledger.known_assets()) == 3


def test_clips_are_listed_newest_first(ledger: Ledger) -> None:
    for key in ("one", "two", "three"):
        ledger.record_clip(record(ledger, key))
    assert [clip.run_key for clip in ledger.clips()] == ["three", "two", "one"]
    assert [clip.run_key for clip in ledger.clips(limit=1)] == ["three"]


# Fingerprints


def test_near_pictures_are_found_nearest_first(ledger: Ledger) -> None:
    records = [record(ledger, key) for key in ("one", "two")]
    ledger.record_clip(records[0])
    assert records[1].fingerprint is not None
    query = records[1].fingerprint.hashes[:2].copy()
    query[1, 0] ^= 0b111
    assert ledger.nearest_fingerprints(query) == []
    ledger.record_clip(records[1])  # the index takes up what was added since
    matches = ledger.nearest_fingerprints(query)
    run = ledger.run("two")
    assert run is not None
    assert [(m.clip_id, m.query_index, m.distance, m.time_s) for m in matches] == [
        (run.clip_id, 0, 0, 0.0),
        (run.clip_id, 1, 3, 0.5),
    ]
    assert ledger.nearest_fingerprints(query, max_distance=2) == matches[:1]


def test_flat_pictures_are_near_to_nothing(ledger: Ledger) -> None:
    flat = dataclasses.replace(fingerprint_of("flat"), qualities=np.array([0, 49, 50]))
    ledger.record_clip(record(ledger, "key", fingerprint=flat))
    assert [match.query_index for match in ledger.nearest_fingerprints(flat.hashes)] == [2]


# Findings about any file


def test_findings_about_foreign_files_are_kept(ledger: Ledger, url: str) -> None:
    ledger.record_clip(record(ledger, "key"))
    known = ledger.clips()[0].clip_id
    foreign = Asset(digest("foreign"), 10, "video/webm", "external")
    ledger.record_audit(foreign, {"verdict": "inconclusive", "p_ai": None})
    ledger.record_verification(foreign, {"verdict": "recovered_derived", "clip_id": clip_id_hex(known)})
    ledger.record_verification(foreign, {"verdict": "unsigned", "clip_id": None})
    counts = row_counts(url)
    assert (counts["audit"], counts["verification"]) == (2, 2)
    assert foreign.sha256 in ledger.known_assets()


# Failures with a name


def test_a_writer_that_waits_too_long_says_so(url: str) -> None:
    upgrade(url)
    with (
        connect(url, wait_s=0.2) as ledger,
        writing(open_engine(ledger_url(url), poolclass=NullPool)) as busy,
    ):
        busy.execute(text("SELECT 1"))
        assert ledger.run("key") is None  # readers do not wait
        with pytest.raises(LedgerLocked) as caught:
            ledger.reserve_run("key", REQUEST)
    assert "Try again" in caught.value.hint


def test_a_ledger_that_may_only_be_read_says_so(sqlite_url: str) -> None:
    with connect(sqlite_url, create=True) as ledger:
        ledger.record_clip(record(ledger, "key"))
        path = sqlite_url.removeprefix("sqlite:///")
        with connect(f"sqlite:///file:{path}?mode=ro&uri=true") as read_only:
            assert len(read_only.clips()) == 1
            with pytest.raises(LedgerReadOnly):
                read_only.reserve_run("another", REQUEST)


def test_a_time_without_a_zone_is_refused(url: str) -> None:
    upgrade(url)
    table = metadata.tables["prompt"]
    with (
        pytest.raises(RecordRejected, match="no time zone"),
        writing(open_engine(ledger_url(url), poolclass=NullPool)) as connection,
    ):
        connection.execute(table.insert().values(sha256=digest("x"), created=dt.datetime(2026, 11, 23)))


def test_a_digest_that_is_not_32_bytes_is_refused(ledger: Ledger) -> None:
    ledger.reserve_run("key", REQUEST)
    with pytest.raises(RecordRejected, match="32 bytes"):
        ledger.record_decision("key", ALLOW, b"short")
