"""Masks to contours.

The `voxel-edge` form runs along the outer edges of the voxels, so filling it gives the same mask back by any rule
that looks at areas or centres. The `smooth` form runs half way between the centres of inside and outside voxels (level
one half of the mask), which is nicer to look at and loses corners. Holes are contours of their own (even-odd).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medviewer.core.contours import Contour, ContourSegment, ContourSet
from medviewer.core.errors import ParamError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap, Segment

Form = Literal["voxel-edge", "smooth"]
Floats = NDArray[np.float64]


def mask_to_contours(labels: LabelMap, *, form: Form = "voxel-edge", job: Job | None = None) -> ContourSet:
    """Outline every segment of a label map, slice by slice.

    Parameters
    ----------
    labels : LabelMap
    form : {"voxel-edge", "smooth"}

    Returns
    -------
    ContourSet
        Closed contours on the planes of the slices; segment numbers are the label values where these differ.

    Raises
    ------
    ParamError
        If the form is unknown.
    """
    if form not in ("voxel-edge", "smooth"):
        raise ParamError(f"there is no form {form!r} of contours", hint="Use voxel-edge or smooth.")
    values = [s.value for s in labels.segments]
    unique = len(set(values)) == len(values)
    job = job or Job()
    made = []
    for n, segment in enumerate(job.each(labels.segments, "Outlining"), start=1):
        contours = tuple(_segment(labels, segment, form, job))
        made.append(ContourSegment(segment.value if unique else n, segment.name, segment.colour, contours))
    return ContourSet(tuple(made), labels.frame_of_reference_uid, labels.refers_to, labels.name)


def outlines(mask: NDArray[np.bool_], form: Form = "voxel-edge") -> list[Floats]:
    """Outline one slice (J, I): closed polygons (N, 2) in (row, column) voxel-centre coordinates."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return []
    start = np.array([rows[0], columns[0]])
    box = np.pad(mask[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1], 1)
    return [line + start - 1 for line in (_edges(box) if form == "voxel-edge" else _level(box))]


def _segment(labels: LabelMap, segment: Segment, form: Form, job: Job) -> Iterator[Contour]:
    layer = labels.layers[segment.layer]
    for k in range(layer.shape[0]):
        job.check()
        for line in outlines(layer[k] == segment.value, form):
            yield Contour(_lps(labels.geometry, k, line))


def _lps(geometry: Geometry, k: int, line: Floats) -> Floats:
    return geometry.to_lps(np.column_stack([np.full(len(line), k), line]))


def _level(box: NDArray[np.bool_]) -> Iterator[Floats]:
    from contourpy import LineType, contour_generator

    lines = contour_generator(z=box.astype(np.float32), line_type=LineType.Separate).lines(0.5)
    for line in lines:
        if len(line) > 3:
            yield np.asarray(line[:-1, ::-1], float)  # x, y and closed by a copy of the first point


def _edges(box: NDArray[np.bool_]) -> Iterator[Floats]:
    """Polygons along voxel edges of a mask with an empty border.

    Corners of the outline are the lattice points where the four voxels around are not two equal pairs side by side. In
    each lattice row, and in each column, consecutive corners are the ends of an edge. Where voxels touch by
    their corners only, the point counts twice and its edges are linked so that the outlines touch, not cross.
    """
    a, b, c, d = box[:-1, :-1], box[:-1, 1:], box[1:, :-1], box[1:, 1:]
    odd = a ^ b ^ c ^ d
    saddle = (a == d) & (b == c) & (a != b)
    corners = np.argwhere(odd | saddle)
    twice = saddle[corners[:, 0], corners[:, 1]]
    corners = np.repeat(corners, 1 + twice, axis=0)
    count = len(corners)
    across = np.arange(count) ^ 1  # partners along rows: corners come in row order
    order = np.lexsort((corners[:, 0], corners[:, 1]))
    along = np.empty(count, np.intp)
    along[order] = order[np.arange(count) ^ 1]
    # a point that counts twice has its first copy at the left and upper edge, its second at the right and lower
    # one: right where the voxel upper left is inside, else the copies swap their column edges
    copies = np.arange(count)
    first = np.flatnonzero((corners[1:] == corners[:-1]).all(axis=1))
    first = first[~box[corners[first, 0], corners[first, 1]]]
    copies[first], copies[first + 1] = first + 1, first
    along = copies[along[copies]]
    yield from _loops(corners.astype(float) + 0.5, across.tolist(), along.tolist())


def _loops(points: Floats, across: list[int], along: list[int]) -> Iterator[Floats]:
    done = bytearray(len(across))
    for begin in range(len(across)):
        if done[begin]:
            continue
        path, at = [], begin
        while not done[at]:
            done[at] = 1
            path.append(at)
            at = across[at]
            done[at] = 1
            path.append(at)
            at = along[at]
        yield points[path]
