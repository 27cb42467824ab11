"""Camera clips made to look processed: training pairs that share their content.

Camera clips and generated ones differ in what they show at least as much as in how they were made, and a head learns
whichever is easier. So each camera window also trains as a generated one after what generators do to pictures: coded
as spacetime patches, interpolated in time, scaled up, smoothed along motion. Within such a pair only the processing
differs (the argument of B-Free, Guillaro et al. 2025, for images).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from detector.features.flow import dense_flow, warp
from detector.features.trajectory import pool
from detector.normal_form import SIDE, Window, decode_window, encode_window

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
Planes = tuple[U8, U8]
"""Luma uint8 [T, 256, 256] and chroma uint8 [T, 2, 128, 128]."""

VERSION = 1


def _to_u8(x: npt.NDArray[np.floating]) -> U8:
    return np.asarray(np.clip(np.rint(x), 0, 255), np.uint8)


def _per_channel(change: Callable[[U8], U8], chroma: U8) -> U8:
    return np.stack([change(chroma[:, k]) for k in (0, 1)], axis=1)


def _patch_coded(plane: U8, keep: int, frames: int = 4, side: int = 8) -> U8:
    """A plane [T, H, W] through a 3-D cosine transform of patches that keeps the `keep` lowest of 256 numbers."""
    from scipy.fft import dctn, idctn
    from scipy.ndimage import gaussian_filter

    count, height, width = plane.shape
    whole = count // frames * frames
    x = plane.astype(np.float32)
    patches = x[:whole].reshape(whole // frames, frames, height // side, side, width // side, side)
    codes = dctn(patches.transpose(0, 2, 4, 1, 3, 5), axes=(3, 4, 5), norm="ortho")
    t, v, h = (np.arange(n) for n in (frames, side, side))
    order = (t * side / frames)[:, None, None] + v[:, None] + h
    kept = order < np.sort(order.ravel())[keep]
    back = idctn(codes * kept, axes=(3, 4, 5), norm="ortho")
    x[:whole] = back.transpose(0, 3, 1, 4, 2, 5).reshape(whole, height, width)
    return _to_u8(gaussian_filter(x, (0, 0.5, 0.5)))


def patch_tokenized(luma: U8, chroma: U8) -> Planes:
    """Through a lossy code of 4 x 8 x 8 patches, as the autoencoder of a latent model."""
    return _patch_coded(luma, 28), _per_channel(lambda plane: _patch_coded(plane, 16), chroma)


def interpolated(luma: U8, chroma: U8) -> Planes:
    """Every second frame replaced by one between its neighbours, along their motion."""
    y, uv = luma.astype(np.float32), chroma.astype(np.float32)
    count = len(y[2::2])
    first, second = y[0 : 2 * count : 2], y[2::2]
    flow = dense_flow(pool(first, 128), pool(second, 128))
    large = 2 * flow.repeat(2, axis=2).repeat(2, axis=3)
    y[1 : 2 * count : 2] = 0.5 * warp(first, -0.5 * large) + 0.5 * warp(second, 0.5 * large)
    for k in (0, 1):
        before, after = uv[0 : 2 * count : 2, k], uv[2 : 2 * count + 2 : 2, k]
        uv[1 : 2 * count : 2, k] = 0.5 * warp(before, -0.5 * flow) + 0.5 * warp(after, 0.5 * flow)
    return _to_u8(y), _to_u8(uv)


def _scaled_up(plane: U8) -> U8:
    from PIL import Image
    from scipy.ndimage import gaussian_filter

    side = plane.shape[-1]
    frames = []
    for picture in plane:
        small = Image.fromarray(picture).resize((int(side / 2.5),) * 2, Image.Resampling.BOX)
        large = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC)).astype(np.float32)
        frames.append(large + (large - gaussian_filter(large, 1.5)))
    return _to_u8(np.stack(frames))


def scaled_up(luma: U8, chroma: U8) -> Planes:
    """From two fifths of the size, sharpened, as an upsampler delivers."""
    return _scaled_up(luma), _per_channel(_scaled_up, chroma)


def smoothed(luma: U8, chroma: U8) -> Planes:
    """Averaged with the neighbouring frames along motion, and texture flattened."""
    from scipy.ndimage import median_filter

    y = luma.astype(np.float32)
    half = pool(y, SIDE // 2)
    total, weight = y.copy(), np.ones(y.shape, np.float32)
    for here, there in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
        flow = 2 * dense_flow(half[here], half[there]).repeat(2, axis=2).repeat(2, axis=3)
        moved = warp(np.ascontiguousarray(y[there]), flow)
        alike = np.exp(-(((moved - y[here]) / 12) ** 2))
        total[here] += alike * moved
        weight[here] += alike
    mean = total / weight
    return _to_u8(0.35 * mean + 0.65 * median_filter(mean, (1, 3, 3))), chroma


PROCESSES: tuple[Callable[[U8, U8], Planes], ...] = (patch_tokenized, interpolated, scaled_up, smoothed)


def paired_windows(window: Window) -> list[Window]:
    """The window after each of `PROCESSES`, in normal form again; none for a window under 16 frames."""
    if window.frames < 16:
        return []
    luma, chroma = window.planes()
    made = []
    for process in PROCESSES:
        bitstream = encode_window(*process(luma, chroma))
        made.append(Window(bitstream, len(decode_window(bitstream)[0]), window.start_s, window.end_s, ""))
    return made
