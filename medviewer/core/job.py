"""A running piece of work as the work itself sees it: report progress, notice a cancel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

from medviewer.core.errors import Cancelled

T = TypeVar("T")
Progress = Callable[[float, str], None]


class Job:
    """Progress and cancel of one piece of work; safe to use from any thread.

    Parameters
    ----------
    progress : callable, optional
        Called with (fraction 0...1, text) from the working thread.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress
        self._cancel = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether cancel() was called."""
        return self._cancel.is_set()

    def cancel(self) -> None:
        """Ask the work to stop at its next check."""
        self._cancel.set()

    def check(self) -> None:
        """Raise Cancelled if the user asked to stop."""
        if self._cancel.is_set():
            raise Cancelled

    def report(self, fraction: float, text: str = "") -> None:
        """Tell how far the work is (0...1), and raise Cancelled if asked to stop."""
        self.check()
        if self._progress is not None:
            self._progress(min(max(fraction, 0.0), 1.0), text)

    def each(self, items: Iterable[T], text: str = "", total: int | None = None) -> Iterator[T]:
        """Iterate with progress; raises Cancelled between items."""
        if total is None:
            total = len(items) if isinstance(items, Sized) else 0
        for n, item in enumerate(items):
            self.report(n / total if total else 0.0, text)
            yield item
        self.report(1.0, text)

    def part(self, start: float, stop: float) -> Job:
        """Return a job whose 0...1 is `start`...`stop` of this one and that shares its cancel."""
        child = Job(lambda f, text: self.report(start + f * (stop - start), text))
        child._cancel = self._cancel
        return child
