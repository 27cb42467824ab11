"""Changes of one picture in yuv420p: each function makes a Change. Chroma planes are half the size and change as the
colour picture would: same place, half the radius."""

from collections.abc import Callable
from math import cos, radians, sin

import cv2
import numpy as np

from benchmarks.watermark.clips import Change, planes_of, rgb_of
from media import Planes
from media.planes import Plane

BLACK = (16, 128, 128)


def _planewise(change: Callable[[Plane], Plane]) -> Change:
    def changed(picture: Planes, _index: int) -> Planes:
        y, u, v = (np.ascontiguousarray(change(plane)) for plane in picture)
        return y, u, v

    return changed


def _blank(width: int, height: int) -> Planes:
    y, u, v = (
        np.full((height // part, width // part), level, np.uint8)
        for part, level in zip((1, 2, 2), BLACK, strict=True)
    )
    return y, u, v


def _even(side: float) -> int:
    return max(2, round(side / 2) * 2)


def fit(picture: Planes, width: int, height: int) -> Planes:
    """To even sides; smaller by area averaging, larger by bicubic interpolation."""
    shrinks = width * height < picture[0].size
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    y, u, v = (
        cv2.resize(plane, (width // part, height // part), interpolation=how)
        for plane, part in zip(picture, (1, 2, 2), strict=True)
    )
    return y, u, v


def resize(across: float, down: float | None = None) -> Change:
    def changed(picture: Planes, _index: int) -> Planes:
        height, width = picture[0].shape
        return fit(picture, _even(width * across), _even(height * (across if down is None else down)))

    return changed


def resize_and_back(factor: float) -> Change:
    def changed(picture: Planes, index: int) -> Planes:
        height, width = picture[0].shape
        return fit(resize(factor)(picture, index), width, height)

    return changed


def _cut(picture: Planes, left: int, top: int, width: int, height: int) -> Planes:
    y, u, v = picture
    half = np.s_[top // 2 : (top + height) // 2, left // 2 : (left + width) // 2]
    return y[top : top + height, left : left + width], u[half], v[half]


def crop(share: float, across: float = 0.5, down: float = 0.5) -> Change:
    """Keeps a share of either side; across, down: 0 keeps the left or top, 1 the right or bottom."""

    def changed(picture: Planes, _index: int) -> Planes:
        rows, columns = picture[0].shape
        width, height = _even(columns * share), _even(rows * share)
        return _cut(
            picture,
            int((columns - width) * across) // 2 * 2,
            int((rows - height) * down) // 2 * 2,
            width,
            height,
        )

    return changed


def crop_to_other_shape() -> Change:
    """The middle: a landscape picture to 9:16, a portrait one to 16:9."""

    def changed(picture: Planes, _index: int) -> Planes:
        height, width = picture[0].shape
        if width >= height:
            narrow = _even(min(width, height * 9 / 16))
            return _cut(picture, (width - narrow) // 4 * 2, 0, narrow, height)
        low = _even(min(height, width * 9 / 16))
        return _cut(picture, 0, (height - low) // 4 * 2, width, low)

    return changed


def _put(canvas: Planes, picture: Planes, left: int, top: int) -> Planes:
    for plane, part, whole in zip(picture, (1, 2, 2), canvas, strict=True):
        height, width = plane.shape
        whole[top // part : top // part + height, left // part : left // part + width] = plane
    return canvas


def pad(across: float, down: float) -> Change:
    """Black bars on both sides; across, down: the new sides as multiples of the old."""

    def changed(picture: Planes, _index: int) -> Planes:
        rows, columns = picture[0].shape
        width, height = _even(columns * across), _even(rows * down)
        return _put(_blank(width, height), picture, (width - columns) // 4 * 2, (height - rows) // 4 * 2)

    return changed


def shrink_and_pad(share: float, across: float, down: float) -> Change:
    """Smaller, somewhere in a black picture of the old size."""

    def changed(picture: Planes, index: int) -> Planes:
        rows, columns = picture[0].shape
        small = resize(share)(picture, index)
        height, width = small[0].shape
        left, top = int((columns - width) * across) // 2 * 2, int((rows - height) * down) // 2 * 2
        return _put(_blank(columns, rows), small, left, top)

    return changed


def _warp(picture: Planes, matrices: tuple[np.ndarray, np.ndarray]) -> Planes:
    """Bilinear; what comes from outside is black. matrices: for luma and for chroma, 3x3, from old to new."""
    y, u, v = (
        cv2.warpPerspective(
            plane, matrices[part > 0], plane.shape[::-1], flags=cv2.INTER_LINEAR, borderValue=(level,)
        )
        for part, (plane, level) in enumerate(zip(picture, BLACK, strict=True))
    )
    return y, u, v


def rotate(degrees: float) -> Change:
    """About the middle, counter-clockwise, in a frame of the old size."""
    c, s = cos(radians(degrees)), sin(radians(degrees))

    def about_middle(plane: Plane) -> np.ndarray:
        y, x = ((side - 1) / 2 for side in plane.shape)
        return np.array([[c, s, x - c * x - s * y], [-s, c, y + s * x - c * y], [0, 0, 1]])

    return lambda picture, _index: _warp(picture, (about_middle(picture[0]), about_middle(picture[1])))


def perspective(share: float) -> Change:
    """The four corners move inwards by `share` of either side times (1, .3), (.6, 1), (0, .4), (.8, 0)."""
    # From the top left, clockwise.
    moves = np.array([(1, 0.3), (-0.6, 1), (0, -0.4), (0.8, 0)]) * share

    def seen(plane: Plane) -> np.ndarray:
        height, width = plane.shape
        corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], dtype=np.float64)
        sides = np.array([width, height])
        old, new = (corners * sides - 0.5, (corners + moves) * sides - 0.5)
        return np.asarray(cv2.getPerspectiveTransform(old.astype(np.float32), new.astype(np.float32)))

    return lambda picture, _index: _warp(picture, (seen(picture[0]), seen(picture[1])))


def mirror() -> Change:
    return _planewise(lambda plane: plane[:, ::-1])


def upside_down() -> Change:
    """Rows reversed: a mirror, not a turn."""
    return _planewise(lambda plane: plane[::-1])


def turn(quarters: int) -> Change:
    return _planewise(lambda plane: np.rot90(plane, quarters))


# ---------------------------------------------------------------- light and colour


def _table(change: Callable[[np.ndarray], np.ndarray]) -> Plane:
    levels: Plane = np.clip(np.rint(change(np.arange(256, dtype=np.float64))), 0, 255).astype(np.uint8)
    return levels


def _levels(luma: Plane | None, chroma: Plane | None) -> Change:
    def changed(picture: Planes, _index: int) -> Planes:
        y, u, v = picture
        if luma is not None:
            y = cv2.LUT(y, luma)
        if chroma is not None:
            u, v = cv2.LUT(u, chroma), cv2.LUT(v, chroma)
        return y, u, v

    return changed


def brightness(factor: float) -> Change:
    """R, G and B times a factor."""
    return _levels(_table(lambda y: 16 + (y - 16) * factor), _table(lambda c: 128 + (c - 128) * factor))


def contrast(factor: float) -> Change:
    """R, G and B pulled to, or pushed from, the mean luma of the picture."""
    chroma = _table(lambda c: 128 + (c - 128) * factor)

    def changed(picture: Planes, index: int) -> Planes:
        mean = float(picture[0][::4, ::4].mean())
        return _levels(_table(lambda y: mean + (y - mean) * factor), chroma)(picture, index)

    return changed


def gamma(exponent: float) -> Change:
    """Luma alone, as FFmpeg's `eq` does."""
    return _levels(_table(lambda y: 16 + 219 * np.clip((y - 16) / 219, 0, None) ** exponent), None)


def saturation(factor: float) -> Change:
    return _levels(None, _table(lambda c: 128 + (c - 128) * factor))


def hue(degrees: float) -> Change:
    c, s = cos(radians(degrees)), sin(radians(degrees))

    def changed(picture: Planes, _index: int) -> Planes:
        y, u, v = picture
        du, dv = u.astype(np.float32) - 128, v.astype(np.float32) - 128
        turned = (128 + c * du - s * dv, 128 + s * du + c * dv)
        u2, v2 = (np.clip(np.rint(plane), 0, 255).astype(np.uint8) for plane in turned)
        return y, u2, v2

    return changed


# ---------------------------------------------------------------- noise and filters


def noise(sigma: float) -> Change:
    """Gaussian, new in every picture, on all three planes."""

    def changed(picture: Planes, index: int) -> Planes:
        cv2.setRNGSeed(index + 1)
        y, u, v = (
            cv2.add(plane, cv2.randn(np.empty(plane.shape, np.int16), 0, sigma), dtype=cv2.CV_8U)
            for plane in picture
        )
        return y, u, v

    return changed


def blur(sigma: float) -> Change:
    def changed(picture: Planes, _index: int) -> Planes:
        y, u, v = (
            cv2.GaussianBlur(plane, (0, 0), sigma / part)
            for plane, part in zip(picture, (1, 2, 2), strict=True)
        )
        return y, u, v

    return changed


def median(size: int) -> Change:
    def changed(picture: Planes, _index: int) -> Planes:
        y, u, v = picture
        return cv2.medianBlur(y, size), cv2.medianBlur(u, 3), cv2.medianBlur(v, 3)

    return changed


def sharpen(amount: float, sigma: float) -> Change:
    """Unsharp mask of the luma."""

    def changed(picture: Planes, _index: int) -> Planes:
        y, u, v = picture
        return cv2.addWeighted(y, 1 + amount, cv2.GaussianBlur(y, (0, 0), sigma), -amount, 0), u, v

    return changed


def jpeg(quality: int) -> Change:
    def changed(picture: Planes, _index: int) -> Planes:
        _, file = cv2.imencode(".jpg", rgb_of(picture)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        bgr = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), dtype=np.uint8)
        return planes_of(bgr[..., ::-1])

    return changed


def moire(depth: float, period_px: float) -> Change:
    """The beat of two pixel grids: a slanted wave in the light."""

    def changed(picture: Planes, _index: int) -> Planes:
        y, u, v = picture
        rows, columns = np.arange(y.shape[0], dtype=np.float32), np.arange(y.shape[1], dtype=np.float32)
        step = np.float32(2 * np.pi / period_px)
        # cos(a + b) = cos a cos b - sin a sin b: two outer products, no cosine of every pixel
        down, across = rows * (0.31 * step), columns * step
        wave = np.outer(np.cos(down), np.cos(across)) - np.outer(np.sin(down), np.sin(across))
        lit = 16 + (y.astype(np.float32) - 16) * (1 + depth * wave)
        return np.clip(np.rint(lit), 0, 255).astype(np.uint8), u, v

    return changed


# ---------------------------------------------------------------- overlays


def caption(share: float) -> Change:
    """A black bar over the bottom with white words."""

    def changed(picture: Planes, _index: int) -> Planes:
        y, u, v = (plane.copy() for plane in picture)
        height, width = y.shape
        top = _even(height * (1 - share))
        y[top:], u[top // 2 :], v[top // 2 :] = BLACK
        scale = height * share / 60
        where = int(width * 0.06), int(height * (1 - share * 0.35))
        cv2.putText(
            y,
            "seen today in the harbour",
            where,
            cv2.FONT_HERSHEY_SIMPLEX,
            scale,
            235,
            max(1, int(2 * scale)),
        )
        return y, u, v

    return changed


def logo(share: float) -> Change:
    """An opaque badge in the top right corner, as wide as a share of the short side."""

    def changed(picture: Planes, _index: int) -> Planes:
        y, u, v = (plane.copy() for plane in picture)
        height, width = y.shape
        radius = int(min(height, width) * share / 2)
        x, top = width - radius * 5 // 4, radius * 5 // 4
        cv2.circle(y, (x, top), radius, 210, -1)
        for plane, level in ((u, 100), (v, 190)):
            cv2.circle(plane, (x // 2, top // 2), radius // 2, level, -1)
        cv2.rectangle(y, (x - radius // 2, top - radius // 6), (x + radius // 2, top + radius // 6), 40, -1)
        return y, u, v

    return changed


def inset(others: Callable[[int], Planes], share: float) -> Change:
    """Picture in picture: another picture covers a share of either side, bottom right."""

    def changed(picture: Planes, index: int) -> Planes:
        y, u, v = (plane.copy() for plane in picture)
        rows, columns = y.shape
        width, height = _even(columns * share), _even(rows * share)
        margin = _even(min(rows, columns) * 0.03)
        small = fit(others(index), width, height)
        return _put((y, u, v), small, columns - width - margin, rows - height - margin)

    return changed
