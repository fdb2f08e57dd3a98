"""Where segments are and how large: volume, and a point in the middle of the largest slice to jump to.

The point always lies in the segment, also where it is ring-shaped: the voxel nearest to the centroid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medviewer.core.contours import ContourSegment, ContourSet
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap

SAME_PLANE_MM = 0.01
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Place:
    """Size and place of one segment.

    volume_ml : None where it cannot be told (contours on a single plane of unknown thickness)
    centre_lps : None for an empty segment
    """

    volume_ml: float | None
    centre_lps: tuple[float, float, float] | None


def label_places(labels: LabelMap, job: Job | None = None) -> dict[tuple[int, int], Place]:
    """Find volume and middle of every segment of a label map, by (layer, value)."""
    job = job or Job()
    found: dict[tuple[int, int], Place] = {}
    voxel_ml = labels.geometry.voxel_volume_mm3 / 1000
    for number, layer in enumerate(labels.layers):
        mine = [s.value for s in labels.segments if s.layer == number]
        total, best = _count(layer, max(mine, default=0), job)
        for value in mine:
            job.check()
            centre = _inner_voxel(layer[best[value]] == value, int(best[value])) if total[value] else None
            lps = None if centre is None else _point(labels.geometry.to_lps(centre))
            found[number, value] = Place(float(total[value] * voxel_ml), lps)
    return found


def _count(layer: NDArray[np.unsignedinteger], top: int, job: Job) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Voxels of every value, and the slice that holds most of them."""
    total, most, best = (np.zeros(top + 1, np.intp) for _ in range(3))
    for k in job.each(range(layer.shape[0]), "Measuring segments"):
        flat = layer[k].ravel()
        counts = np.bincount(flat[flat != 0], minlength=top + 1)[: top + 1]
        total += counts
        best[counts > most] = k
        most = np.maximum(most, counts)
    return total, best


def _inner_voxel(mask: NDArray[np.bool_], k: int) -> tuple[int, int, int]:
    rows, columns = np.nonzero(mask)
    nearest = int(np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2))
    return k, int(rows[nearest]), int(columns[nearest])


def contour_places(contours: ContourSet, step_mm: float | None = None, job: Job | None = None) -> dict[int, Place]:
    """Find volume (area of the polygons x distance of their planes) and middle of every structure.

    Parameters
    ----------
    step_mm : float
        Thickness of a structure that is drawn on a single plane.
    """
    job = job or Job()
    return {s.number: _contour_place(s, step_mm) for s in job.each(contours.segments, "Measuring structures")}


def _contour_place(segment: ContourSegment, step_mm: float | None) -> Place:
    closed = [c.points_lps for c in segment.contours if c.is_closed and np.isfinite(c.points_lps).all()]
    if not closed:
        points = [c.points_lps for c in segment.contours if len(c.points_lps)]
        return Place(None, _point(points[0].mean(axis=0)) if points else None)
    right, down, normal = _plane_axes(closed)
    depths = np.array([float((p @ normal).mean()) for p in closed])
    levels = np.unique(np.round(depths / SAME_PLANE_MM).astype(int))
    areas = []
    for level in levels:
        here = [np.stack([p @ right, p @ down], axis=1)
                for p, d in zip(closed, depths, strict=True) if round(d / SAME_PLANE_MM) == level]
        areas.append(_even_odd_area(here))
    gap = float(np.median(np.diff(levels))) * SAME_PLANE_MM if len(levels) > 1 else step_mm
    volume = None if gap is None else sum(areas) * gap / 1000
    largest = levels[int(np.argmax(areas))]
    on_it = [p for p, d in zip(closed, depths, strict=True) if round(d / SAME_PLANE_MM) == largest]
    biggest = max(on_it, key=lambda p: abs(_signed_area(np.stack([p @ right, p @ down], axis=1))))
    return Place(volume, _point(biggest.mean(axis=0)))


def _plane_axes(polygons: list[Floats]) -> tuple[Floats, Floats, Floats]:
    """Axes of the plane of the largest polygon (Newell's normal)."""
    normals = [_newell(p) for p in polygons]
    normal = max(normals, key=lambda n: float(np.linalg.norm(n)))
    length = float(np.linalg.norm(normal))
    normal = normal / length if length > 0 else np.array([0.0, 0.0, 1.0])
    right = np.cross(np.eye(3)[int(np.argmin(np.abs(normal)))], normal)
    right /= np.linalg.norm(right)
    return right, np.cross(normal, right), normal


def _newell(points: Floats) -> Floats:
    return np.asarray(np.cross(points - points[0], np.roll(points, -1, axis=0) - points[0]).sum(axis=0) / 2)


def _signed_area(points: Floats) -> float:
    x, y = (points - points[0]).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _even_odd_area(polygons: list[Floats]) -> float:
    """Area with holes taken out: a polygon inside an odd number of others is a hole."""
    total = 0.0
    for n, inner in enumerate(polygons):
        depth = sum(_holds(outer, inner[0]) for m, outer in enumerate(polygons) if m != n)
        total += abs(_signed_area(inner)) * (-1 if depth % 2 else 1)
    return total


def _holds(polygon: Floats, point: Floats) -> bool:
    """Whether a point lies inside a polygon (crossings of a ray to the right)."""
    a, b = polygon, np.roll(polygon, -1, axis=0)
    crosses = (a[:, 1] > point[1]) != (b[:, 1] > point[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        x = a[:, 0] + (point[1] - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
    return bool(np.count_nonzero(crosses & (x > point[0])) % 2)


def _point(values: Floats) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
