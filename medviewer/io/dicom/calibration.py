"""How large a pixel is, from whichever element says so, and how far that can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field

from medviewer.core.study import Report
from medviewer.io.dicom import doctor
from medviewer.io.dicom.frames import Frame, spacing_of
from medviewer.io.dicom.headers import BAD_VALUE, Header

CENTIMETRES = 3  # Physical Units X/Y Direction (PS3.3 C.8.5.5.1.15)
PROJECTIONS = ("CR", "DX", "MG", "XA", "RF", "RG", "PX", "IO")
SQUARE_RTOL = 1e-3
MAX_MAGNIFICATION = 10.0  # between patient and detector


@dataclass(slots=True)
class PixelSize:
    """Distance between rows and between columns, mm (or 1 where unknown)."""

    spacing: tuple[float, float]
    calibrated: bool = True
    reports: list[Report] = field(default_factory=list)


def pixel_size(frame: Frame) -> PixelSize:
    """Return the pixel size of a frame.

    Pixel Spacing first; then, for pictures without it, the spacing at the detector or the scanned film; then the
    shape alone; else pixels. An ultrasound region has a scale of its own, which does not hold for the whole picture.
    """
    header = frame.header
    size = _given(frame, header)
    if size.calibrated and abs(size.spacing[0] - size.spacing[1]) > SQUARE_RTOL * max(size.spacing):
        size.reports.append(doctor.not_square(*size.spacing))
    return size


def _given(frame: Frame, header: Header) -> PixelSize:
    detector = spacing_of(header.numbers("ImagerPixelSpacing"))
    if frame.spacing is not None:
        uncorrected = detector is not None and detector == frame.spacing and frame.position is None \
            and header.text("Modality") in PROJECTIONS and not header.text("PixelSpacingCalibrationType")
        return PixelSize(frame.spacing, True, [doctor.detector_spacing(False)] if uncorrected else [])
    if detector is not None:
        factor = header.number("EstimatedRadiographicMagnificationFactor")
        if factor is None or not 0.5 < factor < MAX_MAGNIFICATION:
            return PixelSize(detector, True, [doctor.detector_spacing(False)])
        return PixelSize((detector[0] / factor, detector[1] / factor), True, [doctor.detector_spacing(True)])
    film = spacing_of(header.numbers("NominalScannedPixelSpacing"))
    if film is not None:
        return PixelSize(film)
    aspect = header.numbers("PixelAspectRatio")
    if len(aspect) == 2 and min(aspect) > 0 and aspect[0] != aspect[1]:
        short = min(aspect)
        return PixelSize((aspect[0] / short, aspect[1] / short), False,
                         [doctor.no_spacing(None), doctor.aspect_only(aspect[0], aspect[1])])
    return PixelSize((1.0, 1.0), False, [doctor.no_spacing(_ultrasound(header))])


def _ultrasound(header: Header) -> tuple[float, float] | None:
    """Return the spacing of the ultrasound regions that are in centimetres, if they all agree."""
    found = set()
    for region in header.items("SequenceOfUltrasoundRegions"):
        try:
            if int(region.PhysicalUnitsXDirection) == CENTIMETRES == int(region.PhysicalUnitsYDirection):
                found.add((abs(float(region.PhysicalDeltaY)) * 10, abs(float(region.PhysicalDeltaX)) * 10))
        except BAD_VALUE:
            continue
    return spacing_of(found.pop()) if len(found) == 1 else None
