"""How the prompt policy does on labelled prompt sets, and how it stands up to disguise.

    python benchmarks/policy.py PROMPTS [--json OUT] [--show-misses N] [--show-false N]

PROMPTS holds `unsafe/*.csv` and `benign/*.csv` with the columns text, lang, category, source. Prints recall
per category (any: the action is not `allow`; block: it is `block`), false positives on the benign sets, recall
after each disguise of prompts that the policy catches in plain form, and CPU time.

What it does not show: how the policy does on prompts by people who know it; and where its lists were tuned on
the same sets, the figures are optimistic.
"""

import argparse
import base64
import csv
import html
import json
import random
import re
import statistics
import sys
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from generator.safety import Action, check_prompt, policy_version

Row = dict[str, str]


def read_rows(folder: Path) -> Iterator[Row]:
    """Every row of every CSV file under `folder`, with `set` added: the file's stem and its grade, if it has one."""
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                if row["text"].strip():
                    grade = re.search(r"/(strong|weak)$", row["source"])
                    yield row | {"set": path.stem + (f" {grade.group(1)}" if grade else "")}


def rates(rows: Iterable[Row], key: Callable[[Row], str]) -> dict[str, dict[str, float]]:
    """Per key: the number of prompts and the shares with any action, with review or block, with block."""
    actions: dict[str, list[Action]] = defaultdict(list)
    for row in rows:
        actions[key(row)].append(check_prompt(row["text"][:4000]).action)
    return {
        name: {
            "n": len(found),
            "any": sum(action is not Action.ALLOW for action in found) / len(found),
            "stop": sum(action in (Action.REVIEW, Action.BLOCK) for action in found) / len(found),
            "block": sum(action is Action.BLOCK for action in found) / len(found),
        }
        for name, found in sorted(actions.items())
    }


_LEET = str.maketrans("aeiost", "431057")
_CYRILLIC = str.maketrans("aceopxyi", "асеорхуі")
_TRADITIONAL = str.maketrans(
    "杀国体台裸尸枪炼盗门东发个为么书买乱争亲伤众优传击", "殺國體臺裸屍槍煉盜門東發個為麼書買亂爭親傷眾優傳擊"
)


