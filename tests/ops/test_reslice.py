"""Planes through volumes: what lies at a place of the picture is what lies there in the patient."""

from __future__ import annotations

import numpy as np
import pytest

from medviewer.core.geometry import Geometry
from medviewer.core.volume import Rescale, Volume
from medviewer.ops.reslice import Plane, cut, cut_labels, grid_axes, rotation, step_mm, view_plane

SHAPE = (6, 8, 10)
ORIENTATIONS = ("axial", "coronal", "sagittal")


def grids() -> dict[str, Geometry]:
    axial = Geometry.from_spacing(SHAPE, (3.0, 1.5, 1.0), (-20, 30, 7))
    tilted = axial.affine.copy()
    tilted[1, 0] = 0.9
    flipped = axial.affine.copy()
    flipped[:3, 1:3] *= -1
    sagittal = axial.affine[:, [2, 0, 1, 3]].copy()
    oblique = np.eye(4)
    oblique[:3, :3] = rotation((1, 2, 3), 0.5) @ axial.affine[:3, :3]
    return {"axial": axial, "tilted": Geometry(SHAPE, tilted), "flipped": Geometry(SHAPE, flipped),
            "sagittal": Geometry(SHAPE, sagittal), "oblique": Geometry(SHAPE, oblique),
            "uneven": Geometry(SHAPE, axial.affine, np.array([0, 1, 2, 4, 5, 6.0]))}


def ramp(geometry: Geometry) -> Volume:
    """Value = a linear function of the position, so that interpolation is exact."""
    kji = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    lps = geometry.to_lps(kji)
    return Volume((lps @ [1.0, 10.0, 100.0]).astype(np.float32), geometry)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("name", list(grids()))
