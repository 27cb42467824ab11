"""Family D: how well smooth motion explains the change from frame to frame.

Dense pyramidal Lucas-Kanade (Lucas & Kanade 1981; Bouguet 2001) in numpy and scipy: every pair of a window
at once. What a camera films is warped by motion; what a generator draws is also redrawn, which leaves a
residual after motion compensation and texture that does not travel with its surface.
"""

import numpy as np
import numpy.typing as npt

from detector.features.trajectory import pool

F32 = npt.NDArray[np.float32]

NAMES = (
    "D_magnitude_cv",
    "D_magnitude_accel",
    "D_roughness",
    "D_warp_rel",
    "D_warp_cv",
    "D_change",
    "D_change_std",
    "D_global_share",
    "D_divergence",
    "D_curl",
    "D_texture_follow",
    "D_texture_follow_std",
    "D_moving_share",
    "D_two_step",
    "D_two_step_rel",
)


def warp(images: F32, flow: F32) -> F32:
    """Images [N, H, W] looked up at pixel + flow [N, 2, H, W] (x, y in pixels), bilinear, edges repeated."""
    count, height, width = images.shape
    x = np.clip(np.arange(width, dtype=np.float32) + flow[:, 0], 0, width - 1.001)
    y = np.clip(np.arange(height, dtype=np.float32)[:, None] + flow[:, 1], 0, height - 1.001)
    x0, y0 = x.astype(np.intp), y.astype(np.intp)
    fx, fy = x - x0, y - y0
    base = (np.arange(count)[:, None, None] * height + y0) * width + x0
    flat = images.ravel()
    top = flat[base] * (1 - fx) + flat[base + 1] * fx
    bottom = flat[base + width] * (1 - fx) + flat[base + width + 1] * fx
    return np.asarray(top * (1 - fy) + bottom * fy, np.float32)


def dense_flow(first: F32, second: F32, *, levels: int = 4, iterations: int = 2) -> F32:
    """Flow [N, 2, H, W] (x, y in pixels) that carries `first` to `second`, float32 luma [N, H, W] in
    0..255.

    H and W are divisible by 2 ** (levels - 1). Coarse to fine; each step solves the 2 x 2 normal equations
    of a Gaussian neighbourhood with a ridge of noise strength, and moves at most two pixels.
    """
    from scipy.ndimage import gaussian_filter

    def smooth(field: npt.NDArray[np.floating], sigma: float) -> F32:
        out: F32 = gaussian_filter(field, (0,) * (field.ndim - 2) + (sigma, sigma), truncate=2.5)
        return out

    pyramid = [(first, second)]
    for _ in range(levels - 1):
        a, b = pyramid[-1]
        pyramid.append((pool(a, a.shape[-1] // 2), pool(b, b.shape[-1] // 2)))
    flow = np.zeros((len(first), 2, *pyramid[-1][0].shape[1:]), np.float32)
    for a, b in reversed(pyramid):
        if flow.shape[-1] != a.shape[-1]:
            flow = 2 * flow.repeat(2, axis=-1).repeat(2, axis=-2)
        a = smooth(a, 0.7)
        b = smooth(b, 0.7)
        for _ in range(iterations):
            moved = warp(b, flow)
            mean = (a + moved) / 2
            gy, gx = (np.asarray(g, np.float32) for g in np.gradient(mean, axis=(1, 2)))
            gt = moved - a
            xx, yy, xy = (smooth(g, 2.0) for g in (gx * gx, gy * gy, gx * gy))
            xt, yt = smooth(gx * gt, 2.0), smooth(gy * gt, 2.0)
            ridge = 2.0 + 0.02 * (xx + yy)
            xx, yy = xx + ridge, yy + ridge
            determinant = xx * yy - xy * xy
            update = np.stack([xy * yt - yy * xt, xy * xt - xx * yt], axis=1) / determinant[:, None]
            flow = smooth(flow + np.clip(update, -2, 2), 0.8)
    return flow


def _affine_part(flow: F32) -> F32:
    """The least-squares affine motion in each flow [N, 2, H, W]."""
    count, _, height, width = flow.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    basis = np.stack([x.ravel(), y.ravel(), np.ones(x.size, np.float32)], axis=1)
    basis = np.linalg.qr(basis - [[width / 2, height / 2, 0]])[0].astype(np.float32)
    flat = flow.reshape(count * 2, -1)
    return np.asarray((flat @ basis @ basis.T).reshape(flow.shape), np.float32)


def flow_features(luma128: F32, texture: F32) -> npt.NDArray[np.float64]:
    """Family D of a window, in the order of `NAMES`; luma [T, 128, 128], texture [T, 256, 256], float32."""
    flow = dense_flow(luma128[:-1], luma128[1:])
    length = np.hypot(flow[:, 0], flow[:, 1])
    amount = length.mean((1, 2), dtype=np.float64)
    scale = amount + 0.1

    dx, dy = np.diff(flow, axis=3), np.diff(flow, axis=2)
    roughness = (np.abs(dx).mean((1, 2, 3)) + np.abs(dy).mean((1, 2, 3))) / scale
    divergence = np.abs(dx[:, 0, :-1] + dy[:, 1, :, :-1]).mean((1, 2)) / scale
    curl = np.abs(dx[:, 1, :-1] - dy[:, 0, :, :-1]).mean((1, 2)) / scale

    residual = np.abs(warp(luma128[1:], flow) - luma128[:-1]).mean((1, 2), dtype=np.float64)
    change = np.abs(np.diff(luma128, axis=0)).mean((1, 2), dtype=np.float64)
    turning = np.diff(flow, axis=0)
    flow_change = np.hypot(turning[:, 0], turning[:, 1]).mean((1, 2)) / scale[1:]
    affine = _affine_part(flow)
    rest = flow - affine
    steady = np.hypot(affine[:, 0], affine[:, 1]).mean((1, 2), dtype=np.float64)
    local = np.hypot(rest[:, 0], rest[:, 1]).mean((1, 2), dtype=np.float64)

    detail = pool(texture, 128)
    follow = (detail[:-1] * warp(detail[1:], flow)).mean((1, 2), dtype=np.float64)
    follow /= detail[:-1].std((1, 2)) * detail[1:].std((1, 2)) + 1e-6

    # Two steps composed, against the frames two apart: what is redrawn breaks the chain.
    carried = flow[:-1] + np.stack([warp(flow[1:, k], flow[:-1]) for k in (0, 1)], axis=1)
    chain = np.abs(warp(luma128[2:], carried) - luma128[:-2]).mean((1, 2), dtype=np.float64)
    jump = np.abs(luma128[2:] - luma128[:-2]).mean((1, 2), dtype=np.float64)

    mean_amount = amount.mean() + 0.05
    return np.array(
        [
            amount.std() / mean_amount,
            np.abs(np.diff(amount, 2)).mean() / mean_amount,
            np.log(roughness.mean() + 1e-3),
            np.log((residual / (change + 0.2)).mean() + 1e-3),
            residual.std() / (residual.mean() + 0.05),
            flow_change.mean(),
            flow_change.std(),
            np.log((local.mean() + 0.05) / (steady.mean() + 0.05)),
            np.log(divergence.mean() + 1e-3),
            np.log(curl.mean() + 1e-3),
            follow.mean(),
            follow.std(),
            float((length > 0.5 * length.mean() + 0.1).mean()),
            np.log((chain.mean() + 0.1) / (residual.mean() + 0.1)),
            np.log((chain / (jump + 0.2)).mean() + 1e-3),
        ]
    )
