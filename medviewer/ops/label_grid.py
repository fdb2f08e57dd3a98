"""Two label maps on one grid: told apart what is rounding, another order of the axes, a crop and a real difference.

Labels are never moved to make them fit: they keep their places in the patient, and every voxel of the wanted grid
gets the label whose voxel centre is nearest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from medviewer.core.geometry import SAME_ATOL_MM, Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.core.study import Report
from medviewer.ops.orient import axis_codes, reorient
from medviewer.ops.resample import resample_labels

EXACT_ATOL_MM = 1e-9  # differences below this are not worth a word
DIRECTION_ATOL = 1e-4  # of a unit vector
SPACING_RTOL = 1e-4
MAX_GROWTH = 4  # a grid is made larger to hold all labels up to this many times its voxels
Box = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Labels on the grid asked for, which may have been made larger to hold them all.

    start : index in the grid asked for of voxel (0, 0, 0) of the new one; never above 0
    """

    labels: LabelMap
    start: tuple[int, int, int]
    notes: tuple[Report, ...]


def fit_labels(labels: LabelMap, grid: Geometry, *, grow: bool = False, job: Job | None = None) -> Fitted:
    """Put labels on a grid.

    Parameters
    ----------
    grow : bool
        Make an even grid larger where labels reach outside, up to four times its size; else they are cut off.

    Returns
    -------
    Fitted
        With notes on what the difference was. Grids whose voxels differ by less than 0.001 mm are the same but
        for rounding and are used voxel by voxel.
    """
    turned = _turned_like(labels, grid)
    if turned.geometry.same_grid(grid):
        return Fitted(replace(turned, geometry=grid), (0, 0, 0), _rounding(turned.geometry, grid))
    notes = [_difference(turned.geometry, grid)]
    start, wide = (0, 0, 0), grid
    box = _used_box(turned, grid)
    if box is not None:
        low, high = np.minimum(box[0], 0), np.maximum(box[1], grid.shape)
        size = int(np.prod(high - low))
        if size > np.prod(grid.shape):
            if grow and grid.is_even and size <= MAX_GROWTH * np.prod(grid.shape):
                start = (int(low[0]), int(low[1]), int(low[2]))
                wide = _moved(grid, start, tuple(int(n) for n in high - low))  # type: ignore[arg-type]
            else:
                notes.append(Report("labels-outside-grid", "Labels reach outside the grid they are put on",
                                    "the part outside is left out"))
    return Fitted(resample_labels(replace(turned, fractional={}), wide, job=job), start, tuple(notes))


def widen(labels: LabelMap, grid: Geometry, start: tuple[int, int, int]) -> LabelMap:
    """Copy labels into a larger grid of the same voxels; `start` as in `Fitted`."""
    if grid.shape == labels.geometry.shape:
        return labels
    box = tuple(slice(-s, -s + n) for s, n in zip(start, labels.geometry.shape, strict=True))
    layers = []
    for layer in labels.layers:
        wide = np.zeros(grid.shape, layer.dtype)
        wide[box] = layer
        layers.append(wide)
    return replace(labels, layers=tuple(layers), geometry=grid, fractional={})


def slice_volumes_mm3(grid: Geometry) -> NDArray[np.float64]:
    """Return the volume of one voxel of each slice: up to half way to the neighbours, also where these are uneven."""
    if grid.knots is None or grid.shape[0] < 2:
        return np.full(grid.shape[0], grid.voxel_volume_mm3)
    gaps = np.diff(grid.knots)
    steps = (np.concatenate([gaps[:1], gaps]) + np.concatenate([gaps, gaps[-1:]])) / 2
    return np.asarray(steps * abs(np.linalg.det(grid.affine[:3, :3])))


def _turned_like(labels: LabelMap, grid: Geometry) -> LabelMap:
    """Flip and permute the axes to run as those of the grid, where both are even."""
    codes = axis_codes(grid)
    if not (labels.geometry.is_even and grid.is_even) or axis_codes(labels.geometry) == codes:
        return labels
    return reorient(labels, codes)


