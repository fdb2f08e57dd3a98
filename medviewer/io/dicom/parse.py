"""Walk the elements of a DICOM file that nobody vouches for.

No recursion, no allocation by a declared length: a length is compared with the bytes that are left before
anything is read. Sequences are measured (ends, depth, number of elements) and kept as bytes; pydicom parses
them when somebody looks inside. What cannot be understood is left out and reported.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from medviewer.core.study import Report

WINDOW = 16384  # bytes read at a time; usually the whole header
MAX_DEPTH = 64  # nested sequences, as in DCMTK
MAX_STACK = 100_000
MAX_ELEMENTS = 4_000_000  # a dynamic study of 20 000 frames has about 2 million
MAX_HEADER = 1 << 30
UNDEFINED = 0xFFFFFFFF

LONG_VR = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
SHORT_VR = frozenset((b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN",
                      b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"))
VRS = {vr: vr.decode() for vr in LONG_VR | SHORT_VR}
PIXEL_TAGS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
CHARACTER_SET = 0x00080005
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


class Source(Protocol):
    """Bytes by position."""

    size: int
    damaged: bool

    def read(self, position: int, count: int) -> bytes:
        """Return up to `count` bytes; fewer at the end."""
        ...


class Refused(Exception):  # noqa: N818 - becomes a ReadError where the path is known
    """The file cannot be used; the message is a sentence without its subject."""


class Element(NamedTuple):
    """One element as stored; `vr` is None in implicit VR."""

    tag: int
    vr: str | None
    value: bytes
    position: int
    implicit: bool


@dataclass(frozen=True, slots=True)
class PixelPlace:
    """Where the pixel data are.

    offset : of the value, in the file (or in the inflated stream)
    length : declared, or None if undefined (encapsulated)
    room : bytes from `offset` to the end of the file (of an inflated stream: an upper bound)
    """

    tag: int
    vr: str
    offset: int
    length: int | None
    room: int


@dataclass(slots=True)
class Parsed:
    """Elements before the pixel data."""

    elements: dict[int, Element] = field(default_factory=dict)
    pixels: PixelPlace | None = None
    end: int = 0
    reports: list[Report] = field(default_factory=list)


class _Damaged(Exception):  # noqa: N818
    pass


class _TooDeep(Exception):  # noqa: N818
    def __init__(self, end: int | None) -> None:
        super().__init__()
        self.end = end  # where the sequence ends, if that was found


class Parser:
    """One pass over the elements of a source."""

    def __init__(self, source: Source, *, implicit: bool, little: bool, wanted: frozenset[int] | None) -> None:
        self._source, self._implicit, self._wanted = source, implicit, wanted
        order = "<" if little else ">"
        self._head = struct.Struct(order + "HH2sH")
        self._plain = struct.Struct(order + "HHI")
        self._long = struct.Struct(order + "I")
        self._item = self._plain.pack(0xFFFE, 0xE000, 0)[:4]
        self._base, self._buffer = 0, b""
        self._count, self._kept = 0, 0
        self._clipped = False  # an item of the sequence at hand is longer than the sequence

    def run(self, position: int, *, only_group: int | None = None) -> Parsed:
        """Read elements from `position` up to the pixel data, the end, or the end of `only_group`."""
        found = Parsed()
        while True:
            head = self._element(position, self._implicit)
            if head is None:
                break
            tag, vr, length, start, implicit = head
            if only_group is not None and tag >> 16 != only_group:
                break
            if tag in PIXEL_TAGS:
                self._pixels(found, head)
                break
            if tag == 0 and length == 0:
                break  # zeros after the last element
            if tag >> 16 == 0xFFFE:
                if tag != ITEM and tag != ITEM_END and tag != SEQUENCE_END:
                    break
                _report_once(found, "stray-delimiter", "a sequence delimiter stands outside of any sequence",
                             "it was skipped")
                position = start
                continue
            end = self._value(found, tag, vr, length, start, implicit)
            if end is None:
                break
            position = end
        found.end = position
        if self._source.damaged:
            _report_once(found, "truncated", "the compressed header is damaged or breaks off",
                         "the part before the damage is used")
        return found

    def _pixels(self, found: Parsed, head: tuple[int, str | None, int, int, bool]) -> None:
        tag, vr, length, start, _ = head
        found.pixels = PixelPlace(tag, vr or "OW", start, None if length == UNDEFINED else length,
                                  max(0, self._source.size - start))

    def _value(self, found: Parsed, tag: int, vr: str | None, length: int, start: int, implicit: bool) -> int | None:
        """Take or skip one value; returns where the next element begins, None if that is unknown."""
        size = self._source.size
        if length != UNDEFINED and start + length > size:
            _report_once(found, "truncated", f"the file ends inside element {_name(tag)}, which should hold {length} "
                         f"bytes; {max(0, size - start)} are left", "the elements before it are used", level="error")
            return None
        wanted = self._wanted is None or tag in self._wanted or tag == CHARACTER_SET
        end = start + length
        if length == UNDEFINED or (wanted and length >= 8 and (vr is None or vr in ("SQ", "UN"))
                                   and self._bytes(start, 4) == self._item):
            implicit = implicit or vr == "UN"  # CP-246: unknown sequences are implicit
            self._clipped = False
            try:
                end = self._measure(start, None if length == UNDEFINED else end, implicit)
            except _TooDeep as too_deep:
                _report_once(found, "too-deep", f"element {_name(tag)} nests sequences more than {MAX_DEPTH} deep",
                             "it was left out")
                return too_deep.end if length == UNDEFINED else end
            except _Damaged:
                _report_once(found, "damaged-sequence", f"the sequence in element {_name(tag)} is damaged",
                             "it was left out" if length != UNDEFINED else "what follows it was left out")
                if length == UNDEFINED:
                    return None
                return end
            vr = "SQ" if length == UNDEFINED else vr
            if self._clipped:
                _report_once(found, "damaged-sequence", f"the last item in element {_name(tag)} is cut short",
                             "it is used as far as it goes")
        if wanted:
            self._keep(found, Element(tag, vr, self._bytes(start, end - start), start, implicit))
        return end

    def _keep(self, found: Parsed, element: Element) -> None:
        self._kept += len(element.value)
        if self._kept > MAX_HEADER:
            raise Refused("has a header of more than a gigabyte")
        found.elements[element.tag] = element

    def _element(self, position: int, implicit: bool) -> tuple[int, str | None, int, int, bool] | None:
        """Tag, VR, length, position of the value and whether it is implicit; None at the end."""
        at = position - self._base
        if at < 0 or at + 12 > len(self._buffer):
            self._base, self._buffer, at = position, self._source.read(position, WINDOW), 0
            if len(self._buffer) < 8:
                return None
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise Refused(f"holds more than {MAX_ELEMENTS} elements")
        if not implicit:
            group, number, vr, length = self._head.unpack_from(self._buffer, at)
            if vr in SHORT_VR:
                return group << 16 | number, VRS[vr], length, position + 8, False
            if vr in LONG_VR and group != 0xFFFE:
                if at + 12 > len(self._buffer):
                    return None
                length = self._long.unpack_from(self._buffer, at + 8)[0]
                return group << 16 | number, VRS[vr], length, position + 12, False
            if vr.isalpha() and vr.isupper() and group != 0xFFFE:
                return group << 16 | number, "UN", length, position + 8, False
        group, number, length = self._plain.unpack_from(self._buffer, at)
        return group << 16 | number, None, length, position + 8, True

    def _bytes(self, position: int, count: int) -> bytes:
        at = position - self._base
        if at >= 0 and at + count <= len(self._buffer):
            return self._buffer[at:at + count]
        return self._source.read(position, count)

    def _measure(self, position: int, end: int | None, implicit: bool) -> int:
        """Find the end of a sequence and check what is in it, without recursion."""
        size = self._source.size
        stack: list[tuple[bool, int | None, bool]] = [(False, end, implicit)]  # (inside an item, end, implicit)
        deep = False
        while stack:
            inside, end, implicit = stack[-1]
            if end is not None and position >= end:
                stack.pop()
                position = end
                continue
            head = self._element(position, implicit or not inside)
            if head is None:
                raise _Damaged
            tag, vr, length, start, plain = head
            if tag == SEQUENCE_END or (inside and tag == ITEM_END):
                if not (inside and tag == SEQUENCE_END):  # an item that was not closed is closed by its sequence
                    position = start if end is None else end
                stack.pop()
                continue
            if inside == (tag == ITEM):
                raise _Damaged
            stop = None if length == UNDEFINED else start + length
            if not inside and stop is not None and end is not None and stop > end >= start:
                stop, self._clipped = end, True
            if (stop or start) > (size if end is None else end):
                raise _Damaged
            if not inside:
                stack.append((True, stop, implicit))
            elif length == UNDEFINED or (length >= 8 and (vr is None or vr in ("SQ", "UN"))
                                         and self._bytes(start, 4) == self._item):
                stack.append((False, stop, implicit or plain or vr == "UN"))
            else:
                position = start + length
                continue
            position = start
            deep = deep or len(stack) > 2 * MAX_DEPTH
            if deep and (stack[0][1] is not None or len(stack) > MAX_STACK):
                raise _TooDeep(None)
        if deep:
            raise _TooDeep(position)
        return position


def _report_once(found: Parsed, code: str, problem: str, fix: str, level: str = "warning") -> None:
    if all(report.code != code for report in found.reports):
        found.reports.append(Report(code, problem, fix, "error" if level == "error" else "warning"))


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
