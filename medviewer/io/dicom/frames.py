"""One stored picture with its place, time and scale: the unit that stacks are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from medviewer.core.study import Report
from medviewer.core.volume import Window
from medviewer.io.dicom import doctor
from medviewer.io.dicom.headers import Header
from medviewer.io.dicom.pixels import PixelLayout
from medviewer.io.dicom.tables import ValueTable, modality_table

Vector = tuple[float, ...]
UNIT_ATOL = 1e-2  # direction cosines may be off unit length by this before they are called odd
RIGHT_ATOL = 1e-3  # cosine between rows and columns that is still called a right angle

# What tells frames at one place apart, the most telling first. `exact` values mean the same on every slice.
EXACT = ("temporal position", "cardiac phase", "b-value", "echo number", "echo time", "dimension index")
FLOATING = ("trigger time",)
LOOSE = ("acquisition", "frame time", "acquisition time")
LAST = ("instance number",)


@dataclass(slots=True)
class Frame:
    """One picture of a file.

    position, orientation : as in the file, None if absent or unusable
    spacing : distance between rows and between columns, mm, or None
    times : values that may tell it from other frames at its place, by the names above
    kind : image type and kernel: frames of another kind are another picture of the same place
    table : makes real values of the stored ones before `slope` and `intercept`
    rescaled : whether the file says how stored values become real ones
    """

    header: Header
    index: int = 0
    position: Vector | None = None
    orientation: Vector | None = None
    spacing: tuple[float, float] | None = None
    slope: float = 1.0
    intercept: float = 0.0
    windows: tuple[Window, ...] | None = None
    times: dict[str, Vector] = field(default_factory=dict)
    kind: str = ""
    stack: str = ""
    uid: str = ""
    unit: str = ""
    thickness: float | None = None
    layout: PixelLayout | None = None  # set by whoever knows the file's pixels
    table: ValueTable | None = None
    rescaled: bool = True


def frames_of(header: Header, count: int) -> tuple[list[Frame], list[Report]]:
    """List the frames of a file that has `count` of them."""
    if count > 1 or header.items("PerFrameFunctionalGroupsSequence") or header.items("SharedFunctionalGroupsSequence"):
        from medviewer.io.dicom.multiframe import multiframe

        return multiframe(header, count)
    return [classic(header)], []


def classic(header: Header) -> Frame:
    """Describe the frame of a single-frame file."""
    frame = Frame(header, 0, position_of(header.numbers("ImagePositionPatient")),
                  orientation_of(header.numbers("ImageOrientationPatient")), spacing_of(header.numbers("PixelSpacing")))
    _scale(frame, header)
    frame.thickness = header.number("SliceThickness")
    frame.uid = header.text("SOPInstanceUID")
    frame.kind = header.text("ImageType") + "|" + header.text("ConvolutionKernel")
    frame.times = _times(header)
    return frame


def _scale(frame: Frame, header: Header) -> None:
    """Set how stored values become real ones: by a table, else by a line."""
    frame.table = modality_table(header)
    if frame.table is not None:
        frame.slope, frame.unit = frame.table.scale, frame.table.kind
        return
    slope, intercept = header.number("RescaleSlope"), header.number("RescaleIntercept")
    frame.slope, frame.intercept = 1.0 if slope is None else slope, intercept or 0.0
    frame.rescaled = slope is not None or intercept is not None


def position_of(values: Vector) -> Vector | None:
    """Check an image position."""
    return values if len(values) == 3 and all(abs(v) < 1e6 for v in values) else None  # not a number: False


@lru_cache(maxsize=512)
def orientation_of(values: Vector) -> Vector | None:
    """Check direction cosines; those that cannot be repaired by scaling count as absent."""
    if len(values) != 6 or not np.isfinite(values).all():
        return None
    row, column = np.asarray(values[:3]), np.asarray(values[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if min(lengths) < 0.1 or abs(row @ column) > 0.5 * lengths[0] * lengths[1]:
        return None
    return values


def spacing_of(values: Vector) -> tuple[float, float] | None:
    """Check a pixel spacing (between rows, between columns)."""
    if len(values) == 1:
        values = (values[0], values[0])
    return (values[0], values[1]) if len(values) >= 2 and min(values[:2]) > 1e-6 and max(values[:2]) < 1e4 else None


def axes(orientation: Vector) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[Report]]:
    """Return the unit vectors along rows, along columns and their cross product, and what was odd about them."""
    row, column = np.asarray(orientation[:3], float), np.asarray(orientation[3:], float)
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    row, column = row / lengths[0], column / lengths[1]
    cosine = float(row @ column)
    reports = []
    if max(abs(n - 1) for n in lengths) > UNIT_ATOL or abs(cosine) > RIGHT_ATOL:
        reports.append(doctor.odd_orientation(lengths, cosine))
    column = column - cosine * row
    column /= np.linalg.norm(column)
    return row, column, np.cross(row, column), reports


def _times(header: Header) -> dict[str, Vector]:
    """Collect what may tell a frame from another at the same place."""
    found: dict[str, Vector] = {
        "temporal position": header.numbers("TemporalPositionIdentifier"),
        "b-value": header.numbers("DiffusionBValue") + header.numbers("DiffusionGradientOrientation"),
        "echo number": header.numbers("EchoNumbers")[:1], "echo time": header.numbers("EchoTime"),
        "trigger time": header.numbers("TriggerTime"), "acquisition": header.numbers("AcquisitionNumber"),
        "frame time": header.numbers("FrameReferenceTime"),
        "acquisition time": clock_seconds(header.text("AcquisitionTime")),
        "instance number": header.numbers("InstanceNumber"),
    }
    phases, number = header.integer("CardiacNumberOfImages"), header.number("InstanceNumber")
    if phases > 1 and number is not None and found["trigger time"]:
        found["cardiac phase"] = (float((int(number) - 1) % phases),)
    return {name: value for name, value in found.items() if value}


def clock_seconds(text: str) -> Vector:
    """Convert a DICOM time (HHMMSS.ffffff, or with colons) to seconds of the day; () if it is none."""
    digits = text.replace(":", "")
    try:
        return (int(digits[0:2] or 0) * 3600.0 + int(digits[2:4] or 0) * 60.0 + float(digits[4:] or 0),) \
            if digits else ()
    except ValueError:
        return ()
