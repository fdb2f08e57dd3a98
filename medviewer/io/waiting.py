"""Do a small piece of work for each of many files: in turn, or in threads where the files keep us waiting.

Python runs one thread at a time, so threads only cost where files come from memory; on a network folder or a sleeping
disk they hide the waiting. Which it is, is measured on the way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from medviewer.core.job import Job

T = TypeVar("T")
R = TypeVar("R")

THREADS = 8
BATCH = 32  # items between two looks at the clock, and of one piece of work for a thread
WAIT_S = 1e-3  # waiting per item above which threads pay; a busy machine alone stays below


def each(function: Callable[[T], R], items: Sequence[T], job: Job, text: str) -> Iterator[R]:
    """Give the results in order; reports progress and raises Cancelled between batches."""
    done = 0
    while done < len(items):
        batch = items[done:done + BATCH]
        job.report(done / len(items), text)
        wall, busy = time.perf_counter(), time.thread_time()
        results = [function(item) for item in batch]
        waited = (time.perf_counter() - wall) - (time.thread_time() - busy)
        done += len(batch)
        yield from results
        if waited > WAIT_S * BATCH:  # a short batch does not tell
            yield from _in_threads(function, items[done:], job.part(done / len(items), 1.0), text)
            return
    job.report(1.0, text)


def _in_threads(function: Callable[[T], R], items: Sequence[T], job: Job, text: str) -> Iterator[R]:
    def run(batch: Sequence[T]) -> list[R]:
        return [] if job.cancelled else [function(item) for item in batch]

    size = max(1, min(BATCH, len(items) // (2 * THREADS)))
    batches = [items[n:n + size] for n in range(0, len(items), size)]
    pool = ThreadPoolExecutor(THREADS, "waiting")
    try:
        for results in job.each(pool.map(run, batches), text, len(batches)):
            yield from results
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
