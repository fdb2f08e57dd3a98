"""DICOM RT Structure Sets: contours as stored, in patient space.

Nothing is corrected on the way in: odd contours stay as they are and are reported. References to images are
taken as information, so a structure set whose references are wrong can still be shown on any series.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medviewer.core.contours import Contour, ContourSegment, ContourSet
from medviewer.core.errors import ReadError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap, palette_colour
from medviewer.core.study import Report, ScanResult, Series
from medviewer.io.base import Loading
from medviewer.io.formats._dicom_object import integer, is_uid, item, items, series_of, text, value
from medviewer.io.formats._rtstruct_write import write_rtstruct

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["READER", "parse", "write_rtstruct"]

SOP_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
CONTOUR_DATA = 0x30060050
CLOSING_ATOL_MM = 1e-6  # a last point this near to the first one is its copy


class RtStruct:
    """Reader of RT Structure Sets; the DICOM scan hands it its files through `describe`."""

    id, label, suffixes, requires = "rtstruct", "DICOM RT Structure Set", (".dcm",), ("pydicom",)
    sop_classes = (SOP_CLASS,)

    def sniff(self, path: Path, head: bytes) -> float:
        """Leave DICOM files to the DICOM reader."""
        return 0.0

    def scan(self, paths: Sequence[Path], *, job: Job) -> ScanResult:
        """Find nothing: the DICOM reader finds these files."""
        return ScanResult()

    def describe(self, path: Path, header: Dataset) -> Series:
        """Make the series of one file from its header."""
        warnings = (*_reference_reports(header), *_roi_reports(header))
        title = text(header, "StructureSetLabel") or text(header, "StructureSetName")
        return series_of(path, header, self.id, "rtstruct", modality=text(header, "Modality") or "RTSTRUCT",
                         description=text(header, "SeriesDescription") or title, refers_to=_series_uid(header),
                         frame_of_reference_uid=_frame_of_reference(header), warnings=warnings)

    def open(self, series: Series, *, job: Job) -> Loading:
        """Refuse: contours are no image."""
        raise ReadError(f"{series.title} holds contours, not an image", path=series.files[0])

    def read_labels(self, series: Series, on: Geometry | None, *, job: Job) -> LabelMap:
        """Refuse: contours become labels by `ops.rasterise`."""
        raise ReadError(f"{series.title} holds contours, not labels", path=series.files[0],
                        hint="Rasterise the contours on an image.")

    def read_contours(self, series: Series, *, job: Job) -> ContourSet:
        """Read the contours as stored."""
        from medviewer.io.dicom.guards import read_header

        contours, reports = parse(read_header(series.files[0]), job, series.files[0])
        return replace(contours, warnings=tuple(reports))


READER = RtStruct()


def parse(dataset: Dataset, job: Job | None = None, path: Path | None = None) -> tuple[ContourSet, list[Report]]:
    """Read the contours of a structure set, and what is odd about them.

    Raises
    ------
    ReadError
        If the data set holds no structures.
    """
    names = _rois(dataset)
    drawn: dict[int, list[Dataset]] = {}
    for roi in items(dataset, "ROIContourSequence"):
        number = integer(roi, "ReferencedROINumber", 0) or 0
        drawn.setdefault(number, []).append(roi)
    if not names and not drawn:
        raise ReadError("the structure set holds no structures", path=path)
    types = {integer(o, "ReferencedROINumber"): text(o, "RTROIInterpretedType")
             for o in items(dataset, "RTROIObservationsSequence")}
    reports: list[Report] = []
    segments: list[ContourSegment] = []
    for number in (job or Job()).each(list(dict.fromkeys([*names, *drawn])), "Reading contours"):
        name = names.get(number) or f"ROI {number}"
        parts = drawn.get(number, [])
        contours = tuple(c for roi in parts for c in _contours(roi, name, reports))
        colour = next((c for c in map(_colour, parts) if c), palette_colour(len(segments) + 1))
        segments.append(ContourSegment(number, name, colour, contours, types.get(number, "")))
    listed = set(_listed_images(dataset)) | {c.image_uid for s in segments for c in s.contours if c.image_uid}
    return ContourSet(tuple(segments), _frame_of_reference(dataset), _series_uid(dataset),
                      text(dataset, "StructureSetLabel"), frozenset(listed)), reports


def _rois(dataset: Dataset) -> dict[int, str]:
    """Names of the structures by number, in the order of the file."""
    return {number: text(roi, "ROIName") for roi in items(dataset, "StructureSetROISequence")
            if (number := integer(roi, "ROINumber")) is not None}


def _contours(roi: Dataset, name: str, reports: list[Report]) -> Iterator[Contour]:
    bad = 0
    for entry in items(roi, "ContourSequence"):
        points = _points(entry)
        if points is None:
            bad += 1
            continue
        kind = text(entry, "ContourGeometricType") or "CLOSED_PLANAR"
        if len(points) > 1 and kind.startswith("CLOSED") and np.abs(points[0] - points[-1]).max() < CLOSING_ATOL_MM:
            points = points[:-1]
        yield Contour(points, kind, text(item(entry, "ContourImageSequence"), "ReferencedSOPInstanceUID"))
    if bad:
        reports.append(Report("contour-unreadable", f"{name}: the positions of {bad} contour(s) are not readable",
                              "they are left out"))


def _points(entry: Dataset) -> NDArray[np.float64] | None:
    """Positions of one contour; None unless they are triples of finite numbers."""
    if CONTOUR_DATA not in entry:
        return None
    stored = entry.get_item(CONTOUR_DATA).value
    try:
        # the raw text, because a Python object per number makes large files slow
        numbers = np.array(stored.split(b"\\") if isinstance(stored, bytes) else stored or [], dtype=np.float64)
    except (TypeError, ValueError):
        return None
    if numbers.ndim != 1 or not len(numbers) or len(numbers) % 3 or not np.isfinite(numbers).all():
        return None
    return numbers.reshape(-1, 3)


def _colour(roi: Dataset) -> tuple[int, int, int] | None:
    try:
        red, green, blue = (int(v) for v in value(roi, "ROIDisplayColor"))
    except (TypeError, ValueError):
        return None
    return (red, green, blue) if all(0 <= v <= 255 for v in (red, green, blue)) else None


def _referenced_series(dataset: Dataset) -> Iterator[Dataset]:
    for frame in items(dataset, "ReferencedFrameOfReferenceSequence"):
        for study in items(frame, "RTReferencedStudySequence"):
            yield from items(study, "RTReferencedSeriesSequence")


def _series_uid(dataset: Dataset) -> str:
    return next((uid for s in _referenced_series(dataset) if (uid := text(s, "SeriesInstanceUID"))), "")


def _listed_images(dataset: Dataset) -> list[str]:
    return [text(image, "ReferencedSOPInstanceUID") for s in _referenced_series(dataset)
            for image in items(s, "ContourImageSequence")]


def _frame_of_reference(dataset: Dataset) -> str:
    """The frame of reference most structures are drawn in (each may name its own)."""
    named = [uid for roi in items(dataset, "StructureSetROISequence")
             if (uid := text(roi, "ReferencedFrameOfReferenceUID"))]
    named = named or [uid for frame in items(dataset, "ReferencedFrameOfReferenceSequence")
                      if (uid := text(frame, "FrameOfReferenceUID"))]
    return max(named, key=named.count) if named else text(dataset, "FrameOfReferenceUID")


def _reference_reports(dataset: Dataset) -> Iterator[Report]:
    listed = set(_listed_images(dataset))
    if not _series_uid(dataset):
        yield Report("no-referenced-series", "the structure set does not say which series it was drawn on",
                     "choose the image by hand; positions in the patient are used as written")
    used = {uid for roi in items(dataset, "ROIContourSequence") for entry in items(roi, "ContourSequence")
            for image in items(entry, "ContourImageSequence") if (uid := text(image, "ReferencedSOPInstanceUID"))}
    wrong = [uid for uid in used | listed if not is_uid(uid)]
    if wrong:
        yield Report("invalid-references", f"{len(wrong)} reference(s) to images are not valid identifiers",
                     "ignored; contours are placed by their positions")
    if listed and used - listed:
        yield Report("unlisted-references", f"contours refer to {len(used - listed)} image(s) that the structure set "
                     "does not list", "ignored; contours are placed by their positions")
    if len({uid for roi in items(dataset, "StructureSetROISequence")
            if (uid := text(roi, "ReferencedFrameOfReferenceUID"))}) > 1:
        yield Report("several-frames-of-reference", "structures are drawn in different frames of reference",
                     "all are shown in the most common one")


def _roi_reports(dataset: Dataset) -> Iterator[Report]:
    names = _rois(dataset)
    contours = items(dataset, "ROIContourSequence")
    drawn = {integer(roi, "ReferencedROINumber") for roi in contours if items(roi, "ContourSequence")}
    empty = [name or f"ROI {n}" for n, name in names.items() if n not in drawn]
    if empty:
        yield Report("segment-without-contours", f"{len(empty)} structure(s) have no contours: "
                     f"{', '.join(empty[:5])}", "they are listed but empty", "info")
    if any(n not in names for n in drawn):
        yield Report("segment-without-name", "contours belong to structures that the file does not name",
                     "they are called by their number")
    if any(not name for name in names.values()):
        yield Report("segment-without-name", "a structure has an empty name", "it is called by its number")
    if any(_colour(roi) is None for roi in contours):
        yield Report("no-colour", "a structure has no valid display colour", "it gets one of medviewer's", "info")
