"""Can the policy read this text at all? What it cannot read it does not let pass."""

import re
import unicodedata

from generator.safety.characters import is_invisible
from generator.safety.decision import Action, Match
from generator.safety.policy import Policy

UNREADABLE = "F1"
UNKNOWN_SCRIPT = "F2"

_HAN = re.compile("[\u3400-\u9fff\U00020000-\U0003ffff]")
_LATIN = re.compile("[A-Za-z]+")
# Scripts of the encoder's sixteen languages. Unicode names begin with the script.
_READ_SCRIPTS = ("LATIN", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "CYRILLIC", "ARABIC", "THAI", "GREEK")
_MAX_UNREAD_SHARE = 0.3
_NEVER_IN_TEXT = re.compile("[\x00\ufffd\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def unreadable(text: str, policy: Policy) -> Match | None:
    """The match that says why `text` cannot be judged by its words, or None.

    Its action is `block` where nothing is left to judge (too long, not text, empty), and `review` where
    there are signs but too few letters of a script that the policy reads: another script, emoji, figures.
    """
    if len(text) > policy.max_prompt_chars:
        return _fault(
            policy,
            "any.too_long",
            f"The prompt has {len(text)} characters; the policy reads {policy.max_prompt_chars}.",
            "Shorten the prompt; a clip of a few seconds needs a few sentences.",
        )
    if _NEVER_IN_TEXT.search(text):
        return _fault(
            policy,
            "any.not_text",
            "The prompt holds bytes that are no text.",
            "Send the prompt as UTF-8 text.",
        )
    visible = [char for char in text if not is_invisible(char) and not char.isspace()]
    if not visible:
        return _fault(policy, "any.empty", "The prompt is empty.", "Describe what the clip should show.")
    folded = [char for char in unicodedata.normalize("NFKC", "".join(visible)) if char.isalpha()]
    unread = sum(not _is_read(char) for char in folded)
    if not folded or unread > _MAX_UNREAD_SHARE * len(folded):
        code = policy.codes[UNKNOWN_SCRIPT]
        return Match("any.no_words", UNKNOWN_SCRIPT, code.action, "", code.explain, code.change)
    return None


def language_of(text: str) -> str:
    """`zh`, `en` or `und`: by script, a Han character counting as much as a Latin word."""
    han = len(_HAN.findall(text))
    latin = len(_LATIN.findall(text))
    if not han and not latin:
        return "und"
    return "zh" if han >= latin else "en"


def _is_read(char: str) -> bool:
    return char.isascii() or unicodedata.name(char, "").startswith(_READ_SCRIPTS)


def _fault(policy: Policy, rule_id: str, explanation: str, change: str) -> Match:
    return Match(rule_id, UNREADABLE, Action.BLOCK, "", explanation, change)
