"""Stored values, frame by frame, of every way to store them."""

from __future__ import annotations

import base64
import gc
import hashlib
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from medviewer.core.errors import ReadError
from medviewer.io.dicom import guards, worker
from medviewer.io.dicom.pixels import TAGS, FrameReader, PixelLayout
from tests.io import dicom_bytes as db

CT = "transfer-syntaxes/ct-image/CTImage.dcm_"
EMRI = "transfer-syntaxes/emri-multiframe/emri_small"
LOSSLESS, EMRI_SUM = "b76703cf422e", "8be61098d494"  # data README, made with pydicom and GDCM


def reader_of(path: Path) -> FrameReader:
    return FrameReader(path, guards.read_header(path, tags=TAGS))


@pytest.fixture
def write(tmp_path: Path):
    def make(data: bytes) -> FrameReader:
        path = tmp_path / "image.dcm"
        path.write_bytes(data)
        return reader_of(path)

    return make


def codes(reader: FrameReader) -> list[str]:
    return [report.code for report in reader.reports]


def checksum(values: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).astype("<i4").tobytes()).hexdigest()[:12]


# real files

@pytest.mark.parametrize(("name", "low", "high", "sum_"), [
    (CT + "LittleEndianImplicitTransferSyntax_1.2.840.10008.1.2.dcm", -2000, 2402, LOSSLESS),
    (CT + "DeflatedExplicitVRLittleEndianTransferSyntax_1.2.840.10008.1.2.1.99.dcm", -2000, 2402, LOSSLESS),
    (CT + "RLELosslessTransferSyntax_1.2.840.10008.1.2.5.dcm", -2000, 2402, LOSSLESS),
    (CT + "JPEGProcess14TransferSyntax_1.2.840.10008.1.2.4.57.dcm", -2000, 2402, LOSSLESS),
    (CT + "JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70.dcm", -2000, 2402, LOSSLESS),
    (CT + "JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80.dcm", -2000, 2402, LOSSLESS),
    (CT + "JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90.dcm", -2000, 2402, LOSSLESS),
    (CT + "JPEG2000TransferSyntax_1.2.840.10008.1.2.4.91.dcm", -2003, 2401, None),
    (CT + "JPEGLSLossyTransferSyntax_1.2.840.10008.1.2.4.81.dcm", -2001, 2401, None),
    (CT + "JPEGProcess2_4TransferSyntax_1.2.840.10008.1.2.4.51.dcm", 498, 2708, None),
    ("transfer-syntaxes/CT0012.fragmented_no_bot_jpeg_baseline.51.dcm", 1010, 2223, None),
    (EMRI + ".dcm", 0, 467, EMRI_SUM), (EMRI + "_big_endian.dcm", 0, 467, EMRI_SUM),
    (EMRI + "_RLE.dcm", 0, 467, EMRI_SUM), (EMRI + "_jpeg_2k_lossless.dcm", 0, 467, EMRI_SUM),
    (EMRI + "_jpeg_ls_lossless.dcm", 0, 467, EMRI_SUM),
    ("multiframe/philips-3DpCASL/enhanced/1901_WIP_3DpCASL_real.dcm", 0, 4031, None),
])
def test_stored_values_of_real_files(shared: Path, name: str, low: int, high: int, sum_: str | None) -> None:
    reader = reader_of(shared / name)
    values = np.stack([reader.read(n) for n in range(reader.layout.frames)])
    assert values.dtype == reader.layout.dtype
    assert (values.min(), values.max(), reader.reports) == (low, high, [])
    if sum_:
        assert checksum(values) == sum_


@pytest.mark.parametrize("name", ["JPEGProcess6_8TransferSyntax_1.2.840.10008.1.2.4.53.dcm",
                                  "JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55.dcm"])
def test_progressive_jpeg_is_named(shared: Path, name: str) -> None:
    with pytest.raises(ReadError, match=r"1\.2\.840\.10008\.1\.2\.4\.5[35]\) is not supported"):
        reader_of(shared / (CT + name)).read()


@pytest.mark.parametrize(("name", "voxels"), [("liver_rle", 107098), ("liver_j2k", 107098), ("liver_deflate", 107098),
                                              ("liver_nonbyte_aligned", 107098)])
def test_one_bit_frames(shared: Path, name: str, voxels: int) -> None:
    reader = reader_of(shared / f"dicom-seg/pydicom-data/{name}.dcm")
    assert sum(int(reader.read(n).sum()) for n in range(reader.layout.frames)) == voxels


