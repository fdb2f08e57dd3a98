"""Masks to contours and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medviewer.core.errors import ParamError
from medviewer.core.geometry import Geometry
from medviewer.core.labels import LabelMap, Segment
from medviewer.ops.contouring import mask_to_contours, outlines
from medviewer.ops.rasterise import rasterise


def oblique(shape: tuple[int, int, int]) -> Geometry:
    q, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = q * (2.7, 0.6, 1.1)
    affine[:3, 3] = 12.5, -220.125, 41
    return Geometry(shape, affine)


@settings(max_examples=80, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 11))))
def test_voxel_edges_come_back_as_the_same_mask(mask):
    geometry = oblique(mask.shape)
    labels = LabelMap.from_array(mask, geometry, (Segment(1, "a"),))
    contours = mask_to_contours(labels)
    for rule in ("exact", "pixel-centre"):
        again, reports = rasterise(contours, geometry, rule=rule)
        np.testing.assert_array_equal(again.array != 0, mask)
        assert all(r.code == "segment-without-contours" for r in reports)


def test_voxel_edge_outlines_are_closed_corners_only():
    mask = np.zeros((7, 9), bool)
    mask[1:5, 2:8] = True
    mask[2, 4] = False  # hole
    lines = outlines(mask)
    assert sorted(len(line) for line in lines) == [4, 4]
    outer = max(lines, key=lambda line: np.ptp(line))
    assert sorted(map(tuple, outer.tolist())) == [(0.5, 1.5), (0.5, 7.5), (4.5, 1.5), (4.5, 7.5)]
    for line in lines:  # each edge runs along rows or columns
        assert ((np.abs(line - np.roll(line, -1, axis=0)) > 0).sum(axis=1) == 1).all()


def test_voxels_that_touch_by_corners_are_separate_outlines():
    mask = np.eye(3, dtype=bool)
    for turned in (mask, mask[:, ::-1]):
        assert [len(line) for line in outlines(turned)] == [4, 4, 4]


def test_smooth_form_runs_between_voxel_centres():
    mask = np.zeros((3, 20, 24), bool)
    yy, xx = np.mgrid[:20, :24]
    mask[1] = (yy - 9.2) ** 2 + (xx - 11.7) ** 2 < 49
    mask[1] &= (yy - 9.2) ** 2 + (xx - 11.7) ** 2 > 9
    geometry = oblique(mask.shape)
    contours = mask_to_contours(LabelMap.from_array(mask, geometry), form="smooth").segments[0].contours
    assert len(contours) == 2  # the ring's hole is a contour of its own
    for contour in contours:
        index = geometry.to_index(contour.points_lps)
        np.testing.assert_allclose(index[:, 0], 1, atol=1e-9)
        np.testing.assert_allclose(np.abs(index[:, 1:] - np.round(index[:, 1:])).max(axis=1), 0.5, atol=1e-9)
        assert not np.array_equal(contour.points_lps[0], contour.points_lps[-1])
    again, _ = rasterise(mask_to_contours(LabelMap.from_array(mask, geometry), form="smooth"), geometry)
    assert 2 * (again.array != 0)[mask].sum() / (mask.sum() + (again.array != 0).sum()) > 0.97


def test_names_colours_and_overlaps_survive():
    layers = tuple(np.zeros((2, 8, 9), np.uint8) for _ in range(2))
    layers[0][0, 1:4, 1:5] = 7
    layers[1][:, 2:6, 3:8] = 3
    segments = (Segment(7, "liver", (1, 2, 3)), Segment(3, "lésion", (9, 8, 7), layer=1))
    labels = LabelMap(layers, oblique((2, 8, 9)), segments, "1.2.3", "1.2.4", "both")
    contours = mask_to_contours(labels)
    assert [(s.number, s.name, s.colour) for s in contours.segments] == [(7, "liver", (1, 2, 3)),
                                                                       (3, "lésion", (9, 8, 7))]
    assert (contours.frame_of_reference_uid, contours.refers_to, contours.name) == ("1.2.3", "1.2.4", "both")
    again, _ = rasterise(contours, labels.geometry)
    for a, b in zip(again.segments, segments, strict=True):
        np.testing.assert_array_equal(again.mask(a), labels.mask(b))


def test_unknown_form_is_named():
    with pytest.raises(ParamError, match="round"):
        mask_to_contours(LabelMap.from_array(np.ones((1, 2, 2), bool), oblique((1, 2, 2))), form="round")
