"""Heads: fitted on numbers with a known answer, saved, loaded, refused."""

import dataclasses
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_heads import FAMILIES, toy_head

from benchmarks.detection.tables import markdown
from detector.audit import contract_here
from detector.calibration import (
    auroc,
    calibration_error,
    calibration_error_by_chance,
    fit_conformal,
    fit_platt,
)
from detector.errors import HeadMismatch, HeadNotFound
from detector.fitting import fit_familiarity, fit_fused, fit_linear
from detector.head import ENCODER_HEAD, HEADS_DIR, PLAIN_HEAD, clip_score, load_head, save_head
from detector.model_card import render_card


def test_ridge_finds_the_direction_and_balances_the_classes() -> None:
    rng = np.random.default_rng(0)
    is_ai = np.arange(300) < 30
    x = rng.normal(size=(300, 6))
    x[:, 2] += np.where(is_ai, 2.0, -2.0)
    model = fit_linear(x, is_ai, np.ones(300), ("a",) * 6)
    assert np.argmax(np.abs(model.weight)) == 2
    scores = model.score(x)
    assert scores[is_ai].mean() == pytest.approx(-scores[~is_ai].mean(), abs=1e-6)


def test_more_features_than_windows_give_the_same_model_as_the_primal() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 30))
    is_ai = np.arange(40) % 2 == 0
    wide = np.concatenate([x, np.zeros((40, 30))], axis=1)  # the dual is taken; zero features add nothing
    narrow_scores = fit_linear(x, is_ai, np.ones(40), ("a",) * 30, ridge=0.1).score(x)
    wide_scores = fit_linear(wide, is_ai, np.ones(40), ("a",) * 30 + ("b",) * 30, ridge=0.1).score(wide)
    np.testing.assert_allclose(narrow_scores, wide_scores, atol=1e-9)


def test_a_large_block_does_not_drown_a_small_one() -> None:
    rng = np.random.default_rng(2)
    is_ai = np.arange(200) % 2 == 0
    signal = np.where(is_ai, 1.0, -1.0)[:, None] + rng.normal(size=(200, 1))
    noise = rng.normal(size=(200, 150))
    x, y = np.concatenate([signal, noise], axis=1), is_ai
    blocked = fit_linear(x[:100], y[:100], np.ones(100), ("s",) + ("n",) * 150)
    flat = fit_linear(x[:100], y[:100], np.ones(100), ("n",) * 151)
    assert auroc(blocked.score(x[100:]), y[100:]) > auroc(flat.score(x[100:]), y[100:]) + 0.05


def test_platt_recovers_a_known_calibration() -> None:
    rng = np.random.default_rng(0)
    is_ai = np.arange(20_000) % 10 == 0  # nine camera clips to one: the probability is for as many of each
    scores = rng.normal(np.where(is_ai, 1.5, -0.5))
    platt = fit_platt(scores, is_ai, np.ones(20_000))
    # log N(s; 1.5, 1) / N(s; -0.5, 1) = 2 s - 1
    assert platt.slope == pytest.approx(2, abs=0.15)
    assert platt.offset == pytest.approx(-1, abs=0.1)
    even = np.where(is_ai, 9.0, 1.0)
    assert calibration_error(platt.probability(scores), is_ai, even) < 0.02


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.1, 0.2]))
def test_conformal_errors_stay_near_alpha_on_exchangeable_scores(seed: int, alpha: float) -> None:
    rng = np.random.default_rng(seed)
    is_ai = np.arange(600) % 2 == 0
    scores = rng.normal(size=600) + is_ai
    fitted = fit_conformal(scores[:300], is_ai[:300], np.ones(300))
    verdicts = np.array([fitted.verdict(s, alpha) for s in scores[300:]])
    fresh = is_ai[300:]
    # 150 calibration and 150 test scores a class: five standard errors of both
    slack = 5 * np.sqrt(2 * alpha * (1 - alpha) / 150)
    assert np.mean(verdicts[~fresh] == "likely_ai") <= alpha + slack
    assert np.mean(verdicts[fresh] == "likely_camera") <= alpha + slack