@pytest.mark.parametrize(("name", "tolerance"), [
    ("examples_rgb_color", 0), ("examples_ybr_color", 4), ("SC_rgb_jpeg_dcmtk", 1), ("GDCMJ2K_TextGBR", 0),
    ("SC_rgb_rle_16bit_2frame", 0), ("SC_rgb_rle_32bit", 0)])
def test_colours_equal_pydicom(shared: Path, name: str, tolerance: int) -> None:
    from pydicom.pixels import pixel_array

    path = shared / f"pixel-variety/{name}.dcm"
    reader = reader_of(path)
    reference = pixel_array(path, index=0).astype(np.int64)
    found = reader.read()
    assert found.dtype == np.uint8
    assert reader.layout.colour
    reference >>= reader.layout.bits_stored - 8
    assert np.abs(found - reference).max() <= tolerance
    assert ("deep-colour" in codes(reader)) is (reader.layout.bits_stored > 8)


@pytest.mark.parametrize("name", ["pixel-variety/examples_palette", "transfer-syntaxes/no-pixel-spacing"])
def test_palette_equals_pydicom(shared: Path, name: str) -> None:
    import pydicom
    from pydicom.pixels import apply_color_lut

    path = shared / f"{name}.dcm"
    dataset = pydicom.dcmread(path)
    reference = apply_color_lut(dataset.pixel_array, dataset)
    np.testing.assert_array_equal(reader_of(path).read(), reference >> (8 * reference.dtype.itemsize - 8))


def test_sign_of_the_stream_and_of_the_header_disagree(shared: Path) -> None:
    reader = reader_of(shared / "pixel-variety/J2K_pixelrep_mismatch.dcm")
    values = reader.read()
    assert (values.dtype, values.min(), values.max()) == (np.int16, -2000, 1896)  # pydicom 3.0.2
    assert codes(reader) == ["j2k-sign"]


def test_parametric_map(shared: Path) -> None:
    values = reader_of(shared / "multiframe/parametric_map_float.dcm").read()
    assert values.dtype == np.float32
    assert values.max() == pytest.approx(0.94157916)  # pydicom 3.0.2


# native pixels

@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(("bits", "signed"), [(8, 0), (8, 1), (16, 0), (16, 1), (32, 0), (32, 1), (64, 1)])
def test_native_integers(write, bits: int, signed: int, big: bool) -> None:
    kind = np.dtype(f"{'i' if signed else 'u'}{bits // 8}")
    limits = np.iinfo(kind)
    truth = np.array([[limits.min, 1, 2], [3, limits.max, 5]], kind)
    frames = np.stack([truth, truth[::-1, ::-1]])
    stored = frames.astype(kind.newbyteorder(">" if big else "<")).tobytes()
    head = db.module(2, 3, bits=bits, signed=signed, frames=2, big=big)
    pixels = db.element(0x7FE00010, "OW", stored, big=big)
    reader = write(db.meta(db.BIG if big else db.EXPLICIT) + head + pixels)
    assert reader.layout.dtype == kind
    for n in range(2):
        np.testing.assert_array_equal(reader.read(n), frames[n])
        for out in (np.empty((2, 3), kind), np.empty((2, 3), np.float64), np.empty((3, 2), kind).T):
            assert reader.read(n, out) is out
            np.testing.assert_array_equal(out, frames[n])


@pytest.mark.parametrize(("tag", "kind", "vr"), [(0x7FE00008, "f4", "OF"), (0x7FE00009, "f8", "OD")])
def test_float_pixels(write, tag: int, kind: str, vr: str) -> None:
    truth = np.array([[0.5, -1e30, np.nan]], kind)
    reader = write(db.meta(db.EXPLICIT) + db.module(1, 3, bits=32 if kind == "f4" else 64)
                   + db.native(truth.astype("<" + kind).tobytes(), vr=vr, tag=tag))
    np.testing.assert_array_equal(reader.read(), truth)