def test_pixels_lie_where_their_values_say(name: str, orientation: str) -> None:
    geometry = grids()[name]
    volume = ramp(geometry)
    plane = view_plane(geometry, orientation, geometry.to_lps((3, 4, 5)))
    image = cut(volume, plane)
    assert image is not None
    rows, columns = image.pixels.shape[:2]
    for row, column in ((0, 0), (rows - 1, 0), (0, columns - 1), (rows // 2, columns // 3)):
        lps = plane.to_lps(image.matrix @ (column, row, 1))
        assert image.pixels[row, column] == pytest.approx(lps @ [1, 10, 100], abs=0.02)


@pytest.mark.parametrize("name", list(grids()))
def test_oblique_planes_sample_linearly(name: str) -> None:
    geometry = grids()[name]
    volume = ramp(geometry)
    plane = view_plane(geometry, "axial", geometry.centre_lps).rotated((1, 1, 0), 0.4)
    image = cut(volume, plane)
    assert image is not None
    inside = np.argwhere(np.isfinite(image.pixels))
    checked = 0
    for row, column in inside[:: max(len(inside) // 40, 1)]:
        lps = plane.to_lps(image.matrix @ (column, row, 1))
        index = geometry.to_index(lps)
        if ((index >= 0) & (index <= np.array(SHAPE) - 1)).all():
            assert image.pixels[row, column] == pytest.approx(lps @ [1, 10, 100], abs=0.05)
            checked += 1
    assert checked > 5


def test_standard_views_are_radiological() -> None:
    geometry = grids()["flipped"]  # stored with patient left on image left
    axial = view_plane(geometry, "axial", (0, 0, 0))
    np.testing.assert_allclose(axial.right, (1, 0, 0), atol=1e-12)  # patient left on image right
    np.testing.assert_allclose(axial.down, (0, 1, 0), atol=1e-12)  # back at the bottom
    coronal = view_plane(geometry, "coronal", (0, 0, 0))
    np.testing.assert_allclose(coronal.down, (0, 0, -1), atol=1e-12)
    np.testing.assert_allclose(view_plane(geometry, "axial", (0, 0, 0), flip_right=True).right, (-1, 0, 0), atol=1e-12)
    sagittal = view_plane(geometry, "sagittal", (0, 0, 0), flip_right=True)
    np.testing.assert_allclose(sagittal.right, (0, 1, 0), atol=1e-12)  # front on the left, mirrored or not


def test_each_axis_is_used_once_even_at_45_degrees() -> None:
    affine = np.eye(4)
    affine[:3, :3] = rotation((0, 0, 1), np.pi / 4) @ rotation((1, 0, 0), np.pi / 4)
    geometry = Geometry(SHAPE, affine)
    assert len({grid_axes(geometry, o)[0] for o in ORIENTATIONS}) == 3


def test_slab_projections() -> None:
    values = np.zeros(SHAPE, np.int16)
    values[2, 1, 1], values[3, 1, 1], values[4, 1, 1] = 5, -7, 9
    geometry = Geometry.from_spacing(SHAPE, (2.0, 1, 1))
    volume = Volume(values, geometry, Rescale(np.array(2.0), np.array(1.0)))
    plane = view_plane(geometry, "axial", geometry.to_lps((3, 0, 0)))
    for slab, expected in (("max", 19), ("min", -13), ("mean", (5 - 7 + 9) / 3 * 2 + 1)):
        image = cut(volume, plane, slab_mm=4.0, slab=slab)  # type: ignore[arg-type]
        assert image is not None
        assert image.pixels[1, 1] == pytest.approx(expected, rel=1e-6)


def test_each_slice_has_its_own_rescale() -> None:
    """A PET slice's slope is its own; the coronal picture must not use the first one for all rows."""
    values = np.full(SHAPE, 10, np.int16)
    volume = Volume(values, Geometry.from_spacing(SHAPE), Rescale(np.arange(1.0, 7.0), np.zeros(6)), unit="Bq/ml")
    coronal = cut(volume, view_plane(volume.geometry, "coronal", (0, 3, 0)))
    assert coronal is not None
    np.testing.assert_allclose(coronal.pixels[:, 0], 10 * np.arange(1, 7))
    axial = cut(volume, view_plane(volume.geometry, "axial", (0, 0, 4)))
    assert axial is not None
    assert axial.pixels[0, 0] * axial.slope + axial.intercept == 50


def test_interpolated_overlay_mixes_neighbours() -> None:
    volume = ramp(Geometry.from_spacing(SHAPE, (2.0, 1, 1)))
    plane = view_plane(volume.geometry, "axial", (0, 0, 5.0))  # half-way between slices 2 and 3
    image = cut(volume, plane, interpolate=True)
    assert image is not None
    assert image.pixels[3, 4] == pytest.approx(4 + 30 + 500)


@pytest.mark.parametrize("name", list(grids()))
@pytest.mark.parametrize("turn", [0.0, 0.3])
def test_labels_lie_where_the_voxels_lie(name: str, turn: float) -> None:
    geometry = grids()[name]
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:4, 3:6, 4:8] = 3
    plane = view_plane(geometry, "axial", geometry.to_lps((3, 4, 5))).rotated((1, 0, 0), turn)
    image = cut_labels(labels, geometry, plane)
    assert image is not None
    rows, columns = np.nonzero(image.pixels == 3)
    assert rows.size
    lps = plane.to_lps((image.matrix @ np.stack([columns, rows, np.ones_like(rows)])).T)
    index = np.rint(geometry.to_index(lps)).astype(int)
    assert (labels[tuple(index.T)] == 3).mean() > 0.95


def test_a_plane_beside_the_volume_gives_nothing() -> None:
    volume = ramp(Geometry.from_spacing(SHAPE))
    assert cut(volume, view_plane(volume.geometry, "axial", (0, 0, 50))) is None


def test_a_step_is_measured_along_the_normal() -> None:
    tilted = grids()["tilted"]
    plane = view_plane(tilted, "axial", (0, 0, 0))
    assert step_mm(tilted, plane) == pytest.approx(3.0)
    assert isinstance(plane, Plane)
