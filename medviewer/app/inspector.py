"""The Alignment Inspector: two masks of any origin on one image, what differs, and where it is worst.

A structure set can be compared with a mask, or with its own filling by any rule; so the contour as stored and the
mask made of it are seen together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from medviewer.app.layers import ContourLayer, LabelLayer, Layer
from medviewer.core.errors import MedviewerError, ParamError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap, Segment
from medviewer.core.study import Report, Series

if TYPE_CHECKING:
    from medviewer.app.session import Session
    from medviewer.ops.metrics import Comparison, SliceComparison

Mode = Literal["difference", "blend", "wipe", "checkerboard", "flicker", "outlines"]
MODES: dict[Mode, str] = {
    "difference": "Difference", "outlines": "Outlines", "blend": "Blend", "wipe": "Wipe",
    "checkerboard": "Checkerboard", "flicker": "Flicker",
}
RULES = ("exact", "pixel-centre", "pillow")
ONLY_A, ONLY_B, BOTH = 1, 2, 3
COLOUR_A, COLOUR_B, COLOUR_BOTH = (255, 64, 200), (0, 200, 255), (150, 150, 150)
FLICKER_MS = 450


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One thing that can be compared: a label map, or a structure set filled by a rule."""

    id: str
    title: str
    layer: Layer
    rule: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """A finished comparison.

    difference, only_a, only_b : label maps on the common grid, for drawing
    keys : (key, name) of the structures
    """

    a: Choice
    b: Choice
    comparison: Comparison
    geometry: Geometry
    layers: dict[str, LabelLayer]
    keys: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StripRow:
    """One slice of the strip: the worst structure of it.

    badness : 0 (agrees) ... 1
    """

    slice: int
    dice: float
    hd95_mm: float | None
    msd_mm: float | None
    area_a_mm2: float
    area_b_mm2: float
    badness: float


