"""Drag up and down to zoom about the pressed point."""

from __future__ import annotations

import numpy as np

from medviewer.tools.base import Gesture, Pointer, ToolContext

PIXELS_PER_DOUBLING = 120.0


def zoom_at(ctx: ToolContext, factor: float, anchor_mm: np.ndarray) -> None:
    """Change the zoom so that `anchor_mm` (relative to the middle of the view) stays where it is."""
    view = ctx.view
    old = view.scale
    view.set_scale(old * factor)
    view.pan_mm(*(anchor_mm * (1 - old / view.scale)))


class ZoomTool:
    """Zoom by dragging."""

    id, label, shortcut, icon, group = "zoom", "Zoom", "", "zoom", "view"
    hint = "Drag up to zoom in (right button with every tool, Ctrl+wheel at the cursor)"

    def stroke(self, ctx: ToolContext, pointer: Pointer) -> Gesture:
        """Zoom about the pressed point."""
        view = ctx.view
        fitted = view.framing.fitted
        scale, centre, at = view.scale, view.centre_offset_mm.copy(), pointer.widget_xy
        anchor = (at - np.asarray(pointer.size) / 2) / scale
        try:
            while pointer.down:
                factor = 2.0 ** ((at[1] - pointer.widget_xy[1]) / PIXELS_PER_DOUBLING)
                view.set_scale(scale * factor)
                view.pan_mm(*(centre + anchor * (1 - scale / view.scale) - view.centre_offset_mm))
                pointer = yield
        except GeneratorExit:
            view.set_scale(scale)
            view.pan_mm(*(centre - view.centre_offset_mm))
            view.framing.fitted = fitted


TOOL = ZoomTool()
