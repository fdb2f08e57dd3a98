"""Tests of masks on values: each finds its fault and is quiet without it."""

from __future__ import annotations

import numpy as np
import pytest

from medviewer.core.geometry import Geometry
from medviewer.core.labels import LabelMap, Segment
from medviewer.core.volume import Volume
from medviewer.ops.checks.cohort import Summary, compare, summary
from medviewer.ops.checks.contours import check_area, check_nesting, polygon_size
from medviewer.ops.checks.extent import check_extent
from medviewer.ops.checks.facts import facts_of
from medviewer.ops.checks.gaps import check_gaps
from medviewer.ops.checks.geometry import check_geometry
from medviewer.ops.checks.islands import check_islands
from medviewer.ops.checks.outside import check_outside
from medviewer.ops.checks.overlap import check_overlap
from medviewer.ops.checks.problem import Problem, total

GRID = Geometry.from_spacing((20, 60, 50), (3.0, 1.0, 1.2), (-30.0, 12.0, 5.0))


def labels(*layers: np.ndarray, names: tuple[str, ...] = ()) -> LabelMap:
    segments = tuple(Segment(int(v), names[n] if n < len(names) else f"Label {v}", layer=n)
                     for n, layer in enumerate(layers) for v in np.unique(layer) if v)
    return LabelMap(tuple(layer.astype(np.uint8) for layer in layers), GRID, segments)


def block(k: slice = slice(5, 14), j: slice = slice(20, 40), i: slice = slice(10, 30), value: int = 1) -> np.ndarray:
    out = np.zeros(GRID.shape, np.uint8)
    out[k, j, i] = value
    return out


def codes(problems: list[Problem], notes: bool = False) -> list[str]:
    return [p.code for p in problems if notes or p.weight > 0]


def moved(shift_mm: float = 0.0, scale: float = 1.0, flip: int | None = None) -> Geometry:
    affine = GRID.affine.copy()
    affine[:3, 3] += shift_mm
    affine[:3, :3] *= scale
    if flip is not None:
        affine[:3, flip] *= -1
    return Geometry(GRID.shape, affine)


@pytest.mark.parametrize(("mask", "expected"), [
    (GRID, []),
    (moved(5e-4), []),  # below 1e-3 is rounding
    (moved(1e-2), ["geometry-rounding"]),
    (moved(0.5), ["origin-differs"]),
    (moved(scale=1.02), ["spacing-differs"]),
    (moved(flip=2), ["direction-differs"]),
    (Geometry.from_spacing((20, 60, 49), (3.0, 1.0, 1.2), (-30.0, 12.0, 6.0)), ["shape-differs"]),
    # a part of the same voxels, and the same voxels stored from the other end, are right
    (Geometry.from_spacing((4, 10, 50), (3.0, 1.0, 1.2), (-30.0, 15.0, 11.0)), []),
])
def test_geometry(mask: Geometry, expected: list[str]) -> None:
    assert codes(check_geometry(mask, GRID), notes=True) == expected


def test_voxels_stored_from_the_other_end_lie_right() -> None:
    affine = GRID.affine.copy()
    affine[:3, 3] = GRID.to_lps((0, 59, 0))
    affine[:3, 1] *= -1
    assert check_geometry(Geometry(GRID.shape, affine), GRID) == []


def test_facts_count_voxels_and_boxes() -> None:
    one, two = block(), block(slice(2, 3), slice(0, 5), slice(40, 50), 7)
    found = facts_of(labels(one + two))
    assert [f.segment.value for f in found] == [1, 7]
    assert [f.voxels for f in found] == [9 * 20 * 20, 50]
    assert found[1].box == (slice(2, 3), slice(0, 5), slice(40, 50))
    assert int(found[1].per_slice[2]) == 50


def test_extent() -> None:
    empty = LabelMap.from_array(np.zeros(GRID.shape, np.uint8), GRID)
    assert codes(check_extent(facts_of(empty), GRID)) == ["empty"]
    assert codes(check_extent(facts_of(labels(block(slice(4, 5), slice(5, 6), slice(5, 8)))), GRID)) == ["tiny"]
    assert check_extent(facts_of(labels(block())), GRID) == []
    border = check_extent(facts_of(labels(block(j=slice(0, 20)))), GRID)
    assert codes(border) == []
    assert codes(border, notes=True) == ["touches-border"]


def test_gaps() -> None:
    whole, gone = block(), block()
    gone[8:10] = 0
    assert check_gaps(labels(whole), facts_of(labels(whole)), GRID) == []
    found = check_gaps(labels(gone), facts_of(labels(gone)), GRID)
    assert codes(found) == ["slice-gap"]
    assert found[0].slice == 8
    apart = block(slice(3, 6), slice(5, 15), slice(5, 15)) + block(slice(8, 12), slice(30, 50), slice(30, 45))
    assert check_gaps(labels(apart), facts_of(labels(apart)), GRID) == []  # two lesions, not one with a gap


