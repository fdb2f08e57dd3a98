"""Measurements as JSON: points in patient space, results with units, and what they were measured on.

The same file can be read again; results are then computed anew from the points, never taken from the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from medviewer.core.annotations import Annotation
from medviewer.core.errors import ReadError
from medviewer.core.files import atomic_write
from medviewer.core.volume import Volume
from medviewer.ops.measure import angle_deg, length_mm, roi_statistics

FORMAT = "medviewer measurements"
VERSION = 1
MAX_BYTES = 50_000_000
FIELDS = ("id", "kind", "name", "points_lps", "normal_lps", "right_lps", "series_id", "series_uid",
          "frame_of_reference_uid", "time_point")

VolumeOf = Callable[[Annotation], Volume | None]


def write_annotations(items: Sequence[Annotation], volume_of: VolumeOf, path: str | Path) -> None:
    """Write measurements, whole or not at all.

    Parameters
    ----------
    volume_of : callable
        Gives the volume a measurement was made on, or None where it is not open (its values are then left out).

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    document = {"format": FORMAT, "version": VERSION, "space": "LPS", "unit": "mm",
                "measurements": [_entry(a, volume_of(a)) for a in items if a.finished]}
    with atomic_write(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1, allow_nan=False)
        file.write("\n")


def read_annotations(path: str | Path) -> list[Annotation]:
    """Read measurements written by `write_annotations`.

    Raises
    ------
    ReadError
        If the file is none of ours, or damaged.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ReadError(f"{path.name} is too large for a list of measurements", path=path)
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReadError(f"{path.name} cannot be read: {error.strerror or error}", path=path) from error
    except (ValueError, RecursionError) as error:
        raise ReadError(f"{path.name} is not a JSON file", path=path) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ReadError(f"{path.name} holds no measurements of medviewer", path=path)
    if document.get("version", 0) > VERSION:
        raise ReadError(f"{path.name} was written by a newer version of medviewer", path=path,
                        hint="Update medviewer to read it.")
    entries = document.get("measurements")
    if not isinstance(entries, list):
        raise ReadError(f"{path.name} has no list of measurements", path=path)
    return [_annotation(entry, n, path) for n, entry in enumerate(entries, 1)]


def _annotation(entry: Any, number: int, path: Path) -> Annotation:
    try:
        found = Annotation.model_validate({k: entry[k] for k in FIELDS if k in entry})
    except (ValidationError, TypeError) as error:
        raise ReadError(f"measurement {number} in {path.name} is damaged", path=path) from error
    if not (found.possible and found.finished):
        raise ReadError(f"measurement {number} in {path.name} has impossible points", path=path)
    return found


def _entry(annotation: Annotation, volume: Volume | None) -> dict[str, Any]:
    entry = {k: v for k, v in annotation.model_dump(mode="json").items() if k in FIELDS}
    return {**entry, "values": _values(annotation, volume)}


def _values(annotation: Annotation, volume: Volume | None) -> dict[str, dict[str, Any]]:
    points, kind = annotation.points_lps, annotation.kind
    unit = "px" if volume is not None and not volume.calibrated else "mm"
    if kind == "length":
        return {"length": _value(length_mm(*points[:2]), unit)}
    if kind == "angle":
        return {"angle": _value(angle_deg(*points[:3]), "deg")}
    if kind == "bidirectional":
        found = {"long_axis": _value(length_mm(points[0], points[1]), unit)}
        if len(points) == 4:
            found["short_axis"] = _value(length_mm(points[2], points[3]), unit)
        return found
    if volume is None:
        return {}
    return _voxel_values(annotation, volume, unit)


def _voxel_values(annotation: Annotation, volume: Volume, unit: str) -> dict[str, dict[str, Any]]:
    if annotation.kind == "probe":
        point = annotation.points_lps[0]
        if not volume.geometry.contains(point):
            return {}
        k, j, i = (min(max(round(float(v)), 0), n - 1)
                   for v, n in zip(volume.geometry.to_index(point), volume.geometry.shape, strict=True))
        value = volume.value_at((k, j, i), min(annotation.time_point, volume.time_points - 1))
        return {"value": {"value": list(value), "unit": "RGB"} if isinstance(value, tuple) else
                _value(value, volume.unit)}
    found = roi_statistics(volume, annotation)
    if found is None:
        return {}
    return {"mean": _value(found.mean, volume.unit), "sd": _value(found.sd, volume.unit),
            "minimum": _value(found.minimum, volume.unit), "maximum": _value(found.maximum, volume.unit),
            "area": _value(found.area_mm2, f"{unit}2"), "voxels": {"value": found.count, "unit": "1"}}


def _value(value: float, unit: str) -> dict[str, Any]:
    number = round(float(value), 6)
    return {"value": number if abs(number) < float("inf") else None, "unit": unit}
