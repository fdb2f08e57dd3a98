"""Polygon filling on many planes at once, without a loop over polygons.

All planes are laid out in one tall picture (plane p begins at row ``p * H``), so a structure of 300 slices costs
as many numpy calls as one slice. Coordinates are voxel-centre (row, column); they are rounded to 2**-20 of a
voxel, far below any drawing precision: what lies on a voxel centre but for rounding of decimal text then lies
on it exactly, and adding the plane offset is exact.

`fill_centres` is the even-odd rule at voxel centres with half-open ties: a centre on an upper or left edge is
inside, on a lower or right edge outside, so neighbours that share an edge never overlap and leave no gap.
`cover` is the exact area of the even-odd interior in the voxels that edges run through (the others are inside or
outside as their centres are): edges are cut into pieces that do not cross within a thin band of rows; sorted along
the row, the pieces enter and leave the interior in turn, and each adds its trapezoid. Self-crossing outlines,
key-holes and nested contours need no special case.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SNAP = 2.0**20
CROSSING_ATOL = 1e-7  # voxels; edges that swap sides by less count as touching
MAX_CROSSING_ROUNDS = 64
WHOLE_ATOL = 1e-9  # far above the rounding of the sums, far below any area that matters


@dataclass(frozen=True, eq=False)
class Outlines:
    """Edges of closed polygons, and the box of voxels to fill.

    a, b : (E, 2) ends of each edge, (row, column) relative to the box's outer corner, a above b; horizontal edges
        are left out
    plane : (E,) plane of each edge
    shape : (planes, rows, columns) of the box
    start : (row, column) of the box in the grid
    """

    a: Floats
    b: Floats
    plane: NDArray[np.intp]
    shape: tuple[int, int, int]
    start: tuple[int, int]


def snap(points: Floats) -> Floats:
    """Round voxel coordinates to the grid on which all sums here are exact."""
    return np.round(np.asarray(points, float) * SNAP) / SNAP


def areas(polygons: list[Floats]) -> Floats:
    """Return the area inside each polygon (N, 2), N > 0, by the shoelace formula."""
    counts = np.array([len(p) for p in polygons])
    starts = np.cumsum(counts) - counts
    points = np.concatenate(polygons) - np.repeat(np.array([p[0] for p in polygons]), counts, axis=0)
    ends = _following(points, counts)
    return np.asarray(np.abs(np.add.reduceat(points[:, 1] * ends[:, 0] - ends[:, 1] * points[:, 0], starts)) / 2)


def _following(points: Floats, counts: NDArray[np.intp]) -> Floats:
    """Return the point after each one, the first after the last, of closed polygons with so many points each."""
    following = np.empty_like(points)
    stops = np.cumsum(counts)
    following[:-1], following[stops - 1] = points[1:], points[stops - counts]
    return following


def outlines(polygons: list[Floats], planes: NDArray[np.intp], count: int, grid: tuple[int, int]) -> Outlines | None:
    """Collect the edges of polygons (N, 2), each on one of `count` planes, inside a grid of (J, I) voxels.

    Returns
    -------
    Outlines, or None
        None if nothing of the polygons lies inside the grid.
    """
    kept = [n for n, p in enumerate(polygons) if len(p) >= 3]
    if not kept:
        return None
    counts = np.array([len(polygons[n]) for n in kept])
    start = snap(np.concatenate([polygons[n] for n in kept]))
    stop = _following(start, counts)
    plane = np.repeat(np.asarray(planes)[kept], counts)
    low = np.floor(start.min(axis=0) + 0.5)
    high = np.floor(start.max(axis=0) + 0.5) + 1
    if (low >= grid).any() or (high <= 0).any():
        return None
    low, high = np.maximum(low, 0).astype(int), np.minimum(high, grid).astype(int)
    down = start[:, :1] < stop[:, :1]
    a, b = np.where(down, start, stop), np.where(down, stop, start)
    sloped = a[:, 0] < b[:, 0]
    rows, columns = (high - low).tolist()
    # half a voxel more, so that voxel n covers [n, n + 1)
    return Outlines(a[sloped] - low + 0.5, b[sloped] - low + 0.5, plane[sloped], (count, rows, columns),
                    (int(low[0]), int(low[1])))


def _clipped(lines: Outlines) -> tuple[Floats, Floats, Floats, Floats]:
    """Cut edges at the border of the box, lay all planes out in one tall picture: r0, c0, r1, c1.

    What lies beside the box is moved onto its border, so that every row keeps an even number of edges.
    """
    a, b, plane, limit = lines.a, lines.b, lines.plane, np.array(lines.shape[1:], float)
    if len(a) and (min(a.min(), b.min()) < 0 or (a > limit).any() or (b > limit).any()):
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            cuts = np.concatenate([-a / (b - a), (limit - a) / (b - a)], axis=1)
        cuts = np.sort(np.clip(np.nan_to_num(cuts, nan=0.0, posinf=1.0, neginf=0.0), 0, 1), axis=1)
        t = np.concatenate([np.zeros((len(a), 1)), cuts, np.ones((len(a), 1))], axis=1)
        points = a[:, None] + t[..., None] * (b - a)[:, None]
        points[:, -1] = b
        rows = (points[:, :-1, 0] + points[:, 1:, 0]) / 2
        inside = (rows >= 0) & (rows <= limit[0])
        points = snap(np.clip(points, 0, limit))
        a, b = points[:, :-1][inside], points[:, 1:][inside]
        plane = np.broadcast_to(plane[:, None], inside.shape)[inside]
        sloped = a[:, 0] < b[:, 0]
        a, b, plane = a[sloped], b[sloped], plane[sloped]
    shift = plane * float(lines.shape[1] + 1)  # a row between planes keeps them apart
    return a[:, 0] + shift, a[:, 1], b[:, 0] + shift, b[:, 1]


def _spread(counts: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For counts (2, 0, 3) return the owners (0, 0, 2, 2, 2) and the places (0, 1, 0, 1, 2)."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def fill_centres(lines: Outlines) -> NDArray[np.bool_]:
    """Return the voxels whose centre is inside by the even-odd rule, bool (planes, rows, columns)."""
    planes, rows, columns = lines.shape
    a, b = lines.a, lines.b
    # centres lie at n + 0.5: rows n with a <= n + 0.5 < b
    first = np.clip(np.ceil(a[:, 0] - 0.5), 0, rows).astype(np.intp)
    owner, place = _spread(np.clip(np.ceil(b[:, 0] - 0.5), 0, rows).astype(np.intp) - first)
    row = first[owner] + place
    slope = (b[:, 1] - a[:, 1]) / (b[:, 0] - a[:, 0])
    x = a[owner, 1] + (row + 0.5 - a[owner, 0]) * slope[owner]
    column = np.clip(np.ceil(np.round(x * SNAP) / SNAP - 0.5), 0, columns).astype(np.intp)
    # every row has an even number of crossings: sorted positions switch between out and in
    turns = np.sort((lines.plane[owner] * rows + row) * columns + column)
    ends = np.concatenate([[0], turns, [planes * rows * columns]])
    flat = np.repeat(np.arange(len(turns) + 1) % 2 == 1, np.diff(ends))
    return np.asarray(flat.reshape(lines.shape))


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Edges cut at the bands' borders, sorted along each band; `sign` is +1 where the interior begins."""

    top: Floats
    bottom: Floats
    height: Floats
    row: NDArray[np.intp]
    sign: Floats


