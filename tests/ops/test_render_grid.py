"""Volumes made ready for ray casting keep values and positions, on cubes at right angles."""

import numpy as np
import pytest

from medviewer.core.errors import GeometryError
from medviewer.core.geometry import Geometry
from medviewer.core.volume import Rescale, Volume
from medviewer.ops.render_grid import RenderGrid, downsample_for_rendering, render_grid

AXES = np.linalg.qr(np.array([[0.3, -0.9, 0.2], [0.1, 0.4, 1.0], [1.0, 0.2, -0.3]]))[0]


def oblique(shape, spacing, mirrored=False):
    affine = np.eye(4)
    affine[:3, :3] = AXES * spacing * (-1 if mirrored != (np.linalg.det(AXES[:, ::-1]) < 0) else 1)
    affine[:3, 3] = (40, -70, 15)
    return Geometry(shape, affine)


def blob(geometry, lps, sigma_mm=5.0, peak=900.0):
    kji = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij"), axis=-1)
    r2 = ((geometry.to_lps(kji) - lps) ** 2).sum(axis=-1)
    return np.rint(peak * np.exp(-r2 / (2 * sigma_mm**2))).astype(np.int16)


def peak_lps(grid: RenderGrid):
    weight = np.clip(grid.array.astype(float) * grid.slope + grid.intercept - 200, 0, None)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in weight.shape), indexing="ij"), axis=-1)
    centre = (index * weight[..., None]).sum(axis=(0, 1, 2)) / weight.sum()
    return grid.affine[:3, :3] @ centre + grid.affine[:3, 3]


SHEARED = Geometry((20, 40, 50), np.array([[0, 0, 1.0, 0], [-1.5, 1.0, 0, 5], [3.0, 0, 0, 9], [0, 0, 0, 1]]))
UNEVEN = Geometry((20, 40, 50), np.diag([2.0, 1, 1, 1])[[2, 1, 0, 3]],
                  knots=np.r_[np.arange(8.0), 8 + 2.5 * np.arange(12)])


@pytest.mark.parametrize("max_voxels", [10**6, 6000])
@pytest.mark.parametrize("geometry", [
    oblique((30, 40, 50), (2.0, 1.0, 1.5)), oblique((30, 40, 50), (1.0, 1.0, 1.0), mirrored=True), SHEARED, UNEVEN,
], ids=["oblique", "mirrored", "sheared", "uneven"])
def test_a_spot_stays_where_it_is(geometry, max_voxels):
    place = geometry.to_lps((11, 14, 33))
    grid = render_grid(Volume(blob(geometry, place), geometry, unit="HU"), max_voxels)
    np.testing.assert_allclose(peak_lps(grid), place, atol=0.35)
    columns = grid.affine[:3, 2::-1]
    step = np.linalg.norm(columns[:, 0])
    np.testing.assert_allclose(columns.T @ columns, step**2 * np.eye(3), atol=1e-6)  # cubes at right angles
    assert np.linalg.det(columns) > 0
    assert grid.array.size <= max_voxels * 1.05
    assert grid.array.dtype == np.int16


def test_factor_tells_what_was_lost():
    geometry = Geometry.from_spacing((20, 40, 40), (2.0, 1.0, 1.0))
    volume = Volume(np.zeros(geometry.shape, np.int16), geometry, unit="HU")
    assert downsample_for_rendering(volume, 10**6)[2] == pytest.approx(1.0)
    # 40 x 40 x 40 mm in 8000 cubes: 2 mm instead of 1 mm
    array, _, factor = downsample_for_rendering(volume, 8000)
    assert factor == pytest.approx(2.0, rel=0.01)
    assert array.shape == (20, 20, 20)


def test_values_are_rescaled_slice_by_slice_and_constant_stays_constant():
    geometry = Geometry.from_spacing((6, 12, 12), (1.0, 1.0, 1.0))
    slopes = np.arange(1.0, 7.0)
    stored = np.broadcast_to((np.round(600 / slopes) + 24)[:, None, None], geometry.shape).astype(np.int16)
    volume = Volume(stored, geometry, Rescale(slopes, -24 * slopes), unit="HU")
    array, _, _ = downsample_for_rendering(volume)
    np.testing.assert_allclose(array, 600, atol=0.01)


def test_padding_missing_slices_and_nan_become_background():
    geometry = Geometry.from_spacing((9, 12, 12))
    stored = np.full(geometry.shape, 100, np.int16)
    stored[:, :, :4] = -2000
    present = np.ones(9, bool)
    present[7:] = False
    stored[7:] = 0  # never read: 0 HU would be tissue
    array, _, _ = downsample_for_rendering(Volume(stored, geometry, unit="HU", padding=(-2000, -2000),
                                                  present=present))
    assert array[3, 6, 1] == pytest.approx(-1024, abs=5)
    assert array[3, 6, 9] == pytest.approx(100, abs=5)
    assert array[8, 6, 9] < -900
    values = np.full(geometry.shape, 5.0, np.float32)
    values[4, 5, 6] = np.nan
    assert np.isfinite(downsample_for_rendering(Volume(values, geometry))[0]).all()


def test_range_of_mr_ignores_the_empty_background_and_suv_is_fixed():
    rng = np.random.default_rng(1)
    geometry = Geometry.from_spacing((20, 30, 30))
    values = np.zeros(geometry.shape, np.float32)
    values[5:15, 10:20, 10:20] = rng.uniform(400, 800, (10, 10, 10))
    grid = render_grid(Volume(values, geometry, modality="MR"))
    assert grid.low == pytest.approx(0, abs=1)
    assert 600 < grid.high < 820
    stored = grid.array[10, 15, 15] * grid.slope + grid.intercept
    assert stored == pytest.approx(600, abs=120)
    suv = render_grid(Volume(values / 100, geometry, unit="SUVbw", modality="PT"))
    assert (suv.low, suv.high) == (0.0, 8.0)


def test_one_slice_has_no_inside():
    with pytest.raises(GeometryError, match="at least two slices"):
        render_grid(Volume(np.zeros((1, 8, 8), np.int16), Geometry.from_spacing((1, 8, 8))))


def test_colour_volumes_are_shown_by_lightness():
    rgb = np.zeros((6, 8, 10, 3), np.uint8)
    rgb[..., 1] = 200
    array, _, _ = downsample_for_rendering(Volume(rgb, Geometry.from_spacing((6, 8, 10)), colour=True))
    assert array[3, 4, 5] == pytest.approx(0.587 * 200, rel=1e-3)  # ITU-R BT.601 luma
