"""`stats`: fields, CSV, formats of the mask, status, and facts of real data."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from mask_study import GRID, answer, command, truth, write_study

from medviewer.io.access import read

FIELDS = {"value", "name", "voxels", "volume_ml", "values", "mean", "sd", "min", "max", "median", "p5", "p25", "p75",
          "p95", "max_diameter_mm", "max_in_plane_diameter_mm", "centroid_lps", "box_start_kji", "box_stop_kji"}


def test_json_and_csv(tmp_path: Path, capsys) -> None:
    ct, plan = write_study(tmp_path)
    table = tmp_path / "out" / "table.csv"
    assert command("stats", ct, plan, "--json", "--csv", table) == 0
    found = answer(capsys)
    assert found["unit"] == "HU"
    rows = {row["name"]: row for row in found["segments"]}
    array = read(ct).array
    for name, mask in truth().items():
        row = rows[name]
        assert row["voxels"] == mask.sum()
        assert row["volume_ml"] == pytest.approx(mask.sum() * 2.5 * 1.5 / 1000)
        if mask.any():
            assert set(row) == FIELDS
            v = array[mask].astype(float)
            assert [row[n] for n in ("mean", "sd", "min", "max", "median", "p5")] == pytest.approx(
                [v.mean(), v.std(ddof=1), v.min(), v.max(), np.median(v), np.percentile(v, 5)])
            where = np.argwhere(mask)
            assert row["centroid_lps"] == pytest.approx(GRID.to_lps(where.mean(axis=0)).tolist())
            assert row["box_start_kji"] == where.min(axis=0).tolist()
            assert row["box_stop_kji"] == (where.max(axis=0) + 1).tolist()
        else:
            assert row["mean"] is None
    assert rows["Liver"]["max_in_plane_diameter_mm"] == pytest.approx(max(np.hypot(12, 7 * 1.5), np.hypot(11, 12)))
    with open(table, newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["name"] for line in lines] == ["Liver", "GTV 1", "Nothing"]
    assert float(lines[0]["mean"]) == rows["Liver"]["mean"]
    assert float(lines[0]["centroid_z"]) == rows["Liver"]["centroid_lps"][2]
    assert lines[2]["mean"] == lines[2]["box_start_k"] == ""


@pytest.mark.parametrize("suffix", ["nii.gz", "nrrd", "dcm"])
def test_masks_of_other_formats(tmp_path: Path, capsys, suffix: str) -> None:
    ct, plan = write_study(tmp_path)
    mask = tmp_path / f"m.{suffix}"
    assert command("rasterize", plan, "--on", ct, "-o", mask, "--roi", "GTV 1") == 0
    capsys.readouterr()
    assert command("stats", ct, mask, "--json") == 0
    (row,) = answer(capsys)["segments"]
    assert (row["name"], row["voxels"]) == ("GTV 1", truth()["GTV 1"].sum())
    assert row["mean"] == pytest.approx(float(read(ct).array[truth()["GTV 1"]].mean()))


def test_text_goes_to_stderr(tmp_path: Path, capsys) -> None:
    ct, plan = write_study(tmp_path)
    assert command("stats", ct, plan) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "3 Liver" in said.err
    assert "HU" in said.err


@pytest.mark.parametrize("argv", [("ct",), ("ct", "missing.nii"), ("missing", "rs/plan.dcm"), ("ct", "ct"),
                                  ("rs/plan.dcm", "rs/plan.dcm"), ("ct", "rs/plan.dcm", "--time", "3"),
                                  ("ct", "rs/plan.dcm", "--rule", "guess")])
def test_what_cannot_be_measured(tmp_path: Path, capsys, monkeypatch, argv: tuple[str, ...]) -> None:
    write_study(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert command("stats", *argv, "--csv", "t.csv") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert not Path("t.csv").exists()


FACTS = [  # image, mask, name or value, voxels, mean (data README)
    ("ibsi-ct-phantom/dicom/image", "ibsi-ct-phantom/nifti/mask/mask.nii.gz", 1, 125256, -46.88),
    ("ibsi-ct-phantom/dicom/image", "ibsi-ct-phantom/dicom/mask", "GTV-1", 125256, -46.88),
    ("sts-001-petct/CT_crop/image", "sts-001-petct/CT_crop/mask", "GTV_Mass_CT", 117145, 28.47),
    ("totalseg-ct/example_ct_dicom", "totalseg-ct/example_seg_dicom.nii.gz", 5, 366708, 89.3),
    ("totalseg-ct/example_ct_dicom", "totalseg-ct/example_seg_dicom.nii.gz", 1, 130634, 79.6),
]


@pytest.mark.parametrize(("image", "mask", "which", "voxels", "mean"), FACTS)
def test_facts(shared: Path, capsys, image: str, mask: str, which: object, voxels: int, mean: float) -> None:
    assert command("stats", shared / image, shared / mask, "--rule", "pixel-centre", "--json") in (0, 1)
    found = answer(capsys)
    row = next(r for r in found["segments"] if which in (r["value"], r["name"]))
    assert found["unit"] == "HU"
    assert row["voxels"] == voxels
    assert row["mean"] == pytest.approx(mean, abs=0.05 if abs(mean) > 50 else 0.005)