def _cut_into_bands(edges: tuple[Floats, Floats, Floats, Floats], borders: Floats) -> tuple[_Pieces, Floats]:
    """Cut edges at `borders`; also returns the rows at which pieces of one band still cross."""
    r0, c0, r1, c1 = edges
    first = np.searchsorted(borders, r0)
    owner, place = _spread(np.searchsorted(borders, r1) - first)
    band = first[owner] + place
    slope = ((c1 - c0) / (r1 - r0))[owner]
    top = c0[owner] + (borders[band] - r0[owner]) * slope
    bottom = c0[owner] + (borders[band + 1] - r0[owner]) * slope
    order = np.lexsort((top + bottom, band))
    band, top, bottom = band[order], top[order], bottom[order]
    same = band[1:] == band[:-1]
    over, under = top[:-1] - top[1:], bottom[:-1] - bottom[1:]
    cross = same & ((over > CROSSING_ATOL) | (under > CROSSING_ATOL)) & (over * under < 0)
    height = borders[band + 1] - borders[band]
    rows = borders[band[:-1]][cross] + (over / np.where(cross, over - under, 1.0) * height[:-1])[cross]
    starts = np.flatnonzero(np.concatenate([[True], ~same]))
    rank = np.arange(len(band)) - np.repeat(starts, np.diff(np.append(starts, len(band))))
    middle = np.floor((borders[band] + borders[band + 1]) / 2).astype(np.intp)
    return _Pieces(top, bottom, height, middle, np.where(rank % 2, -1.0, 1.0)), rows


