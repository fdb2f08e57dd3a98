"""Put volumes and label maps on another grid.

Where both grids have parallel axes (a change of spacing, a crop, a flip, another order of the axes, uneven
slices) the axes are treated one after the other, which is many times faster and gives the same values as the
plain path; everything else (oblique, sheared) is sampled point by point. The outer half voxel belongs to the
grid: its values are those of the nearest voxel centres, as in ITK; beyond it lies the fill value.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import ParamError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.core.volume import Rescale, Volume

log = logging.getLogger(__name__)

Order = Literal["nearest", "linear", "cubic"]
AIR_HU = -1024.0
PARALLEL_VOXELS = 1e-4  # axes that stray less than this over the whole grid count as parallel
EDGE = 0.5 + 1e-6  # voxels from the outermost centre to the border, with room for rounding
SLAB_POINTS = 1 << 19  # points sampled in one piece: a few tens of MB, and a cancel in time
Slice = Callable[[int], NDArray[Any]]


def resample(volume: Volume, geometry: Geometry, *, order: Order = "linear", fill: float | None = None,
             anti_alias: bool = False, job: Job | None = None) -> Volume:
    """Sample a volume on another grid.

    Parameters
    ----------
    volume : Volume
        Any number of time points, colour too; uneven, sheared and oblique grids are placed right.
    geometry : Geometry
        The grid to sample on.
    order : {"linear", "nearest", "cubic"}
        Cubic is an interpolating spline.
    fill : float, optional
        Value outside the volume and in its padding, in the unit of the volume; default -1024 for HU, else 0.
    anti_alias : bool
        Smooth before a coarser grid is sampled, with a Gaussian of the variance that takes the old voxel size to
        the new one [1]_.

    Returns
    -------
    Volume
        The stored type is kept (rounded) where one rescale holds for all slices; else float32 values.

    References
    ----------
    .. [1] Cardoso et al., Scale factor point spread function matching, MICCAI 2015.
    """
    if order not in ("nearest", "linear", "cubic"):
        raise ParamError(f"interpolation {order!r} is unknown; use nearest, linear or cubic")
    job = job or Job()
    if volume.present is not None and not volume.present.all():
        log.warning("slices are missing in the volume that is resampled; they count as stored (empty)")
    keep = volume.colour or volume.rescale.is_uniform
    dtype = volume.stored.dtype if keep else np.dtype(np.float32)
    value = _fill_value(volume, fill, dtype, keep)
    out = np.empty((volume.time_points, *geometry.shape, *((3,) if volume.colour else ())), dtype)
    parts = [(t, c) for t in range(volume.time_points) for c in range(3 if volume.colour else 1)]
    for n, (t, c) in enumerate(parts):
        source = _Source(volume, t, c, keep, value)
        target = out[t, ..., c] if volume.colour else out[t]
        _sample(source, geometry, order, value, anti_alias, target, job.part(n / len(parts), (n + 1) / len(parts)))
    return replace(volume, stored=out if volume.has_time else out[0], geometry=geometry, padding=None, present=None,
                   rescale=volume.rescale if keep else Rescale())


def resample_labels(labels: LabelMap, geometry: Geometry, *, job: Job | None = None) -> LabelMap:
    """Sample a label map on another grid: every voxel gets the label of the nearest one, 0 outside."""
    def sampled(array: NDArray[Any], order: Order) -> NDArray[Any]:
        return resample(Volume(array, labels.geometry), geometry, order=order, fill=0.0, job=job).stored

    if labels.geometry.same_grid(geometry):
        return labels
    return replace(labels, layers=tuple(sampled(layer, "nearest") for layer in labels.layers), geometry=geometry,
                   fractional={n: sampled(part, "linear") for n, part in labels.fractional.items()})


def geometry_with_spacing(geometry: Geometry, spacing_kji: tuple[float, float, float]) -> Geometry:
    """Return the grid over the same field of view with another voxel size.

    The outer edge at voxel (0, 0, 0) stays where it is and the size is exactly as asked; the opposite edge is
    within half a new voxel of the old one. Uneven slices become even.

    Raises
    ------
    ParamError
        If a spacing is not above 0.
    """
    wanted = np.asarray(spacing_kji, float)
    if wanted.shape != (3,) or not np.isfinite(wanted).all() or (wanted <= 0).any():
        raise ParamError(f"the voxel size {tuple(spacing_kji)} is not possible; give three lengths in mm above 0")
    even = geometry.even()
    ratio = wanted / np.asarray(even.spacing_mm)
    counts = np.maximum(1, np.floor(np.asarray(even.shape) / ratio + 0.5).astype(int))
    affine = even.affine.copy()
    affine[:3, 3] += even.affine[:3, :3] @ ((ratio - 1) / 2)
    affine[:3, :3] *= ratio
    return Geometry(tuple(int(n) for n in counts), affine)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class _Source:
    """One 3-D array to sample: a time point and channel of a volume, padding replaced, rescaled if need be."""

    volume: Volume
    t: int
    channel: int
    keep: bool
    fill: float

    @property
    def geometry(self) -> Geometry:
        return self.volume.geometry

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type to compute in: float32 holds 24 bits, enough for 16-bit voxels."""
        stored = self.volume.stored.dtype
        return np.dtype(np.float64 if self.keep and stored.itemsize > 2 and stored != np.float32 else np.float32)

    def slice(self, k: int) -> NDArray[Any]:
        """Return one slice; as stored if that is what is sampled."""
        stored = self.volume.at_time(self.t)[k]
        if self.volume.colour:
            return np.asarray(stored[..., self.channel])
        values = np.asarray(stored) if self.keep else self.volume.slice_values(k, self.t)
        if self.volume.padding is not None:
            low, high = self.volume.padding
            padded = (stored >= low) & (stored <= high)
            if padded.any():
                values = np.where(padded, values.dtype.type(self.fill), values)
        return values

    def whole(self) -> NDArray[Any]:
        """Return the array, without a copy where it can be sampled as stored."""
        if self.volume.colour:
            return self.volume.at_time(self.t)[..., self.channel]
        if self.keep and self.volume.padding is None:
            return np.asarray(self.volume.at_time(self.t))
        return np.stack([self.slice(k) for k in range(self.geometry.shape[0])])


