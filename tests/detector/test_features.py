"""Features: known answers on paths, motions and flicker that were made by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_textures import redrawn, texture, travelling

from detector.features import FAMILIES, extract, schema
from detector.features.embedding import Layout, embedding_features, embedding_names
from detector.features.filters import NAMES as FILTER_NAMES
from detector.features.filters import filter_features
from detector.features.flicker import NAMES as FLICKER_NAMES
from detector.features.flicker import band_shares, flicker_features
from detector.features.flow import NAMES as FLOW_NAMES
from detector.features.flow import dense_flow, flow_features, warp
from detector.features.trajectory import PATH_STATISTICS, path_statistics, pool
from detector.onnx_graph import with_outputs


def statistic(path: np.ndarray, name: str) -> float:
    return float(path_statistics(path)[PATH_STATISTICS.index(name)])


def test_a_straight_path_has_no_curvature_and_full_straightness() -> None:
    line = np.outer(np.arange(16.0), np.linspace(1, 2, 40))
    assert statistic(line, "curv_max") == pytest.approx(0, abs=1e-3)
    assert statistic(line, "straight") == pytest.approx(1)
    assert statistic(line, "lag2") == pytest.approx(np.log(2), abs=1e-2)


def test_a_circle_turns_by_the_same_angle_at_each_step() -> None:
    t = np.arange(16) * 0.3
    circle = np.stack([np.cos(t), np.sin(t)], axis=1)
    assert statistic(circle, "curv_mean") == pytest.approx(0.3, abs=1e-3)
    assert statistic(circle, "curv_std") == pytest.approx(0, abs=1e-3)


def test_white_noise_has_right_and_wider_angles_and_no_growth_with_lag() -> None:
    noise = np.random.default_rng(0).normal(size=(200, 500))
    assert statistic(noise, "curv_mean") == pytest.approx(np.radians(120), abs=0.02)
    assert statistic(noise, "lag4") == pytest.approx(0, abs=0.02)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.1, 50), st.integers(0, 1000))
def test_path_statistics_do_not_depend_on_contrast(scale: float, seed: int) -> None:
    path = np.random.default_rng(seed).normal(size=(12, 30)) * 40
    np.testing.assert_allclose(path_statistics(path * scale), path_statistics(path), rtol=5e-3, atol=5e-3)


def test_many_paths_at_once_are_the_same_as_one_by_one() -> None:
    paths = np.random.default_rng(0).normal(size=(5, 16, 20))
    together = path_statistics(paths)
    np.testing.assert_allclose(together, [path_statistics(p) for p in paths])


@pytest.mark.parametrize("shift", [(3.0, -2.0), (9.0, 6.0), (0.4, 0.0)])
def test_flow_finds_a_known_shift(shift: tuple[float, float]) -> None:
    from scipy.ndimage import shift as move

    scene = texture(4, 192, 192, sigma=3.0)
    first = scene[32:160, 32:160]
    second = move(scene, (shift[1], shift[0]), order=3)[32:160, 32:160]
    flow = dense_flow(first[None], second[None].astype(np.float32))[0, :, 16:-16, 16:-16]
    assert np.median(flow[0]) == pytest.approx(shift[0], abs=0.1)
    assert np.median(flow[1]) == pytest.approx(shift[1], abs=0.1)


def test_warping_by_the_shift_undoes_it() -> None:
    scene = texture(4, 64, 64)[None]
    flow = np.zeros((1, 2, 64, 64), np.float32)
    flow[:, 0] = 5
    np.testing.assert_allclose(warp(scene, flow)[0, :, :50], scene[0, :, 5:55], atol=0.1)


def as_window(frames: object) -> tuple[np.ndarray, np.ndarray]:
    luma = np.stack(list(frames)).clip(16, 235).astype(np.uint8)  # type: ignore[call-overload]
    return luma, np.full((len(luma), 2, 128, 128), 128, np.uint8)


def test_motion_explains_a_travelling_texture_and_not_a_redrawn_one() -> None:
    def value(frames: object, name: str) -> float:
        luma128 = pool(as_window(frames)[0].astype(np.float32), 128)
        fine = np.zeros((16, 256, 256), np.float32)
        return float(flow_features(luma128, fine)[FLOW_NAMES.index(name)])

    filmed = value(travelling(2, 16, 256, 256, sigma=5), "D_warp_rel")
    painted = value(redrawn(2, 16, 256, 256), "D_warp_rel")
    assert filmed < painted - 0.3


def test_fast_flicker_lies_in_the_highest_band() -> None:
    signal = np.where(np.arange(16) % 2, 1.0, -1.0)[:, None] + np.zeros((16, 3))
    assert np.argmax(band_shares(signal)) == 4
    slow = np.sin(2 * np.pi * np.arange(16) / 16)[:, None]
    assert np.argmax(band_shares(slow)) == 0


def test_a_flickering_lamp_raises_the_global_term_only_with_its_strength() -> None:
    base = np.repeat(texture(1, 128, 128)[None], 16, 0)
    fine = np.zeros((16, 256, 256), np.float32)
    lamp = np.where(np.arange(16) % 2, 1.0, -1.0)[:, None, None].astype(np.float32)
    place = FLICKER_NAMES.index("E_global_accel")
    values = [flicker_features(base + strength * lamp, fine)[place] for strength in (0, 1, 4)]
    assert values[0] < values[1] < values[2]


def test_filters_see_edges_and_not_motion() -> None:
    luma, chroma = as_window(travelling(1, 16, 256, 256))
    moving = filter_features(luma, chroma)
    standing = filter_features(luma[:1].repeat(16, 0), chroma)
    blank = filter_features(np.full_like(luma, 128), chroma)
    spread = [name.startswith("F_std") for name in FILTER_NAMES]
    assert np.abs(moving - standing)[spread].mean() < 0.2 * np.abs(moving - blank)[spread].mean()


def test_opening_a_model_leaves_the_rest_of_it_byte_for_byte() -> None:
    inner = b"\x0a\x02no"  # GraphProto.node
    model = b"\x08\x07" + b"\x3a\x0a" + inner + b"\x62\x04\x0a\x02zz" + b"\x42\x02op"
    opened = with_outputs(model, ["mid"])
    assert opened == b"\x08\x07" + b"\x3a\x0b" + inner + b"\x62\x05\x0a\x03mid" + b"\x42\x02op"


def test_every_family_gives_what_its_schema_names() -> None:
    luma, chroma = as_window(travelling(1, 16, 256, 256))
    for family in FAMILIES:
        vector = extract(luma, chroma, (family,))
        assert vector.shape == (len(schema((family,)).names),)
        assert vector.dtype == np.float32
        assert np.isfinite(vector).all()


@pytest.mark.parametrize("frames", [8, 11, 16])
def test_shorter_windows_give_the_same_schema(frames: int) -> None:
    luma, chroma = as_window(travelling(1, frames, 256, 256))
    assert extract(luma, chroma, tuple(FAMILIES)).shape == (len(schema(tuple(FAMILIES)).names),)


@pytest.mark.parametrize("level", [0, 16, 235, 255])
def test_blank_pictures_give_finite_features(level: int) -> None:
    luma = np.full((16, 256, 256), level, np.uint8)
    chroma = np.full((16, 2, 128, 128), 128, np.uint8)
    assert np.isfinite(extract(luma, chroma, tuple(FAMILIES))).all()


def test_the_schema_digest_changes_with_names_order_and_encoder() -> None:
    digests = {
        schema(("flow", "flicker")).digest,
        schema(("flicker", "flow")).digest,
        schema(("flow",)).digest,
        schema(("flow",), Layout((("a", 16),), 8)).digest,
        schema(("flow",), Layout((("a", 32),), 8)).digest,
    }
    assert len(digests) == 5


def test_names_are_unique() -> None:
    names = schema(tuple(FAMILIES), Layout((("a", 8),), 8)).names
    assert len(set(names)) == len(names)


def test_embedding_features_match_their_names() -> None:
    embeddings = np.random.default_rng(0).normal(size=(16, 24)).astype(np.float32)
    layout = Layout((("middle", 16), ("pooled", 8)), frames=16)
    names, blocks = embedding_names(layout)
    values = embedding_features(embeddings, layout)
    assert len(values) == len(names) == len(blocks) == 2 * 24 + 2 * 13
    of = dict(zip(names, values, strict=True))
    assert of["X_pooled_mean_0003"] == pytest.approx(embeddings[:, 19].mean(), rel=1e-5)
    straight = statistic(embeddings[:, :16], "straight")
    assert of["X_middle_path_straight"] == pytest.approx(straight, rel=1e-4)


def test_four_frames_have_no_path() -> None:
    layout = Layout((("a", 5),), frames=4)
    names, blocks = embedding_names(layout)
    assert len(names) == len(embedding_features(np.ones((4, 5), np.float32), layout)) == 5
    assert set(blocks) == {"encoder_a_mean"}
