"""Rectangle ROI: drag from corner to corner."""

from __future__ import annotations

from medviewer.tools.shapes import TwoPointTool


class RectangleTool(TwoPointTool):
    """Rectangle ROI on the plane of the view."""

    id, label, shortcut, icon = "rectangle", "Rectangle ROI", "", "rectangle"
    kind = "rectangle"
    hint = "Drag from corner to corner"


TOOL = RectangleTool()
