"""What the measuring tools share: begin a measurement on a plane, drag one of its points."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from medviewer.core.annotations import Annotation, AnnotationKind, Point
from medviewer.tools.base import Gesture, Pointer, ToolContext

MIN_DRAG_PX = 3.0  # shorter drags are clicks


def as_point(lps: NDArray[np.float64]) -> Point:
    """Turn a position into plain numbers."""
    x, y, z = (float(v) for v in lps)
    return x, y, z


def begin(ctx: ToolContext, kind: AnnotationKind, points: Sequence[NDArray[np.float64]]) -> Annotation | None:
    """Make a measurement on the plane of the view; None without an image."""
    plane, layer = ctx.view.plane(), ctx.view.layer
    if plane is None or layer is None:
        return None
    return Annotation(kind=kind, points_lps=tuple(as_point(p) for p in points), normal_lps=as_point(plane.normal),
                      right_lps=as_point(plane.right), series_id=layer.series.id,
                      series_uid=layer.series.series_uid, frame_of_reference_uid=layer.frame_uid,
                      time_point=layer.time_point)


def drag_point(ctx: ToolContext, annotation: Annotation, index: int, pointer: Pointer,
               keep: Callable[[Pointer], bool]) -> Gesture:
    """Let the pointer move one point of a stored measurement; it is removed if `keep` says no at the end."""
    store = ctx.session.annotations
    try:
        while pointer.down:
            points = list(annotation.points_lps)
            points[index] = as_point(pointer.lps)
            annotation = annotation.model_copy(update={"points_lps": tuple(points)})
            store.replace(annotation)
            pointer = yield
        if not keep(pointer):
            store.remove(annotation.id)
    except GeneratorExit:
        store.remove(annotation.id)


class TwoPointTool:
    """Press at one end, release at the other."""

    kind: AnnotationKind
    group = "measure"

    def stroke(self, ctx: ToolContext, pointer: Pointer) -> Gesture:
        """Draw from the press to the release."""
        annotation = begin(ctx, self.kind, [pointer.lps, pointer.lps])
        if annotation is None:
            return
        start = pointer.widget_xy
        ctx.session.annotations.add(annotation)
        yield from drag_point(ctx, annotation, 1, pointer,
                              lambda p: bool(np.linalg.norm(p.widget_xy - start) >= MIN_DRAG_PX))