def test_between_overlapping_classes_there_is_no_verdict() -> None:
    is_ai = np.arange(200) % 2 == 0
    scores = np.where(is_ai, 0.3, -0.3) + np.random.default_rng(0).normal(size=200)
    fitted = fit_conformal(scores, is_ai, np.ones(200))
    assert fitted.verdict(0.0, 0.05) == "inconclusive"
    assert fitted.verdict(2.5, 0.05) == "likely_ai"
    assert fitted.verdict(-2.5, 0.05) == "likely_camera"


def test_between_classes_far_apart_there_is_no_verdict_either() -> None:
    scores = np.concatenate([np.linspace(-3, -2, 50), np.linspace(2, 3, 50)])
    fitted = fit_conformal(scores, scores > 0, np.ones(100))
    assert fitted.verdict(0.0, 0.05) == "inconclusive"
    assert max(fitted.p_values(0.0)) < 0.05


def test_few_calibration_clips_never_give_a_verdict() -> None:
    scores = np.array([-1.0, 1.0] * 9)
    fitted = fit_conformal(scores, scores > 0, np.ones(18))
    assert {fitted.verdict(s, 0.05) for s in (-9.0, -1.0, 0.0, 1.0, 9.0)} == {"inconclusive"}


def test_auroc_counts_ties_as_half_and_weighs_clips() -> None:
    assert auroc([1, 1], [True, False]) == 0.5
    assert auroc([3, 2, 1], [True, False, True], [3, 1, 1]) == 0.75
    assert np.isnan(auroc([1.0], [True]))


def test_what_lies_off_the_training_cloud_is_unfamiliar() -> None:
    rng = np.random.default_rng(0)
    cloud = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 40)) + 0.1 * rng.normal(size=(400, 40))
    groups = np.array([f"g{k % 10}" for k in range(400)])
    familiar = fit_familiarity(cloud, np.ones(400), groups)
    assert np.mean(familiar.distance(cloud) > 1) < 0.03
    outside = cloud + 3 * rng.normal(size=cloud.shape)
    assert np.mean(familiar.distance(outside) > 1) > 0.95


def test_one_wild_window_does_not_move_a_long_clip() -> None:
    assert clip_score(np.array([0.1, 0.2, 0.1, 0.2, 9.0])) == pytest.approx(0.5 / 3)
    assert clip_score(np.array([0.4])) == 0.4


def test_a_saved_head_loads_as_it_was(tmp_path: Path) -> None:
    head = toy_head()
    digest = save_head(head, tmp_path / "toy")
    loaded = load_head(tmp_path / "toy")
    assert loaded.digest == digest
    assert loaded.contract == head.contract
    x = np.random.default_rng(5).normal(size=(4, len(head.contract.schema.names)))
    np.testing.assert_array_equal(loaded.linear.score(x), head.linear.score(x))
    np.testing.assert_array_equal(
        loaded.familiarity.distance(loaded.linear.standardise(x)),
        head.familiarity.distance(head.linear.standardise(x)),
    )
    assert save_head(loaded, tmp_path / "again") == digest


def test_a_missing_head_is_named() -> None:
    with pytest.raises(HeadNotFound, match="no-such-head"):
        load_head("no-such-head")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("preprocess", "another-normal-form"),
        ("encoder", "open_clip:ViT-B-32"),
        ("encoder_digest", "00"),
        ("families", ("flow",)),
        ("schema_digest", "00"),
    ],
)
def test_a_head_refuses_features_it_was_not_fitted_on(field: str, value: object) -> None:
    made = dataclasses.replace(contract_here(FAMILIES, None), **{field: value})
    with pytest.raises(HeadMismatch, match=field):
        toy_head().check(made)


def change_schema(folder: Path) -> None:
    edit(folder, lambda record: record["contract"].update(schema_digest="0" * 64))


def swap_weights(folder: Path) -> None:
    other = folder.parent / "other"
    save_head(toy_head(seed=9), other)
    shutil.copy(other / "head.safetensors", folder / "head.safetensors")


def cut_weights(folder: Path) -> None:
    path = folder / "head.safetensors"
    path.write_bytes(path.read_bytes()[:100])


def drop_alpha(folder: Path) -> None:
    edit(folder, lambda record: record.pop("alpha"))


def name_next_format(folder: Path) -> None:
    edit(folder, lambda record: record.update(format="detector-head/99"))


