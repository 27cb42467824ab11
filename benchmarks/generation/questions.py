"""The questions, in the order of the page, and what a clip costs (M11)."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Final

from .bench import Bench
from .looks import m4_flicker, m5_identity, m6_frechet, m7_diversity, m8_memorised, m9_long
from .motion import m2_gravity, m3_laws, path_followed, plan_laws
from .report import Answer, Row, Target
from .told import m1_adherence, m10_flips


def m11_speed(bench: Bench) -> Answer:
    bench.say("speed: 2 s and 60 s in a fresh process with two threads")
    command = [
        sys.executable,
        "-m",
        "benchmarks.generation.speed",
        *(["--model", bench.model] if bench.model else []),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the speed run failed:\n{done.stderr.strip()[-2000:]}")
    took = json.loads(done.stdout.splitlines()[-1])
    rows = (
        Row("clip of 2 s, seconds", took["two_s"], None, None, Target("at most", 8)),
        Row("clip of 60 s, seconds", took["sixty_s"], None, None, Target("at most", 180)),
        Row("clips of 2 s an hour", 3600 / took["two_s"], None, None, Target("at least", 400)),
        Row("peak memory, GB", took["peak_gb"], None, None, Target("at most", 1.5)),
        Row("same seed, same bytes", float(took["repeats"]), None, None, Target("at least", 1)),
        Row(
            "variant alone as in company, same bytes", float(took["alone"]), None, None, Target("at least", 1)
        ),
    )
    note = (
        f"{took['threads']} threads on {took['cores']} cores, load average {took['load']:.1f}: a busy machine is "
        "slower. Peak memory after the 60 s clip."
    )
    return Answer("M11", "What does it cost, and does it repeat?", rows, note)


QUESTIONS: Final[dict[str, Callable[[Bench], Answer]]] = {
    "M1": m1_adherence,
    "M2": m2_gravity,
    "M3": m3_laws,
    "PLAN": plan_laws,
    "PATH": path_followed,
    "M4": m4_flicker,
    "M5": m5_identity,
    "M6": m6_frechet,
    "M7": m7_diversity,
    "M8": m8_memorised,
    "M9": m9_long,
    "M10": m10_flips,
    "M11": m11_speed,
}
