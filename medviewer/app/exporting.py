"""What the export panel asks for: a preview of a recipe on some sources, and the run itself, both as jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medviewer.core.errors import ParamError
from medviewer.core.job import Job

if TYPE_CHECKING:
    from medviewer.export.recipe import Recipe
    from medviewer.export.run import ExportResult

UNWRITTEN = ".medviewer-preview"  # stands for the export folder while none has been chosen; never made


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Everything an export needs.

    out : None while no folder has been chosen (enough for a preview)
    """

    recipe: Recipe
    sources: tuple[Path, ...]
    out: Path | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What an export would write.

    groups : (folder of a patient, titles of its slices)
    problems : items that should be exported and cannot be, with the reason
    left_out : items that are no part of it
    """

    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    problems: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of slices."""
        return sum(len(titles) for _, titles in self.groups)

    def summary(self) -> str:
        """One line."""
        parts = ["Nothing to export"]
        if self.count:
            parts = [f"{_number(self.count, 'slice')} in {_number(len(self.groups), 'folder')}"]
        if self.problems:
            parts.append(_number(len(self.problems), "problem"))
        if self.left_out:
            parts.append(f"{len(self.left_out)} left out")
        return " · ".join(parts)


def preview(request: ExportRequest, job: Job) -> Preview:
    """Pair images with annotations as the export would, without writing anything.

    Raises
    ------
    MedviewerError
        If a source cannot be used.
    """
    from medviewer.export.run import layouts

    known = layouts()
    if request.recipe.layout not in known:
        raise ParamError(f"there is no layout {request.recipe.layout!r}")
    if not request.sources:
        return Preview()
    out = request.out or request.sources[0].resolve().parent / UNWRITTEN
    plan = known[request.recipe.layout].plan(request.recipe, list(request.sources), out, job)
    groups: dict[str, list[str]] = {}
    for case in plan.cases:
        groups.setdefault(case.folder, []).append(case.title)
    return Preview(tuple((name, tuple(titles)) for name, titles in groups.items()),
                   tuple(f"{f.item}: {f.reason}" for f in plan.failures),
                   tuple(f"{f.item}: {f.reason}" for f in plan.left_out))


def export(request: ExportRequest, job: Job) -> ExportResult:
    """Run the export.

    Raises
    ------
    MedviewerError
        If it cannot start, or the disk is full.
    """
    from medviewer.export.run import run_export

    if request.out is None:
        raise ParamError("an export needs a folder to write to", hint="Choose one.")
    return run_export(request.recipe, list(request.sources), request.out, job=job)


def result_text(result: ExportResult) -> str:
    """What an export came to, in words."""
    parts = [f"{_number(result.written, 'slice')} written and checked"]
    if result.kept:
        parts.append(f"{result.kept} kept from an earlier run")
    if result.failures:
        parts.append(f"{len(result.failures)} skipped")
    if result.stale:
        parts.append(f"{_number(len(result.stale), 'file')} of an earlier export no longer part of it")
    return ", ".join(parts) + "."


def common_reasons(lines: Sequence[str], most: int = 3) -> list[str]:
    """Return the most frequent reasons among ``item: reason`` lines, with their number."""
    reasons = Counter(line.split(": ", 1)[-1] for line in lines)
    return [f"{count} × {reason}" for reason, count in reasons.most_common(most)]


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
