"""A volume made ready for ray casting: small, even, at right angles, with cubic voxels, 16 bit.

A ray caster knows one spacing per axis and right angles only, and shades by differences between neighbours: voxels
that are longer one way, and edges sharper than a voxel, give wood grain. So a volume is averaged or interpolated
onto cubes and smoothed by about one of them. Uneven slices stay where they were acquired, and sheared grids do not
slant. Padding and slices that are not in the files become background, never tissue.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import GeometryError
from medviewer.core.geometry import Geometry
from medviewer.core.volume import Volume

MAX_VOXELS = 256**3  # 85 MB with the gradients of the renderer
LEVELS = 4095  # grey levels of volumes that are not in HU
AIR_HU = -1024.0
SUV_RANGE = (0.0, 8.0)
SMOOTH_VOXELS = 0.9  # sigma of the smoothing, in voxels of the result ...
SMOOTH_SOURCE = 0.4  # ... and at least this part of the distance between samples of the source
SIGMAS = 2.5  # the kernel ends here


@dataclass(frozen=True, eq=False)
class RenderGrid:
    """Voxels for the renderer: value = array * slope + intercept.

    array : (K, J, I) int16
    affine : (k, j, i) -> LPS mm; right angles, and (i, j, k) right-handed
    factor : how much coarser than the volume, along the axis that lost most
    low, high : range of the volume for presets given in parts of it
    """

    array: NDArray[np.int16]
    affine: NDArray[np.float64]
    factor: float
    slope: float
    intercept: float
    low: float
    high: float


def render_grid(volume: Volume, max_voxels: int = MAX_VOXELS, t: int = 0) -> RenderGrid:
    """Make a volume ready for ray casting (see `downsample_for_rendering`)."""
    values, affine, factor = downsample_for_rendering(volume, max_voxels, t)
    values, affine = _right_handed(values, affine)
    low, high = value_range(values, volume.unit)
    if volume.unit == "HU":
        array = np.clip(np.rint(values), -32768, 32767).astype(np.int16)
        return RenderGrid(array, affine, factor, 1.0, 0.0, low, high)
    start = float(values.min())
    top = max(float(np.percentile(values[::2, ::2, ::2], 99.99)), high)
    slope = max(top - start, 1e-6) / LEVELS
    array = np.clip(np.rint((values - start) / slope), 0, LEVELS).astype(np.int16)
    return RenderGrid(array, affine, factor, slope, start, low, high)


def value_range(values: NDArray[Any], unit: str) -> tuple[float, float]:
    """Return the range of interest of a volume: background ... bright tissue.

    SUV has a fixed range; else the 99.5 percentile of what is brighter than a twentieth of the way from
    the darkest to the brightest percentile, so that much background does not darken the picture.
    """
    if unit == "SUVbw":
        return SUV_RANGE
    sample = values[::2, ::2, ::2] if values.size > 1_000_000 else values
    low, high = (float(v) for v in np.percentile(sample, (0.5, 99.9)))
    tissue = sample[sample > low + (high - low) / 20]
    if tissue.size:
        high = float(np.percentile(tissue, 99.5))
    return low, high if high > low else low + 1.0


def downsample_for_rendering(volume: Volume, max_voxels: int = MAX_VOXELS, t: int = 0,
                             ) -> tuple[NDArray[np.float32], NDArray[np.float64], float]:
    """Resample a volume to at most about `max_voxels` cubes on a grid at right angles.

    Parameters
    ----------
    volume : Volume
        Colour volumes are turned to their lightness.
    max_voxels : int
    t : int
        Time point.

    Returns
    -------
    array : ndarray of float32, shape (K, J, I)
        In the unit of the volume.
    affine : ndarray of float64, shape (4, 4)
        (k, j, i) -> LPS mm, columns at right angles.
    factor : float
        How much larger the cubes are than the finest spacing of the volume; 1 if nothing was lost.

    Raises
    ------
    GeometryError
        If the volume has fewer than two voxels along an axis: it has no inside to show.
    """
    geometry = volume.geometry
    if min(geometry.shape) < 2:
        raise GeometryError("A volume can only be shown in 3D if it has at least two slices.")
    target = cubic_grid(geometry, max_voxels)
    factor = target.spacing_mm[0] / min(_finest_step(geometry), *geometry.spacing_mm[1:])
    if geometry.is_sheared:
        return _sampled(volume, target, t), target.affine, max(factor, 1.0)
    return _separable(volume, target, t), target.affine, max(factor, 1.0)


def cubic_grid(geometry: Geometry, max_voxels: int) -> Geometry:
    """Lay a grid of cubes at right angles over another one; rows stay rows, as far as there are right angles."""
    d = geometry.directions
    column = d[:, 2]
    row = d[:, 1] - (d[:, 1] @ column) * column
    row /= np.linalg.norm(row)
    normal = geometry.slice_normal
    axes = np.column_stack([normal, row, column])
    along = geometry.corners_lps() @ axes
    low, high = along.min(axis=0), along.max(axis=0)
    step = max(min(_finest_step(geometry), *geometry.spacing_mm[1:]),
               float(np.prod(high - low) / max_voxels) ** (1 / 3))
    counts = np.maximum(np.floor((high - low) / step + 1e-6).astype(int), 2)
    affine = np.eye(4)
    affine[:3, :3] = axes * step
    affine[:3, 3] = axes @ ((low + high) / 2 - (counts - 1) / 2 * step)
    return Geometry((int(counts[0]), int(counts[1]), int(counts[2])), affine)


def _finest_step(geometry: Geometry) -> float:
    """Smallest distance between neighbouring slices along their normal, mm."""
    gap = 1.0 if geometry.knots is None or len(geometry.knots) < 2 else float(np.diff(geometry.knots).min())
    return abs(float(geometry.affine[:3, 0] @ geometry.slice_normal)) * gap


def _separable(volume: Volume, target: Geometry, t: int) -> NDArray[np.float32]:
    """Resample axis by axis, slice by slice: no float copy of the whole volume."""
    source, step = volume.geometry, target.spacing_mm[0]
    places = source.to_index(target.origin_lps), source.to_index(target.to_lps(np.asarray(target.shape) - 1))
    even = replace(source, knots=None) if source.knots is not None else source
    start, end = (even.to_index(source.to_lps(p)) for p in places)
    weights = []
    for axis in range(3):
        at = np.linspace(start[axis], end[axis], target.shape[axis])
        knots = source.knots if axis == 0 and source.knots is not None else np.arange(float(source.shape[axis]))
        spacing = float(np.linalg.norm(source.affine[:3, axis]))
        weights.append(_weights(knots * spacing, at * spacing, step))
    out = np.empty(target.shape, np.float32)
    recent: dict[int, NDArray[np.float32]] = {}
    for k in range(target.shape[0]):
        row = weights[0][k]
        needed = {int(n): float(w) for n, w in zip(row.indices, row.data, strict=True)}
        recent = {n: plane for n, plane in recent.items() if n in needed}
        total = np.zeros(target.shape[1:], np.float32)
        for n, weight in needed.items():
            if n not in recent:
                plane = weights[1] @ _plane(volume, n, t)
                recent[n] = np.ascontiguousarray((weights[2] @ np.ascontiguousarray(plane.T)).T, np.float32)
            total += np.float32(weight) * recent[n]
        out[k] = total
    return out


def _weights(knots: NDArray[np.float64], at: NDArray[np.float64], step: float) -> Any:
    """Make the sparse matrix that interpolates samples at `knots` and smooths them at places `at`, all mm."""
    from scipy.sparse import csr_matrix

    gap = float(np.median(np.diff(knots)))
    fine = int(np.ceil(step / gap)) if step > gap else 1
    sigma = max(SMOOTH_VOXELS * step, SMOOTH_SOURCE * gap)
    reach = int(np.ceil(SIGMAS * sigma / step * fine))
    offsets = np.arange(-reach, reach + 1) * (step / fine)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()
    direction = 1.0 if at[-1] >= at[0] else -1.0
    places = np.clip(at[:, None] + direction * offsets, knots[0], knots[-1])
    index = np.interp(places, knots, np.arange(len(knots)))
    low = np.minimum(index.astype(np.intp), len(knots) - 2)
    part = index - low
    rows = np.broadcast_to(np.arange(len(at))[:, None], low.shape)
    values = np.concatenate([(kernel * (1 - part)).ravel(), (kernel * part).ravel()]).astype(np.float32)
    columns = np.concatenate([low.ravel(), low.ravel() + 1])
    matrix = csr_matrix((values, (np.concatenate([rows.ravel()] * 2), columns)), shape=(len(at), len(knots)))
    matrix.eliminate_zeros()
    return matrix


def _plane(volume: Volume, k: int, t: int) -> NDArray[np.float32]:
    """Return one slice in the unit of the volume; what is not tissue is background."""
    stored = volume.at_time(t)[k]
    background = AIR_HU if volume.unit == "HU" else 0.0
    if not volume.is_present(k, t):
        return np.full(stored.shape[:2], background, np.float32)
    if volume.colour:
        return np.asarray(stored @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)
    slope, intercept = volume.rescale.at(t, k)
    values = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    if volume.inverted:
        values = -values
    empty = ~np.isfinite(values)
    if volume.padding is not None:
        low, high = volume.padding
        empty |= (stored >= low) & (stored <= high)
    if empty.any():
        values[empty] = background
    if volume.unit == "HU":
        np.maximum(values, AIR_HU, out=values)
    return values


def _sampled(volume: Volume, target: Geometry, t: int) -> NDArray[np.float32]:
    """Sample a sheared grid linearly, then smooth; outside its slanted box is background."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    source = volume.geometry
    fine = max(int(target.spacing_mm[0] // min(source.spacing_mm[1:])), 1)
    values = np.stack([_plane(volume, k, t)[::fine, ::fine] for k in range(source.shape[0])])
    out = np.empty(target.shape, np.float32)
    j, i = np.meshgrid(*(np.arange(n, dtype=float) for n in target.shape[1:]), indexing="ij")
    last = np.asarray(source.shape) - 1
    fill = float(values.min())
    for k in range(target.shape[0]):
        index = source.to_index(target.to_lps(np.stack([np.full_like(j, k), j, i], axis=-1)))
        outside = ((index < -0.5 - 1e-6) | (index > last + 0.5 + 1e-6)).any(axis=-1)
        index = np.clip(index, 0, last) / (1, fine, fine)
        out[k] = map_coordinates(values, np.moveaxis(index, -1, 0), output=np.float32, order=1, mode="nearest",
                                 prefilter=False)
        out[k][outside] = fill
    return np.asarray(gaussian_filter(out, SMOOTH_VOXELS, output=out, truncate=SIGMAS))


def _right_handed(values: NDArray[np.float32], affine: NDArray[np.float64],
                  ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Turn the slice order round where (i, j, k) is left-handed: a renderer may only rotate, not mirror."""
    if np.linalg.det(affine[:3, 2::-1]) > 0:
        return values, affine
    turned = affine.copy()
    turned[:3, 3] = affine[:3, 3] + affine[:3, 0] * (values.shape[0] - 1)
    turned[:3, 0] = -affine[:3, 0]
    return values[::-1], turned
