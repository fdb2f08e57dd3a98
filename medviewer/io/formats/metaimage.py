"""MetaImage (.mha, .mhd with a data file): reading and writing.

The header is parsed here and not by ITK, whose parser does not survive every damaged file.
Format: itk.org/Wiki/MetaIO/Documentation; positions are LPS as ITK writes them.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import ReadError, WriteError
from medviewer.core.files import atomic_path, atomic_write
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.core.study import Report, Series
from medviewer.core.volume import Volume
from medviewer.io.formats._labels import sidecar_path, to_json
from medviewer.io.formats._nrrd_header import numbers
from medviewer.io.formats._plain import PlainHeader, PlainReader, beside, check_sizes, make_geometry
from medviewer.io.formats._prepare import image_grid, label_grid, real_values
from medviewer.io.formats._source import Coding
from medviewer.io.formats._stream import RawVoxels, Samples

MAX_HEADER = 1 << 16
TYPES = {"MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
         "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4",
         "MET_DOUBLE": "f8"}
NAMES = {code: name for name, code in reversed(TYPES.items())}
_LINE = re.compile(rb"([A-Za-z_]\w*)[ \t]*=[ \t]*([^\r\n]*)\r?\n?")
ZIP_LEVEL = 4


class MetaImageReader(PlainReader):
    """Reads .mha, and .mhd with its data file beside it."""

    id, label, suffixes, requires = "metaimage", "MetaImage", (".mha", ".mhd"), ()

    def sniff(self, path: Path, head: bytes) -> float:
        """1 for a header that says it is an image; less for one that only looks like it."""
        if re.match(rb"\s*(ObjectType|NDims)\s*=", head) is None:
            return 0.3 if path.name.lower().endswith((".mha", ".mhd")) else 0.0
        return 1.0 if b"DimSize" in head else 0.5

    def header(self, path: Path) -> PlainHeader:
        """Parse the header."""
        return _read_header(path)


def _parse(path: Path) -> tuple[dict[str, str], int]:
    """Return the fields (names in small letters) and where the data begins: ElementDataFile is always the last."""
    with open(path, "rb") as file:
        data = file.read(MAX_HEADER)
    fields: dict[str, str] = {}
    place = 0
    while "elementdatafile" not in fields:
        match = _LINE.match(data, place)
        if match is None:
            blank = re.compile(rb"\s*\n").match(data, place)
            if blank is None:
                raise ReadError(f"{path.name} has no complete MetaImage header", path=path)
            place = blank.end()
            continue
        fields[match[1].decode().lower()] = match[2].decode("utf-8", errors="replace").strip()
        place = match.end()
    return fields, place


def _read_header(path: Path) -> PlainHeader:
    f, start = _parse(path)
    if f.get("objecttype", "Image").lower() != "image":
        raise ReadError(f"{path.name} holds a {f['objecttype'][:40]}, not an image", path=path)
    if "dimsize" not in f or "elementtype" not in f:
        raise ReadError(f"{path.name} is damaged: its header has no size or type", path=path)
    sizes = _whole(f["dimsize"], path, "DimSize")
    if f.get("ndims", str(len(sizes))) != str(len(sizes)) or not 2 <= len(sizes) <= 4:
        raise ReadError(f"{path.name} has {len(sizes)} sizes for {f.get('ndims', '?')[:20]} dimensions; "
                        "2 to 4 are supported", path=path)
    check_sizes(sizes, path)
    reports: list[Report] = []
    voxels = _voxels(f, sizes, path, start, reports)
    affine, calibrated = _affine(f, len(sizes), path, reports)
    geometry = make_geometry(voxels.grid[1:], affine, path)
    header = PlainHeader(voxels, geometry, calibrated=calibrated, reports=reports, modality=_modality(f),
                         text=f.get("binarydata", "True").lower() == "false")
    header.slope, header.intercept = _scaling(f, path, reports)
    if geometry.is_sheared:
        reports.append(Report("sheared", "The grid axes are not at right angles", "Shown where the file says.", "info"))
    return header


def _modality(f: dict[str, str]) -> str:
    name = f.get("modality", "").upper().removeprefix("MET_MOD_")
    return name if name in ("CT", "MR", "NM", "US") else ""


def _whole(text: str, path: Path, name: str) -> list[int]:
    values = numbers(text, path, name)
    if any(not np.isfinite(v) or v != int(v) for v in values):
        raise ReadError(f"{path.name}: {name} must be whole numbers, not {text[:60]!r}", path=path)
    return [int(v) for v in values]


def _voxels(f: dict[str, str], sizes: list[int], path: Path, start: int, reports: list[Report]) -> RawVoxels:
    code = TYPES.get(f["elementtype"].upper().removesuffix("_ARRAY"))
    if code is None:
        raise ReadError(f"{path.name} has the unsupported element type {f['elementtype'][:40]!r}", path=path)
    big = f.get("elementbyteordermsb", f.get("binarydatabyteordermsb", "False")).lower() == "true"
    dtype = np.dtype(code).newbyteorder(">" if big else "<")
    name = f["elementdatafile"]
    if name.split()[:1] == ["LIST"] or "%" in name:
        raise ReadError(f"{path.name} spreads its voxels over several files, which is not supported", path=path,
                        hint="Save it as one .mha file.")
    data, start = (path, start) if name.upper() == "LOCAL" else (beside(path, name), 0)
    coding: Coding = "zlib" if f.get("compresseddata", "False").lower() == "true" else "raw"
    channels = _whole(f.get("elementnumberofchannels", "1"), path, "ElementNumberOfChannels")
    if len(channels) != 1 or not 1 <= channels[0] <= MAX_HEADER:
        raise ReadError(f"{path.name} has an impossible number of channels", path=path)
    last = _meaning(channels[0], dtype, reports)
    i, j, k, t = (*sizes, 1, 1)[:4]
    voxels = RawVoxels(data, coding, dtype, (t, k, j, i), start=start, samples=channels[0], last=last, time_axis=t > 1)
    return _with_skip(voxels, f, path)


def _with_skip(voxels: RawVoxels, f: dict[str, str], path: Path) -> RawVoxels:
    """Apply HeaderSize: bytes to skip in the data file; -1 means that the voxels are its end."""
    skip = _whole(f.get("headersize", "0"), path, "HeaderSize")
    if len(skip) != 1 or skip[0] < -1:
        raise ReadError(f"{path.name} has an impossible HeaderSize", path=path)
    if skip[0] == -1:
        return replace(voxels, start=max(voxels.path.stat().st_size - voxels.nbytes, 0))
    return replace(voxels, start=voxels.start + skip[0])


def _meaning(channels: int, dtype: np.dtype[Any], reports: list[Report]) -> Samples:
    if channels == 1:
        return ""
    if dtype == np.uint8 and channels in (3, 4):
        if channels == 4:
            reports.append(Report("alpha-dropped", "The file has a transparency channel", "It is not used.", "info"))
        return "colour"
    reports.append(Report("first-component", f"Each voxel holds {channels} values",
                          "Only the first component is shown."))
    return "first"


def _affine(f: dict[str, str], count: int, path: Path, reports: list[Report]) -> tuple[NDArray[np.float64], bool]:
    """Return the affine of (k, j, i) in LPS mm, and whether the voxel size is known."""
    spacing = _vector(f, ("elementspacing", "elementsize"), count, path)
    origin = _vector(f, ("offset", "position", "origin"), count, path)
    known = spacing is not None and bool((np.abs(spacing[:3]) > 0).all())
    if not known:
        reports.append(Report("no-spacing", "The voxel size is missing", "1 mm is used; lengths are in voxels."))
    step = np.ones(3)
    if known and spacing is not None:
        step[: min(count, 3)] = np.abs(spacing[:3])
    text = next((f[name] for name in ("transformmatrix", "rotation", "orientation") if name in f), None)
    n = min(count, 3)
    matrix = np.eye(3)
    if text is None:
        if count > 2:
            reports.append(Report("no-orientation", "The file does not say how the patient lies",
                                  "Taken as left, posterior, superior; left and right may be wrong."))
    else:
        values = np.array(numbers(text, path, "TransformMatrix"))
        if values.size != count * count:
            raise ReadError(f"{path.name}: TransformMatrix has {values.size} numbers instead of {count * count}",
                            path=path)
        matrix[:n, :n] = values.reshape(count, count)[:n, :n].T  # a row is the direction of an axis
    if count == 2 and np.linalg.det(matrix) < 0:
        matrix[2, 2] = -1.0
    affine = np.eye(4)
    affine[:3, :3] = matrix * step
    if origin is not None:
        affine[:n, 3] = origin[:n]
    return affine[:, [2, 1, 0, 3]], known


def _vector(f: dict[str, str], names: tuple[str, ...], count: int, path: Path) -> NDArray[np.float64] | None:
    for name in names:
        if name in f:
            values = np.array(numbers(f[name], path, name))
            if values.size != count or not np.isfinite(values).all():
                raise ReadError(f"{path.name}: {name} must be {count} numbers, not {f[name][:60]!r}", path=path)
            return values
    return None


def _scaling(f: dict[str, str], path: Path, reports: list[Report]) -> tuple[float, float]:
    slope, intercept = (numbers(f.get(f"elementtointensityfunction{name}", default), path, name)
                        for name, default in (("slope", "1"), ("offset", "0")))
    if len(slope) != 1 or len(intercept) != 1 or not np.isfinite([*slope, *intercept]).all() or slope[0] == 0:
        reports.append(Report("bad-scaling", "The scaling is not a number", "Values are shown as stored."))
        return 1.0, 0.0
    return slope[0], intercept[0]


class MetaImageWriter:
    """Writes compressed .mha."""

    id, label, suffixes, requires = "metaimage", "MetaImage", (".mha",), ()

    def write(self, volume: Volume, path: Path, *, job: Job) -> None:
        """Write the values of a volume: whole numbers where they are, else float32.

        Raises
        ------
        WriteError
            If the file cannot be written.
        """
        dtype, slices = real_values(grid := image_grid(volume, job))
        spatial = grid.array.shape[:-1] if volume.colour else grid.array.shape
        _write(Path(path), grid.geometry, dtype, spatial, 3 if volume.colour else 1, slices, job)

    def write_labels(self, labels: LabelMap, path: Path, *, on: Series | None, job: Job) -> None:
        """Write labels; names and colours go into ``<name>.labels.json`` beside the file."""
        path = Path(path)
        grid, segments = label_grid(labels)
        _write(path, grid.geometry, grid.array.dtype, grid.array.shape, 1, iter(grid.array), job)
        with atomic_write(sidecar_path(path), "w", encoding="utf-8", newline="\n") as file:
            file.write(to_json(segments) + "\n")


def _write(path: Path, geometry: Geometry, dtype: np.dtype[Any], shape: tuple[int, ...], channels: int,
           slices: Iterator[NDArray[Any]], job: Job) -> None:
    if not path.name.lower().endswith(".mha"):
        raise WriteError(f"{path.name} must end in .mha", path=path)
    head, place = _head(geometry, dtype, shape, channels)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(head)
        for part in job.each(_packed(slices), "Writing MetaImage", total=int(np.prod(shape[:-2])) + 1):
            file.write(part)
        _patch_size(file, place, file.tell() - len(head))


def _packed(slices: Iterator[NDArray[Any]]) -> Iterator[bytes]:
    packer = zlib.compressobj(ZIP_LEVEL)
    for part in slices:
        yield packer.compress(np.ascontiguousarray(part, part.dtype.newbyteorder("<")).data)
    yield packer.flush()


def _patch_size(file: IO[bytes], place: int, size: int) -> None:
    """Write the compressed size, known only now, into the room that the header has for it."""
    file.seek(place)
    file.write(f"{size:<20d}".encode())


def _head(geometry: Geometry, dtype: np.dtype[Any], shape: tuple[int, ...], channels: int) -> tuple[bytes, int]:
    """Return the header, and where the compressed size has to be written in it."""
    count = len(shape)
    matrix, spacing, origin = np.eye(count), np.ones(count), np.zeros(count)
    matrix[:3, :3] = geometry.directions[:, [2, 1, 0]].T
    spacing[:3] = geometry.spacing_mm[::-1]
    origin[:3] = geometry.affine[:3, 3]
    first = ["ObjectType = Image", f"NDims = {count}", "BinaryData = True", "BinaryDataByteOrderMSB = False",
             "CompressedData = True", "CompressedDataSize = "]
    rest = [f"TransformMatrix = {_text(matrix)}", f"Offset = {_text(origin)}",
            f"CenterOfRotation = {_text(np.zeros(count))}", f"ElementSpacing = {_text(spacing)}",
            f"DimSize = {' '.join(str(n) for n in shape[::-1])}"]
    if channels > 1:
        rest.append(f"ElementNumberOfChannels = {channels}")
    rest += [f"ElementType = {NAMES[dtype.kind + str(dtype.itemsize)]}", "ElementDataFile = LOCAL"]
    start = "\n".join(first)
    return (start + " " * 20 + "\n" + "\n".join(rest) + "\n").encode(), len(start)


def _text(values: NDArray[np.float64]) -> str:
    return " ".join(repr(float(v) + 0.0) for v in values.ravel())


READER = MetaImageReader()
WRITER = MetaImageWriter()
