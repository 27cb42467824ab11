"""The learned head: a file that fits one encoder, thresholds that a policy sets, long prompts read in stretches."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from generator.safety import Action, PolicyError, check_prompt, load_policy
from generator.safety.corpus import Example, read_corpus
from generator.safety.encoder import DIMENSIONS, encoder_sha256
from generator.safety.errors import CorpusError
from generator.safety.head import ANY, head_bytes, load_head, stretches
from generator.safety.learned import LearnedReading
from generator.safety.policy import shipped_policy, shipped_sources
from generator.safety.scoring import learned_matches
from generator.safety.train import Recipe, embedded, train

SHIPPED = shipped_sources()


def one_unit_head(text: str, *, codes: tuple[str, ...] = (ANY, "T1"), encoder: str | None = None) -> bytes:
    """A head that is sure of every code on `text` and of none on what is unlike it."""
    (vector,) = embedded([Example(text, "en", None, None, "test")])
    tensors = {
        "hidden": np.ascontiguousarray(vector[:, None]),
        "hidden_bias": np.array([-0.6], np.float32),
        "out": np.full((1, len(codes)), 50, np.float32),
        "out_bias": np.full(len(codes), -5, np.float32),
    }
    return head_bytes(tensors, codes=codes, encoder_sha256=encoder or encoder_sha256())


def policy_with(head: bytes, **thresholds: dict[str, float]):
    written = yaml.safe_load(SHIPPED["policy.yaml"])
    written["learned"]["head"] = "head.safetensors"
    for code in written["codes"].values():
        code.pop("review_from", None)
        code.pop("block_from", None)
    for name, limits in thresholds.items():
        written["codes"][name] |= limits
    sources = {"policy.yaml": yaml.safe_dump(written, allow_unicode=True).encode(), "head.safetensors": head}
    return load_policy(SHIPPED | sources)


HARM = "a friendly handshake in a hotel lobby, then the guest lies asleep beside an empty glass"


def test_a_score_above_the_threshold_is_a_match_with_its_score() -> None:
    policy = policy_with(one_unit_head(HARM), T1={"review_from": 0.5})
    decision = check_prompt(HARM, policy=policy)
    (match,) = decision.matches
    assert (decision.action, match.rule_id, match.code) == (Action.REVIEW, "head.T1", "T1")
    assert match.span == f"{decision.scores['T1']:.3f}"
    assert check_prompt("a red ball bounces on grass", policy=policy).action is Action.ALLOW


def test_a_block_needs_the_higher_threshold_and_an_exception_weakens_it() -> None:
    head = one_unit_head(HARM, codes=(ANY, "V1"))
    assert (
        check_prompt(HARM, policy=policy_with(head, V1={"review_from": 0.5, "block_from": 0.9})).action
        == "block"
    )
    assert check_prompt(HARM, policy=policy_with(head, V1={"review_from": 0.5})).action == "review"
    staged = f"{HARM}, behind the scenes"
    assert (
        check_prompt(staged, policy=policy_with(head, V1={"review_from": 0.5, "block_from": 0.9})).action
        == "review"
    )
    assert check_prompt(staged, policy=policy_with(head, V1={"review_from": 0.5})).action == "allow"


def test_the_score_of_any_harm_speaks_under_the_likeliest_code() -> None:
    written = yaml.safe_load(SHIPPED["policy.yaml"])
    written["learned"] |= {"head": "head.safetensors", "review_from": 0.5}
    for code in written["codes"].values():
        code.pop("review_from", None)
        code.pop("block_from", None)
    sources = {
        "policy.yaml": yaml.safe_dump(written, allow_unicode=True).encode(),
        "head.safetensors": one_unit_head(HARM, codes=(ANY, "T1")),
    }
    policy = load_policy(SHIPPED | sources)
    assert check_prompt(HARM, policy=policy).codes == ("T1",)
    assert check_prompt("a red ball bounces on grass", policy=policy).codes == ()


@pytest.mark.parametrize(
    ("scores", "contexts", "expected"),
    [
        ({"P1": 0.996, "S1": 0.9955}, {"satire"}, ("head.S1", "block")),
        ({"V1": 0.984, "S2": 0.98}, {"teaching"}, ("head.S2", "review")),
        ({"D1": 0.99, "V1": 0.9}, set(), ("head.D1", "review")),
        ({"V1": 0.99}, {"stage"}, ("head.V1", "review")),
        ({"V1": 0.94}, {"stage"}, None),
        ({"H1": 0.2}, set(), None),
    ],
)
def test_an_exception_hides_its_own_codes_and_no_others(
    scores: dict[str, float], contexts: set[str], expected: tuple[str, str] | None
) -> None:
    limits = {code: {"review_from": 0.9} for code in ("P1", "S2", "D1")}
    limits |= {code: {"review_from": 0.9, "block_from": 0.985} for code in ("S1", "V1", "H1")}
    policy = policy_with(one_unit_head(HARM, codes=(ANY, *limits)), **limits)
    found = learned_matches(LearnedReading(scores), contexts, policy)
    assert [(match.rule_id, match.action.value) for match in found] == ([expected] if expected else [])


def test_a_code_may_only_block() -> None:
    policy = policy_with(one_unit_head(HARM, codes=(ANY, "H1")), H1={"block_from": 0.5})
    assert learned_matches(LearnedReading({"H1": 0.6}), (), policy)[0].action is Action.BLOCK
    assert learned_matches(LearnedReading({"H1": 0.4}), (), policy) == []


def test_harm_in_one_sentence_of_a_long_prompt_is_not_averaged_away() -> None:
    padding = "The camera drifts over a quiet harbour while gulls circle above the boats. " * 12
    policy = policy_with(one_unit_head(HARM + "."), T1={"review_from": 0.5})
    assert check_prompt(padding + HARM + ". " + padding, policy=policy).codes == ("T1",)
    assert check_prompt(padding * 2, policy=policy).codes == ()


def test_a_block_by_words_alone_is_a_review_where_the_head_sees_no_harm() -> None:
    written = yaml.safe_load(SHIPPED["policy.yaml"])
    harmful = "a man stabs his neighbour in the garden"
    for doubt, action in ((0.0, "block"), (0.5, "review")):
        written["learned"] |= {"head": "head.safetensors", "doubt_below": doubt}
        for code in written["codes"].values():
            code.pop("review_from", None)
            code.pop("block_from", None)
        taxonomy = yaml.safe_dump(written, allow_unicode=True).encode()
        policy = load_policy(SHIPPED | {"policy.yaml": taxonomy, "head.safetensors": one_unit_head(HARM)})
        assert check_prompt(harmful, policy=policy).action == action


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a head"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{}", "not a head"),
        (one_unit_head(HARM)[:-8], "not a head"),
        (one_unit_head(HARM, encoder="0" * 64), "another encoder"),
        (one_unit_head(HARM, codes=(ANY, "V1")), "T1 has thresholds, and the head does not know it"),
    ],
    ids=["empty", "no tensors", "cut short", "of another encoder", "of other codes"],
)
def test_a_head_that_does_not_fit_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(PolicyError, match=says) as caught:
        policy_with(content, T1={"review_from": 0.5})
    assert caught.value.hint


@given(st.text(max_size=2000))
def test_stretches_lose_nothing_of_a_text(text: str) -> None:
    whole, *runs = stretches(text)
    assert whole == text
    assert all(len(run) <= 320 for run in runs)
    letters = [char for char in text if char.isalnum()]
    assert not runs or [char for char in "".join(runs) if char.isalnum()] == letters


def test_the_shipped_head_fits_the_shipped_policy_and_is_confident_where_words_are_missing() -> None:
    policy = shipped_policy()
    harm = check_prompt(
        "breaking live broadcast: the central bank has run out of money, anchor at the desk", policy=policy
    )
    calm = check_prompt("a tv anchor reads the weather for tomorrow at the desk", policy=policy)
    assert harm.scores[ANY] > calm.scores[ANY]
    assert calm.action is Action.ALLOW


def test_training_learns_a_code_from_its_examples_and_is_deterministic() -> None:
    verbs = (
        "paints",
        "carries",
        "repairs",
        "sells",
        "washes",
        "photographs",
        "hides",
        "lifts",
        "burns",
        "buys",
    )
    unsafe = [f"a man {verb} a forged passport, number {n}" for verb in verbs for n in range(3)]
    benign = [f"a man {verb} a garden chair, number {n}" for verb in verbs for n in range(3)]
    examples = [Example(text, "en", "I1", None, "test", row=40 * row) for row, text in enumerate(unsafe)]
    examples += [Example(text, "en", None, None, "test", row=40 * row) for row, text in enumerate(benign)]
    embeddings = embedded(examples)
    content, codes, scores = train(examples, embeddings, Recipe(epochs=20))
    assert codes == (ANY, "I1")
    assert content == train(examples, embeddings, Recipe(epochs=20))[0]
    head = load_head("head.safetensors", content)
    assert (
        head.scores(embedded([Example("a woman shows a forged passport", "en", None, None, "t")]))["I1"] > 0.5
    )
    assert head.scores(embedded([Example("a woman shows a garden chair", "en", None, None, "t")]))["I1"] < 0.5
    assert scores.shape == (60, 2)


def test_labelled_prompts_are_read_in_both_forms(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(
        'text,lang,code,twin\n"a, b",en,N1,\nc,zh,,N1\nd,en,,\n', encoding="utf-8"
    )
    (tmp_path / "unsafe").mkdir()
    (tmp_path / "unsafe" / "theirs.csv").write_text(
        "text,lang,category,source,license\ne,en,fake_news,x/weak,MIT\n", encoding="utf-8"
    )
    found = [(e.text, e.code, e.twin, e.weak) for e in read_corpus(tmp_path)]
    assert found == [
        ("a, b", "N1", None, False),
        ("c", None, "N1", False),
        ("d", None, None, False),
        ("e", "N1", None, True),
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("text,lang\na,en\n", "no column code, twin"),
        ("text,lang,code,twin\na,en,N1,N1\n", "row 2: both code and twin"),
        ("text,lang,code,twin\n", "holds no prompts"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_malformed_file_of_prompts_is_named(tmp_path: Path, content: str | bytes, says: str) -> None:
    (tmp_path / "own.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CorpusError, match=says) as caught:
        read_corpus(tmp_path)
    assert caught.value.hint


def test_a_decision_records_its_scores() -> None:
    record = json.loads(check_prompt("a ball", policy=policy_with(one_unit_head(HARM))).to_json())
    assert set(record["scores"]) == {ANY, "T1"}
    assert all(0 <= score <= 1 for score in record["scores"].values())


def test_embeddings_have_the_size_that_heads_expect() -> None:
    assert embedded([Example("a ball", "en", None, None, "t")]).shape == (1, DIMENSIONS)
