"""Bidirectional measure: drag the long axis; the short axis appears at right angles and can be dragged."""

from __future__ import annotations

import numpy as np

from medviewer.core.annotations import Annotation
from medviewer.tools.base import Gesture, Pointer, ToolContext
from medviewer.tools.shapes import MIN_DRAG_PX, as_point, begin

FIRST_SHORT = 0.6  # short axis offered at first, as a part of the long one


def with_short_axis(annotation: Annotation, length_mm: float | None = None) -> Annotation:
    """Put the short axis at right angles through the middle of the long one."""
    a, b = (np.asarray(p) for p in annotation.points_lps[:2])
    along = b - a
    length = float(np.linalg.norm(along))
    across = np.cross(np.asarray(annotation.normal_lps), along)
    size = float(np.linalg.norm(across))
    half = (length_mm if length_mm is not None else FIRST_SHORT * length) / 2
    offset = across / size * half if size > 0 else np.zeros(3)
    middle = (a + b) / 2
    points = (*annotation.points_lps[:2], as_point(middle - offset), as_point(middle + offset))
    return annotation.model_copy(update={"points_lps": points})


class BidirectionalTool:
    """Long and short axis of a lesion."""

    id, label, shortcut, icon, group = "bidirectional", "Bidirectional", "", "bidirectional", "measure"
    hint = "Drag the long axis; drag the ends of the short axis to fit"

    def stroke(self, ctx: ToolContext, pointer: Pointer) -> Gesture:
        """Draw the long axis with a short one across."""
        annotation = begin(ctx, "bidirectional", [pointer.lps, pointer.lps])
        if annotation is None:
            return
        store = ctx.session.annotations
        start = pointer.widget_xy
        store.add(annotation)
        try:
            while pointer.down:
                points = (annotation.points_lps[0], as_point(pointer.lps))
                annotation = with_short_axis(annotation.model_copy(update={"points_lps": points}))
                store.replace(annotation)
                pointer = yield
            if np.linalg.norm(pointer.widget_xy - start) < MIN_DRAG_PX:
                store.remove(annotation.id)
        except GeneratorExit:
            store.remove(annotation.id)


TOOL = BidirectionalTool()
