"""What a NIfTI or Analyze header says, checked before anything is believed.

The affine is the one nibabel and most programs use: the sform if its code is set, else the qform, else a
centred grid with the x axis to the patient's left. Whatever is odd becomes a report.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import GeometryError, ReadError
from medviewer.core.geometry import Geometry, lps_to_ras
from medviewer.core.study import Report
from medviewer.io.formats._plain import PlainHeader
from medviewer.io.formats._source import Coding, Source, head_of
from medviewer.io.formats._stream import RawVoxels, Samples

MAX_HEADER = 16 << 20  # bytes before the voxels, extensions included
UNIT_MM = {1: 1000.0, 3: 0.001}  # xyzt_units: metre, micron
UNIT_MS = {8: 1000.0, 16: 1.0, 24: 0.001}  # second, millisecond, microsecond
MAX_SPACING_MM = 100.0  # larger voxels mean that the unit is written wrongly
FORMS_DIFFER_MM = 0.05  # corners of the sform and the qform further apart than this are reported
MAX_SCALE = 1e30  # beyond it float32 values overflow
RGB24, RGBA32 = 128, 2304
REFUSED = {1: "single bits", 1536: "128-bit floats", 2048: "256-bit complex numbers"}
LABEL_INTENT = 1002
CIFTI_INTENTS = range(3000, 3100)


@dataclass(eq=False)
class Header(PlainHeader):
    """A checked NIfTI header with its extensions as (code, content)."""

    extensions: list[tuple[int, bytes]] = field(default_factory=list)


def is_header(head: bytes) -> bool:
    """Whether these bytes begin a NIfTI-1, NIfTI-2 or Analyze 7.5 header, in either byte order."""
    return _version(head) is not None


def _version(head: bytes) -> tuple[str, str] | None:
    """Return (kind, byte order): ``1``, ``2`` or ``analyze``."""
    for order, name in (("<", "little"), (">", "big")):
        size = int.from_bytes(head[:4], name)  # type: ignore[arg-type]
        if size == 540 and len(head) >= 540 and head[4:7] in (b"n+2", b"ni2"):
            return "2", order
        if size == 348 and len(head) >= 348:
            return ("1" if head[344:347] in (b"n+1", b"ni1") else "analyze"), order
    return None


def read_header(path: Path, image: Path) -> Header:
    """Read and check a header.

    Parameters
    ----------
    path, image : Path
        File with the header, and file with the voxels (the same for single files).

    Raises
    ------
    ReadError
        If no volume can be made of it.
    """
    head, coding = head_of(path, 1024)
    version = _version(head)
    if version is None:
        raise ReadError(f"{path.name} has no NIfTI or Analyze header, or is cut short inside it", path=path)
    kind, order = version
    raw = _parse(head, kind, order)
    reports: list[Report] = []
    shape = _shape(raw, path)
    if int(raw.get("intent_code", 0)) in CIFTI_INTENTS or shape[:4] == (1, 1, 1, 1) and len(shape) > 4:
        raise ReadError(f"{path.name} is a CIFTI file (surface data), not a volume", path=path)
    single = path == image
    offset = _offset(raw, single, kind, path)
    header = Header(_voxels(raw, shape, image, offset, coding if single else None, order, reports),
                    Geometry.from_spacing((1, 1, 1)), reports=reports)
    with np.errstate(invalid="ignore", over="ignore"):  # damaged numbers are judged below
        header.geometry = _geometry(raw, kind, header.voxels.grid[1:], header)
        header.slope, header.intercept = _scaling(raw, kind, reports)
    header.says_labels = int(raw.get("intent_code", 0)) == LABEL_INTENT
    units = int(raw.get("xyzt_units", 0))
    step = float(raw["pixdim"][4])
    if len(shape) > 3 and shape[3] > 1 and np.isfinite(step) and step > 0:
        header.frame_time_ms = step * UNIT_MS.get(units & 0x38, 0.0)
    if kind != "analyze" and single:
        header.extensions = _extensions(path, coding, 540 if kind == "2" else 348, offset, order)
    return header


def _parse(head: bytes, kind: str, order: str) -> dict[str, Any]:
    """Return the fields of the header; nibabel knows where they are."""
    from nibabel import nifti1, nifti2, spm99analyze

    dtype = {"1": nifti1.header_dtype, "2": nifti2.header_dtype, "analyze": spm99analyze.header_dtype}[kind]
    record = np.frombuffer(head[: dtype.itemsize], dtype.newbyteorder(order))[0]
    return {name: record[name] for name in dtype.names}


def _shape(raw: dict[str, Any], path: Path) -> tuple[int, ...]:
    count = int(raw["dim"][0])
    if not 1 <= count <= 7:
        raise ReadError(f"{path.name} says that it has {count} dimensions; NIfTI knows 1 to 7", path=path)
    shape = tuple(int(n) for n in raw["dim"][1 : count + 1])
    # writers leave zeros in the sizes that they do not use
    while len(shape) > 3 and shape[-1] in (0, 1):
        shape = shape[:-1]
    if min(shape) < 1:
        raise ReadError(f"{path.name} has an impossible size: {' x '.join(map(str, shape))}", path=path)
    return shape


def _offset(raw: dict[str, Any], single: bool, kind: str, path: Path) -> int:
    value = float(raw["vox_offset"])
    if not np.isfinite(value) or not 0 <= value <= MAX_HEADER or value != int(value):
        raise ReadError(f"{path.name} says that its voxels begin at byte {value:g}, which is not possible", path=path)
    first = (544 if kind == "2" else 352) if single else 0
    if single and 0 < value < first - 4:
        raise ReadError(f"{path.name} says that its voxels begin inside the header (byte {value:g})", path=path)
    return int(value) or first


def _voxels(raw: dict[str, Any], shape: tuple[int, ...], image: Path, offset: int, coding: Coding | None,
            order: str, reports: list[Report]) -> RawVoxels:
    code = int(raw["datatype"])
    dtype, samples, last = _dtype(code, order, image, reports)
    i, j, k, t, *more = (*shape, 1, 1, 1)[: max(len(shape), 4)]
    extra = int(np.prod(more, dtype=object)) if more else 1
    if extra > 1:
        text = " x ".join(map(str, shape))
        reports.append(Report("first-component", f"The file has {len(shape)} dimensions ({text}): {extra} components",
                              "Only the first component is shown."))
    if coding is None:
        coding = head_of(image, 16)[1]
    return RawVoxels(image, coding, dtype, (t, k, j, i), skip=offset, samples=samples, last=last, time_axis=t > 1)


def _dtype(code: int, order: str, image: Path, reports: list[Report]) -> tuple[np.dtype[Any], int, Samples]:
    from nibabel import nifti1

    if code in (RGB24, RGBA32):
        if code == RGBA32:
            reports.append(Report("alpha-dropped", "The file has a transparency channel", "It is not used.", "info"))
        return np.dtype(np.uint8), 3 if code == RGB24 else 4, "colour"
    if code in REFUSED:
        raise ReadError(f"{image.name} stores {REFUSED[code]}, which are not supported", path=image)
    try:
        dtype = np.dtype(nifti1.data_type_codes.dtype[code]).newbyteorder(order)
    except KeyError:
        dtype = np.dtype("V")
    if dtype.kind not in "iufc":
        raise ReadError(f"{image.name} has the unknown data type {code}", path=image)
    if dtype.kind == "c":
        reports.append(Report("complex", "The voxels are complex numbers", "Their magnitude is shown."))
        return dtype, 1, "first"
    return dtype, 1, ""


def _scaling(raw: dict[str, Any], kind: str, reports: list[Report]) -> tuple[float, float]:
    if kind == "analyze":
        slope, intercept = float(raw["scl_slope"]), 0.0  # SPM's use of the first free field
    else:
        slope, intercept = float(raw["scl_slope"]), float(raw["scl_inter"])
    if slope == 0 or np.isnan(slope):
        return 1.0, 0.0
    if not max(abs(slope), abs(intercept)) < MAX_SCALE:
        reports.append(Report("bad-scaling", f"The scaling is not a number (slope {slope:g}, intercept {intercept:g})",
                              "Values are shown as stored."))
        return 1.0, 0.0
    return slope, intercept


def _geometry(raw: dict[str, Any], kind: str, shape: tuple[int, ...], header: Header) -> Geometry:
    reports = header.reports
    spacing = _spacing(raw, shape, header)
    forms = {} if kind == "analyze" else {"sform": _sform(raw, shape), "qform": _qform(raw, spacing)}
    usable = {name: f for name, f in forms.items() if f is not None and _usable(f, shape)}
    for name in [n for n, f in forms.items() if f is not None and n not in usable]:
        reports.append(Report(f"bad-{name}", f"The position in the {name} cannot be used (it has no volume)",
                              "The next best position in the file is used."))
    if not usable:
        affine = _centred(spacing, shape)
        reports.append(_no_orientation(kind))
    else:
        name, affine = next(iter(usable.items()))
        if len(usable) == 2:
            _compare(usable, shape, reports)
    affine = _in_mm(affine, int(raw.get("xyzt_units", 0)), reports)
    geometry = Geometry(shape, lps_to_ras(affine)[:, [2, 1, 0, 3]])  # type: ignore[arg-type]
    if geometry.is_sheared:
        reports.append(Report("sheared", "The grid axes are not at right angles", "Shown where the file says.", "info"))
    return geometry


def _no_orientation(kind: str) -> Report:
    if kind == "analyze":
        return Report("no-orientation", "Analyze files do not say how the patient lies",
                      "Left and right follow the old convention (first voxel on the right); check before relying "
                      "on sides.")
    return Report("no-orientation", "The file does not say how the patient lies (sform and qform code are 0)",
                  "Shown as if stored from right to left, back to front, feet to head; left and right may be wrong.")


def _spacing(raw: dict[str, Any], shape: tuple[int, ...], header: Header) -> NDArray[np.float64]:
    """Return the voxel size (x, y, z) in the unit of the file; 1 where it is missing."""
    spacing = np.abs(np.array(raw["pixdim"][1:4], float))
    bad = ~np.isfinite(spacing) | (spacing <= 0)
    needed = [n for n in range(3) if bad[n] and shape[2 - n] > 1]
    if needed:
        header.calibrated = len(needed) < 3
        header.reports.append(Report("no-spacing", "The voxel size is missing or not a number",
                                     "1 mm is used for it; lengths may be wrong."))
    spacing[bad] = 1.0
    return spacing


def _sform(raw: dict[str, Any], shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    if int(raw["sform_code"]) <= 0:
        return None
    affine = np.vstack([raw["srow_x"], raw["srow_y"], raw["srow_z"], (0, 0, 0, 1)]).astype(float)
    # a single picture often has no third axis: its normal takes that place
    if shape[0] == 1 and np.isfinite(affine).all() and not affine[:3, 2].any():
        normal = np.cross(affine[:3, 0], affine[:3, 1])
        affine[:3, 2] = normal / (np.linalg.norm(normal) or 1.0)
    return affine


def _qform(raw: dict[str, Any], spacing: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the qform (NIfTI-1 standard, method 2)."""
    if int(raw["qform_code"]) <= 0:
        return None
    bcd = np.array([raw[f"quatern_{c}"] for c in "bcd"], float)
    affine = np.eye(4)
    affine[:3, 3] = [raw[f"qoffset_{c}"] for c in "xyz"]
    if not (np.isfinite(bcd).all() and np.isfinite(affine).all()) or bcd @ bcd > 1 + 1e-3:
        return np.zeros((4, 4))
    b, c, d = bcd / max(1.0, float(np.linalg.norm(bcd)))
    a = np.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
    rotation = np.array([
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b]])
    handed = -1.0 if raw["pixdim"][0] < 0 else 1.0
    affine[:3, :3] = rotation * (spacing * (1.0, 1.0, handed))
    return affine


