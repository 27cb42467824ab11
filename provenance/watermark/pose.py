"""Where the mark lies in a picture: scale, turn, mirror, stretch, shift; and reading cells under such a
pose.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from provenance.watermark.carrier import Points
from provenance.watermark.response import Frame, Map, Response

ENLARGED = 1.4  # the scale of a mark from which on the coarse map is the sharper one
_ROW = 256


@dataclass(frozen=True)
class Pose:
    """How the marked frame was laid into the picture at hand.

    scale: size of a cell relative to that of an uncropped mark (2: cropped to half, 0.5: shrunk into a
    larger frame). angle: radians. mirrored: flipped left to right. stretch: width over height relative to
    the original. x, y: the picture's centre on the canvas, in units.
    """

    scale: float = 1.0
    angle: float = 0.0
    mirrored: bool = False
    stretch: float = 1.0
    x: float = 0.0
    y: float = 0.0

    @property
    def matrix(self) -> NDArray[np.float64]:
        """float64[2, 2] from canvas offsets (x, y) to picture offsets, both in units."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        across = (-1.0 if self.mirrored else 1.0) * self.stretch * self.scale
        return np.array([[across * cos, across * sin], [-self.scale * sin, self.scale * cos]])

    def locate(self, places: Points) -> Points:
        """Picture positions, in units from its centre, of canvas positions; both float32[n, 2] x, y."""
        located: Points = ((places - (self.x, self.y)) @ self.matrix.T).astype(np.float32)
        return located

    def moved(self, **steps: float) -> "Pose":
        """The pose with `steps` added: x, y, stretch, angle as they are, scale as a factor's logarithm."""
        scale = self.scale * float(np.exp(steps.pop("log_scale", 0.0)))
        return replace(
            self, scale=scale, **{name: getattr(self, name) + step for name, step in steps.items()}
        )


IDENTITY = Pose()


def map_under(response: Response, layer: int, scale: float) -> tuple[Map, Frame]:
    """The map of a layer that reads marks of this scale best."""
    enlarged = scale > ENLARGED
    return response.maps[layer][enlarged], response.geometry.layers[layer][enlarged]


def sample(response: Response, layer: int, pose: Pose, places: Points) -> NDArray[np.float32]:
    """A layer's response at canvas positions under a pose, float32[n]; zero outside of the picture.
    Bilinear.
    """
    values, frame = map_under(response, layer, pose.scale)
    return read_map(values, frame, pose.locate(places))


def read_map(values: Map, frame: Frame, located: Points) -> NDArray[np.float32]:
    """A map at picture positions (units from the centre), float32[n]; zero outside."""
    if not len(located):
        return np.zeros(0, dtype=np.float32)
    rows, columns = frame.shape
    at = np.full((-(-len(located) // _ROW) * _ROW, 2), -2.0, dtype=np.float32)  # remap takes no long rows
    centre = ((columns - 1) / 2, (rows - 1) / 2)
    at[: len(located)] = located * np.array(frame.pitch, np.float32) + np.array(centre, np.float32)
    grid = at.reshape(-1, _ROW, 2)
    read = cv2.remap(values, grid, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(read, dtype=np.float32).ravel()[: len(located)]
