"""Writing RT Structure Sets that refer to the images they were drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medviewer.core.contours import Contour, ContourSegment, ContourSet
from medviewer.core.errors import WriteError
from medviewer.core.files import atomic_path
from medviewer.core.job import Job
from medviewer.io.formats._dicom_source import SourceImages, copy_context, source_images

if TYPE_CHECKING:
    from pydicom import Dataset

SOP_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"  # retired, but what RT Referenced Study Sequence asks for
INTERPRETED_TYPES = {
    "EXTERNAL", "PTV", "CTV", "GTV", "TREATED_VOLUME", "IRRAD_VOLUME", "BOLUS", "AVOIDANCE", "ORGAN", "MARKER",
    "REGISTRATION", "ISOCENTER", "CONTRAST_AGENT", "CAVITY", "BRACHY_CHANNEL", "BRACHY_ACCESSORY",
    "BRACHY_SRC_APP", "BRACHY_CHNL_SHLD", "SUPPORT", "FIXATION", "DOSE_REGION", "CONTROL", "DOSE_MEASUREMENT"}


def write_rtstruct(contours: ContourSet, path: Path | str, *, source_files: Sequence[Path], label: str = "",
                   algorithm: str = "", job: Job | None = None) -> None:
    """Write contours as an RT Structure Set, whole or not at all.

    Parameters
    ----------
    contours : ContourSet
    source_files : sequence of Path
        The DICOM images the contours belong to; study, patient and references are taken from them.
    label : str
        Structure Set Label (16 characters are kept).
    algorithm : str
        Name of the program that made the contours; empty for contours drawn by hand.

    Raises
    ------
    WriteError
        If the source images are not DICOM images of one series, or the file cannot be written.
    """
    from pydicom import Dataset
    from pydicom.uid import ImplicitVRLittleEndian, generate_uid

    path = Path(path)
    _check(contours)
    source = source_images(source_files)
    now = datetime.now()
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    copy_context(dataset, source.header)
    dataset.SOPClassUID, dataset.SOPInstanceUID = SOP_CLASS, generate_uid(None)
    dataset.SeriesInstanceUID, dataset.SeriesNumber, dataset.Modality = generate_uid(None), 1, "RTSTRUCT"
    dataset.Manufacturer, dataset.ManufacturerModelName = "medviewer", "medviewer"
    dataset.OperatorsName = ""
    dataset.SeriesDescription = _clean(label or contours.name or "Structure set")
    dataset.StructureSetLabel = _clean(label or contours.name or "medviewer", 16)
    dataset.StructureSetDescription = "Research use only, not for diagnosis"
    dataset.InstanceCreationDate = dataset.StructureSetDate = now.strftime("%Y%m%d")
    dataset.InstanceCreationTime = dataset.StructureSetTime = now.strftime("%H%M%S")
    dataset.ReferencedFrameOfReferenceSequence = [_references(source, contours)]
    numbers = _numbers(contours.segments)
    frame = contours.frame_of_reference_uid or source.frame_of_reference_uid
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = frame, ""
    dataset.StructureSetROISequence = [_roi(s, n, frame, algorithm)
                                       for s, n in zip(contours.segments, numbers, strict=True)]
    pairs = list(zip(contours.segments, numbers, strict=True))
    dataset.ROIContourSequence = [_roi_contours(s, n, source)
                                  for s, n in (job or Job()).each(pairs, "Writing contours")]
    dataset.RTROIObservationsSequence = [_observation(s, n) for s, n in pairs]
    dataset.ApprovalStatus = "UNAPPROVED"
    # explicit VR holds no contour of more than 64 kB of text
    with atomic_path(path) as temporary:
        dataset.file_meta = _file_meta(dataset, ImplicitVRLittleEndian)
        dataset.save_as(temporary, enforce_file_format=True)


def _file_meta(dataset: Dataset, syntax: str) -> Dataset:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(syntax)
    return meta


def _clean(value: str, length: int = 64) -> str:
    """Text that one value of an element can hold: no separators, no control characters."""
    return "".join("/" if c == "\\" else c for c in value if c.isprintable())[:length].strip()


def _numbers(segments: Sequence[ContourSegment]) -> list[int]:
    given = [s.number for s in segments]
    valid = len(set(given)) == len(given) and all(0 <= n < 2**31 for n in given)
    return given if valid else list(range(1, len(given) + 1))


def _references(source: SourceImages, contours: ContourSet) -> Dataset:
    from pydicom import Dataset

    series = Dataset()
    series.SeriesInstanceUID = source.header.SeriesInstanceUID
    series.ContourImageSequence = [_image(source, uid) for uid in dict.fromkeys(f.uid for f in source.frames)]
    study = Dataset()
    study.ReferencedSOPClassUID = STUDY_CLASS
    study.ReferencedSOPInstanceUID = source.header.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = contours.frame_of_reference_uid or source.frame_of_reference_uid
    frame.RTReferencedStudySequence = [study]
    return frame


def _image(source: SourceImages, uid: str, frame: int | None = None) -> Dataset:
    from pydicom import Dataset

    image = Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = source.sop_class, uid
    if frame is not None:
        image.ReferencedFrameNumber = frame
    return image


def _roi(segment: ContourSegment, number: int, frame: str, algorithm: str) -> Dataset:
    from pydicom import Dataset

    roi = Dataset()
    roi.ROINumber, roi.ReferencedFrameOfReferenceUID = number, frame
    roi.ROIName = _clean(segment.name) or f"ROI {number}"
    roi.ROIGenerationAlgorithm = "AUTOMATIC" if algorithm else "MANUAL"
    if algorithm:
        roi.ROIGenerationDescription = _clean(algorithm)
    return roi


def _roi_contours(segment: ContourSegment, number: int, source: SourceImages) -> Dataset:
    from pydicom import Dataset

    roi = Dataset()
    roi.ROIDisplayColor = list(segment.colour)
    roi.ReferencedROINumber = number
    entries = [_contour(c, n, source) for n, c in enumerate(segment.contours, start=1) if len(c.points_lps)]
    if entries:  # the sequence may be missing, but not empty
        roi.ContourSequence = entries
    return roi


def _contour(contour: Contour, number: int, source: SourceImages) -> Dataset:
    from pydicom import Dataset
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    entry = Dataset()
    frame = source.nearest(contour.points_lps.mean(axis=0))
    if frame is not None:
        entry.ContourImageSequence = [_image(source, frame.uid, frame.number)]
    entry.ContourNumber = number
    entry.ContourGeometricType = contour.type
    entry.NumberOfContourPoints = len(contour.points_lps)
    values = "\\".join([f"{v:.10g}" for v in (np.round(contour.points_lps, 9) + 0.0).ravel().tolist()]).encode("ascii")
    values += b" " * (len(values) % 2)
    tag = Tag(0x30060050)
    # as raw text: a Python object per number makes large files slow
    entry[tag] = RawDataElement(tag, "DS", len(values), values, 0, True, True)
    return entry


def _observation(segment: ContourSegment, number: int) -> Dataset:
    from pydicom import Dataset

    entry = Dataset()
    entry.ObservationNumber = entry.ReferencedROINumber = number
    entry.ROIObservationLabel = _clean(segment.name, 16)
    entry.RTROIInterpretedType = segment.type if segment.type in INTERPRETED_TYPES else ""
    entry.ROIInterpreter = ""
    return entry


def _check(contours: ContourSet) -> None:
    for segment in contours.segments:
        if not all(np.isfinite(c.points_lps).all() for c in segment.contours):
            raise WriteError(f"{segment.name} has positions that are not numbers")
