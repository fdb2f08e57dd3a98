"""Agreement of masks against formulas, SimpleITK, plastimatch and numpy."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medviewer.core.errors import ParamError
from medviewer.core.geometry import Geometry
from medviewer.core.labels import LabelMap, Segment
from medviewer.io.access import read_labels
from medviewer.ops.label_grid import fit_labels, slice_volumes_mm3
from medviewer.ops.metrics import compare, compare_masks
from medviewer.ops.orient import reorient

SHAPE = (24, 30, 36)


def turned(spacing_kji: tuple[float, float, float], shape: tuple[int, int, int] = SHAPE,
           shear: float = 0.0) -> Geometry:
    """A grid turned about two axes; `shear` tilts the slices as a gantry does."""
    a, b = 0.5, -0.8
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]])
    tilt = np.array([[1.0, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = (turn @ tilt)[:, [2, 1, 0]] * spacing_kji
    affine[:3, 0] += shear * affine[:3, 1]
    affine[:3, 3] = (-31.5, 12.25, 740.0)
    return Geometry(shape, affine)


PLAIN = Geometry.from_spacing(SHAPE, (3.0, 0.7, 0.9), (-20.0, 11.0, 400.0))
GRIDS = {"plain": PLAIN, "oblique": turned((3.0, 0.7, 0.9)), "sheared": turned((3.0, 0.7, 0.9), shear=0.6),
         "uneven": Geometry(SHAPE, PLAIN.affine, np.cumsum([0.0, *np.tile([1.0, 0.5, 2.0], 8)][:SHAPE[0]]))}


def box(start: tuple[int, int, int], stop: tuple[int, int, int], shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = True
    return mask


def blobs(seed: int) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(np.random.default_rng(seed).standard_normal(SHAPE), 2.5) > 0.02


def brute(a: np.ndarray, b: np.ndarray, geometry: Geometry) -> tuple[float, float, float]:
    """Hausdorff, HD95 and mean surface distance by comparing every pair of surface voxels."""
    from scipy.ndimage import binary_erosion

    points = [geometry.to_lps(np.argwhere(m & ~binary_erosion(m))) for m in (a, b)]
    apart = np.linalg.norm(points[0][:, None] - points[1], axis=2)
    there, back = apart.min(axis=1), apart.min(axis=0)
    return (max(there.max(), back.max()), max(np.percentile(there, 95), np.percentile(back, 95)),
            np.concatenate([there, back]).mean())


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("pair", ["blobs", "far apart", "nested", "single voxels"])
def test_distances_equal_those_of_all_pairs(grid: str, pair: str) -> None:
    a, b = {"blobs": lambda: (blobs(1), blobs(2)), "nested": lambda: (box((4, 5, 6), (20, 25, 30)),
                                                                      box((9, 11, 13), (15, 17, 19))),
            "far apart": lambda: (box((0, 0, 0), (3, 4, 5)), box((20, 27, 30), (24, 30, 36))),
            "single voxels": lambda: (box((2, 3, 4), (3, 4, 5)), box((11, 20, 9), (12, 21, 10)))}[pair]()
    found = compare_masks(a, b, GRIDS[grid])
    np.testing.assert_allclose((found.hausdorff_mm, found.hd95_mm, found.msd_mm), brute(a, b, GRIDS[grid]), rtol=1e-9)
    assert found.dice == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()))
    assert found.iou == pytest.approx((a & b).sum() / (a | b).sum())


def by_distance_maps(a: Any, b: Any) -> tuple[float, float, float]:
    """Hausdorff, HD95 and mean surface distance of two SimpleITK images by distance maps."""
    sitk = pytest.importorskip("SimpleITK")
    found = []
    contours = [sitk.LabelContour(image, False) for image in (a, b)]
    for here, there in (contours, contours[::-1]):
        away = sitk.Abs(sitk.SignedMaurerDistanceMap(there, squaredDistance=False, useImageSpacing=True))
        found.append(sitk.GetArrayViewFromImage(away)[sitk.GetArrayViewFromImage(here) > 0])
    return max(f.max() for f in found), max(np.percentile(f, 95) for f in found), np.concatenate(found).mean()


def inside(seed: int) -> np.ndarray:
    """Blobs that do not touch the border, where programs differ in what they call surface."""
    return blobs(seed) & box((1, 1, 1), tuple(n - 1 for n in SHAPE))


@pytest.mark.parametrize("seeds", [(1, 2), (3, 4), (5, 6)])
def test_simpleitk_agrees(seeds: tuple[int, int]) -> None:
    sitk = pytest.importorskip("SimpleITK")
    masks = [inside(s) for s in seeds]
    images = [sitk.GetImageFromArray(m.astype(np.uint8)) for m in masks]
    for image in images:
        image.SetSpacing((0.9, 0.7, 3.0))
    overlap, distance = sitk.LabelOverlapMeasuresImageFilter(), sitk.HausdorffDistanceImageFilter()
    overlap.Execute(*images)
    distance.Execute(*(sitk.LabelContour(i, False) for i in images))  # face neighbours
    found = compare_masks(masks[0], masks[1], PLAIN)
    assert found.dice == pytest.approx(overlap.GetDiceCoefficient(), abs=1e-12)
    assert found.iou == pytest.approx(overlap.GetJaccardCoefficient(), abs=1e-12)
    assert found.hausdorff_mm == pytest.approx(distance.GetHausdorffDistance(), abs=1e-6)
    np.testing.assert_allclose((found.hausdorff_mm, found.hd95_mm, found.msd_mm), by_distance_maps(*images), atol=1e-5)


def test_plastimatch_agrees(tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    if shutil.which("plastimatch") is None:
        pytest.skip("needs plastimatch")
    masks = [inside(7), inside(8)]
    for name, mask in zip("ab", masks, strict=True):
        image = sitk.GetImageFromArray(mask.astype(np.uint8))
        image.SetSpacing((0.9, 0.7, 3.0))
        sitk.WriteImage(image, tmp_path / f"{name}.nrrd")
    text = subprocess.run(["plastimatch", "dice", "--all", str(tmp_path / "a.nrrd"), str(tmp_path / "b.nrrd")],
                          capture_output=True, text=True, check=True, timeout=60).stdout
    told = {k.strip(): float(v) for k, v in re.findall(r"^([A-Z][^:=\n]*)[:=]\s*([\d.]+)\s*$", text, re.MULTILINE)}
    found = compare_masks(masks[0], masks[1], PLAIN)
    assert found.dice == pytest.approx(told["DICE"], abs=1e-5)
    assert found.hausdorff_mm == pytest.approx(told["Hausdorff distance (boundary)"], abs=1e-3)
    # plastimatch tells the mean of the two directed percentiles, and the mean and the larger of the directed means
    assert 1 <= found.hd95_mm / told["Percent (0.95) Hausdorff distance (boundary)"] < 1.2
    middle, high = (told[f"{name} average Hausdorff distance (boundary)"] for name in ("Avg", "Max"))
    assert 2 * middle - high <= found.msd_mm <= high


@pytest.mark.parametrize(("step", "expected_mm"), [((2, 0, 0), 6.0), ((0, 3, 0), 2.1), ((0, 0, 5), 4.5),
                                                   ((1, 2, 0), (3.0**2 + 1.4**2) ** 0.5)])
@pytest.mark.parametrize("grid", ["plain", "oblique"])
def test_a_shifted_box_is_as_far_away_as_it_was_shifted(grid: str, step: tuple[int, int, int],
                                                        expected_mm: float) -> None:
    a = box((5, 6, 7), (13, 18, 21))
    found = compare_masks(a, np.roll(a, step, (0, 1, 2)), GRIDS[grid])
    assert found.hausdorff_mm == pytest.approx(expected_mm)
    rest = np.prod([n - s for n, s in zip((8, 12, 14), step, strict=True)])
    assert found.dice == pytest.approx(rest / (8 * 12 * 14))


def test_spheres_within_half_a_voxel() -> None:
    """Concentric spheres of 24 and 20 mm: all surface distances are 4 mm, the volumes 4/3 pi r^3."""
    grid = turned((1.5, 1.0, 1.0), (40, 60, 60))
    away = np.linalg.norm(grid.to_lps(np.moveaxis(np.indices(grid.shape), 0, -1)) - grid.centre_lps, axis=-1)
    a, b = (LabelMap.from_array((away <= r).astype(np.uint8), grid) for r in (24.0, 20.0))
    (row,) = compare(a, b).labels
    for r, ml in ((24.0, row.volume_a_ml), (20.0, row.volume_b_ml)):
        assert ml == pytest.approx(4 / 3 * np.pi * r**3 / 1000, rel=0.01)
    assert row.agreement.dice == pytest.approx(2 * 20**3 / (20**3 + 24**3), rel=0.01)
    for distance in (row.agreement.hausdorff_mm, row.agreement.hd95_mm, row.agreement.msd_mm):
        assert distance == pytest.approx(4.0, abs=0.75)


def test_empty_masks_have_no_distances() -> None:
    empty, full = np.zeros(SHAPE, bool), box((1, 2, 3), (2, 3, 4))
    for a, b, dice in ((empty, full, 0.0), (full, empty, 0.0), (empty, empty, 1.0)):
        found = compare_masks(a, b, PLAIN)
        assert (found.dice, found.iou) == (dice, dice)
        assert (found.hausdorff_mm, found.hd95_mm, found.msd_mm) == (None, None, None)
    maps = [LabelMap((m.astype(np.uint8),), PLAIN, (Segment(1, "x"),)) for m in (empty, full)]
    (row,) = compare(maps[0], maps[0]).labels
    assert row.agreement.dice == 1.0
    assert row.volume_a_ml == 0.0
    assert len(compare(*maps).slices) == 1


def test_slices_are_compared_in_their_plane() -> None:
    grid = GRIDS["oblique"]
    a, b = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    a[3:6, 4:14, 5:15] = True
    b[3, 4:14, 5:15], b[4, 4:14, 7:17], b[8, 0, 0] = True, True, True
    rows = {s.slice: s for s in compare(*(LabelMap.from_array(m, grid) for m in (a, b))).slices}
    assert sorted(rows) == [3, 4, 5, 8]
    assert rows[3].agreement.dice == 1.0
    assert rows[3].agreement.hd95_mm == 0.0
    assert rows[4].agreement.dice == pytest.approx(0.8)
    assert rows[4].agreement.hausdorff_mm == pytest.approx(2 * 0.9)
    assert rows[5].agreement.dice == 0.0
    assert rows[5].agreement.hausdorff_mm is None  # the other has nothing in this slice, though it does in the next
    assert rows[3].area_a_mm2 == pytest.approx(100 * 0.7 * 0.9)
    assert (rows[8].area_a_mm2, rows[8].area_b_mm2) == (0.0, pytest.approx(0.63))
    for k in (3, 4):
        flat = Geometry.from_spacing((1, *SHAPE[1:]), (1.0, 0.7, 0.9))
        alone = compare_masks(a[k:k + 1], b[k:k + 1], flat)
        assert alone.hd95_mm == pytest.approx(rows[k].agreement.hd95_mm)
        assert alone.msd_mm == pytest.approx(rows[k].agreement.msd_mm)


def test_a_flat_grid_has_outlines_not_faces() -> None:
    """In a grid of one slice only the rim is surface: a filled square and its rim have the same one, but a hole."""
    full = box((0, 4, 4), (1, 24, 24), (1, 30, 36))
    grid = Geometry.from_spacing((1, 30, 36))
    inner = box((0, 6, 6), (1, 22, 22), (1, 30, 36))
    found = compare_masks(full, inner, grid)
    assert found.hausdorff_mm == pytest.approx(8**0.5)
    assert found.msd_mm > 1.9  # would be below if the inside counted


def with_labels(values: np.ndarray, names: dict[int, str], grid: Geometry = PLAIN) -> LabelMap:
    return LabelMap((values,), grid, tuple(Segment(v, n) for v, n in names.items()))


def test_matching_by_name_and_value() -> None:
    values = np.zeros(SHAPE, np.uint8)
    values[2:6, 3:9, 4:12], values[10:12, 3:9, 4:12] = 1, 2
    a = with_labels(values, {1: "Left Lung", 2: "heart"})
    b = with_labels(np.where(values > 0, 3 - values, 0).astype(np.uint8), {1: "Heart", 2: "left_lung"})
    by_name = compare(a, b).labels
    assert [(r.key, r.value_b, r.agreement.dice) for r in by_name] == [("1", 2, 1.0), ("2", 1, 1.0)]
    by_value = compare(a, b, match="value")
    assert [r.agreement.dice for r in by_value.labels] == [0.0, 0.0]
    assert "label-names-differ" in {n.code for n in by_value.notes}
    alone = compare(with_labels(values, {1: "GTV"}), with_labels(values, {1: "tumour"}, PLAIN))
    assert alone.labels[0].agreement.dice == 1.0
    more = compare(a, with_labels(values, {1: "left lung", 7: "spleen"}))
    assert [(r.key, r.agreement.dice) for r in more.labels] == [("1", 1.0), ("2", 0.0), ("b7", 1.0)]
    assert [n.code for n in more.notes].count("label-without-partner") == 2
    with pytest.raises(ParamError, match="auto, name, value"):
        compare(a, b, match="colour")  # type: ignore[arg-type]


def test_overlapping_and_many_labels() -> None:
    first, second = box((2, 2, 2), (10, 12, 14)), box((6, 6, 6), (14, 20, 20))
    a = LabelMap((first.astype(np.uint8), second.astype(np.uint8) * 2), PLAIN,
                 (Segment(1, "a", layer=0), Segment(2, "b", layer=1)))
    b = LabelMap((second.astype(np.uint8), first.astype(np.uint8)), PLAIN,
                 (Segment(1, "b", layer=0), Segment(1, "a", layer=1)))
    assert [r.agreement.dice for r in compare(a, b).labels] == [1.0, 1.0]
    assert [r.key for r in compare(b, a).labels] == ["1", "1.2"]
    many = np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE) // 36  # 720 labels, one row of voxels each
    rows = compare(LabelMap.from_array(many, PLAIN), LabelMap.from_array(np.roll(many, 1), PLAIN), match="value")
    assert len(rows.labels) == 719
    assert rows.labels[399].voxels_both == 35
    assert rows.labels[399].agreement.hausdorff_mm == pytest.approx(0.7)  # the one voxel went to the next row


def moved(labels: LabelMap, lps_mm: tuple[float, float, float]) -> LabelMap:
    affine = labels.geometry.affine.copy()
    affine[:3, 3] += lps_mm
    return LabelMap(labels.layers, Geometry(labels.geometry.shape, affine), labels.segments)


def test_rounding_is_told_from_a_shift() -> None:
    a = LabelMap.from_array(box((5, 6, 7), (13, 18, 21)), PLAIN)
    near = compare(a, moved(a, (0.0003, 0, -0.0005)))
    assert near.labels[0].agreement.dice == 1.0
    assert [(n.code, n.level) for n in near.notes] == [("grids-differ-by-rounding", "info")]
    far = compare(a, moved(a, (0, 2.1, 0)))
    assert [n.code for n in far.notes] == ["grids-shifted"]
    assert "2.100 mm" in far.notes[0].problem
    assert "y 2.100" in far.notes[0].problem
    assert far.labels[0].agreement.dice == pytest.approx(9 / 12)
    assert far.labels[0].agreement.hausdorff_mm == pytest.approx(2.1)
    assert compare(a, a).notes == ()


def test_other_orders_crops_and_sizes() -> None:
    mask = blobs(9)
    mask[:2] = mask[-2:] = False
    a = LabelMap.from_array(mask, PLAIN)
    for codes in ("RAS", "PSL", "ILA"):
        turned_back = compare(a, reorient(a, codes))
        assert turned_back.labels[0].agreement.dice == 1.0
        assert turned_back.notes == ()
    part = LabelMap.from_array(mask[2:-2], PLAIN.crop((2, 0, 0), (22, *SHAPE[1:])))
    for result in (compare(a, part), compare(part, a)):
        assert result.labels[0].agreement.dice == 1.0
        assert [n.code for n in result.notes] == ["grids-differ-by-crop"]
    cut = LabelMap.from_array(mask[:12], PLAIN.crop((0, 0, 0), (12, *SHAPE[1:])))
    (row,) = compare(cut, a).labels  # what only the second mask has counts, though it lies outside the first grid
    assert row.agreement.dice == pytest.approx(2 * mask[:12].sum() / (mask[:12].sum() + mask.sum()))
    assert {s.slice for s in compare(cut, a).slices} >= set(range(12, 22))
    late = LabelMap.from_array(mask[12:], PLAIN.crop((12, 0, 0), SHAPE))
    assert min(s.slice for s in compare(late, a).slices) == 2 - 12
    fine = LabelMap.from_array(np.repeat(mask, 2, axis=2), Geometry(
        (*SHAPE[:2], 72), PLAIN.affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0.5, -0.25], [0, 0, 0, 1.0]])))
    both = compare(a, fine)
    assert [n.code for n in both.notes] == ["grids-differ"]
    assert "72 x 30 x 24" in both.notes[0].problem
    assert both.labels[0].agreement.dice == 1.0
    assert both.labels[0].volume_b_ml == pytest.approx(both.labels[0].volume_a_ml)


def test_labels_are_cut_where_a_grid_may_not_grow() -> None:
    a = LabelMap.from_array(blobs(9), PLAIN)
    small = PLAIN.crop((6, 5, 4), (18, 20, 30))
    fitted = fit_labels(a, small)
    np.testing.assert_array_equal(fitted.labels.array, a.array[6:18, 5:20, 4:30])
    assert [n.code for n in fitted.notes] == ["grids-differ-by-crop", "labels-outside-grid"]


def test_uneven_slices_have_their_own_thickness() -> None:
    """Slices at 0, 1, 2, 6 mm: each reaches half way to its neighbours, the outer ones as far outwards as inwards."""
    grid = Geometry((4, 2, 2), Geometry.from_spacing((4, 2, 2)).affine, np.array([0.0, 1, 2, 6]))
    np.testing.assert_allclose(slice_volumes_mm3(grid), [1.0, 1.0, 2.5, 4.0])
    np.testing.assert_allclose(slice_volumes_mm3(PLAIN), PLAIN.voxel_volume_mm3)
    a = LabelMap.from_array(box((0, 0, 0), (4, 2, 2), (4, 2, 2)), grid)
    assert compare(a, a).labels[0].volume_a_ml == pytest.approx(4 * 8.5 / 1000)


BRATS = {1: (8896, 8489), 2: (14611, 14466), 4: (5, 5)}  # voxels, data README


@pytest.mark.parametrize("value", BRATS)
def test_brats_labels(shared: Path, value: int) -> None:
    sitk = pytest.importorskip("SimpleITK")
    a, b = (read_labels(shared / "brats-4mod" / f"{n}.nii.gz") for n in ("seg_fusion_simple", "seg_scan_2019"))
    row = next(r for r in compare(a, b).labels if r.value_a == value)
    assert (row.voxels_a, row.voxels_b) == BRATS[value]
    x, y = a.array == value, b.array == value
    assert row.agreement.dice == pytest.approx(2 * (x & y).sum() / (x.sum() + y.sum()), abs=1e-12)
    images = [sitk.GetImageFromArray(m.astype(np.uint8)) for m in (x, y)]  # voxels of 1 mm
    np.testing.assert_allclose((row.agreement.hausdorff_mm, row.agreement.hd95_mm, row.agreement.msd_mm),
                               by_distance_maps(*images), atol=1e-5)


@pytest.mark.parametrize(("first", "second"), [
    ("dicom-seg/liver.dcm", "dicom-seg/nrrd/liver_seg.nrrd"),
    ("dicom-seg/pydicom-data/*rle*.dcm", "dicom-seg/liver.dcm"),
])
def test_the_same_mask_in_two_formats(shared: Path, first: str, second: str) -> None:
    files = sorted(shared.glob(first))
    assert files
    (row,) = compare(read_labels(files[0]), read_labels(shared / second)).labels
    assert (row.voxels_a, row.voxels_b, row.agreement.dice) == (107098, 107098, 1.0)
    assert row.agreement.hausdorff_mm == 0.0
