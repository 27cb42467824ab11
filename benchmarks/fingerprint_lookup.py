"""Time of a look-up among many recorded frames: `python benchmarks/fingerprint_lookup.py [--frames 1000000]`.

A synthetic ledger of random hashes; the queries are recorded frames with up to 31 bits flipped, and as many that
were never recorded. Brute force, our banded index and, where it is installed, faiss answer the same queries and must
find the same frames. The cold load from SQLite is timed with rows written straight into the table.

Random hashes fill all buckets evenly. Real ones do not: a ledger of one studio's look-alike scenes is slower.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import arguments, report
from sqlalchemy import NullPool, text

from provenance.ledger import nearest, upgrade
from provenance.ledger.engine import ledger_url, open_engine
from provenance.ledger.nearest import Bands, FingerprintIndex

DISTANCE = 31


def queries_of(hashes: Any, chance: np.random.Generator, count: int) -> Any:
    chosen = np.unpackbits(hashes[chance.integers(0, len(hashes), count)], axis=1)
    for row in chosen[: (count + 1) // 2]:
        row[chance.choice(256, int(chance.integers(0, DISTANCE + 1)), replace=False)] ^= 1
    chosen[(count + 1) // 2 :] = chance.integers(0, 2, (count // 2, 256))
    return np.packbits(chosen, axis=1)


def best_of(call: Callable[[], Any], times: int = 5) -> tuple[float, Any]:
    found, answer = [], None
    for _ in range(times):
        started = time.perf_counter()
        answer = call()
        found.append(1000 * (time.perf_counter() - started))
    return min(found), answer


def pairs(found: Any) -> set[tuple[int, int, int]]:
    return set(zip(*(column.tolist() for column in found), strict=True))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000)
    options = parser.parse_args()
    chance = np.random.default_rng(0)
    hashes = chance.integers(0, 256, (options.frames, 32), dtype=np.uint8)
    started = time.perf_counter()
    bands = Bands(hashes)
    build_s = time.perf_counter() - started
    rows = []
    real_faiss = nearest._by_faiss
    for count in (1, 80):
        asked = queries_of(hashes, chance, count)
        nearest._by_faiss = lambda *_: None  # type: ignore[assignment]
        brute_ms, brute = best_of(lambda asked=asked: nearest.every_within(hashes, asked, DISTANCE), 1)
        nearest._by_faiss = real_faiss
        ours_ms, ours = best_of(lambda asked=asked: bands.within(asked, DISTANCE))
        row = {
            "queries": count,
            "brute force ms": brute_ms,
            "bands ms": ours_ms,
            "bands equal": pairs(ours) == pairs(brute),
        }
        if real_faiss(hashes[:1], asked, DISTANCE) is not None:
            import faiss

            flat = faiss.IndexBinaryFlat(256)
            flat.add(hashes)
            faiss.omp_set_num_threads(1)
            row["faiss flat ms"], _ = best_of(
                lambda asked=asked, flat=flat: flat.range_search(asked, DISTANCE + 1), 2
            )
            row["faiss equal"] = pairs(real_faiss(hashes, asked, DISTANCE)) == pairs(brute)
        rows.append(row)
    memory = hashes.nbytes + 16 * len(hashes) + bands._order.nbytes + bands._starts.nbytes
    load_s = cold_load(hashes)
    for row in rows:
        row |= {"bands built s": build_s, "cold load and build s": load_s, "memory MB": memory / 1e6}
    report(rows, options.json)


def cold_load(hashes: Any) -> float:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'ledger.db'}"
        upgrade(url)
        engine = open_engine(ledger_url(url), poolclass=NullPool)
        with engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.execute("PRAGMA foreign_keys=OFF")
            raw.execute("BEGIN")
            raw.executemany(
                "INSERT INTO fingerprint (clip_id, ordinal, time_s, pdq, quality, thumbnail) VALUES (?,?,?,?,100,x'')",
                (
                    ((n // 20).to_bytes(8, "big"), n % 20, n % 20 / 2, one.tobytes())
                    for n, one in enumerate(hashes)
                ),
            )
            raw.execute("COMMIT")
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            started = time.perf_counter()
            FingerprintIndex().refresh(connection)
            return time.perf_counter() - started


if __name__ == "__main__":
    main()
