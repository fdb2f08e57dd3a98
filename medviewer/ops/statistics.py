"""Numbers of every segment on an image: volume, values, box, diameters and centre.

Values are those of the voxels whose centres lie in the segment, in the unit of the volume; a rescale that differs from
slice to slice is honoured, and no float copy of the volume is made. The standard deviation is that of a sample (n - 1),
as for drawn regions and in ITK. Percentiles are interpolated linearly. Missing and padding voxels and what is not
a number do not count as values, but belong to the volume.

Diameters are the longest distance between points of the surface, which runs half way between voxel centres inside and
outside: the mesh of marching cubes at level one half, as in the IBSI reference manual ("maximum 3D diameter") and
PyRadiomics. In-plane diameters are taken slice by slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import ParamError
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap, Segment
from medviewer.core.study import Report
from medviewer.core.volume import Volume
from medviewer.ops.diameters import longest_mm
from medviewer.ops.label_grid import fit_labels, slice_volumes_mm3

PERCENTILES = (5.0, 25.0, 75.0, 95.0)
CHUNK = 1 << 20
Floats = NDArray[np.float64]
Box = tuple[tuple[int, int, int], tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class Values:
    """What the values of a segment are, in the unit of the volume.

    count : values that are numbers; it can be less than the voxels of the segment
    percentiles : by percent, in the order asked for
    """

    count: int
    mean: float
    sd: float
    minimum: float
    maximum: float
    median: float
    percentiles: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class SegmentStatistics:
    """Size, place and values of one segment; all None for an empty one but voxels and ml.

    box : first voxel and the one behind the last, (k, j, i), on the grid of the image
    values : None if the image has no values there
    """

    segment: Segment
    voxels: int
    volume_ml: float
    values: Values | None = None
    box: Box | None = None
    diameter_mm: float | None = None
    diameter_in_plane_mm: float | None = None
    centroid_lps: tuple[float, float, float] | None = None


def segment_statistics(volume: Volume, labels: LabelMap, *, t: int = 0, percentiles: Sequence[float] = PERCENTILES,
                       job: Job | None = None) -> tuple[list[SegmentStatistics], list[Report]]:
    """Measure every segment on an image.

    Parameters
    ----------
    labels : LabelMap
        On any grid; on another one than the image's every voxel of the image gets the label of the nearest voxel.
    t : int
        Time point.
    percentiles : sequence of float
        0...100.

    Returns
    -------
    rows : list of SegmentStatistics
        In the order of the segments.
    notes : list of Report
        How the grids differ.

    Raises
    ------
    ParamError
        If the volume is in colour, or there is no such time point.
    """
    if volume.colour:
        raise ParamError("an image in colour has no values to measure", hint="Give a grey image.")
    if not 0 <= t < volume.time_points:
        raise ParamError(f"the image has no time point {t}; it has {volume.time_points}")
    job = job or Job()
    fitted = fit_labels(labels, volume.geometry, job=job.part(0.0, 0.2))
    boxes = [_boxes(layer) for layer in fitted.labels.layers]
    rows = [_measure(volume, fitted.labels, s, boxes[s.layer].get(s.value), t, percentiles)
            for s in job.part(0.2, 1.0).each(fitted.labels.segments, "Measuring segments")]
    return rows, list(fitted.notes)


def _boxes(layer: NDArray[np.unsignedinteger]) -> dict[int, Box]:
    """Box of every label value, in one pass."""
    from scipy.ndimage import find_objects

    return {value: (tuple(s.start for s in place), tuple(s.stop for s in place))  # type: ignore[misc]
            for value, place in enumerate(find_objects(layer), start=1) if place is not None}


def _measure(volume: Volume, labels: LabelMap, segment: Segment, box: Box | None, t: int,
             percentiles: Sequence[float]) -> SegmentStatistics:
    if box is None:
        return SegmentStatistics(segment, 0, 0.0)
    part = tuple(slice(a, b) for a, b in zip(*box, strict=True))
    mask = labels.layers[segment.layer][part] == segment.value
    counts = mask.sum(axis=(1, 2))
    ml = float((counts * slice_volumes_mm3(volume.geometry)[part[0]]).sum()) / 1000
    in_plane, whole = longest_mm(mask, volume.geometry, box[0])
    return SegmentStatistics(segment, int(counts.sum()), ml, _values(volume, mask, part, t, percentiles), box,
                             whole, in_plane, _centroid(volume, mask, counts, box))


def _centroid(volume: Volume, mask: NDArray[np.bool_], counts: NDArray[np.intp],
              box: Box) -> tuple[float, float, float]:
    used = np.flatnonzero(counts)
    rows, columns = (np.arange(n) for n in mask.shape[1:])
    middles = np.column_stack([used, mask.sum(axis=2)[used] @ rows / counts[used],
                               mask.sum(axis=1)[used] @ columns / counts[used]])
    x, y, z = np.average(volume.geometry.to_lps(middles + box[0]), axis=0, weights=counts[used])
    return float(x), float(y), float(z)


def _values(volume: Volume, mask: NDArray[np.bool_], part: tuple[slice, ...], t: int,
            percentiles: Sequence[float]) -> Values | None:
    stored = volume.at_time(t)[part]
    first = part[0].start
    taken = [(first + k, _tissue(volume, stored[k][mask[k]])) for k in range(len(mask))
             if volume.is_present(first + k, t)]
    if volume.rescale.time_point(t).is_uniform and stored.dtype.kind in "iu":
        slope, intercept = volume.rescale.at(t, 0)
        return _of_sample(np.concatenate([v for _, v in taken] or [stored[:0].ravel()]), slope, intercept, percentiles)
    real = []
    for k, values in taken:
        slope, intercept = volume.rescale.at(t, k)
        real.append((values * np.float64(slope) + np.float64(intercept)).astype(_wide(stored.dtype)))
    sample = np.concatenate(real or [np.zeros(0, np.float32)])
    return _of_sample(sample[np.isfinite(sample)], 1.0, 0.0, percentiles)


def _wide(stored: np.dtype[Any]) -> type[np.floating[Any]]:
    """Float type that holds rescaled values: 24 bits are enough for 16-bit voxels and floats of their own."""
    return np.float32 if stored.itemsize <= 2 or stored == np.float32 else np.float64


def _tissue(volume: Volume, stored: NDArray[Any]) -> NDArray[Any]:
    if volume.padding is None:
        return stored
    low, high = volume.padding
    return stored[(stored < low) | (stored > high)]


def _of_sample(sample: NDArray[Any], slope: float, intercept: float,
               percentiles: Sequence[float]) -> Values | None:
    """Statistics of stored values, turned into real ones at the end: that keeps whole numbers small and exact."""
    count = sample.size
    if not count:
        return None
    mean = float(sum(np.add.reduce(p, dtype=np.float64) for p in _chunks(sample)) / count)
    squares = sum(float(((p.astype(np.float64) - mean) ** 2).sum()) for p in _chunks(sample))
    ranks = np.percentile(sample, [0.0, 50.0, 100.0, *percentiles])
    if slope < 0:  # the order turns round
        ranks = np.percentile(sample, [100.0, 50.0, 0.0, *(100 - p for p in percentiles)])
    low, median, high, *others = (float(r) * slope + intercept for r in ranks)
    sd = (squares / (count - 1)) ** 0.5 * abs(slope) if count > 1 else 0.0
    return Values(int(count), mean * slope + intercept, sd, low, high, median,
                  tuple(zip((float(p) for p in percentiles), others, strict=True)))


def _chunks(sample: NDArray[Any]) -> list[NDArray[Any]]:
    return [sample[n:n + CHUNK] for n in range(0, sample.size, CHUNK)]
