"""Angle: drag the first arm from its end to the vertex, then press at the end of the second arm."""

from __future__ import annotations

import numpy as np

from medviewer.tools.base import Gesture, Pointer, ToolContext
from medviewer.tools.shapes import MIN_DRAG_PX, as_point, begin, drag_point


class AngleTool:
    """Angle between two arms."""

    id, label, shortcut, icon, group = "angle", "Angle", "A", "angle", "measure"
    hint = "Drag the first arm to the vertex, then drag the second arm"

    def stroke(self, ctx: ToolContext, pointer: Pointer) -> Gesture:
        """Draw the first arm, or the second one of the angle begun before."""
        store = ctx.session.annotations
        open_angle = next((a for a in store.items if a.id == store.selected and a.kind == "angle"
                           and len(a.points_lps) == 2), None)
        if open_angle is not None:
            grown = open_angle.model_copy(update={"points_lps": (*open_angle.points_lps, as_point(pointer.lps))})
            store.replace(grown)
            yield from drag_point(ctx, grown, 2, pointer, lambda _: True)
            return
        annotation = begin(ctx, "angle", [pointer.lps, pointer.lps])
        if annotation is None:
            return
        start = pointer.widget_xy
        store.add(annotation)
        yield from drag_point(ctx, annotation, 1, pointer,
                              lambda p: bool(np.linalg.norm(p.widget_xy - start) >= MIN_DRAG_PX))


TOOL = AngleTool()
