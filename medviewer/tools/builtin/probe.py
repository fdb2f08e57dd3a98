"""Leave a mark with the value of the voxel under it."""

from __future__ import annotations

from medviewer.tools.base import Gesture, Pointer, ToolContext
from medviewer.tools.shapes import begin, drag_point


class ProbeTool:
    """A point with the value there."""

    id, label, shortcut, icon, group = "probe", "Probe", "", "probe", "measure"
    hint = "Click to mark a voxel and its value"

    def stroke(self, ctx: ToolContext, pointer: Pointer) -> Gesture:
        """Place the mark; dragging moves it."""
        annotation = begin(ctx, "probe", [pointer.lps])
        if annotation is None:
            return
        ctx.session.annotations.add(annotation)
        yield from drag_point(ctx, annotation, 0, pointer, lambda _: True)


TOOL = ProbeTool()
