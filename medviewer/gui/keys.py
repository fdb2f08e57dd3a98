"""Who gets a key: single keys are commands, except where somebody types, or steers a control with the keyboard.

A control that was clicked leaves the arrow keys to the slices; one that was reached with Tab keeps them. Lists leave
Up and Down to the slices in any case; Ctrl+Up and Ctrl+Down move in them.
"""

from __future__ import annotations

from PyQt6 import sip
from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QGuiApplication, QKeyEvent
from PyQt6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QMainWindow,
    QTabBar,
    QWidget,
)

_KEY = Qt.Key
UP_DOWN = frozenset((_KEY.Key_Up, _KEY.Key_Down, _KEY.Key_PageUp, _KEY.Key_PageDown))
SIDEWAYS = frozenset((_KEY.Key_Left, _KEY.Key_Right, _KEY.Key_Home, _KEY.Key_End))
PRESS = frozenset((_KEY.Key_Space,))
STEERED = ((QAbstractSlider, UP_DOWN | SIDEWAYS), (QComboBox, UP_DOWN | SIDEWAYS | PRESS), (QAbstractButton, PRESS),
           (QTabBar, SIDEWAYS))
HARMLESS = Qt.KeyboardModifier.KeypadModifier


class KeyOwner(QObject):
    """Keeps the keys of the control that has the focus from becoming commands of the window."""

    def __init__(self, window: QMainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._by_keyboard = False
        QApplication.instance().focusChanged.connect(self._on_focus)

    def _on_focus(self, old: QWidget | None, new: QWidget | None) -> None:
        if old is not None and not sip.isdeleted(old):
            old.removeEventFilter(self)
        if new is not None and new.window() is self._window:
            self._by_keyboard = QGuiApplication.mouseButtons() == Qt.MouseButton.NoButton
            new.installEventFilter(self)

    def eventFilter(self, target: QObject, event: QEvent) -> bool:
        """Claim a key for the control: it then comes as an ordinary key press."""
        if not isinstance(event, QKeyEvent):
            return False
        plain = event.modifiers() & ~HARMLESS == Qt.KeyboardModifier.NoModifier
        if event.type() == QEvent.Type.ShortcutOverride and plain and event.key() in self._own(target):
            event.accept()
            return True
        if event.type() == QEvent.Type.KeyPress and isinstance(target, QAbstractItemView):
            return self._in_list(target, event)
        return False

    def _in_list(self, target: QAbstractItemView, event: QKeyEvent) -> bool:
        control = event.modifiers() & ~HARMLESS == Qt.KeyboardModifier.ControlModifier
        if control and event.key() in (_KEY.Key_Up, _KEY.Key_Down):
            target.keyPressEvent(QKeyEvent(event.type(), event.key(), Qt.KeyboardModifier.NoModifier))
            return True
        if len(event.text()) == 1 and event.text().isprintable() and not control:
            self._window.keyPressEvent(event)  # a list would search for rows that begin with it
            return True
        return False

    def _own(self, target: QObject) -> frozenset[Qt.Key]:
        if isinstance(target, QAbstractSpinBox):
            return UP_DOWN
        if self._by_keyboard:
            return next((keys for kind, keys in STEERED if isinstance(target, kind)), frozenset())
        return frozenset()


def leave_typing(window: QMainWindow, back_to: QWidget) -> bool:
    """Take the focus out of a field; False if none has it."""
    focus = window.focusWidget()
    if not isinstance(focus, QLineEdit | QAbstractSpinBox):
        return False
    back_to.setFocus(Qt.FocusReason.ShortcutFocusReason)
    return True
