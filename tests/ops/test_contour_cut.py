"""Cuts of contours by planes, against areas that follow from the shape."""

from __future__ import annotations

import time

import numpy as np
import pytest

from medviewer.core.contours import Contour, ContourSegment, ContourSet
from medviewer.ops.contour_cut import ContourCutter, outlines_on_slice
from medviewer.ops.reslice import Plane

STEP = 3.0


def plane(point, normal) -> Plane:
    normal = np.array(normal, float) / np.linalg.norm(normal)
    right = np.cross(normal, [0.0, 0, 1] if abs(normal[2]) < 0.9 else [0, 1, 0])
    right /= np.linalg.norm(right)
    return Plane(np.array(point, float), right, np.cross(normal, right))


def box(z: float, low=(10.0, 20.0), high=(40.0, 30.0)) -> Contour:
    (a, b), (c, d) = low, high
    return Contour(np.array([[a, b, z], [c, b, z], [c, d, z], [a, d, z]]))


def area(lines) -> float:
    """Area inside closed polylines by even-odd: holes run inside, so the parts' signs follow from nesting."""
    total = 0.0
    for line in lines:
        np.testing.assert_allclose(line[0], line[-1], atol=1e-9)
        x, y = line[:-1].T
        total += abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    return total


def solid(count: int = 8, number: int = 4) -> ContourSegment:
    return ContourSegment(number, "box", (1, 2, 3), tuple(box(k * STEP) for k in range(count)))


@pytest.mark.parametrize(("point", "normal", "expected"), [
    ((25, 0, 0), (1, 0, 0), 10 * 8 * STEP), ((0, 25, 0), (0, 1, 0), 30 * 8 * STEP),
    ((25, 25, 10.5), (1, 0, 1), 10 * 8 * STEP * np.sqrt(2)), ((25, 25, 10.5), (1, 2, 0), 10 * np.sqrt(5) * 24),
], ids=["sagittal", "coronal", "oblique", "upright"])
def test_a_box_is_cut_into_its_cross_section(point, normal, expected):
    cut = ContourCutter(ContourSet((solid(),))).cut(plane(point, normal))
    assert list(cut) == [4]
    assert len(cut[4]) == 1  # slabs that cover each other show no line between them
    assert area(cut[4]) == pytest.approx(expected, rel=1e-6)


def test_cut_lines_lie_on_the_plane_and_on_the_surface():
    p = plane((25, 25, 10.5), (0.3, -0.2, 1))
    for line in ContourCutter(ContourSet((solid(),))).cut(p)[4]:
        x, y, z = p.to_lps(line).T
        assert np.abs(p.distance_mm(p.to_lps(line))).max() < 1e-9
        on = np.isclose(x, 10) | np.isclose(x, 40) | np.isclose(y, 20) | np.isclose(y, 30)
        assert (on | np.isclose(z, -STEP / 2) | np.isclose(z, 7.5 * STEP)).all()


def test_planes_through_contours_show_them_as_stored():
    contours = [box(k * STEP, (10 + k, 20)) for k in range(5)]
    cutter = ContourCutter(ContourSet((ContourSegment(1, "s", (0, 0, 0), tuple(contours)),)))
    for z, k in ((6.0, 2), (7.4, 2), (7.6, 3), (-1.4, 0), (13.4, 4)):
        p = plane((0, 0, z), (0, 0, 1))
        (line,) = cutter.cut(p)[1]
        np.testing.assert_allclose(line[:-1], p.to_mm(contours[k].points_lps))
        np.testing.assert_array_equal(line[0], line[-1])
    assert cutter.cut(plane((0, 0, 13.6), (0, 0, 1))) == {}
    assert cutter.cut(plane((200, 0, 0), (1, 0, 0))) == {}


def test_holes_steps_and_missing_slices():
    ring = [*(box(k * STEP, (10, 0), (50, 60)) for k in range(4)), *(box(k * STEP, (20, 10), (40, 50)) for k in (1, 2))]
    cut = ContourCutter(ContourSet((ContourSegment(1, "ring", (0, 0, 0), tuple(ring)),))).cut(plane((30, 0, 0),
                                                                                               (1, 0, 0)))
    assert sorted(area([line]) for line in cut[1]) == pytest.approx([40 * 2 * STEP, 60 * 4 * STEP])
    gap = [box(k * STEP) for k in (0, 1, 2, 6, 7)]  # three contours are missing: two pieces
    gapped = ContourSegment(1, "gap", (0, 0, 0), tuple(gap))
    cut = ContourCutter(ContourSet((gapped,))).cut(plane((25, 0, 0), (1, 0, 0)))
    assert sorted(area([line]) for line in cut[1]) == pytest.approx([10 * 2 * STEP, 10 * 3 * STEP])


def test_oblique_stacks_and_two_directions():
    q, _ = np.linalg.qr(np.random.default_rng(8).normal(size=(3, 3)))
    turned = ContourSegment(4, "t", (0, 0, 0), tuple(Contour(c.points_lps @ q.T) for c in solid().contours))
    p = plane((25, 25, 10.5), (0.3, 1, 0.1))
    moved = Plane(q @ p.point_lps, q @ p.right, q @ p.down)
    assert area(ContourCutter(ContourSet((turned,))).cut(moved)[4]) == pytest.approx(
        area(ContourCutter(ContourSet((solid(),))).cut(p)[4]))
    upright = Contour(np.array([[5.0, 5, 5], [5, 15, 5], [5, 15, 15], [5, 5, 15]]))
    both = ContourSegment(4, "both", (0, 0, 0), (*solid().contours, upright))
    cut = ContourCutter(ContourSet((both,))).cut(plane((5, 0, 0), (1, 0, 0)))
    assert area(cut[4]) == pytest.approx(100)


def test_open_contours_and_points_show_on_their_plane():
    line = Contour(np.array([[1.0, 2, 3], [4, 5, 3]]), "OPEN_PLANAR")
    dot = Contour(np.array([[7.0, 8, 3]]), "POINT")
    segment = ContourSegment(2, "marks", (0, 0, 0), (line, dot))
    p = plane((0, 0, 3), (0, 0, 1))
    assert [len(found) for found in ContourCutter(ContourSet((segment,))).cut(p)[2]] == [2, 1]
    np.testing.assert_allclose(outlines_on_slice(segment, p, 0.1)[0], p.to_mm(line.points_lps))
    assert outlines_on_slice(segment, plane((0, 0, 4), (0, 0, 1)), 0.1) == []


def test_ten_structures_of_sixty_slices_are_cut_in_time():
    t = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    segments = [ContourSegment(n, "", (0, 0, 0), tuple(
        Contour(np.stack([5 * n + (40 + k % 7) * np.cos(t), (30 + k % 5) * np.sin(t), np.full(200, k * STEP)], axis=1))
        for k in range(60))) for n in range(10)]
    cutter, p = ContourCutter(ContourSet(tuple(segments))), plane((25, 0, 0), (1, 0.1, 0))
    times = []
    for _ in range(9):
        start = time.perf_counter()
        assert len(cutter.cut(p)) == 10
        times.append(time.perf_counter() - start)
    assert min(times) < 0.012  # 3 ms on a quiet machine