def _each_word(change: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: " ".join(change(word) for word in text.split(" "))


def _swap(word: str) -> str:
    if len(word) < 4 or not word.isalpha():
        return word
    place = random.Random(word).randrange(1, len(word) - 2) if len(word) > 4 else 1
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def _math_bold(text: str) -> str:
    return "".join(
        chr(0x1D41A + ord(char) - 97)
        if "a" <= char <= "z"
        else chr(0x1D400 + ord(char) - 65)
        if "A" <= char <= "Z"
        else char
        for char in text
    )


def _stretch(word: str) -> str:
    place = next((place for place, char in enumerate(word) if char in "aeiou"), None)
    return word if place is None or len(word) < 4 else word[:place] + word[place] * 3 + word[place:]


EN_DISGUISES: dict[str, Callable[[str], str]] = {
    "leet": lambda text: text.lower().translate(_LEET),
    "look-alikes": lambda text: text.translate(_CYRILLIC),
    "zero width": lambda text: "\u200b".join(text),
    "spaced letters": lambda text: " ".join(text),
    "dotted letters": _each_word(".".join),
    "full width": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "math bold": _math_bold,
    "accents": lambda text: "".join(char + "\u0301" if char in "aeioucns" else char for char in text),
    "stretched": _each_word(_stretch),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "HTML entities": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "percent": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "swapped letters": _each_word(_swap),
    "tags and bidi": lambda text: "".join(char + "\U000e0041\u202d" for char in text),
    "one space": lambda text: " ".join(text.replace(" ", "")),
}
ZH_DISGUISES: dict[str, Callable[[str], str]] = {
    "zh zero width": lambda text: "\u200b".join(text),
    "zh spaces": lambda text: " ".join(text),
    "zh asterisks": lambda text: "*".join(text),
    "zh emoji": lambda text: "🌸".join(text),
    "zh dashes": lambda text: "-".join(text),
    "zh full stops": lambda text: "。".join(text),
    "zh full-width dots": lambda text: "．".join(text),
    "zh traditional": lambda text: text.translate(_TRADITIONAL),
    "zh base64": lambda text: base64.b64encode(text.encode()).decode(),
    "zh percent": urllib.parse.quote,
    "zh HTML entities": lambda text: html.escape(text).encode("ascii", "xmlcharrefreplace").decode(),
}


def disguise_recall(rows: list[Row], *, sample: int) -> dict[str, dict[str, float]]:
    """Share of caught prompts that are still caught in disguise, per transform."""
    table: dict[str, dict[str, float]] = {}
    for language, transforms in (("en", EN_DISGUISES), ("zh", ZH_DISGUISES)):
        own = [row["text"] for row in rows if row["lang"] == language and len(row["text"]) < 300]
        caught = [text for text in own if check_prompt(text).action in (Action.REVIEW, Action.BLOCK)]
        chosen = random.Random(7).sample(caught, min(sample, len(caught)))
        for name, transform in transforms.items():
            kept = [check_prompt(transform(text)).action is not Action.ALLOW for text in chosen]
            table[name] = {"n": len(kept), "caught": sum(kept) / max(len(kept), 1)}
    return table


def cpu_ms(rows: list[Row], *, sample: int) -> dict[str, float]:
    """Median and 95th percentile of the CPU time of one check, in milliseconds."""
    texts = [row["text"][:4000] for row in random.Random(3).sample(rows, min(sample, len(rows)))]
    spent = []
    for text in texts:
        start = time.process_time()
        check_prompt(text)
        spent.append((time.process_time() - start) * 1000)
    return {"median": statistics.median(spent), "p95": statistics.quantiles(spent, n=20)[-1]}


def print_rates(title: str, table: dict[str, dict[str, float]]) -> None:
    print(f"\n{title}\n{'':34}{'n':>6}{'any':>8}{'stop':>8}{'block':>8}")
    for name, row in table.items():
        print(f"{name:34}{row['n']:6.0f}{row['any']:8.3f}{row['stop']:8.3f}{row['block']:8.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prompts", type=Path)
    parser.add_argument("--json", type=Path, help="write the tables here")
    parser.add_argument("--sample", type=int, default=200, help="prompts per disguise (default 200)")
    parser.add_argument(
        "--show-misses", type=int, default=0, metavar="N", help="print N missed unsafe prompts a category"
    )
    parser.add_argument(
        "--show-false", type=int, default=0, metavar="N", help="print N stopped benign prompts a set"
    )
    options = parser.parse_args()
    unsafe = list(read_rows(options.prompts / "unsafe"))
    benign = list(read_rows(options.prompts / "benign"))
    if not unsafe or not benign:
        parser.error(f"{options.prompts} needs unsafe/*.csv and benign/*.csv")

    by_set = rates(unsafe, lambda row: row["set"])
    by_category = rates(unsafe, lambda row: f"{row['set']}: {row['category']}")
    false_alarms = rates(benign, lambda row: row["set"])
    disguises = disguise_recall(unsafe, sample=options.sample)
    cpu_time = cpu_ms(unsafe + benign, sample=1000)
    print(f"policy {policy_version()}")
    print_rates("recall on unsafe sets", by_set)
    print_rates("recall by category", by_category)
    print_rates("false positives on benign sets", false_alarms)
    print(f"\n{'caught prompts that stay caught in disguise':44}{'n':>6}{'caught':>8}")
    for name, row in disguises.items():
        print(f"{name:44}{row['n']:6.0f}{row['caught']:8.3f}")
    print(
        "\nCPU time of one check, ms: " + ", ".join(f"{name} {value:.2f}" for name, value in cpu_time.items())
    )
    show(unsafe, lambda row: f"{row['set']}: {row['category']}", options.show_misses, missed=True)
    show(benign, lambda row: row["set"], options.show_false, missed=False)
    if options.json:
        report = {
            "policy_version": policy_version(),
            "unsafe_sets": by_set,
            "unsafe_categories": by_category,
            "benign_sets": false_alarms,
            "disguises": disguises,
            "cpu_ms": cpu_time,
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def show(rows: list[Row], key: Callable[[Row], str], limit: int, *, missed: bool) -> None:
    """Print up to `limit` missed unsafe, or stopped benign, prompts for each key."""
    shown: dict[str, int] = defaultdict(int)
    for row in rows if limit else ():
        decision = check_prompt(row["text"][:4000])
        if (decision.action is Action.ALLOW) == missed and shown[key(row)] < limit:
            shown[key(row)] += 1
            spans = "; ".join(f"{match.rule_id}={match.span}" for match in decision.matches[:3])
            print(f"[{key(row)}] {row['text'][:110]!r} {spans}")


if __name__ == "__main__":
    main()
