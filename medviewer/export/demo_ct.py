"""The images of the demo study: a synthetic chest as a series of CT Image Storage instances.

Everything in the files follows from the seed: identifiers, fixed dates, voxels. The same seed gives the same bytes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medviewer.core.job import Job
from medviewer.ops.phantom import ThoraxPhantom

if TYPE_CHECKING:
    from pydicom import Dataset

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
INTERCEPT = -1024
STUDY_DATE, STUDY_TIME = "20240102", "093000"  # fictional, and fixed so that the files are the same every time
PATIENT_NAME = "Demo^Thorax"


def demo_uid(*parts: object) -> str:
    """Make a UID under 2.25 from words, the same for the same words (DICOM PS3.5 B.2 asks for a UUID-like number)."""
    text = "/".join(["medviewer demo", *(str(p) for p in parts)])
    number = bytearray(hashlib.sha256(text.encode()).digest()[:16])
    number[6] = number[6] & 0x0F | 0x50  # a name-based UUID (RFC 4122)
    number[8] = number[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(bytes(number), 'big')}"


def identity(phantom: ThoraxPhantom) -> tuple[object, ...]:
    """Return what the identifiers of a phantom's study are made of: seed and grid."""
    return phantom.seed, *phantom.geometry.shape, *(round(s, 6) for s in phantom.geometry.spacing_mm)


def write_ct(phantom: ThoraxPhantom, folder: Path, job: Job) -> list[Path]:
    """Write the slices from the head to the feet as IM0001.dcm, IM0002.dcm ...; returns the files in that order."""
    folder.mkdir(parents=True)
    count = phantom.geometry.shape[0]
    files = []
    for n in job.each(range(count), "Writing images"):
        k = count - 1 - n
        path = folder / f"IM{n + 1:04d}.dcm"
        _slice(phantom, k, n + 1).save_as(path, enforce_file_format=True)
        files.append(path)
    return files


def _slice(phantom: ThoraxPhantom, k: int, number: int) -> Dataset:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID

    names = identity(phantom)
    dataset = Dataset()
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID = UID(CT_IMAGE_STORAGE)
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = UID(demo_uid(*names, "image", number))
    meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE_ENDIAN)
    meta.ImplementationClassUID = UID(demo_uid("implementation"))
    dataset.file_meta = meta
    _patient_and_study(dataset, phantom)
    _acquisition(dataset, phantom)
    dataset.SeriesInstanceUID = demo_uid(*names, "series")
    dataset.FrameOfReferenceUID = demo_uid(*names, "frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.InstanceNumber = number
    _plane(dataset, phantom, k)
    _pixels(dataset, phantom.hu[k])
    return dataset


def _patient_and_study(dataset: Dataset, phantom: ThoraxPhantom) -> None:
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    for name in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{name}Date", STUDY_DATE)
        setattr(dataset, f"{name}Time", STUDY_TIME)
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "Synthetic thorax, not a patient"
    dataset.PatientName = PATIENT_NAME
    dataset.PatientID = f"DEMO-{phantom.seed}"
    dataset.PatientBirthDate = "19600101"
    dataset.PatientSex = "O"
    dataset.PatientAge = "064Y"
    dataset.StudyInstanceUID = demo_uid(*identity(phantom), "study")
    dataset.StudyID = "1"


def _acquisition(dataset: Dataset, phantom: ThoraxPhantom) -> None:
    dataset.Modality = "CT"
    dataset.Manufacturer = "medviewer"
    dataset.ManufacturerModelName = "Synthetic thorax"
    dataset.SeriesDescription = "Chest, synthetic"
    dataset.SeriesNumber = 2
    dataset.AcquisitionNumber = 1
    dataset.BodyPartExamined = "CHEST"
    dataset.ScanOptions = "HELICAL MODE"
    dataset.KVP = "120"
    dataset.ReconstructionDiameter = _text(phantom.geometry.spacing_mm[2] * phantom.geometry.shape[2])
    dataset.ConvolutionKernel = "STANDARD"
    dataset.PatientPosition = "HFS"


def _plane(dataset: Dataset, phantom: ThoraxPhantom, k: int) -> None:
    dk, dj, di = phantom.geometry.spacing_mm
    position = phantom.geometry.to_lps((k, 0, 0))
    dataset.ImagePositionPatient = [_text(v) for v in position]
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    dataset.PixelSpacing = [_text(dj), _text(di)]
    dataset.SliceThickness = _text(dk)
    dataset.SliceLocation = _text(float(position[2]))


def _text(value: float) -> str:
    """Write a number as a decimal string of micrometre precision, which 16 characters hold."""
    return f"{value:.6f}".rstrip("0").rstrip(".") or "0"


def _pixels(dataset: Dataset, hu: NDArray[np.int16]) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = hu.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = str(INTERCEPT), "1", "HU"
    dataset.WindowCenter, dataset.WindowWidth = ["-600", "50", "350"], ["1500", "350", "2000"]
    dataset.WindowCenterWidthExplanation = ["LUNG", "MEDIASTINUM", "BONE"]
    stored = (hu.astype(np.int32) - INTERCEPT).astype("<u2")
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"
