"""Headers that are broken, unusual or hostile."""

from __future__ import annotations

import time
from pathlib import Path

import pydicom
import pytest

from medviewer.core.errors import ReadError
from medviewer.io.dicom import guards
from tests.io import dicom_bytes as db

BODY = db.element(0x00080060, "CS", "MR") + db.element(0x00100010, "PN", "Jansen^Eva") + db.element(
    0x00200013, "IS", "7")
SEQUENCE = 0x00400275


@pytest.fixture
def header(tmp_path: Path):
    def read(data: bytes, **options: object) -> guards.GuardedDataset:
        path = tmp_path / "file.dcm"
        path.write_bytes(data)
        found = guards.read_header(path, **options)
        assert isinstance(found, guards.GuardedDataset)
        return found

    return read


def codes(header: pydicom.Dataset) -> list[str]:
    return [report.code for report in guards.reports_of(header)]


def test_plain_header_has_no_reports(header) -> None:
    found = header(db.meta(db.EXPLICIT) + BODY)
    assert (found.Modality, str(found.PatientName), found.InstanceNumber, codes(found)) == ("MR", "Jansen^Eva", 7, [])


@pytest.mark.parametrize(("data", "code"), [
    (BODY, "no-preamble"),
    (b"DICM" + db.meta(db.EXPLICIT)[132:] + BODY, "misplaced-preamble"),
    (b"\0" * 256 + db.meta(db.EXPLICIT)[128:] + BODY, "misplaced-preamble"),
    (b"\0" * 128 + b"DICM" + BODY, "no-transfer-syntax"),
    (db.meta("1.2.3.4.5.6") + BODY, "unknown-transfer-syntax"),
    (db.meta(db.IMPLICIT) + BODY, "wrong-transfer-syntax"),
    (db.meta(db.BIG) + BODY, "wrong-transfer-syntax"),
    (db.meta(db.DEFLATED) + BODY, "wrong-transfer-syntax"),
    (db.meta(db.EXPLICIT, b"MZ") + BODY, "disguised-preamble"),
    (db.meta(db.EXPLICIT) + db.END_OF_SEQUENCE + BODY, "stray-delimiter"),
    (db.meta(db.EXPLICIT) + db.element(0x00080005, "CS", "ISO_IR 9999") + BODY, "unknown-character-set"),
])
def test_odd_files_open_and_say_so(header, data: bytes, code: str) -> None:
    found = header(data)
    assert found.InstanceNumber == 7
    assert str(found.PatientName) == "Jansen^Eva"
    assert code in codes(found)


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("big", [False, True])
def test_no_meta_at_all(header, implicit: bool, big: bool) -> None:
    found = header(db.module(3, 5, implicit=implicit, big=big))
    assert (found.Rows, found.Columns) == (3, 5)
    assert found.syntax == (db.BIG if big and not implicit else db.IMPLICIT if implicit else db.EXPLICIT)


def test_stray_byte_before_the_dataset(shared: Path) -> None:
    """no_meta.dcm is CT_small.dcm cut one byte too early."""
    found, whole = (guards.read_header(shared / "pixel-variety" / n) for n in ("no_meta.dcm", "CT_small.dcm"))
    assert codes(found) == ["no-preamble", "no-transfer-syntax"]
    assert list(found) == list(whole)


@pytest.mark.parametrize("length", [0, 1, 99, 0x7FFFFFFF])
def test_group_length_is_not_trusted(header, length: int) -> None:
    data = db.meta(db.EXPLICIT) + BODY
    at = data.index(b"UL\x04\0") + 4
    assert header(data[:at] + length.to_bytes(4, "little") + data[at + 4:]).InstanceNumber == 7


@pytest.mark.parametrize("pack", [db.deflate, __import__("zlib").compress])
def test_deflated(header, pack) -> None:
    assert header(db.meta(db.DEFLATED) + pack(BODY)).InstanceNumber == 7


def test_deflated_and_cut_gives_what_is_there(header) -> None:
    body = BODY + db.element(0x00204000, "LT", bytes(range(32, 127)) * 40)
    found = header(db.meta(db.DEFLATED) + db.deflate(body)[:-30])
    assert found.InstanceNumber == 7
    assert "truncated" in codes(found)


