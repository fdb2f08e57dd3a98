"""Read DICOM headers from strangers: bounded, without pixels, with one plain sentence when it fails.

Only the structure is judged here; values are converted by pydicom when somebody asks for them, and
`value` does so without raising. Odd but usable files give reports (`reports_of`), never silent repairs.
"""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.charset import convert_encodings
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.errors import BytesLengthException
from pydicom.tag import BaseTag

from medviewer.core.errors import ReadError
from medviewer.core.study import Report
from medviewer.io.dicom import recognise, syntaxes
from medviewer.io.dicom.parse import VRS, Element, Parsed, Parser, PixelPlace, Refused, Source
from medviewer.io.dicom.recognise import preamble_report, sniff_dicom
from medviewer.io.dicom.source import FileSource, InflateSource, InflateTooLarge

__all__ = ["BAD_VALUE", "GuardedDataset", "preamble_report", "read_header", "reports_of", "sniff_dicom", "value"]

# What pydicom raises when a stored value cannot be understood.
BAD_VALUE = (ValueError, TypeError, LookupError, AttributeError, NotImplementedError, OverflowError, EOFError,
             OSError, ArithmeticError, RecursionError, struct.error, BytesLengthException)
# pydicom's own remarks on values would only end on the terminal.
warnings.filterwarnings("ignore", module=r"pydicom\.")
logging.getLogger("pydicom").setLevel(logging.CRITICAL)


class GuardedDataset(pydicom.Dataset):  # type: ignore[misc]
    """A header as `read_header` returns it.

    syntax : transfer syntax the data really are in (declared, or guessed and reported)
    pixels : where the pixel data are; None if there are none
    deflated : whether positions are within the inflated stream, which starts at `deflated_from`
    """

    file_meta: FileMetaDataset
    filename: str
    preamble: bytes
    syntax: str
    little: bool
    pixels: PixelPlace | None
    deflated_from: int | None
    size: int
    reports: tuple[Report, ...]


