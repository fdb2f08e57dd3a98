"""How well two masks agree: overlap, distances of their surfaces and volumes, per label and per slice.

Surface: the centres of the voxels of a mask that have a face neighbour outside it; beyond the border of the grid all is
outside, and a grid of one slice is flat (its neighbours along the slice axis are not asked). In a slice, the four
neighbours in the plane count. This is the surface of MONAI and MedPy, and that of SimpleITK's LabelContour (not fully
connected) but at the border of the grid. Distances are between positions in the patient, so oblique, sheared and uneven
grids are measured right.

- Hausdorff distance: the larger of the two directed maxima.
- HD95: the larger of the two directed 95th percentiles, interpolated linearly.
- Mean surface distance: mean over the surface voxels of both masks together (ASSD).

If both masks are empty they agree: Dice and IoU are 1. If one is empty Dice and IoU are 0. In both cases there are no
distances (None).

References
----------
Maier-Hein, Reinke et al., Metrics reloaded, Nature Methods 2024 (definitions of DSC, IoU, HD, HD95 and ASSD).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.core.study import Report
from medviewer.ops.label_grid import fit_labels, slice_volumes_mm3, widen
from medviewer.ops.label_match import Match, Pair, match_segments
from medviewer.ops.label_surface import PERCENT, BySlice, Floats, Ints, Near, Surfaces, distances_between


@dataclass(frozen=True, slots=True)
class Agreement:
    """Overlap and surface distances of two masks; distances are None where a mask is empty."""

    dice: float
    iou: float
    hausdorff_mm: float | None = None
    hd95_mm: float | None = None
    msd_mm: float | None = None


@dataclass(frozen=True, slots=True)
class LabelComparison:
    """One structure of two label maps.

    key : label value in the first map as text, unique in the comparison; ``b2`` for a value of the second alone
    value_a, value_b : None where a map has no such segment
    volume_a_ml, volume_b_ml : each on the grid of its own map
    voxels_a, voxels_b, voxels_both : on the common grid
    """

    key: str
    name: str
    value_a: int | None
    value_b: int | None
    agreement: Agreement
    volume_a_ml: float
    volume_b_ml: float
    voxels_a: int
    voxels_b: int
    voxels_both: int


@dataclass(frozen=True, slots=True)
class SliceComparison:
    """One structure in one slice of the first map (`slice` lies outside 0...K-1 where only the second reaches)."""

    slice: int
    key: str
    agreement: Agreement
    area_a_mm2: float
    area_b_mm2: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two label maps compared.

    slices : those that hold the structure in at least one map, by label, then in order
    notes : how the grids and the names differ
    """

    labels: tuple[LabelComparison, ...]
    slices: tuple[SliceComparison, ...]
    notes: tuple[Report, ...] = ()


def compare(a: LabelMap, b: LabelMap, *, match: Match = "auto", job: Job | None = None) -> Comparison:
    """Compare two label maps of any origin.

    Parameters
    ----------
    a, b : LabelMap
        If their grids differ, `b` is put on the grid of `a` by the nearest voxel, and a note says so.
    match : {"auto", "name", "value"}
        Which segments belong together; see `match_segments`.

    Returns
    -------
    Comparison
        Segments without a partner are compared with an empty mask.
    """
    job = job or Job()
    pairs, notes = match_segments(a, b, match)
    own_b = _volumes_ml(b)
    own_a = _volumes_ml(a)
    fitted = fit_labels(b, a.geometry, grow=True, job=job.part(0.0, 0.2))
    b = fitted.labels
    a = widen(a, b.geometry, fitted.start)
    work = _Work(a, b, pairs, job.part(0.2, 0.5))
    labels: list[LabelComparison] = []
    slices: list[SliceComparison] = []
    for n, pair in enumerate(job.part(0.5, 1.0).each(pairs, "Comparing")):
        counts = work.counts[:, n].sum(axis=0)
        distances = work.distances(n)
        labels.append(LabelComparison(
            pair.key, pair.name, pair.a.value if pair.a else None, pair.b.value if pair.b else None,
            _agreement(counts, distances), own_a[pair.a.layer, pair.a.value] if pair.a else 0.0,
            own_b[pair.b.layer, pair.b.value] if pair.b else 0.0, *(int(c) for c in counts)))
        slices += [replace(s, slice=s.slice + fitted.start[0]) for s in work.slices(n)]
    return Comparison(tuple(labels), tuple(slices), (*notes, *fitted.notes))


def compare_masks(a: NDArray[np.bool_], b: NDArray[np.bool_], geometry: Geometry) -> Agreement:
    """Compare two boolean masks (K, J, I) on one grid."""
    maps = (LabelMap.from_array(np.asarray(m, bool), geometry) for m in (a, b))
    rows = compare(*maps, match="value").labels
    return rows[0].agreement if rows else Agreement(1.0, 1.0)


def _agreement(counts: Ints, distances: tuple[Floats, Floats] | None) -> Agreement:
    dice, iou = _overlap(*(int(c) for c in counts))
    if distances is None:
        return Agreement(dice, iou)
    there, back = distances
    mean = (there.sum() + back.sum()) / (len(there) + len(back))
    high, most = (max(float(f(there)), float(f(back))) for f in (_percentile, np.max))
    return Agreement(dice, iou, most, high, float(mean))


def _percentile(values: Floats) -> float:
    return float(np.percentile(values, PERCENT))


def _overlap(a: int, b: int, both: int) -> tuple[float, float]:
    if a + b == 0:
        return 1.0, 1.0
    return 2 * both / (a + b), both / (a + b - both)


