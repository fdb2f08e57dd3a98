"""The NRRD header: fields, axes, space; and the segment fields of 3D Slicer in it.

Own parser, because names of segments are UTF-8 and because nothing in a header is believed unchecked.
Format: teem.sourceforge.net/nrrd/format.html; segments: 3D Slicer developer guide, segmentation file format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import ReadError
from medviewer.core.labels import Code, Segment, palette_colour
from medviewer.core.study import Report
from medviewer.io.formats._plain import PlainHeader, beside, check_sizes, make_geometry
from medviewer.io.formats._source import Coding
from medviewer.io.formats._stream import RawVoxels, Samples

MAX_HEADER = 1 << 20
TYPES = {
    "i1": ("signed char", "int8", "int8_t"), "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"), "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",), "f8": ("double",),
}
DTYPES = {name: code for code, names in TYPES.items() for name in names}
CODINGS: dict[str, Coding] = {"raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bz2", "bz2": "bz2"}
TEXT = ("ascii", "text", "txt")
# sign of (x, y, z) on the way to LPS
SPACES = {"left-posterior-superior": (1, 1, 1), "lps": (1, 1, 1), "right-anterior-superior": (-1, -1, 1),
          "ras": (-1, -1, 1), "left-anterior-superior": (1, -1, 1), "las": (1, -1, 1)}
UNIT_MM = {"mm": 1.0, "millimeter": 1.0, "millimetre": 1.0, "cm": 10.0, "m": 1000.0, "um": 0.001, "µm": 0.001}
TIME_KINDS = ("time", "list")
PLAIN_KINDS = ("domain", "space", "???", "none", "unknown", "")
_VECTOR = re.compile(r"\(([^()]*)\)|none", re.IGNORECASE)
_SEGMENT = re.compile(r"^Segment(\d{1,5})_(\w+)$")


@dataclass(frozen=True, eq=False)
class Fields:
    """Header text as fields (names in small letters) and key := value pairs, and where the data begins."""

    fields: dict[str, str]
    pairs: dict[str, str]
    end: int


def parse_fields(path: Path) -> Fields:
    """Split a header into its fields.

    Raises
    ------
    ReadError
        If it is not a NRRD header.
    """
    with open(path, "rb") as file:
        data = file.read(MAX_HEADER)
    if not data.startswith(b"NRRD"):
        raise ReadError(f"{path.name} has no NRRD header", path=path)
    blank = re.search(rb"\r?\n\r?\n", data)
    head = data[: blank.start()] if blank else data
    if blank is None and len(data) == MAX_HEADER:
        raise ReadError(f"{path.name} has a header that does not end", path=path)
    fields: dict[str, str] = {}
    pairs: dict[str, str] = {}
    for line in head.decode("utf-8", errors="replace").splitlines()[1:]:
        if line.startswith("#"):
            continue
        key, sign, value = line.partition(":=")
        if sign:
            pairs[key] = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value)
            continue
        key, sign, value = line.partition(":")
        if sign:
            fields.setdefault(key.strip().lower().replace("datafile", "data file"), value.strip())
    return Fields(fields, pairs, blank.end() if blank else len(data))


def numbers(text: str, path: Path, name: str) -> list[float]:
    """Return the finite numbers of a field.

    Raises
    ------
    ReadError
        If something else stands there.
    """
    try:
        values = [float(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        raise ReadError(f"{path.name}: {name} must be numbers, not {text[:60]!r}", path=path) from error
    return values


def read_header(path: Path) -> PlainHeader:
    """Read and check a header.

    Raises
    ------
    ReadError
        If no volume can be made of it.
    """
    head = parse_fields(path)
    f = head.fields
    for needed in ("type", "dimension", "sizes", "encoding"):
        if needed not in f:
            raise ReadError(f"{path.name} is cut short or damaged: its header has no {needed!r}", path=path)
    raw_sizes = numbers(f["sizes"], path, "sizes")
    if any(not np.isfinite(n) or n != int(n) for n in raw_sizes) or f["dimension"] != str(len(raw_sizes)):
        raise ReadError(f"{path.name}: the sizes {f['sizes'][:60]!r} do not fit {f['dimension'][:20]} dimensions",
                        path=path)
    sizes = [int(n) for n in raw_sizes]
    check_sizes(sizes, path)
    reports: list[Report] = []
    axes = _axes(f, sizes, path, reports)
    voxels, text = _voxels(head, axes, path, reports)
    affine, calibrated = _affine(f, axes, path, reports)
    header = PlainHeader(voxels, make_geometry(voxels.grid[1:], affine, path), calibrated=calibrated, text=text,
                         modality=head.pairs.get("modality", "")[:16], unit=f.get("sample units", "").strip('"')[:32],
                         segments=segments(head.pairs), reports=reports)
    if header.geometry.is_sheared:
        reports.append(Report("sheared", "The grid axes are not at right angles", "Shown where the file says.", "info"))
    return header


@dataclass(frozen=True, eq=False)
class _Axes:
    """Which file axes (fastest first) are the grid, and what a first and a last other one mean."""

    grid: tuple[int, ...]
    sizes: tuple[int, int, int]  # i, j, k
    first: tuple[str, int] = ("", 1)
    times: int = 1


def _axes(f: dict[str, str], sizes: list[int], path: Path, reports: list[Report]) -> _Axes:
    kinds = f.get("kinds", "").lower().split()
    kinds = kinds if len(kinds) == len(sizes) else [""] * len(sizes)
    vectors = directions(f, len(sizes), path)
    if vectors is not None:
        grid = [n for n, v in enumerate(vectors) if v is not None and kinds[n] != "time"]
    else:
        grid = [n for n, kind in enumerate(kinds) if kind in PLAIN_KINDS]
    grid = grid[:3]
    if len(grid) < 2 or grid != list(range(grid[0], grid[0] + len(grid))):
        raise ReadError(f"{path.name} has {len(sizes)} axes of which {len(grid)} are directions in space; "
                        "two or three that follow each other are needed", path=path)
    before = [n for n in range(grid[0]) if sizes[n] > 1]
    after = [n for n in range(grid[-1] + 1, len(sizes)) if sizes[n] > 1]
    if len(before) > 1 or len(after) > 1 or (before and after and kinds[before[0]] in TIME_KINDS):
        raise ReadError(f"{path.name} has more than four axes ({' x '.join(map(str, sizes))}), which is not supported",
                        path=path)
    first = (kinds[before[0]] or "vector", sizes[before[0]]) if before else ("", 1)
    shape = [sizes[n] for n in grid] + [1] * (3 - len(grid))
    return _Axes(tuple(grid), (shape[0], shape[1], shape[2]), first, sizes[after[0]] if after else 1)


def directions(f: dict[str, str], count: int, path: Path) -> list[NDArray[np.float64] | None] | None:
    """Return the step of each axis, None for axes outside space; None if the field is missing."""
    if "space directions" not in f:
        return None
    found: list[NDArray[np.float64] | None] = []
    for match in _VECTOR.finditer(f["space directions"]):
        vector = None if match[1] is None else np.array(numbers(match[1], path, "space directions"))
        found.append(None if vector is None or np.isnan(vector).all() else vector)
    if len(found) != count:
        raise ReadError(f"{path.name}: the space directions do not fit {count} axes", path=path)
    return found


def _voxels(head: Fields, axes: _Axes, path: Path, reports: list[Report]) -> tuple[RawVoxels, bool]:
    f = head.fields
    code = DTYPES.get(" ".join(f["type"].lower().split()))
    if code is None:
        raise ReadError(f"{path.name} has the unsupported data type {f['type'][:40]!r}", path=path)
    dtype = np.dtype(code).newbyteorder(">" if f.get("endian", "little").lower() == "big" else "<")
    encoding = f["encoding"].lower()
    if encoding not in CODINGS and encoding not in TEXT:
        raise ReadError(f"{path.name} has the unsupported encoding {f['encoding'][:40]!r}", path=path)
    name = f.get("data file")
    if name is not None and (name.upper().startswith("LIST") or re.search(r"%0?\d*d", name)):
        raise ReadError(f"{path.name} spreads its voxels over several files, which is not supported", path=path,
                        hint="Save it as one .nrrd file.")
    data, start = (path, head.end) if name is None else (beside(path, name), 0)
    coding: Coding = CODINGS.get(encoding, "raw")
    samples, last = _samples(axes, dtype, reports)
    times, (i, j, k) = axes.times, axes.sizes
    voxels = RawVoxels(data, coding, dtype, (times, k, j, i), start=start, samples=samples, last=last,
                       time_axis=times > 1 or last == "time")
    return _skipped(voxels, f, path), encoding in TEXT


def _samples(axes: _Axes, dtype: np.dtype[np.generic], reports: list[Report]) -> tuple[int, Samples]:
    kind, count = axes.first
    if count == 1:
        return 1, ""
    if kind in TIME_KINDS:
        return count, "time"
    if dtype == np.uint8 and count in (3, 4):
        if count == 4:
            reports.append(Report("alpha-dropped", "The file has a transparency channel", "It is not used.", "info"))
        return count, "colour"
    reports.append(Report("first-component", f"Each voxel holds {count} values ({kind})",
                          "Only the first component is shown."))
    return count, "first"


def _skipped(voxels: RawVoxels, f: dict[str, str], path: Path) -> RawVoxels:
    """Apply line skip (before decoding) and byte skip (after it; -1 counts from the end of the file)."""
    lines, count = (numbers(f.get(key, "0"), path, key) for key in ("line skip", "byte skip"))
    if len(lines) != 1 or len(count) != 1 or not 0 <= lines[0] <= MAX_HEADER or not -1 <= count[0] <= MAX_HEADER:
        raise ReadError(f"{path.name}: line skip or byte skip is not possible", path=path)
    if lines[0]:
        with open(voxels.path, "rb") as file:
            file.seek(voxels.start)
            for _ in range(int(lines[0])):
                file.readline(MAX_HEADER)
            voxels = replace(voxels, start=file.tell())
    if count[0] < 0:
        return replace(voxels, start=max(voxels.path.stat().st_size - voxels.nbytes, 0))
    return replace(voxels, skip=int(count[0]))


def _affine(f: dict[str, str], axes: _Axes, path: Path, reports: list[Report]) -> tuple[NDArray[np.float64], bool]:
    """Return the affine of (k, j, i) in LPS mm, and whether the voxel size is known."""
    vectors = directions(f, len(f["sizes"].split()), path)
    steps = [vectors[n] for n in axes.grid] if vectors is not None else None
    affine = np.eye(4)
    if steps is None or any(v is None or len(v) < 3 for v in steps):
        return _without_space(f, axes, path, reports)
    for n, vector in enumerate(steps):
        assert vector is not None  # checked above
        affine[:3, n] = vector[:3]
    if len(steps) == 2:
        normal = np.cross(affine[:3, 0], affine[:3, 1])
        affine[:3, 2] = normal / (np.linalg.norm(normal) or 1.0)
    origin = re.search(r"\(([^()]*)\)", f.get("space origin", ""))
    if origin:
        values = numbers(origin[1], path, "space origin")
        affine[:3, 3] = (values + [0.0, 0.0, 0.0])[:3]
    else:
        reports.append(Report("no-origin", "The file does not say where its first voxel lies", "Placed at 0, 0, 0."))
    space = f.get("space", "").lower().removesuffix("-time")
    space = space[:3] if space in ("rast", "last", "lpst") else space
    if space not in SPACES:
        reports.append(Report("no-orientation", f"The file does not say how the patient lies (space {space!r})",
                              "Taken as left, posterior, superior; left and right may be wrong."))
    affine = np.diag([*SPACES.get(space, (1, 1, 1)), 1.0]) @ affine
    return _in_mm(affine, f, reports)[:, [2, 1, 0, 3]], True


def _in_mm(affine: NDArray[np.float64], f: dict[str, str], reports: list[Report]) -> NDArray[np.float64]:
    units = set(re.findall(r'"([^"]*)"', f.get("space units", "")))
    unit = units.pop().lower() if len(units) == 1 else "mm"
    factor = UNIT_MM.get(unit, 1.0)
    if factor != 1.0:
        reports.append(Report("units", f"Positions in the file are in {unit}", "Converted to mm.", "info"))
    return np.diag([factor, factor, factor, 1.0]) @ affine


def _without_space(f: dict[str, str], axes: _Axes, path: Path,
                   reports: list[Report]) -> tuple[NDArray[np.float64], bool]:
    """Make an affine of spacings only, or of a two-dimensional space."""
    spacings = numbers(f.get("spacings", ""), path, "spacings")
    vectors = directions(f, len(f["sizes"].split()), path)
    step = np.ones(3)
    known = False
    for n, axis in enumerate(axes.grid):
        vector = vectors[axis] if vectors is not None else None
        if vector is None:
            vector = np.array(spacings[axis : axis + 1])
        length = float(np.linalg.norm(vector))
        if np.isfinite(length) and length > 0:
            step[n], known = length, True
    reports.append(Report("no-orientation", "The file does not say how the patient lies",
                          "Shown as if stored from right to left, front to back, feet to head; sides may be wrong."))
    if not known:
        reports.append(Report("no-spacing", "The voxel size is missing", "1 mm is used; lengths are in voxels."))
    return np.diag([*step, 1.0])[:, [2, 1, 0, 3]], known


def segments(pairs: dict[str, str]) -> tuple[Segment, ...]:
    """Return the segments that 3D Slicer's fields name; damaged ones are left out."""
    found: dict[int, dict[str, str]] = {}
    for key, text in pairs.items():
        if match := _SEGMENT.match(key):
            found.setdefault(int(match[1]), {})[match[2]] = text
    made = []
    for n, entry in sorted(found.items()):
        try:
            value, layer = int(entry.get("LabelValue", str(n + 1))), int(entry.get("Layer", "0"))
            rgb = [min(max(round(float(c) * 255), 0), 255) for c in entry.get("Color", "").split()]
        except (ValueError, OverflowError):
            continue
        if 0 < value <= 65535 and layer >= 0:
            colour = (rgb[0], rgb[1], rgb[2]) if len(rgb) == 3 else palette_colour(n + 1)
            category, kind = _codes(entry.get("Tags", ""))
            made.append(Segment(value, entry.get("Name", f"Label {value}"), colour, layer, category, kind))
    return tuple(made)


def _codes(tags: str) -> tuple[Code | None, Code | None]:
    """Return category and type of a terminology entry: context~scheme^value^meaning~scheme^value^meaning~..."""
    match = re.search(r"TerminologyEntry:([^|]*)", tags)
    parts = match[1].split("~") if match else []
    codes = []
    for part in (*parts[1:3], "", "")[:2]:
        words = part.split("^")
        codes.append(Code(words[1], words[0], words[2]) if len(words) == 3 and words[1] else None)
    return codes[0], codes[1]