def read_header(path: Path | str, *, tags: Sequence[int | str] | None = None) -> pydicom.Dataset:
    """Read the elements before the pixel data.

    Parameters
    ----------
    path : path
        A file; with or without preamble and file meta information.
    tags : sequence of int or keyword
        Keep only these elements.

    Raises
    ------
    ReadError
        If it is not a DICOM file that can be understood, in one plain sentence. Nothing else is raised,
        whatever the bytes are.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise ReadError(f"{path.name} is not a file.", path=path)
        with open(path, "rb") as file:
            return _read(path, file, size, _wanted(tags))
    except OSError as error:
        raise ReadError(f"{path.name} cannot be read: {error.strerror or error}.", path=path) from error
    except Refused as refused:
        raise ReadError(f"{path.name} {refused}.", path=path) from refused
    except InflateTooLarge as too_large:
        raise ReadError(f"{path.name} is compressed so that it would unfold to an absurd size; it was not opened.",
                        path=path) from too_large


def reports_of(header: pydicom.Dataset) -> tuple[Report, ...]:
    """Oddities met while reading this header."""
    return header.reports if isinstance(header, GuardedDataset) else ()


def value(header: pydicom.Dataset, key: str | int, default: Any = None) -> Any:
    """Return the value of an element; `default` where it is missing, empty or cannot be understood.

    It has the type that pydicom found for it, which is text where a number in text form is no number.
    """
    try:
        found = header[key].value
    except BAD_VALUE:
        return default
    return default if found is None or (isinstance(found, str | bytes) and not found) else found


def _read(path: Path, file: BinaryIO, size: int, wanted: frozenset[int] | None) -> GuardedDataset:
    source: FileSource | InflateSource = FileSource(file, size)
    head = source.read(0, 4096)
    reports: list[Report] = []
    start = recognise.data_start(head)
    if start is None:
        start = recognise.junk_before(head)
        if start is None:
            raise Refused("is empty" if size == 0 else "is not a DICOM file")
        reports.append(Report("no-preamble", "the file has no DICOM preamble" + (
            f" and begins with {start} bytes that do not belong to it" if start else ""), "read all the same"))
    elif start != 132:
        reports.append(Report("misplaced-preamble", "the letters DICM stand in the wrong place", "read all the same"))
    disguise = recognise.preamble_report(head)
    if disguise:
        reports.append(disguise)
    meta, start = _meta(source, start, size)
    declared = _text(meta, 0x00020010)
    deflated_from = None
    if declared in syntaxes.DEFLATED and recognise.plausible(source.read(start, 16)):
        reports.append(recognise.mismatch(declared))
    elif declared in syntaxes.DEFLATED:
        deflated_from, source, start = start, InflateSource(file, start, size), 0
    sample = source.read(start, 64)
    while sample.startswith((b"\xfe\xff", b"\xff\xfe")):  # stray delimiters
        sample = sample[8:]
    implicit, little = recognise.encoding_of(sample, declared, reports)
    parsed = Parser(source, implicit=implicit, little=little, wanted=wanted).run(start)
    if not parsed.elements and parsed.pixels is None and wanted is None:
        raise Refused("holds no data that can be read; it is empty or damaged")
    return _dataset(path, head[:128] if start >= 132 else b"", meta, parsed, reports, size,
                    recognise.syntax_of(declared, implicit, little), implicit, little, deflated_from)


def _dataset(path: Path, preamble: bytes, meta: dict[int, Element], parsed: Parsed, reports: list[Report], size: int,
             syntax: str, implicit: bool, little: bool, deflated_from: int | None) -> GuardedDataset:
    header = GuardedDataset(_raw(parsed.elements, little))
    character_set = parsed.elements.get(0x00080005)
    encodings, unknown = _encodings(character_set.value if character_set else b"")
    if unknown:
        reports.append(Report("unknown-character-set", f"the character set {unknown!r} is not known",
                              "texts may look wrong"))
    header.set_original_encoding(implicit, little, encodings)
    header.file_meta = FileMetaDataset(_raw(meta, True))
    header.filename, header.preamble = str(path), preamble
    header.syntax, header.little, header.pixels, header.size = syntax, little, parsed.pixels, size
    header.deflated_from = deflated_from
    header.reports = (*reports, *parsed.reports)
    return header


def _raw(elements: dict[int, Element], little: bool) -> dict[BaseTag, Any]:
    return {BaseTag(e.tag): RawDataElement(BaseTag(e.tag), e.vr, len(e.value), e.value, e.position, e.implicit, little)
            for e in elements.values()}


def _meta(source: Source, start: int, size: int) -> tuple[dict[int, Element], int]:
    sample = source.read(start, 8)
    if sample[:2] != b"\x02\x00":
        return {}, start
    found = Parser(source, implicit=sample[4:6] not in VRS, little=True,
                   wanted=None).run(start, only_group=2)
    return found.elements, found.end


def _text(elements: dict[int, Element], tag: int) -> str:
    element = elements.get(tag)
    return element.value.decode("ascii", "replace").strip(" \0") if element else ""


def _wanted(tags: Sequence[int | str] | None) -> frozenset[int] | None:
    return None if tags is None else _numbers(tuple(tags))


@lru_cache(maxsize=64)
def _numbers(tags: tuple[int | str, ...]) -> frozenset[int]:
    numbers = {tag_for_keyword(t) if isinstance(t, str) else int(t) for t in tags}
    return frozenset(n for n in numbers if n is not None)


@lru_cache(maxsize=256)
def _encodings(stored: bytes) -> tuple[list[str], str]:
    """Python codecs for a stored character set, and the first name that is not known."""
    names = [n.strip(" \0") for n in stored.decode("ascii", "replace").split("\\")]
    known = [n for n in names if n in pydicom.charset.python_encoding]
    unknown = next((n for n in names if n not in pydicom.charset.python_encoding), "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return list(convert_encodings(known or [""])), unknown
        except (LookupError, ValueError):
            return ["iso8859"], ", ".join(names)