def _volumes_ml(labels: LabelMap) -> dict[tuple[int, int], float]:
    """Volume of each segment by (layer, value)."""
    each = slice_volumes_mm3(labels.geometry) / 1000
    found: dict[tuple[int, int], float] = {}
    for n, layer in enumerate(labels.layers):
        values = [s.value for s in labels.segments if s.layer == n]
        if not values:
            continue
        table = _table(layer, values)
        totals = np.zeros(len(values) + 1)
        for k in range(layer.shape[0]):
            totals += each[k] * np.bincount(_present(table[layer[k]]), minlength=len(values) + 1)
        found |= {(n, value): float(totals[i]) for i, value in enumerate(values, start=1)}
    return found


def _present(numbers: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
    return numbers[numbers > 0]


def _table(layer: NDArray[np.unsignedinteger], values: list[int]) -> NDArray[np.uint16]:
    """Table from label value to 1, 2, ... in the order of `values`, 0 for all others."""
    table = np.zeros(max(int(layer.max(initial=0)), *values) + 1, np.uint16)
    table[values] = np.arange(1, len(values) + 1)
    return table


class _Work:
    """Counts and surfaces of all pairs, found in one pass over the slices; distances are worked out on demand.

    counts : (K, pairs, 3) voxels of a, of b and of both
    """

    def __init__(self, a: LabelMap, b: LabelMap, pairs: list[Pair], job: Job) -> None:
        self._geometry = a.geometry
        self._pairs = pairs
        self.counts: Ints = np.zeros((a.geometry.shape[0], len(pairs), 3), np.intp)
        self._count(a, b, job)
        matrix = a.geometry.affine[:3, :3]
        # steps across uneven slices have no one length
        self._near = Near.make(matrix, (0, 1, 2) if a.geometry.is_even else ())
        self._near_flat = Near.make(matrix, (1, 2))
        self._surfaces = tuple(Surfaces.find(labels, job) for labels in (a, b))

    def _count(self, a: LabelMap, b: LabelMap, job: Job) -> None:
        sides = []
        for labels, side in ((a, "a"), (b, "b")):
            tables = []
            for n, layer in enumerate(labels.layers):
                table = np.zeros(int(layer.max(initial=0)) + 1, np.uint16)
                for number, pair in enumerate(self._pairs, start=1):
                    segment = getattr(pair, side)
                    if segment is not None and segment.layer == n and segment.value < len(table):
                        table[segment.value] = number
                tables.append(table)
            sides.append((labels, tables))
        size = len(self._pairs) + 1
        for k in job.each(range(len(self.counts)), "Counting"):
            planes = [[table[layer[k]] for layer, table in zip(labels.layers, tables, strict=True)]
                      for labels, tables in sides]
            for number, numbers in enumerate(planes):
                for plane in numbers:
                    self.counts[k, :, number] += np.bincount(_present(plane), minlength=size)[1:]
            for one in planes[0]:
                for other in planes[1]:
                    self.counts[k, :, 2] += np.bincount(_present(one[one == other]), minlength=size)[1:]

    def distances(self, n: int) -> tuple[Floats, Floats] | None:
        """Distances of the surface voxels of each mask to the surface of the other, mm."""
        a, b = self._points(n, flat=False)
        if not len(a) or not len(b):
            return None
        return distances_between(a, b, self._geometry.shape, self._near, self._positions)

    def slices(self, n: int) -> Iterator[SliceComparison]:
        """Compare the outlines slice by slice."""
        counts = self.counts[:, n]
        used = np.flatnonzero(counts[:, :2].any(axis=1))
        both = counts[:, 0].astype(bool) & counts[:, 1].astype(bool)
        a, b = self._points(n, flat=True)
        plane = self._geometry.shape[1] * self._geometry.shape[2]
        a, b = a[both[a // plane]], b[both[b // plane]]
        distances = (np.zeros(0), np.zeros(0))
        if len(a):
            distances = distances_between(a, b, self._geometry.shape, self._near_flat, self._positions_apart)
        sides = [BySlice.make(points // plane, d, len(counts)) for points, d in zip((a, b), distances, strict=True)]
        area = float(np.linalg.norm(np.cross(self._geometry.affine[:3, 1], self._geometry.affine[:3, 2])))
        there, back = sides
        for k in used:
            dice, iou = _overlap(*(int(c) for c in counts[k]))
            agreement = Agreement(dice, iou)
            if both[k]:
                total = there.total[k] + back.total[k]
                agreement = Agreement(dice, iou, float(max(there.most[k], back.most[k])),
                                      float(max(there.high[k], back.high[k])),
                                      float(total / (there.count[k] + back.count[k])))
            yield SliceComparison(int(k), self._pairs[n].key, agreement, float(counts[k, 0] * area),
                                  float(counts[k, 1] * area))

    def _points(self, n: int, *, flat: bool) -> tuple[Ints, Ints]:
        pair = self._pairs[n]
        a, b = (s.of(segment.layer, segment.value, flat=flat) if segment is not None else np.zeros(0, np.intp)
                for s, segment in zip(self._surfaces, (pair.a, pair.b), strict=True))
        return a, b

    def _positions(self, points: Ints) -> Floats:
        return self._geometry.to_lps(np.column_stack(np.unravel_index(points, self._geometry.shape)))

    def _positions_apart(self, points: Ints) -> Floats:
        """Positions with the slices so far apart that the nearest point always lies in the same slice."""
        k, j, i = np.unravel_index(points, self._geometry.shape)
        rows, columns = self._geometry.affine[:3, 1], self._geometry.affine[:3, 2]
        reach = self._geometry.shape[1] * np.linalg.norm(rows) + self._geometry.shape[2] * np.linalg.norm(columns)
        return np.asarray(j[:, None] * rows + i[:, None] * columns + (2 * reach * k)[:, None]
                          * self._geometry.slice_normal)
