"""Leave-one-source-out: the head is trained again without a source, and judged on it.

Thresholds are set on ordinary harmless prompts of sources that this head has not seen either (VBench), in the
language of the test. The rules are those that ship: where their author read a source, its column is no held-out
result; the head's is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from generator.safety import Action, Policy, check_prompt
from generator.safety.corpus import Example
from generator.safety.train import Recipe, embedded, fit, targets, trainable_codes

THRESHOLD_SOURCES = ("vbench_en", "vbench_zh")
GROUPS: Mapping[str, tuple[str, ...]] = {
    "I2P, strong": ("i2p",),
    "XSTest": ("xstest_contrast_en", "xstest_safe_en"),
    "artist style": ("artist_style", "public_domain_art"),
    "seed sets": ("own_zh", "own_en_seedlike", "own_en_hard"),
}
"""Sources that are left out together: the unsafe and the harmless half of one set."""

FALSE_POSITIVES = (0.02, 0.05)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Recall on one unseen source in one language, by head, by rules and by both, per share of false positives."""

    group: str
    language: str
    n: int
    head: tuple[float, ...]
    rules: float
    union: tuple[float, ...]
    union_false_positives: tuple[float, ...]
    twins: tuple[float, ...]


def leave_one_out(
    examples: Sequence[Example], policy: Policy, groups: Mapping[str, tuple[str, ...]]
) -> tuple[list[HeldOut], dict[str, dict[str, float]]]:
    """One row per group and language, and the head's recall per code at the last share, pooled over groups."""
    embeddings = embedded(examples)
    sources = np.array([example.source for example in examples])
    threshold_rows = np.isin(sources, THRESHOLD_SOURCES)
    unsafe = np.array([example.code is not None and not example.weak for example in examples])
    twins = np.array([example.twin is not None for example in examples])
    language = np.array([example.language for example in examples])
    by_rules = rule_hits(examples, policy)
    rows, caught = [], {}
    for group, members in groups.items():
        held_out = np.isin(sources, members)
        if not (held_out & unsafe).any():
            continue
        score = score_without(examples, embeddings, held_out | threshold_rows)
        for code in sorted(
            {e.code for e, held in zip(examples, held_out & unsafe, strict=True) if held and e.code}
        ):
            caught.setdefault(code, [])
        for spoken in ("en", "zh"):
            asked = held_out & unsafe & (language == spoken)
            benign = threshold_rows & (language == spoken)
            if asked.sum() < 10 or not benign.any():
                continue
            bounds = [float(np.quantile(score[benign], 1 - share)) for share in FALSE_POSITIVES]
            beside = held_out & twins & (language == spoken)
            rows.append(
                HeldOut(
                    group,
                    spoken,
                    int(asked.sum()),
                    head=tuple(float((score[asked] >= bound).mean()) for bound in bounds),
                    rules=float(by_rules[asked].mean()),
                    union=tuple(float(((score >= bound) | by_rules)[asked].mean()) for bound in bounds),
                    union_false_positives=tuple(
                        float(((score >= bound) | by_rules)[benign].mean()) for bound in bounds
                    ),
                    twins=tuple(
                        float((score[beside] >= bound).mean()) if beside.any() else np.nan for bound in bounds
                    ),
                )
            )
            for row in np.flatnonzero(asked):
                caught[str(examples[row].code)].append((score[row] >= bounds[-1], by_rules[row]))
    per_code = {
        code: {
            "n": len(found),
            "head": float(np.mean([head for head, _ in found])),
            "union": float(np.mean([head or rule for head, rule in found])),
        }
        for code, found in sorted(caught.items())
        if found
    }
    return rows, per_code


def score_without(
    examples: Sequence[Example], embeddings: NDArray[np.float32], left_out: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """The `any` logit of every example, by a head that was trained without those that are left out."""
    recipe = Recipe()
    kept = [example for example, out in zip(examples, left_out, strict=True) if not out]
    codes = trainable_codes(kept)
    target, weight = targets(kept, codes, recipe)
    return fit(embeddings[~left_out], target, weight, recipe).logits(embeddings)[:, 0]


def rule_hits(examples: Sequence[Example], policy: Policy) -> NDArray[np.bool_]:
    """Whether the rules alone, without head and concepts, would answer anything but `allow`."""
    bare = rules_alone(policy)
    return np.array(
        [check_prompt(example.text, policy=bare).action is not Action.ALLOW for example in examples]
    )


def rules_alone(policy: Policy) -> Policy:
    """The same policy without its learned layers."""
    return replace(policy, learned=None)
