"""Drag to move the picture."""

from __future__ import annotations

from medviewer.tools.base import Gesture, Pointer, ToolContext


class PanTool:
    """Move the picture under the pointer."""

    id, label, shortcut, icon, group = "pan", "Pan", "", "pan", "view"
    hint = "Drag to move the picture (middle button with every tool)"

    def stroke(self, ctx: ToolContext, pointer: Pointer) -> Gesture:
        """Keep the point that was pressed under the pointer."""
        view = ctx.view
        start = view.centre_offset_mm.copy()
        at = pointer.widget_xy
        try:
            while pointer.down:
                moved = (pointer.widget_xy - at) / view.scale
                view.pan_mm(*(start - moved - view.centre_offset_mm))
                pointer = yield
        except GeneratorExit:
            view.pan_mm(*(start - view.centre_offset_mm))


TOOL = PanTool()
