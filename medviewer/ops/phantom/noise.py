"""What the scanner adds: blur of the reconstruction and correlated noise."""

from __future__ import annotations

import numpy as np

from medviewer.ops.phantom.grid import Array, Grid

BLUR_MM = 0.65  # sd of the point spread in the slice
NOISE_HU = 15.0  # sd in soft tissue in the middle of the chest
_GRAIN_MM = 0.75


def blurred(hu: Array, grid: Grid) -> Array:
    """Apply the point spread: a Gaussian in the slice, a little of the neighbours along z."""
    from scipy.ndimage import correlate1d, gaussian_filter1d

    for axis in (1, 2):
        sigma = BLUR_MM / grid.spacing_mm[axis]
        if sigma > 0.2:
            gaussian_filter1d(hu, sigma, axis=axis, output=hu, mode="nearest", truncate=3.0)
    if grid.spacing_mm[0] < 6:
        correlate1d(hu, [0.07, 0.86, 0.07], axis=0, output=hu, mode="nearest")
    return hu


def add_noise(hu: Array, grid: Grid, rng: np.random.Generator) -> None:
    """Add noise with the grain of a filtered back projection, stronger in the middle and between the shoulders."""
    x2 = (grid.x * (1 / 170)) ** 2
    y2 = ((grid.y - 5) * (1 / 120)) ** 2
    bulge = np.clip(1 - 0.5 * (x2[None, :] + y2[:, None]), 0.35, 1).astype(np.float32)
    top = np.interp(grid.z, (45, 90), (0, 1))
    for k in range(grid.shape[0]):
        white = rng.standard_normal(grid.shape[1:], dtype=np.float32)
        hu[k] += _grain(white, grid) * bulge * np.float32(NOISE_HU * (1.0 + 0.35 * top[k]))
        if top[k] > 0:
            hu[k] += _streaks(white, grid) * bulge * np.float32(9 * top[k])


def _grain(white: Array, grid: Grid) -> Array:
    """Filter white noise to the grain of the reconstruction, unit sd."""
    from scipy.ndimage import gaussian_filter

    sigma = _GRAIN_MM / grid.spacing_mm[1]
    if sigma < 0.25:
        return white
    fine = gaussian_filter(white, sigma, mode="wrap", truncate=3.0)
    fine -= np.float32(0.8) * gaussian_filter(white, 2.5 * sigma, mode="wrap", truncate=2.5)
    return np.asarray(fine * np.float32(1 / np.sqrt(np.mean(fine * fine, dtype=np.float64))), np.float32)


def _streaks(white: Array, grid: Grid) -> Array:
    """Return streaks along x, unit sd: photon starvation between the shoulders."""
    from scipy.ndimage import gaussian_filter

    streaks = gaussian_filter(white, (0.8, 45 / grid.spacing_mm[2]), mode="wrap", truncate=2.5)
    return np.asarray(streaks * np.float32(1 / np.sqrt(np.mean(streaks * streaks, dtype=np.float64))), np.float32)
