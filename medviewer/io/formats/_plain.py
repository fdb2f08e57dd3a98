"""What readers of plain grids (NIfTI, NRRD, MetaImage) share: series, opening, labels.

A format only parses its header into a `PlainHeader`; from there on all are treated alike.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.contours import ContourSet
from medviewer.core.errors import GeometryError, ReadError, WriteError
from medviewer.core.files import safe_join
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap, Segment
from medviewer.core.study import Report, ScanResult, Series, Skipped
from medviewer.core.volume import Rescale, Volume
from medviewer.io.base import Loaded, Loading
from medviewer.io.formats._labels import (
    PEEK_BYTES,
    look_like_labels,
    named_as_labels,
    sidecar_segments,
    stem_of,
    to_labels,
)
from medviewer.io.formats._stream import RawVoxels, check_budget, nan_report, open_voxels

MAX_SIZE = 1 << 31  # voxels along one axis; more is a damaged header
READ_ERRORS = (OSError, EOFError, zlib.error)


@dataclass(eq=False)
class PlainHeader:
    """A checked header: where the voxels are, where they lie, what they are called, and what is odd.

    says_labels : whether the file itself says that it holds labels
    own_segments : whether `segments` were listed for this very file (see `to_labels`)
    text : whether the voxels are written as text
    """

    voxels: RawVoxels
    geometry: Geometry
    slope: float = 1.0
    intercept: float = 0.0
    frame_time_ms: float = 0.0
    calibrated: bool = True
    modality: str = ""
    unit: str = ""
    segments: tuple[Segment, ...] = ()
    own_segments: bool = True
    says_labels: bool = False
    text: bool = False
    reports: list[Report] = field(default_factory=list)


class PlainReader:
    """A reader of single files with a header and a grid of voxels."""

    id = label = ""

    def header(self, path: Path) -> PlainHeader:
        """Parse a header.

        Raises
        ------
        ReadError
            If no volume can be made of it.
        """
        raise NotImplementedError

    def scan(self, paths: Sequence[Path], *, job: Job) -> ScanResult:
        """Find the volumes; unusable files are skipped with the reason."""
        found: list[Series] = []
        skipped: list[Skipped] = []
        for path in job.each(paths, f"Looking at {self.label} files"):
            try:
                found.append(self.series(path, (path,)))
            except READ_ERRORS as error:
                skipped.append(Skipped(path, f"{path.name} cannot be read: {error}"))
            except (ReadError, GeometryError) as error:
                skipped.append(Skipped(path, error.message))
        return ScanResult(tuple(found), tuple(skipped))

    def series(self, path: Path, files: tuple[Path, ...]) -> Series:
        """Describe the volume of one file."""
        header = self.header(path)
        v = header.voxels
        if not header.text:
            v.check()
        if v.path not in files:
            files = (*files, v.path)
        labels = _are_labels(path, header)
        times = v.samples if v.last == "time" else v.grid[0]
        return Series(
            id=f"{self.id}-{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}", reader=self.id,
            kind="labels" if labels else "image", files=files, description=stem_of(path),
            modality="SEG" if labels else header.modality, unit="" if labels else header.unit,
            geometry=header.geometry, frames=times * v.grid[1], time_points=times, dtype=str(v.stored_dtype),
            colour=v.last == "colour", warnings=tuple(header.reports), plan=header)

    def open(self, series: Series, *, job: Job) -> Loading:
        """Map an uncompressed file, or stream a compressed one (its slices arrive in order)."""
        header: PlainHeader = series.plan

        def make(stored: NDArray[np.generic], present: NDArray[np.bool_] | None) -> Volume:
            return Volume(
                stored, header.geometry, Rescale(np.array(header.slope), np.array(header.intercept)), unit=header.unit,
                modality=header.modality, calibrated=header.calibrated, present=present,
                colour=header.voxels.last == "colour", frame_time_ms=header.frame_time_ms)

        if header.text:
            loaded = Loaded(make(text_voxels(header.voxels), None))
            if loaded.volume.stored.dtype.kind == "f":
                loaded.warnings += nan_report(int(np.isnan(loaded.volume.stored).sum()))
            return loaded
        return open_voxels(header.voxels, make)

    def read_labels(self, series: Series, on: Geometry | None, *, job: Job) -> LabelMap:
        """Read whole numbers of any stored type as labels, on the file's own grid.

        Raises
        ------
        ReadError
            If the values cannot be labels, or the file is cut short.
        """
        path, header = series.files[0], series.plan
        loading = self.open(series, job=job)
        volume = loading.load(job)
        for report in loading.warnings:
            if report.level == "error":  # a missing part would pass for background
                raise ReadError(f"{path.name}: {report.problem}", path=path, hint=report.fix)
        if volume.colour:
            raise ReadError(f"{path.name} is a colour picture, not a label map", path=path)
        segments, own = header.segments, header.own_segments
        if not segments:
            segments, own = sidecar_segments(path)
        return to_labels(volume.array, volume.geometry, segments, path, own=own, name=series.description)

    def read_contours(self, series: Series, *, job: Job) -> ContourSet:
        """Plain grids hold no contours."""
        raise ReadError(f"{series.files[0].name} holds no contours", path=series.files[0])


def _are_labels(path: Path, header: PlainHeader) -> bool:
    v = header.voxels
    if header.text or v.last not in ("", "time") or v.dtype.kind not in "uif":
        return False
    if header.segments and header.own_segments:
        return True
    if not (header.says_labels or header.segments or named_as_labels(path) or sidecar_segments(path)[0]):
        return False
    try:
        values: NDArray[Any] = v.values(PEEK_BYTES) * header.slope + header.intercept
    except READ_ERRORS:
        return False
    return look_like_labels(values)


def text_voxels(voxels: RawVoxels) -> NDArray[Any]:
    """Read voxels that are written as numbers in text.

    Raises
    ------
    ReadError
        If there are too few of them, or something else between them.
    """
    path = voxels.path
    check_budget(voxels.nbytes, path)
    if path.stat().st_size * 2 < voxels.nbytes // voxels.dtype.itemsize:  # a digit and a space for each
        raise ReadError(f"{path.name} is cut short", path=path)
    try:
        with open(path, "rb") as file:
            file.seek(voxels.start)
            words = file.read().split()
        count = voxels.nbytes // voxels.dtype.itemsize
        values = np.array(words[:count], dtype=np.float64).astype(voxels.stored_dtype)
    except (OSError, ValueError, OverflowError) as error:
        raise ReadError(f"{path.name} cannot be read: {error}", path=path) from error
    if len(values) < count:
        raise ReadError(f"{path.name} is cut short: {len(values)} of {count} values are there", path=path)
    if voxels.last == "time":
        return np.moveaxis(values.reshape(*voxels.grid[1:], voxels.samples), -1, 0)
    if voxels.last:
        values = values.reshape(-1, voxels.samples)[:, : 3 if voxels.last == "colour" else 1]
    return np.ascontiguousarray(values).reshape(voxels.shape)


def beside(path: Path, name: str) -> Path:
    """Return the data file that a header names, if it lies in the header's folder.

    Raises
    ------
    ReadError
        If the name leads elsewhere, or there is no such file.
    """
    try:
        target = safe_join(path.parent, name)
    except (WriteError, OSError, ValueError) as error:
        raise ReadError(f"{path.name} names a data file outside its folder, which is not opened", path=path) from error
    if not target.is_file():
        raise ReadError(f"the data file {name!r} that {path.name} names is missing", path=path)
    return target


def check_sizes(sizes: Sequence[int], path: Path) -> None:
    """Refuse sizes that no volume has.

    Raises
    ------
    ReadError
        If one is below 1 or absurd.
    """
    if not sizes or min(sizes) < 1 or max(sizes) > MAX_SIZE:
        raise ReadError(f"{path.name} has an impossible size: {' x '.join(map(str, sizes))}", path=path)


def make_geometry(shape: tuple[int, int, int], affine: NDArray[np.float64], path: Path) -> Geometry:
    """Make a geometry, or say in words why the file gives none.

    Raises
    ------
    ReadError
        If the affine cannot be inverted.
    """
    try:
        return Geometry(shape, affine)
    except GeometryError as error:
        raise ReadError(f"{path.name}: {error.message}", path=path) from error
