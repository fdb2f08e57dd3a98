"""Walking files, folders, ZIP files and DICOMDIRs: contained, complete, and one bad file never stops the others."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import zipfile
from pathlib import Path

import pytest

import medviewer
from medviewer.core.errors import Cancelled, ReadError
from medviewer.core.job import Job
from medviewer.core.study import ScanResult
from medviewer.io.access import open_series, read, scan, scan_all
from medviewer.io.scan import scan_paths
from tests.io.series_files import Writer, picture

DIRECTORIES = ("DICOMDIR", "DICOMDIR-bigEnd", "DICOMDIR-implicit", "DICOMDIR-nooffset", "DICOMDIR-nopatient",
               "DICOMDIR-reordered")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A series of four slices."""
    Writer(tmp_path / "data").stack([0.0, 2.0, 4.0, 6.0])
    return tmp_path / "data"


def reasons(result: ScanResult) -> str:
    return "\n".join(s.reason for s in result.skipped)


# folders and neighbours

def test_bad_neighbours_do_not_stop_a_series(folder: Path) -> None:
    (folder / "readme.txt").write_text("text")
    (folder / "table.csv").write_text("a,b")
    (folder / "LICENSE").write_text("free")
    (folder / ".hidden").write_bytes(b"\0" * 300)
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "noise.dcm").write_bytes(bytes(range(256)) * 20)
    (folder / "half.dcm").write_bytes((next(folder.glob("*.dcm")).read_bytes())[:140])
    result = scan_all(folder)
    assert [s.frames for s in result.series] == [4]
    assert {s.path.name for s in result.skipped} == {"empty.dcm", "noise.dcm", "half.dcm"}
    assert all(s.path.name in s.reason for s in result.skipped)


def test_the_extension_does_not_matter(folder: Path) -> None:
    for n, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / ("slice.jpg", "slice.txt", "SLICE", "slice.nii.gz")[n])
    result = scan_all(folder)
    assert [s.frames for s in result.series] == [4]
    assert not result.skipped


@pytest.mark.parametrize("name", ["notes.txt", "thing.bin", ".hidden", "LICENSE"])
def test_a_named_file_is_always_answered(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("nothing medical")
    result = scan_all(tmp_path / name)
    assert not result.series
    (skipped,) = result.skipped
    assert name in skipped.reason
    assert not scan_all(tmp_path).series


def test_missing_file(tmp_path: Path) -> None:
    (skipped,) = scan_all(tmp_path / "nowhere.dcm").skipped
    assert "nowhere.dcm" in skipped.reason
    with pytest.raises(ReadError, match=r"nowhere\.dcm"):
        scan(tmp_path / "nowhere.dcm")


def test_unusual_names(tmp_path: Path) -> None:
    folder = tmp_path / "Größe" / "患者 01" / "naïve (1)"
    writer = Writer(folder)
    for n in range(3):
        writer.add((0.0, 0.0, 2.0 * n), name=f"スライス {n} ü.dcm")
    volume = medviewer.read(str(tmp_path / "Größe"))
    assert volume.stored.shape[0] == 3


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_links_in_circles(folder: Path) -> None:
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "gone").symlink_to(folder / "nothing")
    first = next(folder.glob("*.dcm"))
    (folder / "again.dcm").symlink_to(first)
    result = scan_all([folder, folder, first])
    assert [s.frames for s in result.series] == [4]


def test_series_are_given_as_they_are_found(folder: Path) -> None:
    seen = []
    result = scan_paths([folder], on_series=seen.append)
    assert tuple(seen) == result.series


def test_cancel(folder: Path) -> None:
    job = Job()
    job.cancel()
    with pytest.raises(Cancelled):
        scan_all(folder, job)


def test_progress_goes_from_none_to_all(folder: Path) -> None:
    told: list[float] = []
    scan_all(folder, Job(lambda f, text: told.append(f)))
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)


