"""FFmpeg's picture planes as arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]  # yuv420p: Y [H,W], U and V [⌈H/2⌉,⌈W/2⌉]


def plane_array(plane: Any) -> Plane:
    """A view of an `av.VideoPlane` of 8-bit samples: uint8 [H, W × channels], without the line padding.

    The view lives as long as its frame does.
    """
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]
