"""Paint over a slice: letters, corner texts, scale bar, cross lines, measurements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen

from medviewer.app.layers import ImageLayer
from medviewer.core.annotations import Annotation
from medviewer.gui.theme import MEASURE_COLOUR, PLANE_COLOURS, SELECTED_COLOUR, VIEW_TEXT, WARNING_COLOUR
from medviewer.ops.measure import describe, shape_box_mm

MARGIN = 7
MAX_TEXTS = 200  # measurements whose results are kept
SHADOW = QColor(0, 0, 0, 200)


def view_font(painter: QPainter, height: int, *, bold: bool = False, scale: float = 1.0) -> QFont:
    """Return the font of a view of this height: smaller in small views."""
    font = QFont(painter.font())
    font.setPixelSize(max(round((12 if height >= 330 else 11 if height >= 240 else 10) * scale), 8))
    font.setBold(bold)
    return font


def shadowed(painter: QPainter, x: float, y: float, text: str, colour: QColor) -> None:
    """Draw a line of text that can be read on black and on white."""
    painter.setPen(SHADOW)
    for dx, dy in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
        painter.drawText(QPointF(x + dx, y + dy), text)
    painter.setPen(colour)
    painter.drawText(QPointF(x, y), text)


def draw_letters(painter: QPainter, letters: dict[str, str], width: int, height: int) -> None:
    """Draw orientation letters in the middle of the four edges."""
    painter.setFont(view_font(painter, height, bold=True, scale=1.15))
    metrics = QFontMetricsF(painter.font())
    middle_y = height / 2 + metrics.ascent() / 2 - 1
    for edge, text in letters.items():
        w = metrics.horizontalAdvance(text)
        x, y = {"left": (MARGIN, middle_y), "right": (width - MARGIN - 8 - w, middle_y),
                "top": ((width - w) / 2, MARGIN + metrics.ascent()),
                "bottom": ((width - w) / 2, height - MARGIN)}[edge]
        shadowed(painter, x, y, text, VIEW_TEXT)


def draw_corners(painter: QPainter, corners: dict[str, list[str]], width: int, height: int,
                 title_colour: QColor) -> None:
    """Draw the texts of the corners; long lines are cut with an ellipsis, never over each other."""
    painter.setFont(view_font(painter, height))
    metrics = QFontMetricsF(painter.font())
    line = metrics.height() * 1.04
    room = width / 2 - MARGIN - 22
    for corner, lines in corners.items():
        top, left = corner.startswith("top"), corner.endswith("left")
        for n, text in enumerate(lines):
            text = metrics.elidedText(text, Qt.TextElideMode.ElideRight, room)
            y = MARGIN + metrics.ascent() + n * line if top else \
                height - MARGIN - metrics.descent() - (len(lines) - 1 - n) * line
            x = MARGIN if left else width - MARGIN - 8 - metrics.horizontalAdvance(text)
            shadowed(painter, x, y, text, title_colour if corner == "top-left" and n == 0 else VIEW_TEXT)


def draw_scale_bar(painter: QPainter, bar: tuple[float, str], height: int) -> None:
    """Draw the scale bar upright at the left edge, below the letter and above the texts."""
    length, text = bar
    x, y = MARGIN + 3.0, height / 2 + 18
    for pen in (QPen(SHADOW, 4), QPen(VIEW_TEXT, 1.6)):
        painter.setPen(pen)
        painter.drawLine(QPointF(x, y), QPointF(x, y + length))
        for end in (y, y + length):
            painter.drawLine(QPointF(x - 3, end), QPointF(x + 3, end))
    painter.setFont(view_font(painter, height, scale=0.92))
    shadowed(painter, x + 7, y + length / 2 + 4, text, VIEW_TEXT)


def draw_notice(painter: QPainter, text: str, width: int, height: int, colour: QColor = VIEW_TEXT) -> None:
    """Write a sentence in the middle of a view."""
    painter.setFont(view_font(painter, height, scale=1.08))
    painter.setPen(colour)
    painter.drawText(QRectF(20, 0, width - 40, height), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, text)


def draw_badge(painter: QPainter, text: str, width: int, height: int, lines_above: int) -> None:
    """Draw a warning line at the top right, below the texts there."""
    painter.setFont(view_font(painter, height))
    metrics = QFontMetricsF(painter.font())
    y = MARGIN + metrics.ascent() + lines_above * metrics.height() * 1.04
    shadowed(painter, width - MARGIN - 8 - metrics.horizontalAdvance(text), y, text, WARNING_COLOUR)


@dataclass(frozen=True)
class Lettering:
    """Every text over a slice.

    size : (width, height) of the view, logical pixels
    letters : (edge, text) pairs
    bar : (length in pixels, text) of the scale bar
    corners : (corner, lines) pairs
    badge : the warning line
    content : which plane it is, for the colour of its name
    """

    size: tuple[int, int]
    letters: tuple[tuple[str, str], ...]
    bar: tuple[float, str] | None
    corners: tuple[tuple[str, tuple[str, ...]], ...]
    badge: str
    content: str


class TextLayer:
    """Keeps the painted texts of a view: scrolling another view changes none of them."""

    def __init__(self) -> None:
        self._shown: tuple[Lettering, float] | None = None
        self._picture = QImage()

    def draw(self, painter: QPainter, lettering: Lettering, ratio: float) -> None:
        """Draw the texts, painting them anew only if they differ from the last ones."""
        if self._shown != (lettering, ratio):
            self._paint(lettering, ratio, painter.font())
            self._shown = (lettering, ratio)
        painter.drawImage(0, 0, self._picture)

    def _paint(self, lettering: Lettering, ratio: float, font: QFont) -> None:
        width, height = lettering.size
        self._picture = QImage(round(width * ratio), round(height * ratio), QImage.Format.Format_ARGB32_Premultiplied)
        self._picture.setDevicePixelRatio(ratio)
        self._picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(self._picture)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.TextAntialiasing)
        painter.setFont(font)
        corners = {name: list(lines) for name, lines in lettering.corners}
        draw_letters(painter, dict(lettering.letters), width, height)
        if lettering.bar is not None:
            draw_scale_bar(painter, lettering.bar, height)
        draw_corners(painter, corners, width, height, PLANE_COLOURS[lettering.content])
        if lettering.badge:
            draw_badge(painter, lettering.badge, width, height, len(corners.get("top-right", ())))
        painter.end()


def draw_line(painter: QPainter, a: NDArray[np.float64], b: NDArray[np.float64], colour: QColor, width: float = 1.0,
              style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> None:
    """Draw one line in logical pixels."""
    painter.setPen(QPen(colour, width, style))
    painter.drawLine(QPointF(*a), QPointF(*b))


def draw_cross_line(painter: QPainter, centre: NDArray[np.float64], direction: NDArray[np.float64], length: float,
                    colour: QColor, *, gap: float) -> None:
    """Draw a cross line with a gap around the crosshair."""
    faint = QColor(colour)
    faint.setAlpha(190)
    straight = abs(direction[0] * direction[1]) < 1e-6  # smoothing a level line only costs time
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, not straight)
    for sign in (-1, 1):
        draw_line(painter, centre + sign * gap * direction, centre + sign * length * direction, faint)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)


class AnnotationPainter:
    """Draws measurements of one view; remembers where their texts and handles are for the mouse."""

    def __init__(self) -> None:
        self._texts: dict[tuple[Annotation, int, int], list[str]] = {}

    def draw(self, painter: QPainter, annotation: Annotation, points: NDArray[np.float64], layer: ImageLayer | None, *,
             selected: bool, box_corners: NDArray[np.float64] | None, height: int) -> None:
        """Draw one measurement.

        Parameters
        ----------
        points : (N, 2)
            Its points in logical pixels.
        layer : ImageLayer, optional
            What it was measured on.
        box_corners : (4, 2), optional
            Corners of a rectangle or ellipse in logical pixels, in order.
        """
        colour = SELECTED_COLOUR if selected else MEASURE_COLOUR
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for pen in (QPen(SHADOW, 3.2), QPen(colour, 1.5)):
            painter.setPen(pen)
            self._shape(painter, annotation, points, box_corners)
        painter.setPen(QPen(colour, 1.3))
        painter.setBrush(QColor(0, 0, 0, 120))
        for p in points:
            painter.drawEllipse(QPointF(*p), 3.2, 3.2)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        anchor = points[np.argmax(points[:, 0])] if box_corners is None else box_corners[np.argmax(box_corners[:, 0])]
        lines = self.lines(annotation, layer)
        self._text(painter, [annotation.name, *lines] if annotation.name else lines, anchor, colour, height)

    def lines(self, annotation: Annotation, layer: ImageLayer | None) -> list[str]:
        """Return the result texts, computed once per state of the measurement and of the voxels that have arrived."""
        key = (annotation, layer.number, int(layer.loading.ready.sum())) if layer is not None else (annotation, 0, 0)
        if key not in self._texts:
            if len(self._texts) > MAX_TEXTS:
                self._texts.clear()
            self._texts[key] = describe(annotation, layer.volume if layer is not None else None)
        return self._texts[key]

    @staticmethod
    def _shape(painter: QPainter, annotation: Annotation, points: NDArray[np.float64],
               box: NDArray[np.float64] | None) -> None:
        if annotation.kind in ("length", "bidirectional", "angle"):
            pairs: Iterable[tuple[int, int]] = ((0, 1), (2, 3)) if annotation.kind == "bidirectional" else \
                ((0, 1), (1, 2))
            for a, b in pairs:
                if b < len(points):
                    painter.drawLine(QPointF(*points[a]), QPointF(*points[b]))
        elif annotation.kind == "probe":
            (x, y) = points[0]
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                painter.drawLine(QPointF(x + 4 * dx, y + 4 * dy), QPointF(x + 9 * dx, y + 9 * dy))
        elif box is not None and annotation.kind == "rectangle":
            for n in range(4):
                painter.drawLine(QPointF(*box[n]), QPointF(*box[(n + 1) % 4]))
        elif box is not None:
            turns = np.linspace(0, 2 * np.pi, 73)
            middle = box.mean(axis=0)
            u, v = (box[1] - box[0]) / 2, (box[3] - box[0]) / 2
            ring = middle + np.cos(turns)[:, None] * u + np.sin(turns)[:, None] * v
            for a, b in zip(ring[:-1], ring[1:], strict=True):
                painter.drawLine(QPointF(*a), QPointF(*b))

    @staticmethod
    def _text(painter: QPainter, lines: list[str], anchor: NDArray[np.float64], colour: QColor, height: int) -> None:
        painter.setFont(view_font(painter, height, bold=True))
        step = QFontMetricsF(painter.font()).height()
        for n, line in enumerate(lines):
            shadowed(painter, anchor[0] + 8, anchor[1] + 4 + n * step, line, colour)


def box_points(annotation: Annotation) -> NDArray[np.float64]:
    """Return the corners (4, 2) of a rectangle or ellipse in mm on its plane, in order."""
    x0, y0, x1, y1 = shape_box_mm(annotation)
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
