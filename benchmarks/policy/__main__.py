"""How the prompt policy does: on frozen test sets, on sources that its head has not seen, in disguise, and how fast.

    python -m benchmarks.policy [--prompts FOLDER ...] [--against POLICY] [--out DIR]

Without --prompts only the frozen sets of this folder are judged: they were written apart from the rules and from the
training prompts, and nothing was chosen on them. FOLDERs are those that the head was trained on (their form stands in
`generator.safety.corpus`); they add leave-one-source-out and disguises of more prompts. --against lists what another
policy decides otherwise. Writes policy.json, policy.md and reliability.png to DIR.

What it does not show: prompts by people who study the policy; and the frozen sets and the training prompts were both
written by language models, so they are nearer to each other than to what strangers write.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.policy.disguises import disguise_recall
from benchmarks.policy.heldout import FALSE_POSITIVES, GROUPS, leave_one_out, rules_alone
from benchmarks.policy.pictures import draw_reliability
from benchmarks.policy.shipped import Judged, cpu_ms, judge, reliability, shares
from benchmarks.policy.tables import markdown
from generator.safety import load_policy, read_policy_folder
from generator.safety.comparison import drift
from generator.safety.corpus import Example, read_corpus
from generator.safety.policy import shipped_policy

FROZEN = Path(__file__).parent / "frozen"


def frozen_report(frozen: list[Judged], by_rules: list[Judged]) -> dict[str, Any]:
    """What the policy says of the frozen sets: by code, by kind of harmless prompt, and how calibrated.

    `by_rules` is the same without the learned layers.
    """
    unsafe = [one for one in frozen if one.example.code]
    harmless = [one for one in frozen if not one.example.code]
    head = {
        language: _head_at(frozen, language) for language in sorted({one.example.language for one in frozen})
    }
    codes = _by_code(unsafe)
    for name, row in _by_code([one for one in by_rules if one.example.code]).items():
        codes[name]["rules alone"] = row["any"]
    return {
        "codes": codes,
        "harmless": shares(harmless, lambda e: f"{e.language} {'hard twins' if e.twin else 'ordinary'}"),
        "head": head,
        "reliability": reliability(frozen),
    }


def _by_code(judged: list[Judged]) -> dict[str, dict[str, float]]:
    single = shares(judged, lambda e: f"{e.language} {e.code}", own_code=True)
    return single | shares(judged, lambda e: f"{e.language} all", own_code=True)


def _head_at(frozen: list[Judged], language: str) -> dict[str, Any]:
    """Recall of the head alone and with rules, with thresholds at shares of the set's own ordinary prompts."""
    import numpy as np

    own = [one for one in frozen if one.example.language == language]
    score = np.array([one.decision.scores.get("any", 1.0) for one in own])
    rules = np.array([any(not m.rule_id.startswith("head.") for m in one.decision.matches) for one in own])
    unsafe = np.array([one.example.code is not None for one in own])
    ordinary = np.array([one.example.code is None and one.example.twin is None for one in own])
    rows = {}
    for share in FALSE_POSITIVES:
        bound = float(np.quantile(score[ordinary], 1 - share))
        rows[f"{share:.0%}"] = {
            "head": float((score[unsafe] > bound).mean()),
            "union": float(((score > bound) | rules)[unsafe].mean()),
            "union false positives": float(((score > bound) | rules)[ordinary].mean()),
        }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=Path, nargs="*", default=[], help="folders of labelled prompts")
    parser.add_argument("--against", help="an older policy folder: list what it decides otherwise")
    parser.add_argument("--policy", type=Path, help="a policy folder; default: the one that ships")
    parser.add_argument("--sample", type=int, default=200, help="prompts per disguise and language")
    parser.add_argument("--out", type=Path, help="folder for policy.json, policy.md and reliability.png")
    options = parser.parse_args()
    policy = load_policy(read_policy_folder(options.policy)) if options.policy else shipped_policy()

    frozen = judge(read_corpus(FROZEN), policy)
    by_rules = judge([one.example for one in frozen], rules_alone(policy))
    examples: list[Example] = [example for folder in options.prompts for example in read_corpus(folder)]
    examples = list({example.text: example for example in examples}.values())
    report: dict[str, Any] = {
        "policy_version": policy.version,
        "frozen": frozen_report(frozen, by_rules),
        "disguises": disguise_recall(
            [one.example for one in frozen] + examples, policy, sample=options.sample
        ),
        "cpu_ms": cpu_ms([one.example for one in frozen] + examples, policy),
    }
    if examples:
        rows, per_code = leave_one_out(examples, policy, GROUPS)
        report["held_out"] = [asdict(row) for row in rows]
        report["held_out_codes"] = per_code
        judged = judge([e for e in examples if not e.weak], policy)
        report["trained_on"] = shares(judged, lambda e: f"{e.source} {'unsafe' if e.code else 'harmless'}")
    if options.against:
        old = load_policy(read_policy_folder(Path(options.against)))
        texts = [one.example.text for one in frozen]
        report["drift"] = {
            "against": old.version,
            "prompts": len(texts),
            "changed": [
                {"text": d.text, "old": d.old.action.value, "new": d.new.action.value}
                for d in drift(texts, old, policy)
            ],
        }
    text = markdown(report)
    print(text)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "policy.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
        (options.out / "policy.md").write_text(text)
        draw_reliability(report["frozen"]["reliability"], options.out / "reliability.png")


if __name__ == "__main__":
    main()
