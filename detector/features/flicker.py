"""Family E: brightness and fine texture that change in time without motion."""

import numpy as np
import numpy.typing as npt

from detector.features.trajectory import pool

F32 = npt.NDArray[np.float32]

BANDS = 5
NAMES = (
    *(f"E_band_{k}" for k in range(BANDS)),
    *(f"E_detail_band_{k}" for k in range(BANDS)),
    "E_global_accel",
    "E_texture_noise",
    "E_still_level",
    "E_still_share",
    "E_still_accel",
)


def band_shares(signals: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Log share of temporal power in `BANDS` equal bands of (0, Nyquist], over signals [T, D]."""
    frames = len(signals)
    centred = signals - signals.mean(0)
    power = (np.abs(np.fft.rfft(centred * np.hanning(frames)[:, None], axis=0)) ** 2)[1:].sum(1)
    place = (np.arange(len(power)) + 0.5) / len(power) * BANDS
    shares = np.bincount(place.astype(int), power, BANDS) / (power.sum() + 1e-9)
    return np.asarray(np.log(shares + 1e-5))


def flicker_features(luma128: F32, texture: F32) -> npt.NDArray[np.float64]:
    """Family E of a window, in the order of `NAMES`; luma [T, 128, 128], texture [T, 256, 256], float32."""
    frames = len(luma128)
    coarse = pool(luma128, 16).reshape(frames, -1)
    detail = pool(np.abs(texture), 32).reshape(frames, -1)
    level = luma128.mean((1, 2), dtype=np.float64)
    band = pool(texture, 128)
    change = np.abs(np.diff(luma128, axis=0))
    still = change.mean(0)
    quiet = still <= np.percentile(still, 25)
    curve = np.abs(np.diff(luma128, 2, axis=0)).mean(0)
    return np.concatenate(
        [
            band_shares(coarse),
            band_shares(detail),
            [
                np.log(np.abs(np.diff(level, 2)).mean() + 0.02),
                np.log((band.var(0).mean() + 1e-3) / (band.mean(0).var() + 1e-3)),
                np.log(still[quiet].mean() + 0.05),
                float((still < 0.5).mean()),
                np.log((curve[quiet].mean() + 0.05) / (still[quiet].mean() + 0.05)),
            ],
        ]
    )
