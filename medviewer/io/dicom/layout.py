"""How the pixels of a file are stored, judged before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pydicom

from medviewer.core.errors import ReadError
from medviewer.io.dicom import guards, syntaxes

COLOUR_BY_SAMPLES = frozenset(("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT",
                               "YBR_RCT"))
UNSUPPORTED_COLOUR = frozenset(("HSV", "ARGB", "CMYK", "XYB"))
FLOAT_TAG, DOUBLE_TAG = 0x7FE00008, 0x7FE00009
MAX_SIDE = 65535
ABSURD_BYTES = 1 << 30  # a claim above this must be backed by some of its bytes
MAX_FRAME = 4 << 30


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """How the pixels of one file are stored.

    frame_bytes : of one uncompressed frame as stored
    dtype : of the values `FrameReader.read` gives: uint8 for colour, else the stored type in native byte order
    colour : whether frames are RGB (rows, columns, 3)
    high_bit : of the stored value; `bits_stored` - 1 unless the values are shifted
    """

    rows: int
    columns: int
    samples: int
    frames: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str
    planar: int
    dtype: np.dtype[np.generic]
    compressed: bool
    transfer_syntax: str
    colour: bool
    frame_bytes: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one frame."""
        return (self.rows, self.columns, 3) if self.colour else (self.rows, self.columns)

    @classmethod
    def of(cls, header: pydicom.Dataset) -> PixelLayout:
        """Read the image pixel module.

        Raises
        ------
        ReadError
            If it is missing, contradicts itself, or claims more than the file can hold.
        """
        return _layout(header)


class _Fields:
    """Numbers of the header, with a sentence for each that cannot be used."""

    def __init__(self, header: pydicom.Dataset) -> None:
        self.header = header
        self.path = getattr(header, "filename", None) or None

    def number(self, keyword: str, default: int | None = None) -> int:
        found = guards.value(self.header, keyword)
        if isinstance(found, bytes):  # the wrong VR for a number
            found = int.from_bytes(found, "little") if len(found) in (2, 4) else found.decode("ascii", "replace")
        try:
            first = found if isinstance(found, int | float | str) else found[0] if found is not None else default
            if first is None:
                raise self.error(f"it does not say {_SAYS.get(keyword, keyword)}")
            return int(first)
        except guards.BAD_VALUE as error:
            raise self.error(f"{_SAYS.get(keyword, keyword)} cannot be understood") from error

    def error(self, reason: str) -> ReadError:
        return ReadError(f"The pixels cannot be shown: {reason}.", path=self.path)


_SAYS = {"Rows": "how many rows it has", "Columns": "how many columns it has", "NumberOfFrames": "the number of frames",
         "BitsAllocated": "how many bits a pixel has", "BitsStored": "how many bits are used",
         "SamplesPerPixel": "the number of samples per pixel", "HighBit": "the highest bit",
         "PixelRepresentation": "whether values are signed", "PlanarConfiguration": "the order of the colours"}


def _layout(header: pydicom.Dataset) -> PixelLayout:
    fields = _Fields(header)
    place = header.pixels if isinstance(header, guards.GuardedDataset) else None
    rows, columns = fields.number("Rows"), fields.number("Columns")
    if not 0 < rows <= MAX_SIDE or not 0 < columns <= MAX_SIDE:
        raise fields.error(f"a picture of {columns} x {rows} pixels is impossible")
    frames = _frames(fields)
    photometric, samples = _colours(fields)
    tag = place.tag if place else FLOAT_TAG if FLOAT_TAG in header else DOUBLE_TAG if DOUBLE_TAG in header else 0
    floating = tag in (FLOAT_TAG, DOUBLE_TAG)
    if floating:
        allocated = 32 if tag == FLOAT_TAG else 64
        stored, high, signed = allocated, allocated - 1, True
    else:
        allocated, stored, high, signed = _bits(fields)
    colour = samples == 3 or photometric == "PALETTE COLOR"
    syntax = _syntax(header)
    native = _frame_bytes(rows, columns, samples, allocated, photometric, False) * frames
    compressed = (place is not None and place.length is None) or (
        syntax in syntaxes.COMPRESSED and (place is None or place.length is None or place.length < native))
    planar = fields.number("PlanarConfiguration", 0) if samples == 3 else 0
    layout = PixelLayout(rows, columns, samples, frames, allocated, stored, high, signed, photometric, planar,
                         _dtype(colour, floating, allocated, signed), compressed, syntax, colour,
                         _frame_bytes(rows, columns, samples, allocated, photometric, compressed))
    _check_claim(layout, fields, place.room if place else None)
    return layout


