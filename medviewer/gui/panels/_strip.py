"""The strip of the inspector: one bar per slice, click to go there."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QSizePolicy, QToolTip, QWidget

from medviewer.app.inspector import StripRow

HEIGHT, LEFT, BOTTOM, TOP = 118, 34, 16, 6
GOOD, BAD = QColor(70, 170, 110), QColor(235, 87, 87)
METRICS = {"dice": "Dice", "hd95": "HD95 (mm)", "msd": "Mean distance (mm)", "area": "Area A / B (mm²)"}
FINE_DICE = 0.98


class Strip(QWidget):
    """Bars of one measure over the slices; the slice in the views is marked."""

    chosen = pyqtSignal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("inspector-strip")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.rows: list[StripRow] = []
        self.metric = "dice"
        self.current = -1

    def sizeHint(self) -> QSize:
        """Return a fixed height."""
        return QSize(200, HEIGHT)

    def show_rows(self, rows: Sequence[StripRow], metric: str, current: int) -> None:
        """Show these slices by one measure."""
        self.rows, self.metric, self.current = list(rows), metric, current
        self.update()

    def values(self) -> list[float]:
        """Return the heights of the bars in the unit of the measure."""
        if self.metric == "dice":
            return [r.dice for r in self.rows]
        if self.metric == "hd95":
            return [r.hd95_mm if r.hd95_mm is not None else 0.0 for r in self.rows]
        if self.metric == "msd":
            return [r.msd_mm if r.msd_mm is not None else 0.0 for r in self.rows]
        return [r.area_a_mm2 for r in self.rows]

    def top(self) -> float:
        """Return the value at the top of the strip."""
        if self.metric == "dice":
            return 1.0
        most = max(self.values(), default=0.0)
        if self.metric == "area":
            most = max([most, *(r.area_b_mm2 for r in self.rows)], default=0.0)
        return most or 1.0

    def slice_at(self, x: float) -> int | None:
        """Return the slice under a horizontal position."""
        if not self.rows:
            return None
        first, last = self.rows[0].slice, self.rows[-1].slice
        k = first + int((x - LEFT) / self._step(first, last))
        return k if first <= k <= last else None

    def _step(self, first: int, last: int) -> float:
        return max((self.width() - LEFT - 4) / (last - first + 1), 1e-6)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw axis, bars and mark."""
        painter = QPainter(self)
        text = self.palette().windowText().color()
        dim = QColor(text)
        dim.setAlpha(110)
        area = QRectF(LEFT, TOP, self.width() - LEFT - 4, self.height() - TOP - BOTTOM)
        painter.fillRect(area, self.palette().base())
        if not self.rows:
            painter.setPen(dim)
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter, "No slices to show")
            return
        first, last = self.rows[0].slice, self.rows[-1].slice
        step, top = self._step(first, last), self.top()
        for row, value in zip(self.rows, self.values(), strict=True):
            x = area.left() + (row.slice - first) * step
            self._bar(painter, area, x, step, value / top, _colour(row))
            if self.metric == "area":
                y = area.bottom() - area.height() * row.area_b_mm2 / top
                painter.fillRect(QRectF(x, y - 1, max(step - 0.6, 1), 2), text)
            if row.slice == self.current:
                painter.setPen(QPen(text, 1))
                painter.drawRect(QRectF(x - 0.5, area.top(), max(step, 2), area.height() - 1))
        painter.setPen(dim)
        font = painter.font()
        font.setPixelSize(10)
        painter.setFont(font)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRectF(0, area.top() - 2, LEFT - 4, 12), right, f"{top:.3g}")
        painter.drawText(QRectF(0, area.bottom() - 10, LEFT - 4, 12), right, "0")
        painter.drawText(QRectF(area.left(), area.bottom() + 1, 80, BOTTOM - 1), Qt.AlignmentFlag.AlignLeft,
                         f"slice {first + 1}")
        painter.drawText(QRectF(area.right() - 80, area.bottom() + 1, 80, BOTTOM - 1), Qt.AlignmentFlag.AlignRight,
                         f"{last + 1}")

    @staticmethod
    def _bar(painter: QPainter, area: QRectF, x: float, step: float, part: float, colour: QColor) -> None:
        height = max(area.height() * min(part, 1.0), 1.5)
        painter.fillRect(QRectF(x, area.bottom() - height, max(step - 0.6, 1), height), colour)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Go to the slice under the pointer."""
        if event is not None:
            k = self.slice_at(event.position().x())
            if k is not None:
                self.chosen.emit(k)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Tell the numbers of the slice under the pointer; dragging goes along."""
        if event is None:
            return
        k = self.slice_at(event.position().x())
        row = next((r for r in self.rows if r.slice == k), None)
        if row is not None:
            QToolTip.showText(event.globalPosition().toPoint(), tip(row), self)
            if event.buttons() & Qt.MouseButton.LeftButton:
                self.chosen.emit(row.slice)


def _colour(row: StripRow) -> QColor:
    if row.dice >= FINE_DICE:
        return GOOD
    part = min((FINE_DICE - row.dice) / 0.4, 1.0)
    return QColor(*(round(a + (b - a) * (0.35 + 0.65 * part)) for a, b in
                    zip(GOOD.getRgb()[:3], BAD.getRgb()[:3], strict=True)))


def tip(row: StripRow) -> str:
    """Write the numbers of one slice."""
    lines = [f"Slice {row.slice + 1}", f"Dice {row.dice:.3f}"]
    if row.hd95_mm is not None and row.msd_mm is not None:
        lines.append(f"HD95 {row.hd95_mm:.2f} mm, mean distance {row.msd_mm:.2f} mm")
    return "\n".join([*lines, f"Area A {row.area_a_mm2:.0f} mm², B {row.area_b_mm2:.0f} mm²"])
