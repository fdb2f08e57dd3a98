"""Measurements in patient space."""

from __future__ import annotations

from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

AnnotationKind = Literal["length", "angle", "bidirectional", "rectangle", "ellipse", "probe"]
Point = tuple[float, float, float]
COUNTS = {"length": (2,), "angle": (2, 3), "bidirectional": (2, 4), "rectangle": (2,), "ellipse": (2,), "probe": (1,)}
FARTHEST_MM = 1e7


class Annotation(BaseModel):
    """A measurement or mark in patient space, tied to a frame of reference.

    points_lps : as clicked, mm. length: 2 ends; angle: end, vertex, end; bidirectional: long axis ends then
        short axis ends; rectangle, ellipse: two opposite corners; probe: 1.
    normal_lps : normal of the plane it was drawn on (unit vector).
    right_lps : rightward unit vector of that plane on screen: the box of a rectangle or ellipse is along it.
    series_uid : the series it was measured on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(default_factory=lambda: uuid4().hex)
    kind: AnnotationKind
    points_lps: tuple[Point, ...]
    normal_lps: Point = (0.0, 0.0, 1.0)
    right_lps: Point = (1.0, 0.0, 0.0)
    name: str = ""
    series_id: str = ""
    series_uid: str = ""
    frame_of_reference_uid: str = ""
    time_point: int = 0

    @property
    def possible(self) -> bool:
        """Whether it has as many points as its kind needs, all somewhere (files from elsewhere may not)."""
        numbers = [v for p in (*self.points_lps, self.normal_lps, self.right_lps) for v in p]
        return len(self.points_lps) in COUNTS[self.kind] and all(abs(v) < FARTHEST_MM for v in numbers)

    @property
    def finished(self) -> bool:
        """Whether there is a result: of an angle, both arms."""
        return self.kind != "angle" or len(self.points_lps) == 3
