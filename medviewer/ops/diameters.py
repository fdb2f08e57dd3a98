"""Longest diameters of a mask, between points half way from voxel centres inside to those outside."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from medviewer.core.geometry import Geometry

Floats = NDArray[np.float64]
PAIRS = 1 << 22  # distances worked out at once


def longest_mm(mask: NDArray[np.bool_], geometry: Geometry, start: tuple[int, int, int]) -> tuple[float, float]:
    """Return the longest diameter in one slice and the longest of all, mm.

    Parameters
    ----------
    mask : (K, J, I), not empty
        Box of the whole mask.
    geometry : Geometry
        Grid the box lies in; one of a single slice is flat, so that both diameters are the same.
    start : (k, j, i)
        First voxel of the box.
    """
    in_plane = [_line_ends(mask, axis) + start for axis in (1, 2)]
    longest = _in_plane(np.concatenate(in_plane), geometry)
    if geometry.shape[0] == 1:
        return longest, longest
    return longest, _widest(geometry.to_lps(np.concatenate([_line_ends(mask, 0) + start, *in_plane])))


def _line_ends(mask: NDArray[np.bool_], axis: int) -> Floats:
    """Outer ends of the mask on every line of voxels along an axis: (N, 3) indices, half a voxel outside."""
    lines = np.moveaxis(mask, axis, -1)
    used = np.argwhere(lines.any(axis=-1))
    inside = lines[tuple(used.T)]
    first = np.argmax(inside, axis=1) - 0.5
    last = inside.shape[1] - np.argmax(inside[:, ::-1], axis=1) - 0.5
    return np.concatenate([np.insert(used.astype(float), axis, end, axis=1) for end in (first, last)])


def _in_plane(ends: Floats, geometry: Geometry) -> float:
    best = 0.0
    for part, bound in _slices(ends, geometry):
        if bound <= best:
            break
        best = max(best, _widest(part))
    return best


def _slices(ends: Floats, geometry: Geometry) -> Iterator[tuple[Floats, float]]:
    """Points of each slice, mm on the plane, with the diagonal of their box; the largest box first."""
    axes = geometry.affine[:3, 1:3]
    upper = np.linalg.cholesky(axes.T @ axes).T  # lengths in the plane, also where rows and columns are not square
    points = ends[:, 1:] @ upper.T
    order = np.argsort(ends[:, 0], kind="stable")
    slices, points = ends[order, 0], points[order]
    starts = np.flatnonzero(np.concatenate([[True], slices[1:] != slices[:-1]]))
    parts = np.split(points, starts[1:])
    bounds = [float(np.linalg.norm(np.ptp(p, axis=0))) for p in parts]
    for n in np.argsort(bounds)[::-1]:
        yield parts[n], bounds[n]


def _widest(points: Floats) -> float:
    """Largest distance of two of the points (N, D), which do not lie in a line or plane of fewer dimensions."""
    from scipy.spatial import ConvexHull

    corners = points[ConvexHull(points).vertices]
    corners = corners - corners.mean(axis=0)  # small numbers: the sums below keep their digits
    squares = (corners**2).sum(axis=1)
    step = max(1, PAIRS // len(corners))
    best = max(float((squares[n:n + step, None] + squares - 2 * corners[n:n + step] @ corners.T).max())
               for n in range(0, len(corners), step))
    return float(np.sqrt(max(best, 0.0)))
