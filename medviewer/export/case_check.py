"""All tests of one mask against its image; runs in a worker process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.contours import ContourSet
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.core.study import Series
from medviewer.core.volume import Volume
from medviewer.export.check_pairs import CheckPair
from medviewer.ops.alignment import CHANCE, SURE, Alignment, judge
from medviewer.ops.checks.cohort import Summary, summary
from medviewer.ops.checks.extent import check_extent
from medviewer.ops.checks.facts import SegmentFacts, facts_of
from medviewer.ops.checks.gaps import check_gaps
from medviewer.ops.checks.geometry import check_geometry
from medviewer.ops.checks.islands import check_islands
from medviewer.ops.checks.outside import check_outside
from medviewer.ops.checks.overlap import check_overlap
from medviewer.ops.checks.problem import NOTE, Problem, total

MANY_SEGMENTS, MANY_PATCHES = 6, 300  # enough structures to say that none of them lies on an edge
NOWHERE_EDGE = 0.03
TURNS = ("flip-", "axis-swap")


@dataclass(frozen=True, slots=True, eq=False)
class CheckedCase:
    """What the tests say about one mask.

    image, mask : file or folder names
    score : how suspicious it is, 0...1
    problems : the worst first
    notes : what is worth knowing but no fault
    summary : for the comparison with other cases
    picture : PNG of the worst slice, if asked for
    """

    image: str
    mask: str
    score: float
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()
    summary: Summary | None = None
    picture: bytes = b""

    def with_problems(self, more: Sequence[Problem]) -> CheckedCase:
        """Return the case with problems of the comparison added."""
        every = [*self.problems, *self.notes, *more]
        problems = sorted((p for p in every if p.weight > NOTE), key=lambda p: -p.weight)
        return replace(self, problems=tuple(problems), notes=tuple(p for p in every if p.weight <= NOTE),
                       score=round(total(problems), 4))


def check_pair(pair: CheckPair, *, picture: bool = False, job: Job | None = None) -> CheckedCase:
    """Read a mask and its image, and run all tests.

    Raises
    ------
    ReadError
        If one of them cannot be read.
    """
    job = job or Job()
    volume = _volume(pair.images[0], job.part(0.0, 0.3))
    labels, problems = labels_on(pair.mask, volume, job.part(0.3, 0.4))
    if pair.note:
        problems.append(Problem("pairing", pair.note, "", None, NOTE))
    facts = facts_of(labels)
    problems += [*check_extent(facts, volume.geometry), *check_gaps(labels, facts, volume.geometry),
                 *check_overlap(labels, facts), *check_islands(labels, facts, volume.geometry),
                 *check_outside(volume, labels, facts)]
    alignment = _judged(pair, volume, labels, job.part(0.5, 1.0))
    problems += alignment_problems(alignment)
    names = place_of(pair.images[0]), place_of(pair.mask)
    digest = summary(names[1], _digest(volume), labels, facts, volume.geometry,
                     alignment.evidence if alignment.judged else None, alignment.edge)
    case = CheckedCase(*names, 0.0, (), (), digest).with_problems(problems)
    if not picture:
        return case
    return replace(case, picture=_picture(volume, labels, facts, worst_slice(case, alignment, facts)))


def _volume(series: Series, job: Job) -> Volume:
    from medviewer.io.access import open_series

    return open_series(series, job).load(job)


def labels_on(mask: Series, volume: Volume, job: Job) -> tuple[LabelMap, list[Problem]]:
    """Return a mask on the grid of its image, and what is wrong with its own grid or contours.

    Raises
    ------
    ReadError
        If it cannot be read.
    """
    from medviewer.io.access import read_contours, read_labels

    if mask.kind in ("rtstruct", "contours"):
        from medviewer.ops.rasterise import rasterise

        contours = read_contours(mask, job=job)
        labels, reports = rasterise(contours, volume.geometry, job=job)
        notes = [Problem(r.code, r.problem, r.fix, None, NOTE) for r in reports if r.level != "info"]
        return labels, [*notes, *_outside_stack(contours, volume, labels)]
    labels = read_labels(mask, volume.geometry, job=job)
    own = mask.geometry or labels.geometry
    problems = check_geometry(own, volume.geometry) if mask.kind == "labels" else []
    if labels.geometry.same_grid(volume.geometry):
        return labels, problems
    return _placed(labels, volume, problems, job), problems


def _placed(labels: LabelMap, volume: Volume, problems: list[Problem], job: Job) -> LabelMap:
    """Put labels on the image: by position, or voxel on voxel where only the header is wrong."""
    from medviewer.ops.resample import resample_labels

    by_position = resample_labels(labels, volume.geometry, job=job)
    if labels.geometry.shape != volume.geometry.shape or not any(p.weight > NOTE for p in problems):
        return by_position
    by_index = replace(labels, geometry=volume.geometry)
    if judge(volume, by_index).evidence > judge(volume, by_position).evidence + SURE / 2:
        problems.append(Problem("header-wrong", "the voxels of the mask fit the image, its position in the file "
                                "does not", "copy the geometry of the image to the mask", None, 0.9, "copy-geometry"))
        return by_index
    return by_position


def _outside_stack(contours: ContourSet, volume: Volume, labels: LabelMap) -> list[Problem]:
    """Find structures of which nothing lies in the image."""
    drawn = {s.name for s in contours.segments if any(c.is_closed for c in s.contours)}
    found = {s.name for s in labels.segments if bool((labels.layers[s.layer] == s.value).any())}
    lost = sorted(drawn - found)
    if not lost or found:
        return []
    return [Problem("outside-image", f"no contour of {', '.join(lost[:4])} lies in the image",
                    "look whether it belongs to this image", None, 0.95)]


def _judged(pair: CheckPair, volume: Volume, labels: LabelMap, job: Job) -> Alignment:
    """Judge the place in every channel: one that supports it clears the mask, else the surest doubt counts."""
    results = [judge(volume, labels, job=job)]
    for series in pair.images[1:]:
        if results[-1].better is None and results[-1].evidence >= SURE:
            return results[-1]
        other = _volume(series, job)
        if other.geometry.same_grid(volume.geometry, 0.02 * min(volume.spacing_mm)):
            results.append(judge(other, labels, job=job))
    clear = [r for r in results if r.better is None and r.evidence >= SURE]
    if clear:
        return max(clear, key=lambda r: r.evidence)
    return max(results, key=lambda r: (r.better_evidence, r.evidence))


def alignment_problems(result: Alignment) -> list[Problem]:
    """Say in words what the alignment found."""
    if not result.judged:
        return []
    if result.better is not None:
        sure = f"{result.confidence:.0%} sure"
        weight = {"shift-half-voxel": 0.6, "scale": 0.75}.get(result.better.code, 0.95) * result.confidence
        return [Problem(result.better.code, f"the mask {result.better.text} ({sure})",
                        "look at it; the better place can be applied", result.worst_slice, weight, "apply-transform")]
    if result.segments >= MANY_SEGMENTS and result.patches >= MANY_PATCHES and result.evidence < CHANCE and (
            result.edge < NOWHERE_EDGE):
        return [Problem("fits-nowhere", f"the boundaries of {result.segments} structures do not follow the image",
                        "the mask may belong to another patient", result.worst_slice, 0.8)]
    return []


def place_of(series: Series) -> str:
    """Name the file, or the folder of a series of several files."""
    return str(series.files[0] if len(series.files) == 1 else series.files[0].parent)


def worst_slice(case: CheckedCase, alignment: Alignment, facts: Sequence[SegmentFacts]) -> int:
    """Choose the slice to show: that of the worst problem, else the one with most of the mask."""
    for problem in case.problems:
        if problem.slice is not None:
            return problem.slice
    if case.problems and alignment.worst_slice is not None:
        return alignment.worst_slice
    areas = np.sum([f.per_slice for f in facts], axis=0) if facts else np.zeros(1)
    return int(np.argmax(areas))


def _digest(volume: Volume) -> str:
    """Digest of a sample of an image: equal for copies in other formats, too."""
    steps = [max(1, n // 24) for n in volume.geometry.shape]
    stored: NDArray[Any] = volume.at_time(0)[:: steps[0], :: steps[1], :: steps[2]]
    slope, intercept = volume.rescale.at(0, 0)
    values = np.nan_to_num(stored.astype(np.float64) * slope + intercept)
    return sha256(str(volume.geometry.shape).encode() + np.rint(values * 100).astype(np.int64).tobytes()).hexdigest()


def _picture(volume: Volume, labels: LabelMap, facts: Sequence[SegmentFacts], k: int) -> bytes:
    from medviewer.export.reports.check_picture import draw_case

    return draw_case(volume, labels, [f.segment for f in facts], k)