def _centred(spacing: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    affine = np.diag([-spacing[0], spacing[1], spacing[2], 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    return affine


def _usable(affine: NDArray[np.float64], shape: tuple[int, ...]) -> bool:
    try:
        Geometry(shape, affine[:, [2, 1, 0, 3]])  # type: ignore[arg-type]
    except GeometryError:
        return False
    return bool(np.abs(affine).max() < 1e9)


def _compare(forms: dict[str, NDArray[np.float64]], shape: tuple[int, ...], reports: list[Report]) -> None:
    a, b = (Geometry(shape, f[:, [2, 1, 0, 3]]).corners_lps() for f in forms.values())  # type: ignore[arg-type]
    apart = float(np.linalg.norm(a - b, axis=1).max())
    if apart > FORMS_DIFFER_MM:
        reports.append(Report("qform-sform-differ", "The file gives two positions (sform and qform) that are up to "
                              f"{apart:.3g} mm apart", "The sform is used."))


def _in_mm(affine: NDArray[np.float64], units: int, reports: list[Report]) -> NDArray[np.float64]:
    factor = UNIT_MM.get(units & 7, 1.0)
    if factor == 1.0:
        return affine
    name = {1: "metres", 3: "microns"}[units & 7]
    if np.linalg.norm(affine[:3, :3], axis=0).max() * factor > MAX_SPACING_MM:
        reports.append(Report("implausible-units", f"The header says that positions are in {name}, which would make "
                              "voxels of more than 10 cm", "They are taken as mm."))
        return affine
    reports.append(Report("units", f"Positions in the file are in {name}", "Converted to mm.", "info"))
    return np.diag([factor, factor, factor, 1.0]) @ affine


def _extensions(path: Path, coding: Coding, start: int, stop: int, order: str) -> list[tuple[int, bytes]]:
    """Return the header extensions as (code, content); damaged ones end the list."""
    source = Source(path, coding)
    try:
        block = source.read(stop)[start:]
    finally:
        source.close()
    found = []
    if not block[:1] or block[0] == 0:
        return []
    block = block[4:]
    name = "little" if order == "<" else "big"
    while len(block) >= 8:
        size, code = (int.from_bytes(block[n : n + 4], name) for n in (0, 4))  # type: ignore[arg-type]
        if size < 8 or size > len(block):
            break
        found.append((code, block[8:size].rstrip(b"\0")))
        block = block[size:]
    return found


def printable(data: bytes) -> str:
    """Return an extension's text without control characters."""
    return re.sub(r"[\x00-\x08\x0b-\x1f]", "", data.decode("utf-8", errors="replace"))
