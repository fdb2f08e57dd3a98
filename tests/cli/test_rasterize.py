"""`rasterize` and masks through `convert`: what other programs read from the files."""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from mask_study import GRID, answer, command, truth, write_study

from medviewer.io.access import read, read_contours, read_labels
from medviewer.ops.rasterise import rasterise

sys.path.insert(0, str(Path(__file__).parents[1] / "io"))
from dicom_objects import referee


def test_simpleitk_reads_the_same_mask(tmp_path: Path, capsys) -> None:
    sitk = pytest.importorskip("SimpleITK")
    ct, plan = write_study(tmp_path)
    for suffix in ("nii.gz", "nrrd", "mha"):
        path = tmp_path / f"gtv.{suffix}"
        assert command("rasterize", plan, "--on", ct, "-o", path, "--roi", "GTV 1", "--json") == 0
        assert [s["voxels"] for s in answer(capsys)["segments"]] == [84]
        image = sitk.ReadImage(str(path))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image) == 7, truth()["GTV 1"])
        np.testing.assert_allclose(image.GetSpacing(), (1.0, 1.5, 2.5))
        np.testing.assert_allclose(image.GetOrigin(), (-11.0, 7.5, -40.0))
        np.testing.assert_allclose(image.GetDirection(), np.eye(3).ravel(), atol=1e-9)


def test_nibabel_finds_every_voxel_where_info_says(tmp_path: Path, capsys) -> None:
    """The RAS affine of the file is the LPS one of the image."""
    ct, plan = write_study(tmp_path)
    assert command("rasterize", plan, "--on", ct, "-o", tmp_path / "m.nii.gz", "--roi", "Liver") == 0
    image = nibabel.load(tmp_path / "m.nii.gz")
    ijk = np.argwhere(np.asarray(image.dataobj) == 3)
    lps = nibabel.affines.apply_affine(image.affine, ijk) * (-1, -1, 1)
    expected = GRID.to_lps(np.argwhere(truth()["Liver"]))
    np.testing.assert_allclose(lps[np.lexsort(lps.T)], expected[np.lexsort(expected.T)], atol=1e-4)


def test_segmentation_as_highdicom_and_the_referee_see_it(tmp_path: Path, capsys) -> None:
    hd = pytest.importorskip("highdicom")
    ct, plan = write_study(tmp_path)
    path = tmp_path / "m.dcm"
    assert command("rasterize", plan, "--on", ct, "-o", path) == 0
    seg = hd.seg.segread(path)
    assert [seg.get_segment_description(n).segment_label for n in seg.segment_numbers] == list(truth())
    ordered = sorted((pydicom.dcmread(f) for f in ct.glob("*.dcm")), key=lambda d: d.ImagePositionPatient[2])
    uids = [d.SOPInstanceUID for d in ordered]
    pixels = seg.get_pixels_by_source_instance(uids, assert_missing_frames_are_empty=True)
    for n, mask in enumerate(truth().values()):
        np.testing.assert_array_equal(pixels[..., n].astype(bool), mask)
    assert seg.FrameOfReferenceUID == ordered[0].FrameOfReferenceUID
    assert referee(path) == []


@pytest.mark.parametrize(("suffix", "whole"), [("nrrd", True), ("seg.nrrd", True), ("dcm", True), ("nii.gz", False),
                                               ("mha", False)])
def test_overlapping_structures(tmp_path: Path, capsys, suffix: str, whole: bool) -> None:
    """Formats of one label per voxel give it to the smaller structure, and that is told."""
    ct, plan = write_study(tmp_path)
    path = tmp_path / f"all.{suffix}"
    assert command("rasterize", plan, "--on", ct, "-o", path) == 0
    assert ("keep overlapping" in capsys.readouterr().err) is not whole
    labels = read_labels(path, on=read(ct))
    found = {s.name: labels.mask(s) for s in labels.segments}
    liver, gtv = truth()["Liver"], truth()["GTV 1"]
    np.testing.assert_array_equal(found["GTV 1"], gtv)
    np.testing.assert_array_equal(found["Liver"], liver if whole else liver & ~gtv)


def test_rules(tmp_path: Path, capsys) -> None:
    ct, plan = write_study(tmp_path)
    counts = {}
    for rule in ("exact", "pixel-centre", "pillow"):
        assert command("rasterize", plan, "--on", ct, "-o", tmp_path / "m.nrrd", "--rule", rule, "--json") in (0, 1)
        counts[rule] = [s["voxels"] for s in answer(capsys)["segments"]]
    assert counts["exact"] == counts["pixel-centre"] == [288, 84, 0]
    assert counts["pillow"] != counts["exact"]


def test_a_structure_that_leaves_nothing_is_told(tmp_path: Path, capsys) -> None:
    from dicom_objects import ct_series

    _, plan = write_study(tmp_path)
    far = GRID.affine.copy()
    far[0, 3] += 500
    ct_series(tmp_path / "far", type(GRID)(GRID.shape, far))
    assert command("rasterize", plan, "--on", tmp_path / "far", "-o", tmp_path / "m.nrrd") == 1
    said = capsys.readouterr().err
    assert "Liver has contours but no voxel" in said
    assert "frame of reference" in said
    assert "Nothing has contours" not in said


