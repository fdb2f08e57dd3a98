"""Does a mask lie where the image has edges, or would it fit better mirrored, turned or moved?

A mask that is right lies on edges nearly everywhere; the same mask at a place where it does not belong lies on edges
by chance only. How often chance does that in this very image is measured with decoys: the mask put at random places.
All evidence is counted in standard deviations of the decoys, so that no threshold depends on modality, unit or noise.
A better place is reported only if it stands far above every decoy and the present place does not; a mask whose
boundary no place supports (low contrast, a margin added on purpose) is left alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.core.volume import Volume
from medviewer.ops.boundary import Edges, Floats, Move, Patches, patches_of

DECOYS = 48
LEAST_SD = 0.01  # of any measure among decoys
LEAST_PATCHES = 12
SURE = 12.0  # evidence a better place must have; the best of thousands of decoys of real scans had 9.3
CHANCE = 9.0  # evidence below which a place is not told from chance
LEAD = 6.0  # standard errors a mirrored or turned place must lead by
SHIFT_LEAD = 4.5  # standard errors a moved place must lead by
SHIFT_GAIN = 0.12  # share of the edge score above chance that a move must add
HALF_LEAD, HALF_LEAST, HALF_SEGMENTS = 5.0, 0.33, 4
BLOCKY, BLOCK_SHARE = 1.4, 0.5  # a mask steps every so many voxels; moves below this share of a step
SCALE_LEAD = 6.0
SCALES = (0.85, 0.9, 0.95, 1.05, 1.1, 1.15)
AXIS_NAMES = (("lr", "left and right"), ("ap", "front and back"), ("hf", "head and feet"))
FUNCTIONAL = ("PT", "NM")  # breathing and blur move their edges: small moves are not judged


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A place where the mask could belong.

    code : flip-lr, flip-ap, flip-hf and their combinations, axis-swap, shift-slice, shift, shift-half-voxel, scale
    text : what would be wrong with the mask, in plain words
    move : takes it there, in voxel indices
    """

    code: str
    text: str
    move: Move


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """How well a mask lies on the edges of its image.

    evidence : in standard deviations of chance (three measures added); below 9 it is not told from chance
    edge : mean edge score of the boundary, -1...1; chance lies a little below 0
    better : a better place, if there is one beyond doubt
    confidence : 0...1 in that place
    worst_slice : slice in which the boundary lies on edges least
    patches : how many pieces of boundary were looked at
    segments : how many segments they belong to
    """

    evidence: float
    edge: float
    better: Candidate | None
    better_evidence: float
    confidence: float
    worst_slice: int | None
    patches: int
    segments: int

    @property
    def judged(self) -> bool:
        """Whether there was enough boundary to judge."""
        return self.patches >= LEAST_PATCHES


def judge(volume: Volume, labels: LabelMap, *, seed: int = 0, job: Job | None = None) -> Alignment:
    """Compare the place of a mask with mirrored, turned, moved and scaled ones.

    Parameters
    ----------
    volume : Volume
    labels : LabelMap
        On the grid of the volume.
    seed : int
        Of the choice of boundary points and of the decoys; the same seed gives the same answer.
    """
    job = job or Job()
    patches = patches_of(labels, seed=seed)
    if patches.count < LEAST_PATCHES:
        return Alignment(0.0, 0.0, None, 0.0, 0.0, None, patches.count, len(np.unique(patches.segment)))
    edges = Edges.of(volume, seed)
    return _Judge(edges, patches, volume.geometry, volume.modality, job, seed).run()


