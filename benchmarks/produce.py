"""Time of each step of `produce` with the embedded model, and its share; the Prefect server is up before.

    python benchmarks/produce.py --clips 3

The first clip pays for imports and is left out of the medians. Steps are called as Prefect tasks, so their overhead
is in the total but not in the steps.
"""

import os
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from measure import arguments, report

from flows import runtime
from flows.settings import Settings

PROMPTS = (
    "a red ball bounces on grass at dusk",
    "一个蓝色的方块在沙地上落下",
    "a green balloon rises on snow at night",
)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--clips", type=int, default=3)
    options = parser.parse_args()
    spent: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home")
        settings.home.mkdir()
        os.environ["CLIPPROOF_HOME"] = str(settings.home)
        runtime.use(settings)
        try:
            from flows.produce import run_produce
            from flows.production import Job

            for number in range(options.clips + 1):
                steps: list[tuple[str, float]] = []

                def note(step: str, _share: float, steps: Any = steps) -> None:
                    if not steps or steps[-1][0] != step:
                        steps.append((step, time.perf_counter()))

                job = Job(prompt=PROMPTS[number % len(PROMPTS)], seed=number)
                run_produce(settings, job, out=Path(folder) / f"{number}.mp4", progress=note)
                ended = time.perf_counter()
                if number:
                    ends = [begun for _, begun in steps[1:]] + [ended]
                    for (step, begun), end in zip(steps, ends, strict=True):
                        spent[step].append(end - begun)
        finally:
            runtime.down(settings)
    medians = {step: statistics.median(times) for step, times in spent.items()}
    total = sum(medians.values())
    rows = [{"step": step, "wall_s": wall, "share_%": 100 * wall / total} for step, wall in medians.items()]
    report([*rows, {"step": "in all", "wall_s": total, "share_%": 100.0}], options.json)


if __name__ == "__main__":
    main()
