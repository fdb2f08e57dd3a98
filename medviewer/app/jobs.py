"""Background work: threads, progress, cancel; answers come back on the main thread.

`post` brings a call to the main thread: the window gives its own, the command line and tests a direct call.
A new job of the same key replaces the older one, whose late answer is dropped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from psygnal import Signal

from medviewer.core.errors import Cancelled, MedviewerError
from medviewer.core.job import Job

log = logging.getLogger(__name__)
Post = Callable[[Callable[[], None]], None]
REPORT_EVERY_S = 0.05


@dataclass(eq=False)
class RunningJob:
    """One job as the status bar shows it."""

    key: Hashable
    title: str
    job: Job
    started: float
    fraction: float = 0.0
    text: str = ""
    finished: threading.Event = field(default_factory=threading.Event)

    @property
    def seconds_left(self) -> float | None:
        """Estimated time left, s; None while it cannot be told."""
        spent = time.monotonic() - self.started
        if self.fraction < 0.02 or spent < 0.5:
            return None
        return spent * (1 - self.fraction) / self.fraction


class Jobs:
    """Runs jobs in threads and keeps the list of those running."""

    changed = Signal()

    def __init__(self, post: Post, threads: int = 4) -> None:
        self._post = post
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="job")
        self._running: dict[Hashable, RunningJob] = {}
        self._closed = False

    @property
    def running(self) -> list[RunningJob]:
        """Jobs that have not ended, oldest first."""
        return list(self._running.values())

    def is_running(self, key: Hashable) -> bool:
        """Whether a job of this key has not ended."""
        return key in self._running

    def start(self, key: Hashable, work: Callable[[Job], Any], *, title: str = "",
              done: Callable[[Any], None] | None = None, failed: Callable[[MedviewerError], None] | None = None,
              cancelled: Callable[[], None] | None = None) -> RunningJob:
        """Run ``work(job)`` in a thread; `done`, `failed` or `cancelled` is called on the main thread.

        An unexpected exception in `work` is logged and given to `failed` as a MedviewerError.
        """
        self.cancel(key)
        last = 0.0
        entry: RunningJob

        def progress(fraction: float, text: str) -> None:
            nonlocal last
            entry.fraction, entry.text = fraction, text or entry.text
            now = time.monotonic()
            if now - last > REPORT_EVERY_S:
                last = now
                self._post(self._emit)

        entry = RunningJob(key, title, Job(progress), time.monotonic(), text=title)
        if self._closed:  # a late timer of a closing window
            entry.job.cancel()
            entry.finished.set()
            return entry
        self._running[key] = entry
        self._pool.submit(self._run, entry, work, done, failed, cancelled)
        self.changed.emit()
        return entry

    def cancel(self, key: Hashable) -> None:
        """Cancel the job of this key, if it runs; its answer will be dropped."""
        entry = self._running.pop(key, None)
        if entry is not None:
            entry.job.cancel()
            self.changed.emit()

    def cancel_all(self) -> None:
        """Cancel everything."""
        for key in list(self._running):
            self.cancel(key)

    def close(self) -> None:
        """Cancel everything and end the threads."""
        self._closed = True
        self.cancel_all()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def post(self, call: Callable[[], None]) -> None:
        """Bring a call to the main thread."""
        if not self._closed:
            self._post(call)

    def _emit(self) -> None:
        if not self._closed:
            self.changed.emit()

    def _run(self, entry: RunningJob, work: Callable[[Job], Any], done: Callable[[Any], None] | None,
             failed: Callable[[MedviewerError], None] | None, cancelled: Callable[[], None] | None) -> None:
        answer: Callable[[], None] | None = None
        try:
            result = work(entry.job)
            answer = partial(done, result) if done is not None else None
        except Cancelled:
            entry.job.cancel()
            answer = cancelled
        except MedviewerError as error:
            answer = partial(failed, error) if failed is not None else None
        except OSError as error:  # a disk that is full, gone or unreadable
            broken = MedviewerError(f"{entry.title or 'The work'} failed: {error.strerror or error}.",
                                    path=Path(error.filename) if isinstance(error.filename, str) else None)
            answer = partial(failed, broken) if failed is not None else None
        except MemoryError:
            short = MedviewerError(f"{entry.title or 'The work'} needs more memory than is free.",
                                   hint="Close other series or programs and try again.")
            answer = partial(failed, short) if failed is not None else None
        except Exception as error:  # noqa: BLE001 - the job runner is one of the two places for it
            log.exception("job %r failed", entry.title)
            unexpected = MedviewerError(f"{entry.title or 'The work'} failed unexpectedly: {error}",
                                        hint="Details are in the log.")
            answer = partial(failed, unexpected) if failed is not None else None
        finally:
            entry.finished.set()
        self.post(lambda: self._finish(entry, answer, answer is cancelled))

    def _finish(self, entry: RunningJob, answer: Callable[[], None] | None, was_cancelled: bool) -> None:
        current = self._running.get(entry.key) is entry
        if current:
            del self._running[entry.key]
            self.changed.emit()
        if answer is not None and (current or was_cancelled):
            answer()