def _frames(fields: _Fields) -> int:
    """Number of frames; 1 where it is 0 or unreadable (the reader compares it with the data)."""
    try:
        return max(1, fields.number("NumberOfFrames", 1))
    except ReadError:
        return 1


def _colours(fields: _Fields) -> tuple[str, int]:
    found = guards.value(fields.header, "PhotometricInterpretation", "")
    photometric = found.strip().upper() if isinstance(found, str) else ""
    samples = fields.number("SamplesPerPixel", 3 if photometric in COLOUR_BY_SAMPLES else 1)
    if photometric in UNSUPPORTED_COLOUR:
        raise fields.error(f"the colour model {photometric} is not supported")
    if samples not in (1, 3):
        raise fields.error(f"{samples} samples per pixel are not supported")
    if not photometric:
        photometric = "MONOCHROME2" if samples == 1 else "RGB"
    if (samples == 3) != (photometric in COLOUR_BY_SAMPLES):
        raise fields.error(f"{samples} sample{'s' * (samples > 1)} per pixel do not go with "
                           f"the colour model {photometric[:32]}")
    return photometric, samples


def _bits(fields: _Fields) -> tuple[int, int, int, bool]:
    allocated = fields.number("BitsAllocated")
    if allocated not in (1, 8, 16, 32, 64):
        raise fields.error(f"{allocated} bits per pixel are not supported")
    stored = fields.number("BitsStored", allocated)
    if not 0 < stored <= allocated:
        raise fields.error(f"{stored} used bits in {allocated} allocated bits are impossible")
    high = fields.number("HighBit", stored - 1)
    if not stored - 1 <= high < allocated:
        raise fields.error(f"the highest bit {high} does not fit {stored} used bits in {allocated} allocated bits")
    signed = fields.number("PixelRepresentation", 0)
    if signed not in (0, 1):
        raise fields.error(f"a pixel representation of {signed} is impossible")
    return allocated, stored, high, bool(signed)


def _syntax(header: pydicom.Dataset) -> str:
    if isinstance(header, guards.GuardedDataset):
        return header.syntax
    meta = getattr(header, "file_meta", None)
    return str(guards.value(meta, "TransferSyntaxUID", syntaxes.IMPLICIT)) if meta is not None else syntaxes.IMPLICIT


def _dtype(colour: bool, floating: bool, allocated: int, signed: bool) -> np.dtype[np.generic]:
    if colour:
        return np.dtype(np.uint8)
    if floating:
        return np.dtype(np.float32 if allocated == 32 else np.float64)
    return np.dtype(f"{'i' if signed and allocated > 1 else 'u'}{max(8, allocated) // 8}")


def _frame_bytes(rows: int, columns: int, samples: int, allocated: int, photometric: str, compressed: bool) -> int:
    if photometric in ("YBR_FULL_422", "YBR_PARTIAL_422") and not compressed:
        return rows * (columns + columns % 2) * 2 * (allocated // 8)
    return (rows * columns * samples * allocated + 7) // 8


def _check_claim(layout: PixelLayout, fields: _Fields, room: int | None) -> None:
    """Refuse sizes that the file cannot possibly back, before anybody allocates them."""
    total = layout.frame_bytes * layout.frames
    if layout.frame_bytes > MAX_FRAME:
        raise fields.error(f"one frame of {layout.columns} x {layout.rows} pixels would take "
                           f"{layout.frame_bytes >> 20} MB")
    if room is None or total <= ABSURD_BYTES:
        return
    backed = room * (1000 if layout.compressed else 20)
    if total > backed:
        raise fields.error(f"it claims {layout.frames} frame{'s' * (layout.frames > 1)} of {layout.columns} x "
                           f"{layout.rows} pixels ({total >> 20} MB), but only {room} bytes are left in the file")
