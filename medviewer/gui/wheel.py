"""The wheel scrolls the side panel; it changes a value only in a control that has been clicked."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtWidgets import QAbstractSlider, QAbstractSpinBox, QComboBox, QWidget


class _Guard(QObject):
    def eventFilter(self, target: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and isinstance(target, QWidget) and not target.hasFocus():
            event.ignore()  # goes on to the scroll area
            return True
        return False


def keep_wheel_out(widget: QWidget) -> None:
    """Ignore the wheel over a spin box, list or slider until it has the focus."""
    if isinstance(widget, QAbstractSpinBox | QComboBox | QAbstractSlider):
        widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        widget.installEventFilter(_Guard(widget))
