"""Disguises of a prompt, and how many of the caught prompts stay caught in each."""

import base64
import html
import random
import urllib.parse
from collections.abc import Callable, Sequence

from generator.safety import Action, Policy, check_prompt
from generator.safety.corpus import Example

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


def disguise_recall(
    examples: Sequence[Example], policy: Policy, *, sample: int
) -> dict[str, dict[str, float]]:
    """Share of prompts that `policy` stops in plain form and still answers in disguise, per transform."""
    table: dict[str, dict[str, float]] = {}
    for language, transforms in (("en", EN_DISGUISES), ("zh", ZH_DISGUISES)):
        own = [e.text for e in examples if e.language == language and e.code and len(e.text) < 300]
        random.Random(7).shuffle(own)
        caught: list[str] = []
        for text in own:
            if len(caught) == sample:
                break
            if check_prompt(text, policy=policy).action in (Action.REVIEW, Action.BLOCK):
                caught.append(text)
        for name, transform in transforms.items():
            kept = [
                check_prompt(transform(text)[:4000], policy=policy).action is not Action.ALLOW
                for text in caught
            ]
            table[name] = {"n": len(kept), "caught": sum(kept) / max(len(kept), 1)}
    return table
