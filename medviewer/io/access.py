"""Scan, open and read whatever it is, by path or by series: the door to all formats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medviewer.core.contours import ContourSet
from medviewer.core.discover import discover
from medviewer.core.errors import ReadError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.core.study import Kind, ScanResult, Series
from medviewer.core.volume import Volume
from medviewer.io.base import Loading, Reader

Paths = Path | str | Sequence[Path | str]

# what each function accepts, best first
IMAGES: tuple[Kind, ...] = ("image", "parametric", "rtdose", "labels")
LABELS: tuple[Kind, ...] = ("seg", "labels", "image")
CONTOURS: tuple[Kind, ...] = ("rtstruct", "contours")


def scan_all(paths: Paths, job: Job | None = None) -> ScanResult:
    """Find every series in files and folders, and list what was left out and why."""
    from medviewer.io.references import with_missing_references
    from medviewer.io.scan import scan_paths

    several = [paths] if isinstance(paths, Path | str) else list(paths)
    return with_missing_references(scan_paths(several, job=job))


def scan(paths: Paths) -> list[Series]:
    """Find every series in files and folders; no voxels are read.

    Raises
    ------
    ReadError
        If nothing was found; the message gives the first reason.
    """
    result = scan_all(paths)
    if not result.series:
        raise _nothing(paths, result, "anything medviewer can open")
    return list(result.series)


def open_series(series: Series, job: Job | None = None) -> Loading:
    """Start reading an image series (see `Loading`).

    Raises
    ------
    ReadError
        If it cannot be read, or does not fit the memory budget.
    """
    loading: Loading = _reader(series).open(series, job=job or Job())
    return loading


def read(source: Paths | Series, *, job: Job | None = None) -> Volume:
    """Read a volume, complete; of a path with several image series, the one with most voxels.

    Raises
    ------
    ReadError
        If there is no image, or it cannot be read.
    """
    job = job or Job()
    series = _choose(source, IMAGES, "an image", job)
    return open_series(series, job).load(job)


def read_labels(source: Paths | Series, on: Volume | Geometry | None = None, *, job: Job | None = None) -> LabelMap:
    """Read a segmentation, on the grid `on` where the format allows a choice, else on its own grid.

    Raises
    ------
    ReadError
        If there is no segmentation, or it cannot be read.
    """
    job = job or Job()
    series = _choose(source, LABELS, "a segmentation", job)
    grid = on.geometry if isinstance(on, Volume) else on
    labels: LabelMap = _reader(series).read_labels(series, grid, job=job)
    return labels


def read_contours(source: Paths | Series, *, job: Job | None = None) -> ContourSet:
    """Read contours as stored.

    Raises
    ------
    ReadError
        If there are none, or they cannot be read.
    """
    job = job or Job()
    series = _choose(source, CONTOURS, "contours", job)
    contours: ContourSet = _reader(series).read_contours(series, job=job)
    return contours


def _reader(series: Series) -> Reader:
    readers: dict[str, Any] = discover("medviewer.io.formats", "READER")
    if series.reader not in readers:
        raise ReadError(f"the reader {series.reader!r} of this series is not installed")
    reader: Reader = readers[series.reader]
    return reader


def _choose(source: Paths | Series, kinds: tuple[Kind, ...], what: str, job: Job) -> Series:
    if isinstance(source, Series):
        return source
    result = scan_all(source, job)
    for kind in kinds:
        fitting = [s for s in result.series if s.kind == kind]
        if fitting:
            return max(fitting, key=_size)  # the first of equals
    raise _nothing(source, result, what)


def _size(series: Series) -> int:
    k, j, i = series.shape or (0, 0, 0)
    return k * j * i * series.time_points or series.frames


def _nothing(source: Paths, result: ScanResult, what: str) -> ReadError:
    first = Path(source) if isinstance(source, Path | str) else (Path(source[0]) if source else None)
    name = first.name if first is not None else "the selection"
    if result.skipped and not result.series:
        return ReadError(result.skipped[0].reason, path=result.skipped[0].path)
    return ReadError(f"{name} does not hold {what}", path=first)


def prepare() -> None:
    """Import now what the first scan would import, so that it is as fast as the next ones."""
    import numpy.ma  # noqa: F401 - by numpy itself, for a median
    import psutil  # noqa: F401
    import pydicom  # noqa: F401
    import pydicom.pixels  # noqa: F401

    discover("medviewer.io.formats", "READER")
    import medviewer.io.dicom.describe
    import medviewer.io.dicom.directory
    import medviewer.io.dicom.multiframe
    import medviewer.io.references
    import medviewer.io.scan  # noqa: F401