def test_deflate_bomb_is_refused(tmp_path: Path) -> None:
    body = BODY + db.element(0x00204000, "UT", b"", length=300 << 20) + bytes(300 << 20)
    path = tmp_path / "bomb.dcm"
    path.write_bytes(db.meta(db.DEFLATED) + db.deflate(body))
    start = time.perf_counter()
    with pytest.raises(ReadError, match="absurd size"):
        guards.read_header(path)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("length", [20, 0x10000, 0xFFFFFFFE])
def test_declared_length_beyond_the_end(header, length: int) -> None:
    found = header(db.meta(db.EXPLICIT) + BODY + db.element(0x00280010, "UN", b"ab", length=length))
    assert found.InstanceNumber == 7
    assert "Rows" not in found
    report = guards.reports_of(found)[0]
    assert (report.code, report.level) == ("truncated", "error")
    assert str(length) in report.problem
    assert "2 are left" in report.problem


def nested(depth: int, *, defined: bool) -> bytes:
    if defined:
        total = 20 * depth
        return b"".join(db.element(SEQUENCE, "SQ", length=total - 20 * n - 12)
                        + db.item(b"", length=total - 20 * n - 20) for n in range(depth))
    start = db.element(SEQUENCE, "SQ", length=db.UNDEFINED) + db.item(b"", length=db.UNDEFINED)
    return start * depth + (db.END_OF_ITEM + db.END_OF_SEQUENCE) * depth


@pytest.mark.parametrize("defined", [False, True])
@pytest.mark.parametrize(("depth", "kept"), [(2, True), (64, True), (65, False), (50_000, False)])
def test_depth_of_sequences(header, defined: bool, depth: int, kept: bool) -> None:
    start = time.perf_counter()
    found = header(db.meta(db.EXPLICIT) + BODY + nested(depth, defined=defined) + db.element(0x00500004, "CS", "YES"))
    assert time.perf_counter() - start < 2
    assert found.CalibrationImage == "YES"  # what follows is not lost
    assert (SEQUENCE in found) is kept
    assert ("too-deep" in codes(found)) is not kept
    level, count = found, 0
    while SEQUENCE in level:
        level, count = level[SEQUENCE].value[0], count + 1
    assert count == (depth if kept else 0)


def test_too_deep_and_never_closed(header) -> None:
    start = db.element(SEQUENCE, "SQ", length=db.UNDEFINED) + db.item(b"", length=db.UNDEFINED)
    found = header(db.meta(db.EXPLICIT) + BODY + start * 50_000)
    assert found.InstanceNumber == 7
    assert codes(found)


@pytest.mark.parametrize("body", [
    db.item(db.element(0x00280010, "US", 4), length=200),  # the last item is longer than its sequence
    db.item(db.element(0x00280010, "US", 4)) + b"\x08\0\x60\0junk",  # something that is not an item
    db.item(db.element(0x00280010, "UN", b"", length=500)),  # an element longer than its item
])
def test_damaged_sequence_does_not_hide_what_follows(header, body: bytes) -> None:
    found = header(db.meta(db.EXPLICIT) + BODY + db.element(SEQUENCE, "SQ", body) + db.element(
        0x00500004, "CS", "YES"))
    assert (found.InstanceNumber, found.CalibrationImage) == (7, "YES")
    assert codes(found) == ["damaged-sequence"]


def test_item_closed_by_the_end_of_its_sequence(header) -> None:
    inner = db.element(0x00280010, "US", 4)
    found = header(db.meta(db.EXPLICIT) + db.element(SEQUENCE, "SQ", length=db.UNDEFINED)
                   + db.item(inner, length=db.UNDEFINED) + db.END_OF_SEQUENCE + db.element(0x00500004, "CS", "YES"))
    assert found.CalibrationImage == "YES"
    assert found[SEQUENCE].value[0].Rows == 4


def test_unknown_sequence_of_undefined_length_is_implicit(header) -> None:
    """CP-246: VR UN with undefined length is an implicit VR sequence."""
    inner = db.element(0x00280010, "US", 4, implicit=True)
    found = header(db.meta(db.EXPLICIT) + db.element(0x00091001, "UN", length=db.UNDEFINED) + db.item(inner)
                   + db.END_OF_SEQUENCE + db.element(0x00500004, "CS", "YES"))
    assert found.CalibrationImage == "YES"
    assert found[0x00091001].value[0].Rows == 4