def _fill_value(volume: Volume, fill: float | None, dtype: np.dtype[Any], keep: bool) -> float:
    """Return the fill as a number of the sampled array."""
    value = fill if fill is not None else AIR_HU if volume.unit == "HU" else 0.0
    if keep and not volume.colour:
        value = (value - float(volume.rescale.intercept)) / float(volume.rescale.slope)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        value = min(max(round(value), limits.min), limits.max)
    return float(value)


def _sample(source: _Source, geometry: Geometry, order: Order, fill: float, anti_alias: bool, out: NDArray[Any],
            job: Job) -> None:
    matrix = np.linalg.inv(source.geometry.affine)[:3, :3] @ geometry.affine[:3, :3]
    axes = _parallel(matrix, geometry.shape)
    sigma = _sigmas(matrix) if anti_alias and order != "nearest" else np.zeros(3)
    if axes is None or order == "cubic":
        _by_points(source, geometry, order, fill, sigma, out, job)
    else:
        _by_axes(source, geometry, order, fill, sigma, axes, out, job)


def _parallel(matrix: NDArray[np.float64], shape: tuple[int, int, int]) -> tuple[int, int, int] | None:
    """Return the axis of the target that runs along each axis of the source, if each runs along one."""
    axes = tuple(int(n) for n in np.argmax(np.abs(matrix), axis=1))
    if len(set(axes)) < 3:
        return None
    stray = np.abs(matrix) * (np.asarray(shape) - 1)
    stray[range(3), axes] = 0.0
    return axes if stray.max() < PARALLEL_VOXELS else None  # type: ignore[return-value]


