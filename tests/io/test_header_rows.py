"""Headers as texts for people."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from medviewer.core.errors import MedviewerError
from medviewer.io.header_rows import HeaderRow, filter_rows, header_rows, hide_personal, plain

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def flat(rows: list[HeaderRow]) -> dict[str, HeaderRow]:
    found = {}
    for row in rows:
        found[row.tag or row.name] = row
        found.update(flat(list(row.children)))
    return found


def make_dicom(path: Path) -> Path:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    item = Dataset()
    item.CodeMeaning = "Deep inside"
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "1.2.3"
    ds.PatientName, ds.PatientID = "DOE^JANE", "secret-7"
    ds.SeriesDescription = "line\x1bone <b>bold</b>"
    ds.ConceptNameCodeSequence = [item]
    ds.PixelSpacing = [0.5, 0.25]
    ds.save_as(path, enforce_file_format=True)
    return path


def test_dicom_elements_sequences_and_plain_text(tmp_path: Path) -> None:
    found = flat(header_rows(make_dicom(tmp_path / "a.dcm")))
    assert found["(0010,0020)"].value == "secret-7"
    assert found["(0028,0030)"].value == "0.5\\0.25"
    assert found["(0040,A043)"].value == "1 item"
    assert found["(0008,0104)"].value == "Deep inside"
    assert found["(0008,103E)"].value == "line·one <b>bold</b>"
    assert found["(0002,0010)"].vr == "UI"


def test_personal_values_can_be_hidden(tmp_path: Path) -> None:
    rows = hide_personal(header_rows(make_dicom(tmp_path / "a.dcm")))
    text = str(rows)
    assert "secret-7" not in text
    assert "JANE" not in text
    assert "Deep inside" in text


def test_search_keeps_the_way_down(tmp_path: Path) -> None:
    found = filter_rows(header_rows(make_dicom(tmp_path / "a.dcm")), "deep INSIDE")
    assert [r.tag for r in found] == ["(0040,A043)"]
    assert found[0].children[0].children[0].value == "Deep inside"


def test_long_and_odd_values_are_cut() -> None:
    assert plain("a\x00b\nc") == "a·b·c"
    assert len(plain("x" * 10_000)) < 500


def test_nifti_fields(tmp_path: Path) -> None:
    import nibabel

    image = nibabel.Nifti1Image(np.zeros((3, 4, 5), np.int16), np.diag([1.0, 2.0, 3.0, 1.0]))
    image.header["descrip"] = b"made here"
    nibabel.save(image, tmp_path / "a.nii.gz")
    found = flat(header_rows(tmp_path / "a.nii.gz"))
    assert found["dim"].value.startswith("3 3 4 5")
    assert found["descrip"].value == "made here"


def test_nrrd_and_metaimage_lines(tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").write_bytes(b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 1 1 1\nencoding: raw\n"
                                      b"key:=value\n\n\x00")
    (tmp_path / "a.mha").write_bytes(b"NDims = 3\nDimSize = 1 1 1\nElementDataFile = LOCAL\n\x00Junk = 1\n")
    nrrd, meta = flat(header_rows(tmp_path / "a.nrrd")), flat(header_rows(tmp_path / "a.mha"))
    assert (nrrd["type"].value, nrrd["key"].value) == ("uchar", "value")
    assert meta["DimSize"].value == "1 1 1"
    assert "Junk" not in meta


def test_other_files_have_file_facts(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"12345")
    assert flat(header_rows(tmp_path / "a.png"))["Size"].value == "5 bytes"


@pytest.mark.parametrize(("name", "content"), [
    ("a.nii", b"garbage"), ("a.nii.gz", gzip.compress(b"garbage")), ("b.nii.gz", b"\x1f\x8b\x08broken"),
    ("a.nrrd", b"NRRD0004\n\xff\xfe"), ("a.dcm", b"\0" * 128 + b"DICM" + b"\xff" * 40)])
def test_broken_files_give_a_sentence(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    try:
        rows = header_rows(tmp_path / name)
    except MedviewerError as error:
        assert error.message  # noqa: PT017 - either is right: an error in words, or what could be read
    else:
        assert flat(rows)["Size"]


def test_absent_file() -> None:
    with pytest.raises(MedviewerError, match="cannot be read"):
        header_rows(Path("/nowhere/x.dcm"))


def test_malformed_files_never_crash(shared: Path) -> None:
    for path in sorted((shared / "malformed").rglob("*.dcm")):
        try:
            rows = header_rows(path)
        except MedviewerError:
            continue
        assert all(c.isprintable() for row in flat(rows).values() for c in row.value), path
