"""Rewrites and notes: every maker, work and person of the policy, in both languages, in several sentences.

Most of it asks the rules alone, so that it holds whatever head is trained next; what a head says of a proposal is asked
at the end.
"""

import re

import pytest
import yaml
from bare_policy import bare_taxonomy
from hypothesis import given
from hypothesis import strategies as st

from generator.safety import check_prompt
from generator.safety.policy import load_policy, shipped_sources
from generator.safety.wording import word_changes, word_diff

HAN = re.compile("[\u3400-\u9fff]")
STYLE_EN = (
    "a rainy street in the style of {} at night",
    "a {}-style meadow, wide shot",
    "In the style of {}, a boy flies a kite.",
    "castle, dusk, {}, 8k",
    "make the harbour look like a {} movie",
)
STYLE_ZH = (
    "{}风格的雨夜街道",
    "用{}的手法拍一条小巷",
    "拍成{}的风格",
    "致敬《{}》的夜市长镜头",
    "一座灯塔，{}式构图",
)
THING_EN = ("{} walks through a meadow", "a boy meets {} in the rain", "two children draw {} with chalk")
THING_ZH = ("{}在草地上奔跑", "一个男孩和{}一起放风筝", "橱窗里的{}，暖光")


def _entries() -> list[tuple[str, bool, list[str]]]:
    entries = []
    for name in ("styles", "works", "figures"):
        file = yaml.safe_load(shipped_sources()[f"{name}.yaml"])
        for rule in file["rules"]:
            if "instead_en" not in rule:
                continue
            written = rule["any_of"]
            written = file["lists"][written[1:]] if written.startswith("@") else written
            terms = [term.strip() for term in re.split(r"[,，\n]", written) if term.strip()]
            latin = [term.title() for term in terms if not HAN.search(term)][:1]
            entries.append(
                (rule["id"], "maker" in rule, latin + [term for term in terms if HAN.search(term)][:1])
            )
    return entries


ENTRIES = _entries()
RULES = load_policy(shipped_sources() | {"policy.yaml": bare_taxonomy()})


def test_the_policy_knows_many_makers_works_and_trades() -> None:
    assert sum(is_style for _, is_style, _ in ENTRIES) >= 120
    assert sum(rule.startswith(("work.", "brand.")) for rule, _, _ in ENTRIES) >= 60
    assert sum(rule.startswith("role.") for rule, _, _ in ENTRIES) >= 20


@pytest.mark.parametrize(("rule", "is_style", "terms"), ENTRIES, ids=[rule for rule, _, _ in ENTRIES])
def test_every_entry_is_rewritten_to_something_that_is_allowed(
    rule: str, is_style: bool, terms: list[str]
) -> None:
    for term in terms:
        chinese = bool(HAN.search(term))
        for carrier in (
            (STYLE_ZH if chinese else STYLE_EN) if is_style else (THING_ZH if chinese else THING_EN)
        ):
            decision = check_prompt(carrier.format(term), policy=RULES)
            assert decision.rewrite, carrier.format(term)
            assert term.lower() not in decision.rewrite.lower()
            assert check_prompt(decision.rewrite, policy=RULES).action in ("allow", "allow_label"), (
                decision.rewrite
            )
            assert not re.search(
                r"\ba (?:a|e[^u]|i)|\ban [bcdfgjklmnpqrstvwyz]|\b(?:a|an|the) an? |  ", decision.rewrite
            )
            assert decision.changes


