"""Traces at native resolution, where published image detectors read: an ablation, not a part of the heads.

The normal form destroys them on purpose, because they tell the host page's encoder at least as well as the
generator. Here they are measured on the file as it comes: the central 256 x 256 pixels of up to five frames.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from media import MediaError, open_clip

SIDE = 256
FRAMES = 5
_RADIAL, _SECTORS = 16, 8


def frame_traces(luma: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Residual spectrum, neighbouring pixel relations, blockiness and autocorrelation of uint8 [256, 256]."""
    from scipy.ndimage import gaussian_filter

    y = luma.astype(np.float32)
    residual = y - gaussian_filter(y, 1.0)
    window = np.hanning(SIDE)[:, None] * np.hanning(SIDE)
    power = np.log(np.abs(np.fft.fftshift(np.fft.fft2(residual * window))) ** 2 + 1e-3)
    v, h = np.mgrid[-SIDE // 2 : SIDE // 2, -SIDE // 2 : SIDE // 2]
    radius, angle = np.hypot(v, h), np.arctan2(v, h) % np.pi
    ring = np.minimum((radius / 8).astype(int), _RADIAL - 1)
    radial = np.bincount(ring.ravel(), power.ravel(), _RADIAL) / np.bincount(ring.ravel(), minlength=_RADIAL)
    high = (radius > 64) & (radius < 128)
    sector = np.minimum((angle / np.pi * _SECTORS).astype(int), _SECTORS - 1)
    azimuth = [power[high & (sector == k)].mean() - power[high].mean() for k in range(_SECTORS)]

    def block(profile: npt.NDArray[np.floating]) -> float:
        phases = np.array([profile[k::8].mean() for k in range(8)])
        return float(np.log((phases.max() + 0.05) / (np.median(phases) + 0.05)))

    blockiness = [block(np.abs(np.diff(y, axis=axis)).mean(1 - axis)) for axis in (0, 1)]
    quads = y.reshape(SIDE // 2, 2, SIDE // 2, 2)
    steps = np.abs(quads - quads[:, :1, :, :1]).mean((0, 2)).ravel()[1:]  # NPR (Tan et al. 2024)
    relations = [np.log(steps.mean() + 0.05), steps.std() / (steps.mean() + 0.05)]
    variance = residual.var() + 1e-3
    correlation = [(residual[:, k:] * residual[:, :-k]).mean() / variance for k in (1, 2, 3, 4)]
    correlation += [(residual[k:] * residual[:-k]).mean() / variance for k in (1, 2, 3, 4)]
    return np.array(
        [*(radial - radial.mean()), radial.mean(), *azimuth, *blockiness, *relations, *correlation]
    )


def clip_traces(path: Path) -> npt.NDArray[np.float64] | None:
    """Mean and spread of `frame_traces` over a clip's frames, float64 [2 d]; None for a clip that is too small."""
    found = []
    try:
        with open_clip(path, pixel_format="yuv420p", rate=2, end_s=3) as clip:
            for frame in clip:
                luma = frame.planes[0]
                top, left = ((side - SIDE) // 2 for side in luma.shape)
                if min(top, left) < 0:
                    return None
                found.append(frame_traces(luma[top : top + SIDE, left : left + SIDE]))
                if len(found) == FRAMES:
                    break
    except MediaError:
        return None
    return np.nan_to_num(np.concatenate([np.mean(found, axis=0), np.std(found, axis=0)])) if found else None
