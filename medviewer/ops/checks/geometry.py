"""Does the mask lie on the voxels of its image? Rounding is told from a real difference."""

from __future__ import annotations

import numpy as np

from medviewer.core.geometry import Geometry
from medviewer.ops.checks.problem import NOTE, Problem

ROUNDING = 1e-3  # of a voxel: headers hold 4-byte numbers
SMALL = 0.02  # of a voxel: written with few digits
DIRECTION_DEG = 0.05


def check_geometry(mask: Geometry, image: Geometry) -> list[Problem]:
    """Compare two grids.

    Returns
    -------
    list of Problem
        Codes ``geometry-rounding`` (a note), ``shape-differs``, ``spacing-differs``, ``direction-differs``,
        ``origin-differs``.
    """
    least = min(image.spacing_mm)
    if mask.shape == image.shape:
        away = _displacement(mask, image)
        if away <= max(ROUNDING * least, ROUNDING):
            return []
        if away <= SMALL * least:
            return [Problem("geometry-rounding", f"the grids differ by rounding only (at most {away:.2g} mm)",
                            "the geometry of the image can be copied to the mask", None, NOTE, "copy-geometry")]
    elif _same_lattice(mask, image) or sorted(mask.shape) == sorted(image.shape) and _same_corners(mask, image):
        return []
    if sorted(mask.shape) == sorted(image.shape) and _same_corners(mask, image):
        return []  # the same voxels in another order
    return _differences(mask, image)


def _differences(mask: Geometry, image: Geometry) -> list[Problem]:
    found = []
    resample = "resample the mask to the image, after checking that it lies right", None, 0.9, "resample"
    if mask.shape != image.shape:
        found.append(Problem("shape-differs", f"the mask has {_times(mask.shape)} voxels, the image "
                             f"{_times(image.shape)}", *resample))
    ratio = np.asarray(mask.spacing_mm) / np.asarray(image.spacing_mm)
    if np.abs(ratio - 1).max() * max(image.shape) > SMALL:
        found.append(Problem("spacing-differs", f"the voxels of the mask are {_mm(mask)} mm, those of the image "
                             f"{_mm(image)} mm", *resample))
    angles = np.degrees(np.arccos(np.clip((mask.directions * image.directions).sum(axis=0), -1, 1)))
    if angles.max() > DIRECTION_DEG:
        flipped = angles > 179
        turned = f"the axes of the mask are turned by {angles.max():.3g} degrees"
        if flipped.any() and angles[~flipped].max(initial=0.0) < DIRECTION_DEG:
            axes = " and ".join(_axis(n) for n in np.flatnonzero(flipped).tolist())
            turned = f"{axes} run the opposite way in the mask"
        found.append(Problem("direction-differs", turned, *resample))
    if mask.shape == image.shape and not found:
        step = image.to_index(mask.origin_lps)
        offset = ", ".join(f"{v:+.3g}" for v in step)
        found.append(Problem("origin-differs", f"the mask begins ({offset}) slices, rows, columns away from the image "
                             f"({np.linalg.norm(mask.origin_lps - image.origin_lps):.3g} mm)",
                             "copy the geometry of the image if the voxels belong together, else resample", None, 0.9,
                             "copy-geometry"))
    return found or [Problem("origin-differs", "the voxels of the mask do not lie on those of the image", *resample)]


def _displacement(a: Geometry, b: Geometry) -> float:
    index = np.array([[0, 0, 0], *np.diag(np.asarray(a.shape) - 1), np.asarray(a.shape) - 1], float)
    between = np.linalg.norm(a.to_lps(index) - b.to_lps(index), axis=1)
    slices = np.stack([np.arange(a.shape[0]), *np.zeros((2, a.shape[0]))], axis=1)
    return float(max(between.max(), np.linalg.norm(a.to_lps(slices) - b.to_lps(slices), axis=1).max()))


def _same_corners(a: Geometry, b: Geometry) -> bool:
    tolerance = SMALL * min(b.spacing_mm)
    corners = b.corners_lps()
    return all(np.abs(corners - corner).max(axis=1).min() <= tolerance for corner in a.corners_lps()) and bool(
        np.abs(np.sort(a.spacing_mm) - np.sort(b.spacing_mm)).max() <= tolerance)


def _same_lattice(mask: Geometry, image: Geometry) -> bool:
    """Whether the mask is a part of the image: the same voxels, fewer or more of them."""
    index = np.array([[0, 0, 0], *np.diag(np.asarray(mask.shape) - 1.0)], float)
    places = image.to_index(mask.to_lps(index))
    whole = np.abs(places - np.rint(places)).max() <= SMALL
    steps = places[1:] - places[0]
    return bool(whole and np.abs(steps - index[1:]).max() <= SMALL)


def _axis(n: int) -> str:
    return ("slices", "rows", "columns")[n]


def _times(shape: tuple[int, int, int]) -> str:
    return " x ".join(str(n) for n in shape)


def _mm(grid: Geometry) -> str:
    return " x ".join(f"{s:.5g}" for s in grid.spacing_mm)
