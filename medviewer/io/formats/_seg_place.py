"""Where the frames of a segmentation go on a grid: by position in the patient, never by index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import GeometryError
from medviewer.core.geometry import Geometry
from medviewer.core.study import Report
from medviewer.io.formats._seg_header import SegFrame

PIXEL_ATOL = 0.1  # voxels a frame's corner may be off the grid's voxel centres
SLICE_ATOL = 0.25  # slice steps a frame may be off its slice
MULTIPLE_RTOL = 0.02  # of the slice step: gaps this near to a multiple are a multiple
PLANE_ATOL_MM = 1e-3
MAX_SLICES = 4096
MAX_VOXELS = 4_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Voxel of the frame's first pixel, and the array axis and sign of its rows and columns."""

    start: tuple[int, int, int]
    axes: tuple[int, int]
    signs: tuple[int, int]

    def view(self, array: NDArray[np.generic], frame: NDArray[np.generic]) -> tuple[NDArray[np.generic],
                                                                                    NDArray[np.generic], bool]:
        """Return the part of `array` (writable view) and of `frame` that cover each other, and if some was cut off."""
        ranges, picks, cut = [], [], False
        for axis, sign, length in zip(self.axes, self.signs, frame.shape, strict=True):
            first = self.start[axis] if sign > 0 else self.start[axis] - length + 1
            low, high = max(first, 0), min(first + length, array.shape[axis])
            cut |= low > first or high < first + length
            ranges.append(slice(low, max(high, low)))
            picks.append(slice(low - first, max(high, low) - first))
        flipped = frame[::self.signs[0], ::self.signs[1]][picks[0], picks[1]]
        through = 3 - sum(self.axes)
        index: list[slice | int] = [0, 0, 0]
        index[self.axes[0]], index[self.axes[1]], index[through] = ranges[0], ranges[1], self.start[through]
        if not 0 <= self.start[through] < array.shape[through]:
            return array[:0, 0, :0], flipped[:0, :0], True
        part = array[tuple(index)]
        return (part, flipped, cut) if self.axes[0] < self.axes[1] else (part.T, flipped, cut)


def placements(frames: Sequence[SegFrame], size: tuple[int, int], grid: Geometry) -> list[Placement] | None:
    """Find the place of every frame on a grid; None if one does not lie on its voxels."""
    if any(f.origin is None for f in frames) or not frames:
        return None
    origin = np.array([f.origin for f in frames])
    rows, columns = (np.array([getattr(f, name) for f in frames]) for name in ("row_step", "column_step"))
    start = grid.to_index(origin)
    found = [_along(start, grid.to_index(origin + step * max(n - 1, 1)), max(n - 1, 1))
             for step, n in ((rows, size[0]), (columns, size[1]))]
    if any(f is None for f in found):
        return None
    (row_axis, row_sign), (column_axis, column_sign) = found  # type: ignore[misc]
    if (row_axis == column_axis).any():
        return None
    first = np.round(start).astype(int)
    off = np.abs(start - first)
    limit = np.full(off.shape, PIXEL_ATOL)
    through = 3 - row_axis - column_axis
    limit[np.arange(len(frames)), through] = SLICE_ATOL
    if (off > limit).any():
        return None
    return [Placement((int(p[0]), int(p[1]), int(p[2])), (int(a), int(b)), (int(s), int(t)))
            for p, a, b, s, t in zip(first, row_axis, column_axis, row_sign, column_sign, strict=True)]


def _along(start: NDArray[np.float64], end: NDArray[np.float64],
           count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Array axis and sign of steps from `start` to `end`; None unless each is one voxel along one axis."""
    way = end - start
    axis = np.argmax(np.abs(way), axis=1)
    pick = np.arange(len(way)), axis
    sign = np.sign(way[pick])
    expected = np.zeros_like(way)
    expected[pick] = sign * count
    return (axis, sign.astype(np.intp)) if (np.abs(way - expected) <= PIXEL_ATOL).all() else None


def own_grid(frames: Sequence[SegFrame], size: tuple[int, int], hint_mm: float | None) -> tuple[Geometry,
                                                                                               list[Report]]:
    """Make the smallest grid that holds all frames.

    Raises
    ------
    GeometryError
        If the frames lie on no common grid of a sensible size.
    """
    if any(f.origin is None for f in frames) or not frames:
        raise GeometryError("the segmentation gives no positions of its frames")
    first = frames[0]
    normal = np.cross(first.column_step, first.row_step)
    if np.linalg.norm(normal) < 1e-9:
        raise GeometryError("the orientation of the segmentation's frames is not defined")
    normal /= np.linalg.norm(normal)
    origins = np.array([f.origin for f in frames])
    depths = _merged(np.sort(origins @ normal))
    knots, step = _stack(depths, hint_mm)
    # frames may be shifted in their plane: the grid is the box around them
    inverse = np.linalg.inv(np.stack([normal, first.row_step, first.column_step], axis=1))
    index = (origins - origins[0]) @ inverse.T
    low, high = np.floor(index.min(axis=0) + PIXEL_ATOL), np.ceil(index.max(axis=0) - PIXEL_ATOL)
    shape = (len(knots), int(high[1] - low[1]) + size[0], int(high[2] - low[2]) + size[1])
    if np.prod(shape, dtype=float) > MAX_VOXELS:
        raise GeometryError("the frames of the segmentation lie too far apart for one grid")
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = normal * step, first.row_step, first.column_step
    flat = origins[0] - normal * (origins[0] @ normal) + low[1] * first.row_step + low[2] * first.column_step
    affine[:3, 3] = flat + normal * depths[0]
    even = bool(np.abs(knots - np.arange(len(knots))).max() < 1e-6)
    reports = [] if even else [Report("uneven-slices", "the frames of the segmentation lie at uneven distances",
                                      "each is placed where it was drawn")]
    return Geometry(shape, affine, None if even else knots), reports


def _merged(depths: NDArray[np.float64]) -> NDArray[np.float64]:
    return depths[np.concatenate([[True], np.diff(depths) > PLANE_ATOL_MM])]


def _stack(depths: NDArray[np.float64], hint_mm: float | None) -> tuple[NDArray[np.float64], float]:
    """Slice places of an even stack through all depths, empty ones included, or uneven ones; and the step, mm."""
    if len(depths) == 1:
        return np.zeros(1), hint_mm or 1.0
    gaps = np.diff(depths)
    steps = [float(gaps.min())]
    if hint_mm is not None and len(gaps) == 1:
        steps.insert(0, hint_mm)  # with one gap only the header can tell that a slice between is empty
    for step in steps:
        count = round((depths[-1] - depths[0]) / step) + 1
        if count > MAX_SLICES:
            continue
        mean = (depths[-1] - depths[0]) / max(count - 1, 1)
        places = (depths - depths[0]) / mean
        if np.abs(places - np.round(places)).max() <= MULTIPLE_RTOL:
            return np.arange(count, dtype=float), float(mean)
    return (depths - depths[0]) / steps[-1], steps[-1]
