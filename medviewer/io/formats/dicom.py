"""DICOM images: the reader that finds and opens them, and passes other objects on to their readers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from medviewer.core.contours import ContourSet
from medviewer.core.errors import ReadError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.core.study import ScanResult, Series, Skipped
from medviewer.io.base import Loading


class Dicom:
    """DICOM files; images here, other objects by the reader that names their SOP class in `sop_classes`."""

    id, label, requires = "dicom", "DICOM", ("pydicom",)
    suffixes = (".dcm", ".ima", ".dic", ".dicom", "")

    def sniff(self, path: Path, head: bytes) -> float:
        """Judge by the first 4 KiB; an uncompressed ZIP file of DICOM files is no DICOM file."""
        from medviewer.io.dicom.guards import sniff_dicom

        if head.startswith(b"PK") and head[128:132] != b"DICM":
            return 0.0
        return sniff_dicom(path, head)

    def scan(self, paths: Sequence[Path], *, job: Job) -> ScanResult:
        """Find all series in these files; slices of one series may lie in several folders."""
        from medviewer.io.dicom.describe import series_of
        from medviewer.io.dicom.headers import Header, read_headers
        from medviewer.io.dicom.stacks import group_files

        headers, skipped = read_headers(paths, job.part(0.0, 0.7))
        images: list[Header] = []
        series: list[Series] = []
        for header in headers:
            job.check()
            reader = _readers_by_class().get(header.text("SOPClassUID"))
            try:
                if reader is not None:
                    series.append(_describe(reader, header))
                elif header.has_pixels:
                    images.append(header)
                else:
                    series.append(_other(header))
            except ReadError as error:
                skipped.append(Skipped(header.path, str(error)))
        groups, more = group_files(images, job.part(0.7, 1.0))
        series += [series_of(group, self.id) for group in groups]
        series.sort(key=_order)
        return ScanResult(tuple(series), (*skipped, *more))

    def open(self, series: Series, *, job: Job) -> Loading:
        """Start reading an image series."""
        from medviewer.io.dicom.loading import DicomLoading, Plan

        if not isinstance(series.plan, Plan):
            raise ReadError(f"{series.title} is not an image", path=series.files[0] if series.files else None)
        return DicomLoading(series.plan)

    def read_labels(self, series: Series, on: Geometry | None, *, job: Job) -> LabelMap:
        """Refuse: these are images."""
        raise ReadError(f"{series.title} is an image, not a segmentation", path=series.files[0])

    def read_contours(self, series: Series, *, job: Job) -> ContourSet:
        """Refuse: these are images."""
        raise ReadError(f"{series.title} is an image and holds no contours", path=series.files[0])


READER = Dicom()


@cache
def _readers_by_class() -> dict[str, Any]:
    """Readers of other DICOM objects, by SOP class UID."""
    from medviewer.core.discover import discover

    readers = discover("medviewer.io.formats", "READER").values()
    return {uid: reader for reader in readers if hasattr(reader, "describe")
            for uid in getattr(reader, "sop_classes", ())}


def _describe(reader: Any, header: Any) -> Series:
    from medviewer.io.dicom import guards

    found: Series = reader.describe(header.path, guards.read_header(header.path))
    return found


def _other(header: Any) -> Series:
    from medviewer.io.dicom.others import other_series

    return other_series(header, READER.id)


def _order(series: Series) -> tuple[str, str, float, str, str]:
    return (series.patient.id, series.study.uid, series.number if series.number is not None else float("inf"),
            str(series.files[0]), series.id)

