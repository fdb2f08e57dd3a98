"""Work on many files: in turn where they are fast, in threads where they keep us waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from medviewer.core.errors import Cancelled
from medviewer.core.job import Job
from medviewer.io import waiting

ITEMS = list(range(150))


def slow(item: int) -> tuple[int, str]:
    time.sleep(0.003)
    return item * 2, threading.current_thread().name


def fast(item: int) -> tuple[int, str]:
    return item * 2, threading.current_thread().name


def test_fast_work_stays_here_and_in_order() -> None:
    found = list(waiting.each(fast, ITEMS, Job(), ""))
    assert [value for value, _ in found] == [2 * n for n in ITEMS]
    assert {name for _, name in found} == {threading.current_thread().name}


def test_waiting_is_shared_by_threads_in_order() -> None:
    start = time.perf_counter()
    found = list(waiting.each(slow, ITEMS, Job(), ""))
    assert [value for value, _ in found] == [2 * n for n in ITEMS]
    assert len({name for _, name in found}) > 2
    assert time.perf_counter() - start < 0.8 * 0.003 * len(ITEMS)


@pytest.mark.parametrize("work", [fast, slow])
def test_progress_and_cancel(work: Callable[[int], tuple[int, str]]) -> None:
    told: list[float] = []
    list(waiting.each(work, ITEMS, Job(lambda f, text: told.append(f)), ""))
    assert told == sorted(told)
    assert told[-1] == 1.0
    job = Job()
    found = waiting.each(work, ITEMS, job, "")
    next(found)
    job.cancel()
    with pytest.raises(Cancelled):
        list(found)


def test_nothing_to_do() -> None:
    assert list(waiting.each(fast, [], Job(), "")) == []
