"""Bronchi, pulmonary arteries and veins: trees that fill the lungs.

A tree grows by joining one target point after the other to the nearest node, where a long way to the root counts as
distance too (Cuntz et al., PLoS Comput Biol 2010): branches fan out and stay short. Radii follow from the number of
leaves behind a branch (Murray's law, r^n = sum of r_child^n).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medviewer.ops.phantom.grid import COARSE, Points
from medviewer.ops.phantom.organs import Organs
from medviewer.ops.phantom.tubes import Chain

_OTHER_LOBE_MM = 60.0  # price of crossing a fissure
_PATH_WEIGHT = 0.35


@dataclass(frozen=True, eq=False)
class Tree:
    """Nodes (N, 3) LPS with the index of each parent (-1 for the root; parents come first) and radii, mm."""

    points: Points
    parents: NDArray[np.intp]
    radii: Points
    lobes: NDArray[np.intp]

    def children(self) -> NDArray[np.intp]:
        """Return how many branches leave each node."""
        inner = self.parents[self.parents >= 0]
        return np.bincount(inner, minlength=len(self.points))

    @property
    def branches(self) -> int:
        """Number of unbranched stretches."""
        return int((self.children() != 1).sum())

    def chain(self, thinnest_mm: float = 0.0) -> Chain:
        """Return the tree as smooth tubes; side branches start as thin as they go on."""
        keep = [n for n in range(len(self.points)) if self.parents[n] >= 0 and self.radii[n] >= thinnest_mm]
        chains = []
        for n in keep:
            p = self.parents[n]
            g = self.parents[p] if self.parents[p] >= 0 else p
            start, end = self.points[p], self.points[n]
            # the tangent at the parent follows its own course, so that branches leave in a curve
            tangent = 0.35 * (start - self.points[g])
            middle = 0.5 * (start + end) + 0.12 * tangent
            r0 = min(self.radii[p], self.radii[n] * 1.25)
            chains.append((np.vstack([start, middle, end]), np.array([r0, 0.5 * (r0 + self.radii[n]), self.radii[n]])))
        if not chains:
            none = np.zeros((0, 3))
            return Chain(none, none, np.zeros(0), np.zeros(0))
        return Chain.join(*(Chain.along(p, r) for p, r in chains))


def grow(points: Points, parents: NDArray[np.intp], lobes: NDArray[np.intp], targets: Points,
         target_lobes: NDArray[np.intp]) -> tuple[Points, NDArray[np.intp], NDArray[np.intp]]:
    """Join all targets to a tree, each within its lobe where possible.

    A node of lobe 0 belongs to all lobes, one of lobe -1 to none: nothing grows from it.
    """
    count, total = len(points), len(points) + len(targets)
    nodes, above, lobe, path = (np.zeros((total, 3)), np.full(total, -1, np.intp), np.zeros(total, np.intp),
                                np.zeros(total))
    nodes[:count], above[:count], lobe[:count] = points, parents, lobes
    best, joint = np.full(len(targets), np.inf), np.zeros(len(targets), np.intp)

    def offer(n: int) -> None:
        if lobe[n] < 0:
            return
        step = targets - nodes[n]
        price = np.sqrt((step * step).sum(axis=1)) + _PATH_WEIGHT * path[n]
        price = price + np.where((target_lobes == lobe[n]) | (lobe[n] == 0), 0.0, _OTHER_LOBE_MM)
        better = price < best
        best[better], joint[better] = price[better], n

    for n in range(count):
        if above[n] >= 0:
            step = nodes[n] - nodes[above[n]]
            path[n] = path[above[n]] + float(np.sqrt((step * step).sum()))
        offer(n)
    for n in range(count, total):
        t = int(np.argmin(best))
        nodes[n], above[n], lobe[n] = targets[t], joint[t], target_lobes[t]
        step = nodes[n] - nodes[above[n]]
        path[n] = path[above[n]] + float(np.sqrt((step * step).sum()))
        offer(n)
        best[t] = np.inf
        targets[t] = 1e6  # taken
    return nodes, above, lobe


def radii_of(parents: NDArray[np.intp], leaf_mm: float, exponent: float, largest_mm: float) -> Points:
    """Return the radius of each node by Murray's law from the leaves."""
    load = np.zeros(len(parents))
    for n in range(len(parents) - 1, -1, -1):
        load[n] = load[n] or 1.0
        if parents[n] >= 0:
            load[parents[n]] += load[n]
    return np.minimum(np.round(leaf_mm * load ** (1 / exponent), 6), largest_mm)


def smoothed(points: Points, parents: NDArray[np.intp], radii: Points, fixed: int, rounds: int = 3) -> Points:
    """Straighten the course along the thickest child of each node; the first `fixed` nodes stay."""
    main = np.full(len(points), -1, np.intp)
    for n in range(len(points)):
        p = parents[n]
        if p >= 0 and (main[p] < 0 or radii[n] > radii[main[p]]):
            main[p] = n
    free = np.flatnonzero((np.arange(len(points)) >= fixed) & (main >= 0))
    out = points.copy()
    for _ in range(rounds):
        out[free] = 0.4 * out[free] + 0.3 * (out[parents[free]] + out[main[free]])
    return out


def lung_targets(rng: np.random.Generator, organs: Organs, side: int, count: int, depth_mm: float) -> Points:
    """Return about `count` points spread evenly over a lung, at least `depth_mm` from its surface."""
    inside = (organs.lung < -depth_mm) & (organs.side * side > 0)
    index = np.argwhere(inside)
    want = min(count * 6, len(index))
    picked = index[rng.choice(len(index), want, replace=False)] + rng.uniform(-0.5, 0.5, (want, 3))
    spacing = (inside.sum() * float(np.prod(COARSE.spacing_mm)) / count) ** (1 / 3) * 0.72
    origin = np.array([COARSE.z[0], COARSE.y[0], COARSE.x[0]])
    points = (origin + picked * COARSE.spacing_mm)[:, ::-1]
    return _apart(points, spacing, count)


def _apart(points: Points, spacing_mm: float, count: int) -> Points:
    """Keep the first points that are at least `spacing_mm` from those kept before."""
    from scipy.spatial import cKDTree

    near = cKDTree(points).query_ball_point(points, spacing_mm)
    taken = np.zeros(len(points), bool)
    blocked = np.zeros(len(points), bool)
    for n, others in enumerate(near):
        if not blocked[n]:
            taken[n] = True
            blocked[others] = True
    return points[taken][:count]


def lobes_at(organs_lobe: NDArray[np.float32], points: Points) -> NDArray[np.intp]:
    """Return the lobe number of points (nearest coarse voxel)."""
    index = [np.clip(np.rint((points[:, 2 - n] - axis[0]) / step).astype(int), 0, len(axis) - 1) for n, (axis, step) in
             enumerate(zip((COARSE.z, COARSE.y, COARSE.x), COARSE.spacing_mm, strict=True))]
    return organs_lobe[tuple(index)].astype(np.intp)