@pytest.mark.parametrize(("words", "signed", "stored", "high", "expected", "report"), [
    ([0x0FFF, 0x0001], 0, 12, 11, [4095, 1], []),
    ([0xF123, 0x0001], 0, 12, 11, [0x123, 1], ["high-bits"]),  # overlay in the four unused bits
    ([0x0FFF, 0x07FF], 1, 12, 11, [-1, 2047], []),  # sign not extended by the writer
    ([0xFFFF, 0xF800], 1, 12, 11, [-1, -2048], []),  # sign extended by the writer
    ([0x1230, 0xFFF0], 0, 12, 15, [0x123, 0xFFF], []),  # values in the upper bits
    ([0x8000, 0x0010], 1, 12, 15, [-2048, 1], []),
])
def test_used_bits(write, words: list[int], signed: int, stored: int, high: int, expected: list[int],
                   report: list[str]) -> None:
    reader = write(db.meta(db.EXPLICIT) + db.module(1, 2, stored=stored, high=high, signed=signed)
                   + db.native(np.array(words, "<u2").tobytes()))
    assert reader.read().tolist() == [expected]
    assert codes(reader) == report


def test_one_bit_frames_run_on_across_bytes(write) -> None:
    frames = np.random.default_rng(3).integers(0, 2, (4, 3, 5), np.uint8)
    packed = np.packbits(frames.ravel(), bitorder="little").tobytes()
    reader = write(db.meta(db.EXPLICIT) + db.module(3, 5, bits=1, frames=4) + db.native(packed, vr="OB"))
    for n in range(4):
        np.testing.assert_array_equal(reader.read(n), frames[n])
    assert reader.reports == []


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("bits", [8, 16])
def test_planar_configuration(write, planar: int, bits: int) -> None:
    rgb = np.arange(2 * 3 * 3).reshape(2, 3, 3) * 13
    stored = (rgb << (bits - 8)).astype(f"<u{bits // 8}")
    stored = stored.transpose(2, 0, 1) if planar else stored
    reader = write(db.meta(db.EXPLICIT) + db.module(2, 3, bits=bits, samples=3, photometric="RGB", planar=planar)
                   + db.native(stored.tobytes()))
    np.testing.assert_array_equal(reader.read(), rgb)


# PS3.3 C.7.6.3.1.2: Y = 0.299 R + 0.587 G + 0.114 B, CB = (B - Y) / 1.772 + 128, CR = (R - Y) / 1.402 + 128
PAIRS = [((255, 0, 0), (76, 85, 255)), ((0, 255, 0), (150, 44, 21)), ((0, 0, 255), (29, 255, 107)),
         ((128, 128, 128), (128, 128, 128))]


def test_full_ybr(write) -> None:
    ybr = np.array([[pair[1] for pair in PAIRS]], np.uint8)
    reader = write(db.meta(db.EXPLICIT) + db.module(1, 4, bits=8, samples=3, photometric="YBR_FULL")
                   + db.native(ybr.tobytes()))
    assert np.abs(reader.read()[0].astype(int) - [pair[0] for pair in PAIRS]).max() <= 2


def test_full_ybr_422(write) -> None:
    stored = bytes([76, 76, 85, 255, 29, 29, 255, 107])  # two red pixels, two blue pixels
    reader = write(db.meta(db.EXPLICIT) + db.module(1, 4, bits=8, samples=3, photometric="YBR_FULL_422")
                   + db.native(stored))
    expected = [(255, 0, 0)] * 2 + [(0, 0, 255)] * 2
    assert np.abs(reader.read()[0].astype(int) - expected).max() <= 2
    assert reader.reports == []


def palette(first: int, bits: int, tables: list[bytes]) -> bytes:
    entries = len(tables[0]) // (1 if bits == 8 else 2)
    return b"".join(db.element(0x00281101 + n, "US", [entries, first, bits]) for n in range(3)) + b"".join(
        db.element(0x00281201 + n, "OW", tables[n]) for n in range(3))


@pytest.mark.parametrize("bits", [8, 16])
def test_palette_indices_outside_the_table_take_its_ends(write, bits: int) -> None:
    ramp = np.array([10, 20, 30, 40])
    tables = [((ramp + n) << (bits - 8)).astype(f"<u{bits // 8}").tobytes() for n in range(3)]
    reader = write(db.meta(db.EXPLICIT) + db.module(1, 5, bits=8, photometric="PALETTE COLOR",
                                                    extra=palette(2, bits, tables))
                   + db.native(bytes([0, 2, 3, 5, 255])))
    assert reader.read()[0].tolist() == [[v, v + 1, v + 2] for v in (10, 10, 20, 40, 40)]


