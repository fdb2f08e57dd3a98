"""Volumes and places of segments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medviewer.core.contours import Contour, ContourSegment, ContourSet
from medviewer.core.geometry import Geometry
from medviewer.core.labels import LabelMap, Segment
from medviewer.ops.segment_places import contour_places, label_places


def square(z: float, x: float, y: float, side: float) -> Contour:
    corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
    return Contour(np.array([(*c, z) for c in corners]))


def places(*contours: Contour, step_mm: float | None = None):  # noqa: ANN201
    return contour_places(ContourSet((ContourSegment(4, "a", (1, 2, 3), contours),)), step_mm)[4]


def test_volume_and_largest_slice_of_a_label() -> None:
    array = np.zeros((6, 20, 30), np.uint16)
    array[1, 2:4, 5:8] = 7  # 6 voxels
    array[3, 10:14, 20:25] = 7  # 20 voxels, centred on row 11.5, column 22
    geometry = Geometry.from_spacing(array.shape, (3.0, 2.0, 0.5), (10.0, 20.0, 30.0))
    labels = LabelMap((array,), geometry, (Segment(7, "a"), Segment(9, "none")))
    found = label_places(labels)
    assert found[0, 7].volume_ml == pytest.approx(26 * 3.0 * 2.0 * 0.5 / 1000)
    k, j, i = geometry.to_index(found[0, 7].centre_lps)
    assert (k, i) == pytest.approx((3, 22))
    assert round(float(j), 6) in (11, 12)
    assert found[0, 9].volume_ml == 0
    assert found[0, 9].centre_lps is None


def test_place_of_a_ring_lies_in_the_ring() -> None:
    array = np.zeros((1, 21, 21), np.uint8)
    array[0, 4:17, 4:17] = 1
    array[0, 6:15, 6:15] = 0
    found = label_places(LabelMap.from_array(array, Geometry.from_spacing(array.shape)))[0, 1]
    x, y, _ = found.centre_lps
    assert array[0, round(y), round(x)] == 1


def test_overlapping_segments_are_measured_each_in_its_layer() -> None:
    a, b = np.zeros((2, 5, 5), np.uint8), np.zeros((2, 5, 5), np.uint8)
    a[0, :2, :2], b[1, :3, :3] = 1, 1
    labels = LabelMap((a, b), Geometry.from_spacing((2, 5, 5), (10, 10, 10)),
                      (Segment(1, "a", layer=0), Segment(1, "b", layer=1)))
    found = label_places(labels)
    assert (found[0, 1].volume_ml, found[1, 1].volume_ml) == (pytest.approx(4), pytest.approx(9))


def test_contour_volume_is_area_times_distance_of_planes() -> None:
    found = places(square(0, 0, 0, 10), square(4, 0, 0, 20), square(8, 0, 0, 10))
    assert found.volume_ml == pytest.approx((100 + 400 + 100) * 4 / 1000)
    assert found.centre_lps == pytest.approx((10, 10, 4))


def test_hole_is_taken_out_and_island_in_the_hole_added() -> None:
    found = places(square(0, 0, 0, 20), square(0, 5, 5, 10), square(0, 8, 8, 2), square(3, 0, 0, 20))
    assert found.volume_ml == pytest.approx((400 - 100 + 4 + 400) * 3 / 1000)


def test_single_plane_needs_a_thickness() -> None:
    assert places(square(0, 0, 0, 10)).volume_ml is None
    assert places(square(0, 0, 0, 10), step_mm=2.5).volume_ml == pytest.approx(0.25)


def test_sagittal_contours() -> None:
    turned = [Contour(c.points_lps[:, [2, 0, 1]]) for c in (square(0, 0, 0, 10), square(3, 0, 0, 10))]
    assert places(*turned).volume_ml == pytest.approx(100 * 3 * 2 / 1000)


def test_points_only_have_a_place_and_no_volume() -> None:
    found = places(Contour(np.array([[1.0, 2.0, 3.0]]), "POINT"))
    assert found.volume_ml is None
    assert found.centre_lps == (1, 2, 3)


def test_volumes_of_the_rtstruct_phantom(shared: Path) -> None:
    """6.51, 6.01, 5.74 and 10.97 ml: polygon area x 5 mm, data README."""
    from medviewer.io import access

    contours = access.read_contours(shared / "rtstruct-phantom" / "rt.dcm")
    found = contour_places(contours)
    volumes = [found[s.number].volume_ml for s in contours.segments]
    assert volumes == pytest.approx([6.51, 6.01, 5.74, 10.97], abs=0.006)
