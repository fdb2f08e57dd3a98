"""Read what a scan needs from DICOM headers, quickly.

`guards.read_header` keeps the wanted elements as stored bytes; here they are converted on demand, and each
distinct value only once per scan, because the files of a series repeat nearly all of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medviewer.core.errors import ReadError
from medviewer.core.job import Job
from medviewer.core.study import Report, Skipped
from medviewer.io.dicom import guards
from medviewer.io.dicom.elements import KEYWORDS, PIXEL_TAGS, TAGS, Raw, numbers_of, text_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

THREADS = 4  # hides the latency of network folders
BATCH = 32  # files per piece of work

# what pydicom raises when a stored value cannot be understood
BAD_VALUE = (ValueError, TypeError, LookupError, AttributeError, NotImplementedError, OverflowError, EOFError,
             ArithmeticError, RecursionError, struct.error)


class Header:
    """The elements of one file that matter for putting series together.

    path, size : the file and its length in bytes
    syntax : transfer syntax UID
    dataset : the elements as pydicom knows them (sequences included)
    """

    __slots__ = ("_memo", "_stored", "dataset", "path", "size", "syntax")

    def __init__(self, path: Path, memo: dict[Any, Any] | None = None) -> None:
        self.path = path
        self._memo = {} if memo is None else memo
        self.dataset = guards.read_header(path, tags=KEYWORDS)
        little = self.dataset.little
        self._stored: dict[int, Raw] = {e.tag: (e.VR, e.value, little) for e in self.dataset.values()}
        self.size = self.dataset.size
        self.syntax = self.dataset.syntax

    @property
    def has_pixels(self) -> bool:
        """Whether there is a pixel data element."""
        return self.dataset.pixels is not None

    @property
    def pixels_at(self) -> int | None:
        """Where native pixel data begin in the file; None if they are compressed or deflated."""
        place = self.dataset.pixels
        return None if place is None or place.length is None or self.dataset.deflated_from is not None else place.offset

    @property
    def pixels_length(self) -> int:
        """Declared length of native pixel data, bytes."""
        place = self.dataset.pixels
        return place.length or 0 if place is not None else 0

    @property
    def reports(self) -> tuple[Report, ...]:
        """Oddities met while reading the header."""
        return guards.reports_of(self.dataset)

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
            value = self.dataset[keyword].value
            return list(value) if value else []
        except BAD_VALUE:
            return []

    def pixel_signature(self) -> tuple[Any, ...]:
        """Something equal for files whose pixels are stored alike."""
        return (self.syntax, self.dataset.pixels.tag, *map(self._stored.get, PIXEL_TAGS))

    def _decoded(self, keyword: str) -> str:
        """Text in the character set of the file."""
        try:
            value = self.dataset[keyword].value
        except BAD_VALUE:
            return ""
        values = value if type(value).__name__ == "MultiValue" else [value]
        return "\\".join(str(v).strip(" \0") for v in values)


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

    def many(batch: list[Path]) -> list[Header | Skipped]:
        return [] if job.cancelled else [one(p) for p in batch]

    pool = ThreadPoolExecutor(THREADS, "dicom-headers")
    try:
        for found in job.each(pool.map(many, _batches(paths)), "Reading DICOM headers", -(-len(paths) // BATCH)):
            headers += [a for a in found if isinstance(a, Header)]
            skipped += [a for a in found if isinstance(a, Skipped)]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return headers, skipped


def _batches(paths: Sequence[Path]) -> Iterator[list[Path]]:
    rest = iter(paths)
    while batch := list(islice(rest, BATCH)):
        yield batch
