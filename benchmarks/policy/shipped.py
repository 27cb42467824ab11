"""What the policy as it ships says of labelled prompts: shares, calibration, time."""

import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from generator.safety import Action, Decision, Policy, check_prompt
from generator.safety.corpus import Example


@dataclass(frozen=True, slots=True)
class Judged:
    """An example with the decision on it."""

    example: Example
    decision: Decision


def judge(examples: Iterable[Example], policy: Policy) -> list[Judged]:
    return [Judged(example, check_prompt(example.text, policy=policy)) for example in examples]


def shares(
    judged: Iterable[Judged], key: Callable[[Example], str], *, own_code: bool = False
) -> dict[str, dict[str, float]]:
    """Per key: how many, and the shares with any action, with review or block, with block,
    and with a note on physics.

    With `own_code` also how often the example's own code is among the decision's.
    """
    grouped: dict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        grouped[key(one.example)].append(one)
    table = {}
    for name, group in sorted(grouped.items()):
        actions = [one.decision.action for one in group]
        table[name] = {
            "n": len(group),
            "any": sum(action is not Action.ALLOW for action in actions) / len(group),
            "stop": sum(action in (Action.REVIEW, Action.BLOCK) for action in actions) / len(group),
            "block": sum(action is Action.BLOCK for action in actions) / len(group),
            "note": sum(bool(one.decision.notes) for one in group) / len(group),
        }
        if own_code:
            table[name]["own code"] = sum(one.example.code in one.decision.codes for one in group) / len(
                group
            )
    return table


def reliability(judged: Sequence[Judged], bins: int = 10) -> dict[str, list[float] | float]:
    """How often prompts of a score are unsafe, in bins of the head's `any`, and the expected calibration error.

    Classes weigh the same, as in training: the share of unsafe prompts in a set says nothing of that in life.
    """
    score = np.array([one.decision.scores.get("any", np.nan) for one in judged])
    unsafe = np.array([one.example.code is not None for one in judged])
    known = ~np.isnan(score)
    score, unsafe = score[known], unsafe[known]
    weight = np.where(unsafe, 0.5 / max(unsafe.sum(), 1), 0.5 / max((~unsafe).sum(), 1))
    place = np.minimum((score * bins).astype(int), bins - 1)
    mean, rate, mass = [], [], []
    for number in range(bins):
        inside = place == number
        total = weight[inside].sum()
        if total > 0:
            mean.append(float((score * weight)[inside].sum() / total))
            rate.append(float((unsafe * weight)[inside].sum() / total))
            mass.append(float(total))
    error = float(sum(m * abs(r - p) for m, r, p in zip(mass, rate, mean, strict=True)))
    return {"score": mean, "unsafe": rate, "mass": mass, "ece": error}


def cpu_ms(examples: Sequence[Example], policy: Policy, *, sample: int = 1000) -> dict[str, float]:
    """Median and 95th percentile of the CPU time of one check, in milliseconds."""
    chosen = random.Random(3).sample(list(examples), min(sample, len(examples)))
    check_prompt("a red ball", policy=policy)  # loads the encoder
    spent = []
    for example in chosen:
        start = time.process_time()
        check_prompt(example.text, policy=policy)
        spent.append((time.process_time() - start) * 1000)
    return {"median": statistics.median(spent), "p95": statistics.quantiles(spent, n=20)[-1]}
