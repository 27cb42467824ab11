"""Several processes at one ledger: nothing is lost, doubled or out of order."""

import multiprocessing
from collections import Counter

from provenance.ledger import connect

PROCESSES = 4
APPENDS = 10


def work(url: str, worker: int, results: "multiprocessing.Queue[tuple[int, int]]") -> None:
    with connect(url) as ledger:
        run = ledger.reserve_run("the same key", {"prompt": "a heron at dawn"})
        for number in range(APPENDS):
            ledger.append_log("test.event", {"worker": worker, "number": number})
        results.put((worker, run.clip_id))


def test_four_processes_share_one_run_and_one_unbroken_log(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    with connect(url, create=True) as ledger:
        results = context.Queue()
        workers = [context.Process(target=work, args=(url, number, results)) for number in range(PROCESSES)]
        for worker in workers:
            worker.start()
        clip_ids = dict(results.get(timeout=120) for _ in workers)
        for worker in workers:
            worker.join(60)
        assert [worker.exitcode for worker in workers] == [0] * PROCESSES
        assert len(set(clip_ids.values())) == 1
        check = ledger.verify_log()
        assert (check.intact, check.size) == (True, PROCESSES * APPENDS)
        entries = ledger.log_entries()
        assert Counter(entry.body["worker"] for entry in entries) == dict.fromkeys(range(PROCESSES), APPENDS)
        for worker_number in range(PROCESSES):
            own = [entry.body["number"] for entry in entries if entry.body["worker"] == worker_number]
            assert own == list(range(APPENDS))


def prepare(url: str, results: "multiprocessing.Queue[str]") -> None:
    with connect(url, create=True) as ledger:
        results.put(str(ledger.verify_log().intact))


def test_two_processes_may_make_the_same_ledger_at_once(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    makers = [context.Process(target=prepare, args=(url, results)) for _ in range(2)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join(120)
    assert [maker.exitcode for maker in makers] == [0, 0]
    assert {results.get(timeout=10) for _ in makers} == {"True"}