def _pieces(edges: tuple[Floats, Floats, Floats, Floats]) -> _Pieces:
    r0, _, r1, _ = edges
    rows_of_voxels = np.arange(np.floor(r0.min()), np.ceil(r1.max()) + 1)
    borders = np.unique(np.concatenate([r0, r1, rows_of_voxels]))
    pieces, rows = _cut_into_bands(edges, borders)
    for _ in range(MAX_CROSSING_ROUNDS):
        more = np.union1d(borders, rows)
        if not len(rows) or len(more) == len(borders):
            break
        borders = more
        pieces, rows = _cut_into_bands(edges, borders)
    return pieces


@dataclass(frozen=True, eq=False)
class Cells:
    """Voxels that an outline runs through, with their covered area; all others are covered wholly or not at all.

    index : (N,) flat index into (planes, rows, columns), increasing
    area : (N,) 0...1
    """

    index: NDArray[np.intp]
    area: Floats

    def at(self, index: int, otherwise: bool) -> float:
        """Return the covered area of one voxel; `otherwise` tells where no outline runs through it."""
        n = int(np.searchsorted(self.index, index))
        return float(self.area[n]) if n < len(self.index) and self.index[n] == index else float(otherwise)


def _with_gaps(keys: NDArray[np.intp], area: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Add the voxels under a horizontal edge: no other edge runs through them, but they are covered in part."""
    gaps = np.diff(keys, append=keys[-1] + 1) - 1
    gaps[(area < WHOLE_ATOL) | (area > 1 - WHOLE_ATOL)] = 0
    owner, place = _spread(gaps)
    if not len(owner):
        return keys, area
    every = np.concatenate([keys, keys[owner] + place + 1])
    order = np.argsort(every, kind="stable")
    return every[order], np.concatenate([area, area[owner]])[order]


def cover(lines: Outlines) -> Cells:
    """Return the covered area of the voxels that outlines run through."""
    planes, rows, columns = lines.shape
    edges = _clipped(lines)
    if not len(edges[0]):
        return Cells(np.zeros(0, np.intp), np.zeros(0))
    p = _pieces(edges)
    # interpolation may end a hair outside the box
    left, right = (np.clip(f(p.top, p.bottom), 0.0, columns) for f in (np.minimum, np.maximum))
    first = np.floor(left).astype(np.intp)
    owner, place = _spread(np.maximum(np.ceil(right).astype(np.intp) - first, 1))
    cell = first[owner] + place
    a, b = np.maximum(left[owner], cell), np.minimum(right[owner], cell + 1)
    width = (right - left)[owner]
    share = np.where(width > 0, (b - a) / np.where(width > 0, width, 1.0), 1.0)
    weight = p.sign[owner] * p.height[owner] * share
    beside = weight * ((a + b) / 2 - cell)  # what the piece leaves free in its own voxel
    stride = columns + 2
    flat = p.row[owner] * stride + cell
    # what enters at a voxel reaches all those after it in its row: sums along the row, of the voxels met alone
    keys = np.concatenate([flat, flat + 1])
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    area = np.cumsum(np.add.reduceat(np.concatenate([weight - beside, beside])[order], starts))
    keys, area = _with_gaps(keys[starts], area)
    tall, column = np.divmod(keys, stride)
    plane, row = np.divmod(tall, rows + 1)
    inside = (row < rows) & (column < columns) & (plane < planes)
    index = (plane * rows + row) * columns + column
    return Cells(index[inside], np.clip(area[inside], 0.0, 1.0))
