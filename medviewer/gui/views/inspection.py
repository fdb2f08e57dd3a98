"""Draw the comparison of two masks over a slice: differing voxels, or both masks by one of five ways of mixing."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QRect
from PyQt6.QtGui import QColor, QPainter, QPen, QRegion

from medviewer.app.inspector import Inspector
from medviewer.app.layers import ContourLayer, LabelLayer

SQUARE_PX = 40
CONTOUR_COLOUR = (255, 255, 255)
WIPE_COLOUR = QColor(255, 255, 255, 190)
Draw = Callable[[LabelLayer], None]


def draw_inspection(painter: QPainter, inspector: Inspector, size: tuple[int, int], ratio: float,
                    draw_labels: Draw, draw_contours: Callable[[ContourLayer, tuple[int, int, int]], None]) -> None:
    """Draw what the inspector shows in the way it is set to.

    Parameters
    ----------
    size : (width, height)
        Of the picture, device pixels.
    draw_labels, draw_contours : callable
        Draw one layer on the plane of the view, as the view draws its own overlays.
    """
    result = inspector.result
    if result is None:
        return
    if inspector.mode == "difference":
        draw_labels(result.layers["difference"])
    elif inspector.mode == "blend":
        for name, part in (("a", 1 - inspector.blend), ("b", inspector.blend)):
            draw_labels(_styled(result.layers[name], opacity=part))
    elif inspector.mode == "outlines":
        for name in ("a", "b"):
            draw_labels(_styled(result.layers[name], fill=False))
    elif inspector.mode == "flicker":
        draw_labels(result.layers["b" if inspector.phase else "a"])
    else:
        regions = wipe_regions(size, inspector.wipe) if inspector.mode == "wipe" else checker_regions(size, ratio)
        for name, region in zip(("a", "b"), regions, strict=True):
            painter.setClipRegion(region)
            draw_labels(result.layers[name])
        painter.setClipping(False)
        if inspector.mode == "wipe":
            x = round(size[0] * inspector.wipe)
            painter.setPen(QPen(WIPE_COLOUR, ratio))
            painter.drawLine(x, 0, x, size[1])
    drawn = {c.layer.number: c.layer for c in (result.a, result.b) if isinstance(c.layer, ContourLayer)}
    for layer in drawn.values():
        draw_contours(layer, CONTOUR_COLOUR)  # as stored, over the voxels made of it


def _styled(layer: LabelLayer, *, opacity: float | None = None, fill: bool = True) -> LabelLayer:
    """Return a copy of a layer for one painting."""
    styled = LabelLayer(layer.series, layer.labels, layer.name)
    styled.opacity = layer.opacity if opacity is None else opacity
    styled.fill = fill
    styled.outline = opacity is None or opacity > 0.02
    return styled


def wipe_regions(size: tuple[int, int], part: float) -> tuple[QRegion, QRegion]:
    """Return the regions of A (left of the line) and B (right of it)."""
    x = round(size[0] * part)
    return QRegion(0, 0, x, size[1]), QRegion(x, 0, size[0] - x, size[1])


def checker_regions(size: tuple[int, int], ratio: float) -> tuple[QRegion, QRegion]:
    """Return the regions of A and B as the squares of a chess board."""
    step = round(SQUARE_PX * ratio)
    squares = [QRect(x, y, step, step) for y in range(0, size[1], step) for x in range(0, size[0], step)
               if (x // step + y // step) % 2 == 0]
    first = QRegion()
    first.setRects(squares)
    return first, QRegion(0, 0, *size).subtracted(first)

