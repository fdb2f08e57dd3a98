"""Find the frames in encapsulated pixel data: items, basic, extended and empty offset tables."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from medviewer.io.dicom.codestream import J2K_START, JP2_BOX, JPEG_START
from medviewer.io.dicom.parse import Refused

MAX_FRAGMENTS = 100_000  # of one frame; more frames may have more
FRAGMENTS_PER_FRAME = 64
MAX_TABLE = 64 << 20
_ITEM_TAG, _END_TAG = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"

Piece = tuple[int, int]  # position and length of a fragment in the file


@dataclass(frozen=True, slots=True)
class Fragments:
    """Fragments by frame.

    frames : for each frame its pieces; may be fewer than the header promises
    cut : whether the pixel data break off (no end, or a fragment longer than the file)
    stored : bytes of the fragments that are there
    """

    frames: tuple[tuple[Piece, ...], ...]
    cut: bool
    stored: int


def find(file: BinaryIO, start: int, size: int, frames: int, extended: list[int]) -> Fragments:
    """Walk the items from `start`; no fragment is read, only its header.

    Parameters
    ----------
    frames : int
        Number of frames the header promises.
    extended : list of int
        Extended offset table, or [].

    Raises
    ------
    Refused
        If the items are beyond use.
    """
    table, pieces, cut = _items(file, start, size, MAX_FRAGMENTS + FRAGMENTS_PER_FRAME * frames)
    if not pieces and not table and frames == 1 and _picture(file, start):
        pieces, cut = [(start, size - start)], False  # one code stream, not wrapped into items
    stored = sum(length for _, length in pieces)
    if not pieces:
        return Fragments((), cut, 0)
    if frames == 1:
        return Fragments((tuple(pieces),), cut, stored)
    base = pieces[0][0] - 8
    for offsets in (extended, table):
        split = _by_offsets(pieces, [base + o for o in offsets[:frames]])
        if split is not None:
            return Fragments(split, cut, stored)
    if len(pieces) <= frames:
        return Fragments(tuple((p,) for p in pieces), cut, stored)
    return Fragments(_by_starts(file, pieces), cut, stored)


def read_frame(file: BinaryIO, pieces: tuple[Piece, ...]) -> bytes:
    """Return the bytes of one frame."""
    parts = []
    for position, length in pieces:
        file.seek(position)
        parts.append(file.read(length))
    return b"".join(parts) if len(parts) != 1 else parts[0]


def _picture(file: BinaryIO, start: int) -> bool:
    file.seek(start)
    return file.read(8).startswith((JPEG_START + b"\xff", J2K_START, JP2_BOX))


def _items(file: BinaryIO, start: int, size: int, limit: int) -> tuple[list[int], list[Piece], bool]:
    table: list[int] = []
    pieces: list[Piece] = []
    position, first, count = start, True, 0
    while position + 8 <= size:
        file.seek(position)
        head = file.read(8)
        if head[:4] != _ITEM_TAG:
            return table, pieces, head[:4] != _END_TAG
        length = int.from_bytes(head[4:8], "little")
        kept = min(length, size - position - 8)
        if first:
            table = _table(file.read(min(kept, MAX_TABLE)))
            first = False
        elif kept:
            pieces.append((position + 8, kept))
        if kept < length:
            return table, pieces, True
        count += 1
        if count > limit:
            raise Refused(f"is stored in more than {limit} pieces")
        position += 8 + length
    return table, pieces, True


def _table(data: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(data) // 4}I", data[:len(data) // 4 * 4]))


def _by_offsets(pieces: list[Piece], starts: list[int]) -> tuple[tuple[Piece, ...], ...] | None:
    """Pieces between the offsets; None if the offsets do not fit the pieces."""
    if len(starts) < 2:
        return None
    frames: list[list[Piece]] = []
    at = 0
    for piece in pieces:
        if at < len(starts) and piece[0] - 8 == starts[at]:
            frames.append([])
            at += 1
        if not frames:
            return None
        frames[-1].append(piece)
    last = pieces[-1][0] + pieces[-1][1]
    if at < len(starts) and any(s < last for s in starts[at:]):
        return None  # an offset points into the middle of a fragment
    return tuple(tuple(f) for f in frames)


def _by_starts(file: BinaryIO, pieces: list[Piece]) -> tuple[tuple[Piece, ...], ...]:
    """Without a table: a new frame begins where a fragment starts like a picture."""
    frames: list[list[Piece]] = []
    for piece in pieces:
        file.seek(piece[0])
        head = file.read(8)
        if not frames or head.startswith((JPEG_START + b"\xff", J2K_START, JP2_BOX)):
            frames.append([])
        frames[-1].append(piece)
    return tuple(tuple(f) for f in frames)