def _sigmas(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of the smoothing along each source axis, in source voxels (Cardoso 2015, eq. 4)."""
    factor = np.abs(matrix).max(axis=1)
    return np.sqrt(np.maximum(factor**2 - 1, 0.0) / (8 * np.log(2)))


def _by_axes(source: _Source, geometry: Geometry, order: Order, fill: float, sigma: NDArray[np.float64],
             axes: tuple[int, int, int], out: NDArray[Any], job: Job) -> None:
    """Interpolate along the rows, the columns and the slices of the source, slice by slice."""
    k_line, j_line, i_line = (_Line.make(source.geometry, geometry, s, axes[s], order) for s in range(3))
    view = out.transpose(axes)  # in the order of the source's axes
    view[...] = _cast(np.array(fill), out.dtype)

    def plane(k: int) -> NDArray[Any]:
        values = source.slice(k)
        if sigma[1:].any():
            from scipy.ndimage import gaussian_filter

            values = gaussian_filter(values.astype(source.dtype), sigma[1:], mode="nearest")
        return i_line.apply(j_line.apply(values, 0, source.dtype), 1, source.dtype)

    planes: Slice = plane if sigma[0] == 0 else _smoothed(plane, source.geometry.shape[0], float(sigma[0]), job)

    def run(targets: NDArray[np.int64]) -> None:
        recent: dict[int, NDArray[Any]] = {}
        for n in targets:
            job.check()
            low, high, weight = int(k_line.low[n]), int(k_line.high[n]), k_line.weight[n]
            recent = {k: recent[k] if k in recent else planes(k) for k in {low, high}}
            mixed = recent[low]
            if high != low:
                mixed = mixed * source.dtype.type(1 - weight) + recent[high] * source.dtype.type(weight)
            view[k_line.first + n, j_line.inside, i_line.inside] = _cast(mixed, out.dtype)

    _in_threads(run, len(k_line.low), job)


def _smoothed(plane: Slice, count: int, sigma: float, job: Job) -> Slice:
    """Smooth a stack of planes along the slices."""
    from scipy.ndimage import gaussian_filter1d

    stack = np.stack([plane(k) for k in job.part(0.0, 0.5).each(range(count), "Smoothing")])
    smooth = gaussian_filter1d(stack.astype(np.result_type(stack, np.float32), copy=False), sigma, axis=0,
                               mode="nearest")
    return lambda k: smooth[k]


@dataclass(frozen=True, eq=False)
class _Line:
    """How the samples along one axis are made: between `low` and `high`, `weight` of the latter."""

    first: int
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    weight: NDArray[np.float64]

    @classmethod
    def make(cls, source: Geometry, target: Geometry, axis: int, along: int, order: Order) -> _Line:
        points = np.zeros((target.shape[along], 3))
        points[:, along] = np.arange(target.shape[along])
        places = np.round(source.to_index(target.to_lps(points))[:, axis], 9)
        count = source.shape[axis]
        inside = np.flatnonzero((places >= -EDGE) & (places <= count - 1 + EDGE))
        places = np.clip(places[inside], 0, count - 1)
        if order == "nearest":
            places = np.minimum(np.floor(places + 0.5), count - 1)
        low = np.floor(places).astype(np.int64)
        weight = places - low
        high = np.where(weight > 0, np.minimum(low + 1, count - 1), low)
        return cls(int(inside[0]) if len(inside) else 0, low, high, weight)

    @property
    def inside(self) -> slice:
        """The samples that lie in the source."""
        return slice(self.first, self.first + len(self.low))

    def apply(self, values: NDArray[Any], axis: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Interpolate along an axis of a plane; whole numbers stay as stored where nothing is mixed."""
        lower = values.take(self.low, axis)
        if not self.weight.any():
            return lower
        weight = self.weight.astype(dtype)
        weight = weight[:, None] if axis == 0 else weight
        lower = lower.astype(dtype, copy=False)
        upper = values.take(self.high, axis).astype(dtype, copy=False)
        upper -= lower
        upper *= weight
        upper += lower
        return upper


def _by_points(source: _Source, geometry: Geometry, order: Order, fill: float, sigma: NDArray[np.float64],
               out: NDArray[Any], job: Job) -> None:
    """Sample point by point, any grid from any grid."""
    from scipy import ndimage

    array = source.whole()
    if sigma.any():
        array = ndimage.gaussian_filter(array.astype(source.dtype), sigma, mode="nearest")
    degree = {"nearest": 0, "linear": 1, "cubic": 3}[order]
    if degree == 3:
        array = ndimage.spline_filter(array, 3, output=source.dtype, mode="mirror")
    job.check()
    limit = np.asarray(source.geometry.shape).reshape(3, 1, 1) - 1
    slices, rows, columns = geometry.shape
    step = max(1, min(rows, SLAB_POINTS // columns))
    pieces = [(k, j) for k in range(slices) for j in range(0, rows, step)]

    def run(numbers: NDArray[np.int64]) -> None:
        for n in numbers:
            job.check()
            k, j = pieces[n]
            index = np.stack(np.meshgrid([k], np.arange(j, min(j + step, rows)), np.arange(columns), indexing="ij"), -1)
            places = np.moveaxis(np.round(source.geometry.to_index(geometry.to_lps(index[0])), 9), -1, 0)
            inside = ((places >= -EDGE) & (places <= limit + EDGE)).all(axis=0)
            part = np.full(inside.shape, fill, source.dtype)
            if inside.any():
                wanted = np.clip(places[:, inside], 0, limit[:, 0])
                part[inside] = ndimage.map_coordinates(array, wanted, source.dtype, order=degree,
                                                       mode="mirror" if degree == 3 else "nearest", prefilter=False)
            out[k, j : j + step] = _cast(part, out.dtype)

    _in_threads(run, len(pieces), job)


def _cast(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Round to whole numbers and keep them in range where the type has limits."""
    if values.dtype == dtype:
        return values
    if dtype.kind in "iu" and values.dtype.kind == "f":
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype)


def _in_threads(run: Callable[[NDArray[np.int64]], None], count: int, job: Job) -> None:
    """Run over all numbers in as many threads as there are cores; numpy works without the interpreter lock."""
    pieces = np.array_split(np.arange(count), max(1, min(count, 4 * (os.cpu_count() or 1))))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for n, _ in enumerate(pool.map(run, pieces)):
            job.report((n + 1) / len(pieces), "Resampling")