def test_segmented_palette(write) -> None:
    """PS3.3 C.7.9.2: discrete (0), linear (1) and indirect (2) segments."""
    words = [0, 2, 0x0100, 0x0200, 1, 4, 0x0600, 2, 1, 0, 0]  # 1 2, then 3 4 5 6, then the first segment again
    extra = b"".join(db.element(0x00281101 + n, "US", [8, 0, 16]) for n in range(3)) + b"".join(
        db.element(0x00281221 + n, "OW", words) for n in range(3))
    reader = write(db.meta(db.EXPLICIT) + db.module(2, 4, bits=8, photometric="PALETTE COLOR", extra=extra)
                   + db.native(bytes(range(8))))
    assert reader.read()[..., 0].ravel().tolist() == [1, 2, 3, 4, 5, 6, 1, 2]


# truncation

@pytest.mark.parametrize(("extra", "fill"), [
    (b"", -7), (db.element(0x00280120, "SS", -30), -30), (db.element(0x00280120, "US", 65506), -30)])
@pytest.mark.parametrize("lie", [False, True])
def test_truncated_frame_is_given_as_far_as_it_goes(write, extra: bytes, fill: int, lie: bool) -> None:
    truth = np.arange(-7, 13, dtype="<i2").reshape(5, 4)
    data = truth.tobytes()[:23]  # two and a half rows and half a value
    pixels = db.element(0x7FE00010, "OW", data, length=22 if lie else 40)
    reader = write(db.meta(db.EXPLICIT) + db.module(5, 4, signed=1, extra=extra) + pixels)
    found = reader.read().ravel()
    assert found[:11].tolist() == truth.ravel()[:11].tolist()
    assert set(found[11:].tolist()) == {fill}
    assert codes(reader) == ["truncated"]
    assert f"{22 if lie else 23} of 40 bytes" in reader.reports[0].problem


def test_frames_that_are_not_there(write) -> None:
    frame = bytes(range(32))
    reader = write(db.meta(db.EXPLICIT) + db.module(4, 4, frames=5) + db.native(frame + frame[:8], length=160))
    assert reader.read(0).ravel()[1] == 0x0302
    assert reader.read(1).ravel()[3] == 0x0706
    with pytest.raises(ReadError, match=r"frame 3 is not in the file"):
        reader.read(2)
    with pytest.raises(ReadError, match="no frame 6"):
        reader.read(5)
    assert codes(reader) == ["truncated"]


@pytest.mark.parametrize("pixels", [b"", db.native(b""), db.native(b"", length=32), db.encapsulated([])])
def test_no_pixels_at_all(write, pixels: bytes) -> None:
    with pytest.raises(ReadError):
        write(db.meta(db.EXPLICIT) + db.module(4, 4) + pixels).read()


# the image pixel module

