"""Put frames of one size and orientation into stacks of slices x time points.

A stack is a list of rows, one per time point, each with one frame (or None) per position. Frames that do not
belong together (other lateral position, other kind of picture, overlapping acquisitions) become stacks of their own.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from medviewer.core.study import Report
from medviewer.io.dicom import doctor
from medviewer.io.dicom.frames import Frame, Vector, axes
from medviewer.io.dicom.spacing import fits_grid
from medviewer.io.dicom.timing import age, time_points

SAME_COSINE = 1e-4  # direction cosines that differ by less are one orientation, rounded
PLACE_MM = 0.05  # positions closer than this (or a tenth of a pixel) are one place
FAR_STEPS = 10.0  # a gap of more steps than this parts two stacks
LEAST_GRID = 3  # slices that show that they lie on a grid of their own
MAX_SPLITS = 6  # nested reasons for parting


@dataclass(slots=True)
class Stack:
    """Frames in order: cells[t][k], with the place of each k.

    places : (K, 3) position of the first voxel of each slice; along : (K,) distance along the normal, mm
    part : why and which part of its series it is, for the id and the title
    """

    cells: list[list[Frame | None]]
    places: NDArray[np.float64]
    along: NDArray[np.float64]
    frames: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]  # row, column, normal
    reports: list[Report] = field(default_factory=list)
    part: str = ""


@dataclass(slots=True)
class _Set:
    """Frames on their way into stacks."""

    frames: list[Frame]
    places: NDArray[np.float64]  # (N, 3)
    coords: NDArray[np.float64]  # (N, 3): along the normal, along rows, along columns
    tolerance: float
    part: str = ""

    def take(self, index: Sequence[int], part: str) -> _Set:
        chosen = list(index)
        return replace(self, frames=[self.frames[n] for n in chosen], places=self.places[chosen],
                       coords=self.coords[chosen], part=f"{self.part} {part}".strip())


def arrange(frames: Sequence[Frame]) -> list[Stack]:
    """Sort frames with positions, all of one orientation and size, into stacks."""
    orientation, apart = _common_orientation(frames)
    row, column, normal, reports = axes(orientation)
    if apart > SAME_COSINE:
        reports.append(doctor.orientations_differ(apart))
    places = np.array([f.position for f in frames], float)
    coords = places @ np.stack([normal, row, column], axis=1)
    pixel = min(min(f.spacing) for f in frames if f.spacing) if any(f.spacing for f in frames) else 1.0
    whole = _Set(list(frames), places, coords, min(PLACE_MM, 0.1 * pixel))
    stacks = [_stack(s, more) for s, more in _part(whole, 0)]
    for stack in stacks:
        stack.frames = row, column, normal
        stack.reports[:0] = reports
    return stacks


def _common_orientation(frames: Sequence[Frame]) -> tuple[Vector, float]:
    """Return the orientation of all frames (the mean if they differ a little), and by how much they differ."""
    several = {f.orientation for f in frames if f.orientation is not None}
    if len(several) == 1:
        return next(iter(several)), 0.0
    vectors = np.array([f.orientation for f in frames])
    return tuple(vectors.mean(axis=0).tolist()), float(np.ptp(vectors, axis=0).max())


def _part(group: _Set, depth: int) -> list[tuple[_Set, list[Report]]]:
    """Part a set until each piece is a stack; tells the reason in a report of each piece."""
    if depth < MAX_SPLITS and len(group.frames) > 1:
        for rule in (_by_kind, _by_lateral_place, _by_acquisition, _by_interleaving, _by_gap):
            parts, reason = rule(group)
            if len(parts) > 1:
                report = doctor.split(len(parts), reason)
                return [(piece, [report, *more]) for part in parts for piece, more in _part(part, depth + 1)]
    return [(group, [])]


def clusters(values: NDArray[np.float64], tolerance: float) -> NDArray[np.int64]:
    """Number the groups of nearly equal values, in increasing order."""
    order = np.argsort(values, kind="stable")
    steps = np.diff(values[order], prepend=values[order[0]]) > tolerance
    numbers = np.empty(len(values), np.int64)
    numbers[order] = np.cumsum(steps)
    return numbers


def _partition(group: _Set, key: Callable[[int], Hashable], name: Callable[[Hashable], str]) -> list[_Set]:
    found: dict[Hashable, list[int]] = defaultdict(list)
    for n in range(len(group.frames)):
        found[key(n)].append(n)
    return [group.take(index, name(k)) for k, index in found.items()]


def _collisions(group: _Set) -> Counter[int]:
    return Counter(clusters(group.coords[:, 0], group.tolerance).tolist())


def _by_kind(group: _Set) -> tuple[list[_Set], str]:
    """Different kinds of picture (magnitude and phase, two kernels) at the same places."""
    kinds = {f.kind for f in group.frames}
    if len(kinds) < 2 or max(_collisions(group).values()) < 2:
        return [group], ""
    parts = _partition(group, lambda n: group.frames[n].kind, _kind_names(kinds).__getitem__)
    before = max(_collisions(group).values())
    shared = [set(_rounded(p)) for p in parts]
    overlap = any(a & b for n, a in enumerate(shared) for b in shared[n + 1:])
    if overlap and all(max(_collisions(p).values()) < before for p in parts):
        return parts, f"{len(parts)} kinds of picture of the same places"
    return [group], ""


def _kind_names(kinds: Iterable[str]) -> dict[Hashable, str]:
    """Name kinds by the words that not all of them have."""
    words = {kind: [w for w in re.split(r"[\\|]", kind) if w] for kind in kinds}
    common = set.intersection(*map(set, words.values()))
    names: dict[Hashable, str] = {kind: " ".join(w for w in found if w not in common) for kind, found in words.items()}
    return names if len(set(names.values())) == len(names) else {kind: kind.replace("|", " ") for kind in words}


def _rounded(group: _Set) -> list[int]:
    return [int(v) for v in np.round(group.coords[:, 0] / (4 * group.tolerance))]


def _by_lateral_place(group: _Set) -> tuple[list[_Set], str]:
    """Slices that do not lie on one line: stacks side by side."""
    if _off_line(group) <= group.tolerance:
        return [group], ""
    lateral = [(int(u), int(v)) for u, v in zip(clusters(group.coords[:, 1], group.tolerance),
                                                clusters(group.coords[:, 2], group.tolerance), strict=True)]
    reason = "stacks of slices beside each other"
    if len(set(lateral)) <= max(2, len(lateral) // 2):
        return _partition(group, lambda n: lateral[n], lambda k: f"place {k}"), reason
    by_acquisition = _partition(group, lambda n: group.frames[n].times.get("acquisition"), lambda k: f"acquisition {k}")
    if len(by_acquisition) > 1 and all(_off_line(p) <= p.tolerance for p in by_acquisition):
        return by_acquisition, reason
    return _runs(group), reason


def _off_line(group: _Set) -> float:
    """Largest sideways distance from the line through the first and the last slice, mm."""
    order = np.argsort(group.coords[:, 0], kind="stable")
    coords = group.coords[order]
    span = coords[-1, 0] - coords[0, 0]
    if span <= group.tolerance:
        return float(np.abs(coords[:, 1:] - coords[0, 1:]).max())
    share = ((coords[:, 0] - coords[0, 0]) / span)[:, None]
    line = coords[0, 1:] + share * (coords[-1, 1:] - coords[0, 1:])
    return float(np.abs(coords[:, 1:] - line).max())


def _runs(group: _Set) -> list[_Set]:
    """Part into runs of slices that lie on one line each, going along the normal."""
    order = [int(n) for n in np.argsort(group.coords[:, 0], kind="stable")]
    runs: list[list[int]] = [[order[0]]]
    for n in order[1:]:
        if _off_line(group.take([*runs[-1], n], "")) <= group.tolerance:
            runs[-1].append(n)
        else:
            runs.append([n])
    return [group.take(run, f"run {n}") for n, run in enumerate(runs)]


def _by_acquisition(group: _Set) -> tuple[list[_Set], str]:
    """Acquisitions that overlap in space without being time points of each other."""
    numbers = {f.times.get("acquisition") for f in group.frames}
    if not 1 < len(numbers) <= max(2, len(group.frames) // 2):
        return [group], ""
    parts = _partition(group, lambda n: group.frames[n].times.get("acquisition"), lambda k: f"acquisition {k}")
    parts.sort(key=lambda p: str(p.part))
    if max(_collisions(group).values()) == 1 and fits_grid(np.sort(group.coords[:, 0])):
        return [group], ""  # interleaved acquisitions of one grid
    ranges = [(p.coords[:, 0].min(), p.coords[:, 0].max()) for p in parts]
    if min(len(p.frames) for p in parts) < 2 or not _overlap(ranges):
        return [group], ""
    if _same_places(parts, group.tolerance):
        return [group], ""  # time points: repeated acquisitions of the same slices
    return parts, f"{len(parts)} acquisitions that overlap in space"


def _by_interleaving(group: _Set) -> tuple[list[_Set], str]:
    """Two reconstructions between each other: each on a grid of its own, together on none."""
    if len(group.frames) < 2 * LEAST_GRID or max(_collisions(group).values()) > 1 \
            or fits_grid(np.sort(group.coords[:, 0])):
        return [group], ""
    for what, name in (("kinds of picture", "kind"), ("slice thicknesses", "thickness")):
        values = [getattr(f, name) for f in group.frames]
        if not 1 < len(set(values)) <= len(values) // LEAST_GRID:
            continue
        parts = _partition(group, values.__getitem__, f"{name} {{}}".format)
        ranges = [(p.coords[:, 0].min(), p.coords[:, 0].max()) for p in parts]
        if _overlap(ranges) and all(len(p.frames) >= LEAST_GRID and fits_grid(np.sort(p.coords[:, 0])) for p in parts):
            return parts, f"{len(parts)} {what} that overlap in space"
    return [group], ""


def _overlap(ranges: Sequence[tuple[float, float]]) -> bool:
    return any(a[0] <= b[1] and b[0] <= a[1] for n, a in enumerate(ranges) for b in ranges[n + 1:])


def _cluster_index(group: _Set) -> NDArray[np.int64]:
    return clusters(group.coords[:, 0], group.tolerance)


def _same_places(parts: Sequence[_Set], tolerance: float) -> bool:
    """Whether most of the places of the parts are shared by all."""
    together = np.concatenate([p.coords[:, 0] for p in parts])
    index = clusters(together, tolerance)
    owner = np.repeat(np.arange(len(parts)), [len(p.frames) for p in parts])
    owners = [set(owner[index == c].tolist()) for c in range(index.max() + 1)]
    return sum(len(o) == len(parts) for o in owners) > 0.5 * len(owners)


def _by_gap(group: _Set) -> tuple[list[_Set], str]:
    """Stacks of several slices each, far from each other."""
    index = _cluster_index(group)
    centres = np.array([group.coords[index == c, 0].mean() for c in range(index.max() + 1)])
    gaps = np.diff(centres)
    if len(gaps) < 5:
        return [group], ""
    wide = gaps > FAR_STEPS * float(np.median(gaps))
    block = np.concatenate([[0], np.cumsum(wide)])
    if not wide.any() or min(Counter(block.tolist()).values()) < 3:
        return [group], ""
    parts = _partition(group, lambda n: int(block[index[n]]), lambda k: f"block {k}")
    return parts, f"{len(parts)} stacks of slices far from each other"


def _stack(group: _Set, reports: list[Report]) -> Stack:
    """Order one set into time points and slices."""
    index = _cluster_index(group)
    count = int(index.max()) + 1
    times, reports_time = time_points(group.frames, index)
    rows = (max(times) + 1) if times else 1
    cells: list[list[Frame | None]] = [[None] * count for _ in range(rows)]
    extra: list[int] = []
    order = sorted(range(len(group.frames)), key=lambda n: age(group.frames[n]))
    for n in order:
        t = times[n] if times else 0
        if cells[t][index[n]] is None:
            cells[t][index[n]] = group.frames[n]
        else:
            extra.append(n)
    first = {int(index[n]): n for n in reversed(order)}
    places = np.array([group.places[first[c]] for c in range(count)])
    along = np.array([group.coords[first[c], 0] for c in range(count)])
    if extra:
        where = sorted({round(float(along[index[n]] - along[0]), 4) for n in extra})
        reports_time.append(doctor.duplicates(len(extra), where))
    empty = sum(cell is None for row in cells for cell in row)
    if empty:
        reports_time.append(doctor.incomplete(empty, rows * count))
    none = np.zeros(3)
    return Stack(cells, places, along, (none, none, none), [*reports, *reports_time], group.part)
