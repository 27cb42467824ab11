"""Pictures with some texture, as cameras and big models make them."""

import numpy as np
from conftest import moving_picture
from numpy.typing import NDArray


def textured(frames: int = 24, seed: int = 0) -> NDArray[np.uint8]:
    """Like a camera's picture: moving shapes on fixed grain, uint8 [T,512,640,3]."""
    grain = np.random.default_rng(seed).normal(0, 9, (128, 160, 1)).repeat(4, 0).repeat(4, 1)
    return np.clip(moving_picture(frames, 512, 640, seed) + grain, 0, 255).astype(np.uint8)
