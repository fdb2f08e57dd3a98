"""Counts of segments that several tests need, found in one pass over the voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medviewer.core.labels import LabelMap, Segment

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True, eq=False)
class SegmentFacts:
    """One segment: how many voxels in each slice, and its box; `box` is None for an empty one."""

    segment: Segment
    per_slice: NDArray[np.intp]
    box: Box | None

    @property
    def voxels(self) -> int:
        """Voxels in all slices."""
        return int(self.per_slice.sum())

    @property
    def name(self) -> str:
        """Name for people."""
        return self.segment.name or f"label {self.segment.value}"

    def mask(self, labels: LabelMap) -> NDArray[np.bool_]:
        """Return its voxels inside its box."""
        if self.box is None:
            return np.zeros((0, 0, 0), bool)
        return np.asarray(labels.layers[self.segment.layer][self.box] == self.segment.value)


def facts_of(labels: LabelMap) -> list[SegmentFacts]:
    """Count every segment of a label map."""
    from scipy.ndimage import find_objects

    found: dict[tuple[int, int], SegmentFacts] = {}
    for number, layer in enumerate(labels.layers):
        mine = [s for s in labels.segments if s.layer == number]
        top = max((s.value for s in mine), default=0)
        counts = np.zeros((layer.shape[0], top + 1), np.intp)
        for k, plane in enumerate(layer):
            if plane.any():
                counts[k] = np.bincount(plane.ravel(), minlength=top + 1)[: top + 1]
        used = np.flatnonzero(counts[:, 1:].any(axis=1))
        low, high = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
        boxes = find_objects(layer[low:high].astype(np.int32, copy=False), top) if len(used) else [None] * top
        for segment in mine:
            box = boxes[segment.value - 1]
            moved = None if box is None else (slice(box[0].start + low, box[0].stop + low), box[1], box[2])
            found[number, segment.value] = SegmentFacts(segment, counts[:, segment.value], moved)
    return [found[s.layer, s.value] for s in labels.segments]