def _rounding(a: Geometry, b: Geometry) -> tuple[Report, ...]:
    off_mm = float(np.abs(a.corners_lps() - b.corners_lps()).max())
    if off_mm < EXACT_ATOL_MM:
        return ()
    return (Report("grids-differ-by-rounding", f"The voxel positions differ by at most {off_mm:.1g} mm",
                   f"taken as rounding (below {SAME_ATOL_MM:g} mm): the same voxels", "info"),)


def _difference(a: Geometry, b: Geometry) -> Report:
    """Say in words how two grids differ."""
    same_axes = (np.allclose(a.directions, b.directions, atol=DIRECTION_ATOL)
                 and np.allclose(a.spacing_mm, b.spacing_mm, rtol=SPACING_RTOL) and a.is_even and b.is_even)
    fix = "every voxel of one grid was given the label of the nearest voxel of the other"
    if same_axes:
        index = b.to_index(a.origin_lps)
        off_mm = np.abs(index - np.rint(index)) * b.spacing_mm
        if a.shape != b.shape and (off_mm <= SAME_ATOL_MM).all():
            return Report("grids-differ-by-crop", f"One grid has {_count(b)} voxels, the other {_count(a)}; "
                          "where both are, their voxels coincide", "used voxel by voxel", "info")
        if a.shape == b.shape:
            x, y, z = a.centre_lps - b.centre_lps
            length = float(np.linalg.norm((x, y, z)))
            return Report("grids-shifted", f"The grids are shifted by {_mm(length)} mm "
                          f"(x {_mm(x)}, y {_mm(y)}, z {_mm(z)})", fix)
    parts = []
    if a.shape != b.shape:
        parts.append(f"{_count(a)} and {_count(b)} voxels")
    if not np.allclose(a.spacing_mm, b.spacing_mm, rtol=SPACING_RTOL):
        parts.append(f"voxels of {_size(a)} and {_size(b)} mm")
    if not np.allclose(a.directions, b.directions, atol=DIRECTION_ATOL):
        parts.append("other directions of rows, columns or slices")
    if a.is_even != b.is_even:
        parts.append("even and uneven slices")
    apart_mm = float(np.linalg.norm(a.origin_lps - b.origin_lps))
    if apart_mm > SAME_ATOL_MM:
        parts.append(f"first voxels {_mm(apart_mm)} mm apart")
    return Report("grids-differ", f"The grids differ: {', '.join(parts) or 'positions of the slices'}", fix)


def _count(grid: Geometry) -> str:
    return " x ".join(str(n) for n in grid.shape[::-1])


def _size(grid: Geometry) -> str:
    return " x ".join(f"{s:.5g}" for s in grid.spacing_mm[::-1])


def _mm(value: float) -> str:
    return f"{value + 0.0:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _used_box(labels: LabelMap, grid: Geometry) -> Box | None:
    """Indices in `grid`, first and behind the last, of the voxels that labels may fall on."""
    used = [np.zeros(n, bool) for n in labels.geometry.shape]
    for layer in labels.layers:
        for k in range(layer.shape[0]):
            if layer[k].any():
                used[0][k] = True
                used[1] |= layer[k].any(axis=1)
                used[2] |= layer[k].any(axis=0)
    if not used[0].any():
        return None
    ends = [(np.flatnonzero(u)[0] - 0.5, np.flatnonzero(u)[-1] + 0.5) for u in used]
    index = grid.to_index(labels.geometry.to_lps(list(product(*ends))))
    tiny = 1e-4  # voxels: an edge on the border of a voxel does not reach into it
    low, high = index.min(axis=0) + 0.5 + tiny, index.max(axis=0) + 0.5 - tiny
    return np.floor(low).astype(np.intp), np.ceil(high).astype(np.intp)


def _moved(grid: Geometry, start: tuple[int, int, int], shape: tuple[int, int, int]) -> Geometry:
    affine = grid.affine.copy()
    affine[:3, 3] = grid.to_lps(start)
    return Geometry(shape, affine)