def test_read_takes_the_largest_image(folder: Path) -> None:
    Writer(folder / "other").stack([0.0, 3.0])
    assert read(folder).stored.shape[0] == 4
    with pytest.raises(ReadError, match="image"):
        read(_text_only(folder.parent / "texts"))


def _text_only(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.txt").write_text("x")
    return folder


def test_objects_that_are_no_images_are_named(folder: Path) -> None:
    ds = picture(1)
    for tag in ("PixelData", "Rows", "Columns", "BitsAllocated"):
        delattr(ds, tag)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.59"
    ds.Modality = "KO"
    ds.save_as(folder / "ko.dcm", enforce_file_format=True)
    result = scan_all(folder)
    other = next(s for s in result.series if s.kind == "other")
    assert "not-an-image" in {w.code for w in other.warnings}
    with pytest.raises(ReadError):
        open_series(other)


# ZIP

def test_zip_is_scanned_like_a_folder(folder: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "série"), "zip", folder))
    result = scan_all(archive.rename(tmp_path / "renamed.dat"))
    assert [s.frames for s in result.series] == [4]
    assert open_series(result.series[0]).load().stored[2, 0, 0] != 0


ESCAPES = ("../evil.dcm", "a/../../evil.dcm", "/evil.dcm", "C:/evil.dcm", "..\\evil.dcm", "a/b/../../../evil.dcm")


@pytest.mark.parametrize("name", ESCAPES)
def test_zip_members_cannot_leave_the_folder(name: str, folder: Path, tmp_path: Path) -> None:
    data = next(folder.glob("*.dcm")).read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), data)
        for path in folder.iterdir():
            archive.write(path, path.name)
    before = {p for p in tmp_path.rglob("*") if "evil" in p.name}
    result = scan_all(tmp_path / "a.zip")
    assert [s.frames for s in result.series] == [4]
    assert "leads out" in reasons(result)
    assert {p for p in tmp_path.rglob("*") if "evil" in p.name} == before
    assert not Path("/evil.dcm").exists()


def test_zip_with_a_link(folder: Path, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.dcm")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/hostname")
        for path in folder.iterdir():
            archive.write(path, path.name)
    result = scan_all(tmp_path / "a.zip")
    assert [s.frames for s in result.series] == [4]
    assert "link" in reasons(result)


def test_zip_bomb_is_refused_before_unpacking(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.dcm", "w") as f:
        for _ in range(300):
            f.write(bytes(1 << 20))
    result = scan_all(tmp_path / "bomb.zip")
    assert not result.series
    assert "314,572,800" in reasons(result)


def test_zip_that_lies_about_sizes(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "lie.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", next(folder.glob("*.dcm")).read_bytes())
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 100)  # uncompressed size in the central directory
    path.write_bytes(data)
    result = scan_all(path)
    assert not result.series
    assert result.skipped


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_damaged_zip_is_told(cut: float, folder: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "a"), "zip", folder))
    archive.write_bytes(archive.read_bytes()[:int(archive.stat().st_size * cut)])
    result = scan_all(archive)
    assert not result.series
    assert "damaged" in reasons(result)


def test_zip_with_a_damaged_member(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    names = sorted(folder.iterdir())
    with zipfile.ZipFile(archive, "w") as file:
        for path in names:
            file.write(path, path.name)
    data = bytearray(archive.read_bytes())
    at = data.index(names[1].name.encode()) + 400
    data[at] ^= 0xFF
    archive.write_bytes(data)
    result = scan_all(archive)
    assert sum(s.frames for s in result.series) >= 3
    assert names[1].name in reasons(result)


def test_encrypted_zip_asks_for_the_password(folder: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "a"), "zip", folder))
    data = bytearray(archive.read_bytes())
    at = 0
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        data[at + 8] |= 1
        at += 4
    at = 0
    while (at := data.find(b"PK\x03\x04", at)) >= 0:
        data[at + 6] |= 1
        at += 4
    archive.write_bytes(data)
    result = scan_all(archive)
    assert not result.series
    assert "password" in reasons(result)


