"""What a compressed frame says about itself, read before any decoder sees it.

Decoders allocate what the code stream claims, whatever the DICOM header says: a thousand bytes can ask for
twelve gigabytes. So the claim is read here and compared first.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

Codec = Literal["jpeg", "jpegls", "j2k", "rle"]

JPEG_START, J2K_START, JP2_BOX = b"\xff\xd8", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  "
LOSSLESS_SOF, PROGRESSIVE_SOF = 0xC3, (0xC2, 0xC6)
HIERARCHICAL = frozenset((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF, 0xDE))
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))  # markers without a length
RLE_HEADER = 64
RLE_BEST = 64  # output bytes per stored byte that PackBits can reach


class BadStreamError(ValueError):
    """The code stream cannot be used; the message is a half sentence for people."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Claims of a code stream.

    marker : JPEG frame header marker (0xC0 baseline, 0xC3 lossless, ...), else 0
    adobe : colour transform of the Adobe segment, or None
    subsampled : whether the components differ in size
    """

    codec: Codec
    rows: int
    columns: int
    samples: int
    bits: int
    signed: bool = False
    marker: int = 0
    adobe: int | None = None
    subsampled: bool = False


def inspect(data: bytes) -> Stream:
    """Read the header of a JPEG, JPEG-LS or JPEG 2000 code stream.

    Raises
    ------
    BadStreamError
        If there is none, it is damaged, or of a kind nobody decodes.
    """
    if data.startswith(JPEG_START):
        return _jpeg(data)
    if data.startswith(J2K_START):
        return _j2k(data, 0)
    if data.startswith(JP2_BOX):
        at = data.find(J2K_START, 0, 1 << 16)
        if at >= 0:
            return _j2k(data, at)
    raise BadStreamError("does not start like a compressed picture")


def _jpeg(data: bytes) -> Stream:
    at, adobe = 2, None
    found: Stream | None = None
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise BadStreamError("is damaged before its size is stated")
        marker = data[at + 1]
        if marker == 0xFF or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (0xDA, 0xD9):
            break
        length = int.from_bytes(data[at + 2:at + 4], "big")
        body = data[at + 4:at + 2 + length]
        if length < 2 or len(body) < length - 2:
            raise BadStreamError("is cut short in its header")
        if marker in HIERARCHICAL:
            raise BadStreamError("is a hierarchical JPEG, which is not supported")
        if marker in _FRAME_HEADERS:
            if found is not None:
                raise BadStreamError("states its size twice")
            found = _frame(marker, body)
        elif marker == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
            adobe = body[11]
        at += 2 + length
    if found is None:
        raise BadStreamError("does not state its size")
    return Stream(found.codec, found.rows, found.columns, found.samples, found.bits, False, found.marker, adobe,
                  found.subsampled)


def _frame(marker: int, body: bytes) -> Stream:
    if len(body) < 6:
        raise BadStreamError("is cut short in its header")
    bits, rows, columns, samples = struct.unpack_from(">BHHB", body)
    if len(body) < 6 + 3 * samples:
        raise BadStreamError("is cut short in its header")
    factors = {body[7 + 3 * n] for n in range(samples)}
    return Stream("jpegls" if marker == 0xF7 else "jpeg", rows, columns, samples, bits, False, marker, None,
                  len(factors) > 1)


def _j2k(data: bytes, at: int) -> Stream:
    head = data[at + 4:at + 42]
    if len(head) < 38:
        raise BadStreamError("is cut short in its header")
    _, _, x1, y1, x0, y0, tile_x, tile_y, _, _, samples = struct.unpack(">HHIIIIIIIIH", head)
    parts = data[at + 42:at + 42 + 3 * samples]
    if not 0 < samples <= 4 or len(parts) < 3 * samples:
        raise BadStreamError("has an absurd number of components" if samples else "has no components")
    if x1 <= x0 or y1 <= y0 or not tile_x or not tile_y:
        raise BadStreamError("states an impossible size")
    sizes = {(parts[3 * n + 1], parts[3 * n + 2]) for n in range(samples)}
    if (0 in (v for size in sizes for v in size)) or len({parts[3 * n] for n in range(samples)}) > 1:
        raise BadStreamError("mixes components of different kinds, which is not supported")
    tiles = -(-(x1 - x0) // tile_x) * -(-(y1 - y0) // tile_y)
    if tiles > 65535:
        raise BadStreamError("states an impossible number of tiles")
    dx, dy = parts[1], parts[2]
    return Stream("j2k", -(-y1 // dy) - -(-y0 // dy), -(-x1 // dx) - -(-x0 // dx), samples, (parts[0] & 0x7F) + 1,
                  bool(parts[0] & 0x80), 0, None, len(sizes) > 1)


def check_rle(data: bytes, pixels: int, segments: int) -> bool:
    """Compare the segment table of an RLE frame with its size; returns whether the data can be complete.

    Raises
    ------
    BadStreamError
        If the table does not fit.
    """
    if len(data) < RLE_HEADER:
        raise BadStreamError("is shorter than its own table")
    count, *offsets = struct.unpack_from("<16I", data)
    if count != segments:
        raise BadStreamError(f"has {count} parts where {segments} are expected")
    used = [*offsets[:count], len(data)]
    if used[0] < RLE_HEADER or any(a > b for a, b in zip(used[:-2], used[1:-1], strict=True)):
        raise BadStreamError("has a damaged table")
    complete = all(a <= b and (b - a) * RLE_BEST >= pixels for a, b in zip(used[:-1], used[1:], strict=True))
    if not complete and (len(data) - RLE_HEADER) * RLE_BEST * 64 < pixels * segments:
        raise BadStreamError("is far too short for the size it claims")
    return complete


def seems_complete(data: bytes, codec: Codec) -> bool:
    """Whether the stream ends with an end marker (padding allowed)."""
    tail = data[-64:].rstrip(b"\0\xff") if codec != "rle" else b""
    return codec == "rle" or tail.endswith(b"\xd9") or b"\xff\xd9" in data[-64:]
