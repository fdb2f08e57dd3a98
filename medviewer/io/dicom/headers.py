"""Read what a scan needs from DICOM headers, quickly.

`guards.read_header` keeps the wanted elements as stored bytes; here they are converted on demand, and each
distinct value only once per scan, because the files of a series repeat nearly all of them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medviewer.core.errors import ReadError
from medviewer.core.job import Job
from medviewer.core.study import Report, Skipped
from medviewer.io import waiting
from medviewer.io.dicom import guards, lean
from medviewer.io.dicom.elements import KEYWORDS, NUMBERS, PIXEL_TAGS, TAGS, Raw, numbers_of, text_of
from medviewer.io.dicom.quiet import quietly

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# what pydicom raises when a stored value cannot be understood
BAD_VALUE = (ValueError, TypeError, LookupError, AttributeError, NotImplementedError, OverflowError, EOFError,
             ArithmeticError, RecursionError, struct.error)


class Header:
    """The elements of one file that matter for putting series together.

    path, size : the file and its length in bytes
    syntax : transfer syntax UID
    little : whether it is little endian
    """

    __slots__ = ("_dataset", "_lean", "_memo", "_pixels", "_stored", "little", "path", "size", "syntax")

    def __init__(self, path: Path, memo: dict[Any, Any] | None = None) -> None:
        self.path = path
        self._memo = {} if memo is None else memo
        self._dataset: guards.GuardedDataset | None = None
        self._lean = _lean(path)
        if self._lean is not None:
            self.little, elements, self._pixels = True, self._lean.parsed.elements, self._lean.parsed.pixels
            self._stored: dict[int, Raw] = {tag: (e.vr, e.value, True) for tag, e in elements.items()}
            self.size, self.syntax = self._lean.size, self._lean.syntax
            return
        found = guards.read_header(path, tags=KEYWORDS)
        assert isinstance(found, guards.GuardedDataset)
        self._dataset, self.little, self._pixels = found, found.little, found.pixels
        self._stored = {e.tag: (e.VR, e.value, found.little) for e in found.values()}
        self.size, self.syntax = found.size, found.syntax

    @property
    def dataset(self) -> guards.GuardedDataset:
        """The elements as pydicom knows them (sequences included), as `guards.read_header` gives them."""
        if self._dataset is None:
            assert self._lean is not None
            self._dataset = self._lean.dataset()
        return self._dataset

    @property
    def has_pixels(self) -> bool:
        """Whether there is a pixel data element."""
        return self._pixels is not None

    @property
    def pixels_at(self) -> int | None:
        """Where native pixel data begin in the file; None if they are compressed or deflated."""
        place = self._pixels
        deflated = self._dataset is not None and self._dataset.deflated_from is not None
        return None if place is None or place.length is None or deflated else place.offset

    @property
    def pixels_length(self) -> int:
        """Declared length of native pixel data, bytes."""
        return self._pixels.length or 0 if self._pixels is not None else 0

    @property
    def reports(self) -> tuple[Report, ...]:
        """Oddities met while reading the header."""
        return () if self._dataset is None else guards.reports_of(self._dataset)

    def has(self, keyword: str) -> bool:
        """Whether the element is in the file (it may be empty)."""
        return TAGS[keyword].tag in self._stored

    def text(self, keyword: str) -> str:
        """Value as stripped text, several values joined by a backslash; empty if absent or unreadable."""
        raw = self._stored.get(TAGS[keyword].tag)
        if raw is None or not raw[1]:
            return ""
        key = (keyword, raw)
        if key not in self._memo:
            self._memo[key] = text_of(raw[1])
        text = self._memo[key]
        return self._decoded(keyword) if text is None else str(text)

    def stored_bytes(self, keyword: str) -> bytes:
        """Value as stored; empty if absent."""
        raw = self._stored.get(TAGS[keyword].tag)
        return raw[1] or b"" if raw is not None else b""

    def cached(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what `make` returns, made once for all files of a scan with the same `key`."""
        if key not in self._memo:
            self._memo[key] = make()
        return self._memo[key]

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Values as floats; () if absent or not all numbers."""
        entry = TAGS[keyword]
        raw = self._stored.get(entry.tag)
        if raw is None or not raw[1]:
            return ()
        key = (entry.tag, raw)
        if key not in self._memo:
            self._memo[key] = numbers_of(raw, entry.vr)
        found: tuple[float, ...] = self._memo[key]
        return found

    def number(self, keyword: str) -> float | None:
        """First value as float, or None."""
        values = self.numbers(keyword)
        return values[0] if values else None

    def integer(self, keyword: str, default: int = 0) -> int:
        """First value as int, or `default`."""
        value = self.number(keyword)
        return default if value is None else int(value)

    def items(self, keyword: str) -> list[Dataset]:
        """Items of a sequence; [] if absent or unreadable."""
        if not self.has(keyword):
            return []
        try:
            with quietly():
                value = self.dataset[keyword].value
                return list(value) if value else []
        except BAD_VALUE:
            return []

    def pixel_signature(self) -> tuple[Any, ...]:
        """Something equal for files whose pixels are stored alike."""
        return (self.syntax, self._pixels and self._pixels.tag, *map(self._stored.get, PIXEL_TAGS))

    def _decoded(self, keyword: str) -> str:
        """Text in the character set of the file."""
        try:
            with quietly():
                value = self.dataset[keyword].value
        except BAD_VALUE:
            return ""
        values = value if type(value).__name__ == "MultiValue" else [value]
        return "\\".join(str(v).strip(" \0") for v in values)


def _lean(path: Path) -> lean.Lean | None:
    try:
        return lean.read(path, NUMBERS)
    except OSError:
        return None  # `guards.read_header` says it in words


def read_headers(paths: Sequence[Path], job: Job) -> tuple[list[Header], list[Skipped]]:
    """Read the headers of many files; those that are not DICOM come back with the reason."""
    memo: dict[Any, Any] = {}
    headers: list[Header] = []
    skipped: list[Skipped] = []

    def one(path: Path) -> Header | Skipped:
        try:
            return Header(path, memo)
        except ReadError as error:
            return Skipped(path, str(error))

    for found in waiting.each(one, paths, job, "Reading DICOM headers"):
        if isinstance(found, Header):
            headers.append(found)
        else:
            skipped.append(found)
    return headers, skipped