@pytest.mark.parametrize("argv", [
    ("rs/plan.dcm", "--on", "ct"), ("rs/plan.dcm", "-o", "m.nrrd"), ("rs/plan.dcm", "--on", "ct", "-o", "m.docx"),
    ("rs/plan.dcm", "--on", "nowhere", "-o", "m.nrrd"), ("ct", "--on", "ct", "-o", "m.nrrd"),
    ("rs/plan.dcm", "--on", "ct", "-o", "m.nrrd", "--roi", "Spleen"), ("rs/plan.dcm", "--on", "rs", "-o", "m.nrrd"),
    ("rs/plan.dcm", "--on", "ct", "-o", "m.nrrd", "--rule", "guess"),
])
def test_what_cannot_be_drawn(tmp_path: Path, capsys, monkeypatch, argv: tuple[str, ...]) -> None:
    write_study(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert command("rasterize", *argv) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert not [p for p in tmp_path.iterdir() if p.is_file()]


def test_a_dicom_mask_needs_dicom_images(tmp_path: Path, capsys) -> None:
    ct, plan = write_study(tmp_path)
    assert command("convert", ct, tmp_path / "ct.nii.gz") == 0
    assert command("rasterize", plan, "--on", tmp_path / "ct.nii.gz", "-o", tmp_path / "m.dcm") == 2
    assert "must refer to the DICOM images" in capsys.readouterr().err
    assert command("rasterize", plan, "--on", tmp_path / "ct.nii.gz", "-o", tmp_path / "m.nii.gz") == 0
    assert not (tmp_path / "m.dcm").exists()


def test_convert_takes_masks_to_and_from_dicom(tmp_path: Path, capsys) -> None:
    """NRRD -> SEG -> NRRD -> RT Structure Set -> NRRD: the same voxels and names all along."""
    ct, plan = write_study(tmp_path / "study")
    steps = [(plan, "a.nrrd", ()), ("a.nrrd", "b.dcm", ("--on", ct)), ("b.dcm", "c.nrrd", ()),
             ("c.nrrd", "d.dcm", ("--on", ct, "--as", "rtstruct")), ("d.dcm", "e.nrrd", ("--on", ct)),
             ("d.dcm", "f.dcm", ("--on", ct, "--as", "rtstruct"))]
    for source, target, more in steps:
        assert command("convert", tmp_path / source, tmp_path / target, *more) == 0, (target, capsys.readouterr().err)
    for name in ("b.dcm", "d.dcm", "f.dcm"):
        assert referee(tmp_path / name) == []
    assert pydicom.dcmread(tmp_path / "b.dcm").Modality == "SEG"
    assert pydicom.dcmread(tmp_path / "d.dcm").Modality == "RTSTRUCT"
    drawn, _ = rasterise(read_contours(tmp_path / "f.dcm"), GRID)
    for labels in (*(read_labels(tmp_path / n, on=GRID) for n in ("a.nrrd", "b.dcm", "e.nrrd")), drawn):
        found = {s.name: labels.mask(s) for s in labels.segments}
        for name in ("Liver", "GTV 1"):
            np.testing.assert_array_equal(found[name], truth()[name])


def test_convert_a_nifti_mask_of_other_axes_to_dicom(tmp_path: Path, capsys) -> None:
    """A mask stored from right to left and from the head down lies on the right slices of the images."""
    ct, _ = write_study(tmp_path)
    mask = truth()["GTV 1"].transpose(2, 1, 0)[::-1, :, ::-1].astype(np.uint8)
    affine = np.diag([1.0, -1.5, -2.5, 1.0])  # i to the right, j to the back, k to the feet
    affine[:3, 3] = -(GRID.to_lps((5, 0, 23)) * (1, 1, -1))
    nibabel.save(nibabel.Nifti1Image(mask, affine), tmp_path / "gtv_mask.nii.gz")
    for kind in ("seg", "rtstruct"):
        assert command("convert", tmp_path / "gtv_mask.nii.gz", tmp_path / f"{kind}.dcm", "--on", ct, "--as", kind) == 0
    np.testing.assert_array_equal(read_labels(tmp_path / "seg.dcm", on=GRID).array > 0, truth()["GTV 1"])
    drawn, _ = rasterise(read_contours(tmp_path / "rtstruct.dcm"), GRID)
    np.testing.assert_array_equal(drawn.array > 0, truth()["GTV 1"])


@pytest.mark.parametrize("argv", [("m.nii.gz", "x.dcm"), ("ct", "x.dcm"),
                                  ("m.nii.gz", "x.dcm", "--on", "ct", "--as", "sr")])
def test_what_cannot_be_converted(tmp_path: Path, capsys, monkeypatch, argv: tuple[str, ...]) -> None:
    ct, plan = write_study(tmp_path)
    (tmp_path / "alone").mkdir()
    assert command("rasterize", plan, "--on", ct, "-o", tmp_path / "alone" / "m.nii.gz") == 0
    capsys.readouterr()
    monkeypatch.chdir(tmp_path)
    source = "alone/m.nii.gz" if argv[0] == "m.nii.gz" else argv[0]
    if len(argv) == 2 and source.startswith("alone"):
        ct.rename(tmp_path.parent / f"{tmp_path.name}-ct")
    assert command("convert", source, *argv[1:]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert not Path("x.dcm").exists()


def test_real_structure_set(shared: Path, tmp_path: Path, capsys) -> None:
    """ROI volumes of the data README, as SEG and NIfTI of the same voxels."""
    folder = shared / "rtstruct-phantom"
    assert command("rasterize", folder / "rt.dcm", "--on", folder, "-o", tmp_path / "m.dcm", "--json") == 0
    volumes = {s["name"]: s["volume_ml"] for s in answer(capsys)["segments"]}
    assert volumes == pytest.approx({"ROI-1": 6.51, "ROI-2": 6.01, "ROI-3": 5.74, "ROI-4": 10.97}, abs=0.006)
    assert command("rasterize", folder / "rt.dcm", "--on", folder, "-o", tmp_path / "m.nii.gz") == 0
    assert referee(tmp_path / "m.dcm") == []
    assert command("compare", tmp_path / "m.dcm", tmp_path / "m.nii.gz", "--json") == 0
    assert {row["dice"] for row in answer(capsys)["labels"].values()} == {1.0}
