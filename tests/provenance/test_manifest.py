"""Claims: only what is true, complete and representable reaches the signer."""

import datetime
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import ClaimError
from provenance.manifest import (
    DIGITAL_SOURCE_TYPES,
    Claim,
    ContentDigests,
    Generation,
    Origin,
    PromptCommitment,
    clip_id_text,
    display_text,
    manifest_definition,
)


def assertions_of(claim: Claim) -> dict[str, dict[str, object]]:
    definition = json.loads(manifest_definition(claim, media_type="video/mp4"))
    return {entry["label"]: entry["data"] for entry in definition["assertions"]}


def generation_of(claim: Claim) -> Generation:
    assert claim.generation is not None
    return claim.generation


def test_a_generated_clip_says_which_model_made_it_and_carries_its_mark(generated_claim: Claim) -> None:
    assertions = assertions_of(generated_claim)
    created, marked = assertions["c2pa.actions.v2"]["actions"]  # type: ignore[misc]
    assert created["action"] == "c2pa.created"
    assert created["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert created["softwareAgent"] == {"name": "clipproof/spacetime", "version": "0001020304050607"}
    assert created["when"] == "2026-03-01T12:00:00Z"
    assert marked["action"] == "c2pa.watermarked.bound"
    assert assertions["c2pa.soft-binding"] == {
        "alg": "org.clipproof.mark.v2",
        "blocks": [{"scope": {"timespan": {"start": 0, "end": 1000}}, "value": "0123456789abcdef"}],
    }


def test_the_prompt_is_a_salted_digest_and_its_salt_stays_out(generated_claim: Claim) -> None:
    text = manifest_definition(generated_claim, media_type="video/mp4")
    prompt = generation_of(generated_claim).prompt
    assert prompt.digest.hex() in text
    assert prompt.salt.hex() not in text
    assert "lighthouse" not in str(assertions_of(generated_claim))
    assert "prompt" not in json.dumps(assertions_of(generated_claim)["org.clipproof.content"])
    assert repr(prompt.salt) not in repr(prompt)


def test_a_commitment_can_be_proved_with_its_salt_and_only_with_it() -> None:
    first, second = PromptCommitment.of("a café"), PromptCommitment.of("a café")
    assert first.digest != second.digest
    assert (
        PromptCommitment.of("a cafe\u0301", salt=first.salt).digest == first.digest
    )  # the same text, decomposed


@pytest.mark.parametrize("origin", ["camera", "composite", "unknown"])
def test_a_clip_of_ones_own_is_never_called_generated(opened_claim: Claim, origin: Origin) -> None:
    claim = replace(opened_claim, origin=origin)
    text = manifest_definition(claim, media_type="video/mp4")
    assert "trainedAlgorithmicMedia" not in text
    assert "c2pa.created" not in text
    actions = assertions_of(claim)["c2pa.actions.v2"]["actions"]
    assert actions[0]["action"] == "c2pa.opened"  # type: ignore[index]
    assert ("digitalSourceType" in actions[0]) == (origin != "unknown")  # type: ignore[index]


def test_a_clip_of_ones_own_is_called_generated_when_its_owner_says_so(opened_claim: Claim) -> None:
    text = manifest_definition(replace(opened_claim, origin="ai"), media_type="video/mp4")
    assert "trainedAlgorithmicMedia" in text
    assert "c2pa.opened" in text
    assert "c2pa.created" not in text


def test_every_source_type_is_a_term_of_the_iptc_vocabulary() -> None:
    terms = {"trainedAlgorithmicMedia", "digitalCapture", "composite"}
    prefix = "http://cv.iptc.org/newscodes/digitalsourcetype/"
    assert set(DIGITAL_SOURCE_TYPES.values()) == {prefix + term for term in terms}


def test_without_a_mark_no_watermark_is_claimed(generated_claim: Claim) -> None:
    assertions = assertions_of(replace(generated_claim, clip_id=None))
    assert "c2pa.soft-binding" not in assertions
    assert [a["action"] for a in assertions["c2pa.actions.v2"]["actions"]] == ["c2pa.created"]  # type: ignore[attr-defined]


def test_training_on_the_clip_is_refused_unless_allowed(generated_claim: Claim) -> None:
    for training in ("notAllowed", "allowed"):
        entries = assertions_of(replace(generated_claim, training=training))["cawg.training-mining"][
            "entries"
        ]
        assert {entry["use"] for entry in entries.values()} == {training}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "changes",
    [
        {"generation": None},
        {"origin": "camera"},
        {"origin": "banana", "generation": None},
        {"clip_id": -1},
        {"clip_id": 1 << 64},
        {"duration_s": 0.0},
        {"duration_s": float("nan")},
        {"duration_s": float("inf")},
        {"software_version": ""},
        {"software_version": "1\n2"},
        {"created": datetime.datetime(2026, 3, 1)},
        {"content": ContentDigests(stream=b"short")},
        {"content": ContentDigests(stream=bytes(32), fingerprint=bytes(31))},
    ],
)
def test_an_untrue_or_broken_claim_is_refused(generated_claim: Claim, changes: dict[str, object]) -> None:
    with pytest.raises(ClaimError):
        manifest_definition(replace(generated_claim, **changes), media_type="video/mp4")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"guidance_scale": float("nan")},
        {"guidance_scale": float("inf")},
        {"seed": -1},
        {"seed": 1 << 64},
        {"steps": -1},
        {"weights_sha256": b""},
        {"model_id": ""},
        {"model_id": "A" * 1000},
        {"model_id": "evil\u202eled"},
        {"decision_id": "\x00"},
        {"libraries": {"a/b c": "1"}},
        {"libraries": {"torch": ""}},
        {"libraries": {f"lib{i}": "1" * 300 for i in range(2000)}},
    ],
)
def test_a_broken_generation_record_is_refused(generated_claim: Claim, changes: dict[str, object]) -> None:
    generation = replace(generation_of(generated_claim), **changes)  # type: ignore[arg-type]
    with pytest.raises(ClaimError):
        manifest_definition(replace(generated_claim, generation=generation), media_type="video/mp4")


def test_a_title_from_a_hostile_file_name_is_cleaned(generated_claim: Claim) -> None:
    claim = replace(generated_claim, title="\udcff\u202e\x00 clip \n" + "x" * 5000)
    title = json.loads(manifest_definition(claim, media_type="video/mp4"))["title"]
    assert title.startswith("clip x")
    assert len(title) == 300
    blank = replace(generated_claim, title="\x00")
    assert json.loads(manifest_definition(blank, media_type="video/mp4"))["title"] == "untitled"


@given(st.integers(0, 2**64 - 1))
def test_a_clip_id_is_sixteen_hex_digits_and_back(clip_id: int) -> None:
    text = clip_id_text(clip_id)
    assert len(text) == 16
    assert text == text.lower()
    assert int(text, 16) == clip_id


@given(st.text(st.characters()) | st.integers() | st.none() | st.binary())
def test_text_for_display_is_one_printable_line_within_its_limit(value: object) -> None:
    text = display_text(value, 50)
    assert len(text) <= 50
    assert text.isprintable()
    assert text.encode().decode() == text
    assert display_text(text, 50) == text
