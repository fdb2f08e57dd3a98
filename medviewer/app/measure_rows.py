"""The list of measurements as a table: what, how large, where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medviewer.app.layers import ImageLayer
from medviewer.core.annotations import Annotation
from medviewer.core.geometry import direction_letters
from medviewer.core.volume import Volume
from medviewer.ops.measure import annotation_plane, describe
from medviewer.ops.reslice import through_axis

if TYPE_CHECKING:
    from medviewer.app.session import Session

NEEDS_VOXELS = ("probe", "rectangle", "ellipse")
PLANES = {"H": "axial", "F": "axial", "A": "coronal", "P": "coronal", "L": "sagittal", "R": "sagittal"}
LABELS = {"length": "Length", "angle": "Angle", "bidirectional": "Bidirectional", "rectangle": "Rectangle",
          "ellipse": "Ellipse", "probe": "Probe"}


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """One line of the list.

    open : whether the series it was measured on is shown
    """

    id: str
    kind: str
    name: str
    lines: tuple[str, ...]
    slice: str
    open: bool


class MeasureTable:
    """Describes the measurements of a session; results are kept until shape or voxels change."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[Annotation, tuple[object, int, MeasureRow]] = {}

    def rows(self) -> list[MeasureRow]:
        """Return all measurements, as made."""
        found: dict[Annotation, tuple[object, int, MeasureRow]] = {}
        for annotation in self._session.annotations.items:
            layer = layer_of(self._session, annotation)
            volume = layer.volume if layer is not None else None
            arrived = int(layer.loading.ready.sum()) if layer is not None else 0
            old = self._known.get(annotation)
            found[annotation] = old if old is not None and old[:2] == (volume, arrived) else \
                (volume, arrived, _row(annotation, volume))
        self._known = found
        return [row for *_, row in found.values()]


def layer_of(session: Session, annotation: Annotation) -> ImageLayer | None:
    """Return the open image a measurement was made on."""
    images = session.images()
    for x in images:
        if annotation.series_id and x.series.id == annotation.series_id:
            return x
    return next((x for x in images if annotation.series_uid and x.series.series_uid == annotation.series_uid), None)


def go_to(session: Session, annotation_id: str) -> None:
    """Select a measurement and bring the crosshair to its middle."""
    annotation = next((a for a in session.annotations.items if a.id == annotation_id), None)
    if annotation is None:
        return
    session.annotations.select(annotation_id)
    layer = layer_of(session, annotation)
    if layer is None:
        uid = annotation.frame_of_reference_uid
        layer = next((x for x in session.images() if not uid or x.frame_uid == uid), None)
    if layer is not None:
        session.set_focus(middle(annotation), layer)


def middle(annotation: Annotation) -> np.ndarray:
    """Return the middle of a measurement; of an angle its vertex."""
    points = np.asarray(annotation.points_lps, float)
    return points[1] if annotation.kind == "angle" and len(points) > 1 else points.mean(axis=0)


def rename(session: Session, annotation_id: str, name: str) -> None:
    """Give a measurement another name."""
    for annotation in session.annotations.items:
        if annotation.id == annotation_id and annotation.name != name.strip():
            session.annotations.replace(annotation.model_copy(update={"name": name.strip()}))


def export_json(session: Session, path: Path) -> None:
    """Write all measurements as JSON.

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    from medviewer.export.reports.annotations import write_annotations

    def volume_of(annotation: Annotation) -> Volume | None:
        layer = layer_of(session, annotation)
        return layer.volume if layer is not None else None

    write_annotations(list(session.annotations.items), volume_of, path)


def import_json(session: Session, path: Path) -> int:
    """Add measurements from JSON; those already here are left as they are. Returns how many were added.

    Raises
    ------
    ReadError
        If the file holds no measurements.
    """
    from medviewer.export.reports.annotations import read_annotations

    here = {a.id for a in session.annotations.items}
    new = [a for a in read_annotations(path) if a.id not in here]
    for annotation in new:
        session.annotations.add(annotation)
    return len(new)


def _row(annotation: Annotation, volume: Volume | None) -> MeasureRow:
    if volume is None and annotation.kind in NEEDS_VOXELS:
        lines: Sequence[str] = ["its series is not open"]
    elif not annotation.finished:
        lines = ["draw the second arm"]
    else:
        lines = describe(annotation, volume)
    return MeasureRow(annotation.id, annotation.kind, annotation.name or LABELS[annotation.kind], tuple(lines),
                      _slice_text(annotation, volume), volume is not None)


def _slice_text(annotation: Annotation, volume: Volume | None) -> str:
    """Name plane and slice (counted from 1) a measurement lies on."""
    if volume is None:
        return "–"
    plane = annotation_plane(annotation)
    axis = through_axis(volume.geometry, plane)
    if axis is None:
        return "oblique"
    name = PLANES[direction_letters(volume.geometry.directions[:, axis])[0]]
    number = int(np.rint(volume.geometry.to_index(middle(annotation))[axis])) + 1
    return f"{name} {number}"
