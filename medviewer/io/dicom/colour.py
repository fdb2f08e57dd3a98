"""Turn stored colours into RGB with 8 bits."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from medviewer.core.errors import ReadError
from medviewer.io.dicom import guards

# Y'CbCr -> RGB, full range: PS3.3 C.7.6.3.1.2; partial range: ITU-R BT.601 with Y 16..235 and C 16..240
_RED_CR, _GREEN_CB, _GREEN_CR, _BLUE_CB = 1.402, 0.344136, 0.714136, 1.772
_CHANNELS = ("Red", "Green", "Blue")
MAX_ENTRIES = 65536
YBR = frozenset(("YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420"))  # RCT and ICT only exist inside J2K

Values = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """Colour table: `table[index - first]` is RGB with 8 bits."""

    first: int
    table: NDArray[np.uint8]

    def apply(self, indices: Values) -> NDArray[np.uint8]:
        """Look the indices up; those outside the table take its first or last colour."""
        last = len(self.table) - 1
        rgb: NDArray[np.uint8] = self.table[np.clip(indices.astype(np.int64) - self.first, 0, last)]
        return rgb


def palette_of(header: pydicom.Dataset) -> Palette:
    """Read the palette of an image.

    Raises
    ------
    ReadError
        If it is missing or damaged.
    """
    path = getattr(header, "filename", None)
    channels, first = [], 0
    for name in _CHANNELS:
        try:
            channel, first = _channel(header, name)
        except guards.BAD_VALUE as error:
            raise ReadError("The pixels cannot be shown: the colour palette is damaged or missing.",
                            path=path) from error
        channels.append(channel)
    length = max(len(c) for c in channels)
    table = np.stack([np.pad(c, (0, length - len(c)), "edge") for c in channels], axis=-1)
    return Palette(first, table)


def _channel(header: pydicom.Dataset, name: str) -> tuple[NDArray[np.uint8], int]:
    descriptor = [int(n) for n in guards.value(header, f"{name}PaletteColorLookupTableDescriptor")]
    entries, first, bits = descriptor[0] & 0xFFFF or MAX_ENTRIES, descriptor[1], descriptor[2]
    if guards.value(header, "PixelRepresentation", 0) == 1 and first > 0x7FFF:
        first -= 0x10000
    data = guards.value(header, f"{name}PaletteColorLookupTableData")
    order = "<" if getattr(header, "little", True) else ">"
    if data is not None:
        return _eight_bits(_entries(data, entries, bits, order), bits), first
    segmented = guards.value(header, f"Segmented{name}PaletteColorLookupTableData")
    return _eight_bits(np.array(_expand(segmented, bits, entries, order)), bits), first


def _entries(data: Any, entries: int, bits: int, order: str) -> Values:
    if not isinstance(data, bytes):
        values: Values = np.asarray(data).ravel()
    elif bits <= 8 and len(data) < 2 * entries:
        values = np.frombuffer(data, np.uint8)
    else:
        values = np.frombuffer(data[:len(data) // 2 * 2], order + "u2")
    if not len(values):
        raise ValueError("empty table")
    return values[:entries]


def _eight_bits(values: Values, bits: int) -> NDArray[np.uint8]:
    if bits > 8:
        values = values >> 8
    return np.clip(values, 0, 255).astype(np.uint8)


def _expand(data: bytes, bits: int, entries: int, order: str) -> list[int]:
    """Unfold a segmented palette (PS3.3 C.7.9.2): discrete, linear and indirect segments."""
    step = "B" if bits <= 8 else "H"
    size = struct.calcsize(step)
    words = struct.unpack(f"{order}{len(data) // size}{step}", data[:len(data) // size * size])
    out: list[int] = []
    _segments(words, 0, None, out, entries, size)
    if not out:
        raise ValueError("empty table")
    return out[:entries]


def _segments(words: tuple[int, ...], at: int, count: int | None, out: list[int], entries: int, size: int) -> None:
    while at + 1 < len(words) and len(out) < entries and count != 0:
        kind, length = words[at], words[at + 1]
        if kind == 0:
            out += words[at + 2:at + 2 + length]
            at += 2 + length
        elif kind == 1:
            start, end = out[-1], words[at + 2]
            out += [start + round((end - start) * (n + 1) / length) for n in range(min(length, entries))]
            at += 3
        elif kind == 2 and count is None:
            parts = 4 if size == 1 else 2
            offset = sum(words[at + 2 + n] << (8 * size * n) for n in range(parts))
            _segments(words, offset // size, length, out, entries, size)
            at += 2 + parts
        else:
            raise ValueError("unknown segment")
        count = None if count is None else count - 1


def to_eight_bits(values: Values, bits_stored: int) -> NDArray[np.uint8]:
    """Keep the eight highest used bits."""
    if values.dtype == np.uint8 and bits_stored <= 8:
        return values
    shifted = values >> (bits_stored - 8) if bits_stored > 8 else values
    return np.minimum(shifted, 255).astype(np.uint8)


def ybr_to_rgb(ybr: NDArray[np.uint8], *, partial: bool = False) -> NDArray[np.uint8]:
    """Convert Y'CbCr to RGB.

    References
    ----------
    DICOM PS3.3 C.7.6.3.1.2.
    """
    y, cb, cr = (ybr[..., n].astype(np.float32) for n in range(3))
    cb, cr = cb - 128, cr - 128
    if partial:
        y, cb, cr = (y - 16) * (255 / 219), cb * (255 / 224), cr * (255 / 224)
    rgb = np.stack([y + _RED_CR * cr, y - _GREEN_CB * cb - _GREEN_CR * cr, y + _BLUE_CB * cb], axis=-1)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def spread_422(stored: Values, rows: int, columns: int) -> Values:
    """Unfold Y1 Y2 Cb Cr to full resolution (PS3.3 C.7.6.3.1.2, YBR_FULL_422)."""
    pairs = stored.reshape(rows, (columns + 1) // 2, 4)
    full = np.empty((rows, pairs.shape[1], 2, 3), stored.dtype)
    full[..., 0] = pairs[..., :2]
    full[..., 1:] = pairs[..., None, 2:]
    return full.reshape(rows, -1, 3)[:, :columns]
