"""Pictures of the world with sentences on them, for training a text-image encoder."""

from pathlib import Path

import numpy as np

from generator.spacetime.pairs import write_pairs
from generator.spacetime.prompt import read_prompt


def test_both_sentences_say_the_same_and_only_what_one_picture_shows(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs-0000.npz", seed=3, pairs=60, side=16)
    with np.load(tmp_path / "pairs-0000.npz") as stored:
        assert stored["pictures"].shape == (60, 16, 16, 3)
        assert stored["pictures"].dtype == np.uint8
        for en, zh in zip(stored["en"], stored["zh"], strict=True):
            english, chinese = read_prompt(str(en)).understood, read_prompt(str(zh)).understood
            assert english == chinese
            assert english.keys().isdisjoint({"speed", "direction", "camera", "spring", "gravity"})
            assert {"event", "color"} <= english.keys()


def test_the_same_seed_draws_the_same_pictures(tmp_path: Path) -> None:
    files = [tmp_path / f"{k}.npz" for k in range(3)]
    for path, seed in zip(files, (1, 1, 2), strict=True):
        write_pairs(path, seed, pairs=4, side=16)
    first, again, other = (np.load(path) for path in files)
    np.testing.assert_array_equal(first["pictures"], again["pictures"])
    assert list(first["zh"]) == list(again["zh"]) != list(other["zh"])
