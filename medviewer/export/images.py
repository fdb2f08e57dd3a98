"""Image slices for an export: complete or refused, never a damaged one in silence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import ReadError
from medviewer.core.job import Job
from medviewer.core.study import Report, Series
from medviewer.core.volume import Volume, Window


def read_complete(series: Series, job: Job) -> tuple[Volume, tuple[Report, ...]]:
    """Read a volume; slices that could not be read whole are marked as not present.

    Returns
    -------
    volume : Volume
    reports : tuple of Report
        What the reader found odd about the voxels while reading them.
    """
    from medviewer.io.access import open_series

    loading = open_series(series, job)
    volume = loading.load(job)
    return volume, tuple(loading.warnings)


def texts(reports: Iterable[Report]) -> tuple[str, ...]:
    """Return what is worth telling of reports, as sentences."""
    return tuple(f"{r.problem.rstrip('.')}. {r.fix}".strip() for r in reports if r.level != "info")


def read_single(path: Path, job: Job) -> tuple[Volume, Series, tuple[str, ...]]:
    """Read a file that holds one image of one slice.

    Raises
    ------
    ReadError
        If it holds none or several, or its voxels are damaged or incomplete.
    """
    from medviewer.io.access import scan_all

    found = scan_all([path], job)
    images = [s for s in found.series if s.kind == "image"]
    if not images:
        reason = found.skipped[0].reason if found.skipped else f"{path.name} holds no image"
        raise ReadError(reason, path=path)
    volume, reports = read_complete(images[0], job)
    if len(images) > 1 or volume.time_points * volume.geometry.shape[0] != 1:
        raise ReadError(f"{path.name} holds several images where one is expected", path=path)
    if damage := damage_of((*images[0].warnings, *reports)):
        raise ReadError(damage[0], path=path)
    if not volume.is_present(0):
        raise ReadError(f"the voxels of {path.name} cannot be read", path=path)
    return volume, images[0], texts((*images[0].warnings, *reports))


def damage_of(reports: Iterable[Report]) -> list[str]:
    """Return what reports tell about missing or damaged voxels."""
    return [report.problem for report in reports if report.level == "error"]


def check_whole(path: Path, job: Job) -> None:
    """Refuse a file with missing or damaged voxels.

    Raises
    ------
    ReadError
        If its headers tell of damage.
    """
    from medviewer.io.access import scan_all

    for series in scan_all([path], job).series:
        if damage := damage_of(series.warnings):
            raise ReadError(damage[0], path=path)


def slice_pixels(volume: Volume, k: int, t: int = 0) -> NDArray[np.generic]:
    """Return one slice as stored, or with the rescale applied where the file has one.

    Whole-numbered rescales stay whole numbers (int16 where the slice fits into it, else int32), others become
    float32. Stored types are kept, in little-endian byte order.
    """
    stored = volume.at_time(t)[k]
    slope, intercept = volume.rescale.at(t, k)
    if volume.colour or (slope == 1 and intercept == 0):
        pixels: NDArray[Any] = stored
    elif stored.dtype.kind in "iu" and slope.is_integer() and intercept.is_integer():
        pixels = stored.astype(np.int64) * int(slope) + int(intercept)
        pixels = pixels.astype(next((t for t in (np.int16, np.int32) if _fits(pixels, t)), np.int64))
    else:
        pixels = volume.slice_values(k, t)
    return np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))


def _fits(pixels: NDArray[np.int64], kind: type[np.signedinteger[Any]]) -> bool:
    limits = np.iinfo(kind)
    return bool(pixels.min() >= limits.min and pixels.max() <= limits.max)


def slice_facts(volume: Volume, k: int) -> dict[str, Any]:
    """Return where a slice lies: the npz holds no geometry, so the manifest keeps it."""
    grid = volume.geometry
    affine = grid.affine.copy()
    affine[:3, 3] = grid.to_lps((k, 0, 0))
    return {"unit": volume.unit, "modality": volume.modality, "calibrated": volume.calibrated,
            "pixel_spacing_mm": [round(s, 9) for s in grid.spacing_mm[1:]] if volume.calibrated else None,
            "affine_lps": [[round(float(x), 9) for x in row] for row in affine]}


def picture_window(volume: Volume, k: int | None = None) -> Window:
    """Choose the grey mapping of overlay pictures: the same for all slices of a volume."""
    from medviewer.ops.window import default_window

    return default_window(volume, 0, None if k is None else [k])
