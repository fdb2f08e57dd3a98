"""DICOM Segmentations: BINARY, FRACTIONAL and LABELMAP.

A frame goes where its position in the patient says, on the grid asked for if its pixels lie on that grid's voxels,
else on the smallest grid that holds all frames. Frames may come in any order, along any axis, and be missing where a
segment is empty. Segments that overlap go to different layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import GeometryError, ReadError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap, Segment, palette_colour
from medviewer.core.study import Report, ScanResult, Series
from medviewer.io.base import Loading
from medviewer.io.formats._dicom_object import integer, item, series_of, text
from medviewer.io.formats._seg_header import SegFrame, frames_of, is_background, segments_of, slice_hint_mm
from medviewer.io.formats._seg_pixels import SegPixels
from medviewer.io.formats._seg_place import Placement, own_grid, placements
from medviewer.io.formats._seg_write import write_seg

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["READER", "read_segmentation", "write_seg"]

LABELMAP_CLASS = "1.2.840.10008.5.1.4.1.1.66.7"
Part = tuple[Placement, NDArray[np.unsignedinteger]]


class DicomSeg:
    """Reader of segmentations; the DICOM scan hands it its files through `describe`."""

    id, label, suffixes, requires = "dicom-seg", "DICOM Segmentation", (".dcm",), ("pydicom",)
    sop_classes = ("1.2.840.10008.5.1.4.1.1.66.4", LABELMAP_CLASS)

    def sniff(self, path: Path, head: bytes) -> float:
        """Leave DICOM files to the DICOM reader."""
        return 0.0

    def scan(self, paths: Sequence[Path], *, job: Job) -> ScanResult:
        """Find nothing: the DICOM reader finds these files."""
        return ScanResult()

    def describe(self, path: Path, header: Dataset) -> Series:
        """Make the series of one file from its header."""
        frames = list(frames_of(header))
        warnings = list(_header_reports(header, frames))
        geometry = None
        try:
            geometry, more = own_grid(frames, _size(header), slice_hint_mm(header))
            warnings += more
        except GeometryError as error:
            warnings.append(Report("no-positions", error.message, "frames are shown in the order of the file"))
        return series_of(path, header, self.id, "seg", modality=text(header, "Modality") or "SEG",
                         description=text(header, "SeriesDescription") or text(header, "ContentLabel"),
                         geometry=geometry, frames=integer(header, "NumberOfFrames", 1) or 1,
                         dtype="uint16" if integer(header, "BitsAllocated") == 16 else "uint8",
                         refers_to=text(item(header, "ReferencedSeriesSequence"), "SeriesInstanceUID"),
                         warnings=tuple(warnings))

    def open(self, series: Series, *, job: Job) -> Loading:
        """Refuse: a segmentation is no image."""
        raise ReadError(f"{series.title} is a segmentation, not an image", path=series.files[0])

    def read_labels(self, series: Series, on: Geometry | None, *, job: Job) -> LabelMap:
        """Read the segments, on `on` if the frames lie on its voxels, else on their own grid."""
        labels, reports = read_segmentation(series.files[0], on, job=job)
        return replace(labels, warnings=tuple(reports))

    def read_contours(self, series: Series, *, job: Job) -> None:
        """Refuse: there are none."""
        raise ReadError(f"{series.title} holds labels, not contours", path=series.files[0])


def read_segmentation(path: Path, on: Geometry | None = None, *,
                      job: Job | None = None) -> tuple[LabelMap, list[Report]]:
    """Read a segmentation file.

    Parameters
    ----------
    on : Geometry, optional
        Grid wanted; it is used if every frame's pixels lie on its voxels.

    Returns
    -------
    labels : LabelMap
        `fractional` holds the occupancy or probability of fractional segments, 255 meaning 1; their masks are
        the voxels of one half or more.
    reports : list of Report
        Frames cut off or moved, segments not described, and the like.

    Raises
    ------
    ReadError
        If the file is not a segmentation, is cut short, or its frames cannot be decoded or placed.
    """
    from medviewer.io.dicom.guards import read_header

    path, job = Path(path), job or Job()
    dataset = read_header(path)
    pixels = SegPixels(dataset, path)
    frames = list(frames_of(dataset))[:pixels.count]
    if len(frames) < pixels.count:
        frames += [replace(f, number=len(frames) + n) for n, f in enumerate(_unplaced(pixels.count - len(frames)))]
    grid, places, reports = _grid(frames, pixels.size, on, slice_hint_mm(dataset), path)
    work = _Work(pixels, frames, places, grid, reports)
    if text(dataset, "SegmentationType") == "LABELMAP" or text(dataset, "SOPClassUID") == LABELMAP_CLASS:
        layers, segments = _labelmap(work, dataset, job)
        fractional: dict[int, NDArray[np.uint8]] = {}
    else:
        full = integer(dataset, "MaximumFractionalValue", 255) or 255
        layers, segments, fractional = _by_segment(
            work, segments_of(dataset), full if text(dataset, "SegmentationType") == "FRACTIONAL" else 0, job)
    if work.cut:
        reports.append(Report("frames-outside-image", f"{work.cut} frame(s) of the segmentation reach outside the "
                              "image", "the part outside is left out"))
    reports += pixels.reports
    return LabelMap(tuple(layers), grid, tuple(segments), text(dataset, "FrameOfReferenceUID"),
                    text(item(dataset, "ReferencedSeriesSequence"), "SeriesInstanceUID"),
                    text(dataset, "SeriesDescription") or text(dataset, "ContentLabel"), fractional), reports


READER = DicomSeg()


@dataclass
class _Work:
    """What the steps of one read share."""

    pixels: SegPixels
    frames: list[SegFrame]
    places: list[Placement]
    grid: Geometry
    reports: list[Report] = field(default_factory=list)
    cut: int = 0

    def put(self, target: NDArray[np.generic], place: Placement, frame: NDArray[np.generic]) -> tuple[
            NDArray[np.generic], NDArray[np.generic]]:
        """Return the views of target and frame that cover each other; counts frames that lost pixels."""
        part, piece, cut = place.view(target, frame)
        if cut and np.count_nonzero(frame) > np.count_nonzero(piece):
            self.cut += 1
        return part, piece


def _size(header: Dataset) -> tuple[int, int]:
    return max(integer(header, "Rows", 1) or 1, 1), max(integer(header, "Columns", 1) or 1, 1)


def _unplaced(count: int) -> list[SegFrame]:
    unit = np.eye(3)
    return [SegFrame(0, 1, None, unit[1], unit[0], ("", 1))] * count


def _grid(frames: list[SegFrame], size: tuple[int, int], on: Geometry | None, hint: float | None,
          path: Path) -> tuple[Geometry, list[Placement], list[Report]]:
    """Choose the grid and find the place of every frame on it."""
    if on is not None:
        places = placements(frames, size, on)
        if places is not None:
            return on, places, []
    try:
        grid, reports = own_grid(frames, size, hint)
    except GeometryError as error:
        if any(f.origin is not None for f in frames):
            raise ReadError(error.message, path=path) from error
        return _by_order(frames, size, on)
    places = placements(frames, size, grid)
    if places is None:
        raise ReadError("the frames of the segmentation lie on different grids", path=path)
    if on is not None:
        reports.append(Report("own-grid", "the segmentation was not drawn on the voxels of this image",
                              "it is shown on its own grid; resample it to edit it on the image"))
    return grid, places, reports


def _by_order(frames: list[SegFrame], size: tuple[int, int], on: Geometry | None) -> tuple[
        Geometry, list[Placement], list[Report]]:
    """Stack frames without positions by the image frame they were drawn on, in the order of the file."""
    sources = {s: n for n, s in enumerate(dict.fromkeys(f.source for f in frames if f.source[0]))}
    counts: dict[int, int] = {}
    slices = []
    for f in frames:
        counts[f.segment] = counts.get(f.segment, -1) + 1
        slices.append(sources.get(f.source, counts[f.segment]))
    depth = max(slices) + 1
    single = on is not None and depth == 1 and on.shape == (1, *size)
    grid = on if single and on is not None else Geometry.from_spacing((depth, *size))
    note = Report("no-positions", "the frames of the segmentation have no position in the patient",
                  "they are stacked in the order of the file")
    return grid, [Placement((k, 0, 0), (1, 2), (1, 1)) for k in slices], [note]


def _by_segment(work: _Work, described: list[Segment], full: int, job: Job) -> tuple[
        list[NDArray[np.unsignedinteger]], list[Segment], dict[int, NDArray[np.uint8]]]:
    """Assemble segments from frames of one segment each; `full` is the stored value of 1 for fractional ones."""
    used = dict.fromkeys(f.segment for f in work.frames)
    known = {s.value: s for s in described}
    segments, values = _numbered(described, [n for n in used if n not in known], work.reports)
    kind = np.uint8 if max((s.value for s in segments), default=0) <= 255 else np.uint16
    layers: list[NDArray[np.unsignedinteger]] = [np.zeros(work.grid.shape, kind)]
    fractional: dict[int, NDArray[np.uint8]] = {}
    made = []
    for number, segment in job.each(list(zip(values, segments, strict=True)), "Reading segments"):
        parts: list[Part] = []
        for frame, place in zip(work.frames, work.places, strict=True):
            if frame.segment == number:
                job.check()
                parts.append((place, work.pixels.read(frame.number)))
        if full:
            fractional[segment.value] = _fractions(work, parts, full)
            parts = [(place, (pixels.astype(np.uint16) * 2 >= full).view(np.uint8)) for place, pixels in parts]
        made.append(replace(segment, layer=_store(work, layers, parts, segment.value, kind)))
    return layers, made, fractional


def _fractions(work: _Work, parts: list[Part], full: int) -> NDArray[np.uint8]:
    out = np.zeros(work.grid.shape, np.uint8)
    for place, pixels in parts:
        target, piece, _ = place.view(out, np.minimum(np.round(pixels * (255 / full)), 255).astype(np.uint8))
        np.maximum(target, piece, out=target)
    return out


def _store(work: _Work, layers: list[NDArray[np.unsignedinteger]], parts: list[Part], value: int,
           kind: type[np.unsignedinteger]) -> int:
    """Write a segment into the first layer where it meets no other; returns the layer."""
    parts = [(place, pixels) for place, pixels in parts if pixels.any()]

    def free(layer: NDArray[np.unsignedinteger]) -> bool:
        for place, pixels in parts:
            target, piece, _ = place.view(layer, pixels)
            if (target[piece != 0] != 0).any():
                return False
        return True

    chosen = next((n for n, layer in enumerate(layers) if free(layer)), len(layers))
    if chosen == len(layers):
        layers.append(np.zeros(work.grid.shape, kind))
    for place, pixels in parts:
        target, piece = work.put(layers[chosen], place, pixels)
        target[piece != 0] = value
    return chosen


def _numbered(described: list[Segment], unknown: list[int], reports: list[Report]) -> tuple[list[Segment],
                                                                                            list[int]]:
    """Segments with usable label values, and the number each has in the file."""
    segments = [*described, *(Segment(n, f"Segment {n}", palette_colour(max(n, 1))) for n in sorted(unknown))]
    if unknown:
        reports.append(Report("segment-not-described", f"{len(unknown)} segment(s) have voxels but no description",
                              "they are called by their number"))
    numbers = [s.value for s in segments]
    if len(set(numbers)) == len(numbers) and all(1 <= n <= 65535 for n in numbers):
        return segments, numbers
    reports.append(Report("segments-renumbered", "the segment numbers of the file are not unique or not 1 to 65535",
                          "label values count from 1 in the order of the file", "info"))
    return [replace(s, value=n) for n, s in enumerate(segments, start=1)], numbers


def _labelmap(work: _Work, dataset: Dataset, job: Job) -> tuple[list[NDArray[np.unsignedinteger]], list[Segment]]:
    """Read a label map: pixels name segments; the padding value and segments described as background are 0."""
    described = segments_of(dataset)
    padding = integer(dataset, "PixelPaddingValue")
    empty = {s.value for s in described if is_background(s)} | ({0} if padding is None else {padding})
    segments = [s for s in described if s.value not in empty]
    kind = np.uint16 if work.pixels.bits > 8 else np.uint8
    layer = np.zeros(work.grid.shape, kind)
    table = np.arange(np.iinfo(kind).max + 1).astype(kind)
    table[[v for v in empty if v < len(table)]] = 0
    if 0 not in empty:  # a real segment has number 0: give it a free value
        table[0] = new = max((s.value for s in described), default=0) + 1
        segments = [replace(s, value=new) if s.value == 0 else s for s in segments]
        work.reports.append(Report("segments-renumbered", "segment number 0 is a structure",
                                   f"its label value is {new}", "info"))
    for frame, place in job.each(list(zip(work.frames, work.places, strict=True)), "Reading segments"):
        target, piece = work.put(layer, place, table[work.pixels.read(frame.number)])
        np.copyto(target, piece, where=piece != 0)
    known = {s.value for s in segments}
    unknown = [v for v in np.flatnonzero(np.bincount(layer.ravel(), minlength=1)).tolist() if v and v not in known]
    if unknown:
        work.reports.append(Report("segment-not-described", f"{len(unknown)} label value(s) are not described",
                                   "they are called by their number"))
    return [layer], segments + [Segment(v, f"Label {v}", palette_colour(v)) for v in unknown]


def _header_reports(header: Dataset, frames: list[SegFrame]) -> list[Report]:
    reports = []
    count = integer(header, "NumberOfFrames", 1) or 1
    if len(frames) < count:
        reports.append(Report("frames-not-described", f"only {len(frames)} of {count} frames are described",
                              "the others have no position"))
    if not text(item(header, "ReferencedSeriesSequence"), "SeriesInstanceUID"):
        reports.append(Report("no-referenced-series", "the segmentation does not say which series it was drawn on",
                              "choose the image by hand; positions in the patient are used as written"))
    return reports
