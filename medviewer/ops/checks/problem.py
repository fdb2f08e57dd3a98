"""What a test found."""

from __future__ import annotations

from dataclasses import dataclass

from medviewer.core.study import Report

NOTE = 0.0


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a mask, or worth knowing.

    code : short, stable, kebab-case
    problem : what is wrong, in plain words
    fix : what may be done
    slice : where to look, counted from 0; None if it is the whole mask
    weight : 0...1, how sure it is that the mask is wrong; 0 for a note that is no fault
    fix_code : the automatic repair that helps, if there is one
    """

    code: str
    problem: str
    fix: str = ""
    slice: int | None = None
    weight: float = 0.8
    fix_code: str = ""

    def __post_init__(self) -> None:
        report = Report(self.code, self.problem, self.fix)  # whole sentences
        object.__setattr__(self, "problem", report.problem)
        object.__setattr__(self, "fix", report.fix)


def total(problems: list[Problem]) -> float:
    """Return how suspicious a case is, 0...1: one minus the chance that every problem is a false alarm."""
    innocent = 1.0
    for found in problems:
        innocent *= 1.0 - min(max(found.weight, 0.0), 0.999)
    return 1.0 - innocent


def listed(names: list[str], most: int = 4) -> str:
    """Return names as words: ``a, b and 3 more``."""
    names = [n or "unnamed" for n in names]
    if len(names) <= most:
        return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"
