"""Who is scanned: sizes, habitus and small irregularities drawn from the seed.

The anatomy files give positions for an average adult, in mm from the carina; `Patient` scales them and bends them a
little, so that no two patients and no two sides are alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from medviewer.ops.phantom.grid import COARSE, Array, Points, at_points, smooth_noise

WARP_MM = 2.2  # sd of the bending
_PROFILE_STEP_MM = 1.0


class Profile:
    """Sizes that change with the height, smoothed over some mm.

    rows : (N, 1 + columns): height above the carina of the average patient, then the values; mm
    """

    def __init__(self, rows: ArrayLike) -> None:
        self.rows = np.asarray(rows, float)
        ordered = self.rows[np.argsort(self.rows[:, 0])]
        self._heights = np.arange(ordered[0, 0], ordered[-1, 0] + _PROFILE_STEP_MM, _PROFILE_STEP_MM)
        self._columns = [self._smooth(np.interp(self._heights, ordered[:, 0], c)) for c in ordered.T[1:]]

    @staticmethod
    def _smooth(values: Points) -> Points:
        padded = np.pad(values, 4, mode="reflect", reflect_type="odd")
        return np.asarray(sum(padded[n:n + len(values)] for n in range(9)) / 9)

    def at(self, column: int, z: ArrayLike) -> Array:
        """Return the values of a column (1, 2, ...) at heights `z`."""
        return np.interp(z, self._heights, self._columns[column - 1]).astype(np.float32)  # type: ignore[arg-type]


# Height above the carina (mm), then half width, half depth and middle depth of the chest's inner surface
CAVITY = Profile([
    (94, 6, 5, 31), (90, 20, 14, 31), (85, 35, 24, 30), (78, 51, 35, 28), (65, 72, 49, 23), (45, 93, 63, 14),
    (20, 109, 75, 5), (-10, 120, 82, 0), (-50, 128, 87, -2), (-100, 132, 88, -3), (-150, 131, 85, -2),
    (-200, 128, 82, 0),
])
# The same for the rib cage, which does not close over the apex
CAGE = Profile(np.vstack([[(100, 46, 30, 30), (90, 54, 36, 30), (78, 63, 43, 28), (65, 77, 54, 23), (45, 96, 66, 14)],
                          CAVITY.rows[6:] + (0, 2, 2, 0)]))
# The same for the muscles' outer surface
MUSCLE = Profile([
    (125, 132, 60, 28), (115, 140, 64, 25), (100, 148, 74, 20), (80, 151, 84, 14), (40, 150, 94, 6), (0, 147, 99, 2),
    (-50, 145, 101, 0), (-110, 144, 101, 0), (-200, 140, 98, 0),
])
# Height and depth of the middle of the vertebral bodies
SPINE = Profile([(125, 26), (105, 29), (88, 33), (50, 42), (10, 49), (-30, 51), (-75, 50), (-120, 44), (-172, 35),
                 (-200, 30)])


@dataclass(frozen=True, eq=False)
class Patient:
    """One patient.

    scale : (x, y, z) size against the average
    fat_mm : thickness of the fat under the skin
    warp : coarse fields of the bending along (x, y, z), mm
    """

    seed: int
    scale: tuple[float, float, float]
    fat_mm: float
    heart: float
    aorta: float
    diaphragm_mm: float
    left_dome_mm: float
    parenchyma_hu: float
    gravity_hu: float
    contrast: bool
    warp: tuple[Array, Array, Array]

    @classmethod
    def draw(cls, seed: int, contrast: bool = False) -> Patient:
        """Draw a patient; the same seed gives the same one."""
        rng = stream(seed, "patient")
        size = rng.normal(0, 0.02)
        scale = [float(np.clip(1.0 + size + rng.normal(0, sd), 0.91, 1.06)) for sd in (0.015, 0.025, 0.02)]
        return cls(
            seed, (min(scale[0], 1.03), scale[1], scale[2]), fat_mm=float(rng.uniform(8, 19)),
            heart=float(rng.uniform(0.9, 1.05)), aorta=float(rng.uniform(0.88, 1.15)),
            diaphragm_mm=float(rng.normal(0, 7)), left_dome_mm=float(rng.uniform(-16, -3)),
            parenchyma_hu=float(rng.normal(-868, 10)), gravity_hu=float(rng.uniform(35, 70)), contrast=contrast,
            warp=tuple(smooth_noise(rng, COARSE, (80, 80, 80)) * np.float32(WARP_MM) for _ in range(3)))  # type: ignore[arg-type]

    @property
    def blood_hu(self) -> float:
        """Attenuation of the blood."""
        return 220.0 if self.contrast else 44.0

    def anatomical(self) -> tuple[Array, Array, Array]:
        """Return the (x, y, z) of every coarse voxel in the average patient."""
        axes = COARSE.axes(COARSE.whole)
        return tuple((axis + bend) * np.float32(1 / s)
                     for axis, bend, s in zip(axes, self.warp, self.scale, strict=True))  # type: ignore[return-value]

    def place(self, points: ArrayLike) -> Points:
        """Map points of the average patient (N, 3) to this patient, LPS mm."""
        scaled = np.atleast_2d(np.asarray(points, float)) * self.scale
        return np.asarray(scaled - np.column_stack([at_points(w, scaled) for w in self.warp]))


def stream(seed: int, part: str) -> np.random.Generator:
    """Return the random numbers of one part of the phantom, independent of the others."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *part.encode()])))