class _Judge:
    """One comparison; keeps what is measured more than once."""

    def __init__(self, edges: Edges, patches: Patches, grid: Geometry, modality: str, job: Job, seed: int) -> None:
        self.edges, self.patches, self.grid, self.job = edges, patches, grid, job
        self.modality = modality
        self.segments = len(np.unique(patches.segment))
        rng = np.random.default_rng(seed)
        decoys = self._measure(list(_decoys(patches, grid.shape, rng)), job.part(0.0, 0.5))
        self.chance = decoys.mean(axis=0)
        self.spread = np.maximum(decoys.std(axis=0), LEAST_SD)
        self.top = float(((decoys - self.chance) / self.spread).sum(axis=1).max())

    def _measure(self, moves: Sequence[Move], job: Job) -> Floats:
        """Return the evidence measures of many places, (N, 3); sampling works without the interpreter lock."""
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            found = pool.map(lambda move: self.edges.evidence(self.patches, move), moves)
            return np.array([next(found) for _ in job.each(moves, "Looking at edges")])

    def run(self) -> Alignment:
        """Look for a better place: mirrored or turned first, then moved, then scaled."""
        here = self.evidence(Move.none())
        score = self.edges.score(self.patches)
        found = self._turned(here, score)
        if found is None and self.modality not in FUNCTIONAL:
            found = self._moved(score) or self._half(score) or self._scaled(score)
        better, strength, confidence = found or (None, 0.0, 0.0)
        return Alignment(here, float(score.mean()), better, strength, confidence, self._worst(score),
                         self.patches.count, self.segments)

    def evidence(self, move: Move) -> float:
        """Return the evidence for a place, in standard deviations of chance."""
        return float(((self.edges.evidence(self.patches, move) - self.chance) / self.spread).sum())

    def _turned(self, here: float, score: Floats) -> tuple[Candidate, float, float] | None:
        candidates = list(turned(self.grid))
        measures = self._measure([c.move for c in candidates], self.job.part(0.5, 0.8))
        strengths = ((measures - self.chance) / self.spread).sum(axis=1)
        best = int(np.argmax(strengths))
        strength = float(strengths[best])
        if strength < max(SURE, self.top + 2.0) or strength < here + SURE / 2:
            return None
        other = self.edges.score(self.patches, candidates[best].move)
        lead = _lead(other - score)
        if lead < LEAD or (here > CHANCE and strength < 1.2 * here):
            return None
        return candidates[best], strength, _sure(min(lead / LEAD, strength / SURE))

    def _moved(self, score: Floats) -> tuple[Candidate, float, float] | None:
        """Look for a move along the axes by one or two voxels."""
        base = float(self.chance[0])
        offset, best = np.zeros(3), score
        for axis in range(3):
            if self.grid.shape[axis] < 3:
                continue
            for size in (-1.0, 1.0, -2.0, 2.0, -3.0, 3.0):
                trial = offset * (np.arange(3) != axis) + size * (np.arange(3) == axis)
                other = self.edges.score(self.patches, Move(np.eye(3), trial))
                if other.mean() > best.mean():
                    offset, best = trial, other
        if not offset.any() or float(best.mean()) <= max(0.0, base) or self._within_block(offset):
            return None
        gain = float(best.mean() - score.mean()) / float(best.mean() - base)
        lead = _lead(best - score)
        in_plane = not offset[0]
        if gain < SHIFT_GAIN or lead < SHIFT_LEAD or (in_plane and (lead < LEAD or np.abs(offset).max() < 2)):
            return None
        strength = self.evidence(Move(np.eye(3), offset))
        if strength < max(SURE, self.top + 2.0):
            return None
        return _shift(offset, self.grid), strength, _sure(min(lead / SHIFT_LEAD, gain / SHIFT_GAIN))

    def _within_block(self, offset: Floats) -> bool:
        """Whether a move is small against the steps of a mask that was brought here from a coarser grid."""
        small = (np.abs(offset) < BLOCK_SHARE * self.patches.block) & (self.patches.block > BLOCKY)
        return bool(small[offset != 0].all())

    def _half(self, score: Floats) -> tuple[Candidate, float, float] | None:
        """Look for a move by half a voxel: where the peak of the edge score lies between its neighbours."""
        if self.segments < HALF_SEGMENTS or self.patches.block.max() > BLOCKY or self.evidence(Move.none()) < 2 * SURE:
            return None
        found = np.zeros(3)
        sureness = 0.0
        for axis in range(3):
            if self.grid.shape[axis] < 3:
                continue
            unit = np.eye(3)[axis]
            sides = [self.edges.score(self.patches, Move(np.eye(3), s * unit)) for s in (-1.0, 1.0)]
            place, error = _peak(sides[0], score, sides[1])
            if abs(place) >= HALF_LEAST and abs(place) >= HALF_LEAD * error:
                found[axis] = np.sign(place) * 0.5
                sureness = max(sureness, abs(place) / (HALF_LEAD * error))
        if not found.any():
            return None
        return _shift(found, self.grid), self.evidence(Move(np.eye(3), found)), _sure(sureness)

    def _scaled(self, score: Floats) -> tuple[Candidate, float, float] | None:
        """Look for a change of size about the middle of the mask or of the image, as a wrong spacing gives."""
        if self.segments < 2:
            return None  # a single structure may be drawn with a margin on purpose
        middle = (self.patches.points.min(axis=0) + self.patches.points.max(axis=0)) / 2
        centre = (np.asarray(self.grid.shape) - 1) / 2
        best, chosen, factor = score, None, 1.0
        for scale, about in product(SCALES, (middle, centre)):
            move = Move.about(np.eye(3) * scale, about)
            other = self.edges.score(self.patches, move)
            if other.mean() > best.mean():
                best, chosen, factor = other, move, scale
        if chosen is None:
            return None
        gain = float(best.mean() - score.mean()) / max(float(best.mean() - self.chance[0]), 1e-9)
        lead, strength = _lead(best - score), self.evidence(chosen)
        if lead < SCALE_LEAD or gain < 2 * SHIFT_GAIN or strength < max(SURE, self.top + 2.0):
            return None
        size = "large" if factor < 1 else "small"
        text = f"is too {size}: the edges of the image fit it at {factor:.0%} of its size"
        return Candidate("scale", text, chosen), strength, _sure(lead / SCALE_LEAD)

    def _worst(self, score: Floats) -> int | None:
        """Return the slice with the lowest mean edge score among those with enough boundary."""
        slices = np.rint(np.bincount(self.patches.patch, self.patches.points[:, 0]) /
                         np.bincount(self.patches.patch)).astype(int)
        total, count = np.bincount(slices, score), np.bincount(slices)
        enough = np.flatnonzero(count >= max(1, np.median(count[count > 0]) / 2))
        return int(enough[np.argmin(total[enough] / count[enough])]) if len(enough) else None


