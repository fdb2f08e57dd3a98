"""What a panel shows of masks and contours beside the voxels: where they come from, volumes, places to jump to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from medviewer.app.layers import ContourLayer, LabelLayer, Layer
from medviewer.core.job import Job
from medviewer.ops.segment_places import Place, contour_places, label_places

if TYPE_CHECKING:
    from medviewer.app.session import Session

Key = tuple[int, int]  # (layer of the label map, value); contours have (0, number)


def measure_segments(session: Session, layer: LabelLayer | ContourLayer) -> Callable[[Job], dict[Key, Place]]:
    """Return the work that finds volume and middle of every segment, for a job."""
    if isinstance(layer, LabelLayer):
        return partial(label_places, layer.labels)
    geometry = session.active.volume.geometry if session.active is not None else None
    step = geometry.spacing_mm[0] if geometry is not None else None
    contours = layer.contours

    def work(job: Job) -> dict[Key, Place]:
        return {(0, number): place for number, place in contour_places(contours, step, job).items()}

    return work


def origin_text(session: Session, layer: Layer) -> tuple[str, bool]:
    """Say in words what a layer was drawn on, and whether it is drawn on the active image.

    Returns
    -------
    text : str
    fits : bool
        False where the frame of reference is another one, so that the layer is not drawn.
    """
    refers = layer.series.refers_to
    source = next((s for s in session.series if refers and s.series_uid == refers and s.id != layer.series.id), None)
    if source is not None:
        where = f"drawn on series {source.number}" if source.number is not None else f"drawn on {source.title}"
    elif refers:
        where = "drawn on a series that is not open here"
    else:
        where = "names no image"
    active = session.active
    if active is None:
        return where, True
    if not session.shares_frame(layer, active):
        return f"{where} · other frame of reference: not drawn", False
    if not layer.frame_uid or not active.frame_uid:
        return "placed by position" if not refers else f"{where} · by position", True
    return f"{where} · same frame", True
