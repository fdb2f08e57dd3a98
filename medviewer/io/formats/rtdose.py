"""DICOM RT Dose: a dose grid as a volume in Gy.

Frames lie at the offsets of Grid Frame Offset Vector from the first one, along the normal of the image plane
(PS3.3 C.8.8.3.2); offsets that begin with the position of the first frame are positions along the body.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medviewer.core.contours import ContourSet
from medviewer.core.errors import GeometryError, ReadError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.core.study import Report, ScanResult, Series
from medviewer.core.volume import Rescale, Volume, Window
from medviewer.io.base import Loaded, Loading
from medviewer.io.formats._dicom_object import floats, integer, series_of, text, value

if TYPE_CHECKING:
    from pydicom import Dataset

Floats = NDArray[np.float64]
EVEN_RTOL = 1e-3  # steps this equal are even
SAME_MM = 1e-2
MAX_PLANES = 10_000


class RtDose:
    """Reader of dose grids; the DICOM scan hands it its files through `describe`."""

    id, label, suffixes, requires = "rtdose", "DICOM RT Dose", (".dcm",), ("pydicom",)
    sop_classes = ("1.2.840.10008.5.1.4.1.1.481.2",)

    def sniff(self, path: Path, head: bytes) -> float:
        """Leave DICOM files to the DICOM reader."""
        return 0.0

    def scan(self, paths: Sequence[Path], *, job: Job) -> ScanResult:
        """Find nothing: the DICOM reader finds these files."""
        return ScanResult()

    def describe(self, path: Path, header: Dataset) -> Series:
        """Make the series of one file from its header."""
        geometry, _, reports = _grid(header)
        _, unit, more = _dose(header)
        kind = " ".join(filter(None, (text(header, "DoseType"), text(header, "DoseSummationType")))).lower()
        return series_of(path, header, self.id, "rtdose", modality=text(header, "Modality") or "RTDOSE",
                         description=text(header, "SeriesDescription") or f"{kind} dose".strip(), geometry=geometry,
                         frames=geometry.shape[0], unit=unit,
                         dtype=f"uint{integer(header, 'BitsAllocated', 32) or 32}", warnings=(*reports, *more))

    def open(self, series: Series, *, job: Job) -> Loading:
        """Read the dose grid; it is complete at once.

        Raises
        ------
        ReadError
            If it has no usable grid or pixels.
        """
        from medviewer.io.dicom.guards import read_header
        from medviewer.io.dicom.pixels import FrameReader

        path = series.files[0]
        header = read_header(path)
        reader = FrameReader(path, header)
        geometry, order, _ = _grid(header)
        if reader.layout.frames < len(order) or reader.layout.colour:
            raise ReadError(f"{path.name} does not hold the frames of a dose grid", path=path)
        stored = np.zeros(geometry.shape, reader.layout.dtype)
        for k, frame in enumerate(job.each(order.tolist(), "Reading dose")):
            reader.read(frame, stored[k])
        stored.setflags(write=False)
        scale, unit, _ = _dose(header)
        top = float(stored.max()) * scale
        loading = Loaded(Volume(
            stored, geometry, Rescale(np.array(scale), np.array(0.0)), unit, series.modality,
            (Window(top / 2, top, "Dose"),) if top > 0 else (), series_uid=series.series_uid,
            frame_of_reference_uid=series.frame_of_reference_uid))
        loading.warnings += reader.reports
        return loading

    def read_labels(self, series: Series, on: Geometry | None, *, job: Job) -> LabelMap:
        """Refuse: a dose grid is no segmentation."""
        raise ReadError(f"{series.title} is a dose grid, not a segmentation", path=series.files[0])

    def read_contours(self, series: Series, *, job: Job) -> ContourSet:
        """Refuse: a dose grid holds no contours here."""
        raise ReadError(f"{series.title} is a dose grid, not contours", path=series.files[0])


READER = RtDose()


def _dose(header: Dataset) -> tuple[float, str, list[Report]]:
    """Factor from stored values, and the unit."""
    reports = []
    found = floats(header, "DoseGridScaling", 1)
    if found is None or found[0] <= 0:
        reports.append(Report("no-dose-scaling", "the dose grid does not say how values become dose",
                              "stored numbers are shown without a unit"))
    units = text(header, "DoseUnits").upper()
    if units == "RELATIVE":
        reports.append(Report("relative-dose", "the dose is relative, not in Gy", "shown without a unit", "info"))
    scale = found[0] if found is not None and found[0] > 0 else 0.0
    return scale or 1.0, "Gy" if scale and units in ("GY", "") else "", reports


def _grid(header: Dataset) -> tuple[Geometry, NDArray[np.intp], list[Report]]:
    """Grid of the dose, the stored frame of each of its slices, and oddities.

    Raises
    ------
    ReadError
        If position, orientation or size are missing.
    """
    size = [integer(header, name) for name in ("Rows", "Columns")]
    position, cosines = floats(header, "ImagePositionPatient", 3), floats(header, "ImageOrientationPatient", 6)
    spacing = floats(header, "PixelSpacing", 2)
    if position is None or cosines is None or spacing is None or None in size:
        raise ReadError("the dose grid does not say where it lies", path=getattr(header, "filename", None))
    right, down = np.array(cosines[:3]), np.array(cosines[3:])
    normal = np.cross(right, down)
    depth, reports = _depths(header, np.array(position), normal)
    order = np.argsort(depth, kind="stable")
    depth = depth[order]
    gaps = np.diff(depth)
    if (gaps < SAME_MM).any():
        raise ReadError("frames of the dose grid lie on each other", path=getattr(header, "filename", None))
    step = float(np.median(gaps)) if len(gaps) else float((floats(header, "SliceThickness", 1) or (0.0,))[0]) or 1.0
    even = not len(gaps) or bool(np.abs(gaps - step).max() <= EVEN_RTOL * step)
    if even and len(gaps):
        step = float(gaps.mean())
    if not even:
        reports.append(Report("uneven-slices", f"dose planes are {gaps.min():.2f} to {gaps.max():.2f} mm apart",
                              "each is placed where it was calculated"))
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = normal * step, down * spacing[0], right * spacing[1]
    affine[:3, 3] = np.array(position) + normal * depth[0]
    try:
        geometry = Geometry((len(depth), size[0] or 0, size[1] or 0), affine,
                            None if even else (depth - depth[0]) / step)
    except GeometryError as error:
        raise ReadError(error.message, path=getattr(header, "filename", None)) from error
    return geometry, order, reports


def _depths(header: Dataset, position: Floats, normal: Floats) -> tuple[Floats, list[Report]]:
    """Way of each frame from the image position along the normal, mm."""
    count = max(integer(header, "NumberOfFrames", 1) or 1, 1)
    found = value(header, "GridFrameOffsetVector")
    listed = [found] if isinstance(found, int | float | str) else list(found or ())
    try:
        offsets = np.array(listed, float)
    except (TypeError, ValueError):
        offsets = np.zeros(0)
    if len(offsets) == count and np.isfinite(offsets).all():
        if offsets[0] != 0 and abs(offsets[0] - position[2]) < SAME_MM:
            return np.asarray((offsets - offsets[0]) * np.copysign(1.0, normal[2]), float), []  # along the body
        return np.asarray(offsets - offsets[0], float), []
    if count == 1:
        return np.zeros(1), []
    step = (floats(header, "SliceThickness", 1) or (0.0,))[0]
    if step <= 0 or count > MAX_PLANES:
        raise ReadError("the dose grid does not say how far apart its planes are",
                        path=getattr(header, "filename", None))
    return np.arange(count, dtype=float) * step, [Report(
        "no-frame-offsets", "the dose grid does not list the positions of its planes",
        f"they are placed {step:g} mm apart by the slice thickness, which may be wrong")]
