"""Stored frames of a DICOM segmentation.

The ordinary frame reader does it all but run-length encoded 1-bit pixels, which general decoders refuse.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import ReadError
from medviewer.core.study import Report
from medviewer.io.formats._dicom_object import text

if TYPE_CHECKING:
    from pydicom import Dataset

RLE = "1.2.840.10008.1.2.5"
HEADER_BYTES = 64  # of an RLE frame


class SegPixels:
    """Frames of one segmentation file, 0 and 1 for 1-bit pixels.

    Raises
    ------
    ReadError
        If the header does not describe the pixels of a segmentation, or they are not there.
    """

    def __init__(self, header: Dataset, path: Path) -> None:
        from medviewer.io.dicom.pixels import FrameReader

        self._path, self._header = path, header
        self._reader = FrameReader(path, header)
        layout = self._reader.layout
        self.size, self.count, self.bits = (layout.rows, layout.columns), layout.frames, layout.bits_allocated
        if layout.colour or layout.dtype.kind != "u" or self.bits > 16:
            raise ReadError(f"{path.name} does not hold the pixels of a segmentation", path=path,
                            hint=f"They are {text(header, 'PhotometricInterpretation')}, {self.bits} bits.")
        self._runs = layout.transfer_syntax == RLE and self.bits == 1

    @property
    def reports(self) -> list[Report]:
        """What was odd while reading: frames cut short, ..."""
        return self._reader.reports

    def read(self, n: int) -> NDArray[np.unsignedinteger]:
        """Return the stored values of frame `n`, (rows, columns).

        Raises
        ------
        ReadError
            If it cannot be decoded.
        """
        return self._from_runs(n) if self._runs else self._reader.read(n)

    def _from_runs(self, n: int) -> NDArray[np.unsignedinteger]:
        from medviewer.io.dicom import fragments
        from medviewer.io.dicom.parse import Refused

        rows, columns = self.size
        with open(self._path, "rb") as file:
            try:
                place = self._header.pixels
                found = fragments.find(file, place.offset, place.offset + place.room, self.count, []).frames
            except Refused as error:
                raise ReadError(f"{self._path.name} {error}", path=self._path) from error
            data = b""
            for position, length in found[n] if n < len(found) else ():
                file.seek(position)
                data += file.read(length)
        values = np.frombuffer(_unpack(data, rows * columns), np.uint8)
        if len(values) < rows * columns:  # some writers pack the bits before they encode
            values = np.unpackbits(values, bitorder="little")[:rows * columns]
        if len(values) < rows * columns:
            raise ReadError(f"{self._path.name}: frame {n + 1} is damaged", path=self._path)
        return values.reshape(rows, columns)


def _unpack(data: bytes, limit: int) -> bytes:
    """Unpack the only segment of an RLE frame (PackBits; PS3.5 annex G)."""
    out = bytearray()
    at = max(int.from_bytes(data[4:8], "little"), HEADER_BYTES)
    while at < len(data) - 1 and len(out) < limit:
        code = data[at]
        if code < 128:
            out += data[at + 1:at + 2 + code]
            at += code + 2
        else:
            if code > 128:
                out += data[at + 1:at + 2] * (257 - code)
            at += 2 if code > 128 else 1
    return bytes(out[:limit])
