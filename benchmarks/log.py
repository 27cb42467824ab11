"""Eight processes append 10,000 entries to one log; then every entry is proved, and that the log only grew.

    python benchmarks/log.py [--entries 10000] [--processes 8]

On SQLite and PostgreSQL. Each append is a transaction of its own that is synced to the disk, so the rate is mostly the
disk's, and that of writers who wait for each other; a ledger appends one entry a clip.
"""

import json
import multiprocessing
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ledger_lookup import databases
from measure import arguments, report

from provenance.ledger import connect, merkle


def append(url: str, worker: int, count: int) -> None:
    with connect(url, wait_s=300) as ledger:
        for number in range(count):
            ledger.append_log("benchmark", {"worker": worker, "number": number})


def measure(name: str, url: str, processes: int, each: int) -> dict[str, Any]:
    key = Ed25519PrivateKey.generate()
    context = multiprocessing.get_context("spawn")
    with connect(url, create=True) as ledger:
        workers = [context.Process(target=append, args=(url, number, each)) for number in range(processes)]
        started = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        appended_s = time.perf_counter() - started
        assert [worker.exitcode for worker in workers] == [0] * processes

        started = time.perf_counter()
        check = ledger.verify_log()
        checked_s = time.perf_counter() - started
        assert check.intact, check.problem
        entries = ledger.log_entries()
        told = Counter(json.loads(entry.text)["body"]["worker"] for entry in entries)
        assert told == dict.fromkeys(range(processes), each), "entries are lost"

        signed = ledger.sign_checkpoint(key)
        started = time.perf_counter()
        for entry in entries:
            path = ledger.prove_inclusion(entry.seq, signed.size)
            assert merkle.root_of_inclusion(entry.seq, signed.size, entry.leaf, path) == signed.root
        proved_s = time.perf_counter() - started
        for old in range(1, signed.size, max(1, signed.size // 100)):
            leaves = [entry.leaf for entry in entries[:old]]
            proof = ledger.prove_consistency(old, signed.size)
            assert merkle.is_consistent(old, root_of(leaves), signed.size, signed.root, proof)
    return {
        "database": name,
        "processes": processes,
        "entries": len(entries),
        "lost": processes * each - len(entries),
        "appends a second": len(entries) / appended_s,
        "proofs valid": len(entries),
        "ms a proof": 1000 * proved_s / len(entries),
        "checking all, s": checked_s,
    }


def root_of(leaves: list[bytes]) -> bytes:
    """The root by the definition of RFC 6962 §2.1, from the leaves alone."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return merkle.node_hash(root_of(leaves[:half]), root_of(leaves[half:]))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, databases(Path(folder)) as urls:
        each = options.entries // options.processes
        report([measure(name, url, options.processes, each) for name, url in urls.items()], options.json)


if __name__ == "__main__":
    main()
