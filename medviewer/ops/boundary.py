"""The boundary of segments as patches of surface points, and how well an image has edges there.

A patch is a handful of neighbouring boundary points that face the same way. The image is sampled along their
normals; the jump across the boundary is averaged over the patch first, so that noise cancels, and then compared with
the jumps found a little inside and outside of it. The result lies between -1 and 1, does not depend on the
unit or the contrast of the image, and is positive where the boundary lies on an edge of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.labels import LabelMap
from medviewer.core.volume import Volume

Floats = NDArray[np.float64]

CELL_MM = 9.0  # size of the cells in which boundary points are put together
CELL_VOXELS = 5.0  # and at least so many voxels
PATCH_POINTS = 10
PATCHES = 1200
STEP_SHARE, STEP_REACH = 0.15, 9  # planes with fewer faces than this share of those around are no steps
FEW = 60  # patches; fewer are made smaller
MIN_STEP_MM = 1.0  # edges of real images are not sharper than this
DEPTHS = np.array([-3.4, -2.6, -1.4, -0.6, 0.6, 1.4, 2.6, 3.4])  # along the normal, in steps
WIDE = 2.5  # size of the steps that see blurred edges
AIR_HU, HIGH_HU = -900.0, 600.0
LEAST_FLOOR = 0.01  # of the range, for images without noise
FLOOR_POINTS = 4000
TISSUE = 0.1  # of the range above the background


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """Move of positions in voxel indices: ``x -> matrix @ x + offset``."""

    matrix: Floats
    offset: Floats

    @classmethod
    def none(cls) -> Move:
        """Leave everything where it is."""
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def about(cls, matrix: Floats, centre: Floats) -> Move:
        """Turn, mirror or scale about a point."""
        return cls(matrix, centre - matrix @ centre)

    def then(self, other: Move) -> Move:
        """Return this move followed by another."""
        return Move(other.matrix @ self.matrix, other.matrix @ self.offset + other.offset)


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """Boundary points of segments in voxel indices of a grid.

    points : (N, 3) positions (k, j, i)
    normals : (N, 3) outward normals, unit vectors in the patient's mm along the axes
    patch : (N,) which patch each point belongs to, 0...P-1
    segment : (P,) number of the segment in the order given
    spacing_mm : (3,) of the grid
    block : (3,) voxels between the places where the boundary steps along each axis: 1 for a mask drawn on this grid,
        more for one that was brought here from a coarser grid
    """

    points: Floats
    normals: Floats
    patch: NDArray[np.intp]
    segment: NDArray[np.intp]
    spacing_mm: Floats
    block: Floats = field(default_factory=lambda: np.ones(3))

    @property
    def count(self) -> int:
        """Number of patches."""
        return len(self.segment)


def patches_of(masks: LabelMap, wanted: Sequence[int] | None = None, *, limit: int = PATCHES, seed: int = 0) -> Patches:
    """Choose patches of the boundaries of segments, spread over all of them.

    Parameters
    ----------
    masks : LabelMap
    wanted : sequence of int, optional
        Positions in ``masks.segments``; all by default.
    limit : int
        Patches to choose at most, shared out among the segments.
    """
    rng = np.random.default_rng(seed)
    numbers = range(len(masks.segments)) if wanted is None else wanted
    spacing = np.asarray(masks.geometry.spacing_mm)
    found = []
    for layer in range(len(masks.layers)):
        mine = {masks.segments[n].value: n for n in numbers if masks.segments[n].layer == layer}
        if mine:
            found.append(_faces(masks.layers[layer], mine, layer))
    parts = [part for part in found if len(part[0])]
    if not parts:
        empty = np.zeros((0, 3))
        return Patches(empty, empty, np.zeros(0, np.intp), np.zeros(0, np.intp), spacing)
    inside, outside, segment, layers = (np.concatenate(column) for column in zip(*parts, strict=True))
    block = _block(inside, outside)
    for cell_mm in (CELL_MM, CELL_MM / 2):  # small structures need small patches to have some
        chosen, patch, owner = _group(inside, outside, segment, spacing, limit, rng, cell_mm)
        if len(owner) >= FEW:
            break
    inside, outside, layers = inside[chosen], outside[chosen], layers[chosen]
    normals = np.zeros((len(chosen), 3))
    for layer, array in enumerate(masks.layers):
        at = layers == layer
        if at.any():
            normals[at] = _normals(array, inside[at], outside[at], spacing)
    return Patches((inside + outside) / 2.0, normals, patch, owner, spacing, block)


def _faces(array: NDArray[np.unsignedinteger], numbers: dict[int, int],
           layer: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the voxels on both sides of every face between two labels, and the segment of the inner one."""
    low, high = bounds(array)
    box = tuple(slice(max(a - 1, 0), b + 2) for a, b in zip(low, high, strict=True))
    part = np.asarray(array[box])
    start = np.array([s.start for s in box])
    lookup = np.full(int(part.max(initial=0)) + 1, -1, np.intp)
    for value, number in numbers.items():
        if value < len(lookup):
            lookup[value] = number
    ins, outs, segs = [], [], []
    for axis in range(3):
        a = part[tuple(slice(None, -1) if n == axis else slice(None) for n in range(3))]
        b = part[tuple(slice(1, None) if n == axis else slice(None) for n in range(3))]
        at = np.argwhere(a != b)
        if not len(at):
            continue
        step = np.zeros(3, np.intp)
        step[axis] = 1
        first, second = a[tuple(at.T)], b[tuple(at.T)]
        for values, here, there in ((first, at, at + step), (second, at + step, at)):
            own = lookup[values]
            keep = own >= 0
            ins.append(here[keep] + start)
            outs.append(there[keep] + start)
            segs.append(own[keep])
    if not ins:
        none = np.zeros((0, 3), np.intp)
        return none, none, np.zeros(0, np.intp), np.zeros(0, np.intp)
    inside = np.concatenate(ins)
    return inside, np.concatenate(outs), np.concatenate(segs), np.full(len(inside), layer, np.intp)


