"""Frames of multi-frame files: enhanced functional groups, NM detectors, and plain cine runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from medviewer.core.study import Report
from medviewer.io.dicom import doctor
from medviewer.io.dicom.frames import Frame, Vector, classic, orientation_of, position_of, spacing_of
from medviewer.io.dicom.headers import BAD_VALUE, Header
from medviewer.io.dicom.quiet import quietly
from medviewer.io.dicom.window import windows_in

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

PARAMETRIC = "1.2.840.10008.5.1.4.1.1.30"  # Parametric Map Storage
SLICE_VECTOR = (b"\x54\0\x80\0", b"\0\x54\0\x80")  # frame increment pointer of frames that are slices
SPATIAL = frozenset((0x00209056, 0x00209057, 0x00200032, 0x00200037, 0x00209113, 0x00209116))  # stack, place, turn
MAX_FRAMES = 200_000  # more frames than this in one file is not an image


def multiframe(header: Header, count: int) -> tuple[list[Frame], list[Report]]:
    """List the frames of a multi-frame file.

    Parameters
    ----------
    count : int
        Number of frames that the pixel data has.
    """
    per_frame = header.items("PerFrameFunctionalGroupsSequence")[:MAX_FRAMES]
    shared = header.items("SharedFunctionalGroupsSequence")[:1]
    if per_frame or shared:
        return _enhanced(header, count, per_frame, shared[0] if shared else None)
    base = classic(header)
    frames = [_copy(base, n) for n in range(min(count, MAX_FRAMES))]
    _place_nuclear(header, frames)
    return frames, []


def _copy(base: Frame, index: int) -> Frame:
    times = {name: value for name, value in base.times.items() if name not in ("instance number", "cardiac phase")}
    times["instance number"] = (*base.times.get("instance number", (0.0,)), float(index + 1))
    return replace(base, index=index, times=times)


def _place_nuclear(header: Header, frames: list[Frame]) -> None:
    """Place the slices of a reconstructed NM volume.

    The first slice is in the detector information; a positive spacing stacks the others along the cross product
    of row and column direction, a negative one against it (PS3.3 C.8.4.15, Spacing Between Slices).
    """
    detector = header.items("DetectorInformationSequence")
    step = header.number("SpacingBetweenSlices")
    if header.text("Modality") not in ("NM", "PT"):
        return
    first = detector[0] if detector else None
    position = position_of(_numbers(first, "ImagePositionPatient")) or frames[0].position
    orientation = orientation_of(_numbers(first, "ImageOrientationPatient")) or frames[0].orientation
    if position is None or orientation is None:
        return
    slices = header.numbers("SliceVector")
    if not step or not (slices or header.stored_bytes("FrameIncrementPointer") in SLICE_VECTOR):
        return
    normal = np.cross(orientation[:3], orientation[3:])
    slots, windows = header.numbers("TimeSlotVector"), header.numbers("EnergyWindowVector")
    for frame in frames:
        number = slices[frame.index] - 1 if frame.index < len(slices) else frame.index
        frame.orientation = orientation
        frame.position = tuple(float(p) for p in np.asarray(position) + normal * step * number)
        if frame.index < len(slots):
            frame.times["cardiac phase"] = (slots[frame.index],)
        if frame.index < len(windows):
            frame.kind += f"|energy window {windows[frame.index]:g}"


def _enhanced(header: Header, count: int, per_frame: list[Dataset],
              shared: Dataset | None) -> tuple[list[Frame], list[Report]]:
    reports = []
    if len(per_frame) < count and per_frame:
        reports.append(doctor.frames_short(len(per_frame), count))
    if not per_frame and shared is not None:
        from pydicom.dataset import Dataset

        per_frame = [Dataset() for _ in range(min(count, MAX_FRAMES))]
    base = classic(header)
    pointers = _pointers(header)
    with quietly():
        frames = [_frame(header, n, item, shared, base if count == 1 else _copy(base, n), pointers)
                  for n, item in enumerate(per_frame[:count])]
    return frames, reports


def _pointers(header: Header) -> list[int]:
    """Return the elements that the dimensions of a file index."""
    return [int(pointer[0]) if (pointer := _numbers(item, "DimensionIndexPointer")) else 0
            for item in header.items("DimensionIndexSequence")]


def _frame(header: Header, index: int, item: Dataset, shared: Dataset | None, base: Frame,
           pointers: list[int]) -> Frame:
    def macro(keyword: str) -> Any:
        for place in (item, shared):
            found = _first(place, keyword)
            if found is not None:
                return found
        return None

    measures = macro("PixelMeasuresSequence")
    transform = macro("PixelValueTransformationSequence")
    frame = Frame(header, index)
    frame.position = position_of(_numbers(macro("PlanePositionSequence"), "ImagePositionPatient")) or base.position
    frame.orientation = orientation_of(
        _numbers(macro("PlaneOrientationSequence"), "ImageOrientationPatient")) or base.orientation
    frame.spacing = spacing_of(_numbers(measures, "PixelSpacing")) or base.spacing
    frame.thickness = next(iter(_numbers(measures, "SliceThickness")), base.thickness)
    frame.slope, frame.intercept, frame.table, frame.rescaled = base.slope, base.intercept, base.table, base.rescaled
    slope = _numbers(transform, "RescaleSlope")
    if slope:
        frame.table, frame.slope, frame.rescaled = None, slope[0], True
        frame.intercept = (_numbers(transform, "RescaleIntercept") or (0.0,))[0]
    frame.unit = _text(transform, "RescaleType") or base.unit
    mapping = macro("RealWorldValueMappingSequence")
    if header.text("SOPClassUID") == PARAMETRIC and not slope and mapping is not None:
        frame.slope = (_numbers(mapping, "RealWorldValueSlope") or (1.0,))[0]
        frame.intercept = (_numbers(mapping, "RealWorldValueIntercept") or (0.0,))[0]
        frame.unit = _ucum(_text(_first(mapping, "MeasurementUnitsCodeSequence"), "CodeValue"))
    lut = macro("FrameVOILUTSequence")
    frame.windows = windows_in(_numbers(lut, "WindowCenter"), _numbers(lut, "WindowWidth"),
                               _text(lut, "WindowCenterWidthExplanation"), _text(lut, "VOILUTFunction")) or None
    frame.uid = base.uid
    content = macro("FrameContentSequence")
    frame.stack = _text(content, "StackID")
    frame.kind = next((_text(found, "FrameType") + "|" + _text(found, "ComplexImageComponent") for found in map(macro, (
        "MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence",
        "ParametricMapFrameTypeSequence")) if found is not None), base.kind)
    frame.times = {**base.times, **_times(macro, content), **_dimensions(content, pointers)}
    return frame


def _dimensions(content: Any, pointers: list[int]) -> dict[str, Vector]:
    """Return the indices of all dimensions that are not spatial: they may say what no element we know says."""
    values = _numbers(content, "DimensionIndexValues")
    if len(values) == len(pointers):
        values = tuple(v for v, pointer in zip(values, pointers, strict=True) if pointer not in SPATIAL)
    return {"dimension index": values} if values else {}


def _ucum(code: str) -> str:
    """Show a UCUM unit: no unit for 1 and for annotations like {ratio}."""
    return "" if code in ("1", "") or code.startswith("{") else code


def _times(macro: Any, content: Any) -> dict[str, Vector]:
    diffusion = macro("MRDiffusionSequence")
    gradient = _numbers(_first(diffusion, "DiffusionGradientDirectionSequence"), "DiffusionGradientOrientation")
    found = {
        "temporal position": _numbers(content, "TemporalPositionIndex"),
        "b-value": _numbers(diffusion, "DiffusionBValue") + gradient,
        "echo time": _numbers(macro("MREchoSequence"), "EffectiveEchoTime"),
        "trigger time": _numbers(macro("CardiacSynchronizationSequence"), "NominalCardiacTriggerDelayTime"),
        "acquisition": _numbers(content, "FrameAcquisitionNumber"),
        "acquisition time": _instant(_text(content, "FrameReferenceDateTime")
                                     or _text(content, "FrameAcquisitionDateTime")),
    }
    return {name: value for name, value in found.items() if value}


def _instant(text: str) -> Vector:
    digits = text.split("+")[0].split("-")[0]
    try:
        return (float(digits),) if digits else ()
    except ValueError:
        return ()


def _first(place: Any, keyword: str) -> Any:
    """First item of a sequence, or None."""
    if place is None:
        return None
    try:
        value = place.get(keyword)
        return value[0] if value else None
    except BAD_VALUE:
        return None


def _numbers(place: Any, keyword: str) -> Vector:
    if place is None:
        return ()
    try:
        value = place.get(keyword)
        if value is None or value == "":
            return ()
        values = [value] if isinstance(value, int | float | str) else list(value)
        numbers = tuple(float(v) for v in values)
    except BAD_VALUE:
        return ()
    return numbers if np.isfinite(numbers).all() else ()


def _text(place: Any, keyword: str) -> str:
    if place is None:
        return ""
    try:
        value = place.get(keyword)
    except BAD_VALUE:
        return ""
    if value is None:
        return ""
    return "\\".join(map(str, value)) if type(value).__name__ == "MultiValue" else str(value)
