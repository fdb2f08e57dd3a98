"""The npz-slices layout on image series with RTSTRUCT, SEG and label files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image

from medviewer.core.errors import GeometryError, ReadError
from medviewer.core.geometry import Geometry
from medviewer.core.study import Series
from medviewer.export.pairing import find_image
from medviewer.export.recipe import Recipe
from medviewer.export.run import run_export


def export(recipe: Recipe, sources: list[Path], out: Path) -> tuple[dict[str, dict[str, np.ndarray]], dict, list[str]]:
    """Run an export and return its arrays by file, the manifest and the log."""
    run_export(recipe, sources, out)
    arrays = {}
    for name in (out / "filelist.txt").read_text().splitlines():
        with np.load(out / name, allow_pickle=False) as data:
            arrays[name] = dict(data)
    return arrays, json.loads((out / "manifest.json").read_text()), (out / "export.log").read_text().splitlines()


def headers(folder: Path) -> dict[int, pydicom.Dataset]:
    found = [pydicom.dcmread(p) for p in sorted(folder.iterdir())]
    return {int(d.InstanceNumber): d for d in found}


def test_structure_set(shared, tmp_path):
    folder = shared / "ibsi-ct-phantom/dicom"
    arrays, manifest, log = export(Recipe(rule="pixel-centre"), [folder], tmp_path)
    # data README: 26 slices, 125 256 voxels by pixel centres, mean -46.88 HU inside
    assert len(arrays) == 26
    assert log == []
    assert sum(int(a["target"].sum()) for a in arrays.values()) == 125_256
    inside = np.concatenate([a["image"][a["target"]] for a in arrays.values()])
    assert inside.mean() == pytest.approx(-46.88, abs=0.005)
    assert (inside.min(), inside.max()) == (-1000, 723)
    assert {a["image"].dtype for a in arrays.values()} == {np.dtype(np.int16)}
    files = headers(folder / "image")
    for case in manifest["cases"]:
        header = files[case["number"]]
        assert case["unit"] == "HU"
        assert case["structures"] == ["GTV-1"]
        position = np.array(header.ImagePositionPatient, float)
        np.testing.assert_allclose(np.array(case["affine_lps"])[:3, 3], position, atol=1e-3)
        np.testing.assert_array_equal(arrays[case["file"]]["image"], header.pixel_array.astype(int) - 1000)


def test_the_mask_of_the_structure_set_is_where_the_reference_mask_is(shared, tmp_path):
    arrays, manifest, _ = export(Recipe(rule="pixel-centre"), [shared / "ibsi-ct-phantom/dicom"], tmp_path)
    reference = nibabel.load(shared / "ibsi-ct-phantom/nifti/mask/mask.nii.gz")
    voxels = np.asanyarray(reference.dataobj) > 0
    for case in manifest["cases"]:
        affine = np.array(case["affine_lps"])  # (k, j, i) -> LPS
        target = arrays[case["file"]]["target"]
        j, i = np.argwhere(target)[len(np.argwhere(target)) // 3]
        lps = affine @ [0, j, i, 1]
        x, y, z = np.rint(np.linalg.inv(reference.affine) @ (lps * [-1, -1, 1, 1])).astype(int)[:3]
        assert voxels[x, y, z]
        assert voxels[:, :, z].sum() == target.sum()


def test_segmentation(shared, tmp_path):
    folder = shared / "dicom-seg"
    arrays, manifest, log = export(Recipe(overlays=True), [folder / "liver.dcm", folder / "ct-3slice"], tmp_path)
    # data README: 3 frames, 107 098 voxels
    assert len(arrays) == 3
    assert log == []
    assert sum(int(a["target"].sum()) for a in arrays.values()) == 107_098
    seg = pydicom.dcmread(folder / "liver.dcm")
    frames = {}
    for frame, groups in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        frames[round(float(groups.PlanePositionSequence[0].ImagePositionPatient[2]), 2)] = frame.astype(bool)
    for case in manifest["cases"]:
        mask = arrays[case["file"]]["target"]
        np.testing.assert_array_equal(mask, frames[round(case["affine_lps"][2][3], 2)])
        picture = Image.open(tmp_path / f"overlaid/{case['patient']}_{case['number']}.png")
        assert picture.size == (512, 512)


def test_structures_by_name(shared, tmp_path):
    folder = shared / "rtstruct-phantom"
    ct = [p for p in sorted(folder.rglob("*.dcm")) if pydicom.dcmread(p, stop_before_pixels=True).Modality == "CT"]
    sources = [*ct, next(folder.rglob("rt.dcm"))]
    every, _, _ = export(Recipe(), sources, tmp_path / "every")
    one, manifest, _ = export(Recipe(rois=("roi-4",)), sources, tmp_path / "one")
    assert len(every) == len(one) == 3  # data README: each on z 60, 65, 70
    assert {tuple(c["structures"]) for c in manifest["cases"]} == {("ROI-4",)}
    voxel_ml = 0.488281**2 * 5 / 1000
    # data README: 10.97 ml; all four together 6.51 + 6.01 + 5.74 + 10.97 where they do not overlap
    assert sum(a["target"].sum() for a in one.values()) * voxel_ml == pytest.approx(10.97, rel=0.01)
    assert sum(a["target"].sum() for a in every.values()) * voxel_ml <= 29.23 * 1.01
    with pytest.raises(ReadError, match=r"ROI-1.*ROI-4"):
        run_export(Recipe(rois=("heart",)), sources, tmp_path / "none")


def test_two_annotations_of_one_series_do_not_overwrite_each_other(shared, tmp_path):
    folder = shared / "dicom-seg"
    sources = [folder / "liver.dcm", folder / "partial_overlaps.dcm", folder / "ct-3slice"]
    arrays, manifest, _ = export(Recipe(), sources, tmp_path)
    by_folder: dict[str, int] = {}
    for name, data in arrays.items():
        patient = name.split("/")[0]
        by_folder[patient] = by_folder.get(patient, 0) + int(data["target"].sum())
    assert len(by_folder) == 2
    assert 107_098 in by_folder.values()
    structures = {c["patient"]: set(c["structures"]) for c in manifest["cases"]}
    assert {"Liver"} in structures.values()


def test_one_truncated_slice_costs_only_itself(shared, tmp_path):
    sources = tmp_path / "sources"
    shutil.copytree(shared / "dicom-seg/ct-3slice", sources / "ct")
    shutil.copy(shared / "dicom-seg/liver.dcm", sources)
    victim = sorted((sources / "ct").iterdir())[1]
    number = int(pydicom.dcmread(victim).InstanceNumber)
    victim.write_bytes(victim.read_bytes()[:300_000])
    (sources / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    arrays, manifest, log = export(Recipe(), [sources], tmp_path / "out")
    assert len(arrays) == 2
    assert number not in {c["number"] for c in manifest["cases"]}
    assert len(log) == 2
    assert any("broken.dcm" in line for line in log)
    assert any(f"/{number}:" in line for line in log)


def test_an_annotation_without_its_image_is_listed(shared, tmp_path):
    folder = shared / "dicom-seg"
    seg = next((folder / "highdicom").glob("*ct_binary.dcm"))
    _, _, log = export(Recipe(), [folder / "liver.dcm", folder / "ct-3slice", seg], tmp_path)
    assert len(log) == 1
    assert seg.name in log[0]
    with pytest.raises(ReadError, match="nothing to export"):
        run_export(Recipe(), [folder / "liver.dcm"], tmp_path / "none")


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    nibabel.save(nibabel.Nifti1Image(array, affine), path)


def test_nifti_pair(tmp_path):
    affine = np.diag([1.5, 2.0, 3.0, 1.0])
    image = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    mask = np.zeros((4, 5, 6), np.uint8)
    mask[1, 2, 3] = mask[0, 4, 3] = mask[3, 0, 5] = 1
    (tmp_path / "case").mkdir()
    write_nifti(tmp_path / "case/image.nii.gz", image, affine)
    write_nifti(tmp_path / "case/image_seg.nii.gz", mask, affine)
    arrays, manifest, log = export(Recipe(), [tmp_path / "case"], tmp_path / "out")
    assert log == []
    assert len(arrays) == 2
    inside = sorted(int(v) for a in arrays.values() for v in a["image"][a["target"]])
    assert inside == sorted(image[mask > 0].tolist())
    assert sorted(c["number"] for c in manifest["cases"]) == [4, 6]  # slices are counted from 1
    again = run_export(Recipe(), [tmp_path / "case"], tmp_path / "out")
    assert (again.written, again.kept) == (0, 2)


def test_labels_stored_the_other_way_round_are_turned(shared, tmp_path):
    folder = shared / "totalseg-ct"
    ct = next(p for p in sorted(folder.iterdir()) if p.is_dir() and "ct" in p.name)
    labels = folder / "example_seg_dicom.nii.gz"
    for name, voxels, mean in (("liver", 366_708, 89.3), ("spleen", 130_634, 79.6)):  # data README; flipped: -74.7
        arrays, _, _ = export(Recipe(rois=(name,)), [ct, labels], tmp_path / name)
        inside = np.concatenate([a["image"][a["target"]] for a in arrays.values()])
        assert inside.size == voxels
        assert inside.mean() == pytest.approx(mean, abs=0.05)


def test_all_slices_of_a_series(tmp_path):
    affine = np.eye(4)
    (tmp_path / "case").mkdir()
    write_nifti(tmp_path / "case/image.nii.gz", np.ones((4, 5, 6), np.int16), affine)
    mask = np.zeros((4, 5, 6), np.uint8)
    mask[1, 2, 3] = 1
    write_nifti(tmp_path / "case/image_seg.nii.gz", mask, affine)
    arrays, _, _ = export(Recipe(slices="all"), [tmp_path / "case"], tmp_path / "out")
    assert [int(arrays[n]["target"].sum()) for n in sorted(arrays)] == [0, 0, 0, 1, 0, 0]


GRID = Geometry.from_spacing((3, 4, 5))
OTHER_GRID = Geometry.from_spacing((3, 4, 5), (1.0, 1.0, 2.0))


def series(name: str, kind: str, frame: str = "", refers_to: str = "", grid: Geometry | None = GRID) -> Series:
    return Series(name, "test", kind, (Path(name),), series_uid=name, frame_of_reference_uid=frame,
                  refers_to=refers_to, geometry=grid)


CT, PET = series("ct", "image", "F", grid=GRID), series("pet", "image", "F", grid=OTHER_GRID)
FAR, OTHER = series("far", "image", "G"), series("other", "image", grid=Geometry.from_spacing((5, 4, 3)))
SAME, NEAR = series("y/case1_0000.nii.gz", "image"), series("a/image.nii", "image")
TURNED = Geometry((5, 4, 3), [[-1, 0, 0, 4], [0, -1, 0, 3], [0, 0, 1, 0], [0, 0, 0, 1]])
SHIFTED = Geometry.from_spacing((3, 4, 5), origin_lps=(0.5, 0, 0))


@pytest.mark.parametrize(("annotation", "images", "found"), [
    (series("a", "rtstruct", "F", "pet", None), [CT, PET], PET),  # named
    (series("a", "rtstruct", "F", "gone", None), [CT, FAR], CT),  # same frame of reference
    (series("a", "seg", "F", "gone", OTHER_GRID), [CT, PET], PET),  # same frame, then same grid
    (series("a", "labels"), [PET, FAR], FAR),  # same grid only
    (series("x/case1.nii.gz", "labels"), [series("y/case10_0000.nii.gz", "image"), SAME, FAR], SAME),  # by name
    (series("a/mask.nii", "labels"), [series("b/image.nii", "image"), NEAR], NEAR),  # by folder
    (series("a", "labels", grid=TURNED), [OTHER, FAR], FAR),  # the same voxels, stored in another order
])
def test_which_image_an_annotation_belongs_to(annotation, images, found):
    assert find_image(annotation, images)[0] is found


@pytest.mark.parametrize(("annotation", "images", "reason"), [
    (series("a", "rtstruct", "F", "gone", None), [CT, PET], "several series"),
    (series("a", "rtstruct", "X", "gone", None), [CT, FAR], "not among the sources"),
    (series("a", "labels", grid=OTHER_GRID), [CT, FAR], "same voxel grid"),
    (series("a", "labels"), [CT, FAR], "several images"),
    (series("a", "labels", grid=SHIFTED), [CT, FAR], "same voxel grid"),  # half a voxel aside is not the same
    (series("a", "labels"), [], "no image"),
])
def test_what_cannot_be_paired_is_never_guessed(annotation, images, reason):
    with pytest.raises(GeometryError, match=reason):
        find_image(annotation, images)


def test_a_series_with_time_points_is_listed_not_guessed(tmp_path):
    (tmp_path / "case").mkdir()
    write_nifti(tmp_path / "case/image.nii.gz", np.ones((4, 5, 6, 2), np.int16), np.eye(4))
    mask = np.zeros((4, 5, 6), np.uint8)
    mask[1, 2, 3] = 1
    write_nifti(tmp_path / "case/image_seg.nii.gz", mask, np.eye(4))
    with pytest.raises(ReadError, match="2 time points"):
        run_export(Recipe(), [tmp_path / "case"], tmp_path / "out")


def test_a_note_says_when_the_named_series_is_not_there():
    assert "frame of reference" in find_image(series("a", "rtstruct", "F", "gone", None), [CT])[1]
    assert find_image(series("a", "rtstruct", "F", "ct", None), [CT])[1] == ""
