"""Running jobs in the status bar: what, how far, how long yet, and a Cancel."""

from __future__ import annotations

from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QToolButton, QWidget

from medviewer.app.jobs import Jobs

SHOW_AFTER_MS = 300


class JobsWidget(QWidget):
    """Shows the oldest running job and how many wait behind it."""

    def __init__(self, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self.label = QLabel(objectName="job-label")
        self.bar = QProgressBar(objectName="job-bar", minimum=0, maximum=1000, textVisible=False)
        self.bar.setFixedWidth(130)
        self.cancel = QToolButton(objectName="job-cancel", text="Cancel")
        self.cancel.clicked.connect(self._cancel)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.label, self.bar, self.cancel):
            layout.addWidget(widget)
        self._delay = QTimer(self, singleShot=True, interval=SHOW_AFTER_MS)
        self._delay.timeout.connect(self._refresh)
        self._visible_wanted = False
        jobs.changed.connect(self._on_changed)
        self.hide()

    def _on_changed(self) -> None:
        if not self._jobs.running:
            self._delay.stop()
            self.hide()
        elif self.isVisible():
            self._refresh()
        elif not self._delay.isActive():
            self._delay.start()  # short work does not flicker

    def _refresh(self) -> None:
        running = self._jobs.running
        if not running:
            self.hide()
            return
        entry = running[0]
        left = entry.seconds_left
        text = entry.title or entry.text
        if left is not None and left > 1:
            text += f" · {left:.0f} s left"
        if len(running) > 1:
            text += f" (+{len(running) - 1})"
        self.label.setText(text)
        self.bar.setMaximum(1000 if entry.fraction > 0 else 0)
        self.bar.setValue(int(entry.fraction * 1000))
        self.show()

    def _cancel(self) -> None:
        running = self._jobs.running
        if running:
            self._jobs.cancel(running[0].key)
