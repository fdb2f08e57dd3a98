"""What every writer of plain grids does first: even slices, one array, one scaling.

Plain formats know neither slices at uneven distances nor a scaling per slice nor overlapping segments. What has
to change for them is done here in one way, and each change is logged as a warning.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap, Segment
from medviewer.core.volume import Rescale, Volume

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Grid:
    """Voxels ready to be written: evenly spaced, value = array * slope + intercept."""

    array: NDArray[np.generic]
    geometry: Geometry
    slope: float = 1.0
    intercept: float = 0.0


def image_grid(volume: Volume, job: Job) -> Grid:
    """Return the voxels as stored where one scaling holds for all, else as float32 values."""
    name = volume.modality or "the volume"
    if volume.present is not None and not volume.present.all():
        log.warning("%s lacks %d slices; they are written empty", name, int((~volume.present).sum()))
    volume = _one_scaling(volume)
    if not volume.geometry.is_even:
        volume = _even(volume, job)
        log.warning("the slices of %s lie at uneven distances; written interpolated to an even step of %.4g mm "
                    "(%d slices)", name, volume.spacing_mm[0], volume.geometry.shape[0])
    if volume.colour or volume.rescale.is_uniform:
        return Grid(volume.stored, volume.geometry, float(volume.rescale.slope), float(volume.rescale.intercept))
    return Grid(volume.array, volume.geometry)


def _one_scaling(volume: Volume) -> Volume:
    """Turn a scaling per slice that is the same for all into one."""
    slope, intercept = volume.rescale.slope, volume.rescale.intercept
    if volume.rescale.is_uniform or (slope != slope.flat[0]).any() or (intercept != intercept.flat[0]).any():
        return volume
    return replace(volume, rescale=Rescale(np.array(slope.flat[0]), np.array(intercept.flat[0])))


def _even(volume: Volume, job: Job) -> Volume:
    """Interpolate uneven slices linearly to the even grid over the same range."""
    source, target = volume.geometry, volume.geometry.even()
    places = source.to_index(target.to_lps([(k, 0, 0) for k in range(target.shape[0])]))[:, 0]
    low = np.clip(np.floor(places + 1e-6).astype(int), 0, max(source.shape[0] - 2, 0))
    weight = np.clip(places - low, 0.0, 1.0)
    times = volume.time_points
    keep = volume.rescale.is_uniform or volume.colour
    dtype = volume.stored.dtype if keep else np.dtype(np.float32)
    whole = dtype.kind in "iub"
    tail = (3,) if volume.colour else ()
    out = np.empty((times, *target.shape, *tail), dtype)
    for k in job.each(range(target.shape[0]), "Interpolating slices"):
        for t in range(times):
            a, b = (_slice(volume, min(int(low[k]) + n, source.shape[0] - 1), t, keep) for n in (0, 1))
            mixed = a * (1 - weight[k]) + b * weight[k]
            out[t, k] = np.rint(mixed) if whole else mixed
    rescale = volume.rescale if keep else Rescale()
    return replace(volume, stored=out if volume.has_time else out[0], geometry=target, rescale=rescale, present=None)


def _slice(volume: Volume, k: int, t: int, stored: bool) -> NDArray[np.float64]:
    values: NDArray[Any] = volume.at_time(t)[k] if stored else volume.slice_values(k, t)
    return values.astype(np.float64)


def real_values(grid: Grid) -> tuple[np.dtype[Any], Iterator[NDArray[Any]]]:
    """Return type and slices of the values, for formats without a scaling: whole numbers where they are."""
    dtype = grid.array.dtype
    flat = grid.array.reshape(-1, *grid.array.shape[-2:])
    if dtype.kind == "b":
        dtype = np.dtype(np.uint8)
    if dtype == np.float16:
        dtype = np.dtype(np.float32)
    if grid.slope == 1 and grid.intercept == 0:
        return dtype, (part.astype(dtype, copy=False) for part in flat)
    if dtype.kind in "iu" and grid.slope == int(grid.slope) and grid.intercept == int(grid.intercept):
        slope, intercept = int(grid.slope), int(grid.intercept)
        ends = [int(grid.array.min()) * slope + intercept, int(grid.array.max()) * slope + intercept]
        fitting = [np.dtype(t) for t in (np.int16, np.uint16, np.int32)
                   if min(ends) >= np.iinfo(t).min and max(ends) <= np.iinfo(t).max]
        if fitting:
            return fitting[0], ((part.astype(np.int64) * slope + intercept).astype(fitting[0]) for part in flat)
    return np.dtype(np.float32), ((part * np.float64(grid.slope) + grid.intercept).astype(np.float32)
                                  for part in flat)


def even_layers(labels: LabelMap) -> tuple[list[NDArray[Any]], Geometry]:
    """Return the layers on an evenly spaced grid, each new slice taken from the nearest one."""
    geometry = labels.geometry
    if geometry.is_even:
        return list(labels.layers), geometry
    target = geometry.even()
    nearest = np.rint(geometry.to_index(target.to_lps([(k, 0, 0) for k in range(target.shape[0])]))[:, 0])
    chosen = np.clip(nearest.astype(int), 0, geometry.shape[0] - 1)
    log.warning("the slices of %s lie at uneven distances; written with an even step of %.4g mm (nearest slice)",
                labels.name or "the segmentation", target.spacing_mm[0])
    return [layer[chosen] for layer in labels.layers], target


def label_grid(labels: LabelMap) -> tuple[Grid, tuple[Segment, ...]]:
    """Return labels as one grid of uint8 or uint16, and the segments with the values they have in it.

    Where segments overlap, the smaller one lies on top.
    """
    layers, geometry = even_layers(labels)
    segments = labels.segments
    if len(layers) == 1:
        array = layers[0]
    else:
        array, segments = _merged(replace(labels, layers=tuple(layers), geometry=geometry, fractional={}))
    high = max(int(array.max(initial=0)), max((s.value for s in segments), default=0))
    return Grid(np.ascontiguousarray(array, np.uint8 if high <= 255 else np.uint16), geometry), segments


def _merged(labels: LabelMap) -> tuple[NDArray[np.uint16], tuple[Segment, ...]]:
    segments = labels.segments
    if len({s.value for s in segments}) < len(segments):
        segments = tuple(replace(s, value=n + 1) for n, s in enumerate(segments))
        log.warning("segments of different layers share label values; they are numbered from 1")
    masks = [(labels.mask(old), new) for old, new in zip(labels.segments, segments, strict=True)]
    out = np.zeros(labels.geometry.shape, np.uint16)
    counts = {}
    for mask, segment in sorted(masks, key=lambda m: -int(np.count_nonzero(m[0]))):
        out[mask] = segment.value
        counts[segment.value] = int(np.count_nonzero(mask))
    for segment in segments:
        hidden = counts[segment.value] - int(np.count_nonzero(out == segment.value))
        if hidden:
            log.warning("%s: %d of %d voxels lie under smaller segments, because the format holds one label per voxel",
                        segment.name or f"label {segment.value}", hidden, counts[segment.value])
    return out, tuple(replace(s, layer=0) for s in segments)
