"""Small DICOM series and objects for tests, and the referees that look at what was written."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from medviewer.core.geometry import Geometry


def ct_series(folder: Path, geometry: Geometry, seed: int = 0, **elements: object) -> list[Path]:
    """Write a CT series on a grid; file names run against the slices."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    uids = {name: generate_uid(None) for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")}
    axes, files = geometry.directions, []
    for k in range(geometry.shape[0]):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid(None)
        ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        for name, uid in uids.items():
            setattr(ds, name, uid)
        ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Test^One", "T1", "", "O"
        ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20200102", "101112", "1", ""
        ds.ReferringPhysicianName, ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "", "CT", 3, k + 1
        ds.PositionReferenceIndicator, ds.Manufacturer, ds.ImageType = "", "x", ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.ImagePositionPatient = [f"{v:.9g}" for v in geometry.to_lps((k, 0, 0))]
        ds.ImageOrientationPatient = [f"{v:.12g}" for v in (*axes[:, 2], *axes[:, 1])]
        ds.PixelSpacing = [f"{v:.9g}" for v in geometry.spacing_mm[1:]]
        ds.SliceThickness = f"{geometry.spacing_mm[0]:.9g}"
        ds.Rows, ds.Columns = geometry.shape[1:]
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 1
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit = 15
        ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
        for name, value in elements.items():
            setattr(ds, name, value)
        ds.PixelData = rng.integers(0, 2000, geometry.shape[1:]).astype("<i2").tobytes()
        files.append(folder / f"{geometry.shape[0] - k:03}.dcm")
        ds.save_as(files[-1], enforce_file_format=True)
    return files


def referee(path: Path) -> list[str]:
    """Errors that dciodvfy finds in a file; the test is skipped where the program is missing."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("needs dciodvfy (dicom3tools)")
    done = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, timeout=60, check=False)
    return [line for line in (done.stderr + done.stdout).splitlines() if line.startswith("Error")]


def dump(path: Path) -> pydicom.Dataset:
    """Read a file with pydicom alone."""
    return pydicom.dcmread(path)
