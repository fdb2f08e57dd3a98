"""Writing NIfTI: the same bytes for the same input, whole or not at all.

The stored integers are kept, with slope and intercept in the header. Positions go into the sform and, where the
axes are at right angles, into the qform, both with code 1 (scanner).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from medviewer.core.errors import WriteError
from medviewer.core.files import atomic_path, atomic_write
from medviewer.core.geometry import Geometry, lps_to_ras
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.core.study import Series
from medviewer.core.volume import Volume
from medviewer.io.formats._labels import sidecar_path, to_caret, to_json
from medviewer.io.formats._prepare import Grid, image_grid, label_grid

MAX_DIM_1 = 32767  # NIfTI-1 sizes are 16-bit
GZIP_LEVEL = 4  # half the time of 6 and nearly its size
COMMENT, CARET = 6, 30  # registered extension codes
LABEL_INTENT = 1002
FLOAT32_STEP = 1e-6  # relative error of a scaling in a NIfTI-1 header that is still exact enough


class NiftiWriter:
    """Writes .nii and .nii.gz."""

    id, label, suffixes, requires = "nifti", "NIfTI", (".nii", ".nii.gz"), ("nibabel",)

    def write(self, volume: Volume, path: Path, *, job: Job) -> None:
        """Write a volume; unit and modality are noted in a comment.

        Raises
        ------
        WriteError
            If the file cannot be written.
        """
        grid = image_grid(volume, job)
        facts = {"medviewer_volume": 1, "modality": volume.modality, "unit": volume.unit}
        note = [(COMMENT, json.dumps(facts).encode())] if volume.unit or volume.modality else []
        _write(grid, Path(path), note, colour=volume.colour, frame_time_ms=volume.frame_time_ms, intent=0, job=job)

    def write_labels(self, labels: LabelMap, path: Path, *, on: Series | None, job: Job) -> None:
        """Write labels with names and colours, in the header and in ``<name>.labels.json`` beside the file."""
        path = Path(path)
        grid, segments = label_grid(labels)
        text = to_json(segments)
        notes = [(COMMENT, text.encode()), (CARET, to_caret(segments).encode())] if segments else []
        _write(grid, path, notes, colour=False, frame_time_ms=0.0, intent=LABEL_INTENT, job=job)
        if segments:
            with atomic_write(sidecar_path(path), "w", encoding="utf-8", newline="\n") as file:
                file.write(text + "\n")
        else:
            sidecar_path(path).unlink(missing_ok=True)  # of an older file with this name


def _write(grid: Grid, path: Path, notes: list[tuple[int, bytes]], *, colour: bool, frame_time_ms: float,
           intent: int, job: Job) -> None:
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise WriteError(f"{path.name} must end in .nii or .nii.gz", path=path)
    array = _writable(grid.array)
    spatial = array.shape[:-1] if colour else array.shape
    extensions = b"".join(_extension(code, content) for code, content in notes)
    head = _header(grid, array.dtype, spatial, len(extensions), colour, frame_time_ms, intent)
    slices = array.reshape(-1, *array.shape[array.ndim - (3 if colour else 2):])
    with atomic_path(path) as temporary, _opened(temporary) as file:
        file.write(head + (b"\1\0\0\0" if notes else b"\0\0\0\0") + extensions)
        for part in job.each(slices, "Writing NIfTI"):
            file.write(np.ascontiguousarray(part).data)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open for writing; gzip without time and name, so that equal input gives equal bytes."""
    with open(path, "wb") as raw:
        if path.name.lower().endswith(".gz"):
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=GZIP_LEVEL, mtime=0) as packed:
                yield packed  # type: ignore[misc]
        else:
            yield raw


def _writable(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the array in a type that NIfTI has, little endian when written."""
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype == np.float16:
        return array.astype(np.float32)
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _header(grid: Grid, dtype: np.dtype[Any], shape: tuple[int, ...], extra: int, colour: bool,
            frame_time_ms: float, intent: int) -> bytes:
    """Return the header's bytes; nibabel knows its layout and the quaternion."""
    import nibabel as nib

    big = max(shape) > MAX_DIM_1 or (np.float32(grid.slope) != grid.slope
                                     and abs(np.float32(grid.slope) / grid.slope - 1) > FLOAT32_STEP)
    header = (nib.Nifti2Header if big else nib.Nifti1Header)(endianness="<")
    header.set_data_dtype(np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]) if colour else dtype)
    header.set_data_shape(shape[::-1])
    affine = ras_affine(grid.geometry)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    header.set_zooms((*spacing, frame_time_ms / 1000.0)[: len(shape)])
    header.set_xyzt_units("mm", "sec")
    header.set_qform(affine, 0 if grid.geometry.is_sheared else 1, strip_shears=True)
    header.set_sform(affine, 1)
    header["scl_slope"], header["scl_inter"] = (1.0, 0.0) if colour else (grid.slope, grid.intercept)
    header["intent_code"] = intent
    header["descrip"] = b"medviewer"
    header["magic"] = b"n+2" if big else b"n+1"
    header["vox_offset"] = (540 if big else 348) + 4 + extra
    return bytes(header.binaryblock)


def ras_affine(geometry: Geometry) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the affine of file axes (i, j, k) to RAS mm."""
    return np.asarray(lps_to_ras(geometry.affine)[:, [2, 1, 0, 3]])


def _extension(code: int, content: bytes) -> bytes:
    size = -(-(len(content) + 8) // 16) * 16  # a multiple of 16, the standard asks
    return size.to_bytes(4, "little") + code.to_bytes(4, "little") + content.ljust(size - 8, b"\0")
