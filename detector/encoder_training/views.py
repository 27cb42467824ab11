"""Two pictures of one clip that differ in all that platforms change: crop, scale, blur, colour, codec."""

import io

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]

AREA = (0.2, 1.0)
"""Share of the picture in a crop: at 128 of 256 px, from native scale to half of it."""

RENDERED_AREA = (0.7, 1.0)
"""A rendered picture is cropped little: its caption names what stands near its edge, too."""


def view(picture: U8, side: int, rng: np.random.Generator, area: tuple[float, float] = AREA) -> U8:
    """A random view uint8 [side, side, 3] of a picture uint8 [H, W, 3]."""
    from PIL import Image, ImageEnhance, ImageFilter

    height, width = picture.shape[:2]
    share, stretch = rng.uniform(*area), np.exp(rng.uniform(-0.25, 0.25))
    w, h = min(width, width * np.sqrt(share) * stretch), min(height, height * np.sqrt(share) / stretch)
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    method = (Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)[rng.integers(3)]
    box = (left, top, left + w, top + h)
    image = Image.fromarray(picture).resize((side, side), method, box=box)
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.3:
        small = int(side * rng.uniform(0.35, 0.9))
        image = image.resize((small, small), Image.Resampling.BILINEAR).resize((side, side), method)
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.6)))
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        if rng.random() < 0.6:
            image = enhance(image).enhance(rng.uniform(0.6, 1.5))
    if area == AREA and rng.random() < 0.15:  # colour is what captions speak of
        image = image.convert("L").convert("RGB")
    if rng.random() < 0.6:
        coded = io.BytesIO()
        image.save(coded, "JPEG", quality=int(rng.integers(12, 80)), subsampling=2)
        image = Image.open(coded)
    return np.asarray(image, np.uint8)
