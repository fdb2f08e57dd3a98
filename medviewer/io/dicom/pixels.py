"""Read stored values frame by frame: straight from the file, or decoded in another process.

Uncompressed frames are read at their offset into the caller's array; nothing else of the file is touched.
Every declared size is compared with the bytes there are before anything is allocated. A frame that breaks
off is given as far as it goes and reported as truncated; a frame of which nothing is there is a ReadError.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pydicom
from numpy.typing import NDArray

from medviewer.core.errors import ReadError
from medviewer.core.study import Report
from medviewer.io.dicom import codestream, colour, decoding, fragments, guards, stored, syntaxes, worker
from medviewer.io.dicom.layout import PixelLayout
from medviewer.io.dicom.parse import PixelPlace, Refused
from medviewer.io.dicom.source import InflatedPixels, inflate_frame

__all__ = ["TAGS", "FrameReader", "PixelLayout"]

# what `PixelLayout.of` and `FrameReader` look at: ask for these when reading a lean header
TAGS: tuple[str, ...] = (
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
)
BIG_CLAIM = 64 << 20  # a frame above this is not allocated unless a quarter of it is there
BEST_DEFLATE = 100  # same for a deflated file
BEST_RATIO = 4000  # a large frame compressed better than this is a claim, not a picture

Values = NDArray[Any]


class FrameReader:
    """Stored values of one file, frame by frame; may be used from several threads.

    Parameters
    ----------
    path : path
        The file.
    header : Dataset
        As `guards.read_header` returns it (whole, or with `TAGS`).

    Raises
    ------
    ReadError
        If there are no pixel data, or they cannot be what the header says.
    """

    def __init__(self, path: Path | str, header: pydicom.Dataset) -> None:
        self.path = Path(path)
        own = header if isinstance(header, guards.GuardedDataset) else guards.read_header(self.path, tags=TAGS)
        assert isinstance(own, guards.GuardedDataset)  # noqa: S101 - for the type checker
        self._header = own
        if own.pixels is None:
            raise self._error(_no_pixels(own))
        self._place: PixelPlace = own.pixels
        self.layout = PixelLayout.of(own)
        self.reports: list[Report] = []
        self._lock = threading.Lock()
        self._found: fragments.Fragments | None = None
        self._inflated: InflatedPixels | None = None
        self._palette: colour.Palette | None = None
        if not self.layout.compressed:
            self._check_length()

    def read(self, frame: int = 0, out: Values | None = None) -> Values:
        """Return the stored values of one frame.

        Parameters
        ----------
        frame : int
            From 0.
        out : ndarray, shape (rows, columns) or (rows, columns, 3)
            Where to put them; of `layout.dtype`. Default: a new array.

        Raises
        ------
        ReadError
            If nothing of this frame can be had.
        """
        if not 0 <= frame < self.layout.frames:
            raise self._error(f"there is no frame {frame + 1}; it has {self.layout.frames}")
        try:
            with open(self.path, "rb", buffering=0) as file:
                values = self._decoded(file, frame) if self.layout.compressed else self._native(file, frame, out)
        except OSError as error:
            raise self._error(f"it cannot be read ({error.strerror or error})") from error
        except decoding.UnusableError as error:
            raise self._error(str(error)) from error
        except (Refused, codestream.BadStreamError) as error:
            raise self._error(f"{self._which(frame)} {error}") from error
        except MemoryError as error:
            raise self._error("there is not enough memory") from error
        if values is out:
            return values
        if self.layout.photometric == "PALETTE COLOR":
            values = self._look_up(values)
        if out is None:
            return values
        out[...] = values
        return out

    # uncompressed

    def _check_length(self) -> None:
        layout, place = self.layout, self._place
        needed = layout.frame_bytes * layout.frames if layout.bits_allocated > 1 else (
            layout.rows * layout.columns * layout.samples * layout.frames + 7) // 8
        length = place.length if place.length is not None else place.room
        present = min(length, place.room)  # of a deflated file the room is only an upper bound
        if layout.transfer_syntax in syntaxes.COMPRESSED:
            self._report("not-compressed", f"the file says its pixels are {syntaxes.NAMES[layout.transfer_syntax]}, "
                         "but they are not compressed", "they were read as they are")
        if present < needed:
            if present <= 0:
                raise self._error("the pixel data are empty" if length == 0 else "the file ends before the pixels")
            self._truncated(present, needed)
        elif length > needed + 1 and length - needed >= layout.frame_bytes // 8:
            self._report("extra-pixel-data", f"the pixel data hold {length} bytes where {needed} are expected",
                         "the rest was left out")

    def _native(self, file: BinaryIO, frame: int, out: Values | None) -> Values:
        layout = self.layout
        begin, skip = frame * layout.frame_bytes, 0
        if layout.bits_allocated == 1:
            first_bit = frame * layout.rows * layout.columns * layout.samples
            begin, skip = first_bit // 8, first_bit % 8
        size = layout.frame_bytes + (1 if skip else 0)
        length = self._place.room if self._place.length is None else min(self._place.length, self._place.room)
        have = max(0, min(size, length - begin))
        if have == 0:
            self._truncated(length, layout.frame_bytes * layout.frames)
            raise self._error(f"{self._which(frame)} is not in the file; it was cut short")
        if self._header.deflated_from is not None and size > max(BIG_CLAIM, BEST_DEFLATE * self._header.size):
            raise self._error(f"a frame of {layout.columns} x {layout.rows} pixels in a file of only "
                              f"{self._header.size} bytes is not believable")
        if size > BIG_CLAIM and have * 4 < size:
            raise self._error(f"a frame of {layout.columns} x {layout.rows} pixels should hold {size} bytes, "
                              f"but only {have} are there")
        word = stored.word_type(layout)
        direct = (out is not None and out.dtype == layout.dtype and out.flags.c_contiguous
                  and layout.samples == 1 and not layout.colour and layout.bits_allocated > 1)
        raw: Values = out.reshape(-1) if direct and out is not None else np.empty(-(-size // word.itemsize), word)
        view = raw.view(np.uint8)
        got = self._fill(file, begin, view.data[:have])
        if got == 0:
            self._truncated(begin, layout.frame_bytes * layout.frames)
            raise self._error(f"{self._which(frame)} is not in the file; it was cut short")
        if got < size:
            view[got:] = 0
            if self._header.deflated_from is not None or got < have:
                self._truncated(begin + got, layout.frame_bytes * layout.frames)
        if layout.bits_allocated == 1:
            bits = np.unpackbits(raw, bitorder="little")[skip:skip + layout.rows * layout.columns * layout.samples]
            return bits.reshape(self._stored_shape())
        if self._big_endian() and word.itemsize > 1:
            raw.byteswap(inplace=True)
        present = raw[:got // word.itemsize]
        stored.reduce_to_used_bits(present, layout, self._report)
        if got < size:
            raw[len(present):] = stored.padding(present, layout, guards.value(self._header, "PixelPaddingValue"))
        return out if direct and out is not None else self._shaped(raw)

    def _fill(self, file: BinaryIO, begin: int, target: memoryview) -> int:
        if self._header.deflated_from is None:
            file.seek(self._place.offset + begin)
            return _read_fully(file, target)
        with self._lock:
            position = self._place.offset + begin
            if self._inflated is None or self._inflated.position > position:
                self._inflated = InflatedPixels(self._header.deflated_from, self._header.size)
            return self._inflated.readinto(file, position, target)

    def _stored_shape(self) -> tuple[int, ...]:
        layout = self.layout
        return (layout.rows, layout.columns) if layout.samples == 1 else (layout.rows, layout.columns, 3)

    def _big_endian(self) -> bool:
        return self.layout.transfer_syntax in (syntaxes.BIG_ENDIAN, syntaxes.GE_PRIVATE) or not self._header.little

    def _shaped(self, raw: Values) -> Values:
        layout = self.layout
        if layout.samples == 1:
            return raw[:layout.rows * layout.columns].reshape(layout.rows, layout.columns)
        if layout.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422") and not layout.compressed:
            return self._rgb(colour.spread_422(raw, layout.rows, layout.columns))
        if layout.photometric == "YBR_PARTIAL_420":
            raise self._error("uncompressed pixels in the colour model YBR_PARTIAL_420 are not supported")
        count = layout.rows * layout.columns * 3
        if layout.planar == 1:
            return self._rgb(raw[:count].reshape(3, layout.rows, layout.columns).transpose(1, 2, 0))
        return self._rgb(raw[:count].reshape(layout.rows, layout.columns, 3))

    # compressed

    def _decoded(self, file: BinaryIO, frame: int) -> Values:
        layout = self.layout
        found = self._fragments(file)
        if frame >= len(found.frames):
            if not found.stored:
                raise self._error("the pixel data are empty")
            raise self._error(f"{self._which(frame)} is not in the file; it was cut short")
        data = fragments.read_frame(file, found.frames[frame])
        if layout.frame_bytes > BIG_CLAIM and len(data) * BEST_RATIO < layout.frame_bytes:
            raise self._error(f"a frame of {layout.columns} x {layout.rows} pixels in only {len(data)} bytes is "
                              "not believable")
        if layout.transfer_syntax == syntaxes.DEFLATED_FRAMES:
            return self._inflate(data, frame)
        return self._decode(data, frame).reshape(self._stored_shape())

    def _fragments(self, file: BinaryIO) -> fragments.Fragments:
        with self._lock:
            if self._found is not None:
                return self._found
            place = self._place
            end = place.offset + min(place.room, place.room if place.length is None else place.length)
            found = self._found = fragments.find(file, place.offset, end, self.layout.frames, self._extended())
        if len(found.frames) < self.layout.frames:
            self._report("truncated", f"the file holds {len(found.frames)} of {self.layout.frames} frames",
                         "the missing frames are empty")
        elif found.cut:
            self._report("truncated", f"the pixel data break off after {found.stored} bytes",
                         "the end of the last frame may be wrong")
        return found

    def _extended(self) -> list[int]:
        table = guards.value(self._header, "ExtendedOffsetTable")
        if not isinstance(table, bytes):
            return []
        return [int(n) for n in np.frombuffer(table[:len(table) // 8 * 8], "<u8")]

    def _inflate(self, data: bytes, frame: int) -> Values:
        layout = self.layout
        raw = bytearray(inflate_frame(data, layout.frame_bytes))
        if not raw:
            raise self._error(f"{self._which(frame)} is damaged: the compressed data are damaged")
        if len(raw) < layout.frame_bytes:
            self._truncated(len(raw), layout.frame_bytes)
            raw += bytes(layout.frame_bytes - len(raw))
        if layout.bits_allocated == 1:
            bits = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")
            return bits[:layout.rows * layout.columns * layout.samples].reshape(self._stored_shape())
        values = np.frombuffer(raw, stored.word_type(layout))
        stored.reduce_to_used_bits(values, layout, self._report)
        return self._shaped(values)

    def _decode(self, data: bytes, frame: int) -> Values:
        request = decoding.request_of(data, self.layout, self._report)
        try:
            values = worker.decode(request)
        except worker.DecodeError as error:
            raise self._error(f"{self._which(frame)} cannot be decoded: {error}") from error
        if self.layout.samples == 3:
            return self._rgb(values, converted=decoding.gives_rgb(request, self.layout))
        fitting = stored.fit(values, self.layout)
        if fitting is None:
            raise self._error("the decoded values do not fit the stored type")
        stored.reduce_to_used_bits(fitting, self.layout, self._report)
        return fitting

    # common

    def _rgb(self, values: Values, *, converted: bool = False) -> Values:
        layout = self.layout
        unsigned = values.view(f"u{values.dtype.itemsize}") if values.dtype.kind == "i" else values
        if layout.bits_stored > 8 and values.dtype.itemsize > 1:
            self._report("deep-colour", f"colours with {layout.bits_stored} bits", "shown with 8 bits")
        rgb = colour.to_eight_bits(unsigned, layout.bits_stored)
        if not converted and layout.photometric in colour.YBR:
            rgb = colour.ybr_to_rgb(rgb, partial="PARTIAL" in layout.photometric)
        return rgb

    def _look_up(self, indices: Values) -> Values:
        with self._lock:
            if self._palette is None:
                header = self._header
                if "RedPaletteColorLookupTableDescriptor" not in header:
                    header = guards.read_header(self.path)  # a lean header was given
                self._palette = colour.palette_of(header)
        return self._palette.apply(indices)

    def _truncated(self, present: int, needed: int) -> None:
        self._report("truncated", f"the pixel data hold {present} of {needed} bytes", "the missing part is empty")

    def _report(self, code: str, problem: str, fix: str) -> None:
        with self._lock:
            if all(report.code != code for report in self.reports):
                self.reports.append(Report(code, problem, fix))

    def _which(self, frame: int) -> str:
        return f"frame {frame + 1}" if self.layout.frames > 1 else "the picture"

    def _error(self, reason: str) -> ReadError:
        return ReadError(f"{self.path.name}: {reason}.", path=self.path)


def _no_pixels(header: guards.GuardedDataset) -> str:
    damaged = [r for r in header.reports if r.code in ("truncated", "damaged-sequence")]
    if damaged:
        return f"the pixels cannot be reached, because {damaged[0].problem}"
    return "it has no pixel data"


def _read_fully(file: BinaryIO, target: memoryview) -> int:
    done = 0
    while done < len(target):
        count = file.readinto(target[done:])  # type: ignore[attr-defined]
        if not count:
            break
        done += count
    return done
