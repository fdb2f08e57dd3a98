"""Bring calls from worker threads to the main thread: one queued signal."""

from __future__ import annotations

import logging
from collections.abc import Callable

from PyQt6.QtCore import QObject, Qt, pyqtSignal

log = logging.getLogger(__name__)


class MainThread(QObject):
    """Runs posted calls on the thread it was made on."""

    _called = pyqtSignal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._called.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def post(self, call: Callable[[], None]) -> None:
        """Run `call` on the main thread, soon; from any thread."""
        try:
            self._called.emit(call)
        except RuntimeError:  # the window has been closed meanwhile
            log.debug("a late answer was dropped")

    @staticmethod
    def _run(call: Callable[[], None]) -> None:
        call()
