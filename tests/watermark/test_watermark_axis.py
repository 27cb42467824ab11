import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from provenance.watermark import axis

sizes = st.integers(8, 200)
steps = st.floats(0.3, 4.0)


@given(sizes, sizes, steps)
def test_a_plain_picture_stays_plain(target: int, source: int, step: float) -> None:
    row = axis.resampling(target, source, step) @ np.full(source, 7, np.float32)
    assert np.allclose(row, 7, atol=1e-4)


@given(sizes, sizes, steps)
def test_centre_falls_on_centre(target: int, source: int, step: float) -> None:
    """A mirrored source gives the mirrored result: nothing is shifted, by no fraction of a sample."""
    row = np.random.default_rng(0).normal(size=source).astype(np.float32)
    operator = axis.resampling(target, source, step)
    assert np.allclose((operator @ row)[::-1], operator @ row[::-1], atol=1e-4)


def test_shrinking_averages_and_does_not_alias() -> None:
    finest = np.tile(np.float32([-1, 1]), 64)
    assert np.abs(axis.resampling(32, 128, 4) @ finest).max() < 1e-6


def test_whole_steps_average_whole_samples() -> None:
    assert np.allclose(axis.resampling(3, 6, 2) @ np.arange(6, dtype=np.float32), [0.5, 2.5, 4.5])


def test_past_the_edge_there_is_nothing_when_asked() -> None:
    row = axis.resampling(12, 4, 1, extend=False) @ np.ones(4, np.float32)
    assert row.tolist() == [0] * 4 + [1] * 4 + [0] * 4


def test_blurs_keep_the_sum_away_from_edges() -> None:
    impulse = np.zeros(41, np.float32)
    impulse[20] = 1
    for operator in (axis.gaussian(41, 2.0), axis.box(41, 11)):
        assert np.isclose((operator @ impulse).sum(), 1)
