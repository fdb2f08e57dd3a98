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
from typing import Any, BinaryIO, Literal

import pydicom
from pydicom.charset import convert_encodings
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.errors import BytesLengthException
from pydicom.tag import BaseTag

from medviewer.core.errors import ReadError
from medviewer.core.study import Report
from medviewer.io.dicom import syntaxes
from medviewer.io.dicom.parse import LONG_VR, SHORT_VR, VRS, Element, Parsed, Parser, PixelPlace, Refused, Source
from medviewer.io.dicom.source import FileSource, InflateSource, InflateTooLarge

# What pydicom raises when a stored value cannot be understood.
BAD_VALUE = (ValueError, TypeError, LookupError, AttributeError, NotImplementedError, OverflowError, EOFError,
             OSError, ArithmeticError, RecursionError, struct.error, BytesLengthException)
MAGIC_WITHIN = 512  # bytes in which a misplaced DICM is looked for
MAX_JUNK = 16  # stray bytes before a dataset without preamble
FIRST_GROUPS = (0x02, 0x04, 0x08, 0x10)
LONGEST_FIRST = 4096

# Starts of files that are something else: legal in the 128 bytes before DICM, and a known way to smuggle programs.
DISGUISES = (
    (b"MZ", "a Windows program"), (b"\x7fELF", "a Linux program"), (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xce\xfa\xed\xfe", "a macOS program"), (b"\xfe\xed\xfa\xce", "a macOS program"),
    (b"\xfe\xed\xfa\xcf", "a macOS program"), (b"\xca\xfe\xba\xbe", "a macOS program"), (b"#!", "a script"),
    (b"PK\x03\x04", "a ZIP archive"), (b"%PDF", "a PDF document"),
)

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


def sniff_dicom(path: Path, head: bytes) -> float:
    """Judge by the first bytes: 1 = DICM where it belongs ... 0 = not DICOM."""
    if head[128:132] == b"DICM":
        return 1.0
    start = _start(head)
    if start and _plausible(head[start:]):
        return 0.9
    junk = _junk_before(head)
    return 0.0 if junk is None else 0.6 if junk == 0 else 0.5


def preamble_report(head: bytes) -> Report | None:
    """Report a preamble that is also the start of a program, a script, an archive or a document."""
    if head[128:132] != b"DICM":
        return None
    for magic, what in DISGUISES:
        if head.startswith(magic):
            return Report("disguised-preamble", f"the file is DICOM and at the same time {what}",
                          "only the image is read; do not run or share it")
    return None


def _read(path: Path, file: BinaryIO, size: int, wanted: frozenset[int] | None) -> GuardedDataset:
    source: FileSource | InflateSource = FileSource(file, size)
    head = source.read(0, 4096)
    reports: list[Report] = []
    start = _start(head)
    if start is None:
        start = _junk_before(head)
        if start is None:
            raise Refused("is empty" if size == 0 else "is not a DICOM file")
        reports.append(Report("no-preamble", "the file has no DICOM preamble" + (
            f" and begins with {start} bytes that do not belong to it" if start else ""), "read all the same"))
    elif start != 132:
        reports.append(Report("misplaced-preamble", "the letters DICM stand in the wrong place", "read all the same"))
    disguise = preamble_report(head)
    if disguise:
        reports.append(disguise)
    meta, start = _meta(source, start, size)
    declared = _text(meta, 0x00020010)
    deflated_from = None
    if declared in syntaxes.DEFLATED and _plausible(source.read(start, 16)):
        reports.append(_mismatch(declared))
    elif declared in syntaxes.DEFLATED:
        deflated_from, source, start = start, InflateSource(file, start, size), 0
    sample = source.read(start, 64)
    while sample.startswith((b"\xfe\xff", b"\xff\xfe")):  # stray delimiters
        sample = sample[8:]
    implicit, little = _encoding(sample, declared, reports)
    parsed = Parser(source, implicit=implicit, little=little, wanted=wanted).run(start)
    if not parsed.elements and parsed.pixels is None and wanted is None:
        raise Refused("holds no data that can be read; it is empty or damaged")
    return _dataset(path, head[:128] if start >= 132 else b"", meta, parsed, reports, size,
                    _syntax(declared, implicit, little), implicit, little, deflated_from)


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


def _encoding(sample: bytes, declared: str, reports: list[Report]) -> tuple[bool, bool]:
    """Whether the elements are implicit, and whether they are little endian."""
    implicit, little = declared == syntaxes.IMPLICIT, declared != syntaxes.BIG_ENDIAN
    if len(sample) < 8:
        return implicit, little
    group = int.from_bytes(sample[:2], "little")
    if group & 0xFF == 0 and group >> 8 in (0x02, 0x04, 0x08, 0x10):
        seems_little = False
    elif group >> 8 == 0 and group in (0x02, 0x04, 0x08, 0x10):
        seems_little = True
    else:
        seems_little = little
    seems_implicit = sample[4:6] not in VRS
    if not declared or declared not in syntaxes.NAMES:
        reports.append(Report(
            "no-transfer-syntax" if not declared else "unknown-transfer-syntax",
            "the file does not say its transfer syntax" if not declared else
            f"the transfer syntax {declared!r} is not known", "it was guessed from the first bytes"))
    elif (seems_implicit, seems_little) != (implicit, little):
        reports.append(_mismatch(declared))
    return seems_implicit, seems_little


def _mismatch(declared: str) -> Report:
    return Report("wrong-transfer-syntax", f"the file says it is {syntaxes.NAMES[declared]}, "
                  "but its elements are stored differently", "the stored form was used")


def _syntax(declared: str, implicit: bool, little: bool) -> str:
    if declared in syntaxes.NAMES and (declared in syntaxes.COMPRESSED or declared in syntaxes.DEFLATED
                                       or declared == syntaxes.GE_PRIVATE):
        return declared
    if declared and declared not in syntaxes.NAMES:
        return declared
    return syntaxes.IMPLICIT if implicit else syntaxes.EXPLICIT if little else syntaxes.BIG_ENDIAN


def _start(head: bytes) -> int | None:
    """Position after DICM; None if there is none."""
    if head[128:132] == b"DICM":
        return 132
    at = head.find(b"DICM", 0, MAGIC_WITHIN)
    return at + 4 if at >= 0 and _plausible(head[at + 4:]) else None


def _plausible(sample: bytes) -> bool:
    """Whether this can be the first element of a dataset or of the file meta information."""
    if len(sample) < 8:
        return False
    little = sample[1] == 0 and sample[0] in FIRST_GROUPS
    big = sample[0] == 0 and sample[1] in FIRST_GROUPS
    if not little and not big:
        return False
    return sample[4:6] in VRS or int.from_bytes(sample[4:8], "little" if little else "big") < LONGEST_FIRST


def _junk_before(head: bytes) -> int | None:
    """Bytes before the first element of a dataset without preamble; None if there is no dataset."""
    if _chain(head, 0):
        return 0
    return next((at for at in range(1, MAX_JUNK) if head[at + 4:at + 6] in VRS and _chain(head, at)), None)


def _chain(head: bytes, at: int) -> bool:
    """Whether two elements follow each other here as they do in a dataset."""
    if not _plausible(head[at:at + 8]):
        return False
    order: Literal["little", "big"] = "little" if head[at + 1] == 0 else "big"

    def number(position: int, count: int) -> int:
        return int.from_bytes(head[position:position + count], order)

    vr = head[at + 4:at + 6]
    if vr in SHORT_VR:
        end = at + 8 + number(at + 6, 2)
    elif vr in LONG_VR:
        end = at + 12 + number(at + 8, 4)
    else:
        end = at + 8 + number(at + 4, 4)
    if end + 8 > len(head) or (vr in VRS) != (head[end + 4:end + 6] in VRS):
        return False
    first, second = (number(at, 2), number(at + 2, 2)), (number(end, 2), number(end + 2, 2))
    return first < second and second[0] <= 0x0060


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
