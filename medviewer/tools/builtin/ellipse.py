"""Ellipse ROI: drag from corner to corner of its box."""

from __future__ import annotations

from medviewer.tools.shapes import TwoPointTool


class EllipseTool(TwoPointTool):
    """Ellipse ROI on the plane of the view."""

    id, label, shortcut, icon = "ellipse", "Ellipse ROI", "", "ellipse"
    kind = "ellipse"
    hint = "Drag from corner to corner of its box"


TOOL = EllipseTool()
