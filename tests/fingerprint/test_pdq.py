"""Our PDQ is PDQ: bit for bit the reference's, and its turned views are the hashes of turned pictures."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from provenance.pdq import TRANSFORMS, dihedral_hashes, distances, pdq, reduce_luma

# Hashes of the `waves` picture by the reference implementation (pdqhash 0.2.8).
REFERENCE = {
    (64, 64): "b42f28f575825d2128e45d35ff5f6835756a7d40f5f5894123c38e07002d9f5a",
    (33, 47): "267c08d5f7826d00dbc36d1547ad5015a63c5560f55789652be38627a88fbf7a",
    (100, 140): "ffe2e8f57faadd358be3d93588a8e835ffe0fd41a220294103631e06088d1e5a",
    (256, 320): "71bdf8b5f5a0f935c7f5f93582a8e835f5e0dd4182a8094183e31e0620ad3f5a",
    (513, 911): "d3a8c8f5f7aadd35b27fd935822ae835f76add41820a29410b4b3e06280d3f5a",
    (720, 1280): "fcfdd8f5dda8d935e5bdf93522a0e83555e8fd4182a0094103e33e0600ad3f5a",
}

TURNS: dict[str, Callable[[Any], Any]] = {
    "identity": lambda picture: picture,
    "mirrored": np.fliplr,
    "flipped": np.flipud,
    "rotated_180": lambda picture: np.rot90(picture, 2),
    "transposed": np.transpose,
    "rotated_90": np.rot90,
    "rotated_270": lambda picture: np.rot90(picture, 3),
    "anti_transposed": lambda picture: np.rot90(picture, 2).T,
}


@pytest.mark.parametrize("size", REFERENCE, ids=str)
def test_hashes_are_those_of_the_reference(waves: Any, size: tuple[int, int]) -> None:
    digest, quality = pdq(waves(*size))
    assert digest.tobytes().hex() == REFERENCE[size]
    assert quality == 100


@pytest.mark.parametrize(
    ("contrast", "offset", "quality"),
    [(0.12, 100, 2), (0.2, 60, 18), (0.25, 60, 31), (0.3, 60, 44), (0.35, 60, 57), (0.0, 77, 0)],
)
def test_quality_is_that_of_the_reference(waves: Any, contrast: float, offset: int, quality: int) -> None:
    faint = (waves(240, 320) * contrast + offset).astype(np.uint8)
    assert pdq(faint)[1] == quality


def test_hashes_agree_with_the_reference_where_it_is_installed(waves: Any) -> None:
    pdqhash = pytest.importorskip("pdqhash")
    chance = np.random.default_rng(0)
    for picture in (waves(300, 500), chance.integers(0, 256, (200, 310), dtype=np.uint8)):
        bits, quality = pdqhash.compute(np.repeat(picture[..., None], 3, axis=2))
        digest, ours = pdq(picture)
        assert (np.packbits(bits) == digest).all()
        assert quality == ours


def test_turned_views_are_the_hashes_of_turned_pictures() -> None:
    # 64×64 is not resampled, so nothing but rounding can differ.
    picture = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    views = dihedral_hashes(reduce_luma(picture))
    assert list(TURNS) == list(TRANSFORMS)
    for view, turn in zip(views, TURNS.values(), strict=True):
        turned, _ = pdq(np.ascontiguousarray(turn(picture)))
        assert distances(view[None], turned[None])[0, 0] <= 2
    assert (distances(views, views) + 256 * np.eye(8)).min() > 60


def test_resampling_hardly_depends_on_the_side_it_starts_from(scene: Any) -> None:
    picture, _ = scene(1)[0]
    views = dihedral_hashes(reduce_luma(picture))
    for view, turn in zip(views, TURNS.values(), strict=True):
        turned, _ = pdq(np.ascontiguousarray(turn(picture)))
        # Not 0: even box filters look one sample further to one side than to the other.
        assert distances(view[None], turned[None])[0, 0] <= 40


def test_a_hash_hardly_changes_with_size_light_and_noise(scene: Any) -> None:
    picture, _ = scene(1)[0]
    brighter = np.clip(picture * 1.15 + 10, 0, 255)
    noisy = picture + np.random.default_rng(0).normal(0, 8, picture.shape)
    hashes = np.stack([pdq(view)[0] for view in (picture, picture[::2, ::2], brighter, noisy)])
    assert distances(hashes[:1], hashes[1:]).max() <= 40


@settings(deadline=None, max_examples=25)
@given(arrays(np.uint8, st.tuples(st.integers(5, 80), st.integers(5, 80))))
def test_any_picture_has_a_hash_and_a_quality(picture: Any) -> None:
    digest, quality = pdq(picture)
    assert digest.shape == (32,)
    assert digest.dtype == np.uint8
    assert 0 <= quality <= 100
    assert np.array_equal(digest, pdq(picture.astype(np.float64))[0])


@pytest.mark.parametrize("shape", [(4, 100), (100, 4), (0, 0), (20, 20, 3)], ids=str)
def test_what_is_no_picture_has_no_hash(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 5×5"):
        pdq(np.zeros(shape, dtype=np.uint8))


@given(arrays(np.uint8, (3, 32)), arrays(np.uint8, (2, 32)))
def test_distances_count_differing_bits(a: Any, b: Any) -> None:
    counted = [[int(np.unpackbits(one ^ other).sum()) for other in b] for one in a]
    assert distances(a, b).tolist() == counted
