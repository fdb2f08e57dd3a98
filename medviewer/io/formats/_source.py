"""Decoded bytes of a compressed or plain file, in bounded pieces."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, BinaryIO, Literal

Coding = Literal["raw", "gzip", "zlib", "bz2"]

CHUNK = 1 << 18  # compressed bytes per step: small enough for a quick cancel
TRAILER = 8  # bytes of checksum and length behind gzip data


class Source:
    """Decoded bytes of a file from `start` on, in bounded pieces; gzip and bz2 members may follow each other."""

    def __init__(self, path: Path, coding: Coding, start: int = 0) -> None:
        self._file: BinaryIO = open(path, "rb")  # noqa: SIM115 - closed by close()
        self._file.seek(start)
        self._coding = coding
        self._left = b""  # read from the file, not decoded yet
        self._decoder: Any = None if coding == "raw" else _decoder(coding)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def readinto(self, view: memoryview) -> int:
        """Fill `view` as far as the data goes and return the number of bytes.

        Raises
        ------
        OSError, EOFError, zlib.error
            If the data is damaged or ends in the middle.
        """
        if self._decoder is None:
            done = 0
            while done < len(view) and (n := self._file.readinto(view[done : done + (CHUNK << 4)])):  # type: ignore[attr-defined]
                done += n
            return done
        done = 0
        while done < len(view):
            piece = self._decode(len(view) - done)
            if not piece:
                break
            view[done : done + len(piece)] = piece
            done += len(piece)
        return done

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        data = bytearray(size)
        return bytes(data[: self.readinto(memoryview(data))])

    def _decode(self, limit: int) -> bytes:
        """Return at least one decoded byte, or nothing at the end."""
        while True:
            if self._decoder.eof:
                self._next_member()
                if self._decoder.eof:
                    return b""
            buffered = self._coding == "bz2" and not self._decoder.needs_input
            data = b"" if buffered else self._left or self._file.read(CHUNK)
            if self._coding == "bz2":
                piece: bytes = self._decoder.decompress(data, limit)
                self._left = b""
            else:
                piece = self._inflate(data, limit)
            if self._decoder.eof:
                self._left = self._decoder.unused_data
            if piece:
                return piece
            if not data and not buffered and not self._decoder.eof:
                raise EOFError("the compressed data ends in the middle")

    def _inflate(self, data: bytes, limit: int) -> bytes:
        """Decode; where only the checksum behind the data is wrong, the data is given before the error is raised."""
        before = self._decoder.copy()
        try:
            piece: bytes = self._decoder.decompress(data, limit)
            self._left = self._decoder.unconsumed_tail
        except zlib.error:
            piece = before.decompress(data[:-TRAILER], limit)
            if not piece:
                raise
            self._decoder, self._left = before, before.unconsumed_tail + data[-TRAILER:]
        return piece

    def _next_member(self) -> None:
        """Begin another member where one follows; zero bytes behind the last one are padding."""
        self._left = (self._left or self._file.read(CHUNK)).lstrip(b"\0")
        magic = {"gzip": b"\x1f\x8b", "bz2": b"BZh"}.get(self._coding)
        if magic and self._left.startswith(magic):
            self._decoder = _decoder(self._coding)


def _decoder(coding: Coding) -> Any:
    if coding == "bz2":
        import bz2

        return bz2.BZ2Decompressor()
    return zlib.decompressobj(wbits=31 if coding == "gzip" else 47)


def coding_of(head: bytes) -> Coding:
    """Tell by the first bytes how a whole file is compressed."""
    return "gzip" if head.startswith(b"\x1f\x8b") else "bz2" if head.startswith(b"BZh") else "raw"


def head_of(path: Path, size: int = 4096) -> tuple[bytes, Coding]:
    """Return the first decoded bytes of a file and its coding; what a damaged file gives is returned."""
    with open(path, "rb") as file:
        coding = coding_of(file.read(4))
    source = Source(path, coding)
    try:
        data = bytearray(size)
        try:
            return bytes(data[: source.readinto(memoryview(data))]), coding
        except (OSError, EOFError, zlib.error):
            return bytes(data).rstrip(b"\0"), coding
    finally:
        source.close()
