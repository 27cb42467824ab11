"""A wrong policy file is refused with the name of the file and the rule."""

import pytest
from bare_policy import bare_taxonomy

from generator.safety import PolicyError, check_prompt
from generator.safety.characters import traditional_to_simplified
from generator.safety.policy import load_policy, shipped_policy

TAXONOMY = bare_taxonomy()


def policy_of(rules: str):
    return load_policy({"policy.yaml": TAXONOMY, "house.yaml": rules.encode()})


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ("rules: [{id: en.v1.x, code: V1}]", "house.yaml: rule en.v1.x.*either any_of or all_of"),
        (
            "rules: [{id: en.v1.x, code: V1, any_of: kill, all_of: [kill]}]",
            "rule en.v1.x.*either any_of or all_of",
        ),
        ("rules: [{id: en.v1.x, code: Z9, any_of: kill}]", "house.yaml: rule en.v1.x: no code Z9"),
        ("rules: [{id: en.v1.x, code: V1, any_of: '@nowhere'}]", "rule en.v1.x: there is no list @nowhere"),
        ("rules: [{id: en.v1.x, code: V1, any_of: kill, nearby: 3}]", "rule en.v1.x.*nearby"),
        ("rules: [{id: en.v1.x, code: V1, any_of: kill, near: 3}]", "near and in_order need all_of"),
        ("rules: [{id: en.v1.x, code: V1, any_of: kill, action: forbid}]", "rule en.v1.x.*action"),
        (
            "rules: [{id: en.c1.x, code: C1, any_of: bob, instead_en: paint}]",
            "instead_en and instead_zh come together",
        ),
        ("rules: [{id: Bad Id, code: V1, any_of: kill}]", "house.yaml: rule Bad Id.*id"),
        (
            "rules: [{id: en.v1.x, code: V1, any_of: a1}, {id: en.v1.x, code: V1, any_of: b1}]",
            "id is used twice",
        ),
        ("lists: {a: '@b', b: '@a'}\nrules: [{id: en.v1.x, code: V1, any_of: '@a'}]", "in a circle"),
        ("rules: [{id: en.v1.x, code: V1, any_of: kill", "house.yaml: not YAML"),
        ("rulez: []", "house.yaml: rulez"),
        ("rules: [{id: en.v1.x, code: V1, any_of: '!!!'}]", "rule en.v1.x: '!!!' holds no word"),
        ("rules: [{id: en.v1.x, code: V1, any_of: 2020-13-45}]", "house.yaml: not YAML"),
    ],
)
def test_a_malformed_rule_is_named(rules: str, says: str) -> None:
    with pytest.raises(PolicyError, match=says) as caught:
        policy_of(rules)
    assert caught.value.hint


def test_a_list_may_be_defined_only_once() -> None:
    sources = {"policy.yaml": TAXONOMY, "a.yaml": b"lists: {x: kill}", "b.yaml": b"lists: {x: stab}"}
    with pytest.raises(PolicyError, match=r"b\.yaml: list x is defined twice"):
        load_policy(sources)


@pytest.mark.parametrize("code", ["S0", "O1", "F1", "F2", "G1"])
def test_codes_that_the_checks_themselves_give_cannot_be_removed(code: str) -> None:
    taxonomy = TAXONOMY.replace(f"\n  {code}:".encode(), b"\n  Z9:")
    with pytest.raises(PolicyError, match=f"the codes {code} are missing") as caught:
        load_policy({"policy.yaml": taxonomy})
    assert caught.value.hint


def test_a_folder_without_a_taxonomy_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"policy\.yaml is missing"):
        load_policy({"house.yaml": b""})


def test_thresholds_out_of_order_are_refused() -> None:
    with pytest.raises(PolicyError, match=r"policy.yaml.*above"):
        load_policy({"policy.yaml": TAXONOMY.replace(b"review: 0.5", b"review: 0.9")})


def test_near_bounds_the_distance_between_terms() -> None:
    policy = policy_of("rules: [{id: en.v1.x, code: V1, all_of: [paint, wall], near: 4}]")
    assert check_prompt("paint the old wall", policy=policy).action == "block"
    assert check_prompt("paint a very long and dusty wall", policy=policy).action == "allow"


def test_order_is_asked_only_where_the_rule_says_so() -> None:
    ordered = policy_of("rules: [{id: en.v1.x, code: V1, all_of: [paint, wall], in_order: true}]")
    assert check_prompt("the wall shows paint", policy=ordered).action == "allow"
    assert check_prompt("the wall shows paint, more wall", policy=ordered).action == "block"


def test_terms_do_not_reach_across_a_sentence() -> None:
    policy = policy_of("rules: [{id: en.v1.x, code: V1, any_of: red paint}]")
    assert check_prompt("the door is red. Paint dries", policy=policy).action == "allow"
    assert check_prompt("RED-paint", policy=policy).action == "block"


def test_verbs_plurals_and_ages_are_written_once() -> None:
    policy = policy_of("rules: [{id: en.v1.x, code: V1, any_of: 'stab~, bully, <9-11> year old'}]")
    for text in ("stabbed", "stabbing", "bullies", "a 10 year old"):
        assert check_prompt(text, policy=policy).action == "block"
    for text in ("stable", "a 12 year old"):
        assert check_prompt(text, policy=policy).action == "allow"


def test_unless_silences_and_soften_weakens() -> None:
    policy = policy_of("rules: [{id: en.v1.x, code: V1, any_of: paint, unless: museum, soften: lesson}]")
    assert check_prompt("paint", policy=policy).action == "block"
    assert check_prompt("paint lesson", policy=policy).action == "review"
    assert check_prompt("paint in a museum", policy=policy).action == "allow"


def test_the_version_follows_every_byte_of_the_files() -> None:
    one = policy_of("rules: [{id: en.v1.x, code: V1, any_of: paint}]").version
    other = policy_of("rules: [{id: en.v1.x, code: V1, any_of: paints}]").version
    assert one.split("+")[0] == other.split("+")[0]
    assert one != other


def test_every_code_of_the_taxonomy_has_a_rule_in_each_language() -> None:
    policy = shipped_policy()
    by_file = {"en": set(), "zh": set(), "both": set()}
    for compiled in policy.rules:
        prefix = compiled.rule.id.split(".")[0]
        by_file[prefix if prefix in by_file else "both"].add(compiled.rule.code)
    for language in ("en", "zh"):
        assert by_file[language] | by_file["both"] == set(policy.codes) - {"F1", "F2", "G1"}


def test_simplifying_a_character_twice_changes_nothing_more() -> None:
    table = traditional_to_simplified()
    assert len(table) > 1000
    assert not [chr(code) for code, simple in table.items() if table.get(ord(simple), simple) != simple]


@pytest.mark.parametrize(("language", "subject"), [("en", "a castle, {}"), ("zh", "一座城堡，{}")])
def test_proposed_techniques_are_themselves_allowed_but_for_a_few(language: str, subject: str) -> None:
    """What the head still holds against a few of them only withholds the proposal (tests/safety/test_rewrites.py)."""
    rules = [one.rule for one in shipped_policy().rules]
    techniques = [rule.instead_en if language == "en" else rule.instead_zh for rule in rules]
    prompts = [subject.format(technique) for technique in techniques if technique]
    refused = [prompt for prompt in prompts if check_prompt(prompt).action != "allow"]
    assert len(refused) <= 0.02 * len(prompts), refused
