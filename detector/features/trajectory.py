"""Family C: the shape of the path that a clip's frames draw through a feature space.

Perceptual straightening (Henaff et al. 2019) is read as evidence of synthesis by ReStraV (Internò et al.
2025, curvature and step length in DINOv2 space) and second-order differences by D3 (Zheng et al. 2025,
XCLIP space). Neither the sign nor the threshold of those papers carries over to other spaces, so here the
statistics are inputs of a fitted head. The same function serves pixel spaces and encoder embeddings.
"""

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating]
EPS = 1e-6

PATH_STATISTICS = (
    "step_rel",  # log mean step length over the spread of one frame's vector
    "step_cv",  # variation of step length
    "accel",  # log mean second difference over mean step
    "accel_cv",
    "accel_std",  # D3's statistic, made scale-free
    "jerk",  # log mean third difference over mean second difference
    "curv_mean",  # angles between successive steps, radians
    "curv_std",
    "curv_min",
    "curv_max",
    "straight",  # chord over path length
    "lag2",  # log mean distance at lag 2 over lag 1: 0 for white noise, log 2 for a straight line
    "lag4",
)


def path_statistics(path: Floats) -> npt.NDArray[np.float64]:
    """The 13 `PATH_STATISTICS` of paths [..., T, D], T >= 6: float64 [..., 13]. Scale-free."""
    z = np.asarray(path, np.float64)
    d1 = np.diff(z, axis=-2)
    d2 = np.diff(d1, axis=-2)
    d3 = np.diff(d2, axis=-2)
    n1, n2, n3 = (np.linalg.norm(d, axis=-1) for d in (d1, d2, d3))
    spread = np.sqrt(z.shape[-1]) * z.std(-1).mean(-1) + EPS
    step, accel = n1.mean(-1) + EPS, n2.mean(-1) + EPS
    cosine = (d1[..., 1:, :] * d1[..., :-1, :]).sum(-1) / (n1[..., 1:] * n1[..., :-1] + EPS)
    angle = np.arccos(np.clip(cosine, -1, 1))
    chord = np.linalg.norm(z[..., -1, :] - z[..., 0, :], axis=-1)
    lag2, lag4 = (np.linalg.norm(z[..., k:, :] - z[..., :-k, :], axis=-1).mean(-1) for k in (2, 4))
    return np.stack(
        [
            np.log(step / spread),
            n1.std(-1) / step,
            np.log(accel / step),
            n2.std(-1) / accel,
            np.log(n2.std(-1) / step + 1e-3),
            np.log((n3.mean(-1) + EPS) / accel),
            angle.mean(-1),
            angle.std(-1),
            angle.min(-1),
            angle.max(-1),
            chord / (n1.sum(-1) + EPS),
            np.log(lag2 / step + 1e-3),
            np.log(lag4 / step + 1e-3),
        ],
        axis=-1,
    )


def pool(images: npt.NDArray[np.floating | np.uint8], side: int) -> F32:
    """Block means of square images [..., S, S] down to [..., side, side], float32."""
    size = images.shape[-1]
    block = size // side
    shape = (*images.shape[:-2], side, block, side, block)
    return np.asarray(images.reshape(shape).mean((-3, -1), dtype=np.float32))


def orientation_maps(luma: Floats) -> F32:
    """Gradient-orientation histograms: luma [T, 128, 128] -> [T, 8 * 8 * 8]."""
    gy, gx = np.gradient(luma, axis=(-2, -1))
    magnitude = np.hypot(gx, gy)
    sector = ((np.arctan2(gy, gx) + np.pi) * (4 / np.pi)).astype(np.int8) % 8
    bins = [pool(np.where(sector == k, magnitude, 0), 8) for k in range(8)]
    return np.stack(bins, axis=1).reshape(len(luma), -1)


SPACES = ("luma64", "luma16", "orient", "texture", "detail", "chroma")
PATCH_STATISTICS = ("accel", "curv_mean", "straight", "lag2", "step_cv")

NAMES = (
    *(f"C_{space}_{name}" for space in SPACES for name in PATH_STATISTICS),
    *(f"C_patch_{name}_{part}" for name in PATCH_STATISTICS for part in ("mean", "std", "low")),
    "C_sharp_cv",
    "C_sharp_accel",
    "C_sharp_slope",
)


def trajectory_features(luma128: F32, texture: F32, chroma: npt.NDArray[np.uint8]) -> Floats:
    """Family C of a window, in the order of `NAMES`.

    `luma128` is float32 [T, 128, 128]; `texture` float32 [T, 256, 256], the band-pass of full-size luma;
    `chroma` uint8 [T, 2, 128, 128].
    """
    frames = len(luma128)
    luma64 = pool(luma128, 64)
    energy = np.abs(texture)
    paths = (
        luma64,
        pool(luma64, 16),
        orientation_maps(luma128),
        pool(energy, 32),
        pool(texture, 128),
        pool(chroma, 32),
    )
    spaces = np.concatenate([path_statistics(p.reshape(frames, -1)) for p in paths])

    patches = luma64.reshape(frames, 8, 8, 8, 8).transpose(1, 3, 0, 2, 4).reshape(64, frames, 64)
    alive = np.abs(np.diff(patches, axis=1)).mean((1, 2)) > 0.3
    wanted = [PATH_STATISTICS.index(name) for name in PATCH_STATISTICS]
    local = path_statistics(patches[alive] if alive.sum() >= 4 else patches)[:, wanted]
    spread = np.stack([local.mean(0), local.std(0), np.percentile(local, 20, axis=0)], axis=1).ravel()

    sharp = energy.mean((1, 2), dtype=np.float64)
    sharp /= sharp.mean() + EPS
    slope = np.polyfit(np.linspace(-1, 1, frames), sharp, 1)[0]
    sharpness = np.array([sharp.std(), np.abs(np.diff(sharp, 2)).mean(), slope])
    return np.concatenate([spaces, spread, sharpness])
