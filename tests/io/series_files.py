"""Writes small DICOM series whose first pixel names the slice, so that every voxel's true place is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
ROWS, COLUMNS = 6, 8
SPACING = (0.7, 0.9)  # between rows, between columns
START = (-20.0, 30.0, 40.0)


def oblique(seed: int = 3) -> tuple[float, ...]:
    """Return a random orientation (two rows of a rotation matrix)."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return tuple(float(v) for v in (*q[0], *q[1]))


def normal(orientation: Sequence[float]) -> NDArray[np.float64]:
    """Return row direction x column direction."""
    return np.cross(orientation[:3], orientation[3:])


@dataclass
class Truth:
    """Where a written picture lies: its number is the value of its first pixel."""

    number: int
    position: NDArray[np.float64]
    orientation: tuple[float, ...]
    spacing: tuple[float, float]

    def place(self, j: int, i: int) -> NDArray[np.float64]:
        """Position of pixel (row j, column i), by the equation of PS3.3 C.7.6.2.1.1."""
        row, column = np.asarray(self.orientation[:3]), np.asarray(self.orientation[3:])
        return self.position + row * self.spacing[1] * i + column * self.spacing[0] * j


class Writer:
    """Writes files of one series and remembers the truth."""

    def __init__(self, folder: Path, **common: Any) -> None:
        self.folder, self.common = folder, common
        self.series = generate_uid()
        self.study, self.frame_of_reference = generate_uid(), generate_uid()
        self.truth: dict[int, Truth] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, position: Sequence[float] | None, orientation: tuple[float, ...] = AXIAL, *, name: str = "",
            size: tuple[int, int] = (ROWS, COLUMNS), spacing: tuple[float, float] | None = SPACING,
            **tags: Any) -> Dataset:
        """Write one file; returns what was written."""
        number = len(self.truth) + 1
        ds = picture(number, size)
        ds.SeriesInstanceUID, ds.StudyInstanceUID = self.series, self.study
        ds.FrameOfReferenceUID = self.frame_of_reference
        if position is not None:
            ds.ImagePositionPatient = [f"{v:.9g}" for v in position]
            ds.ImageOrientationPatient = [f"{v:.12g}"[:16] for v in orientation]
        if spacing is not None:
            ds.PixelSpacing = list(spacing)
        ds.InstanceNumber = number
        for key, value in {**self.common, **tags}.items():
            if value is None:
                if key in ds:
                    delattr(ds, key)
            else:
                setattr(ds, key, value)
        if position is not None:
            self.truth[number] = Truth(number, np.asarray(position, float), orientation, spacing or (1.0, 1.0))
        else:
            self.truth[number] = Truth(number, np.zeros(3), orientation, spacing or (1.0, 1.0))
        # names that sort neither by place nor by number
        ds.save_as(self.folder / (name or f"{(number * 37) % 101:03d}-{number}.dcm"), enforce_file_format=True)
        return ds

    def stack(self, distances: Iterable[float], orientation: tuple[float, ...] = AXIAL,
              start: Sequence[float] = START, shear: Sequence[float] = (0.0, 0.0, 0.0), **tags: Any) -> None:
        """Write slices at these distances along the normal; `shear` moves them sideways per mm."""
        for distance in distances:
            self.add(np.asarray(start) + (normal(orientation) + np.asarray(shear)) * distance, orientation, **tags)


def picture(number: int, size: tuple[int, int] = (ROWS, COLUMNS)) -> Dataset:
    """Make a CT picture whose pixels are number, number + 1000, ... (asymmetric)."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.Modality, ds.PatientID, ds.PatientName = "CT", "P1", "Test^Phantom"
    ds.Rows, ds.Columns = size
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 1
    ds.RescaleSlope, ds.RescaleIntercept = 1, 0
    ds.PixelData = pixels(number, size).tobytes()
    return ds


def pixels(number: int, size: tuple[int, int] = (ROWS, COLUMNS)) -> NDArray[np.int16]:
    """Values of picture `number`: the first pixel is the number itself."""
    return (number + np.arange(size[0] * size[1]) * 100).reshape(size).astype("<i2")


def read_back(path: Path) -> Dataset:
    """Read a file with pydicom."""
    return pydicom.dcmread(path)