@pytest.mark.parametrize(("fields", "says"), [
    ({"rows": 0}, "impossible"), ({"columns": 0}, "impossible"), ({"bits": 12}, "12 bits"), ({"bits": 24}, "24 bits"),
    ({"bits": 16, "stored": 17}, "17 used bits"), ({"bits": 16, "stored": 12, "high": 16}, "highest bit 16"),
    ({"bits": 16, "stored": 12, "high": 5}, "highest bit 5"), ({"samples": 2}, "2 samples"),
    ({"samples": 4, "photometric": "ARGB"}, "ARGB"), ({"samples": 1, "photometric": "RGB"}, "RGB"),
    ({"samples": 3}, "MONOCHROME2"), ({"signed": 3}, "representation of 3"),
])
def test_impossible_modules(write, fields: dict[str, Any], says: str) -> None:
    fields = {"rows": 4, "columns": 4, **fields}
    with pytest.raises(ReadError, match=says) as caught:
        write(db.meta(db.EXPLICIT) + db.module(**fields) + db.native(bytes(512)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tag", [0x00280010, 0x00280011, 0x00280100])
def test_missing_sizes(write, tag: int) -> None:
    whole = db.module(4, 4)
    at = whole.index(db.element(tag, "US", b"")[:4])
    with pytest.raises(ReadError, match="does not say how many"):
        write(db.meta(db.EXPLICIT) + whole[:at] + whole[at + 10:] + db.native(bytes(32)))


@pytest.mark.parametrize(("rows", "frames", "data"), [(65535, 1, 8000), (46341, 1, 8000), (512, 2_000_000_000, 8000),
                                                      (30000, 1, 8000), (4, 2_000_000_000, 32)])
def test_claims_are_compared_before_anything_is_allocated(write, rows: int, frames: int, data: int) -> None:
    before = psutil.Process().memory_info().rss
    with pytest.raises(ReadError):
        write(db.meta(db.EXPLICIT) + db.module(rows, rows, frames=frames) + db.native(bytes(data))).read()
    assert psutil.Process().memory_info().rss - before < 20 << 20


def test_layout_of_a_plain_dataset() -> None:
    import pydicom

    header = pydicom.Dataset()
    header.Rows, header.Columns, header.BitsAllocated, header.PixelRepresentation = 3, 5, 16, 1
    layout = PixelLayout.of(header)
    assert (layout.frames, layout.samples, layout.dtype, layout.frame_bytes, layout.shape) == (
        1, 1, np.int16, 30, (3, 5))


# encapsulated pixels

GREY = (np.indices((40, 72)).sum(0) * 31).astype(np.uint16)


def stream_of(kind: str, values: np.ndarray[Any, Any]) -> bytes:
    return {db.J2K: db.j2k, db.JPEG_LS: db.jpeg_ls, db.RLE: db.rle,
            db.DEFLATED_FRAMES: lambda v: db.deflate(v.tobytes())}[kind](values)


@pytest.mark.parametrize("table", ["empty", "basic", "extended"])
@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("kind", [db.J2K, db.JPEG_LS, db.RLE, db.DEFLATED_FRAMES])
def test_offset_tables_and_fragments(write, kind: str, pieces: int, table: str) -> None:
    if pieces > 1 and table == "empty" and kind in (db.RLE, db.DEFLATED_FRAMES):
        pytest.skip("such frames cannot be told apart without a table")
    frames = [GREY + n for n in range(3)]
    cut = []
    for frame in frames:
        data = stream_of(kind, frame)
        step = -(-len(data) // pieces) // 2 * 2 + 2
        cut.append([data[n:n + step] for n in range(0, len(data), step)])
    reader = write(db.meta(kind) + db.module(40, 72, frames=3) + db.encapsulated(cut, table=table))
    for n in (2, 0, 1):
        np.testing.assert_array_equal(reader.read(n), frames[n])
    assert reader.reports == []


def test_a_wrong_offset_table_is_not_followed(write) -> None:
    frames = [[db.jpeg_ls(GREY + n)] for n in range(2)]
    data = db.encapsulated(frames, table="basic")
    at = data.index(b"\xfe\xff\x00\xe0\x08") + 12
    broken = data[:at] + (30).to_bytes(4, "little") + data[at + 4:]
    reader = write(db.meta(db.JPEG_LS) + db.module(40, 72, frames=2) + broken)
    np.testing.assert_array_equal(reader.read(1), GREY + 1)


# 16 x 24 pixels, value 31 (row + column); made with OpenJPH 0.26
HTJ2K = b"".join((
    b'|4;u>04YEK0000O0000G00000000000000O0000G0000000000009pH0sl|{2mk^A000XAQUDA90ssL31q1{@0smY86Cj9?kdTm&',
    b'kdTm&kdTmwh=~7W02crOPjF>!N>E53R%LP^FfKASE;BCwkN^q*00000l>h<%lfVEb;rs;$bO68r696Xs0*7<}zyK1!026@Y00(pc',
    b'Hrn_Af;0fY029Cf6+jv_{(*~h02(zk{s0I-cUAzv02MF*1#k+5Lh;&h0(Ah23WY+U_}~!sApz{T0Kfn%U;q}loO8}O=kxk{dT;`G',
    b'06gcMbIv*E{QnRD03Q8-0DJZT0qnm3|Je',
))


@pytest.mark.parametrize("syntax", ["201", "202", "203"])
def test_htj2k(write, syntax: str) -> None:
    reader = write(db.meta(f"1.2.840.10008.1.2.4.{syntax}") + db.module(16, 24)
                   + db.encapsulated([[base64.b85decode(HTJ2K)]]))
    np.testing.assert_array_equal(reader.read(), np.indices((16, 24)).sum(0) * 31)
    assert reader.reports == []


@pytest.mark.parametrize(("photometric", "keep_rgb"), [("YBR_FULL_422", False), ("RGB", True)])
def test_jpeg_colours(write, photometric: str, keep_rgb: bool) -> None:
    rgb = np.zeros((16, 16, 3), np.uint8)
    rgb[:, :8], rgb[:, 8:] = (200, 30, 60), (20, 90, 220)
    stream = db.jpeg(rgb, subsampling=0, keep_rgb=keep_rgb)
    reader = write(db.meta(db.JPEG) + db.module(16, 16, bits=8, samples=3, photometric=photometric)
                   + db.encapsulated([[stream]]))
    assert np.abs(reader.read().astype(int) - rgb).max() <= 6


def test_colour_jpeg_ls_and_j2k(write) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (39, 47, 3), np.uint8)
    for kind, stream, photometric in ((db.JPEG_LS, db.jpeg_ls(rgb), "RGB"), (db.J2K, db.j2k(rgb), "RGB")):
        reader = write(db.meta(kind) + db.module(39, 47, bits=8, samples=3, photometric=photometric)
                       + db.encapsulated([[stream]]))
        np.testing.assert_array_equal(reader.read(), rgb)


@pytest.mark.parametrize("kind", [db.J2K, db.JPEG_LS, db.RLE, db.JPEG])
def test_a_stream_of_another_size_is_refused(write, kind: str) -> None:
    stream = db.jpeg(GREY.astype(np.uint8)) if kind == db.JPEG else stream_of(kind, GREY)
    bits = 8 if kind in (db.JPEG, db.RLE) else 16
    with pytest.raises(ReadError, match=r"72 x 40 pixels|2 parts where 1"):
        write(db.meta(kind) + db.module(72, 40, bits=bits) + db.encapsulated([[stream]])).read()


@pytest.mark.parametrize("kind", [db.J2K, db.JPEG_LS, db.RLE, db.DEFLATED_FRAMES, db.JPEG])
def test_truncated_streams(write, kind: str) -> None:
    values = np.random.default_rng(2).integers(0, 255, (40, 40)).astype(np.uint8 if kind == db.JPEG else np.uint16)
    stream = db.jpeg(values) if kind == db.JPEG else stream_of(kind, values)
    for keep in (0.05, 0.5, 0.95):
        data = (db.meta(kind) + db.module(40, 40, bits=8 * values.dtype.itemsize)
                + db.encapsulated([[stream[:int(len(stream) * keep)]]]))
        reader = write(data)
        try:
            reader.read()
        except ReadError:
            continue  # a decoder may give up
        assert codes(reader) == ["truncated"], keep


def test_compressed_frames_missing_at_the_end(write) -> None:
    data = db.meta(db.JPEG_LS) + db.module(40, 72, frames=4) + db.encapsulated([[db.jpeg_ls(GREY)]] * 3, end=False)
    reader = write(data)
    np.testing.assert_array_equal(reader.read(2), GREY)
    with pytest.raises(ReadError, match="frame 4 is not in the file"):
        reader.read(3)
    assert "3 of 4 frames" in reader.reports[0].problem


def test_unknown_compression_is_named(write) -> None:
    with pytest.raises(ReadError, match=r"MPEG-4 AVC \(1\.2\.840\.10008\.1\.2\.4\.102\) is not supported"):
        write(db.meta("1.2.840.10008.1.2.4.102") + db.module(4, 4, bits=8) + db.encapsulated([[b"\0\0\1\xba" * 9]])
              ).read()


def test_uncompressed_pixels_under_a_compressed_syntax(write) -> None:
    reader = write(db.meta(db.J2K) + db.module(2, 2) + db.native(np.arange(4, dtype="<u2").tobytes()))
    assert reader.read().ravel().tolist() == [0, 1, 2, 3]
    assert codes(reader) == ["not-compressed"]


# the worker

def request(values: np.ndarray[Any, Any]) -> worker.Request:
    return worker.Request("j2k", db.j2k(values), *values.shape, 1, 16)


@pytest.fixture
def fresh():
    worker.stop()
    yield
    worker.stop()


def children() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if "decode_child" in " ".join(p.cmdline())]


def test_worker_is_reused_and_limited(fresh: None) -> None:
    with ThreadPoolExecutor(6) as pool:
        for found in pool.map(worker.decode, [request(GREY)] * 30):
            np.testing.assert_array_equal(found, GREY)
    assert 1 <= len(children()) <= worker.MAX_WORKERS


def test_start_and_cost_per_frame(fresh: None) -> None:
    values = np.zeros((512, 512), np.uint16)
    small = worker.Request("rle", db.rle(values), 512, 512, 1, 16)
    start = time.perf_counter()
    worker.decode(small)
    assert time.perf_counter() - start < 1.5  # 0.1 s on a free machine
    times = []
    for _ in range(30):
        start = time.perf_counter()
        worker.decode(small)
        times.append(time.perf_counter() - start)
    assert min(times) < 3e-3


def test_killed_worker_costs_one_frame(fresh: None) -> None:
    worker.decode(request(GREY))
    (child,) = children()
    child.suspend()
    threading.Timer(0.2, child.kill).start()
    with pytest.raises(worker.DecodeError, match="crashed"):
        worker.decode(request(GREY))
    np.testing.assert_array_equal(worker.decode(request(GREY)), GREY)


def test_hanging_worker_is_stopped(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    worker.decode(request(GREY))
    children()[0].suspend()
    monkeypatch.setattr(worker, "SECONDS", 1)
    with pytest.raises(worker.DecodeError, match="took longer than 1 second"):
        worker.decode(request(GREY))
    monkeypatch.undo()
    np.testing.assert_array_equal(worker.decode(request(GREY)), GREY)


@pytest.mark.skipif(sys.platform != "linux", reason="the system limits memory on Linux only")
def test_memory_of_the_worker_is_limited(fresh: None) -> None:
    """The parent's checks are left out: a stream that claims 60000 x 60000 goes straight to the decoder."""
    stream = bytearray(db.j2k(GREY))
    at = stream.index(b"\xff\x51")
    stream[at + 6:at + 14] = (60000).to_bytes(4, "big") * 2
    stream[at + 22:at + 30] = (60000).to_bytes(4, "big") * 2
    start = time.perf_counter()
    with pytest.raises(worker.DecodeError):
        worker.decode(worker.Request("j2k", bytes(stream), 40, 72, 1, 16))
    assert time.perf_counter() - start < 10
    assert all(p.memory_info().rss < 1.2 * worker.MEMORY for p in children())
    np.testing.assert_array_equal(worker.decode(request(GREY)), GREY)


def _decode_elsewhere(queue: Any) -> None:
    queue.put(int(worker.decode(request(GREY)).sum()))


@pytest.mark.parametrize("method", ["spawn", "fork"] if hasattr(os, "fork") else ["spawn"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_works_in_a_child_of_multiprocessing(fresh: None, method: str) -> None:
    worker.decode(request(GREY))
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=_decode_elsewhere, args=(queue,), daemon=True)
    process.start()
    assert queue.get(timeout=60) == int(GREY.sum())
    process.join(20)
    assert process.exitcode == 0
    np.testing.assert_array_equal(worker.decode(request(GREY)), GREY)  # ours was left alone


def test_leaves_nothing_behind_at_exit(tmp_path: Path) -> None:
    """A script without a main guard; its worker must end with it, and nothing is printed."""
    script = tmp_path / "script.py"
    (tmp_path / "frame.j2k").write_bytes(db.j2k(GREY))
    script.write_text(
        "import sys, psutil\n"
        "from medviewer.io.dicom import worker\n"
        "data = open(sys.argv[1], 'rb').read()\n"
        "assert worker.decode(worker.Request('j2k', data, 40, 72, 1, 16)).shape == (40, 72)\n"
        "print(psutil.Process().children()[0].pid)\n", encoding="utf-8")
    start = time.perf_counter()
    done = subprocess.run([sys.executable, script, tmp_path / "frame.j2k"], capture_output=True, text=True,  # noqa: S603
                          timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert not psutil.pid_exists(int(done.stdout))
    assert time.perf_counter() - start < 20


def test_many_threads_share_one_reader(write) -> None:
    frames = [GREY + n for n in range(8)]
    body = db.module(40, 72, frames=8) + db.native(np.stack(frames).astype("<u2").tobytes())
    reader = write(db.meta(db.DEFLATED) + db.deflate(body))
    order = [n for _ in range(6) for n in (5, 0, 7, 3, 1, 2, 6, 4)]
    with ThreadPoolExecutor(4) as pool:
        for n, found in zip(order, pool.map(reader.read, order), strict=True):
            np.testing.assert_array_equal(found, frames[n])


def test_no_gdcm_in_this_process(shared: Path) -> None:
    reader_of(shared / (CT + "JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90.dcm")).read()
    gc.collect()
    assert "gdcm" not in sys.modules
