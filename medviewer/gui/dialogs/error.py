"""A failure in plain words: what happened, to which file, what to try. Several at once share one dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QScrollArea, QVBoxLayout, QWidget

from medviewer.gui.panels._parts import dim_label

if TYPE_CHECKING:
    from medviewer.core.errors import MedviewerError

MOST = 200


class ErrorDialog(QDialog):
    """Lists failures; new ones are added while it is open."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent, objectName="error-dialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(False)
        self.setMinimumWidth(460)
        self.errors: list[MedviewerError] = []
        self._list = QVBoxLayout()
        self._list.setSpacing(14)
        self._list.addStretch(1)
        inner = QWidget()
        inner.setLayout(self._list)
        area = QScrollArea(widgetResizable=True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inner)
        self._area = area
        buttons = QDialogButtonBox()
        copy = buttons.addButton("Copy details", QDialogButtonBox.ButtonRole.ActionRole)
        copy.setObjectName("error-copy")
        close = buttons.addButton(QDialogButtonBox.StandardButton.Close)
        close.setObjectName("error-close")
        close.setDefault(True)
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.details()))
        buttons.rejected.connect(self.reject)
        box = QVBoxLayout(self)
        box.addWidget(area, 1)
        box.addWidget(buttons)

    def add(self, error: MedviewerError) -> None:
        """Add one failure; the same one is listed once."""
        if str(error) in map(str, self.errors):
            return
        self.errors.append(error)
        count = len(self.errors)
        self.setWindowTitle("Something did not work" if count == 1 else f"{count} things did not work")
        if count <= MOST:
            self._list.insertWidget(self._list.count() - 1, _entry(error))
        self.resize(max(self.width(), 480), min(170 + 90 * (min(count, MOST) - 1), 520))

    def details(self) -> str:
        """Return all failures as text, with kinds and paths."""
        return "\n\n".join("\n".join(x for x in (f"{type(e).__name__}: {e.message}", str(e.path or ""), e.hint) if x)
                           for e in self.errors)


def _entry(error: MedviewerError) -> QWidget:
    widget = QWidget(objectName="error-entry")
    box = QVBoxLayout(widget)
    box.setContentsMargins(0, 0, 6, 0)
    box.setSpacing(3)
    message = QLabel(_sentence(error.message), objectName="error-message", wordWrap=True)
    message.setTextFormat(Qt.TextFormat.PlainText)
    message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    font = message.font()
    font.setBold(True)
    message.setFont(font)
    box.addWidget(message)
    if error.hint:
        hint = QLabel(_sentence(error.hint), objectName="error-hint", wordWrap=True)
        hint.setTextFormat(Qt.TextFormat.PlainText)
        box.addWidget(hint)
    if error.path is not None:
        path = dim_label(str(error.path), "error-path")
        path.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        box.addWidget(path)
    return widget


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def show_error(parent: QWidget | None, error: MedviewerError) -> ErrorDialog:
    """Show a failure without blocking; while the dialog is open, further ones are added to it."""
    open_ones = parent.findChildren(ErrorDialog) if parent is not None else []
    dialog = next((d for d in open_ones if d.isVisible()), None) or ErrorDialog(parent)
    dialog.add(error)
    dialog.show()
    dialog.raise_()
    return dialog
