"""Contours to masks against supersampling, formulas, and masks made by other programs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from medviewer.core.contours import Contour, ContourSegment, ContourSet
from medviewer.core.errors import ParamError
from medviewer.core.geometry import Geometry
from medviewer.io.access import read, read_contours
from medviewer.io.formats.contour_text import read_contour_text
from medviewer.ops.rasterise import coverage, rasterise, rasterise_polygon

FINE = 16


def inside(points: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Even-odd test of positions (..., 2) by counting crossings to the right, edge by edge."""
    odd = np.zeros(at.shape[:-1], bool)
    for (y0, x0), (y1, x1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        spans = (min(y0, y1) <= at[..., 0]) & (at[..., 0] < max(y0, y1))
        ahead = (x0 - at[..., 1]) * (y1 - y0) + (at[..., 0] - y0) * (x1 - x0)  # no division: exact for halves
        odd ^= spans & (ahead * np.sign(y1 - y0) > 0)
    return odd


def sampled(polygons: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Coverage by 16 x 16 points in each voxel, even-odd over all polygons."""
    sub = (np.arange(shape[0] * FINE) + 0.5) / FINE - 0.5
    at = np.stack(np.meshgrid(sub, (np.arange(shape[1] * FINE) + 0.5) / FINE - 0.5, indexing="ij"), axis=-1)
    odd = np.zeros(at.shape[:-1], bool)
    for points in polygons:
        odd ^= inside(points, at)
    return odd.reshape(shape[0], FINE, shape[1], FINE).mean(axis=(1, 3))


def shoelace(points: np.ndarray) -> float:
    y, x = points.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def disc(centre: tuple[float, float], radius: float, count: int = 400) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([centre[0] + radius * np.sin(t), centre[1] + radius * np.cos(t)], axis=1)


STAR = np.array([[1.3, 8.2], [14.1, 12.7], [4.2, 1.1], [4.9, 16.3], [15.2, 4.4]])  # crosses itself five times
BOW = np.array([[2.0, 2.0], [12.0, 13.0], [12.0, 2.0], [2.0, 13.0]])
KEYHOLE = np.array([[1, 1], [1, 15], [15, 15], [15, 1], [1, 1], [5, 5], [12, 5], [12, 12], [5, 12], [5, 5]], float) + .2
KEYHOLE_SAME_WAY = np.concatenate([KEYHOLE[:5], KEYHOLE[5:][::-1]])
COMB = np.array([[2.2, 1.1], [2.2, 15.7], [3.1, 15.7], [3.1, 2.3], [4.4, 2.3], [4.4, 14.2], [5.9, 1.1]])


@pytest.mark.parametrize("points", [STAR, BOW, KEYHOLE, KEYHOLE_SAME_WAY, COMB, disc((8.3, 7.9), 6.1)],
                         ids=["star", "bow", "keyhole", "keyhole-same-way", "comb", "disc"])
@pytest.mark.parametrize("turn", [1, -1])
def test_coverage_equals_supersampling(points, turn):
    exact = coverage(points[::turn], (17, 18))
    assert exact.dtype == np.float32
    reference = sampled([points], (17, 18))
    assert np.abs(exact - reference).max() < 0.09  # a voxel with a long edge through it: about 1/16
    assert exact.sum() == pytest.approx(reference.sum(), rel=4e-2 if points is COMB else 2e-3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 14), st.floats(-3, 17)), min_size=3, max_size=9))
def test_coverage_of_any_polygon_equals_supersampling(points):
    points = np.array(points)
    assert np.abs(coverage(points, (12, 15)) - sampled([points], (12, 15))).max() < 0.2
    assert coverage(points, (12, 15)).sum() == pytest.approx(sampled([points], (12, 15)).sum(), abs=0.02 * 12 * 15)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-4, 28), st.integers(-4, 34)), min_size=3, max_size=9))
def test_centres_are_even_odd_with_half_open_ties(corners):
    points = np.array(corners) / 2.0  # many vertices and edges exactly on voxel centres
    at = np.stack(np.meshgrid(np.arange(12.0), np.arange(15.0), indexing="ij"), axis=-1)
    # `inside` counts crossings strictly to the right, so a centre on a left edge is inside
    np.testing.assert_array_equal(rasterise_polygon(points, (12, 15), "pixel-centre"), inside(points, at))


@pytest.mark.parametrize("radius", [3, 5, 10, 40])
def test_disc_area(radius):
    rng = np.random.default_rng(radius)
    areas = [rasterise_polygon(disc(rng.uniform(44, 46, 2), radius), (90, 90)).sum() for _ in range(10)]
    areas.append(rasterise_polygon(disc((45, 45), radius), (90, 90)).sum())  # the hardest: all voxels in fours
    # RELIABILITY section 8, bar 24: mean error 1 %, worst 5 % from r = 5 on
    assert np.mean(areas) == pytest.approx(np.pi * radius**2, rel=0.01)
    assert np.abs(np.array(areas) / (np.pi * radius**2) - 1).max() < (0.01 if radius >= 5 else 0.05)


@pytest.mark.parametrize("points", [STAR, KEYHOLE, COMB, disc((8.3, 7.9), 6.1)])
def test_exact_sets_voxels_covered_by_half(points):
    mask, reference = rasterise_polygon(points, (17, 18)), sampled([points], (17, 18))
    assert mask[reference > 0.6].all()
    assert not mask[reference < 0.4].any()


def test_ties_are_shared_out_so_that_the_count_is_the_area():
    # corners on voxel centres: the voxels along the edges are covered by exactly one half
    square = np.array([[2, 3], [2, 9], [7, 9], [7, 3]], float)
    mask = rasterise_polygon(square, (12, 13))
    assert mask.sum() == 30
    assert mask[3:7, 4:9].all()
    assert not mask[2, 3]  # a quarter
    # half-open at the centres: upper and left edges belong to it, lower and right ones do not
    centres = rasterise_polygon(square, (12, 13), "pixel-centre")
    assert centres[2:7, 3:9].all()
    assert centres.sum() == 30


def test_neighbours_neither_overlap_nor_leave_a_gap():
    left, right = (np.array([[1, a], [1, a + 4], [9, a + 6], [9, a + 2]], float) for a in (1, 5))
    a, b = (rasterise_polygon(p, (11, 14), "pixel-centre") for p in (left, right))
    union = rasterise_polygon(np.array([[1, 1], [1, 9], [9, 11], [9, 3]], float), (11, 14), "pixel-centre")
    assert not (a & b).any()
    np.testing.assert_array_equal(a | b, union)


def test_pillow_is_bit_compatible():
    points = disc((20.25, 23.5), 9.5, 37)
    image = Image.new("L", (50, 40), 0)
    ImageDraw.Draw(image).polygon([(x, y) for y, x in points], outline=0, fill=1)
    np.testing.assert_array_equal(rasterise_polygon(points, (40, 50), "pillow"), np.asarray(image) == 1)


def test_polygons_may_leave_the_grid():
    big = np.array([[-1e7, -1e7], [-1e7, 1e7], [1e7, 1e7], [1e7, -1e7]])
    for rule in ("exact", "pixel-centre"):
        assert rasterise_polygon(big, (5, 7), rule).all()
        assert not rasterise_polygon(big + 3e7, (5, 7), rule).any()
    corner = np.array([[-3, -3], [-3, 2.5], [1.5, 2.5], [1.5, -3]], float)
    assert rasterise_polygon(corner, (5, 7)).sum() == 6
    np.testing.assert_allclose(coverage(STAR - 6, (9, 9)), sampled([STAR - 6], (9, 9)), atol=0.09)


def test_small_contours_keep_a_voxel():
    dot = disc((4.2, 6.9), 0.2)
    assert np.argwhere(rasterise_polygon(dot, (9, 11))).tolist() == [[4, 7]]
    sliver = np.array([[2.0, 1.0], [2.3, 1.0], [2.3, 8.0], [2.0, 8.0]])
    assert rasterise_polygon(sliver, (9, 11)).sum() == 2  # 0.3 x 7


def test_unknown_rule_is_named():
    with pytest.raises(ParamError, match="pixel-centre"):
        rasterise_polygon(STAR, (9, 9), "best")


# whole structures

def on_slice(geometry: Geometry, k: float, points: np.ndarray, kind: str = "CLOSED_PLANAR") -> Contour:
    return Contour(geometry.to_lps(np.column_stack([np.full(len(points), k), points])), kind)


def segment(*contours: Contour, number: int = 1, name: str = "s") -> ContourSegment:
    return ContourSegment(number, name, (1, 2, 3), contours)


def oblique() -> Geometry:
    q, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = q * (3.1, 0.7, 1.3)
    affine[:3, 3] = -31.5, 220.25, 1007.125
    return Geometry((4, 20, 23), affine)


def codes(reports) -> list[str]:
    return sorted(r.code for r in reports)


@pytest.mark.parametrize("rule", ["exact", "pixel-centre"])
def test_tilted_anisotropic_grid_equals_supersampling(rule):
    geometry = oblique()
    holes = [disc((9.3, 10.1), 8.2), disc((9.1, 9.4), 4.1), disc((9.3, 9.3), 1.6)]  # an island in a hole
    labels, reports = rasterise(segment(*(on_slice(geometry, 2, p) for p in holes)), geometry, rule=rule)
    assert not reports
    mask, reference = labels.array != 0, sampled(holes, (20, 23))
    assert not mask[[0, 1, 3]].any()
    assert mask[2][reference > 0.95].all()
    assert not mask[2][reference < 0.05].any()
    if rule == "exact":
        assert (mask[2] != (reference >= 0.5))[np.abs(reference - 0.5) > 0.08].sum() == 0
        assert mask[2].sum() == pytest.approx(np.pi * (8.2**2 - 4.1**2 + 1.6**2), abs=1)


def test_hole_ring_keyhole_and_xor_give_the_same():
    geometry = Geometry.from_spacing((3, 17, 18), (2, 1, 1))
    outer, inner = KEYHOLE[:4], KEYHOLE[5:9]
    masks = [rasterise(segment(*(on_slice(geometry, 1, p, kind) for p in parts)), geometry)[0].array
             for parts, kind in [((outer, inner), "CLOSED_PLANAR"), ((inner, outer), "CLOSEDPLANAR_XOR"),
                                 ((KEYHOLE,), "CLOSED_PLANAR"), ((KEYHOLE_SAME_WAY,), "CLOSED_PLANAR")]]
    assert masks[0].sum() == 14 * 14 - 7 * 7
    for other in masks[1:]:
        np.testing.assert_array_equal(other, masks[0])


def test_a_tiny_hole_stays_a_hole_and_a_tiny_contour_deletes_nothing():
    geometry = Geometry.from_spacing((2, 17, 18))
    square = np.array([[1.5, 1.5], [1.5, 9.5], [9.5, 9.5], [9.5, 1.5]])
    hole = np.array([[4.5, 4.5], [4.5, 5.5], [5.5, 5.5], [5.5, 4.5]])
    speck = disc((13.0, 13.0), 0.1)
    labels, _ = rasterise(segment(*(on_slice(geometry, 0, p) for p in (square, hole, speck))), geometry)
    assert labels.array.sum() == 64 - 1 + 1
    assert labels.array[0, 5, 5] == 0
    assert labels.array[0, 13, 13] == 1


def test_odd_contours_are_reported_and_the_rest_is_filled():
    geometry = Geometry.from_spacing((5, 20, 20), (3, 1, 1))
    square = np.array([[2.5, 2.5], [2.5, 8.5], [8.5, 8.5], [8.5, 2.5]])
    tilted = on_slice(geometry, 2, square)
    tilted = Contour(tilted.points_lps + np.array([[0, 0, 0], [0, 0, 0], [0, 0, 9], [0, 0, 9]]))
    labels, reports = rasterise(segment(
        on_slice(geometry, 1, square), on_slice(geometry, 1, square[::-1]),  # a copy, the other way round
        on_slice(geometry, 3.3, square), on_slice(geometry, 7, square), tilted,
        on_slice(geometry, 1, square[:2]), on_slice(geometry, 1, square[:1], "POINT"),
        on_slice(geometry, 1, square + 8, "OPEN_PLANAR"), on_slice(geometry, 0, square + 40),
        on_slice(geometry, 4, square - 5)), geometry)
    assert [int(plane.sum()) for plane in labels.array] == [0, 36, 0, 36, 16]
    assert codes(reports) == ["contour-between-slices", "contour-duplicate", "contour-leaves-image",
                              "contour-not-parallel", "contour-off-slices", "contour-open", "contour-outside-image",
                              "contour-too-few-points"]


def test_planes_between_slices_do_not_cancel_each_other():
    geometry = Geometry.from_spacing((3, 20, 20), (3, 1, 1))
    square = np.array([[2.5, 2.5], [2.5, 8.5], [8.5, 8.5], [8.5, 2.5]])
    thin = segment(*(on_slice(geometry, k / 3, square) for k in range(7)))  # drawn every millimetre
    labels, reports = rasterise(thin, geometry)
    assert [int(plane.sum()) for plane in labels.array] == [36, 36, 36]
    assert "contour-planes-share-a-slice" in codes(reports)


def test_uneven_slices_and_missing_ones():
    # slices at 0, 2, 4, 10 mm: nothing belongs to the gap between 5 and 9
    geometry = Geometry((4, 20, 20), np.diag([1.0, 1, 1, 1])[[2, 1, 0, 3]] @ np.diag([2.0, 1, 1, 1]),
                        np.array([0, 1, 2, 5.0]))
    square = np.array([[2.5, 2.5], [2.5, 8.5], [8.5, 8.5], [8.5, 2.5]])
    points = np.column_stack([square[:, 1], square[:, 0], np.zeros(4)])
    placed = segment(*(Contour(points + (0, 0, z)) for z in (0, 4, 7, 10)))
    labels, reports = rasterise(placed, geometry)
    assert [int(plane.sum()) for plane in labels.array] == [36, 0, 36, 36]
    assert codes(reports) == ["contour-off-slices"]


def test_overlapping_segments_get_layers_and_keep_their_numbers():
    geometry = Geometry.from_spacing((2, 30, 30))
    parts = [segment(on_slice(geometry, 0, disc((10, 10 + d), 5)), number=n, name=name)
             for d, n, name in ((0, 7, "a"), (4, 2, "b"), (15, 300, "c"))]
    labels, _ = rasterise(ContourSet(tuple(parts), "1.2", "1.3", "set"), geometry)
    assert [(s.name, s.value, s.layer) for s in labels.segments] == [("a", 7, 0), ("b", 2, 1), ("c", 300, 0)]
    assert [int(labels.mask(s).sum()) for s in labels.segments] == pytest.approx([np.pi * 25] * 3, abs=2)
    assert (labels.frame_of_reference_uid, labels.refers_to, labels.name) == ("1.2", "1.3", "set")
    only, _ = rasterise(ContourSet(tuple(parts)), geometry, segments=["b"])
    np.testing.assert_array_equal(only.array == 2, labels.mask(labels.segments[1]))
    with pytest.raises(ParamError, match="nobody"):
        rasterise(ContourSet(tuple(parts)), geometry, segments=["nobody"])


def test_unusable_numbers_are_replaced_and_reported():
    geometry = Geometry.from_spacing((1, 30, 30))
    labels, reports = rasterise(ContourSet((segment(number=0, name="a"), segment(number=0, name="b"))), geometry)
    assert [s.value for s in labels.segments] == [1, 2]
    assert codes(reports) == ["segment-without-contours", "segment-without-contours", "segments-renumbered"]


# masks made by other programs from the same contours: data/README.md

STS = "sts-001-petct"


@pytest.mark.parametrize(("image", "contours", "nifti", "counts"), [
    ("ibsi-ct-phantom/dicom/image", "ibsi-ct-phantom/dicom/mask", "ibsi-ct-phantom/nifti/mask/mask.nii.gz", [125256]),
    (f"{STS}/CT_crop/image", f"{STS}/CT_crop/mask", f"{STS}/nifti/CT_mask.nii.gz", [117145]),
    (f"{STS}/PET_crop_SUV/image", f"{STS}/PET_crop_SUV/mask", f"{STS}/nifti/PET_mask.nii.gz", [5095]),
    (f"{STS}/PET_raw_BQML/image", f"{STS}/PET_raw_BQML/mask", None, [5095, 8058]),
], ids=["ibsi", "sts-ct", "sts-pet", "sts-pet-raw"])
def test_centre_fill_equals_the_published_mask(shared, image, contours, nifti, counts):
    volume = read(shared / image)
    structures = read_contours(shared / contours)
    labels, reports = rasterise(structures, volume.geometry, rule="pixel-centre")
    assert not reports
    assert [int(labels.mask(s).sum()) for s in labels.segments] == counts
    if nifti is not None:
        import nibabel
        reference = np.asarray(nibabel.load(shared / nifti).dataobj).transpose(2, 1, 0) != 0
        np.testing.assert_array_equal(labels.array != 0, reference)
    exact, _ = rasterise(structures, volume.geometry)
    assert [int(exact.mask(s).sum()) for s in exact.segments] == pytest.approx(counts, rel=2e-3)


def test_ibsi_mean_and_volume(shared):
    volume = read(shared / "ibsi-ct-phantom/dicom/image")
    labels, _ = rasterise(read_contours(shared / "ibsi-ct-phantom/dicom/mask"), volume.geometry, rule="pixel-centre")
    values = volume.array[labels.array != 0]
    assert (round(float(values.mean()), 2), values.min(), values.max()) == (-46.88, -1000, 723)
    assert labels.array.sum() * volume.geometry.voxel_volume_mm3 / 1000 == pytest.approx(358.68, abs=0.01)


@pytest.mark.parametrize("rule", ["exact", "pixel-centre"])
def test_phantom_volumes(shared, rule):
    volume = read(shared / "rtstruct-phantom")
    labels, _ = rasterise(read_contours(shared / "rtstruct-phantom/rt.dcm"), volume.geometry, rule=rule)
    ml = [labels.mask(s).sum() * volume.geometry.voxel_volume_mm3 / 1000 for s in labels.segments]
    assert ml == pytest.approx([6.51, 6.01, 5.74, 10.97], abs=0.006)
    assert all(np.flatnonzero(labels.mask(s).any(axis=(1, 2))).tolist() == [0, 1, 2] for s in labels.segments)


def test_sunnybrook_mask_area_is_the_contour_area(shared):
    files = sorted((shared / "sunnybrook/contourfiles").rglob("*contour-manual.txt"))
    assert len(files) == 54
    ratios = []
    for file in files:
        points = read_contour_text(file)[:, ::-1]
        ratios.append(rasterise_polygon(points, (256, 256)).sum() / shoelace(points))
    assert np.mean(ratios) == pytest.approx(1, abs=2e-4)
    assert np.abs(np.array(ratios) - 1).max() < 0.005


@pytest.mark.parametrize("patient", ["SC-HF-I-1", "SC-HF-I-2"])
def test_sunnybrook_inner_masks_lie_inside_outer_ones(shared, patient):
    folder = shared / "sunnybrook/contourfiles" / patient
    for outer in sorted((folder / "o-contours").glob("*.txt")):
        inner = folder / "i-contours" / outer.name.replace("ocontour", "icontour")
        a, b = (rasterise_polygon(read_contour_text(f)[:, ::-1], (256, 256)) for f in (inner, outer))
        assert (a & b).sum() / a.sum() > 0.98


@pytest.mark.parametrize("points", [
    [[0.75, 3.5], [0.25, 5.5], [-0.0, 3.0], [0.5, -2.0], [-0.25, 5.25]], [[5.75, -2.25], [6.75, 3.0], [4.75, 2.25]],
    [[0.1, 7.7], [4.6, 3.2], [0.3, -2.1], [-2.8, 4.5], [-0.5, 9.7], [-1.6, 2.9]],
])
def test_contours_cut_by_the_border(points):
    """Edges cut at the border may end a hair outside it."""
    points = np.array(points)
    whole = coverage(points + 4, (24, 25))[4:20, 4:21]
    np.testing.assert_allclose(coverage(points, (16, 17)), whole, atol=1e-6)
    assert rasterise_polygon(points, (16, 17)).any()


def test_voxels_under_a_level_edge_are_covered_in_part():
    """A bar 0.7 voxels high: no edge runs through most of its voxels, yet they are not covered wholly."""
    bar = np.array([[2.9, 2.5], [2.9, 9.5], [3.6, 9.5], [3.6, 2.5]])
    found = coverage(bar, (8, 12))
    np.testing.assert_allclose(found[3, 3:10], 0.6, atol=1e-6)
    np.testing.assert_allclose(found[4, 3:10], 0.1, atol=1e-6)
    assert found.sum() == pytest.approx(4.9, abs=1e-4)