def _block(inside: NDArray[np.intp], outside: NDArray[np.intp]) -> Floats:
    """Return how many voxels lie between the planes in which the boundary steps, along each axis."""
    out = np.ones(3)
    for axis in range(3):
        step = outside[:, axis] - inside[:, axis]
        at = np.minimum(inside[:, axis], outside[:, axis])[step != 0]
        if len(at) > 1 and np.ptp(at) > 0:
            counts = np.bincount(at - at.min()).astype(float)
            usual = np.convolve(counts, np.full(STEP_REACH, 1 / STEP_REACH), "same")[: len(counts)]
            judged = usual >= max(0.02 * float(usual.max()), 1.0)
            used = int(np.count_nonzero(judged & (counts > STEP_SHARE * usual)))
            out[axis] = np.count_nonzero(judged) / (used or 1)
    return out


def bounds(array: NDArray[np.generic]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first and last index of what is not 0 along each axis; (0, -1) where there is nothing."""
    low, high = np.zeros(3, np.intp), np.full(3, -1, np.intp)
    slices = np.flatnonzero([bool(plane.any()) for plane in array])
    if not len(slices):
        return low, high
    flat = np.zeros(array.shape[1:], bool)
    for k in slices:
        flat |= array[k] != 0
    for axis, used in enumerate((slices, np.flatnonzero(flat.any(axis=1)), np.flatnonzero(flat.any(axis=0)))):
        low[axis], high[axis] = used[0], used[-1]
    return low, high


def _group(inside: NDArray[np.intp], outside: NDArray[np.intp], segment: NDArray[np.intp], spacing: Floats, limit: int,
           rng: np.random.Generator, cell_mm: float) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Put faces of one segment, cell and side together, and choose patches evenly over the segments."""
    voxels = CELL_VOXELS * cell_mm / CELL_MM
    size = np.maximum(np.maximum(cell_mm, voxels * spacing.min()) / spacing, 1.0)
    cell = (inside / size).astype(np.int64)
    side = ((outside - inside) @ np.array([1, 3, 9])) + 13  # one of six directions
    cell -= cell.min(axis=0)
    spans = cell.max(axis=0) + 1
    key = ((((segment * spans[0]) + cell[:, 0]) * spans[1] + cell[:, 1]) * spans[2] + cell[:, 2]) * 27 + side
    order = rng.permutation(len(key))
    order = order[np.argsort(key[order], kind="stable")]
    _, starts, counts = np.unique(key[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(starts, counts)
    number = np.repeat(np.arange(len(starts)), counts)
    good = _share(segment[order[starts]], counts, limit, rng)
    new = np.full(len(starts), -1, np.intp)
    new[good] = np.arange(len(good))
    keep = (rank < PATCH_POINTS) & (new[number] >= 0)
    return order[keep], new[number[keep]], segment[order[starts[good]]]


def _share(owner: NDArray[np.intp], counts: NDArray[np.intp], limit: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Choose patches: those with enough points, the same number of every segment as far as there are any."""
    large = np.flatnonzero(counts >= min(4, int(counts.max())))
    if len(large) <= limit:
        return large
    shuffled = large[rng.permutation(len(large))]
    shuffled = shuffled[np.argsort(owner[shuffled], kind="stable")]
    _, starts, sizes = np.unique(owner[shuffled], return_index=True, return_counts=True)
    rank = np.arange(len(shuffled)) - np.repeat(starts, sizes)
    return np.sort(shuffled[np.argsort(rank, kind="stable")[:limit]])


def _normals(array: NDArray[np.unsignedinteger], inside: NDArray[np.intp], outside: NDArray[np.intp],
             spacing: Floats) -> Floats:
    """Return outward normals: away from the centre of the segment's own voxels around each face."""
    reach = np.maximum(np.minimum(np.rint(2.0 * spacing.min() / spacing), 2), 1).astype(int)
    value = array[tuple(inside.T)]
    total = np.zeros((len(inside), 3))
    top = np.asarray(array.shape) - 1
    for k in range(-reach[0], reach[0] + 1):
        for j in range(-reach[1], reach[1] + 1):
            for i in range(-reach[2], reach[2] + 1):
                for base in (inside, outside):
                    at = np.clip(base + (k, j, i), 0, top)
                    offset = (base + (k, j, i) - (inside + outside) / 2.0) * spacing
                    total -= (array[tuple(at.T)] == value)[:, None] * offset
    face = (outside - inside) * spacing
    length = np.linalg.norm(total, axis=1, keepdims=True)
    face /= np.linalg.norm(face, axis=1, keepdims=True)
    normal = np.where(length > 0, total / np.maximum(length, 1e-12), face)
    turned = (normal * face).sum(axis=1, keepdims=True) < 0.2  # a thin part: trust the face
    return np.asarray(np.where(turned, face, normal))


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """An image in which edges are looked for.

    stored : (K, J, I) as stored, sampled without a copy
    slope, intercept : stored -> values
    low, high : range of the tissue; what lies outside is clipped, so that metal and padding do not count more
    floor : jump that counts as nothing (noise and texture of this image), in the unit of the values
    """

    stored: NDArray[Any]
    slope: float
    intercept: float
    spacing_mm: Floats
    low: float
    high: float
    floor: float

    @classmethod
    def of(cls, volume: Volume, seed: int = 0) -> Edges:
        """Find range and noise of a volume (its first time point)."""
        stored, slope, intercept = _plain(volume)
        spacing = np.asarray(volume.spacing_mm)
        low, high, background = _range(stored, slope, intercept)
        edges = cls(stored, slope, intercept, spacing, low, high, 0.0)
        noise = edges._texture(background, np.random.default_rng(seed))
        return replace(edges, floor=max(noise, LEAST_FLOOR * (high - low), 1e-12))

    def _texture(self, background: float, rng: np.random.Generator) -> float:
        """Return the usual jump at any place of the tissue."""
        steps = [max(1, n // 64) for n in self.stored.shape]
        sub = self.stored[:: steps[0], :: steps[1], :: steps[2]] * self.slope + self.intercept
        tissue = np.argwhere(sub > background + TISSUE * (self.high - background))
        if len(tissue) < 50:
            tissue = np.argwhere(np.ones(sub.shape, bool))
        points = tissue[rng.integers(0, len(tissue), FLOOR_POINTS)] * np.asarray(steps, float)
        normals = rng.normal(size=points.shape)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        each = np.arange(len(points))
        jump = self.jumps(Patches(points, normals, each, np.zeros(len(points), np.intp), self.spacing_mm))[0]
        return float(np.median(np.abs(jump)))

    def jumps(self, patches: Patches, move: Move | None = None, scale: float = 1.0) -> tuple[Floats, Floats]:
        """Return the jumps of the image inside, at and outside of each patch (P, 3), and the rise across all (P,).

        Parameters
        ----------
        move : Move
            Where the patches are put; where they are by default.
        scale : float
            Size of the steps along the normals: larger ones see blurred edges.
        """
        move = move or Move.none()
        least = float(self.spacing_mm.min())
        step = scale * np.maximum(self.spacing_mm, min(MIN_STEP_MM, 2 * least))
        reach = np.linalg.norm(patches.normals * step, axis=1, keepdims=True)
        at = patches.points @ move.matrix.T + move.offset
        along = (patches.normals * reach / patches.spacing_mm) @ move.matrix.T
        places = at[:, None, :] + DEPTHS[None, :, None] * along[:, None, :]
        values = self._sample(places.reshape(-1, 3)).reshape(len(at), 4, 2).mean(axis=2)
        totals = np.stack([np.bincount(patches.patch, values[:, n], patches.count) for n in range(4)], axis=1)
        means = totals / np.bincount(patches.patch, minlength=patches.count)[:, None]
        return np.diff(means, axis=1), means[:, 2:].mean(axis=1) - means[:, :2].mean(axis=1)

    def score(self, patches: Patches, move: Move | None = None, scale: float = 1.0) -> Floats:
        """Return for each patch how much it lies on an edge of its own, -1...1."""
        return self._sharpness(self.jumps(patches, move, scale)[0])

    def _sharpness(self, jumps: Floats) -> Floats:
        jump = np.abs(jumps)
        around = (jump[:, 0] + jump[:, 2]) / 2
        return np.asarray((jump[:, 1] - around) / (jump[:, 1] + around + self.floor))

    def evidence(self, patches: Patches, move: Move) -> Floats:
        """Return three measures of a boundary that is in place: sharp edge, blurred edge, steady contrast."""
        sharp = self.score(patches, move).mean()
        jumps, rise = self.jumps(patches, move, WIDE)
        total = np.bincount(patches.segment, rise)
        square = np.bincount(patches.segment, rise**2)
        count = np.bincount(patches.segment)
        used = count > 0
        mean, power = total[used] / count[used], square[used] / count[used]
        steady = (np.abs(mean) / np.sqrt(power + self.floor**2) * count[used]).sum() / count.sum()
        return np.array([sharp, self._sharpness(jumps).mean(), steady])

    def _sample(self, places: Floats) -> Floats:
        """Interpolate; positions outside the image take the value of its border."""
        from scipy.ndimage import map_coordinates

        found = map_coordinates(self.stored, places.T, np.float32, order=1, mode="nearest")
        return np.clip(found * np.float64(self.slope) + self.intercept, self.low, self.high)


def _plain(volume: Volume) -> tuple[NDArray[Any], float, float]:
    """Return (K, J, I) voxels that can be sampled, with one rescale for all."""
    if volume.colour:
        return volume.at_time(0).mean(axis=-1, dtype=np.float32), 1.0, 0.0
    stored = volume.at_time(0)
    if volume.rescale.is_uniform and stored.dtype.kind in "iu" and stored.dtype.isnative:
        return stored, *volume.rescale.at(0, 0)
    values = np.stack([volume.slice_values(k) for k in range(stored.shape[0])])
    return np.nan_to_num(values, copy=False), 1.0, 0.0


def _range(stored: NDArray[Any], slope: float, intercept: float) -> tuple[float, float, float]:
    """Return the range of tissue and the value of the background."""
    steps = [max(1, n // m) for n, m in zip(stored.shape, (60, 128, 128), strict=True)]
    values = stored[:: steps[0], :: steps[1], :: steps[2]].astype(np.float64) * slope + intercept
    if values.min() <= AIR_HU and values.max() > 100:  # Hounsfield units
        return -1000.0, HIGH_HU, -1000.0
    low, high = (float(x) for x in np.percentile(values, (0.2, 99.8)))
    counts, edges = np.histogram(values, 256)
    most = int(np.argmax(counts))
    background = float(edges[most] + edges[most + 1]) / 2
    if background > low + 0.3 * (high - low):
        background = low  # no background in the picture
    tissue = values[values > background + 0.02 * (high - background)]
    if tissue.size > 100:
        high = float(np.percentile(tissue, 99.5))
    return low, max(high, low + 1e-9), background
