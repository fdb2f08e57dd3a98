"""Find the wrong masks of a data set: pair, test every case, compare the cases, the worst first.

One bad file never stops the rest: it is listed with the reason. Cases run in processes where asked, and the answer
does not depend on how many.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from medviewer.core.errors import MedviewerError, ParamError
from medviewer.core.job import Job
from medviewer.core.study import Series
from medviewer.export.case_check import CheckedCase, check_pair, place_of
from medviewer.export.cases import Failure
from medviewer.export.check_pairs import CheckPair, error_words, pair_masks
from medviewer.export.recipe import Recipe
from medviewer.export.sunnybrook import Tree, find_tree
from medviewer.ops.checks.problem import Problem

Masks = Path | str | Sequence[Path | str] | None
FAILURES = (MedviewerError, OSError, MemoryError)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All cases, the most suspicious first, and what could not be checked."""

    cases: tuple[CheckedCase, ...]
    skipped: tuple[Failure, ...] = ()

    @property
    def problems(self) -> int:
        """Number of cases with problems."""
        return sum(bool(c.problems) for c in self.cases)

    def document(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"cases": [{"image": c.image, "mask": c.mask, "score": c.score,
                           "problems": [_plain(p) for p in c.problems], "notes": [_plain(p) for p in c.notes]}
                          for c in self.cases],
                "skipped": [{"path": f.item, "reason": f.reason} for f in self.skipped]}


def _plain(problem: Problem) -> dict[str, Any]:
    return {"code": problem.code, "problem": problem.problem, "fix": problem.fix, "slice": problem.slice,
            "fix_code": problem.fix_code or None}


def check_dataset(sources: Sequence[Path | str], *, mask: Masks = None,
                  workers: int = 1, pictures: bool = False, job: Job | None = None) -> CheckReport:
    """Check all masks of files and folders.

    Parameters
    ----------
    sources : files and folders with images and masks
    mask : masks, where they lie elsewhere or are not recognised as such
    workers : processes
    pictures : whether to draw the worst slice of every case with problems

    Raises
    ------
    ParamError
        If a path does not exist, or there are no masks.
    """
    job = job or Job()
    paths = [Path(p) for p in sources]
    pairs, failures = find_pairs(paths, mask, job.part(0.0, 0.1))
    cases, skipped = _trees(paths, job.part(0.1, 0.1)) if not mask else ([], [])
    skipped += failures
    for pair, result in _results(pairs, workers, pictures, job.part(0.1, 0.95)):
        if isinstance(result, CheckedCase):
            cases.append(result)
        else:
            skipped.append(Failure(place_of(pair.mask), result))
    if not cases and not skipped:
        raise ParamError("there is no mask to check", path=paths[0] if paths else None,
                         hint="Name it with --mask if it is not recognised.")
    return CheckReport(tuple(sorted(_compared(cases), key=lambda c: (-c.score, c.image, c.mask))), tuple(skipped))


def _trees(paths: Sequence[Path], job: Job) -> tuple[list[CheckedCase], list[Failure]]:
    from medviewer.export.contour_tree_check import check_tree

    cases: list[CheckedCase] = []
    failures: list[Failure] = []
    for path in paths:
        tree = _tree(path)
        if tree is not None:
            found, bad = check_tree(tree, job)
            cases, failures = cases + found, failures + bad
    return cases, failures


def _tree(path: Path) -> Tree | None:
    try:
        return find_tree(path, Recipe())
    except MedviewerError:
        return None


def find_pairs(sources: Sequence[Path | str], mask: Masks = None,
               job: Job | None = None) -> tuple[list[CheckPair], list[Failure]]:
    """Scan files and folders, and pair masks with images; what was left out is listed.

    Raises
    ------
    ParamError
        If a path does not exist.
    """
    from medviewer.io.access import scan_all

    job = job or Job()
    paths = [Path(p) for p in sources]
    masks = [] if mask is None else [Path(p) for p in ([mask] if isinstance(mask, str | Path) else mask)]
    for path in (*paths, *masks):
        if not path.exists():
            raise ParamError(f"{path} does not exist", path=path)
    found = scan_all(list(paths), job)
    skipped = [Failure(str(s.path), s.reason) for s in found.skipped]
    if not masks:
        pairs, failures = pair_masks(found.series)
        return pairs, skipped + failures
    other = scan_all(list(masks), job)
    skipped += [Failure(str(s.path), s.reason) for s in other.skipped]
    known = {tuple(s.files) for s in other.series}
    rest = [s for s in found.series if tuple(s.files) not in known]
    pairs, failures = pair_masks(rest, [_as_mask(s) for s in other.series])
    return pairs, skipped + failures


def _as_mask(series: Series) -> Series:
    """Take what the user names as a mask for one, whatever its name says."""
    from dataclasses import replace

    return replace(series, kind="labels") if series.kind == "image" else series


def _results(pairs: Sequence[CheckPair], workers: int, pictures: bool,
             job: Job) -> Iterator[tuple[CheckPair, CheckedCase | str]]:
    """Yield every pair with its result, or the reason why there is none."""
    if workers <= 1 or len(pairs) < 2:
        for n, pair in enumerate(pairs):
            part = job.part(n / len(pairs), (n + 1) / len(pairs))
            part.report(0.0, pair.mask.files[0].name)
            yield pair, _try(partial(check_pair, pair, picture=pictures, job=part))
        return
    count = min(workers, len(pairs), 4 * (os.cpu_count() or 1))
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        waiting: dict[Future[CheckedCase], CheckPair] = {
            pool.submit(check_pair, pair, picture=pictures): pair for pair in pairs}
        try:
            for n, done in enumerate(as_completed(waiting)):
                job.report((n + 1) / len(pairs), waiting[done].mask.files[0].name)
                yield waiting[done], _try(done.result)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _try(run: Callable[[], CheckedCase]) -> CheckedCase | str:
    try:
        return run()
    except BrokenProcessPool:
        return "the process that checked it was ended, probably for lack of memory"
    except FAILURES as error:
        return error_words(error) if isinstance(error, MedviewerError) else str(error)


def _compared(cases: Sequence[CheckedCase]) -> list[CheckedCase]:
    from medviewer.ops.checks.cohort import compare

    known = [(n, c.summary) for n, c in enumerate(cases) if c.summary is not None]
    found: Mapping[int, Sequence[Problem]] = {n: problems for (n, _), problems in
                                zip(known, compare([s for _, s in known]), strict=True)}
    return [case.with_problems([p for p in found.get(n, ()) if not _explained(p, case)])
            for n, case in enumerate(cases)]


def _explained(problem: Problem, case: CheckedCase) -> bool:
    """Whether a problem follows from another one: a mirrored mask has left and right exchanged and fits badly."""
    moved = any(p.fix_code == "apply-transform" for p in case.problems)
    return moved and problem.code in ("labels-exchanged", "fits-badly")
