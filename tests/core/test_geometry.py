"""Geometry: index <-> position on every kind of grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medviewer.core.errors import GeometryError
from medviewer.core.geometry import Geometry, direction_letters, lps_to_ras
from medviewer.ops.reslice import rotation

steps = st.floats(0.2, 9.0)


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    axis = np.array(draw(st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.1, 1))))
    turn = rotation(axis, draw(st.floats(-3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = turn[:, ::-1] * [draw(steps), draw(steps), draw(steps)]
    affine[:3, 0] += draw(st.floats(-0.4, 0.4)) * affine[:3, 1]  # a tilted gantry
    affine[:3, 3] = draw(st.tuples(*[st.floats(-300, 300)] * 3))
    count = draw(st.integers(2, 6))
    gaps = draw(st.lists(st.floats(0.5, 3.0), min_size=count - 1, max_size=count - 1))
    knots = np.concatenate([[0.0], np.cumsum(gaps)]) if draw(st.booleans()) else None
    return Geometry((count, 5, 7), affine, knots)


@given(geometries(), arrays(float, (4, 3), elements=st.floats(-500, 500)))
def test_index_and_position_are_inverse(geometry: Geometry, kji: np.ndarray) -> None:
    np.testing.assert_allclose(geometry.to_index(geometry.to_lps(kji)), kji, atol=1e-6)


@given(geometries())
def test_every_uneven_slice_lies_at_its_knot(geometry: Geometry) -> None:
    if geometry.knots is None:
        return
    for k, knot in enumerate(geometry.knots):
        expected = geometry.affine @ [knot, 2, 3, 1]
        np.testing.assert_allclose(geometry.to_lps((k, 2, 3)), expected[:3], atol=1e-6)


def test_axial_grid_by_hand() -> None:
    geometry = Geometry.from_spacing((4, 5, 6), (2.5, 0.5, 0.7), (-10, -20, -30))
    np.testing.assert_allclose(geometry.to_lps((1, 2, 3)), (-10 + 3 * 0.7, -20 + 2 * 0.5, -30 + 2.5))
    assert geometry.spacing_mm == pytest.approx((2.5, 0.5, 0.7))
    assert geometry.axis_codes == "HPL"
    assert geometry.voxel_volume_mm3 == pytest.approx(2.5 * 0.5 * 0.7)
    np.testing.assert_allclose(geometry.slice_normal, (0, 0, 1))


def test_crop_keeps_positions() -> None:
    geometry = Geometry((5, 6, 7), Geometry.from_spacing((5, 6, 7), (3, 2, 1)).affine, np.array([0, 1, 3, 4, 7.0]))
    part = geometry.crop((2, 1, 3), (5, 6, 7))
    assert part.shape == (3, 5, 4)
    np.testing.assert_allclose(part.to_lps((1, 2, 1)), geometry.to_lps((3, 3, 4)))


def test_even_grid_spans_the_same_slices() -> None:
    geometry = Geometry((4, 2, 2), Geometry.from_spacing((4, 2, 2), (2, 1, 1)).affine, np.array([0, 1, 3, 4.0]))
    even = geometry.even()
    assert even.shape[0] == 5
    np.testing.assert_allclose(even.to_lps((4, 1, 1)), geometry.to_lps((3, 1, 1)))
    assert even.is_even


@pytest.mark.parametrize(("vector", "letters"), [
    ((1, 0, 0), "L"), ((0, -1, 0), "A"), ((0, 0, 1), "H"), ((0, 0, -1), "F"),
    ((-0.8, 0.6, 0), "RP"), ((0.5, -0.6, -0.62), "FAL"), ((0.05, 0.99, 0), "P"),
])
def test_direction_letters(vector: tuple[float, ...], letters: str) -> None:
    assert direction_letters(vector) == letters


def test_same_grid_notices_shift_and_knots() -> None:
    a = Geometry.from_spacing((3, 4, 5))
    assert a.same_grid(Geometry.from_spacing((3, 4, 5), origin_lps=(0, 0, 5e-4)))
    assert not a.same_grid(Geometry.from_spacing((3, 4, 5), origin_lps=(0, 0, 0.01)))
    assert not a.same_grid(Geometry((3, 4, 5), a.affine, np.array([0, 1.5, 2])))


def test_impossible_grids_are_refused() -> None:
    with pytest.raises(GeometryError):
        Geometry((3, 4, 5), np.zeros((4, 4)))
    with pytest.raises(GeometryError):
        Geometry((0, 4, 5), np.eye(4))
    with pytest.raises(GeometryError):
        Geometry((3, 4, 5), np.eye(4), np.array([0, 2, 1.0]))


def test_lps_ras_is_its_own_inverse() -> None:
    affine = np.arange(16.0).reshape(4, 4)
    np.testing.assert_array_equal(lps_to_ras(lps_to_ras(affine)), affine)
    np.testing.assert_array_equal(lps_to_ras([1, 2, 3]), [-1, -2, 3])