class Inspector:
    """State of the inspector; `shown` while its drawing replaces that of the other overlays."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        self._session = session
        self.result: Inspection | None = None
        self.mode: Mode = "difference"
        self.wipe = 0.5
        self.blend = 0.5
        self.phase = False
        self.key = ""  # one structure, or all together
        self._rank: list[int] = []

    @property
    def shown(self) -> bool:
        """Whether the views draw the comparison instead of the masks themselves."""
        return self.result is not None and self._session.task == "check"

    def choices(self) -> list[Choice]:
        """Return what can be compared on the active image."""
        session = self._session
        found: list[Choice] = []
        for layer in session.layers:
            if session.active is None or not session.shares_frame(layer, session.active):
                continue
            if isinstance(layer, LabelLayer):
                found.append(Choice(f"{layer.number}", layer.name or layer.series.title, layer))
            elif isinstance(layer, ContourLayer):
                found += [Choice(f"{layer.number}-{rule}", f"{layer.name or layer.series.title}, filled: {rule}",
                                 layer, rule) for rule in RULES]
        return found

    def start(self, a: Choice, b: Choice) -> None:
        """Compare two choices in a job."""
        session = self._session
        if session.active is None:
            return
        geometry = session.active.volume.geometry
        session.jobs.start("inspect", lambda job: inspect(a, b, geometry, job), title="Comparing masks",
                           done=self._done, failed=session.report)

    def clear(self) -> None:
        """Return to the masks themselves."""
        self._session.jobs.cancel("inspect")
        self.result = None
        self._tell()

    def _done(self, result: Inspection) -> None:
        self.result = result
        self.key = ""
        self._rank = []
        self.go_to_worst()
        self._tell()

    def set_mode(self, mode: Mode) -> None:
        """Choose how the two masks are shown."""
        self.mode = mode
        self._tell()

    def set_wipe(self, part: float) -> None:
        """Place the wipe line, 0 (all B) ... 1 (all A)."""
        self.wipe = min(max(part, 0.0), 1.0)
        self._tell()

    def set_blend(self, part: float) -> None:
        """Mix the masks, 0 (only A) ... 1 (only B)."""
        self.blend = min(max(part, 0.0), 1.0)
        self._tell()

    def flick(self) -> None:
        """Show the other of the two (called by a timer while the mode is flicker)."""
        self.phase = not self.phase
        self._tell()

    def set_key(self, key: str) -> None:
        """Look at one structure, or at all (empty)."""
        self.key = key
        self._rank = []
        self.changed.emit()

    # --- slices ---

    def strip(self) -> list[StripRow]:
        """Return the slices of the strip in order, the worst structure of each."""
        if self.result is None:
            return []
        worst: dict[int, StripRow] = {}
        for s in self.result.comparison.slices:
            if self.key and s.key != self.key:
                continue
            row = _row(s)
            if s.slice not in worst or row.badness > worst[s.slice].badness:
                worst[s.slice] = row
        return [worst[k] for k in sorted(worst)]

    def next_worst(self) -> int | None:
        """Go to the next slice in order of badness; after the last differing one comes the worst again."""
        rows = [r for r in self.strip() if r.badness > 0]
        if not rows:
            self._session.message.emit("The two masks agree on every slice")
            return None
        order = [r.slice for r in sorted(rows, key=lambda r: (-r.badness, r.slice))]
        if not self._rank:
            self._rank = list(order)
        k = self._rank.pop(0)
        self.go_to_slice(k)
        return k

    def go_to_worst(self) -> None:
        """Go to the worst slice, if any differs."""
        self._rank = []
        if any(r.badness > 0 for r in self.strip()):
            self.next_worst()

    def go_to_slice(self, k: int) -> None:
        """Move the crosshair to where the masks differ in a slice of the common grid."""
        if self.result is None or self._session.active is None:
            return
        labels = self.result.layers["difference"].labels
        geometry = labels.geometry
        if not 0 <= k < geometry.shape[0]:
            return
        plane = labels.array[k]
        spot = np.argwhere((plane == ONLY_A) | (plane == ONLY_B))
        if not len(spot):
            spot = np.argwhere(plane > 0)
        middle = np.median(spot, axis=0) if len(spot) else (np.array(plane.shape) - 1) / 2
        self._session.set_focus(geometry.to_lps((k, *middle)))

    def facts(self) -> list[Report]:
        """Say in words how the grids of the two and of the image differ."""
        return list(self.result.comparison.notes) if self.result is not None else []

    def _tell(self) -> None:
        self.changed.emit()
        self._session.display_changed.emit()


def _row(s: SliceComparison) -> StripRow:
    a = s.agreement
    return StripRow(s.slice, a.dice, a.hd95_mm, a.msd_mm, s.area_a_mm2, s.area_b_mm2, 1 - a.dice)


def inspect(a: Choice, b: Choice, geometry: Geometry, job: Job) -> Inspection:
    """Compare two choices and prepare their drawing.

    Raises
    ------
    MedviewerError
        If one of them has nothing to compare.
    """
    from medviewer.ops.label_grid import fit_labels
    from medviewer.ops.metrics import compare

    first, second = _labels(a, geometry, job.part(0, 0.2)), _labels(b, geometry, job.part(0.2, 0.4))
    if not first.segments or not second.segments:
        empty = a if not first.segments else b
        raise ParamError(f"{empty.title} holds no structure that lies on this image.")
    comparison = compare(first, second, job=job.part(0.4, 0.9))
    second = fit_labels(second, first.geometry, job=job.part(0.9, 1.0)).labels
    in_a, in_b = _union(first), _union(second)
    difference = in_a.astype(np.uint8) * ONLY_A + in_b.astype(np.uint8) * ONLY_B
    grid = first.geometry
    segments = (Segment(ONLY_A, "Only in A", COLOUR_A), Segment(ONLY_B, "Only in B", COLOUR_B),
                Segment(BOTH, "In both", COLOUR_BOTH))
    layers = {
        "difference": _layer(LabelMap((difference,), grid, segments), "Difference", 1.0),
        "a": _layer(LabelMap((in_a.astype(np.uint8),), grid, (Segment(1, "A", COLOUR_A),)), "A", 0.9),
        "b": _layer(LabelMap((in_b.astype(np.uint8),), grid, (Segment(1, "B", COLOUR_B),)), "B", 0.9),
    }
    keys = tuple((x.key, x.name) for x in comparison.labels)
    return Inspection(a, b, comparison, grid, layers, keys)


def _layer(labels: LabelMap, name: str, opacity: float) -> LabelLayer:
    layer = LabelLayer(Series(f"inspector-{name}", "inspector", "labels", (), geometry=labels.geometry), labels, name)
    layer.opacity = opacity
    return layer


def _labels(choice: Choice, geometry: Geometry, job: Job) -> LabelMap:
    if isinstance(choice.layer, LabelLayer):
        return choice.layer.labels
    from medviewer.ops.rasterise import rasterise

    if not isinstance(choice.layer, ContourLayer):
        raise MedviewerError(f"{choice.title} is neither a mask nor a structure set.")
    labels, _ = rasterise(choice.layer.contours, geometry, rule=choice.rule, job=job)  # type: ignore[arg-type]
    return labels


def _union(labels: LabelMap) -> NDArray[np.bool_]:
    """Mark the voxels of any segment."""
    found = np.zeros(labels.geometry.shape, bool)
    for n, layer in enumerate(labels.layers):
        values = [s.value for s in labels.segments if s.layer == n]
        if values:
            table = np.zeros(max(int(layer.max(initial=0)), *values) + 1, bool)
            table[values] = True
            found |= table[layer]
    return found
