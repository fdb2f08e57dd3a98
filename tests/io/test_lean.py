"""The quick header reader gives what the guarded one gives, or nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from medviewer.core.errors import ReadError
from medviewer.io.dicom import guards, lean
from medviewer.io.dicom.elements import KEYWORDS, NUMBERS
from medviewer.io.dicom.headers import Header
from tests.io.series_files import Writer

FOLDERS = ["malformed", "dicomdir-charset", "pixel-variety", "multiframe", "transfer-syntaxes", "dicom-seg",
           "gantry-tilt-ct", "pet-vendor-slices"]
MUTANTS = 400


def assert_same(path: Path) -> bool:
    """Compare both ways of reading; returns whether the quick one was taken."""
    quick = lean.read(path, NUMBERS)
    if quick is None:
        return False
    plain = guards.read_header(path, tags=KEYWORDS)
    assert isinstance(plain, guards.GuardedDataset)
    assert quick.parsed.reports == []
    assert plain.reports == ()
    own = quick.dataset()
    for name in ("syntax", "little", "pixels", "size", "deflated_from", "filename"):
        assert getattr(own, name) == getattr(plain, name), name
    assert own.original_character_set == plain.original_character_set
    assert [(e.tag, e.VR, e.value, e.is_implicit_VR) for e in own.values()] == [
        (e.tag, e.VR, e.value, e.is_implicit_VR) for e in plain.values()]
    return True


@pytest.mark.parametrize("folder", FOLDERS)
def test_same_as_the_guarded_reader(folder: str, shared: Path) -> None:
    files = [p for p in (shared / folder).rglob("*") if p.is_file()]
    taken = sum(assert_same(p) for p in files)
    assert taken >= (10 if folder == "malformed" else 0.3 * len(files))


def test_ordinary_files_take_the_quick_way(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.stack([0.0, 2.0])
    assert all(assert_same(p) for p in tmp_path.iterdir())


def test_mutants_are_read_alike(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a", SpecificCharacterSet="ISO_IR 192", WindowCenter=[40, 50], WindowWidth=[400, 500])
    writer.stack([0.0])
    whole = next(writer.folder.iterdir()).read_bytes()
    rng, path, taken = random.Random(5), tmp_path / "mutant.dcm", 0
    for _ in range(MUTANTS):
        data = bytearray(whole[:rng.choice((len(whole), rng.randrange(100, len(whole))))])
        for _ in range(rng.randrange(4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            taken += assert_same(path)
        except ReadError:
            pytest.fail("the quick reader took what the guarded one refuses")
    assert 0 < taken < MUTANTS


def test_sequences_and_names_come_out_alike(shared: Path) -> None:
    path = shared / "multiframe" / "philips-3DpCASL" / "enhanced" / "1901_WIP_3DpCASL_real.dcm"
    header = Header(path)
    assert lean.read(path, NUMBERS) is not None
    plain = guards.read_header(path, tags=KEYWORDS)
    assert header.items("PerFrameFunctionalGroupsSequence") == list(plain.PerFrameFunctionalGroupsSequence)
    assert header.text("PatientName") == str(plain.PatientName)


def test_a_missing_file_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"gone\.dcm"):
        Header(tmp_path / "gone.dcm")
