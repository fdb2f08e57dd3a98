"""DICOM files made byte by byte, also such as no library would write (PS3.5 section 7, annex A)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from io import BytesIO

import numpy as np

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED, DEFLATED_FRAMES, RLE = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.8.1", "1.2.840.10008.1.2.5"
JPEG, JPEG_LS, J2K = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"
UNDEFINED = 0xFFFFFFFF
LONG = ("OB", "OW", "OF", "OD", "OV", "SQ", "UN", "UT")


def element(tag: int, vr: str, value: bytes | str | int | Iterable[int] = b"", *, length: int | None = None,
            implicit: bool = False, big: bool = False) -> bytes:
    """One element; `length` overrides the true length."""
    order = ">" if big else "<"
    if isinstance(value, str):
        value = value.encode()
    elif isinstance(value, int):
        value = struct.pack(order + {"US": "H", "SS": "h", "UL": "I"}[vr], value)
    elif not isinstance(value, bytes):
        value = b"".join(struct.pack(order + "H", v) for v in value)
    if length is None:
        value += (b"\0" if vr in ("UI", *LONG) else b" ") * (len(value) % 2)
        length = len(value)
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if implicit:
        return head + struct.pack(order + "I", length) + value
    if vr in LONG:
        return head + vr.encode() + b"\0\0" + struct.pack(order + "I", length) + value
    return head + vr.encode() + struct.pack(order + "H", length) + value


def item(value: bytes, *, length: int | None = None) -> bytes:
    """An item of a sequence or of encapsulated pixel data."""
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(value) if length is None else length) + value


END_OF_ITEM, END_OF_SEQUENCE = struct.pack("<HHI", 0xFFFE, 0xE00D, 0), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def meta(syntax: str, preamble: bytes = b"") -> bytes:
    """Preamble and file meta information."""
    body = element(0x00020010, "UI", syntax)
    return preamble.ljust(128, b"\0") + b"DICM" + element(0x00020000, "UL", len(body)) + body


def module(rows: int, columns: int, *, bits: int = 16, stored: int = 0, high: int = -1, signed: int = 0,
           frames: int = 1, samples: int = 1, photometric: str = "MONOCHROME2", planar: int = 0, extra: bytes = b"",
           implicit: bool = False, big: bool = False) -> bytes:
    """The image pixel module; `extra` are elements of group 0028 above 0103."""
    stored = stored or bits
    fields = [(0x00080060, "CS", "OT"), (0x00280002, "US", samples), (0x00280004, "CS", photometric),
              *([(0x00280006, "US", planar)] if samples > 1 else []),
              (0x00280008, "IS", str(frames)), (0x00280010, "US", rows), (0x00280011, "US", columns),
              (0x00280100, "US", bits), (0x00280101, "US", stored),
              (0x00280102, "US", stored - 1 if high < 0 else high), (0x00280103, "US", signed)]
    return b"".join(element(t, v, x, implicit=implicit, big=big) for t, v, x in fields) + extra


def native(values: bytes, *, length: int | None = None, vr: str = "OW", tag: int = 0x7FE00010) -> bytes:
    """Uncompressed pixel data."""
    return element(tag, vr, values, length=length)


def encapsulated(frames: list[list[bytes]], *, table: str = "empty", end: bool = True) -> bytes:
    """Compressed pixel data: a list of fragments for each frame."""
    pieces, offsets, at = [], [], 0
    for fragments in frames:
        offsets.append(at)
        for fragment in fragments:
            piece = item(fragment + b"\0" * (len(fragment) % 2))
            pieces.append(piece)
            at += len(piece)
    basic = struct.pack(f"<{len(offsets)}I", *offsets) if table == "basic" else b""
    before = b""
    if table == "extended":
        lengths = [sum(len(f) + len(f) % 2 for f in fragments) for fragments in frames]
        before = (element(0x7FE00001, "OV", struct.pack(f"<{len(offsets)}Q", *offsets))
                  + element(0x7FE00002, "OV", struct.pack(f"<{len(lengths)}Q", *lengths)))
    return (before + element(0x7FE00010, "OB", b"", length=UNDEFINED) + item(basic) + b"".join(pieces)
            + (END_OF_SEQUENCE if end else b""))


def deflate(data: bytes) -> bytes:
    """Raw deflate, as PS3.5 A.5 asks for."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return squeeze.compress(data) + squeeze.flush()


def jpeg(values: np.ndarray, **options: object) -> bytes:
    """A baseline JPEG stream by Pillow."""
    from PIL import Image

    out = BytesIO()
    Image.fromarray(values).save(out, "JPEG", **{"quality": 95, **options})
    return out.getvalue()


def jpeg_ls(values: np.ndarray) -> bytes:
    """A JPEG-LS stream by CharLS."""
    import jpeg_ls as charls

    return bytes(charls.encode_array(values))


def j2k(values: np.ndarray) -> bytes:
    """A lossless JPEG 2000 code stream by OpenJPEG."""
    from openjpeg.utils import encode_array

    return bytes(encode_array(values))


def rle(values: np.ndarray) -> bytes:
    """An RLE frame by pylibjpeg-rle; of 8 or 16 bit grey values."""
    from rle.utils import encode_pixel_data

    return bytes(encode_pixel_data(values.astype(values.dtype.newbyteorder("<")).tobytes(), rows=values.shape[0],
                                   columns=values.shape[1], samples_per_pixel=1,
                                   bits_allocated=8 * values.dtype.itemsize, byteorder="<"))
