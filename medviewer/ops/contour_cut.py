"""Contours on any plane, for the screen.

On planes parallel to the contours they are drawn as stored. Any other plane cuts the solid that the contours stand
for: each contour is a slab that reaches half way to its neighbours (half a step beyond the last one and where
contours are missing). The cut is found edge by edge for all structures at once: the slabs' side walls are cut as
parallelograms; between two slabs a line appears only where one of them does not cover the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medviewer.core.contours import Contour, ContourSegment, ContourSet
from medviewer.ops.reslice import Plane

Floats = NDArray[np.float64]
Lines = list[Floats]  # polylines (N, 2), mm on the plane; closed ones end with their first point

PARALLEL_COS = 0.9999  # a plane this parallel to the contours shows them as stored
SAME_NORMAL_COS = 0.999
SAME_DEPTH_MM = 1e-2
MISSING_GAP = 1.5  # gaps this many times the usual step have contours missing in them
LONE_STEP_MM = 1.0  # thickness of a single contour, where nothing tells the step
JOIN_MM = 1e-4  # ends of pieces nearer than this are one point


def outlines_on_slice(segment: ContourSegment, plane: Plane, tolerance_mm: float) -> Lines:
    """Return the contours of one segment that lie in a plane, as stored.

    Parameters
    ----------
    tolerance_mm : float
        Largest distance of any of a contour's points from the plane.
    """
    return [_line(c, plane) for c in segment.contours
            if len(c.points_lps) and np.abs(plane.distance_mm(c.points_lps)).max() <= tolerance_mm]


class ContourCutter:
    """Contours of a structure set, prepared for quick cuts.

    Parameters
    ----------
    contours : ContourSet
    """

    def __init__(self, contours: ContourSet) -> None:
        normals = {n: _normal(c.points_lps) for s in contours.segments for n, c in _closed(s)}
        groups = _by_normal([v for v in normals.values() if v is not None])
        self._stacks = [stack for normal in groups
                        if (stack := _Stack.of(contours.segments, normal, first=normal is groups[0])) is not None]
        self._open = [(s.number, c) for s in contours.segments for c in s.contours
                      if not c.is_closed and len(c.points_lps)]
        self._numbers = [s.number for s in contours.segments]
        self._step = self._stacks[0].step if self._stacks else LONE_STEP_MM

    def cut(self, plane: Plane) -> dict[int, Lines]:
        """Return the lines of every segment on a plane, by segment number; segments without lines are left out.

        Returns
        -------
        dict of int to list of ndarray, shape (N, 2)
            Polylines in mm along ``plane.right`` and ``plane.down`` (see `Plane.to_mm`); a closed outline ends with
            its first point, one point alone is a mark.
        """
        found: dict[int, Lines] = {}
        for stack in self._stacks:
            for number, lines in stack.cut(plane).items():
                found.setdefault(number, []).extend(lines)
        for number, contour in self._open:
            if np.abs(plane.distance_mm(contour.points_lps)).max() <= self._step / 2:
                found.setdefault(number, []).append(_line(contour, plane))
        return {n: found[n] for n in dict.fromkeys(self._numbers) if n in found}


def _closed(segment: ContourSegment) -> list[tuple[tuple[int, int], Contour]]:
    return [((id(segment), n), c) for n, c in enumerate(segment.contours)
            if c.is_closed and np.isfinite(c.points_lps).all()]


def _line(contour: Contour, plane: Plane) -> Floats:
    points = plane.to_mm(contour.points_lps)
    return np.concatenate([points, points[:1]]) if contour.is_closed else points


def _normal(points: Floats) -> Floats | None:
    """Area vector of a polygon (Newell), as a direction up to sign; its length is the area."""
    p = points - points[0]
    vector = np.cross(p, np.roll(p, -1, axis=0)).sum(axis=0) / 2
    return vector if np.linalg.norm(vector) > 1e-9 else None


def _by_normal(vectors: list[Floats]) -> list[Floats]:
    """Directions of the planes contours lie in, unit vectors, the one with most area first."""
    found: list[tuple[Floats, float]] = []
    for vector in vectors:
        area = float(np.linalg.norm(vector))
        for n, (unit, sum_) in enumerate(found):
            if abs(float(unit @ vector)) > SAME_NORMAL_COS * area:
                found[n] = (unit, sum_ + area)
                break
        else:
            axis = int(np.argmax(np.abs(vector)))
            found.append((vector / area * np.sign(vector[axis]), area))
    return [unit for unit, _ in sorted(found, key=lambda entry: -entry[1])]


@dataclass(frozen=True, eq=False)
class _Stack:
    """All contours of one direction: points of all, and the slab of each.

    points : (N, 3); owner : contour of each point; starts, last : first and last point of each contour
    low, high : (C,) slab of each contour, mm from its plane along the normal
    floor, roof : (C,) number of the slab's lower and upper border, shared by neighbours of one segment
    """

    normal: Floats
    step: float
    points: Floats
    last: NDArray[np.intp]
    owner: NDArray[np.intp]
    starts: NDArray[np.intp]
    depth: Floats
    low: Floats
    high: Floats
    floor: NDArray[np.intp]
    roof: NDArray[np.intp]
    number: NDArray[np.intp]

    @classmethod
    def of(cls, segments: Sequence[ContourSegment], normal: Floats, *, first: bool) -> _Stack | None:
        """Collect the contours perpendicular to `normal`; the first stack also takes those without a direction."""
        groups = []
        for segment in segments:
            mine = [c.points_lps for _, c in _closed(segment) if _belongs(c.points_lps, normal, first)]
            if mine:
                groups.append((segment.number, mine))
        if not groups:
            return None
        depths = [np.array([float((p @ normal).mean()) for p in mine]) for _, mine in groups]
        step = _usual_step(depths)
        slabs = [_slabs(d, step) for d in depths]
        borders = np.cumsum([0] + [s[4] for s in slabs])[:-1]
        every = [p for _, mine in groups for p in mine]
        counts = np.array([len(p) for p in every])
        starts = np.cumsum(counts) - counts
        return cls(normal, step, np.concatenate(every), starts + counts - 1, np.repeat(np.arange(len(every)), counts),
                   starts,
                   np.concatenate(depths), np.concatenate([s[0] for s in slabs]), np.concatenate([s[1] for s in slabs]),
                   np.concatenate([s[2] + b for s, b in zip(slabs, borders, strict=True)]),
                   np.concatenate([s[3] + b for s, b in zip(slabs, borders, strict=True)]),
                   np.repeat([n for n, _ in groups], [len(mine) for _, mine in groups]))

    def cut(self, plane: Plane) -> dict[int, Lines]:
        """Return the lines of each segment on a plane."""
        view = plane.normal
        slope = float(view @ self.normal)
        if abs(slope) > PARALLEL_COS:
            return self._in_plane(plane)
        return self._across(plane, slope)

    def _in_plane(self, plane: Plane) -> dict[int, Lines]:
        away = float(plane.point_lps @ self.normal) - self.depth
        found: dict[int, Lines] = {}
        for n in np.flatnonzero((away >= self.low) & (away < self.high)):
            points = plane.to_mm(self.points[self.starts[n]:self.last[n] + 1])
            found.setdefault(int(self.number[n]), []).append(np.concatenate([points, points[:1]]))
        return found

    def _across(self, plane: Plane, slope: float) -> dict[int, Lines]:
        f = self.points @ plane.normal - float(plane.point_lps @ plane.normal)
        g = np.empty_like(f)  # the same at the other end of each edge
        g[:-1] = f[1:]
        g[self.last] = f[self.starts]
        bounds = np.sort(np.stack([-self.low * slope, -self.high * slope]), axis=0)
        # most edges are far away: a rough test on all, the exact one on the rest
        edges = np.flatnonzero((np.minimum(f, g) <= bounds[1].max()) & (np.maximum(f, g) >= bounds[0].min()))
        owner, a, b = self.owner[edges], f[edges], g[edges]
        hit = (np.minimum(a, b) <= bounds[1][owner]) & (np.maximum(a, b) >= bounds[0][owner]) & (a != b)
        edges, owner, a, b = edges[hit], owner[hit], a[hit], b[hit]
        if not len(edges):
            return {}
        start = plane.to_mm(self.points[edges])
        ends = np.where(edges == self.last[owner], self.starts[owner], edges + 1)
        way = plane.to_mm(self.points[ends]) - start
        lift = plane.to_mm(self.normal)
        walls = self._walls(start, way, lift, owner, a, b, slope)
        caps, cap_owner = self._caps(start, way, lift, owner, a, b, slope)
        pieces = np.concatenate([walls, caps])
        numbers = self.number[np.concatenate([owner, cap_owner])]
        long = np.abs(pieces[:, 0] - pieces[:, 1]).max(axis=1) > JOIN_MM
        pieces, numbers = pieces[long], numbers[long]
        return {int(n): _joined(pieces[numbers == n]) for n in np.unique(numbers)}

    def _walls(self, start: Floats, way: Floats, lift: Floats, owner: NDArray[np.intp], a: Floats, b: Floats,
               slope: float) -> Floats:
        """Cut the side walls: from each edge one piece (E, 2, 2)."""
        ends = []
        for height in (self.low[owner], self.high[owner]):
            s = np.clip((-height * slope - a) / (b - a), 0.0, 1.0)
            rise = height if abs(slope) < 1e-9 else np.clip(-(a + s * (b - a)) / slope, self.low[owner],
                                                            self.high[owner])
            ends.append(start + s[:, None] * way + rise[:, None] * lift)
        return np.stack(ends, axis=1)

    def _caps(self, start: Floats, way: Floats, lift: Floats, owner: NDArray[np.intp], a: Floats, b: Floats,
              slope: float) -> tuple[Floats, NDArray[np.intp]]:
        """Cut the slabs' borders: pieces where exactly one of the two slabs is, and their contours."""
        points, borders, owners = [], [], []
        for height, border in ((self.low, self.floor), (self.high, self.roof)):
            t = height[owner]
            cross = (a + t * slope >= 0) != (b + t * slope >= 0)
            s = -((a + t * slope)[cross]) / (b - a)[cross]
            points.append(start[cross] + s[:, None] * way[cross] + t[cross, None] * lift)
            borders.append(border[owner[cross]])
            owners.append(owner[cross])
        place, border, contour = np.concatenate(points), np.concatenate(borders), np.concatenate(owners)
        along = place @ np.array([-lift[1], lift[0]])
        order = np.lexsort((along, border))
        place, contour = place[order], contour[order]
        return np.stack([place[0::2], place[1::2]], axis=1), contour[0::2]


