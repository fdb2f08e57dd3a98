"""`compare`: fields, formats, matching, images beside contours, status, and real masks."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from mask_study import GRID, answer, command, truth, write_study

from medviewer.core.geometry import Geometry
from medviewer.core.labels import LabelMap, Segment
from medviewer.export.convert import convert

FIELDS = {"name", "value_a", "value_b", "dice", "iou", "hd95_mm", "msd_mm", "hausdorff_mm", "volume_a_ml",
          "volume_b_ml", "voxels_a", "voxels_b", "voxels_both"}
SLICE_FIELDS = {"slice", "label", "dice", "iou", "hd95_mm", "msd_mm", "hausdorff_mm", "area_a_mm2", "area_b_mm2"}


def save(mask: np.ndarray, path: Path, grid: Geometry = GRID, name: str = "Liver") -> Path:
    convert(LabelMap((mask.astype(np.uint8),), grid, (Segment(1, name),)), path)
    return path


def test_json_fields(tmp_path: Path, capsys) -> None:
    liver = truth()["Liver"]
    a = save(liver, tmp_path / "a.nii.gz")
    b = save(np.roll(liver, 2, 2), tmp_path / "b.nrrd")
    assert command("compare", a, b, "--json") == 0
    found = answer(capsys)
    (key, row), = found["labels"].items()
    assert key == "1"
    assert set(row) == FIELDS
    assert row["dice"] == pytest.approx(10 / 12)  # 10 of 12 columns overlap
    assert row["iou"] == pytest.approx(10 / 14)
    assert row["hausdorff_mm"] == row["hd95_mm"] == pytest.approx(2.0)
    assert row["volume_a_ml"] == row["volume_b_ml"] == pytest.approx(3 * 8 * 12 * 2.5 * 1.5 / 1000)
    assert [s["slice"] for s in found["slices"]] == [1, 2, 3]
    for one in found["slices"]:
        assert set(one) == SLICE_FIELDS
        assert one["dice"] == pytest.approx(10 / 12)
        assert one["area_a_mm2"] == pytest.approx(8 * 12 * 1.5)
    assert found["notes"] == []


def test_text_goes_to_stderr(tmp_path: Path, capsys) -> None:
    a = save(truth()["Liver"], tmp_path / "a.nii.gz")
    assert command("compare", a, a) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "1 Liver" in said.err
    assert "1.0000" in said.err


def test_empty_masks(tmp_path: Path, capsys) -> None:
    liver = truth()["Liver"]
    full, empty = save(liver, tmp_path / "full.nii.gz"), save(liver & False, tmp_path / "empty.nii.gz")
    assert command("compare", full, empty, "--json") == 0
    row = answer(capsys)["labels"]["1"]
    assert (row["dice"], row["hd95_mm"], row["msd_mm"], row["volume_b_ml"]) == (0.0, None, None, 0.0)
    assert command("compare", empty, empty, "--json") == 0
    assert answer(capsys)["labels"]["1"]["dice"] == 1.0


@pytest.mark.parametrize("suffix", ["nii.gz", "nrrd", "mha", "dcm"])
def test_contours_against_masks_of_every_format(tmp_path: Path, capsys, suffix: str) -> None:
    ct, plan = write_study(tmp_path)
    mask = tmp_path / f"m.{suffix}"
    assert command("rasterize", plan, "--on", ct, "-o", mask, "--roi", "GTV 1") == 0
    capsys.readouterr()
    for pair in ((plan, mask), (mask, plan)):
        assert command("compare", *pair, "--json") == 1  # the mask has no liver
        rows = {row["name"]: row for row in answer(capsys)["labels"].values()}
        assert (rows["GTV 1"]["dice"], rows["GTV 1"]["hausdorff_mm"], rows["GTV 1"]["voxels_both"]) == (1.0, 0.0, 84)
        assert rows["Liver"]["dice"] == 0.0


def test_overlapping_structures(tmp_path: Path, capsys) -> None:
    ct, plan = write_study(tmp_path)
    for suffix in ("nrrd", "dcm"):
        assert command("rasterize", plan, "--on", ct, "-o", tmp_path / f"m.{suffix}") == 0
        capsys.readouterr()
        assert command("compare", plan, tmp_path / f"m.{suffix}", "--json") == 0
        rows = {row["name"]: row for row in answer(capsys)["labels"].values()}
        assert {name: row["dice"] for name, row in rows.items()} == dict.fromkeys(truth(), 1.0)


def test_one_structure_against_a_mask_without_names(tmp_path: Path, capsys) -> None:
    _, plan = write_study(tmp_path)
    values = truth()["GTV 1"].transpose(2, 1, 0).astype(np.uint8)
    affine = np.diag([-1.0, -1.5, 2.5, 1.0])
    affine[:3, 3] = (11.0, -7.5, -40.0)
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "m.nii.gz")
    assert command("compare", plan, tmp_path / "m.nii.gz", "--roi", "GTV 1", "--json") == 0
    found = answer(capsys)
    assert list(found["labels"]) == ["7"]
    assert found["labels"]["7"]["dice"] == 1.0
    assert command("compare", plan, tmp_path / "m.nii.gz", "--roi", "Spleen") == 2
    assert "GTV 1, Label 1, Liver, Nothing" in capsys.readouterr().err


def test_the_image_of_contours_is_found_or_named(tmp_path: Path, capsys) -> None:
    ct, plan = write_study(tmp_path / "study")
    elsewhere = tmp_path / "away" / "only" / "plan.dcm"
    elsewhere.parent.mkdir(parents=True)
    plan.rename(elsewhere)
    assert command("compare", elsewhere, elsewhere) == 2
    assert "--on" in capsys.readouterr().err
    assert command("compare", elsewhere, elsewhere, "--on", ct, "--json") == 0
    assert answer(capsys)["labels"]["3"]["dice"] == 1.0
    # without an image the other mask tells the grid
    mask = save(truth()["Liver"], tmp_path / "m.nii.gz")
    assert command("compare", mask, elsewhere, "--json") == 1
    found = answer(capsys)
    assert found["labels"]["1"]["dice"] == 1.0
    assert "label-without-partner" in {n["code"] for n in found["notes"]}
    assert command("compare", elsewhere, mask, "--json") == 1
    assert answer(capsys)["labels"]["3"]["dice"] == 1.0


@pytest.mark.parametrize(("shift_mm", "code", "dice"), [(0.0005, "grids-differ-by-rounding", 1.0),
                                                        (2.0, "grids-shifted", 10 / 12)])
def test_rounding_and_shift(tmp_path: Path, capsys, shift_mm: float, code: str, dice: float) -> None:
    liver = truth()["Liver"]
    affine = GRID.affine.copy()
    affine[0, 3] += shift_mm
    a, b = save(liver, tmp_path / "a.nrrd"), save(liver, tmp_path / "b.nrrd", Geometry(GRID.shape, affine))
    assert command("compare", a, b, "--json") == 0
    found = answer(capsys)
    assert [n["code"] for n in found["notes"]] == [code]
    assert found["labels"]["1"]["dice"] == pytest.approx(dice)


def test_matching(tmp_path: Path, capsys) -> None:
    t = truth()
    values = t["Liver"] * 1 + (t["GTV 1"] & ~t["Liver"]) * 2
    a, b = tmp_path / "a.nrrd", tmp_path / "b.nrrd"
    convert(LabelMap((values.astype(np.uint8),), GRID, (Segment(1, "Liver"), Segment(2, "GTV"))), a)
    convert(LabelMap((np.where(values, 3 - values, 0).astype(np.uint8),), GRID, (Segment(1, "gtv"),
                                                                                   Segment(2, "liver"))), b)
    assert command("compare", a, b, "--json") == 0
    assert {row["dice"] for row in answer(capsys)["labels"].values()} == {1.0}
    assert command("compare", a, b, "--json", "--match", "value") == 0
    assert {row["dice"] for row in answer(capsys)["labels"].values()} == {0.0}
    assert command("compare", a, b, "--match", "luck") == 2


def test_a_mask_without_names_or_a_telling_file_name(tmp_path: Path, capsys) -> None:
    """Plain NIfTI files of another program: two label values, called anything."""
    values = np.zeros((24, 20, 6), np.int16)
    values[4:12, 4:12, 1:4], values[14:20, 4:12, 1:4] = 300, 2
    for name in ("one", "two"):
        nibabel.save(nibabel.Nifti1Image(values, np.diag([1.0, 1.5, 2.5, 1])), tmp_path / f"{name}.nii.gz")
        values = np.roll(values, 1, 1)
    assert command("compare", tmp_path / "one.nii.gz", tmp_path / "two.nii.gz", "--json") == 0
    rows = answer(capsys)["labels"]
    assert set(rows) == {"2", "300"}
    assert rows["300"]["dice"] == pytest.approx(7 / 8)
    assert rows["300"]["hausdorff_mm"] == pytest.approx(1.5)


@pytest.mark.parametrize("argv", [("a.nii.gz",), ("missing.nii.gz", "missing.nii.gz"), (".", "."),
                                  ("text.txt", "text.txt")])
def test_what_cannot_be_compared(tmp_path: Path, capsys, monkeypatch, argv: tuple[str, ...]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("no mask")
    assert command("compare", *argv) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err


REAL = [  # masks that are the same by the data README, with their voxels; partial overlaps are in three files there
    ("ibsi-ct-phantom/dicom/mask", "ibsi-ct-phantom/nifti/mask/mask.nii.gz", {"GTV-1": 125256}),
    ("sts-001-petct/CT_crop/mask", "sts-001-petct/nifti/CT_mask.nii.gz", {"GTV_Mass_CT": 117145}),
    ("dicom-seg/liver.dcm", "dicom-seg/nrrd/liver_seg.nrrd", {"Liver": 107098}),
    ("dicom-seg/pydicom-data/liver_rle.dcm", "dicom-seg/liver.dcm", {"Liver": 107098}),
]


@pytest.mark.parametrize(("a", "b", "voxels"), REAL)
def test_real_masks_that_are_the_same(shared: Path, capsys, a: str, b: str, voxels: dict[str, int]) -> None:
    assert command("compare", shared / a, shared / b, "--rule", "pixel-centre", "--json") in (0, 1)
    rows = {row["name"]: row for row in answer(capsys)["labels"].values() if row["voxels_a"]}
    for name, count in voxels.items():
        found = next(row for key, row in rows.items() if key.startswith(name))
        assert (found["voxels_a"], found["voxels_b"], found["dice"]) == (count, count, 1.0)
        assert found["hausdorff_mm"] == 0.0


def test_overlapping_segments_of_a_real_file(shared: Path, capsys) -> None:
    first = shared / "dicom-seg/partial_overlaps.dcm"
    assert command("compare", first, first, "--json") == 0
    rows = {row["name"]: row for row in answer(capsys)["labels"].values()}
    expected = {"GREEN": 9602, "ORANGE": 11888, "PURPLE": 10743, "LIGHT_BLUE": 6693, "DARK_BLUE": 4713}  # data README
    assert {name: row["voxels_both"] for name, row in rows.items()} == expected
    assert command("compare", first, shared / "dicom-seg/nrrd/partial_overlaps-1.nrrd", "--json") == 1


def test_brats_labels(shared: Path, capsys) -> None:
    files = [shared / "brats-4mod" / f"{n}.nii.gz" for n in ("seg_fusion_simple", "seg_scan_2019")]
    assert command("compare", *files, "--json") == 0
    found = answer(capsys)
    a, b = (np.asarray(nibabel.load(f).dataobj) for f in files)
    for value in (1, 2, 4):
        x, y = a == value, b == value
        assert found["labels"][str(value)]["dice"] == pytest.approx(2 * (x & y).sum() / (x.sum() + y.sum()), abs=1e-12)
        slices = {s["slice"]: s["dice"] for s in found["slices"] if s["label"] == str(value)}
        k = int((x & y).sum(axis=(0, 1)).argmax())
        assert slices[k] == pytest.approx(2 * (x & y)[..., k].sum() / (x[..., k].sum() + y[..., k].sum()))
