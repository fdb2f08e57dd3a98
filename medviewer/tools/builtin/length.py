"""Length: drag from end to end."""

from __future__ import annotations

from medviewer.tools.shapes import TwoPointTool


class LengthTool(TwoPointTool):
    """Length on the plane of the view."""

    id, label, shortcut, icon = "length", "Length", "D", "length"
    kind = "length"
    hint = "Drag from end to end"


TOOL = LengthTool()
