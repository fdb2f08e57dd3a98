"""Surfaces enclose the volume of their mask and lie where it lies."""

import numpy as np
import pytest

from medviewer.core.errors import GeometryError
from medviewer.core.geometry import Geometry
from medviewer.ops.mesh import enclosed_volume_mm3, surface

OBLIQUE = np.array([[0.4, -1.2, 0.3, 12.0], [1.1, 0.5, 0.9, -30.0], [2.0, 0.2, -1.0, 55.0], [0, 0, 0, 1.0]])


def ball(shape, spacing, radius_mm):
    grid = np.meshgrid(*[(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)], indexing="ij")
    return sum(g * g for g in grid) <= radius_mm**2


def asymmetric_mask(shape=(12, 16, 20)):
    mask = np.zeros(shape, bool)
    mask[2:9, 3:6, 4:15] = True
    mask[2:4, 3:12, 12:15] = True
    return mask


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize(("spacing", "radius_mm", "rtol"), [
    ((1.0, 1.0, 1.0), 15.0, 0.01), ((1.0, 1.0, 1.0), 2.5, 0.04), ((5.0, 0.7, 0.7), 15.0, 0.02),
    ((1.0, 1.0, 1.0), 0.5, 0.04),  # one voxel
])
def test_surface_encloses_the_volume_of_the_mask(smooth, spacing, radius_mm, rtol):
    shape = tuple(int(2 * radius_mm / s) // 2 * 2 + 5 for s in spacing)
    mask = ball(shape, spacing, radius_mm)
    vertices, faces = surface(mask, Geometry.from_spacing(shape, spacing), smooth=smooth)
    assert vertices.dtype == np.float32
    assert faces.dtype == np.int32
    assert enclosed_volume_mm3(vertices, faces) == pytest.approx(mask.sum() * np.prod(spacing), rel=rtol)


def test_a_large_ball_has_the_area_of_a_ball():
    # with the steps of the voxels it would be 1.5 times the area 4 pi r^2
    shape = (50, 50, 50)
    vertices, faces = surface(ball(shape, (1, 1, 1), 20), Geometry.from_spacing(shape))
    a, b, c = (vertices[faces[:, n]] for n in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    assert area == pytest.approx(4 * np.pi * 20**2, rel=0.02)


@pytest.mark.parametrize("mirrored", [False, True])
def test_asymmetric_mask_lies_right_on_an_oblique_sheared_grid(mirrored):
    affine = OBLIQUE @ np.diag([-1.0, 1, 1, 1]) if mirrored else OBLIQUE
    geometry = Geometry((12, 16, 20), affine)
    mask = asymmetric_mask()
    vertices, faces = surface(mask, geometry, smooth=False)
    index = geometry.to_index(vertices)
    np.testing.assert_allclose(index.min(axis=0), [1.5, 2.5, 3.5], atol=1e-3)  # outer faces of the voxels
    np.testing.assert_allclose(index.max(axis=0), [8.5, 11.5, 14.5], atol=1e-3)
    assert enclosed_volume_mm3(vertices, faces) == pytest.approx(mask.sum() * geometry.voxel_volume_mm3, rel=0.1)
    p = vertices[faces]
    centre = np.einsum("i,ij->j", np.einsum("ij,ij->i", p[:, 0], np.cross(p[:, 1], p[:, 2])), p.sum(axis=1) / 4) / 6
    expected = geometry.to_lps(np.argwhere(mask)).mean(axis=0)  # centre of mass of the voxels
    np.testing.assert_allclose(centre / enclosed_volume_mm3(vertices, faces), expected, atol=0.5)


def test_uneven_slices_are_placed_where_they_were_acquired():
    geometry = Geometry((4, 8, 8), Geometry.from_spacing((4, 8, 8)).affine, knots=np.array([0.0, 1.0, 6.0, 7.0]))
    mask = np.zeros((4, 8, 8), bool)
    mask[2:, 3:6, 2:4] = True
    vertices, _ = surface(mask, geometry, smooth=False)
    # the lower face lies halfway between the slices at 1 and 6 mm, the upper half a step above the last
    assert vertices[:, 2].min() == pytest.approx(3.5)
    assert vertices[:, 2].max() == pytest.approx(7.5)


def test_touching_the_border_is_closed_and_an_empty_mask_has_no_surface():
    geometry = Geometry.from_spacing((5, 6, 7))
    vertices, faces = surface(np.ones((5, 6, 7), bool), geometry)
    assert enclosed_volume_mm3(vertices, faces) == pytest.approx(5 * 6 * 7, rel=0.1)
    vertices, faces = surface(np.zeros((5, 6, 7), bool), geometry)
    assert vertices.shape == (0, 3)
    assert faces.shape == (0, 3)


def test_too_many_triangles_are_simplified_without_losing_volume():
    shape = (80, 80, 80)
    mask = ball(shape, (1, 1, 1), 36)
    full, simple = (surface(mask, Geometry.from_spacing(shape), max_triangles=n) for n in (10**9, 9000))
    assert len(full[1]) > 20_000
    assert 3000 < len(simple[1]) <= 9000
    assert enclosed_volume_mm3(*simple) == pytest.approx(mask.sum(), rel=0.03)


def test_a_mask_of_another_grid_is_refused():
    with pytest.raises(GeometryError, match="does not fit"):
        surface(np.zeros((2, 3, 4), bool), Geometry.from_spacing((4, 3, 2)))
