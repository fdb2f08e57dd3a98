"""Check boxes and radio buttons that can be seen on a dark window: a clear outline, filled when chosen."""

from __future__ import annotations

from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QPainter, QPalette, QPen, QPolygonF
from PyQt6.QtWidgets import QProxyStyle, QStyle, QStyleOption, QWidget

_CHECK = QStyle.PrimitiveElement.PE_IndicatorCheckBox
_ITEM = QStyle.PrimitiveElement.PE_IndicatorItemViewItemCheck
_RADIO = QStyle.PrimitiveElement.PE_IndicatorRadioButton


class IndicatorStyle(QProxyStyle):
    """Qt's Fusion with indicators of our own."""

    def __init__(self) -> None:
        super().__init__("Fusion")

    def drawPrimitive(self, element: QStyle.PrimitiveElement, option: QStyleOption, painter: QPainter,
                      widget: QWidget | None = None) -> None:
        """Draw check boxes and radio buttons; leave the rest."""
        if element not in (_CHECK, _ITEM, _RADIO):
            super().drawPrimitive(element, option, painter, widget)
            return
        roles, palette, state = QPalette.ColorRole, option.palette, option.state
        enabled = bool(state & QStyle.StateFlag.State_Enabled)
        on = bool(state & QStyle.StateFlag.State_On)
        half = bool(state & QStyle.StateFlag.State_NoChange)
        side = min(option.rect.width(), option.rect.height(), 15)
        box = QRectF(0, 0, side - 1, side - 1)
        box.moveCenter(QRectF(option.rect).center())
        accent = palette.color(roles.Highlight if enabled else roles.PlaceholderText)
        focus = bool(state & QStyle.StateFlag.State_HasFocus) or bool(state & QStyle.StateFlag.State_MouseOver)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(accent if focus or on or half else palette.color(roles.PlaceholderText), 1.2))
        painter.setBrush(accent if (on or half) and element != _RADIO else palette.color(roles.Base))
        if element == _RADIO:
            painter.drawEllipse(box)
        else:
            painter.drawRoundedRect(box, 3, 3)
        self._mark(painter, box, element, palette, accent, on=on, half=half)
        painter.restore()

    def _mark(self, painter: QPainter, box: QRectF, element: QStyle.PrimitiveElement, palette: QPalette, accent,  # noqa: ANN001
              *, on: bool, half: bool) -> None:
        if element == _RADIO and on:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(accent)
            painter.drawEllipse(box.adjusted(3.5, 3.5, -3.5, -3.5))
            return
        pen = QPen(palette.color(QPalette.ColorRole.HighlightedText), 1.8)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        x, y, s = box.x(), box.y(), box.width()
        if half:
            painter.drawLine(QPointF(x + 0.25 * s, y + s / 2), QPointF(x + 0.75 * s, y + s / 2))
        elif on and element != _RADIO:
            painter.drawPolyline(QPolygonF([QPointF(x + 0.22 * s, y + 0.52 * s), QPointF(x + 0.42 * s, y + 0.72 * s),
                                            QPointF(x + 0.78 * s, y + 0.3 * s)]))
