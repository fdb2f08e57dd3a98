"""Contours to masks.

`exact` sets the voxels at least half covered by the polygon. Voxels covered by one half within 0.05 (exact ties are
common, as outlines are often drawn on half voxels) are settled so that the number of voxels is the polygon's area: most
covered first, of equal ones those whose centre is inside by the half-open rule, the rest evenly along the outline. A
contour too small to cover half a voxel keeps the one it covers most. `pixel-centre` sets the voxels whose centre is
inside, `pillow` repeats ``ImageDraw.polygon(fill=1, outline=0)`` bit for bit (it loses the border voxels). Contours of
one segment in one slice combine by even-odd, so a contour inside another is a hole, however it is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medviewer.core.contours import ContourSegment, ContourSet
from medviewer.core.errors import ParamError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap, Segment
from medviewer.core.study import Report
from medviewer.ops import scanline
from medviewer.ops.contour_slices import Placed, place

Rule = Literal["exact", "pixel-centre", "pillow"]
RULES = ("exact", "pixel-centre", "pillow")
NEAR_TIE = 0.05  # coverage this close to one half is settled by the area of the polygon
HOLE_ATOL = 1e-5  # coverage a contour may lack in its slice without being a hole
SMALL_VOXELS = 4.0  # a contour with less area is checked for having left a voxel
CHUNK_VOXELS = 4_000_000  # slices are filled together up to this size of their common box
GOLDEN = 0.6180339887498949
HALF = 0.5 + 1e-9  # an area that ends on one half but for rounding is rounded up


@dataclass(frozen=True, eq=False)
class _Filled:
    """Masks of some slices inside their common box."""

    slices: NDArray[np.intp]
    start: tuple[int, int]
    masks: NDArray[np.bool_]


def rasterise_polygon(points_ji: ArrayLike, shape: tuple[int, int], rule: Rule = "exact") -> NDArray[np.bool_]:
    """Fill one polygon.

    Parameters
    ----------
    points_ji : (N, 2)
        Outline in (row, column) voxel-centre coordinates; closed by itself.
    shape : (J, I)
    rule : {"exact", "pixel-centre", "pillow"}

    Returns
    -------
    ndarray of bool, shape (J, I)

    Raises
    ------
    ParamError
        If the rule is unknown.
    """
    out = np.zeros(shape, bool)
    polygons = [p for p in (_points(points_ji),) if len(p) >= 3]
    for filled in _fill(polygons, np.zeros(len(polygons), np.intp), shape, rule):
        (j, i), (_, rows, columns) = filled.start, filled.masks.shape
        out[j:j + rows, i:i + columns] = filled.masks[0]
    return out


def coverage(points_ji: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return how much of every voxel a polygon covers (exact area, even-odd), float32 (J, I), 0...1."""
    out = np.zeros(shape, np.float32)
    lines = scanline.outlines([_points(points_ji)], np.zeros(1, np.intp), 1, shape)
    if lines is not None:
        (j, i), (_, rows, columns) = lines.start, lines.shape
        part = scanline.fill_centres(lines).astype(np.float32)
        cells = scanline.cover(lines)
        part.ravel()[cells.index] = cells.area
        out[j:j + rows, i:i + columns] = part[0]
    return out


