"""Where the mark lies in a picture: scale, turn, mirror, stretch, shift; and reading cells under such a
pose.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from provenance.watermark.response import CELL_PX, COARSE, Map, Response

Points = NDArray[np.float32]

ENLARGED = 1.4  # the scale of a mark from which on the coarse map is the sharper one


@dataclass(frozen=True)
class Pose:
    """How the marked frame was laid into the picture at hand.

    scale: size of a cell relative to that of an uncropped mark (2: cropped to half, 0.5: shrunk into a
    larger frame). angle: radians. mirrored: flipped left to right. stretch: width over height relative to
    the original. x, y: the picture's centre on the canvas, in cells.
    """

    scale: float = 1.0
    angle: float = 0.0
    mirrored: bool = False
    stretch: float = 1.0
    x: float = 0.0
    y: float = 0.0

    def locate(self, cells: Points) -> Points:
        """Picture positions, in uncropped cells from its centre, of canvas positions, in cells; both
        float32[n, 2] x, y.
        """
        u, v = cells[:, 0] - self.x, cells[:, 1] - self.y
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        sign = -1.0 if self.mirrored else 1.0
        across = (cos * u + sin * v) * (sign * self.stretch * self.scale)
        down = (cos * v - sin * u) * self.scale
        return np.stack([across, down], axis=1).astype(np.float32)

    def moved(self, **steps: float) -> "Pose":
        """The pose with `steps` added: x, y, stretch, angle as they are, scale as a factor's logarithm."""
        scale = self.scale * float(np.exp(steps.pop("log_scale", 0.0)))
        return replace(
            self, scale=scale, **{name: getattr(self, name) + step for name, step in steps.items()}
        )


IDENTITY = Pose()


def sample(response: Response, pose: Pose, cells: Points) -> NDArray[np.float32]:
    """The response at canvas positions under a pose, float32[n]; zero outside of the picture. Bilinear."""
    enlarged = pose.scale > ENLARGED
    values: Map = response.coarse if enlarged else response.fine
    pitch = CELL_PX * (COARSE if enlarged else 1.0)
    height, width = values.shape
    place = pose.locate(cells)
    x = place[:, 0] * pitch + (width - 1) / 2
    y = place[:, 1] * pitch + (height - 1) / 2
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    x, y = np.where(inside, x, 0), np.where(inside, y, 0)
    left, top = np.minimum(x.astype(np.int32), width - 2), np.minimum(y.astype(np.int32), height - 2)
    x -= left
    y -= top
    corner = top * width + left
    flat = values.ravel()
    upper = flat[corner] * (1 - x) + flat[corner + 1] * x
    lower = flat[corner + width] * (1 - x) + flat[corner + width + 1] * x
    sampled: NDArray[np.float32] = np.where(inside, upper * (1 - y) + lower * y, 0.0).astype(np.float32)
    return sampled
