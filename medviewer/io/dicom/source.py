"""Bytes of a DICOM file by position: straight from the disk, or inflated within limits."""

from __future__ import annotations

import zlib
from typing import BinaryIO, Protocol

MAX_RATIO = 1032  # deflate cannot do better, so a compressed stream bounds what it can hold
INFLATED_HEADER = 64 << 20  # bytes of header a deflated file may unfold to ...
HEADER_RATIO = 20  # ... unless it is not much larger than the file itself
STEP = 1 << 16


class Inflater(Protocol):
    """What `zlib.decompressobj` gives."""

    @property
    def unconsumed_tail(self) -> bytes:
        """Input not used yet."""
        ...

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was reached."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Unfold at most `max_length` bytes."""
        ...


class FileSource:
    """Bytes of an open file.

    size : bytes there are
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size
        self.damaged = False

    def read(self, position: int, count: int) -> bytes:
        """Return up to `count` bytes; fewer at the end."""
        self._file.seek(position)
        return self._file.read(max(0, min(count, self.size - position)))


class InflateTooLarge(Exception):  # noqa: N818 - a signal inside this package
    """A deflated header unfolds to more than anyone needs."""


class InflateSource:
    """Bytes of a deflated dataset, unfolded only as far as asked for.

    size : an upper bound; the true size is known only at the end
    damaged : whether the stream broke off or is corrupt; what came before it can be used
    """

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._next, self._end = file, start, size
        self._inflater: Inflater | None = None
        self._out = bytearray()
        self._limit = max(INFLATED_HEADER, HEADER_RATIO * (size - start))
        self.size = (size - start) * MAX_RATIO
        self.damaged = False
        self.complete = False

    def read(self, position: int, count: int) -> bytes:
        """Return up to `count` bytes; fewer at the end.

        Raises
        ------
        InflateTooLarge
            If more than the limit would have to be unfolded.
        """
        wanted = position + count
        while len(self._out) < min(wanted, self._limit) and not self.complete:
            self._more()
        if not self.complete and wanted > self._limit and position >= self._limit - STEP:
            raise InflateTooLarge
        return bytes(self._out[position:wanted])

    def _more(self) -> None:
        data = self._inflater.unconsumed_tail if self._inflater else b""
        if not data:
            self._file.seek(self._next)
            data = self._file.read(min(STEP, self._end - self._next))
            self._next += len(data)
        if self._inflater is None:
            self._inflater = new_inflater(data)
        try:
            out = self._inflater.decompress(data, STEP)
        except zlib.error:
            self._stop(damaged=True)
            return
        self._out += out
        if self._inflater.eof:
            self._stop(damaged=False)
        elif not data and not out:
            self._stop(damaged=True)  # the file ends before the stream does

    def _stop(self, *, damaged: bool) -> None:
        self.complete, self.damaged, self.size = True, damaged, len(self._out)


class InflatedPixels:
    """Frames of a deflated file: one pass forward, nothing kept but the frame asked for."""

    def __init__(self, start: int, end: int) -> None:
        self._next, self._end = start, end
        self._inflater: Inflater | None = None
        self._done = False
        self.position = 0

    def readinto(self, file: BinaryIO, position: int, target: memoryview) -> int:
        """Fill `target` from `position` (not before the current one); returns how many bytes there were."""
        filled = 0
        while filled < len(target) and not self._done:
            skip = max(0, position - self.position)
            data = self._step(file, min(STEP, skip + len(target) - filled))
            self.position += len(data)
            useful = data[min(skip, len(data)):]
            target[filled:filled + len(useful)] = useful
            filled += len(useful)
            position += len(useful)
        return filled

    def _step(self, file: BinaryIO, count: int) -> bytes:
        data = self._inflater.unconsumed_tail if self._inflater else b""
        if not data:
            file.seek(self._next)
            data = file.read(min(STEP, self._end - self._next))
            self._next += len(data)
        if self._inflater is None:
            self._inflater = new_inflater(data)
        try:
            out = self._inflater.decompress(data, count)
        except zlib.error:
            self._done = True
            return b""
        self._done = self._inflater.eof or (not data and not out)
        return out


def new_inflater(data: bytes) -> Inflater:
    """Raw deflate as the standard has it, or with the zlib header that some writers add."""
    wrapped = len(data) > 1 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
    return zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)


def inflate_frame(data: bytes, size: int) -> bytes:
    """Unfold one deflated frame to at most `size` bytes (fewer if it is cut short or corrupt)."""
    out = bytearray()
    inflater = new_inflater(data)
    while len(out) < size and not inflater.eof:
        try:
            part = inflater.decompress(data, min(STEP, size - len(out)))
        except zlib.error:
            break
        out += part
        data = inflater.unconsumed_tail
        if not part and not data:
            break
    return bytes(out)