def test_only_the_tags_asked_for(header) -> None:
    found = header(db.meta(db.EXPLICIT) + BODY + db.native(b"\0" * 8), tags=["PatientName", 0x00200013])
    assert list(found.keys()) == [0x00100010, 0x00200013]
    assert found.pixels is not None
    assert found.pixels.length == 8


def test_lean_header_is_fast(shared: Path) -> None:
    path = shared / "lidc-idri-0001/dicom/000001.dcm"
    tags = ["Rows", "Columns", "ImagePositionPatient"]
    times = []
    for _ in range(30):
        start = time.perf_counter()
        guards.read_header(path, tags=tags)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.5e-3


@pytest.mark.parametrize(("data", "says"), [
    (b"", "is empty"), (b"\x89PNG" + b"\0" * 300, "not a DICOM file"), (b"\0" * 4096, "not a DICOM file"),
    (b"hello, world " * 40, "not a DICOM file"), (b"\0" * 128 + b"DICM", "no data that can be read"),
])
def test_what_is_not_dicom(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "file.dcm"
    path.write_bytes(data)
    with pytest.raises(ReadError, match=says) as caught:
        guards.read_header(path)
    assert caught.value.path == path
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.dcm"):
        with pytest.raises(ReadError):
            guards.read_header(path)


@pytest.mark.parametrize(("head", "score"), [
    (db.meta(db.EXPLICIT) + BODY, 1.0), (BODY, 0.6), (db.module(3, 5, implicit=True), 0.6),
    (db.module(3, 5, big=True), 0.6), (b"NRRD0004\n", 0.0), (b"\x08\0\0\0", 0.0),
    (b"\x08\0" + b"\xff" * 200, 0.0), (bytes(range(256)), 0.0), (b"", 0.0),
])
def test_sniff(head: bytes, score: float) -> None:
    assert guards.sniff_dicom(Path("x"), head) == score


@pytest.mark.parametrize("start", [b"MZ\x90", b"\x7fELF", b"\xcf\xfa\xed\xfe", b"#!/bin/sh\n", b"PK\x03\x04",
                                   b"%PDF-1.7"])
def test_programs_in_the_preamble_are_named(start: bytes) -> None:
    report = guards.preamble_report(db.meta(db.EXPLICIT, start))
    assert report is not None
    assert report.code == "disguised-preamble"
    assert guards.preamble_report(db.meta(db.EXPLICIT, b"II*\0")) is None  # TIFF: legitimate in pathology


@pytest.mark.parametrize(("stored", "expected"), [
    (db.element(0x00280030, "DS", "1.5\\abc"), None), (db.element(0x00280010, "US", b"\1\0\2", length=3), None),
    (db.element(0x00280010, "US", b""), None), (b"", None),
])
def test_value_never_raises(header, stored: bytes, expected: object) -> None:
    found = header(db.meta(db.EXPLICIT) + BODY + stored)
    assert guards.value(found, "Rows", expected) is expected
    assert guards.value(found, "PixelSpacing", "none") in ("none", ["1.5", "abc"])


def test_real_headers_equal_pydicom(shared: Path) -> None:
    files = [p for folder in ("transfer-syntaxes", "pixel-variety", "multiframe/philips-3DpCASL/enhanced", "dicom-seg",
                              "dicomdir-charset/charset_files") for p in sorted((shared / folder).rglob("*"))
             if p.is_file() and p.suffix in (".dcm", ".seg")]
    assert len(files) > 60
    for path in files:
        if path.name == "no_meta.dcm":  # pydicom does not get past its stray first byte
            continue
        found, reference = guards.read_header(path), pydicom.dcmread(path, stop_before_pixels=True, force=True)
        keys = list(reference.keys())
        assert list(found.keys()) == keys, path.name
        assert all(found[k] == reference[k] for k in keys), path.name


def test_no_warning_reaches_the_terminal(shared: Path, recwarn: pytest.WarningsRecorder,
                                         capfd: pytest.CaptureFixture[str]) -> None:
    for path in sorted((shared / "malformed").rglob("*.dcm")):
        try:
            found = guards.read_header(path)
        except ReadError:
            continue
        for tag in list(found.keys()):
            guards.value(found, tag)
    assert capfd.readouterr().err == ""
