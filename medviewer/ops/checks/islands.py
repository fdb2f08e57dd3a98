"""Small pieces of a structure that lie far away from the rest of it.

Structures that consist of several parts by nature (lesions, ribs, nodes) have no main piece; only those whose main
piece holds nearly all voxels are judged.
"""

from __future__ import annotations

import math

import numpy as np

from medviewer.core.geometry import Geometry
from medviewer.core.labels import LabelMap
from medviewer.ops.checks.facts import SegmentFacts
from medviewer.ops.checks.problem import Problem

MAIN_SHARE = 0.95
FAR_MM = 60.0
FAR_SIZES = 2.0  # and farther than twice the size of the main piece: programs leave crumbs near an organ
LEAST_VOXELS = 200
MOST_PIECES = 4
MOST_SIDE = 100  # voxels looked at along an axis: pieces are found on a coarser grid


def check_islands(labels: LabelMap, facts: list[SegmentFacts], grid: Geometry) -> list[Problem]:
    """Find stray pieces (code ``far-island``)."""
    found = []
    for one in facts:
        if one.voxels < LEAST_VOXELS or one.box is None:
            continue
        mask = one.mask(labels)
        steps = [max(1, n // MOST_SIDE) for n in mask.shape]
        stray = _stray(mask[:: steps[0], :: steps[1], :: steps[2]], np.asarray(grid.spacing_mm) * steps)
        if stray is not None:
            voxels, k, away = stray[0] * math.prod(steps), stray[1] * steps[0], stray[2]
            found.append(Problem("far-island", f"a piece of {one.name} with about {voxels} voxels lies {away:.0f} mm "
                                 "away from the rest", "remove it if it is a stray mark", one.box[0].start + k, 0.5))
    return found


def _stray(mask: np.ndarray, spacing: np.ndarray) -> tuple[int, int, float] | None:  # type: ignore[type-arg]
    """Return voxels, slice and distance of the farthest piece that is far from the main one."""
    from scipy.ndimage import find_objects, label

    if (np.asarray(mask.shape) * spacing).max() < FAR_MM:
        return None
    pieces, count = label(mask, np.ones((3, 3, 3)))
    if not 1 < count <= MOST_PIECES:
        return None
    sizes = np.bincount(pieces.ravel())[1:]
    main = int(sizes.argmax())
    if sizes[main] < MAIN_SHARE * sizes.sum():
        return None
    boxes = [np.array([[s.start, s.stop] for s in box], float) * spacing[:, None] for box in find_objects(pieces)]
    extent = float((boxes[main][:, 1] - boxes[main][:, 0]).max())
    best = None
    for n, box in enumerate(boxes):
        gap = np.maximum(np.maximum(box[:, 0] - boxes[main][:, 1], boxes[main][:, 0] - box[:, 1]), 0)
        away = float(np.linalg.norm(gap))
        if n != main and away > max(FAR_MM, FAR_SIZES * extent) and (best is None or away > best[2]):
            best = int(sizes[n]), int(box[0].mean() / spacing[0]), away
    return best