def _belongs(points: Floats, normal: Floats, first: bool) -> bool:
    vector = _normal(points)
    if vector is None:
        return first
    return abs(float(vector @ normal)) > SAME_NORMAL_COS * float(np.linalg.norm(vector))


def _usual_step(depths: list[Floats]) -> float:
    gaps = np.concatenate([np.diff(np.unique(np.round(d / SAME_DEPTH_MM))) for d in depths]) * SAME_DEPTH_MM
    return float(np.median(gaps)) if len(gaps) else LONE_STEP_MM


def _slabs(depth: Floats, step: float) -> tuple[Floats, Floats, NDArray[np.intp], NDArray[np.intp], int]:
    """Slab of each contour of a segment (low, high), the numbers of its borders, and how many borders there are."""
    levels, level = np.unique(np.round(depth / SAME_DEPTH_MM), return_inverse=True)
    middle = levels * SAME_DEPTH_MM
    gaps = np.diff(middle)
    joined = gaps <= MISSING_GAP * step
    half = np.where(joined, gaps / 2, step / 2)
    low = np.concatenate([[step / 2], half])
    high = np.concatenate([half, [step / 2]])
    # border n lies below level n; a gap has a roof and a floor of its own
    floor = np.arange(len(levels)) * 2
    roof = np.where(np.append(joined, False), floor + 2, floor + 1)
    shift = middle[level] - depth
    return shift - low[level], shift + high[level], floor[level], roof[level], 2 * len(levels) + 1