def test_zip_in_a_zip_is_not_followed(folder: Path, tmp_path: Path) -> None:
    inner = Path(shutil.make_archive(str(tmp_path / "inner"), "zip", folder))
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(inner, "inner.zip")
    result = scan_all(tmp_path / "outer.zip")
    assert not result.series
    assert "inside another" in reasons(result)


def test_office_documents_are_no_archives_of_images(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "letter.docx", "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
    assert "document" in reasons(scan_all(tmp_path / "letter.docx"))


def test_damaged_zip_of_the_shared_data(shared: Path) -> None:
    result = scan_all(shared / "malformed" / "dwv" / "dwv-test_bad.zip")
    assert [s.shape for s in result.series] == [(1, 32, 32)]
    assert "no-number-rows" in reasons(result)


# DICOMDIR

def _medium(shared: Path, target: Path) -> Path:
    return Path(shutil.copytree(shared / "dicomdir-charset" / "dicomdirtests", target))


@pytest.mark.parametrize("name", DIRECTORIES)
def test_every_kind_of_dicomdir_leads_to_the_same_series(name: str, shared: Path, tmp_path: Path) -> None:
    medium = _medium(shared, tmp_path / "cd")
    for other in medium.glob("DICOMDIR*"):
        if other.name != name:
            other.unlink()
    whole, listed = scan_all(medium), scan_all(medium / name)
    assert {p for s in listed.series for p in s.files} == {p for s in whole.series for p in s.files}
    assert len({p for s in listed.series for p in s.files}) == sum(len(s.files) for s in listed.series) == 31
    assert not whole.skipped
    assert not listed.skipped


def test_empty_dicomdir_says_so(shared: Path) -> None:
    result = scan_all(shared / "dicomdir-charset" / "dicomdirtests" / "DICOMDIR-empty.dcm")
    assert not result.series
    assert "lists no files" in reasons(result)


def test_dicomdir_in_another_case_and_with_missing_files(shared: Path, tmp_path: Path) -> None:
    medium = _medium(shared, tmp_path / "cd")
    (medium / "77654033").rename(medium / "x")
    (medium / "x" / "CT2").rename(medium / "x" / "ct2")
    (medium / "x").rename(medium / "77654033")
    (medium / "77654033" / "CR1" / "6154").unlink()
    result = scan_all(medium / "DICOMDIR")
    assert sum(len(s.files) for s in result.series) == 30
    (missing,) = result.skipped
    assert "77654033/CR1/6154" in missing.reason
    assert "missing" in missing.reason


@pytest.mark.parametrize("escape", ["../secret.dcm", "..\\secret.dcm", "a/../../secret.dcm"])
def test_dicomdir_cannot_leave_its_folder(escape: str, shared: Path, tmp_path: Path) -> None:
    import pydicom

    medium = _medium(shared, tmp_path / "cd")
    Writer(tmp_path / "made").add((0.0, 0.0, 0.0), name="s.dcm")
    shutil.copy(tmp_path / "made" / "s.dcm", tmp_path / "secret.dcm")
    directory = pydicom.dcmread(medium / "DICOMDIR")
    image = next(r for r in directory.DirectoryRecordSequence if "ReferencedFileID" in r)
    image.ReferencedFileID = escape.replace("\\", "/").split("/")
    directory.save_as(medium / "DICOMDIR")
    result = scan_all(medium / "DICOMDIR")
    assert all("secret" not in str(p) for s in result.series for p in s.files)
    assert "leads out" in reasons(result)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_dicomdir_link_out_of_its_folder(shared: Path, tmp_path: Path) -> None:
    medium = _medium(shared, tmp_path / "cd")
    shutil.move(medium / "77654033" / "CR1", tmp_path / "outside")
    (medium / "77654033" / "CR1").symlink_to(tmp_path / "outside", target_is_directory=True)
    result = scan_all(medium / "DICOMDIR")
    assert "leads out" in reasons(result)
    assert sum(len(s.files) for s in result.series) == 30
