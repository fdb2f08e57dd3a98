"""Stored tables of values: modality LUT (stored -> real) and VOI LUT (real -> grey)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.volume import VoiLut
from medviewer.io.dicom.headers import BAD_VALUE, Header
from medviewer.io.dicom.quiet import quietly

MAX_BITS = 16
OPTICAL_DENSITY = 1e-3  # the entries of a table of optical density are thousandths (PS3.3 C.11.1.1.2)


@dataclass(frozen=True, slots=True, eq=False)
class ValueTable:
    """Maps a whole number to an entry; numbers outside take the first or the last (PS3.3 C.11.1.1.1).

    first : number of the first entry
    entries : (N,) whole numbers
    bits : used by an entry, as stated
    kind : what the entries are (HU, OD, ...), or empty
    """

    first: int
    entries: NDArray[Any]
    bits: int
    name: str = ""
    kind: str = ""

    @property
    def scale(self) -> float:
        """What an entry has to be multiplied with."""
        return OPTICAL_DENSITY if self.kind == "OD" else 1.0

    def apply(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Look up the entries of `stored`."""
        place = np.clip(stored.astype(np.int64) - self.first, 0, len(self.entries) - 1)
        found: NDArray[Any] = self.entries[place]
        return found


def modality_table(header: Header) -> ValueTable | None:
    """Return the table that makes real values of stored ones, or None."""
    raw = header.stored_bytes("ModalityLUTSequence")
    if not raw:
        return None

    def make() -> ValueTable | None:
        item = next(iter(header.items("ModalityLUTSequence")), None)
        return None if item is None else _table(item, header.little, header.integer("PixelRepresentation") == 1)

    table: ValueTable | None = header.cached(("modality table", raw, header.integer("PixelRepresentation")), make)
    return table


def voi_lut(header: Header, *, negative: bool) -> VoiLut | None:
    """Return the stored grey curve, or None.

    Parameters
    ----------
    negative : bool
        Whether the values it is for can be below zero: the first value is then signed, however it is written.

    Notes
    -----
    The first entry belongs to the value `first` (in rescaled units), each further one to the next whole value.
    White is the largest number of the stated bits.
    """
    for item in header.items("VOILUTSequence"):
        table = _table(item, header.little, negative)
        if table is not None:
            top = max(float(table.entries.max()), 1.0)
            stated = 8 <= table.bits <= MAX_BITS and top < 2 ** table.bits
            bits = table.bits if stated else int(np.ceil(np.log2(top + 1)))
            return VoiLut(float(table.first), np.asarray(table.entries / (2.0 ** bits - 1), np.float32), table.name)
    return None


def _table(item: Any, little: bool, signed: bool) -> ValueTable | None:
    """Read a LUT item; None if it is not usable."""
    try:
        with quietly():
            element = item["LUTData"]
            count, first, bits = _descriptor(item, little)
            entries = _entries(element, count, bits, little)
            name, kind = (str(item.get(k, "") or "").strip() for k in ("LUTExplanation", "ModalityLUTType"))
    except (*BAD_VALUE, IndexError):
        return None
    if signed and first > 0x7FFF:
        first -= 0x10000
    return ValueTable(first, entries, bits, name, kind) if entries is not None else None


def _descriptor(item: Any, little: bool) -> tuple[int, int, int]:
    found = item.LUTDescriptor
    if isinstance(found, bytes):  # of unknown VR
        found = np.frombuffer(found, "<u2" if little else ">u2")
    count, first, bits = (int(v) for v in found)
    return count & 0xFFFF or 65536, first, bits


def _entries(element: Any, count: int, bits: int, little: bool) -> NDArray[Any] | None:
    data = element.value
    if isinstance(data, bytes):
        wide = bits > 8 or len(data) >= 2 * count
        kind = ("<u2" if little else ">u2") if wide else "u1"
        values = np.frombuffer(data[:len(data) // 2 * 2] if wide else data, kind)
    else:
        values = np.asarray([data] if isinstance(data, int) else list(data), np.int64)
    if len(values) < count:
        return None
    values = values[:count]
    return values.astype(np.int16 if values.min() < 0 else np.uint16 if values.max() > 255 or bits > 8 else np.uint8)
