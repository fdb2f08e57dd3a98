"""Contours as stored: closed polygons in patient space."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medviewer.core.study import Report


@dataclass(frozen=True, slots=True, eq=False)
class Contour:
    """One polygon in patient space.

    points_lps : (N, 3) float64, mm; the last point is not a copy of the first
    type : as stored: CLOSED_PLANAR, CLOSEDPLANAR_XOR, OPEN_PLANAR, OPEN_NONPLANAR, POINT
    image_uid : SOP instance UID of the image it was drawn on, if stated
    """

    points_lps: NDArray[np.float64]
    type: str = "CLOSED_PLANAR"
    image_uid: str = ""

    @property
    def is_closed(self) -> bool:
        """Whether the contour encloses an area (three or more points, stored as closed)."""
        return self.type.startswith("CLOSED") and len(self.points_lps) >= 3


@dataclass(frozen=True, slots=True, eq=False)
class ContourSegment:
    """One named structure drawn as contours (an RTSTRUCT ROI).

    number : as in the file
    colour : (r, g, b)
    type : RT ROI Interpreted Type (GTV, ORGAN, EXTERNAL, ...), if stated
    """

    number: int
    name: str
    colour: tuple[int, int, int]
    contours: tuple[Contour, ...]
    type: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ContourSet:
    """A structure set: segments as contours, in one frame of reference."""

    segments: tuple[ContourSegment, ...]
    frame_of_reference_uid: str = ""
    refers_to: str = ""
    name: str = ""
    image_uids: frozenset[str] = field(default_factory=frozenset)
    warnings: tuple[Report, ...] = ()  # what was odd while reading