def turned(grid: Geometry) -> Iterator[Candidate]:
    """Yield every mirrored and turned place about the middle of the grid, the likeliest faults first."""
    centre = (np.asarray(grid.shape) - 1) / 2
    spacing = np.asarray(grid.spacing_mm)
    flat = [axis for axis in range(3) if grid.shape[axis] == 1]
    for order in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            swapped = [a for a in range(3) if order[a] != a]
            mirrored = [a for a in range(3) if signs[a] < 0]
            if len(swapped) == 3 or not (swapped or mirrored) or set(flat) & set(swapped + mirrored):
                continue
            for sizes in _sizes(grid.shape, spacing, swapped):
                matrix = np.zeros((3, 3))
                matrix[range(3), order] = np.asarray(signs) * sizes[list(order)] / sizes
                code, text = _turn_words(grid, swapped, mirrored)
                yield Candidate(code, text, Move.about(matrix, centre))


def _sizes(shape: tuple[int, int, int], spacing: Floats, swapped: list[int]) -> Iterator[Floats]:
    """Axes may be swapped in space, or in the array where their lengths allow it."""
    yield spacing
    if swapped and len({shape[a] for a in swapped}) == 1 and np.ptp(spacing[swapped]) > 1e-3 * spacing.max():
        yield np.ones(3)


def _turn_words(grid: Geometry, swapped: list[int], mirrored: list[int]) -> tuple[str, str]:
    names = [AXIS_NAMES[int(np.argmax(np.abs(grid.directions[:, a])))] for a in range(3)]
    if swapped:
        words = " and ".join(("slices", "rows", "columns")[a] for a in swapped)
        return "axis-swap", f"has {words} swapped" + (" and is mirrored" if mirrored else "")
    order = [name for name in AXIS_NAMES if name in [names[a] for a in mirrored]]
    code = "flip-" + "-".join(short for short, _ in order)
    if len(order) == 2:
        return code, f"is turned by 180 degrees ({' and '.join(text for _, text in order)} are both exchanged)"
    return code, f"has {', '.join(text for _, text in order)} exchanged"


def _shift(offset: Floats, grid: Geometry) -> Candidate:
    """Name a move; `offset` takes the mask to its place, so the fault is the opposite."""
    if np.abs(offset).max() < 1:
        code = "shift-half-voxel"
    else:
        code = "shift-slice" if offset[0] and not offset[1:].any() else "shift"
    words = [f"{abs(v):g} {unit}{'s' if abs(v) > 1 else ''} ({abs(v) * mm:.3g} mm)"
             for v, unit, mm in zip(offset, ("slice", "row", "column"), grid.spacing_mm, strict=True) if v]
    return Candidate(code, f"lies {' and '.join(words)} off", Move(np.eye(3), offset))


def _decoys(patches: Patches, shape: tuple[int, int, int], rng: np.random.Generator) -> Iterator[Move]:
    """Put the mask at random places of the image, every second time mirrored."""
    room = np.asarray(shape) - 1.0
    for n in range(DECOYS):
        signs = rng.integers(0, 2, 3) * 2.0 - 1.0 if n % 2 else np.ones(3)
        low, high = np.sort([patches.points.min(axis=0) * signs, patches.points.max(axis=0) * signs], axis=0)
        offset = rng.uniform(np.minimum(-low, room - high), np.maximum(-low, room - high))
        away = rng.choice([-1.0, 1.0], 3) * rng.uniform(5.0, 12.0, 3) / patches.spacing_mm * (np.asarray(shape) > 1)
        yield Move(np.diag(signs), offset + away)


def _lead(difference: Floats) -> float:
    """Return a mean in its standard errors."""
    return float(difference.mean() / max(difference.std() / np.sqrt(len(difference)), 1e-9))


def _peak(before: Floats, here: Floats, after: Floats) -> tuple[float, float]:
    """Return the place of the top of a parabola through three mean scores, in voxels, and its standard error."""
    slope, bend = (after - before) / 2, before - 2 * here + after
    if bend.mean() >= 0:
        return 0.0, 1.0
    place = -slope.mean() / bend.mean()
    error = float(np.std(slope + place * bend) / np.sqrt(len(slope)) / abs(bend.mean()))
    return float(place), max(error, 1e-6)


def _sure(times: float) -> float:
    """Return a confidence for evidence that is so many times what is asked for."""
    return float(1.0 - 0.05 * np.exp(-2.0 * (times - 1.0)))


def moved_labels(labels: LabelMap, move: Move) -> LabelMap:
    """Return the label map with every segment at the place that `move` takes it to, nearest voxel."""
    from dataclasses import replace

    from scipy.ndimage import affine_transform

    back = np.linalg.inv(move.matrix)

    def placed(layer: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
        out: NDArray[np.unsignedinteger] = affine_transform(layer, back, -back @ move.offset, order=0, mode="constant")
        return out

    return replace(labels, layers=tuple(placed(layer) for layer in labels.layers), fractional={})