def rasterise(contours: ContourSet | ContourSegment, geometry: Geometry, *, rule: Rule = "exact",
              segments: Sequence[str] | None = None, job: Job | None = None) -> tuple[LabelMap, list[Report]]:
    """Turn contours into a label map on a grid.

    Parameters
    ----------
    contours : ContourSet or ContourSegment
    geometry : Geometry
        Grid to fill; contours may lie on any of its slices, tilted and uneven grids included.
    rule : {"exact", "pixel-centre", "pillow"}
    segments : sequence of str, optional
        Names of the segments wanted; all by default.

    Returns
    -------
    labels : LabelMap
        Overlapping segments lie in different layers.
    reports : list of Report
        Contours that were left out, moved or otherwise odd.

    Raises
    ------
    ParamError
        If the rule or a segment's name is unknown.
    """
    if isinstance(contours, ContourSegment):
        contours = ContourSet((contours,), name=contours.name)
    chosen = _choose(contours.segments, segments)
    values, reports = _values(chosen)
    kind = np.uint8 if max(values, default=0) <= 255 else np.uint16
    layers: list[NDArray[np.unsignedinteger]] = []
    made = []
    for n, source in enumerate((job or Job()).each(chosen, "Filling contours")):
        placed = place(source, geometry)
        fills = list(_fill(placed.polygons, placed.slices, geometry.shape[1:], rule))
        layer = next((at for at, array in enumerate(layers) if not _taken(array, fills)), len(layers))
        if layer == len(layers):
            layers.append(np.zeros(geometry.shape, kind))
        for slices, box, masks in _boxes(fills):
            for k, mask in zip(slices, masks, strict=True):
                part = layers[layer][k][box]
                part |= mask.view(np.uint8) * kind(values[n])  # nothing else lies there
        reports += [*placed.reports, *_lost(source, placed, fills)]
        made.append(Segment(values[n], source.name, source.colour, layer))
    return LabelMap(tuple(layers) or (np.zeros(geometry.shape, kind),), geometry, tuple(made),
                    contours.frame_of_reference_uid, contours.refers_to, contours.name), reports


