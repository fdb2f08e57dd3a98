"""Drag to change the window: right = wider, up = brighter (a lower centre)."""

from __future__ import annotations

from medviewer.core.volume import Window
from medviewer.tools.base import Gesture, Pointer, ToolContext

DRAG_SPAN = 1.2  # windows' widths that a drag over the whole view changes
MIN_STEP = 1e-6


class WindowTool:
    """Window centre and width by dragging; the step follows the width the drag began with."""

    id, label, shortcut, icon, group = "window", "Window", "W", "window", "view"
    hint = "Drag: right = wider, up = brighter"

    def stroke(self, ctx: ToolContext, pointer: Pointer) -> Gesture:
        """Change the window of the image under the pointer."""
        layer = ctx.view.layer
        if layer is None:
            return
        start, at = layer.window, pointer.widget_xy
        step = max(abs(start.width), MIN_STEP) * DRAG_SPAN / max(min(pointer.size), 100)
        sign = -1 if ctx.session.settings.values.reverse_window_drag else 1
        try:
            while pointer.down:
                dx, dy = pointer.widget_xy - at
                if dx or dy:
                    layer.set_window(Window(start.centre + sign * dy * step, max(start.width + dx * step, MIN_STEP)))
                pointer = yield
        except GeneratorExit:
            layer.set_window(start)


TOOL = WindowTool()
