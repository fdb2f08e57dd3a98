"""Empty and tiny masks, and masks that touch the border of the picture."""

from __future__ import annotations

from medviewer.core.geometry import Geometry
from medviewer.ops.checks.facts import SegmentFacts
from medviewer.ops.checks.problem import NOTE, Problem, listed

TINY_VOXELS = 8
TINY_SEGMENT = 3


def check_extent(facts: list[SegmentFacts], grid: Geometry) -> list[Problem]:
    """Look at the size of segments and at the border.

    Returns
    -------
    list of Problem
        Codes ``empty``, ``tiny`` for the whole mask; ``empty-segment``, ``tiny-segment``, ``touches-border`` as notes.
    """
    voxels = sum(f.voxels for f in facts)
    if not voxels:
        return [Problem("empty", "the mask is empty", "draw it again, or leave the case out", None, 0.99)]
    found = []
    if voxels < TINY_VOXELS and grid.shape[0] * grid.shape[1] * grid.shape[2] > 1000 * TINY_VOXELS:
        k = int(max(facts, key=lambda f: f.voxels).per_slice.argmax())
        found.append(Problem("tiny", f"the whole mask has {voxels} voxel{'s' * (voxels > 1)}",
                             "look whether it is a stray click", k, 0.7))
    empty = [f.name for f in facts if not f.voxels]
    if empty:
        found.append(Problem("empty-segment", f"{listed(empty)} {'has' if len(empty) == 1 else 'have'} no voxels", "",
                             None, NOTE))
    small = [f for f in facts if 0 < f.voxels <= TINY_SEGMENT]
    if small and voxels >= TINY_VOXELS:
        found.append(Problem("tiny-segment", f"{listed([f.name for f in small])}: {TINY_SEGMENT} voxels or fewer",
                             "look whether it is a stray click", int(small[0].per_slice.argmax()), NOTE))
    border = [(f, side) for f in facts if f.box is not None if (side := _side(f, grid.shape))]
    if border:
        sides = " and ".join(sorted({side for _, side in border}))
        found.append(Problem("touches-border", f"{listed([f.name for f, _ in border])} "
                             f"{'reaches' if len(border) == 1 else 'reach'} the border of the picture ({sides})",
                             "it may be cut off there", None, NOTE))
    return found


def _side(facts: SegmentFacts, shape: tuple[int, int, int]) -> str:
    """Return which borders a segment touches; a picture of one slice has no ends."""
    assert facts.box is not None
    for n, name in ((1, "rows"), (2, "columns"), (0, "first or last slice")):
        if shape[n] > 1 and (facts.box[n].start == 0 or facts.box[n].stop == shape[n]):
            return name
    return ""
