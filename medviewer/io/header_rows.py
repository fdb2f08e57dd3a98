"""The header of a file as a tree of plain texts, for people: every DICOM element, NIfTI field, NRRD or MetaImage line.

Nothing of it is interpreted, and nothing a file may hold (control characters, endless values) reaches a widget
unchecked.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medviewer.core.errors import ReadError
from medviewer.core.job import Job

MAX_VALUE, MAX_ROWS, MAX_DEPTH = 400, 20_000, 16
MAX_TEXT_HEADER = 1 << 20
META_END = "ElementDataFile"


@dataclass(frozen=True, slots=True)
class HeaderRow:
    """One line of a header.

    tag : ``(0010,0020)``, empty outside DICOM
    name : keyword or field name
    vr : value representation, empty outside DICOM
    personal : names, ids and dates of birth of people
    """

    name: str
    value: str = ""
    tag: str = ""
    vr: str = ""
    personal: bool = False
    children: tuple[HeaderRow, ...] = ()


def header_rows(path: Path, job: Job | None = None) -> list[HeaderRow]:
    """Read the header of a file; of an unknown format only what the disk says about it.

    Raises
    ------
    ReadError
        If the file cannot be read.
    """
    job = job or Job()
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise ReadError(f"{path.name} cannot be read: {error.strerror or error}", path=path) from error
    lower = path.name.lower()
    found: list[HeaderRow] = []
    if lower.endswith((".nii", ".nii.gz", ".hdr", ".img")):
        found = _nifti(path)
    elif head.startswith(b"NRRD"):
        found = _nrrd(path)
    elif lower.endswith((".mha", ".mhd")):
        found = _meta_image(path)
    elif head[128:132] == b"DICM" or not lower.endswith((".png", ".jpg", ".jpeg", ".txt", ".json", ".tif", ".tiff")):
        found = _dicom(path, job)
    return [*found, _file_facts(path)]


def filter_rows(rows: Iterable[HeaderRow], text: str) -> list[HeaderRow]:
    """Keep rows in which a text occurs, and the rows above them."""
    wanted = text.strip().casefold()
    found = []
    for row in rows:
        if wanted in f"{row.tag} {row.name} {row.value}".casefold():
            found.append(row)
        else:
            children = filter_rows(row.children, text)
            if children:
                found.append(replace(row, children=tuple(children)))
    return found


def hide_personal(rows: Iterable[HeaderRow]) -> list[HeaderRow]:
    """Replace the values that tell who somebody is."""
    return [replace(r, value="(hidden)" if r.personal and r.value else r.value,
                    children=tuple(hide_personal(r.children))) for r in rows]


def plain(text: str) -> str:
    """Make a text harmless to show: one line, no control characters, not endless."""
    clean = "".join(c if c.isprintable() else "·" for c in text.strip(" \0"))
    return clean if len(clean) <= MAX_VALUE else f"{clean[:MAX_VALUE]}… ({len(clean)} characters)"


# --- DICOM ---


def _dicom(path: Path, job: Job) -> list[HeaderRow]:
    from medviewer.io.dicom.guards import read_header

    header = read_header(path)
    budget = [MAX_ROWS]
    meta = _elements(header.file_meta, budget, 0, job) if getattr(header, "file_meta", None) is not None else []
    return [*meta, *_elements(header, budget, 0, job)]


def _elements(dataset: Any, budget: list[int], depth: int, job: Job) -> list[HeaderRow]:
    from medviewer.io.dicom.guards import BAD_VALUE

    rows = []
    for tag in sorted(dataset.keys()):
        job.check()
        if budget[0] <= 0:
            rows.append(HeaderRow("…", "the rest is not shown"))
            break
        budget[0] -= 1
        label = f"({tag.group:04X},{tag.elem:04X})"
        try:
            element = dataset[tag]
            rows.append(_element(element, label, budget, depth, job))
        except BAD_VALUE as error:
            rows.append(HeaderRow("(unreadable value)", plain(str(error)), label))
    return rows


def _element(element: Any, label: str, budget: list[int], depth: int, job: Job) -> HeaderRow:
    name = plain(str(element.name))
    personal = element.VR == "PN" or element.tag.group == 0x0010
    if element.VR != "SQ":
        return HeaderRow(name, _value(element.value), label, str(element.VR), personal)
    items = element.value or []
    if depth >= MAX_DEPTH:
        return HeaderRow(name, f"{len(items)} items, nested too deeply to show", label, "SQ")
    children = tuple(HeaderRow(f"Item {n}", children=tuple(_elements(item, budget, depth + 1, job)))
                     for n, item in enumerate(items, 1) if budget[0] > 0)
    return HeaderRow(name, f"{len(items)} item{'' if len(items) == 1 else 's'}", label, "SQ", False, children)


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes" if len(value) > 16 else plain(value.hex(" "))
    if isinstance(value, Sequence) and not isinstance(value, str):
        shown = "\\".join(str(v) for v in value[:64])
        return plain(shown) + (f" … ({len(value)} values)" if len(value) > 64 else "")
    return plain(str(value))


# --- other formats ---


def _nifti(path: Path) -> list[HeaderRow]:
    import zlib

    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        header: Any = nibabel.load(path).header  # type: ignore[attr-defined]
    except (ImageFileError, HeaderDataError, OSError, ValueError, EOFError, zlib.error) as error:
        raise ReadError(f"the header of {path.name} cannot be read: {error}", path=path) from error
    rows = [HeaderRow(str(name), plain(_array_text(header[name]))) for name in header]
    extensions = [HeaderRow(f"Extension {n}", plain(f"code {e.get_code()}, {e.get_sizeondisk()} bytes"))
                  for n, e in enumerate(getattr(header, "extensions", ()), 1)]
    return rows + extensions


def _array_text(value: Any) -> str:
    if value.dtype.kind == "S":
        return bytes(value.tobytes()).split(b"\0")[0].decode("utf-8", "replace")
    return " ".join(f"{v:g}" if value.dtype.kind == "f" else str(v) for v in value.ravel()[:64])


def _nrrd(path: Path) -> list[HeaderRow]:
    from medviewer.io.formats._nrrd_header import parse_fields

    found = parse_fields(path)
    return [HeaderRow(plain(k), plain(v)) for k, v in (*found.fields.items(), *found.pairs.items())]


def _meta_image(path: Path) -> list[HeaderRow]:
    rows = []
    try:
        with open(path, "rb") as file:
            for line in file.read(MAX_TEXT_HEADER).split(b"\n"):
                name, sign, value = line.decode("utf-8", "replace").partition("=")
                if not sign:
                    break
                rows.append(HeaderRow(plain(name.strip()), plain(value.strip())))
                if name.strip() == META_END:
                    break
    except OSError as error:
        raise ReadError(f"{path.name} cannot be read: {error.strerror or error}", path=path) from error
    return rows


def _file_facts(path: Path) -> HeaderRow:
    try:
        state = path.stat()
    except OSError as error:
        raise ReadError(f"{path.name} cannot be read: {error.strerror or error}", path=path) from error
    changed = datetime.datetime.fromtimestamp(state.st_mtime).isoformat(" ", "seconds")
    return HeaderRow("File", plain(path.name), children=(
        HeaderRow("Folder", plain(str(path.parent))), HeaderRow("Size", f"{state.st_size} bytes"),
        HeaderRow("Changed", changed)))
