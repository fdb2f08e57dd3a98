"""Surface voxels of label maps and the distances between them, for all labels of a map at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medviewer.core.job import Job
from medviewer.core.labels import LabelMap

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
PERCENT = 95.0
NEAR_STEPS = 150  # voxels looked at around a point before a search tree is asked
FEW = 200  # points that a tree finds faster


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """Steps from a voxel to all voxels within some distance of it, the nearest first.

    steps : (N, 3) index steps (k, j, i), the first one (0, 0, 0)
    lengths_mm : (N,)
    """

    steps: Ints
    lengths_mm: Floats

    @classmethod
    def make(cls, matrix: Floats, axes: tuple[int, ...]) -> Near:
        """List the steps along `axes` of a grid with this (3, 3) matrix; no step but none at all without axes."""
        if not axes:
            return cls(np.zeros((1, 3), np.intp), np.zeros(1))
        part = matrix[:, axes]
        inverse = np.linalg.pinv(part)
        measure = float(np.sqrt(np.linalg.det(part.T @ part)))  # volume or area of a voxel
        ball = {1: 2.0, 2: np.pi, 3: 4 * np.pi / 3}[len(axes)]
        reach = (NEAR_STEPS * measure / ball) ** (1 / len(axes))
        most = np.floor(reach * np.linalg.norm(inverse, axis=1)).astype(int)
        steps = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in most), indexing="ij"), -1).reshape(-1, len(axes))
        lengths = np.linalg.norm(steps @ part.T, axis=1)
        order = np.argsort(lengths, kind="stable")
        order = order[lengths[order] <= reach]
        full = np.zeros((len(order), 3), np.intp)
        full[:, axes] = steps[order]
        return cls(full, lengths[order])


def distances_between(a: Ints, b: Ints, shape: tuple[int, int, int], near: Near,
                      positions: Callable[[Ints], Floats]) -> tuple[Floats, Floats]:
    """Distance of each point of `a` to the nearest one of `b`, and the other way.

    Most points of similar masks have a partner near by, which looking at the voxels around finds many times faster
    than a search tree; only the others are searched for.

    Parameters
    ----------
    a, b : (N,) flat indices in a grid of `shape`, not empty
    positions : returns positions of flat indices, mm
    """
    places = [np.column_stack(np.unravel_index(points, shape)) for points in (a, b)]
    margin = np.abs(near.steps).max(axis=0)
    low = np.minimum(places[0].min(axis=0), places[1].min(axis=0)) - margin
    size = np.maximum(places[0].max(axis=0), places[1].max(axis=0)) + margin + 1 - low
    strides = np.array([size[1] * size[2], size[2], 1])
    flat = [(place - low) @ strides for place in places]
    box = np.zeros(int(size.prod()), bool)
    return (_nearest(flat[0], flat[1], box, near.steps @ strides, near.lengths_mm, (a, b), positions),
            _nearest(flat[1], flat[0], box, near.steps @ strides, near.lengths_mm, (b, a), positions))


def _nearest(here: Ints, there: Ints, box: NDArray[np.bool_], jumps: Ints, lengths_mm: Floats,
             points: tuple[Ints, Ints], positions: Callable[[Ints], Floats]) -> Floats:
    distances = np.zeros(len(here))
    rest = np.arange(len(here))
    box[there] = True
    for jump, length in zip(jumps, lengths_mm, strict=True):
        hit = box[here + jump]
        if hit.any():
            distances[rest[hit]] = length
            rest, here = rest[~hit], here[~hit]
        if len(rest) < FEW:
            break
    box[there] = False
    if len(rest):
        from scipy.spatial import KDTree

        tree = KDTree(positions(points[1]), balanced_tree=False, compact_nodes=False)
        distances[rest] = tree.query(positions(points[0][rest]))[0]
    return distances


@dataclass(frozen=True, slots=True, eq=False)
class BySlice:
    """Distances of one direction summed up for each slice.

    high : 95th percentile, interpolated linearly
    """

    count: Ints
    total: Floats
    most: Floats
    high: Floats

    @classmethod
    def make(cls, slices: Ints, distances: Floats, size: int) -> BySlice:
        """Sum up the distances of points on `slices`, numbered below `size`."""
        count = np.bincount(slices, minlength=size)
        total: Floats = np.bincount(slices, distances, minlength=size).astype(float)
        most, high = np.zeros(size), np.zeros(size)
        ordered = distances[np.lexsort((distances, slices))]
        first = np.cumsum(count) - count
        used = np.flatnonzero(count)
        most[used] = ordered[first[used] + count[used] - 1]
        place = (count[used] - 1) * (PERCENT / 100)
        low = np.floor(place).astype(np.intp)
        below = ordered[first[used] + low]
        above = ordered[first[used] + np.minimum(low + 1, count[used] - 1)]
        high[used] = below + (place - low) * (above - below)
        return cls(count, total, most, high)


@dataclass(frozen=True, slots=True, eq=False)
class Surfaces:
    """Surface voxels of each layer: label values (sorted), flat indices, and whether each is on its slice's outline."""

    layers: tuple[tuple[NDArray[np.unsignedinteger], Ints, NDArray[np.bool_]], ...]

    @classmethod
    def find(cls, labels: LabelMap, job: Job) -> Surfaces:
        """Find the surfaces of all labels in one pass over the slices."""
        return cls(tuple(_surface(layer, job) for layer in labels.layers))

    def of(self, layer: int, value: int, *, flat: bool) -> Ints:
        """Return the flat indices of one label's surface, or of its outlines in the slices."""
        values, points, outline = self.layers[layer]
        wanted = values.dtype.type(value)  # of the same type: no converted copy
        first, last = (np.searchsorted(values, wanted, side) for side in ("left", "right"))
        part = points[first:last]
        return part[outline[first:last]] if flat else part


def _surface(layer: NDArray[np.unsignedinteger], job: Job) -> tuple[NDArray[np.unsignedinteger], Ints,
                                                                     NDArray[np.bool_]]:
    """Find the surface voxels of all labels at once: those with a face neighbour of another value."""
    size = layer[0].size
    values, points, outlines = [layer[:0].ravel()], [np.zeros(0, np.intp)], [np.zeros(0, bool)]
    flat = layer.shape[0] == 1
    for k in range(layer.shape[0]):
        job.check()
        plane = layer[k]
        if not plane.any():
            continue
        outline = np.ones(plane.shape, bool)
        inner = plane[1:-1, 1:-1]
        outline[1:-1, 1:-1] = ((inner != plane[:-2, 1:-1]) | (inner != plane[2:, 1:-1])
                               | (inner != plane[1:-1, :-2]) | (inner != plane[1:-1, 2:]))
        surface = outline
        if not flat:
            surface = outline.copy()
            for beside in (k - 1, k + 1):
                surface |= plane != layer[beside] if 0 <= beside < layer.shape[0] else True
        found = np.flatnonzero(surface & (plane > 0))
        values.append(plane.ravel()[found])
        points.append(found + k * size)
        outlines.append(outline.ravel()[found])
    every = np.concatenate(values)
    order = np.argsort(every, kind="stable")
    return every[order], np.concatenate(points)[order], np.concatenate(outlines)[order]
