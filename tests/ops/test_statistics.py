"""Segment statistics against numpy, SimpleITK, formulas and the facts of real data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medviewer.core.errors import ParamError
from medviewer.core.geometry import Geometry
from medviewer.core.labels import LabelMap, Segment
from medviewer.core.volume import Rescale, Volume
from medviewer.io.access import read, read_contours, read_labels
from medviewer.ops.orient import reorient
from medviewer.ops.rasterise import rasterise
from medviewer.ops.statistics import Values, segment_statistics

GRID = Geometry.from_spacing((9, 11, 13), (3.0, 0.7, 0.9), (-20.0, 11.0, 400.0))


def sample(dtype: str = "int16", **more: object) -> tuple[Volume, LabelMap]:
    rng = np.random.default_rng(4)
    stored = rng.integers(-300 if dtype[0] == "i" else 0, 3000, GRID.shape).astype(dtype)
    values = rng.integers(0, 3, GRID.shape).astype(np.uint8)
    return Volume(stored, GRID, **more), LabelMap.from_array(values, GRID)  # type: ignore[arg-type]


@pytest.mark.parametrize("rescale", [Rescale(np.array(2.0), np.array(-1024.0)), Rescale(np.array(-0.5), np.array(7.0)),
                                     Rescale(np.linspace(0.2, 3.0, 9), np.arange(9.0))],
                         ids=["uniform", "falling", "per slice"])
@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32", "int32"])
def test_values_equal_numpy(rescale: Rescale, dtype: str) -> None:
    volume, labels = sample(dtype, rescale=rescale)
    rows, notes = segment_statistics(volume, labels, percentiles=(10, 90))
    assert notes == []
    for row in rows:
        v = volume.array[labels.mask(row.segment)].astype(np.float64)
        assert row.values is not None
        expected = (v.size, v.mean(), v.std(ddof=1), v.min(), v.max(), np.median(v), *np.percentile(v, (10, 90)))
        found = row.values
        assert [p for p, _ in found.percentiles] == [10, 90]
        np.testing.assert_allclose((found.count, found.mean, found.sd, found.minimum, found.maximum, found.median,
                                    *(x for _, x in found.percentiles)), expected, rtol=1e-5)
        assert row.voxels == v.size
        assert row.volume_ml == pytest.approx(v.size * 3.0 * 0.7 * 0.9 / 1000)


def test_simpleitk_agrees() -> None:
    sitk = pytest.importorskip("SimpleITK")
    volume, labels = sample()
    image, mask = sitk.GetImageFromArray(volume.stored), sitk.GetImageFromArray(labels.array)
    for one in (image, mask):
        one.SetSpacing((0.9, 0.7, 3.0))
        one.SetOrigin((-20.0, 11.0, 400.0))
    numbers, shapes = sitk.LabelStatisticsImageFilter(), sitk.LabelShapeStatisticsImageFilter()
    numbers.Execute(image, mask)
    shapes.Execute(mask)
    for row in segment_statistics(volume, labels)[0]:
        n = row.segment.value
        assert row.values is not None
        assert row.values.mean == pytest.approx(numbers.GetMean(n))
        assert row.values.sd == pytest.approx(numbers.GetSigma(n))
        assert row.centroid_lps == pytest.approx(shapes.GetCentroid(n))
        i, j, k, di, dj, dk = shapes.GetBoundingBox(n)
        assert row.box == ((k, j, i), (k + dk, j + dj, i + di))
        assert row.volume_ml * 1000 == pytest.approx(shapes.GetPhysicalSize(n))


def test_what_is_no_value_is_not_counted() -> None:
    volume, labels = sample("float32")
    stored = volume.stored.copy()
    labels.array[...] = 0
    labels.array[4, 2:6, 3:7] = 1
    stored[4, 2, 3], stored[4, 2, 4], stored[4, 3, 3] = np.nan, np.inf, -2000
    (row, _) = segment_statistics(replace(volume, stored=stored, padding=(-2000, -2000)), labels)[0]
    assert row.voxels == 16
    assert row.values is not None
    assert row.values.count == 13
    assert np.isfinite(row.values.mean)
    present = np.ones(9, bool)
    present[4] = False
    (row, _) = segment_statistics(replace(volume, present=present), labels)[0]
    assert (row.voxels, row.values) == (16, None)


def test_single_voxel_and_empty_segment() -> None:
    volume, labels = sample()
    labels.array[...] = 0
    labels.array[2, 3, 5] = 7
    labels = LabelMap(labels.layers, GRID, (Segment(7, "dot"), Segment(3, "nothing")))
    dot, nothing = segment_statistics(volume, labels)[0]
    value = float(volume.stored[2, 3, 5])
    assert dot.values == Values(1, value, 0.0, value, value, value, tuple((p, value) for p in (5.0, 25.0, 75.0, 95.0)))
    assert dot.centroid_lps == pytest.approx((-20 + 5 * 0.9, 11 + 3 * 0.7, 400 + 2 * 3.0))
    # the surface of one voxel runs through the middles of its faces
    assert dot.diameter_mm == pytest.approx(3.0)
    assert dot.diameter_in_plane_mm == pytest.approx(0.9)
    assert (nothing.voxels, nothing.volume_ml) == (0, 0)
    assert nothing.values is nothing.box is nothing.diameter_mm is nothing.centroid_lps is None


@pytest.mark.parametrize("turn", [0.0, 0.6])
def test_diameters_of_a_ball_and_a_rod(turn: float) -> None:
    affine = Geometry.from_spacing((40, 60, 60), (1.5, 1.0, 1.0)).affine.copy()
    c, s = np.cos(turn), np.sin(turn)
    affine[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ affine[:3, :3]
    grid = Geometry((40, 60, 60), affine)
    lps = grid.to_lps(np.moveaxis(np.indices(grid.shape), 0, -1)) - grid.to_lps((19, 30, 29))
    ball = LabelMap.from_array((np.linalg.norm(lps, axis=-1) <= 22.3), grid)
    (row,), _ = segment_statistics(Volume(np.zeros(grid.shape, np.uint8), grid), ball)
    # the surface lies at most half a voxel outside the outermost centres, which lie at most one inside the ball
    assert 2 * 22.3 - 0.5 < row.diameter_mm < 2 * 22.3 + 1.5
    assert 2 * 22.3 - 0.5 < row.diameter_in_plane_mm < 2 * 22.3 + 1.0
    rod = np.zeros(grid.shape, bool)
    for k in range(40):  # one voxel a slice, going up at an angle
        rod[k, 10 + k, 5] = True
    (row,), _ = segment_statistics(Volume(np.zeros(grid.shape, np.uint8), grid), LabelMap.from_array(rod, grid))
    # from the lower face of the first voxel to the upper one of the last, or between faces along the rows
    assert row.diameter_mm == pytest.approx(max(np.hypot(40 * 1.5, 39.0), np.hypot(39 * 1.5, 40.0)))
    assert row.diameter_in_plane_mm == pytest.approx(1.0)


def test_a_flat_image_has_no_third_diameter() -> None:
    grid = Geometry.from_spacing((1, 20, 20), (5.0, 1.0, 1.0))
    mask = np.zeros(grid.shape, bool)
    mask[0, 4, 3:15] = True
    (row,), _ = segment_statistics(Volume(np.zeros(grid.shape, np.uint8), grid), LabelMap.from_array(mask, grid))
    assert row.diameter_mm == row.diameter_in_plane_mm == pytest.approx(12.0)


def test_uneven_slices() -> None:
    grid = Geometry((4, 6, 6), Geometry.from_spacing((4, 6, 6)).affine, np.array([0.0, 1, 2, 6]))
    mask = np.zeros(grid.shape, bool)
    mask[2:4, 1:3, 1:3] = True
    (row,), _ = segment_statistics(Volume(np.zeros(grid.shape, np.uint8), grid), LabelMap.from_array(mask, grid))
    assert row.volume_ml == pytest.approx(4 * (2.5 + 4) / 1000)
    assert row.centroid_lps == pytest.approx((1.5, 1.5, 4.0))


def test_labels_on_another_grid() -> None:
    volume, labels = sample()
    before = segment_statistics(volume, labels)[0]
    rows, notes = segment_statistics(volume, reorient(labels, "RAS"))
    assert rows == before
    assert notes == []
    small = LabelMap((labels.array[3:7],), GRID.crop((3, 0, 0), (7, 11, 13)), labels.segments)
    rows, notes = segment_statistics(volume, small)
    assert [n.code for n in notes] == ["grids-differ-by-crop"]
    inside = np.where(np.isin(np.arange(9), range(3, 7))[:, None, None], labels.array, 0)
    assert [r.voxels for r in rows] == [int((inside == v).sum()) for v in (1, 2)]


def test_overlapping_segments_and_time() -> None:
    volume, labels = sample()
    twice = LabelMap((labels.array, np.full(GRID.shape, 1, np.uint8)), GRID,
                     (Segment(1, "a"), Segment(1, "all", layer=1)))
    moving = replace(volume, stored=np.stack([volume.stored, volume.stored + 5]))
    first, second = (segment_statistics(moving, twice, t=t)[0] for t in (0, 1))
    assert first[1].voxels == volume.stored.size
    for a, b in zip(first, second, strict=True):
        assert a.values is not None
        assert b.values is not None
        assert b.values.mean == pytest.approx(a.values.mean + 5)
    with pytest.raises(ParamError, match="no time point 2"):
        segment_statistics(moving, twice, t=2)
    with pytest.raises(ParamError, match="colour"):
        segment_statistics(Volume(np.zeros((*GRID.shape, 3), np.uint8), GRID, colour=True), twice)


def test_ibsi_phantom(shared: Path) -> None:
    """Facts of the data README; maximum 3D diameter 125 mm within 1 (IBSI 1, CT phantom)."""
    volume = read(shared / "ibsi-ct-phantom/dicom/image")
    (row,), notes = segment_statistics(volume, read_labels(shared / "ibsi-ct-phantom/nifti/mask/mask.nii.gz"))
    assert notes == []
    assert row.values is not None
    assert row.voxels == 125256
    assert row.volume_ml == pytest.approx(358.68, abs=0.005)
    assert row.values.mean == pytest.approx(-46.88, abs=0.005)
    assert (row.values.minimum, row.values.maximum) == (-1000, 723)
    assert row.diameter_mm == pytest.approx(125, abs=1)


def test_soft_tissue_sarcoma(shared: Path) -> None:
    """CT: 117 145 voxels, 365.32 ml, 28.47 HU; PET crop: highest 7.911, mean 2.555 (data README)."""
    ct = read(shared / "sts-001-petct/CT_crop/image")
    labels, _ = rasterise(read_contours(shared / "sts-001-petct/CT_crop/mask"), ct.geometry, rule="pixel-centre")
    row = next(r for r in segment_statistics(ct, labels)[0] if r.voxels == 117145)
    assert row.volume_ml == pytest.approx(365.32, abs=0.02)
    assert row.values is not None
    assert row.values.mean == pytest.approx(28.47, abs=0.005)
    pet = read(shared / "sts-001-petct/PET_crop_SUV/image")
    contours = read_contours(shared / "sts-001-petct/PET_crop_SUV/mask")
    labels, _ = rasterise(contours, pet.geometry, rule="pixel-centre")
    mass = next(r for r in segment_statistics(pet, labels)[0] if r.segment.name.startswith("GTV_Mass"))
    assert mass.values is not None
    assert mass.values.maximum == pytest.approx(7.911, abs=0.0005)
    assert mass.values.mean == pytest.approx(2.555, abs=0.0005)


@pytest.mark.parametrize(("value", "voxels", "mean"), [(5, 366708, 89.3), (1, 130634, 79.6)])
def test_total_segmentator(shared: Path, value: int, voxels: int, mean: float) -> None:
    volume = read(shared / "totalseg-ct/example_ct_dicom")
    rows, _ = segment_statistics(volume, read_labels(shared / "totalseg-ct/example_seg_dicom.nii.gz"))
    row = next(r for r in rows if r.segment.value == value)
    assert row.values is not None
    assert row.voxels == voxels
    assert row.values.mean == pytest.approx(mean, abs=0.05)
