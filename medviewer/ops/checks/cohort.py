"""What only a comparison of cases shows: copied masks, merged or renumbered labels, masks that fit unusually badly."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.geometry import Geometry
from medviewer.core.labels import LabelMap
from medviewer.ops.checks.facts import SegmentFacts
from medviewer.ops.checks.problem import Problem

LEAST_CASES = 4  # cases of one kind that can say what is usual
USUAL = 0.75  # share of the other cases that have a label
MERGED_SIZE = 1.4  # times the largest of the other cases
NEAR_CELLS = 0.985  # Dice of two shapes on a coarse grid
NEAR_VOLUME = 0.01
NEAR_VOXELS = 500
GRID = 24  # cells a side of the coarse shape
FITS, FITS_NOT = 20.0, 6.0  # evidence of the alignment
EXCHANGED_MM = 5.0
EDGE_SHARE, EDGE_FAR, EDGE_SPREAD = 0.6, 4.0, 0.03  # of the usual edge score; in robust standard deviations
EDGE_SEGMENTS, EDGE_USUAL = 3, 0.2  # only where several structures lie on clear edges in the other cases


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """What is kept of a case for the comparison.

    name : of the case, for people
    image, shape : digests of the image and of the mask inside its box; equal means identical
    cells : occupancy of the box on a coarse grid, 0...1
    labels : volume in ml by (layer, value)
    centres : LPS mm by (layer, value)
    evidence, edge : of the alignment; None where it was not judged
    """

    name: str
    image: str
    shape: str
    cells: NDArray[np.float32]
    voxels: int
    labels: Mapping[int, float] = field(default_factory=dict)
    centres: Mapping[int, tuple[float, float, float]] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    evidence: float | None = None
    edge: float = 0.0


def summary(name: str, image: str, labels: LabelMap, facts: Sequence[SegmentFacts], grid: Geometry,
            evidence: float | None, edge: float = 0.0) -> Summary:
    """Summarise a mask for the comparison with others; `image` is a digest of the image."""
    from hashlib import sha256

    used = [f for f in facts if f.box is not None]
    voxel_ml = grid.voxel_volume_mm3 / 1000
    if not used:
        return Summary(name, image, "", np.zeros((0,) * 3, np.float32), 0, evidence=evidence)
    boxes = np.array([[[s.start, s.stop] for s in f.box] for f in used if f.box is not None])
    low, high = boxes[:, :, 0].min(axis=0), boxes[:, :, 1].max(axis=0)
    box = tuple(slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True))
    digest = sha256()
    union = np.zeros(tuple(high - low), bool)
    for layer in labels.layers:
        part = np.ascontiguousarray(layer[box])
        digest.update(str(part.shape).encode() + np.packbits(part != 0).tobytes())
        union |= part != 0
    return Summary(name, image, digest.hexdigest(), _cells(union), int(sum(f.voxels for f in used)),
                   {f.segment.value: f.voxels * voxel_ml for f in used},
                   {f.segment.value: _centre(f, grid) for f in used}, {f.segment.value: f.name for f in used}, evidence,
                   edge)


def _cells(union: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Average a box on GRID cells a side."""
    steps = [max(1, n // (4 * GRID)) for n in union.shape]
    union = union[:: steps[0], :: steps[1], :: steps[2]]
    out: NDArray[Any] = union.astype(np.float32)
    for axis in range(3):
        edges = np.linspace(0, union.shape[axis], GRID + 1).astype(int)
        starts = np.minimum(edges[:-1], union.shape[axis] - 1)
        sizes = np.maximum(np.diff(edges), 1).astype(np.float32)
        shape = [1, 1, 1]
        shape[axis] = GRID
        out = np.add.reduceat(out, starts, axis=axis) / sizes.reshape(shape)
    return np.minimum(out, np.float32(1.0))


def _centre(facts: SegmentFacts, grid: Geometry) -> tuple[float, float, float]:
    assert facts.box is not None
    middle = [(s.start + s.stop - 1) / 2 for s in facts.box]
    x, y, z = grid.to_lps(middle).tolist()
    return x, y, z


def compare(cases: Sequence[Summary]) -> list[list[Problem]]:
    """Compare cases with each other; returns the problems of each.

    Codes: ``duplicate-mask``, ``near-duplicate-mask``, ``labels-renumbered``, ``labels-merged``,
    ``labels-exchanged``, ``fits-badly``.
    """
    found: list[list[Problem]] = [[] for _ in cases]
    for n, problem in _copies(cases) + _labels(cases) + _misfits(cases):
        found[n].append(problem)
    return found


def _copies(cases: Sequence[Summary]) -> list[tuple[int, Problem]]:
    by_shape: dict[str, list[int]] = defaultdict(list)
    for n, case in enumerate(cases):
        if case.voxels >= 8:
            by_shape[case.shape].append(n)
    found, copied = [], set()
    for group in by_shape.values():
        if len({cases[n].image for n in group}) < 2:
            continue  # several masks, or several names, of one image
        for n in group:
            other = next(m for m in group if cases[m].image != cases[n].image)
            copied.add(n)
            found.append((n, Problem("duplicate-mask", f"the mask is identical to that of {cases[other].name}",
                                     "one of the two was copied to the wrong image", None, 0.95, "drop-duplicates")))
    alone = [n for n, c in enumerate(cases) if n not in copied and c.voxels >= NEAR_VOXELS]
    for at, n in enumerate(alone):
        for m in alone[at + 1:]:
            if cases[n].image != cases[m].image and _near(cases[n], cases[m]):
                for a, b in ((n, m), (m, n)):
                    found.append((a, Problem("near-duplicate-mask", "the mask has nearly the same shape as that of "
                                             f"{cases[b].name}", "one of the two may have been copied", None, 0.8)))
    return found


def _near(a: Summary, b: Summary) -> bool:
    if abs(a.voxels - b.voxels) > NEAR_VOLUME * max(a.voxels, b.voxels):
        return False
    # a plain box or ball looks like any other: only shapes with structure count
    rough = float((4 * a.cells * (1 - a.cells)).mean())
    both = float(np.minimum(a.cells, b.cells).sum())
    return rough > 0.02 and 2 * both >= NEAR_CELLS * float(a.cells.sum() + b.cells.sum())


def _labels(cases: Sequence[Summary]) -> list[tuple[int, Problem]]:
    judged = [n for n, c in enumerate(cases) if c.labels]
    if len(judged) < LEAST_CASES:
        return []
    found = []
    for n in judged:
        by_image = {cases[m].image: cases[m] for m in judged if cases[m].image != cases[n].image}
        others = list(by_image.values())  # several masks of one image are one opinion
        if len(others) >= LEAST_CASES - 1 and (problem := _label_problem(cases[n], others)):
            found.append((n, problem))
    return found


def _label_problem(case: Summary, others: Sequence[Summary]) -> Problem | None:
    counts = Counter(value for other in others for value in other.labels)
    usual = {v for v, c in counts.items() if c >= USUAL * len(others)}
    lacking = sorted(usual - set(case.labels))
    strange = sorted(v for v in case.labels if v not in counts)
    if strange and lacking and not _other_structures(case, others, strange):
        return Problem("labels-renumbered", f"label {_values(strange)} is in no other case, and label "
                       f"{_values(lacking)} of the others is missing", "give the labels the numbers of the other cases",
                       None, 0.9)
    for value in lacking:
        missing_ml = median(o.labels[value] for o in others if value in o.labels)
        for big, volume in case.labels.items():
            usual_ml = [o.labels[big] for o in others if big in o.labels]
            if len(usual_ml) >= LEAST_CASES - 1 and volume > MERGED_SIZE * max(usual_ml) and (
                    volume - median(usual_ml) > 0.5 * missing_ml):
                return Problem("labels-merged", f"label {value} of the other cases is missing, and label {big} is "
                               f"{volume / median(usual_ml):.1f} times as large as usual",
                               "the two were probably merged", None, 0.85)
    for value in lacking:  # a label that took the place of another: both usual, one gone, its voxels in the other
        close = _takes_place(case, others, value)
        if close is not None:
            return Problem("labels-merged", f"label {value} of the other cases is missing, and label {close} reaches "
                           "over its place", "the two were probably merged", None, 0.7)
    return _exchanged(case, others)


def _other_structures(case: Summary, others: Sequence[Summary], strange: Sequence[int]) -> bool:
    """Whether the labels that are in no other case have names of their own: other structures, not other numbers."""
    known = {name.casefold() for o in others for name in o.names.values()}
    named = [case.names[v] for v in strange if case.names.get(v, "").casefold() not in ("", f"label {v}")]
    return any(name.casefold() not in known for name in named)


def _takes_place(case: Summary, others: Sequence[Summary], value: int) -> int | None:
    """Return the label that has grown by about the volume of the missing one."""
    with_both = [o for o in others if value in o.labels]
    for big, volume in case.labels.items():
        sums = [o.labels[big] + o.labels[value] for o in with_both if big in o.labels]
        alone = [o.labels[big] for o in with_both if big in o.labels]
        if len(sums) >= LEAST_CASES - 1 and volume > 1.15 * max(alone) and volume > 0.85 * min(sums):
            return big
    return None


def _exchanged(case: Summary, others: Sequence[Summary]) -> Problem | None:
    """Two labels that lie the other way round than in every other case."""
    values = sorted(set(case.centres))
    for at, a in enumerate(values):
        for b in values[at + 1:]:
            pairs = [np.subtract(o.centres[a], o.centres[b]) for o in others if a in o.centres and b in o.centres]
            if len(pairs) < LEAST_CASES:
                continue
            usual, mine = np.array(pairs), np.subtract(case.centres[a], case.centres[b])
            for axis in range(3):
                away = usual[:, axis]
                side = np.sign(away[0])
                least = float(np.abs(away).min())
                if (np.sign(away) == side).all() and least > EXCHANGED_MM and mine[axis] * side < -0.7 * least:
                    similar = all(0.5 < case.labels[v] / median(o.labels[w] for o in others if w in o.labels) < 2
                                  for v, w in ((a, b), (b, a)))
                    if similar and np.abs(mine[np.arange(3) != axis]).max() < abs(mine[axis]):
                        return Problem("labels-exchanged", f"labels {a} and {b} lie the other way round than in the "
                                       "other cases", "they may be exchanged, or the mask is mirrored", None, 0.8)
    return None


def _misfits(cases: Sequence[Summary]) -> list[tuple[int, Problem]]:
    """Find cases whose boundary is not told from chance where that of all others is beyond doubt."""
    kinds: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for n, case in enumerate(cases):
        if case.evidence is not None:
            kinds[tuple(sorted(case.labels))].append(n)
    found = []
    for group in kinds.values():
        for n in group:
            rest = [cases[m] for m in group if cases[m].image != cases[n].image]
            if len(rest) >= LEAST_CASES - 1 and (problem := _misfit(cases[n], rest)):
                found.append((n, problem))
    return found


def _misfit(case: Summary, rest: Sequence[Summary]) -> Problem | None:
    fix = "look whether the mask belongs to another patient or another scan", None
    if (case.evidence or 0.0) < FITS_NOT and min(r.evidence or 0.0 for r in rest) > FITS:
        return Problem("fits-badly", "the boundary does not follow the image, as it does in all other cases", *fix,
                       0.85)
    edges = np.array([r.edge for r in rest])
    usual = float(np.median(edges))
    spread = max(1.4826 * float(np.median(np.abs(edges - usual))), EDGE_SPREAD)
    if len(case.labels) < EDGE_SEGMENTS or usual < EDGE_USUAL:
        return None
    if case.edge < min(EDGE_SHARE * usual, usual - EDGE_FAR * spread):
        return Problem("fits-badly", "the boundaries follow the image far less than in the other cases", *fix, 0.6)
    return None


def _values(values: list[int]) -> str:
    return ", ".join(str(v) for v in values[:5]) + (" ..." if len(values) > 5 else "")
