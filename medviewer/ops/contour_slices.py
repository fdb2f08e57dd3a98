"""Which slice of a grid each contour belongs to, and what is odd about it.

A contour belongs to the slice its plane is nearest to, if that is within half a slice step. Where contours of
several planes fall on one slice (they were drawn on thinner slices) the nearest plane is used, because the planes
must not cancel each other by even-odd.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medviewer.core.contours import ContourSegment
from medviewer.core.geometry import Geometry
from medviewer.core.study import Report

Floats = NDArray[np.float64]
ON_SLICE = 0.02  # slice steps; a contour this near to a slice lies on it
SAME_PLANE = 0.05  # slice steps; contours this near to each other lie in one plane
FLAT = 1.0  # slice steps; a contour that spans more is not parallel to the slices
MISSING_GAP = 1.5  # a gap this many times the usual step has missing slices in it
SAME_POINT = 1e-4  # voxels
EDGE_ATOL = 1e-3  # voxels a contour may reach over the border without a word


@dataclass(frozen=True, eq=False)
class Placed:
    """Polygons (N, 2) in (row, column) of one segment and the slice of each."""

    polygons: list[Floats]
    slices: NDArray[np.intp]
    reports: list[Report] = field(default_factory=list)


def place(segment: ContourSegment, geometry: Geometry) -> Placed:
    """Find the slice of every closed contour of a segment, and report those left out or moved."""
    notes = _Notes(segment.name)
    closed = []
    for contour in segment.contours:
        if contour.is_closed and np.isfinite(contour.points_lps).all():
            closed.append(contour)
        elif len(contour.points_lps) < 3:
            notes.add("contour-too-few-points", "have fewer than 3 points", "left out")
        elif not contour.is_closed:
            notes.add("contour-open", "are open lines or points", "left out: they enclose no area")
        else:
            notes.add("contour-not-a-number", "have positions that are not numbers", "left out")
    if not closed:
        if not segment.contours:
            notes.reports.append(Report("segment-without-contours", f"{segment.name} has no contours",
                                        "its mask is empty"))
        return Placed([], np.zeros(0, np.intp), notes.done())
    counts = np.array([len(c.points_lps) for c in closed])
    starts = np.cumsum(counts) - counts
    index = geometry.to_index(np.concatenate([c.points_lps for c in closed]))
    depth = np.add.reduceat(index[:, 0], starts) / counts
    span = np.maximum.reduceat(index[:, 0], starts) - np.minimum.reduceat(index[:, 0], starts)
    polygons = [index[s:s + n, 1:] for s, n in zip(starts, counts, strict=True)]
    slices = _nearest(depth, span, geometry, notes)
    _one_plane_a_slice(slices, depth, notes)
    _no_twins(slices, polygons, [c.type for c in closed], notes)
    _in_picture(slices, polygons, geometry, notes)
    kept = np.flatnonzero(slices >= 0)
    return Placed([polygons[n] for n in kept], slices[kept], notes.done())


class _Notes:
    """Counts contours by oddity and makes one report of each kind."""

    def __init__(self, name: str) -> None:
        self.reports: list[Report] = []
        self._name = name or "unnamed segment"
        self._found: dict[str, tuple[int, str, str]] = {}

    def add(self, code: str, problem: str, fix: str, count: int = 1) -> None:
        if count:
            self._found[code] = (self._found.get(code, (0, "", ""))[0] + count, problem, fix)

    def done(self) -> list[Report]:
        return self.reports + [Report(code, f"{self._name}: {n} contour(s) {problem}", fix)
                               for code, (n, problem, fix) in self._found.items()]


def _nearest(depth: Floats, span: Floats, geometry: Geometry, notes: _Notes) -> NDArray[np.intp]:
    """Slice of each contour, -1 for those left out."""
    count = geometry.shape[0]
    slices = np.floor(depth + 0.5 - 1e-9).astype(np.intp)
    off = np.abs(depth - slices)
    away = (slices < 0) | (slices >= count)
    if geometry.knots is not None and count > 1:
        gaps = np.diff(geometry.knots)
        usual = float(np.median(gaps))
        gap = gaps[np.clip(np.floor(depth).astype(int), 0, count - 2)]
        away |= (gap > MISSING_GAP * usual) & (off * gap > usual / 2)
    steep = ~away & (span > FLAT)
    between = ~away & ~steep & (off > ON_SLICE)
    notes.add("contour-off-slices", "are more than half a slice step away from every slice", "left out",
              int(away.sum()))
    notes.add("contour-not-parallel", "are not parallel to the slices of the image", "left out", int(steep.sum()))
    notes.add("contour-between-slices", "lie between slices", "placed on the nearest slice", int(between.sum()))
    slices[away | steep] = -1
    return slices


def _one_plane_a_slice(slices: NDArray[np.intp], depth: Floats, notes: _Notes) -> None:
    off = np.abs(depth - slices)
    for k in np.unique(slices[slices >= 0]):
        mine = np.flatnonzero(slices == k)
        nearest = depth[mine[np.argmin(off[mine])]]
        far = mine[np.abs(depth[mine] - nearest) > SAME_PLANE]
        notes.add("contour-planes-share-a-slice", "lie in a second plane of the same slice",
                  "left out; the plane nearest to the slice is used", len(far))
        slices[far] = -1


def _no_twins(slices: NDArray[np.intp], polygons: list[Floats], types: list[str], notes: _Notes) -> None:
    """Leave out exact copies: by even-odd they would erase each other."""
    seen: set[tuple[int, bytes]] = set()
    crowded = np.flatnonzero(np.bincount(slices[slices >= 0], minlength=1) > 1)
    for n in np.flatnonzero(np.isin(slices, crowded)):
        if types[n].endswith("XOR"):
            continue
        points = np.round(polygons[n] / SAME_POINT).astype(np.int64)
        key = (int(slices[n]), np.unique(points, axis=0).tobytes())
        if key in seen:
            notes.add("contour-duplicate", "are stored twice", "one copy is used")
            slices[n] = -1
        seen.add(key)


def _in_picture(slices: NDArray[np.intp], polygons: list[Floats], geometry: Geometry, notes: _Notes) -> None:
    limit = np.array(geometry.shape[1:]) - 0.5
    low, high = (np.array([f(p, axis=0) for p in polygons]) for f in (np.min, np.max))
    away = (slices >= 0) & ((high <= -0.5) | (low >= limit)).any(axis=1)
    over = (slices >= 0) & ~away & ((low < -0.5 - EDGE_ATOL) | (high > limit + EDGE_ATOL)).any(axis=1)
    notes.add("contour-outside-image", "lie outside the image", "left out", int(away.sum()))
    notes.add("contour-leaves-image", "reach over the border of the image", "cut at the border", int(over.sum()))
    slices[away] = -1
