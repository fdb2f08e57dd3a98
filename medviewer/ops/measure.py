"""Numbers of measurements: lengths, angles, statistics of the voxels under a shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medviewer.core.annotations import Annotation
from medviewer.core.volume import Volume
from medviewer.ops.reslice import Plane, cut


@dataclass(frozen=True, slots=True)
class RoiStatistics:
    """Statistics of the voxels whose centres lie in a shape, in the unit of the volume.

    area_mm2 is that of the drawn shape, not of the voxels.
    """

    count: int
    mean: float
    sd: float
    minimum: float
    maximum: float
    area_mm2: float


def length_mm(a: object, b: object) -> float:
    """Distance of two positions, mm."""
    return float(np.linalg.norm(np.asarray(a, float) - np.asarray(b, float)))


def angle_deg(a: object, vertex: object, b: object) -> float:
    """Angle at `vertex` between the arms to `a` and `b`, 0...180 degrees; 0 if an arm has no length."""
    u = np.asarray(a, float) - np.asarray(vertex, float)
    v = np.asarray(b, float) - np.asarray(vertex, float)
    # atan2 of the cross and dot products keeps its precision near 0 and 180 degrees
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(u, v)), u @ v)))


def annotation_plane(annotation: Annotation) -> Plane:
    """Return the plane a shape was drawn on."""
    right = np.asarray(annotation.right_lps, float)
    normal = np.asarray(annotation.normal_lps, float)
    return Plane(np.asarray(annotation.points_lps[0], float), right, np.cross(normal, right))


def shape_box_mm(annotation: Annotation) -> tuple[float, float, float, float]:
    """Return (x0, y0, x1, y1) of a rectangle or ellipse, mm on its plane."""
    a, b = annotation_plane(annotation).to_mm(annotation.points_lps[:2])
    return min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1])


def roi_statistics(volume: Volume, annotation: Annotation) -> RoiStatistics | None:
    """Compute the statistics of a rectangle or ellipse on the nearest slice.

    Returns
    -------
    RoiStatistics or None
        None if no voxel centre lies inside, or the volume is in colour.
    """
    if volume.colour:
        return None
    plane = annotation_plane(annotation)
    image = cut(volume, plane, t=min(annotation.time_point, volume.time_points - 1))
    if image is None:
        return None
    x0, y0, x1, y1 = shape_box_mm(annotation)
    rows, columns = image.pixels.shape[:2]
    x = image.matrix[0, 0] * np.arange(columns)[None] + image.matrix[0, 1] * np.arange(rows)[:, None] + \
        image.matrix[0, 2]
    y = image.matrix[1, 0] * np.arange(columns)[None] + image.matrix[1, 1] * np.arange(rows)[:, None] + \
        image.matrix[1, 2]
    inside, area = _inside(annotation.kind, x, y, (x0, y0, x1, y1))
    values = image.pixels[inside].astype(np.float64)
    if not image.rescaled:
        values = values * image.slope + image.intercept
    values = values[np.isfinite(values)]
    if values.size == 0:
        return None
    sd = float(values.std(ddof=1)) if values.size > 1 else 0.0
    return RoiStatistics(int(values.size), float(values.mean()), sd, float(values.min()), float(values.max()), area)


def _inside(kind: str, x: NDArray[np.float64], y: NDArray[np.float64], box: tuple[float, float, float, float],
            ) -> tuple[NDArray[np.bool_], float]:
    x0, y0, x1, y1 = box
    if kind == "rectangle":
        return (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1), (x1 - x0) * (y1 - y0)
    a, b = max((x1 - x0) / 2, 1e-9), max((y1 - y0) / 2, 1e-9)
    return ((x - (x0 + x1) / 2) / a) ** 2 + ((y - (y0 + y1) / 2) / b) ** 2 <= 1, float(np.pi * a * b)


def number(value: float) -> str:
    """Write a number with as many digits as it can carry: 12.3, 0.412, -905."""
    size = abs(value)
    if size >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else f"{value:.3f}"


def describe(annotation: Annotation, volume: Volume | None) -> list[str]:
    """Write the result of a measurement in one to three short lines, with units; none while it is being drawn.

    Lengths are in pixels where the volume is not calibrated.
    """
    calibrated = volume is None or volume.calibrated
    unit = "mm" if calibrated else "px"
    points = annotation.points_lps
    if annotation.kind == "length":
        return [f"{number(length_mm(*points[:2]))} {unit}"]
    if not annotation.finished:
        return []
    if annotation.kind == "angle":
        return [f"{angle_deg(*points[:3]):.1f}°"]
    if annotation.kind == "bidirectional":
        lines = [f"{number(length_mm(points[0], points[1]))} {unit}"]
        return [f"{lines[0]} × {number(length_mm(points[2], points[3]))} {unit}"] if len(points) == 4 else lines
    if annotation.kind == "probe":
        return [_probe_text(points[0], volume, annotation.time_point)]
    statistics = roi_statistics(volume, annotation) if volume is not None else None
    value_unit = f" {volume.unit}" if volume is not None and volume.unit else ""
    if statistics is None:
        return ["no voxels inside"]
    area = f"{number(statistics.area_mm2 / 100)} cm²" if calibrated and statistics.area_mm2 >= 1000 else \
        f"{number(statistics.area_mm2)} {unit}²"
    return [f"mean {number(statistics.mean)} ± {number(statistics.sd)}{value_unit}",
            f"min {number(statistics.minimum)}  max {number(statistics.maximum)}", f"{area}, {statistics.count} px"]


def _probe_text(point: object, volume: Volume | None, t: int) -> str:
    if volume is None or not volume.geometry.contains(point):  # type: ignore[arg-type]
        return "outside"
    k, j, i = (int(round(v)) for v in volume.geometry.to_index(point))  # type: ignore[arg-type]
    shape = volume.geometry.shape
    value = volume.value_at((min(max(k, 0), shape[0] - 1), min(max(j, 0), shape[1] - 1), min(max(i, 0), shape[2] - 1)),
                            min(t, volume.time_points - 1))
    return f"RGB {value}" if isinstance(value, tuple) else f"{number(value)} {volume.unit}".strip()
