"""Draws the rows of the study list: headings, thumbnails, two quiet lines, and the badge for oddities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PyQt6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPalette, QPixmap, QPolygonF
from PyQt6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

if TYPE_CHECKING:
    from medviewer.core.study import Series

THUMB, OBJECT_ICON = 64, 26  # logical pixels
PAD, ARROW = 5, 13
DATA = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class Row:
    """What one row shows.

    kind : patient, study or series
    alerts : number of oddities worth a badge
    shown : whether the series is on screen
    """

    kind: str
    title: str
    lines: tuple[str, ...] = ()
    series: Series | None = None
    picture: QPixmap | None = None
    has_picture: bool = False
    alerts: int = 0
    shown: bool = False
    note: str = ""


class StudyDelegate(QStyledItemDelegate):
    """Paints a `Row`."""

    warning = QColor("#f5b041")  # set from the theme

    def sizeHint(self, option: QStyleOptionViewItem, index) -> QSize:  # noqa: ANN001
        """Rows of three heights."""
        row: Row = index.data(DATA)
        line = QFontMetrics(option.font).height()
        if row.kind != "series":
            return QSize(100, line + 2 * PAD)
        text = line * (1 + len(row.lines)) + 2 * PAD
        return QSize(100, max(text, THUMB + 2 * PAD if row.has_picture else OBJECT_ICON + 2 * PAD))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index) -> None:  # noqa: ANN001
        """Draw the row."""
        row: Row = index.data(DATA)
        self.initStyleOption(option, index)
        option.text = ""
        style = option.widget.style()
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, option.widget)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if row.kind == "series":
            self._series(painter, option, row)
        else:
            self._heading(painter, option, row)
        painter.restore()

    def badge_rect(self, rect: QRect, font: QFont, alerts: int) -> QRect:
        """Return where the badge of a row is; empty without one."""
        if not alerts:
            return QRect()
        metrics = QFontMetrics(font)
        width = metrics.horizontalAdvance(str(alerts)) + metrics.height() + 9
        return QRect(rect.right() - PAD - width, rect.top() + PAD, width, metrics.height() + 2)

    def _colours(self, option: QStyleOptionViewItem) -> tuple[QColor, QColor]:
        roles = QPalette.ColorRole
        if option.state & QStyle.StateFlag.State_Selected:
            return option.palette.color(roles.HighlightedText), option.palette.color(roles.HighlightedText)
        return option.palette.color(roles.Text), option.palette.color(roles.PlaceholderText)

    def _heading(self, painter: QPainter, option: QStyleOptionViewItem, row: Row) -> None:
        text, dim = self._colours(option)
        font = QFont(option.font)
        font.setBold(row.kind == "patient")
        painter.setFont(font)
        indent = 0 if row.kind == "patient" else ARROW
        box = option.rect.adjusted(PAD + indent + ARROW, 0, -PAD, 0)
        x, y = option.rect.left() + PAD + indent, option.rect.center().y() + 0.5
        unfolded = bool(option.state & QStyle.StateFlag.State_Open)
        tip = [(0, -2), (7, -2), (3.5, 2.5)] if unfolded else [(1, -4), (5.5, 0), (1, 4)]
        arrow = QPolygonF([QPointF(x + dx, y + dy) for dx, dy in tip])
        painter.setBrush(dim)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawPolygon(arrow)
        painter.setPen(text if row.kind == "patient" else dim)
        shown = QFontMetrics(font).elidedText(row.title, Qt.TextElideMode.ElideRight, box.width())
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)

    def _series(self, painter: QPainter, option: QStyleOptionViewItem, row: Row) -> None:
        text, dim = self._colours(option)
        box = option.rect.adjusted(PAD, PAD, -PAD, -PAD)
        self._picture(painter, option, row, box, dim)
        left = box.left() + THUMB + 8
        badge = self.badge_rect(option.rect, option.font, row.alerts)
        right = badge.left() - 4 if row.alerts else box.right()
        font = QFont(option.font)
        font.setBold(row.shown)
        metrics = QFontMetrics(font)
        lines = (row.title, *row.lines)
        small = QFont(option.font)
        small.setPointSizeF(max(option.font.pointSizeF() - 0.5, 6.0))
        step = metrics.height() + 1
        y = box.top() + max((box.height() - step * len(lines)) // 2, 0)
        for n, line in enumerate(lines):
            painter.setFont(small if n else font)
            painter.setPen(dim if n else text)
            width = (right if y < badge.bottom() and row.alerts else box.right()) - left
            shown = painter.fontMetrics().elidedText(line, Qt.TextElideMode.ElideRight, width)
            painter.drawText(QRect(left, y, width, step), Qt.AlignmentFlag.AlignVCenter, shown)
            y += step
        if row.alerts:
            self._badge(painter, badge, row.alerts, option.font)

    def _picture(self, painter: QPainter, option: QStyleOptionViewItem, row: Row, box: QRect, dim: QColor) -> None:
        side = THUMB if row.has_picture else OBJECT_ICON
        frame = QRect(box.left() + (THUMB - side) // 2, box.top() + (box.height() - side) // 2, side, side)
        if row.has_picture:
            painter.fillRect(frame, QColor(0, 0, 0))
            if row.picture is not None and not row.picture.isNull():
                size = row.picture.size().scaled(frame.size(), Qt.AspectRatioMode.KeepAspectRatio)
                target = QRect(frame.center().x() - size.width() // 2 + 1, frame.center().y() - size.height() // 2 + 1,
                               size.width(), size.height())
                painter.drawPixmap(target, row.picture)
            elif row.note:
                painter.setPen(QColor(150, 150, 150))
                painter.drawText(frame, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, row.note)
        elif row.picture is not None:
            painter.drawPixmap(frame, row.picture)
        if row.shown:
            accent = option.palette.color(QPalette.ColorRole.Highlight)
            if not row.has_picture:
                painter.setBrush(accent)
                painter.setPen(Qt.PenStyle.NoPen)
                painter.drawEllipse(QPointF(box.left() + 5, box.center().y() + 0.5), 4, 4)
                return
            painter.setBrush(accent)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.drawEllipse(QPointF(frame.left() + 8, frame.top() + 8), 4.5, 4.5)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(accent)
            painter.drawRect(QRectF(frame).adjusted(0.5, 0.5, -0.5, -0.5))

    def _badge(self, painter: QPainter, rect: QRect, count: int, font: QFont) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.warning)
        painter.drawRoundedRect(rect, 4, 4)
        dark = QColor(30, 22, 0) if self.warning.lightness() > 110 else QColor(255, 255, 255)
        side = rect.height() - 6
        x, y = rect.left() + 5, rect.top() + 3
        painter.setBrush(dark)
        painter.drawPolygon(QPolygonF([QPointF(x + side / 2, y), QPointF(x + side, y + side), QPointF(x, y + side)]))
        painter.setBrush(self.warning)
        painter.drawRect(QRectF(x + side / 2 - 0.7, y + side * 0.35, 1.4, side * 0.33))
        painter.drawRect(QRectF(x + side / 2 - 0.7, y + side * 0.78, 1.4, 1.4))
        painter.setPen(dark)
        bold = QFont(font)
        bold.setBold(True)
        painter.setFont(bold)
        painter.drawText(rect.adjusted(side + 8, 0, -4, 0), Qt.AlignmentFlag.AlignCenter, str(count))
