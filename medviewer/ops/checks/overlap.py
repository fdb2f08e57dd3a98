"""Segments that share voxels and should not.

Overlap as such is usual (a nodule in a lung). Two segments that are nearly the same voxels, or a left and a right one
that share voxels, are not.
"""

from __future__ import annotations

import re

import numpy as np

from medviewer.core.labels import LabelMap
from medviewer.ops.checks.facts import Box, SegmentFacts
from medviewer.ops.checks.problem import NOTE, Problem

SAME_DICE = 0.95
SIDES_SHARE = 0.01  # of the smaller one
LEAST_VOXELS = 50
_SIDE = re.compile(r"(^|[^a-z])(left|right|lt|rt|l|r|li|re)([^a-z]|$)", re.IGNORECASE)
_LEFT = {"left", "lt", "l", "li"}


def check_overlap(labels: LabelMap, facts: list[SegmentFacts]) -> list[Problem]:
    """Compare segments of different layers (codes ``same-segment``, ``sides-overlap``; note ``overlap``)."""
    found: list[Problem] = []
    plain: list[str] = []
    used = [f for f in facts if f.box is not None and f.voxels >= LEAST_VOXELS]
    for n, a in enumerate(used):
        for b in used[n + 1:]:
            if a.segment.layer == b.segment.layer:
                continue
            shared, k = _shared(labels, a, b)
            if not shared:
                continue
            if 2 * shared >= SAME_DICE * (a.voxels + b.voxels):
                found.append(Problem("same-segment", f"{a.name} and {b.name} are nearly the same voxels",
                                     "one of them is probably a copy", k, 0.8))
            elif _opposite(a.name, b.name) and shared >= SIDES_SHARE * min(a.voxels, b.voxels):
                found.append(Problem("sides-overlap", f"{a.name} and {b.name} share {shared} voxels", "", k, 0.6))
            else:
                plain.append(f"{a.name} with {b.name}")
    if plain:
        more = f" and {len(plain) - 3} more pairs" if len(plain) > 3 else ""
        found.append(Problem("overlap", f"segments share voxels: {', '.join(plain[:3])}{more}", "", None, NOTE))
    return found


def _shared(labels: LabelMap, a: SegmentFacts, b: SegmentFacts) -> tuple[int, int]:
    assert a.box is not None
    assert b.box is not None
    box: Box = tuple(slice(max(s.start, t.start), min(s.stop, t.stop))  # type: ignore[assignment]
                     for s, t in zip(a.box, b.box, strict=True))
    if any(s.start >= s.stop for s in box):
        return 0, 0
    both = (labels.layers[a.segment.layer][box] == a.segment.value) & (
        labels.layers[b.segment.layer][box] == b.segment.value)
    counts = np.count_nonzero(both, axis=(1, 2))
    return int(counts.sum()), box[0].start + int(counts.argmax())


def _opposite(a: str, b: str) -> bool:
    """Whether two names differ in left and right only."""
    sides = [_SIDE.search(name) for name in (a, b)]
    if sides[0] is None or sides[1] is None:
        return False
    left = [m.group(2).lower() in _LEFT for m in sides if m is not None]
    return left[0] != left[1] and _SIDE.sub(" ", a).lower() == _SIDE.sub(" ", b).lower()
