"""Contours: does the inner one lie in the outer one, and does a mask have the area that its contours enclose?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medviewer.ops.checks.problem import Problem

LEAST_INSIDE = 0.9  # of the inner area
AREA_SHARE = 0.05
AREA_OUTLINE = 0.35  # voxels of slack along the outline: small masks cannot match an area


def check_nesting(inner: NDArray[np.bool_], outer: NDArray[np.bool_], k: int | None = None) -> list[Problem]:
    """Compare two masks of one slice or volume (code ``inner-outside-outer``)."""
    area = np.count_nonzero(inner)
    inside = np.count_nonzero(inner & outer)
    if not area or inside >= LEAST_INSIDE * area:
        return []
    return [Problem("inner-outside-outer", f"only {inside / area:.0%} of the inner contour lies inside the outer one",
                    "one of the two belongs to another image", k, 0.95)]


def check_area(voxels: int, area: float, outline: float, name: str = "the mask", k: int | None = None) -> list[Problem]:
    """Compare the voxels of a mask with the area of its contours (code ``area-differs``).

    Parameters
    ----------
    voxels : int
    area, outline : float
        Enclosed area and length of the contours, in voxels.
    """
    allowed = max(AREA_SHARE * area, AREA_OUTLINE * outline / np.sqrt(max(outline, 1.0)), 2.0)
    if abs(voxels - area) <= allowed:
        return []
    return [Problem("area-differs", f"{name} has {voxels} voxels, but its contours enclose {area:.0f} "
                    f"({(voxels - area) / max(area, 1e-9):+.0%})", "rasterise the contours again", k, 0.7)]


def polygon_size(points: NDArray[np.float64]) -> tuple[float, float]:
    """Return area (Gauss) and length of a closed polygon (N, 2)."""
    x, y = (points - points.mean(axis=0)).T
    steps = np.roll(points, -1, axis=0) - points
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2), float(np.linalg.norm(steps, axis=1).sum())
