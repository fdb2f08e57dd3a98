"""Slices missing inside a structure.

Two parts of a structure with empty slices between them may be two lesions; they are one structure with missing slices
if the last slice before and the first one after the gap show nearly the same outline.
"""

from __future__ import annotations

import numpy as np

from medviewer.core.geometry import Geometry
from medviewer.core.labels import LabelMap
from medviewer.ops.checks.facts import SegmentFacts
from medviewer.ops.checks.problem import Problem, listed

MOST_MM = 30.0  # longer gaps are taken for two parts
SAME_DICE = 0.5
LEAST_VOXELS = 12  # in the slices beside the gap


def check_gaps(labels: LabelMap, facts: list[SegmentFacts], grid: Geometry) -> list[Problem]:
    """Find missing slices (code ``slice-gap``)."""
    step = grid.spacing_mm[0]
    gaps: dict[str, list[int]] = {}
    for one in facts:
        missing = _missing(labels, one, max(2, round(MOST_MM / step)))
        if missing:
            gaps[one.name] = missing
    if not gaps:
        return []
    name, slices = max(gaps.items(), key=lambda item: len(item[1]))
    text = ", ".join(str(k + 1) for k in slices[:6]) + (" ..." if len(slices) > 6 else "")
    also = f" (also {listed(sorted(set(gaps) - {name}))})" if len(gaps) > 1 else ""
    return [Problem("slice-gap", f"{name} is missing in {len(slices)} slice{'s' * (len(slices) > 1)} between others "
                    f"that show it (slice {text}){also}", "fill between slices, or draw the missing ones", slices[0],
                    0.8)]


def _missing(labels: LabelMap, facts: SegmentFacts, most: int) -> list[int]:
    used = np.flatnonzero(facts.per_slice)
    missing: list[int] = []
    for before, after in zip(used[:-1], used[1:], strict=True):
        if not 1 < after - before <= most + 1 or min(facts.per_slice[[before, after]]) < LEAST_VOXELS:
            continue
        assert facts.box is not None
        a, b = (labels.layers[facts.segment.layer][k][facts.box[1:]] == facts.segment.value for k in (before, after))
        if 2 * np.count_nonzero(a & b) >= SAME_DICE * (np.count_nonzero(a) + np.count_nonzero(b)):
            missing += range(int(before) + 1, int(after))
    return missing