@pytest.mark.parametrize(("second", "names", "expected"), [
    (block(), ("Liver", "Organ"), ["same-segment"]),
    (block(i=slice(28, 45)), ("left lung", "right lung"), ["sides-overlap"]),
    (block(slice(7, 9), slice(25, 30), slice(12, 18)), ("lung", "nodule"), []),
    (block(i=slice(30, 45)), ("left lung", "right lung"), []),
])
def test_overlap(second: np.ndarray, names: tuple[str, str], expected: list[str]) -> None:
    both = labels(block(), second * 2, names=names)
    assert codes(check_overlap(both, facts_of(both))) == expected


def test_far_islands() -> None:
    grid = Geometry.from_spacing((20, 60, 50), (3.0, 4.0, 4.0))
    main, stray = block(slice(5, 10), slice(5, 12), slice(5, 12)), block(slice(15, 16), slice(55, 57), slice(45, 47))
    two = LabelMap.from_array(main + stray, grid)
    found = check_islands(two, facts_of(two), grid)
    assert codes(found) == ["far-island"]
    assert found[0].slice == 15
    one = LabelMap.from_array(main, grid)
    assert check_islands(one, facts_of(one), grid) == []


def test_outside_the_body() -> None:
    values = np.full(GRID.shape, -1000, np.int16)
    values[:, 15:50, 5:35] = 40
    values[:, 25:35, 12:20] = -850  # air inside the body is not outside of it
    values[0, 0, 0] = 1200
    volume = Volume(values, GRID, unit="HU", modality="CT")
    for mask, expected in ((block(j=slice(26, 34), i=slice(12, 20)), []), (block(), []),
                           (block(i=slice(34, 48)), ["outside-body"])):
        made = labels(mask)
        assert codes(check_outside(volume, made, facts_of(made))) == expected


def test_contours() -> None:
    outer, inner = np.zeros((30, 30), bool), np.zeros((30, 30), bool)
    outer[5:25, 5:25] = True
    inner[10:20, 10:20] = True
    assert check_nesting(inner, outer) == []
    assert codes(check_nesting(np.roll(inner, 10, 1), outer, 3)) == ["inner-outside-outer"]
    area, length = polygon_size(np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]]))
    assert (area, length) == (100.0, 40.0)
    assert check_area(100, area, length) == []
    assert codes(check_area(77, area, length)) == ["area-differs"]


def test_scores_grow_with_every_problem_and_stay_below_one() -> None:
    one, two = Problem("a", "a", weight=0.5), Problem("b", "b", weight=0.6)
    assert total([]) == 0
    assert total([one]) == pytest.approx(0.5)
    assert total([one, two]) == pytest.approx(0.8)
    assert total([Problem("a", "a", weight=1.0)] * 5) < 1


def case(name: str, values: dict[int, float], **more: object) -> Summary:
    return Summary(name, name, name, np.zeros((1, 1, 1), np.float32), 10, values, **more)  # type: ignore[arg-type]


def test_merged_and_renumbered_labels() -> None:
    usual = [case(f"c{n}", {1: 10.0 + n, 2: 8.0 + n / 2, 3: 30.0}) for n in range(4)]
    assert all(p == [] for p in compare(usual))
    merged = compare([*usual, case("m", {1: 21.0, 3: 30.0})])
    assert [codes(p) for p in merged] == [[], [], [], [], ["labels-merged"]]
    renumbered = compare([*usual, case("r", {1: 11.0, 2: 8.0, 9: 30.0})])
    assert codes(renumbered[4]) == ["labels-renumbered"]
    lacking = compare([*usual, case("l", {1: 11.0, 3: 30.0})])  # an organ that is not in the picture
    assert lacking[4] == []


def test_exchanged_labels() -> None:
    def centres(left: float) -> dict[int, tuple[float, float, float]]:
        return {1: (left, 0.0, 0.0), 2: (-left, 1.0, 2.0)}

    usual = [case(f"c{n}", {1: 10.0, 2: 9.0}, centres=centres(40.0 + n)) for n in range(5)]
    found = compare([*usual, case("x", {1: 10.0, 2: 9.0}, centres=centres(-41.0))])
    assert [codes(p) for p in found] == [[]] * 5 + [["labels-exchanged"]]


def test_copies_of_another_patient() -> None:
    rng = np.random.default_rng(2)
    masks = [block(j=slice(20, 40 + n)) * (rng.random(GRID.shape) < 0.8) for n in range(3)]
    made = [labels(m) for m in (*masks, masks[0])]
    found = compare([summary(f"c{n}", f"image {n}", m, facts_of(m), GRID, None) for n, m in enumerate(made)])
    assert [codes(p) for p in found] == [["duplicate-mask"], [], [], ["duplicate-mask"]]
    same_image = [summary(f"c{n}", "one image", m, facts_of(m), GRID, None) for n, m in enumerate(made)]
    assert all(p == [] for p in compare(same_image))


def test_a_case_that_fits_as_no_other_does() -> None:
    fitting = [case(f"c{n}", {1: 10.0}, evidence=40.0 + n) for n in range(5)]
    assert all(p == [] for p in compare(fitting))
    assert codes(compare([*fitting, case("w", {1: 10.0}, evidence=1.0)])[5]) == ["fits-badly"]
    weak = [case(f"c{n}", {1: 10.0}, evidence=4.0 + 3 * n) for n in range(6)]
    assert all(p == [] for p in compare(weak))
