"""Cases: one image slice with the masks that belong to it, named before anything of it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.volume import Window


@dataclass(frozen=True, slots=True)
class Mask:
    """One mask of a slice.

    pixels : bool (J, I)
    area_px : area enclosed by the contours it was drawn from, in pixels, where there are any
    names : structures it was made from
    """

    pixels: NDArray[np.bool_]
    area_px: float | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that is not in the export, and why."""

    item: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sample:
    """What is written of one slice.

    image : (J, I) or (J, I, 3) as stored, or rescaled where the file asks for it
    masks : by key (`target`, or `i_contour` and `o_contour`)
    facts : further entries for the manifest (unit, spacing, position, ...)
    window : grey mapping for pictures
    notes : oddities worth telling that do not stop the export
    failures : parts of the slice that could not be read (one of two contours, say)
    """

    image: NDArray[np.generic]
    masks: Mapping[str, Mask]
    facts: Mapping[str, Any] = field(default_factory=dict)
    window: Window | None = None
    notes: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One slice to export.

    folder : folder of the patient in the export, a valid file name
    number : number of the slice, unique within the folder
    sources : files it is made from
    load : reads it; raises MedviewerError if it cannot be read
    title : how the log names it
    facts : what is known without reading
    """

    folder: str
    number: int
    sources: tuple[Path, ...]
    load: Callable[[], Sample]
    title: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pairing found.

    cases : in the order of the lists
    failures : items that should have been exported and cannot
    left_out : items that are not part of this export by its own rules (images without annotation, ...)
    sources : files read for the pairing itself
    """

    cases: tuple[Case, ...] = ()
    failures: tuple[Failure, ...] = ()
    left_out: tuple[Failure, ...] = ()
    sources: tuple[Path, ...] = ()

    def __add__(self, other: Plan) -> Plan:
        return Plan(self.cases + other.cases, self.failures + other.failures, self.left_out + other.left_out,
                    self.sources + other.sources)
