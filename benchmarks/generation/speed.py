"""Time, memory and repeatability of one process: ``python -m benchmarks.generation.speed`` prints JSON.

A process of its own, so that peak memory is the model's and not the benchmark's.
"""

import os

THREADS = 2
os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))  # before torch

import argparse  # noqa: E402
import hashlib  # noqa: E402
import json  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import torch  # noqa: E402

from generator.models import find_model, load_pipeline  # noqa: E402
from generator.spacetime.concepts import SLOT_NAMES, STAGE, concept_id, slot_index  # noqa: E402

_KB = 1024 if sys.platform != "darwin" else 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a folder with other weights of the same pipeline")
    parser.add_argument("--long-s", type=int, default=60, help="seconds of the long clip")
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    pipeline = load_pipeline(find_model(arguments.model), "cpu", "float32")
    ids = torch.zeros(1, len(SLOT_NAMES), dtype=torch.long)
    ids[0, slot_index("event")] = concept_id("event", "bounce")
    ids[0, slot_index(STAGE)] = 1

    def made(seeds: list[int], seconds: int) -> list[str]:
        """Digest of every clip."""
        chances = [torch.Generator().manual_seed(seed) for seed in seeds]
        latents = pipeline(
            concept_ids=ids.expand(len(seeds), -1),
            generator=chances,
            num_frames=24 * seconds,
            output_type="latent",
        ).frames
        digests = []
        for clip in latents.split(1):
            digest = hashlib.sha256()
            for piece in pipeline.decode_windows(clip, (256, 256)):
                digest.update((255 * piece).round().to(torch.uint8).numpy().tobytes())
            digests.append(digest.hexdigest())
        return digests

    first = made([1], 2)  # also warms up
    times, repeats = [], True
    for _ in range(3):
        start = time.monotonic()
        repeats &= made([1], 2) == first
        times.append(time.monotonic() - start)
    alone = made([5, 1], 2)[1] == first[0]
    start = time.monotonic()
    made([1], arguments.long_s)
    took = {
        "two_s": sorted(times)[1],
        "sixty_s": time.monotonic() - start,
        "repeats": repeats,
        "alone": alone,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KB / 1e9,
        "threads": THREADS,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }
    print(json.dumps(took))


if __name__ == "__main__":
    main()
