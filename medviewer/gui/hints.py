"""Three hints at the first start: a line that goes away for good, not a tour."""

from __future__ import annotations

from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from medviewer.app.session import Session

HINTS = ("Wheel: next slice", "Left drag: window, right drag: zoom, Shift+move: this point in all views",
         "?: every key")


class HintBar(QFrame):
    """Shown above the views once an image is open, until it has been read."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("hints")
        self._session = session
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 4, 6, 4)
        row.addWidget(QLabel("      •      ".join(HINTS)), 1)
        done = QPushButton("Got it", objectName="hints-done")
        done.clicked.connect(self._read)
        row.addWidget(done)
        self.hide()
        session.active_changed.connect(self._on_active)

    def _on_active(self) -> None:
        if self._session.active is not None and not self._session.settings.values.hints_seen:
            self.show()

    def _read(self) -> None:
        self._session.settings.update(hints_seen=True)
        self.hide()