def write_no_json(folder: Path) -> None:
    (folder / "head.json").write_text("{")


def edit(folder: Path, change: object) -> None:
    record = json.loads((folder / "head.json").read_text())
    change(record)  # type: ignore[operator]
    (folder / "head.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    "damage", [change_schema, swap_weights, cut_weights, drop_alpha, name_next_format, write_no_json]
)
def test_a_damaged_or_foreign_head_is_refused(damage: object, tmp_path: Path) -> None:
    save_head(toy_head(), tmp_path / "toy")
    damage(tmp_path / "toy")  # type: ignore[operator]
    with pytest.raises(HeadMismatch) as caught:
        load_head(tmp_path / "toy")
    assert caught.value.hint


SHIPPED = sorted(path.parent.name for path in HEADS_DIR.glob("*/head.json"))


def test_the_default_head_is_shipped() -> None:
    assert {PLAIN_HEAD, ENCODER_HEAD} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_model_card_says_what_the_head_file_says(name: str) -> None:
    record = json.loads((HEADS_DIR / name / "head.json").read_text())
    assert (HEADS_DIR / name / "MODEL_CARD.md").read_text(encoding="utf-8") == render_card(record)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_row_of_the_cards_tables_has_its_header(name: str) -> None:
    lines = (HEADS_DIR / name / "MODEL_CARD.md").read_text(encoding="utf-8").splitlines()
    for above, line in itertools.pairwise(lines):
        if line.startswith("|"):
            assert above == "" or above.count("|") == line.count("|"), line


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_heads_load_and_publish_their_worst_source(name: str) -> None:
    head = load_head(name)
    assert head.head_id == name
    for rates in (v for v in head.card["error_rates"].values() if isinstance(v, dict)):
        camera = rates["camera_called_ai"]
        assert camera["worst_source"]["n"] >= 4, "a source of one clip is all or nothing"
    controls = head.card["protocol"]["controls"]
    assert {"content of one frame"} < set(controls)


def test_an_encoder_is_fused_late_with_an_equal_say() -> None:
    rng = np.random.default_rng(3)
    is_ai = np.arange(300) % 2 == 0
    sign = np.where(is_ai, 1.0, -1.0)[:, None]
    own = 0.4 * sign + rng.normal(size=(300, 4))
    seen = np.concatenate([0.4 * sign + rng.normal(size=(300, 5)), rng.normal(size=(300, 15))], axis=1)
    x, blocks = np.concatenate([own, seen], axis=1), ("flow",) * 4 + ("encoder_pooled_mean",) * 20
    half = np.arange(300) < 150
    fused = fit_fused(x[half], is_ai[half], np.ones(150), blocks)
    alone = [
        fit_linear(part[half], is_ai[half], np.ones(150), names)
        for part, names in ((own, blocks[:4]), (seen, blocks[4:]))
    ]
    scores = [model.score(part[half]) for model, part in zip(alone, (own, seen), strict=True)]
    expected = sum((s - s.mean()) / s.std() for s in scores) / 2
    np.testing.assert_allclose(np.std(fused.score(x[half]) - expected), 0, atol=1e-6)
    ranking = auroc(fused.score(x[~half]), is_ai[~half])
    assert ranking > max(
        auroc(m.score(p[~half]), is_ai[~half]) for m, p in zip(alone, (own, seen), strict=True)
    )


def test_few_clips_show_a_calibration_error_even_if_every_probability_is_right() -> None:
    rng = np.random.default_rng(1)
    p = rng.random(200)
    few, many = (calibration_error_by_chance(q, np.ones(len(q))) for q in (p, np.tile(p, 50)))
    assert 0.04 < few < 0.12
    assert many < 0.02
    is_ai = rng.random(10_000) < np.tile(p, 50)
    assert calibration_error(np.tile(p, 50), is_ai, np.ones(10_000)) == pytest.approx(many, abs=0.01)


def test_the_benchmark_in_the_documents_says_what_the_heads_say() -> None:
    root = Path(__file__).parents[2]
    measured = json.loads((root / "benchmarks" / "detection" / "measured.json").read_text("utf-8"))
    text = markdown([load_head(PLAIN_HEAD), load_head(ENCODER_HEAD)], measured)
    assert (root / "docs" / "detector-bench.md").read_text("utf-8") == text