@pytest.mark.parametrize(
    ("prompt", "rewrite"),
    [
        ("Taylor Swift's guitar on a chair", "a fictional pop singer's guitar on a chair"),
        ("US President Donald Trump eats a burger", "a fictional politician eats a burger"),
        (
            "Messi and Ronaldo play chess, Messi smiles",
            "a fictional footballer and another fictional footballer play chess, the fictional footballer smiles",
        ),
        (
            "a giant Batman and two Pikachus dance",
            "a giant invented masked night hero and two invented pocket-sized creatures dance",
        ),
        (
            "a can of Coca-Cola beside a Coca-Cola bottle",
            "a can of an unbranded fizzy drink beside an unbranded fizzy drink bottle",
        ),
        ("portrait of Yayoi Kusama", "portrait of a fictional artist"),
        ("泰勒·斯威夫特在夜市吃面", "一位虚构的流行歌手在夜市吃面"),
        ("特斯拉CEO马斯克宣布新电池，马斯克挥手", "一位虚构的科技企业家宣布新电池，这位虚构的科技企业家挥手"),
        ("一只皮卡丘和三个奥特曼在雪地里", "一只原创的小精怪和三个原创的光之巨人在雪地里"),
        ("宫崎骏在画画", "一位虚构的导演在画画"),
    ],
)
def test_the_grammar_holds(prompt: str, rewrite: str) -> None:
    assert (check_prompt(prompt, policy=RULES).rewrite or "").lower() == rewrite.lower()


def test_styles_of_several_makers_move_to_the_end_of_their_sentence() -> None:
    rewrite = check_prompt(
        "In the style of Wes Anderson and Wong Kar-wai, a lobby. A man walks in.", policy=RULES
    ).rewrite
    assert rewrite is not None
    assert re.fullmatch(r"A lobby, flat symmetrical .*, slow-shutter, .*\. A man walks in\.", rewrite)


def test_a_person_stays_in_review_and_a_blocked_prompt_gets_no_proposal() -> None:
    assert check_prompt("Elon Musk opens a bakery").action == "review"
    assert check_prompt("Elon Musk stabs a man").rewrite is None
    assert check_prompt("a man and a ball").changes == ()


WORDS = st.lists(
    st.sampled_from(["a", "red", "ball", ",", "王", "家", "在", " ", "rolls.", "\n"]), max_size=30
).map("".join)


@given(WORDS, WORDS)
def test_a_word_diff_gives_both_texts_again(old: str, new: str) -> None:
    pairs = word_diff(old, new)
    assert "".join(was for was, _ in pairs) == old
    assert "".join(now for _, now in pairs) == new
    assert word_changes(old, old) == ()


DEFY = [
    "a stream that flows uphill",
    "水往高处流",
    "the ball falls upward",
    "ice that burns on a table",
    "the tree's shadow falls toward the sun",
    "a candle burning under water",
    "a broken cup reassembles on the floor",
    "time running backward in a kitchen",
    "石头悬浮在空中",
    "蜡烛在水下燃烧",
    "摔碎的杯子自己复原",
    "太阳从西边升起",
]
OBEY = [
    "a stream flows down the hill",
    "a hiker walks uphill beside a stream",
    "a broken cup reassembles, played backward",
    "打碎的杯子复原如初，倒放镜头",
    "a candle burns beside the water",
    "水面上蜡烛的倒影，蜡烛在水中燃烧的倒影",
    "snow falls on a burning torch",
    "a fountain shoots water upward",
    "a balloon floats in the air",
    "她在水边跑步",
    "他的手机屏幕摔碎",
    "a boat floats on the lake",
]


@pytest.mark.parametrize("prompt", DEFY)
def test_what_defies_physics_is_told_in_the_language_of_the_prompt_and_not_stopped(prompt: str) -> None:
    decision = check_prompt(prompt, policy=RULES)
    assert decision.action == "allow"
    assert len(decision.notes) == 1
    assert bool(HAN.search(decision.notes[0])) is (decision.language == "zh")
    assert decision.as_record()["notes"] == list(decision.notes)


@pytest.mark.parametrize("prompt", OBEY)
def test_what_obeys_physics_or_says_how_it_is_meant_gets_no_note(prompt: str) -> None:
    assert check_prompt(prompt).notes == ()


def test_the_shipped_policy_allows_all_that_it_proposes_and_proposes_for_nearly_all() -> None:
    proposed = 0
    for _, is_style, terms in ENTRIES:
        carrier = (STYLE_EN if is_style else THING_EN)[0]
        rewrite = check_prompt(carrier.format(terms[0])).rewrite
        if rewrite is not None:
            proposed += 1
            assert check_prompt(rewrite).action in ("allow", "allow_label")
    assert proposed >= 0.9 * len(ENTRIES)
