"""What the header of a DICOM segmentation says about its segments and frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medviewer.core.labels import Code, Segment, palette_colour
from medviewer.io.formats._dicom_object import floats, integer, item, items, text

if TYPE_CHECKING:
    from pydicom import Dataset

BACKGROUND = ("125040", "DCM")


@dataclass(frozen=True, slots=True, eq=False)
class SegFrame:
    """One stored frame.

    number : place in the pixel data
    segment : number of its segment; 0 in a label map, where pixels name the segments
    origin, row_step, column_step : centre of the first pixel, and the way to the next row / next column, LPS mm;
        None if the file gives no position
    source : image frame it was drawn on
    """

    number: int
    segment: int
    origin: NDArray[np.float64] | None
    row_step: NDArray[np.float64]
    column_step: NDArray[np.float64]
    source: tuple[str, int]


def segments_of(dataset: Dataset) -> list[Segment]:
    """Segments as described, the value of each being its number."""
    found = []
    for place, entry in enumerate(items(dataset, "SegmentSequence"), start=1):
        number = integer(entry, "SegmentNumber", place)
        number = place if number is None else number
        found.append(Segment(
            number, text(entry, "SegmentLabel") or f"Segment {number}",
            _colour(entry) or palette_colour(max(number, 1)),
            category=_code(item(entry, "SegmentedPropertyCategoryCodeSequence")),
            type=_code(item(entry, "SegmentedPropertyTypeCodeSequence")),
            algorithm=_algorithm(entry), tracking_uid=text(entry, "TrackingUID")))
    return found


def is_background(segment: Segment) -> bool:
    """Whether a described segment stands for what is no segment."""
    code = segment.type
    return code is not None and (code.value, code.scheme) == BACKGROUND


def frames_of(dataset: Dataset) -> Iterator[SegFrame]:
    """Go through the frames in stored order."""
    shared = item(dataset, "SharedFunctionalGroupsSequence")
    count = integer(dataset, "NumberOfFrames", 1) or 1
    groups = items(dataset, "PerFrameFunctionalGroupsSequence")[:count]
    common = _steps(shared, shared)
    labelmap = text(dataset, "SegmentationType") == "LABELMAP"
    described = [n for s in items(dataset, "SegmentSequence") if (n := integer(s, "SegmentNumber")) is not None]
    alone = described[0] if len(described) == 1 else 1
    for number, group in enumerate(groups):
        named = item(group, "SegmentIdentificationSequence") or item(shared, "SegmentIdentificationSequence")
        segment = 0 if labelmap else integer(named, "ReferencedSegmentNumber", alone) or alone
        place = item(group, "PlanePositionSequence") or item(shared, "PlanePositionSequence")
        position = floats(place, "ImagePositionPatient", 3)
        own = "PixelMeasuresSequence" in group or "PlaneOrientationSequence" in group
        row_step, column_step = _steps(group, shared) if own else common
        yield SegFrame(number, segment, None if position is None else np.array(position), row_step, column_step,
                       _source(group))


def slice_hint_mm(dataset: Dataset) -> float | None:
    """Slice step as written; only a hint, because many files have it wrong."""
    measures = item(item(dataset, "SharedFunctionalGroupsSequence"), "PixelMeasuresSequence")
    step = floats(measures, "SpacingBetweenSlices", 1) or floats(measures, "SliceThickness", 1)
    return abs(step[0]) if step and abs(step[0]) > 1e-6 else None


def _steps(group: Dataset, shared: Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    measures = item(group, "PixelMeasuresSequence") or item(shared, "PixelMeasuresSequence")
    plane = item(group, "PlaneOrientationSequence") or item(shared, "PlaneOrientationSequence")
    rows, columns = floats(measures, "PixelSpacing", 2) or (1.0, 1.0)
    cosines = np.array(floats(plane, "ImageOrientationPatient", 6) or (1, 0, 0, 0, 1, 0), float)
    return cosines[3:] * (rows or 1.0), cosines[:3] * (columns or 1.0)


def _source(group: Dataset) -> tuple[str, int]:
    image = item(item(group, "DerivationImageSequence"), "SourceImageSequence")
    return text(image, "ReferencedSOPInstanceUID"), integer(image, "ReferencedFrameNumber", 1) or 1


def _code(entry: Dataset) -> Code | None:
    value = text(entry, "CodeValue") or text(entry, "LongCodeValue") or text(entry, "URNCodeValue")
    return Code(value, text(entry, "CodingSchemeDesignator"), text(entry, "CodeMeaning")) if value else None


def _algorithm(entry: Dataset) -> str:
    if text(entry, "SegmentAlgorithmType") == "MANUAL":
        return ""
    named = item(entry, "SegmentationAlgorithmIdentificationSequence")
    return text(entry, "SegmentAlgorithmName") or text(named, "AlgorithmName") or text(entry, "SegmentAlgorithmType")


def _colour(entry: Dataset) -> tuple[int, int, int] | None:
    """Display colour: CIELab (white D65, as the common tools write it) to sRGB."""
    lab = floats(entry, "RecommendedDisplayCIELabValue", 3)
    if lab is None:
        return None
    lightness, a, b = lab[0] * 100 / 65535, lab[1] * 255 / 65535 - 128, lab[2] * 255 / 65535 - 128
    y = (lightness + 16) / 116
    curve = np.array([y + a / 500, y, y - b / 200])
    limit = 6 / 29
    xyz = np.where(curve > limit, curve**3, 3 * limit**2 * (curve - 4 / 29)) * (0.950456, 1.0, 1.088754)
    linear = np.array([[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560],
                       [0.0556434, -0.2040259, 1.0572252]]) @ xyz
    linear = np.clip(linear, 0, 1)
    rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (int(v) for v in np.round(rgb * 255))
    return red, green, blue
