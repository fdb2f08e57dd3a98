"""Read an ordinary header without making pydicom objects of it: most of the time of a scan goes there.

A fast path may only skip work whose result is known: the parser is that of `guards.read_header`, with all its limits.
A file in which anything is odd (no preamble, a wrong or deflated transfer syntax, a rare character set, damage) is
left to `guards.read_header`.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from pydicom.charset import convert_encodings, python_encoding
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.tag import BaseTag

from medviewer.core.study import Report
from medviewer.io.dicom import guards, recognise, syntaxes
from medviewer.io.dicom.parse import WINDOW, Element, Parsed, Parser, Refused
from medviewer.io.dicom.quiet import quietly

HEAD = WINDOW + 1024  # what the parser asks for first, read at once
CHARACTER_SET = 0x00080005
META = frozenset((0x00020010,))


@dataclass(slots=True)
class Lean:
    """An ordinary header as stored."""

    path: Path
    size: int
    syntax: str
    implicit: bool
    meta: dict[int, Element]
    parsed: Parsed

    def dataset(self) -> guards.GuardedDataset:
        """Make what `guards.read_header` would have returned."""
        header = guards.GuardedDataset(_raw(self.parsed.elements))
        character_set = self.parsed.elements.get(CHARACTER_SET)
        header.set_original_encoding(self.implicit, True, _encodings(character_set.value if character_set else b""))
        header.file_meta = FileMetaDataset(_raw(self.meta))
        header.filename, header.preamble = str(self.path), b""
        header.syntax, header.little, header.pixels, header.size = self.syntax, True, self.parsed.pixels, self.size
        header.deflated_from = None
        header.reports = ()
        return header


def read(path: Path, tags: frozenset[int]) -> Lean | None:
    """Read the elements `tags` of a file; None if it is not ordinary.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        return None
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        source = _Headed(file, size)
        if source.head[128:132] != b"DICM" or recognise.preamble_report(source.head) is not None:
            return None
        try:
            return _read(path, source, tags)
        except Refused:
            return None


def _read(path: Path, source: _Headed, tags: frozenset[int]) -> Lean | None:
    head = source.head
    if head[132:134] != b"\x02\x00" or head[136:138] != b"UL":
        return None
    meta = Parser(source, implicit=False, little=True, wanted=META).run(132, only_group=2)
    element = meta.elements.get(0x00020010)
    declared = element.value.decode("ascii", "replace").strip(" \0") if element else ""
    if declared not in syntaxes.NAMES or declared in syntaxes.DEFLATED \
            or declared in (syntaxes.BIG_ENDIAN, syntaxes.GE_PRIVATE):
        return None
    sample = source.read(meta.end, 64)
    odd: list[Report] = []
    implicit, little = recognise.encoding_of(sample, declared, odd)
    if odd or meta.reports or not little or sample.startswith((b"\xfe\xff", b"\xff\xfe")):
        return None
    parsed = Parser(source, implicit=implicit, little=True, wanted=tags).run(meta.end)
    character_set = parsed.elements.get(CHARACTER_SET)
    if parsed.reports or not parsed.elements or not _is_known(character_set.value if character_set else b""):
        return None
    return Lean(path, source.size, recognise.syntax_of(declared, implicit, True), implicit, meta.elements, parsed)


class _Headed:
    """Bytes of a file whose first part is in memory."""

    damaged = False

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size
        self.head = file.read(HEAD)

    def read(self, position: int, count: int) -> bytes:
        """Return up to `count` bytes; fewer at the end."""
        end = min(position + count, self.size)
        if end <= len(self.head):
            return self.head[position:end]
        self._file.seek(position)
        return self._file.read(max(0, end - position))


def _raw(elements: dict[int, Element]) -> dict[BaseTag, RawDataElement]:
    return {BaseTag(e.tag): RawDataElement(BaseTag(e.tag), e.vr, len(e.value), e.value, e.position, e.implicit, True)
            for e in elements.values()}


def _names(stored: bytes) -> list[str]:
    return [n.strip(" \0") for n in stored.decode("ascii", "replace").split("\\")]


@lru_cache(maxsize=64)
def _is_known(stored: bytes) -> bool:
    return all(name in python_encoding for name in _names(stored))


@lru_cache(maxsize=64)
def _encodings(stored: bytes) -> list[str]:
    with quietly():
        return list(convert_encodings(_names(stored)))
