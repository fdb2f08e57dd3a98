"""Check contour text files in a tree of patients (Sunnybrook): copies of other patients, inner outside outer.

Contours without an image are checked too: a copy shows without it. Of two copies the one is wrong whose partner (the
inner or outer contour of the same image) does not fit it; where that cannot be told, both are reported.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import MedviewerError
from medviewer.core.job import Job
from medviewer.export.case_check import CheckedCase
from medviewer.export.cases import Failure
from medviewer.export.sunnybrook import Tree, image_of_contours
from medviewer.ops.checks.contours import check_area, check_nesting, polygon_size
from medviewer.ops.checks.problem import Problem
from medviewer.ops.rasterise import rasterise_polygon

MARGIN = 2


@dataclass(slots=True, eq=False)
class _Outline:
    path: Path
    patient: str
    number: int
    kind: str
    points: NDArray[np.float64]
    digest: str
    problems: list[Problem]


def check_tree(tree: Tree, job: Job) -> tuple[list[CheckedCase], list[Failure]]:
    """Check every contour file of a tree."""
    outlines, failures = _read(tree, job)
    by_image: dict[tuple[str, int], dict[str, _Outline]] = defaultdict(dict)
    for one in outlines:
        by_image[one.patient, one.number][one.kind] = one
        one.problems += _area(one)
    misfits = {key: _nested(pair["i"], pair["o"]) for key, pair in by_image.items() if len(pair) == 2}
    _copies(outlines, misfits)
    images = image_of_contours(tree)
    cases = []
    for one in outlines:
        image = images.get((one.patient, one.number))
        case = CheckedCase(str(image or ""), str(one.path), 0.0, ())
        cases.append(case.with_problems(one.problems))
    return cases, failures


def _read(tree: Tree, job: Job) -> tuple[list[_Outline], list[Failure]]:
    from medviewer.io.formats.contour_text import parse_name, read_contour_text

    found: list[_Outline] = []
    failures = []
    files = [p for p in sorted(tree.contours.rglob("*.txt")) if parse_name(p) is not None]
    for path in job.each(files, "Reading contours"):
        number, kind = parse_name(path) or (0, "")
        patient = path.relative_to(tree.contours).parts[0]
        try:
            points = read_contour_text(path)
        except MedviewerError as error:
            failures.append(Failure(f"{patient}/{path.name}", error.message))
            continue
        if len(points) < 3:
            failures.append(Failure(f"{patient}/{path.name}", f"it has {len(points)} points, too few for an outline"))
            continue
        found.append(_Outline(path, patient, number, kind, points, sha256(points.tobytes()).hexdigest(), []))
    return found, failures


def _filled(points: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    return rasterise_polygon(points[:, ::-1], shape)


def _area(one: _Outline) -> list[Problem]:
    area, length = polygon_size(one.points)
    top = np.ceil(one.points.max(axis=0)).astype(int) + MARGIN
    voxels = int(np.count_nonzero(_filled(one.points, (int(top[1]), int(top[0])))))
    return check_area(voxels, area, length, one.path.name)


def _nested(inner: _Outline, outer: _Outline) -> list[Problem]:
    top = np.ceil(np.maximum(inner.points.max(axis=0), outer.points.max(axis=0))).astype(int) + MARGIN
    shape = int(top[1]), int(top[0])
    problems = check_nesting(_filled(inner.points, shape), _filled(outer.points, shape))
    outer.problems += problems
    return problems


def _copies(outlines: list[_Outline], misfits: dict[tuple[str, int], list[Problem]]) -> None:
    groups: dict[str, list[_Outline]] = defaultdict(list)
    for one in outlines:
        groups[one.digest].append(one)
    for group in groups.values():
        if len({one.patient for one in group}) < 2:
            continue
        wrong = [one for one in group if misfits.get((one.patient, one.number))]
        for one in wrong or group:
            other = next(o for o in group if o.patient != one.patient)
            one.problems.append(Problem("duplicate-contour", "the contour is identical to "
                                        f"{other.patient}/{other.path.name} of another patient",
                                        "it was copied to the wrong patient: draw it again or leave it out", None, 0.95,
                                        "drop-duplicates"))
