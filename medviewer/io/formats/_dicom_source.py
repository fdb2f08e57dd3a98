"""The images that a written structure set or segmentation refers to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medviewer.core.errors import WriteError
from medviewer.io.formats._dicom_object import floats, item, items, text

if TYPE_CHECKING:
    from pydicom import Dataset

# patient and study, as a derived object repeats them
CONTEXT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "PatientSize", "PatientWeight",
           "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName",
           "StudyDescription")
REQUIRED = CONTEXT[:4] + CONTEXT[7:13]


@dataclass(frozen=True, eq=False)
class Frame:
    """One image plane: its instance, its frame number in an enhanced file, and where it lies."""

    uid: str
    number: int | None
    position: NDArray[np.float64]
    normal: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SourceImages:
    """Headers and planes of one image series."""

    header: Dataset
    headers: tuple[Dataset, ...]
    frames: tuple[Frame, ...]

    @property
    def sop_class(self) -> str:
        """SOP class of the images."""
        return text(self.header, "SOPClassUID")

    @property
    def frame_of_reference_uid(self) -> str:
        """Frame of reference of the images."""
        return text(self.header, "FrameOfReferenceUID")

    def nearest(self, lps: ArrayLike) -> Frame | None:
        """Return the image plane a position lies on, or nearest to within half a slice step."""
        if not self.frames:
            return None
        point = np.asarray(lps, float)
        away = np.array([abs(float((point - f.position) @ f.normal)) for f in self.frames])
        depths = np.unique(np.round([float(f.position @ self.frames[0].normal) for f in self.frames], 3))
        limit = float(np.diff(depths).max()) / 2 + 1e-3 if len(depths) > 1 else 1.0
        best = int(np.argmin(away))
        return self.frames[best] if away[best] <= limit else None


def source_images(files: Sequence[Path]) -> SourceImages:
    """Read the headers of the images that an object refers to.

    Raises
    ------
    WriteError
        If there is none, or one is not a DICOM image of the same series.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    headers = []
    for file in files:
        try:
            headers.append(pydicom.dcmread(file, stop_before_pixels=True, force=True))
        except (OSError, InvalidDicomError) as error:
            raise WriteError(f"the source image {Path(file).name} cannot be read", path=file) from error
    if not headers or not text(headers[0], "SOPInstanceUID"):
        raise WriteError("the source images have no identifiers to refer to",
                         hint="This format must refer to DICOM images; save as NIfTI or NRRD instead.")
    if len({text(h, "SeriesInstanceUID") for h in headers}) > 1:
        raise WriteError("the source images belong to several series")
    return SourceImages(headers[0], tuple(headers), tuple(f for h in headers for f in _frames(h)))


def _frames(header: Dataset) -> Iterator[Frame]:
    uid = text(header, "SOPInstanceUID")
    shared = item(header, "SharedFunctionalGroupsSequence")
    groups = items(header, "PerFrameFunctionalGroupsSequence")
    if not groups:
        frame = _frame(uid, None, header, header)
        if frame is not None:
            yield frame
    for number, group in enumerate(groups, start=1):
        position = item(group, "PlanePositionSequence") or item(shared, "PlanePositionSequence")
        orientation = item(group, "PlaneOrientationSequence") or item(shared, "PlaneOrientationSequence")
        frame = _frame(uid, number, position, orientation)
        if frame is not None:
            yield frame


def _frame(uid: str, number: int | None, position: Dataset, orientation: Dataset) -> Frame | None:
    place = floats(position, "ImagePositionPatient", 3)
    cosines = floats(orientation, "ImageOrientationPatient", 6)
    if place is None or cosines is None:
        return None
    normal = np.cross(cosines[:3], cosines[3:])
    length = float(np.linalg.norm(normal))
    return Frame(uid, number, np.array(place), normal / length) if length > 1e-6 else None


def copy_context(target: Dataset, source: Dataset) -> None:
    """Copy patient and study; elements the standard wants are empty if the source lacks them."""
    for name in CONTEXT:
        if name in source:
            target[name] = source[name]
        elif name in REQUIRED:
            setattr(target, name, "")