def _joined(pieces: Floats) -> Lines:
    """Join pieces (M, 2, 2) with common ends into polylines."""
    ends = np.round(pieces.reshape(-1, 2) / JOIN_MM).astype(np.int64)
    _, index, node = np.unique(ends[:, 0] * (1 << 32) + ends[:, 1], return_index=True, return_inverse=True)
    points = pieces.reshape(-1, 2)[index]
    # ends sorted by point: two ends in a row at one point are linked
    order = np.argsort(node, kind="stable")
    first = np.searchsorted(node[order], np.arange(len(index)))
    counts = np.diff(np.append(first, len(order)))
    rank = np.arange(len(order)) - first[node[order]]
    linked = (rank % 2 == 0) & (rank + 1 < counts[node[order]])
    partner = np.full(len(order), -1)
    here = np.flatnonzero(linked)
    partner[order[here]], partner[order[here + 1]] = order[here + 1], order[here]
    return _walk(partner.tolist(), node.tolist(), points)


def _walk(partner: list[int], node: list[int], points: Floats) -> Lines:
    """Follow linked ends: open lines from their loose ends first, then closed ones."""
    done = bytearray(len(partner) // 2)
    lines = []
    for begin in [e for e, p in enumerate(partner) if p < 0] + list(range(0, len(partner), 2)):
        if done[begin >> 1]:
            continue
        path, end = [node[begin]], begin
        while end >= 0 and not done[end >> 1]:
            done[end >> 1] = 1
            end ^= 1
            path.append(node[end])
            end = partner[end]
        lines.append(points[path])
    return lines
