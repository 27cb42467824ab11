"""Delivery size: native frames scaled up, since a watermark cannot live in 96 pixels."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def upscale(frames: "NDArray[np.uint8]", short_side: int = 512) -> "tuple[NDArray[np.uint8], dict[str, Any]]":
    """Frames uint8 [T, H, W, 3] with a short side of at least ``short_side`` pixels and even sides, and a
    JSON-able record of what was done (``scaler`` is ``"none"`` if nothing was).

    Lanczos on every frame; the aspect ratio is kept to a pixel. Never scales down: a larger frame keeps its
    size, but for a last odd row or column, which is cropped (yuv420p needs even sides).
    """
    import numpy as np
    from PIL import Image

    _, height, width, _ = frames.shape
    factor = max(1.0, short_side / min(height, width))
    new_height, new_width = (2 * round(side * factor / 2) for side in (height, width))
    if factor == 1.0:
        new_height, new_width = height - height % 2, width - width % 2
        scaled = frames[:, :new_height, :new_width]
    else:
        size = (new_width, new_height)
        scaled = np.stack(
            [np.asarray(Image.fromarray(f).resize(size, Image.Resampling.LANCZOS)) for f in frames]
        )
    record = {
        "scaler": "none" if factor == 1.0 else "lanczos",
        "native": {"width": width, "height": height},
        "delivered": {"width": new_width, "height": new_height},
        "factor": round(factor, 6),
    }
    return scaled, record