def _points(points: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(points, float).reshape(-1, 2)
    return array[np.isfinite(array).all(axis=1)]


def _choose(found: Sequence[ContourSegment], names: Sequence[str] | None) -> list[ContourSegment]:
    if names is None:
        return list(found)
    missing = sorted(set(names) - {s.name for s in found})
    if missing:
        raise ParamError(f"there is no segment called {', '.join(missing)}",
                         hint=f"Segments are: {', '.join(s.name for s in found)}.")
    return [s for s in found if s.name in names]


def _values(segments: Sequence[ContourSegment]) -> tuple[list[int], list[Report]]:
    """Keep the numbers of the file as label values where they can be."""
    numbers = [s.number for s in segments]
    if len(set(numbers)) == len(numbers) and all(1 <= n <= 65535 for n in numbers):
        return numbers, []
    return list(range(1, len(numbers) + 1)), [Report(
        "segments-renumbered", "the structure numbers of the file are not unique or not 1 to 65535",
        "label values count from 1 in the order of the file", "info")]


def _boxes(fills: list[_Filled]) -> Iterator[tuple[NDArray[np.intp], tuple[slice, slice], NDArray[np.bool_]]]:
    for f in fills:
        (j, i), (_, rows, columns) = f.start, f.masks.shape
        yield f.slices, (slice(j, j + rows), slice(i, i + columns)), f.masks


def _taken(layer: NDArray[np.unsignedinteger], fills: list[_Filled]) -> bool:
    """Whether a layer already holds another segment where this one lies."""
    return any((layer[k][box].astype(bool) & mask).any() for slices, box, masks in _boxes(fills)
               for k, mask in zip(slices, masks, strict=True))


def _fill(polygons: list[NDArray[np.float64]], slices: NDArray[np.intp], grid: tuple[int, int],
          rule: Rule) -> Iterator[_Filled]:
    """Fill the polygons of one segment, several slices at a time."""
    if rule not in RULES:
        raise ParamError(f"there is no rule {rule!r} to fill contours", hint=f"Use one of {', '.join(RULES)}.")
    used = np.unique(slices)
    if rule == "pillow":
        for k in used:
            each = [_pillow(polygons[n], grid) for n in np.flatnonzero(slices == k)]
            yield _Filled(np.array([k]), (0, 0), np.logical_xor.reduce(each)[None])
        return
    for group in _groups(polygons, slices, used, grid):
        members = np.flatnonzero(np.isin(slices, group))
        mine, planes = [polygons[n] for n in members], np.searchsorted(group, slices[members])
        lines = scanline.outlines(mine, planes, len(group), grid)
        if lines is None:
            continue
        masks = scanline.fill_centres(lines)
        if rule == "exact":
            cells = scanline.cover(lines)
            centres = masks.ravel()[cells.index]
            _settle(cells, centres, masks)
            _keep_small(mine, planes, masks, cells, lines.start)
        yield _Filled(group, lines.start, masks)


def _groups(polygons: list[NDArray[np.float64]], slices: NDArray[np.intp], used: NDArray[np.intp],
            grid: tuple[int, int]) -> Iterator[NDArray[np.intp]]:
    """Split slices into groups whose common box is small enough to hold at once."""
    if not len(used):
        return
    points = np.concatenate(polygons)
    size = np.clip(points.max(axis=0), -1, grid) - np.clip(points.min(axis=0), -1, grid) + 2
    each = max(1, int(CHUNK_VOXELS / float(size.prod())))
    for at in range(0, len(used), each):
        yield used[at:at + each]


def _settle(cells: scanline.Cells, centres: NDArray[np.bool_], masks: NDArray[np.bool_]) -> None:
    """Threshold coverage at one half and share out the near ties so that the count is the area.

    masks : filled by centres, which is right but for the voxels that an outline runs through
    centres : whether the centres of these are inside
    """
    flat, size = masks.ravel(), masks[0].size
    plane, count = cells.index // size, len(masks)
    sure = cells.area > 0.5 + NEAR_TIE
    flat[cells.index] = sure
    ties = np.flatnonzero((cells.area >= 0.5 - NEAR_TIE) & ~sure)
    if not len(ties):
        return
    # what is whole counts on both sides of the difference
    want = np.floor(np.bincount(plane, cells.area, count) + HALF) - np.bincount(plane[sure], minlength=count)
    rounded = np.round(cells.area[ties], 4)
    order = ties[np.lexsort(((np.arange(len(ties)) * GOLDEN) % 1.0, ~centres[ties], -rounded, plane[ties]))]
    rank = np.arange(len(order)) - np.searchsorted(plane[order], plane[order])
    flat[cells.index[order[rank < want[plane[order]]]]] = True


def _keep_small(polygons: list[NDArray[np.float64]], planes: NDArray[np.intp], masks: NDArray[np.bool_],
                covered: scanline.Cells, start: tuple[int, int]) -> None:
    """Give every tiny contour that left nothing the voxels it covers most, unless it is a hole."""
    for n in np.flatnonzero(scanline.areas(polygons) < SMALL_VOXELS):
        points, plane = polygons[n], planes[n]
        lines = scanline.outlines([points - start], np.zeros(1, np.intp), 1, masks.shape[1:])
        if lines is None:
            continue
        own = scanline.cover(lines)
        rows, columns = np.divmod(own.index, lines.shape[2])
        rows, columns = rows + lines.start[0], columns + lines.start[1]
        if not own.area.any() or masks[plane, rows, columns][own.area > 0].any():
            continue
        best = int(np.argmax(own.area))
        at = (int(plane), int(rows[best]), int(columns[best]))
        if covered.at(int(np.ravel_multi_index(at, masks.shape)), False) < own.area[best] - HOLE_ATOL:
            continue
        most = np.argsort(-own.area, kind="stable")[:max(1, round(float(own.area.sum())))]
        masks[plane, rows[most], columns[most]] = True


def _pillow(points: NDArray[np.float64], grid: tuple[int, int]) -> NDArray[np.bool_]:
    from PIL import Image, ImageDraw
    image = Image.new("L", (grid[1], grid[0]), 0)
    ImageDraw.Draw(image).polygon([(x, y) for y, x in points.tolist()], fill=1, outline=0)
    return np.asarray(image, bool)


def _lost(source: ContourSegment, placed: Placed, fills: list[_Filled]) -> list[Report]:
    """Report slices whose contours left no voxel."""
    filled = {int(k) for f in fills for k, mask in zip(f.slices, f.masks, strict=True) if mask.any()}
    lost = sorted(set(placed.slices.tolist()) - filled)
    if not lost:
        return []
    return [Report("contour-left-no-voxel", f"{source.name}: the contours of {len(lost)} slice(s) left no voxel "
                   f"(first: slice {lost[0]})", "they are too small for this rule or outside the image")]
