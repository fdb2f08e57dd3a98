"""Move the linked crosshair."""

from __future__ import annotations

from medviewer.tools.base import Gesture, Pointer, ToolContext


class CrosshairTool:
    """All views show the point under the pointer."""

    id, label, shortcut, icon, group = "crosshair", "Crosshair", "", "crosshair", "view"
    hint = "Click or drag: all views show this point (Shift+move with every tool)"

    def stroke(self, ctx: ToolContext, pointer: Pointer) -> Gesture:
        """Follow the pointer."""
        layer = ctx.view.layer
        if layer is None:
            return
        start = ctx.session.focus(layer).copy()
        try:
            while pointer.down:
                ctx.session.set_focus(pointer.lps, layer)
                pointer = yield
        except GeneratorExit:
            ctx.session.set_focus(start, layer)


TOOL = CrosshairTool()
