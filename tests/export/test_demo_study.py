"""The demo study on disk: real DICOM that other programs read alike, the same bytes every time, whole or not at all."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name

from medviewer.core.errors import Cancelled, WriteError
from medviewer.core.job import Job
from medviewer.export import demo_study
from medviewer.export.demo_ct import demo_uid
from medviewer.export.demo_study import DRAWN, SEGMENTED, demo_folder, write_demo_study
from medviewer.io import access
from medviewer.ops.phantom import ThoraxPhantom, thorax
from medviewer.ops.rasterise import rasterise

SEED, SHAPE = 3, (40, 96, 96)
TINY = (20, 48, 48)


@pytest.fixture(scope="module")
def phantom() -> ThoraxPhantom:
    return thorax(SEED, shape=SHAPE)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    return write_demo_study(tmp_path_factory.mktemp("demo") / "thorax", seed=SEED, shape=SHAPE)


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def test_files(study):
    names = sorted(content(study))
    images = [f"CT/IM{n:04d}.dcm" for n in range(1, SHAPE[0] + 1)]
    assert names == sorted([*images, "RTSTRUCT.dcm", "SEG.dcm", "nodules.csv", "nodules.json"])
    assert [p.name for p in study.parent.iterdir()] == ["thorax"]  # no temporary folder is left


def test_headers(study):
    first, last = (pydicom.dcmread(study / "CT" / f"IM{n:04d}.dcm") for n in (1, SHAPE[0]))
    assert (str(first.PatientName), first.PatientID) == ("Demo^Thorax", f"DEMO-{SEED}")
    assert first.SOPClassUID == pydicom.uid.CTImageStorage
    assert first.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert (first.RescaleSlope, first.RescaleIntercept, first.RescaleType) == (1, -1024, "HU")
    assert (first.BitsAllocated, first.BitsStored, first.PixelRepresentation) == (16, 12, 0)
    assert first.SliceThickness == pytest.approx(300 / 40)
    # from the head to the feet, in steps of the slice thickness
    step = (first.ImagePositionPatient[2] - last.ImagePositionPatient[2]) / (SHAPE[0] - 1)
    assert step == pytest.approx(300 / 40)
    assert (first.InstanceNumber, last.InstanceNumber) == (1, 40)
    assert first.FrameOfReferenceUID == last.FrameOfReferenceUID
    uids = {first.StudyInstanceUID, first.SeriesInstanceUID, first.FrameOfReferenceUID, first.SOPInstanceUID,
            last.SOPInstanceUID}
    assert len(uids) == 5
    assert all(u.startswith("2.25.") and u.is_valid for u in map(pydicom.uid.UID, uids))


def test_uids_are_stable_numbers_of_a_name_based_uuid():
    number = int(demo_uid("a", 1).removeprefix("2.25."))
    assert demo_uid("a", 1) == demo_uid("a", "1") != demo_uid("a", 2)
    assert number >> 76 & 0xF == 5  # version nibble of a UUID
    assert number >> 62 & 0b11 == 0b10  # variant bits


def test_the_same_seed_gives_the_same_bytes(study, tmp_path):
    again = write_demo_study(tmp_path / "again", seed=SEED, shape=SHAPE)
    one, two = content(study), content(again)
    assert one.keys() == two.keys()
    assert [n for n in one if one[n] != two[n]] == []
    other = content(write_demo_study(tmp_path / "other", seed=SEED + 1, shape=SHAPE))
    assert other["CT/IM0020.dcm"] != one["CT/IM0020.dcm"]


def test_simpleitk_reads_the_same_voxels_and_places(study, phantom):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(study / "CT")))
    image = reader.Execute()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), phantom.hu)
    k, j, i = 7, 31, 60
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((i, j, k)), phantom.geometry.to_lps((k, j, i)),
                               atol=1e-4)


def test_medviewer_reads_the_same_voxels_and_places(study, phantom):
    volume = access.read(study / "CT")
    geometry = volume.geometry
    assert sorted(geometry.shape) == sorted(phantom.geometry.shape)
    for lps in [n.centre_lps for n in phantom.nodules] + [(-70.0, 10.0, -50.0), (10.0, -60.0, -90.0)]:
        here = tuple(np.rint(geometry.to_index(lps)).astype(int))
        there = tuple(np.rint(phantom.geometry.to_index(lps)).astype(int))
        assert volume.value_at(here) == phantom.hu[there]
        np.testing.assert_allclose(geometry.to_lps(here), phantom.geometry.to_lps(there), atol=1e-3)
    assert (volume.unit, volume.modality) == ("HU", "CT")
    assert [(w.centre, w.width) for w in volume.windows][:3] == [(-600, 1500), (50, 350), (350, 2000)]


def test_segmentation_holds_the_labels(study, phantom):
    labels = access.read_labels(study / "SEG.dcm", on=phantom.geometry)
    by_name = {s.name: s for s in labels.segments}
    wanted = [s for s in phantom.labels.segments
              if s.name in SEGMENTED or s.value in {n.label for n in phantom.nodules}]
    assert set(by_name) == {s.name for s in wanted}
    for segment in wanted:
        read = by_name[segment.name]
        np.testing.assert_array_equal(labels.mask(read), phantom.labels.mask(segment), err_msg=segment.name)
        assert read.type is not None
        assert (read.type.value, read.type.scheme) == (segment.type.value, "SCT")


def test_contours_enclose_the_labels(study, phantom):
    contours = access.read_contours(study / "RTSTRUCT.dcm")
    names = [s.name for s in contours.segments]
    assert set(DRAWN) <= set(names)
    assert len(names) == len(DRAWN) + len(phantom.nodules)
    filled, _ = rasterise(contours, phantom.geometry)
    by_name = {s.name: s for s in filled.segments}
    for segment in phantom.labels.segments:
        if segment.name in ("Right lung", "Left lung", "Heart", "Spine"):
            # smooth outlines cut the corners of the voxels, which are 3.7 mm wide here
            assert dice(filled.mask(by_name[segment.name]), phantom.labels.mask(segment)) > 0.97


def test_the_study_belongs_together(study):
    image = pydicom.dcmread(study / "CT" / "IM0001.dcm", stop_before_pixels=True)
    for name in ("RTSTRUCT.dcm", "SEG.dcm"):
        other = pydicom.dcmread(study / name, stop_before_pixels=True)
        assert (other.StudyInstanceUID, other.PatientID) == (image.StudyInstanceUID, image.PatientID)
        assert other.SeriesInstanceUID != image.SeriesInstanceUID


def test_truth_of_the_nodules(study, phantom):
    truth = json.loads((study / "nodules.json").read_text())
    assert truth["seed"] == SEED
    with open(study / "nodules.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(truth["nodules"]) == len(phantom.nodules) > 1
    for row, entry, nodule in zip(rows, truth["nodules"], phantom.nodules, strict=True):
        assert tuple(entry["centre_lps"]) == nodule.centre_lps
        assert [float(row[f"{a}_lps_mm"]) for a in "xyz"] == list(nodule.centre_lps)
        assert (row["kind"], float(row["diameter_mm"])) == (nodule.kind, nodule.diameter_mm)


def test_dciodvfy_finds_no_error(study):
    if shutil.which("dciodvfy") is None:
        pytest.skip("needs dciodvfy (package dicom3tools)")
    for name in ("CT/IM0001.dcm", "CT/IM0027.dcm", "RTSTRUCT.dcm", "SEG.dcm"):
        said = subprocess.run(["dciodvfy", str(study / name)], capture_output=True, text=True, check=False, timeout=120)
        assert "Error" not in said.stderr + said.stdout, name


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("important")
    with pytest.raises(WriteError, match="not empty"):
        write_demo_study(tmp_path, shape=TINY)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(WriteError, match="not a folder"):
        write_demo_study(tmp_path / "mine.txt", shape=TINY)


def test_an_older_demo_study_is_replaced_and_an_empty_folder_used(tmp_path):
    place = tmp_path / "demo"
    place.mkdir()
    write_demo_study(place, seed=1, shape=TINY)
    write_demo_study(place, seed=2, shape=TINY)
    assert json.loads((place / "nodules.json").read_text())["seed"] == 2
    assert [p.name for p in tmp_path.iterdir()] == ["demo"]


@pytest.mark.parametrize("at", [0.2, 0.5, 0.8, 0.95])
def test_cancel_leaves_what_was_there(tmp_path, at):
    place = tmp_path / "demo"
    write_demo_study(place, seed=1, shape=TINY)
    before = content(place)
    job = Job(lambda fraction, text: job.cancel() if fraction >= at else None)
    with pytest.raises(Cancelled):
        write_demo_study(place, seed=2, shape=TINY, job=job)
    assert content(place) == before
    assert [p.name for p in tmp_path.iterdir()] == ["demo"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *args, **kwargs: tmp_path / "cache")
    monkeypatch.setattr(demo_study, "SHAPE", TINY)
    written = []
    original = demo_study.write_demo_study

    def counting(folder, **kwargs):
        written.append(folder)
        return original(folder, **kwargs)

    monkeypatch.setattr(demo_study, "write_demo_study", counting)
    return written


def test_the_cached_study_is_written_once(cache):
    folder = demo_folder()
    first = content(folder)
    assert demo_folder() == folder
    assert len(cache) == 1
    assert content(folder) == first


@pytest.mark.parametrize("damage", ["changed", "missing", "extra", "version", "manifest"])
def test_a_damaged_or_outdated_cache_is_rewritten(cache, monkeypatch, damage):
    folder = demo_folder()
    sound = content(folder)
    image = folder / "CT" / "IM0003.dcm"
    if damage == "changed":
        image.write_bytes(image.read_bytes()[:-1] + b"\x07")
    elif damage == "missing":
        image.unlink()
    elif damage == "extra":
        (folder / "CT" / "stray.dcm").write_bytes(b"")
    elif damage == "version":
        monkeypatch.setattr(demo_study, "WRITER_VERSION", 99)
    else:
        (folder.parent / "thorax.json").write_text("{")
    demo_folder()
    assert len(cache) == 2
    restored = content(folder)
    restored.pop("nodules.json"), sound.pop("nodules.json")  # names the version
    assert restored == sound
