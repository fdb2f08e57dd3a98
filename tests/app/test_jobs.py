"""Jobs: answers, failures, cancel, and that a newer job replaces an older one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from medviewer.app.jobs import Jobs
from medviewer.core.errors import MedviewerError, ReadError
from medviewer.core.job import Job


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    made = Jobs(lambda call: call())
    yield made
    made.close()


def wait(jobs: Jobs) -> None:
    deadline = time.monotonic() + 5
    while jobs.running and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not jobs.running


def test_an_answer_comes_back(jobs: Jobs) -> None:
    got: list[int] = []
    jobs.start("a", lambda job: sum(job.each([1, 2, 3])), done=got.append)
    wait(jobs)
    assert got == [6]


def test_a_known_failure_is_passed_on_as_it_is(jobs: Jobs) -> None:
    got: list[MedviewerError] = []

    def work(_: Job) -> None:
        raise ReadError("broken", path="x.dcm")

    jobs.start("a", work, failed=got.append)
    wait(jobs)
    assert isinstance(got[0], ReadError)
    assert str(got[0]) == "x.dcm: broken"


def test_an_unexpected_failure_becomes_a_sentence(jobs: Jobs) -> None:
    got: list[MedviewerError] = []
    jobs.start("a", lambda _: 1 / 0, title="Dividing", failed=got.append)
    wait(jobs)
    assert "Dividing failed unexpectedly" in str(got[0])


def test_cancel_stops_within_a_second_and_gives_no_answer(jobs: Jobs) -> None:
    done: list[object] = []
    cancelled = threading.Event()

    def work(job: Job) -> None:
        while True:
            job.check()
            time.sleep(0.01)

    entry = jobs.start("a", work, done=done.append, cancelled=cancelled.set)
    time.sleep(0.05)
    jobs.cancel("a")
    assert entry.finished.wait(1.0)
    assert cancelled.wait(1.0)
    assert done == []


def test_a_newer_job_of_the_same_key_wins(jobs: Jobs) -> None:
    got: list[str] = []
    gate = threading.Event()

    def slow(_: Job) -> str:
        gate.wait(2)
        return "old"

    jobs.start("a", slow, done=got.append)
    jobs.start("a", lambda _: "new", done=got.append)
    wait(jobs)
    gate.set()
    time.sleep(0.1)
    assert got == ["new"]


def test_progress_is_kept_for_the_status_bar(jobs: Jobs) -> None:
    gate, there = threading.Event(), threading.Event()

    def work(job: Job) -> None:
        job.report(0.25, "quarter")
        there.set()
        gate.wait(2)

    jobs.start("a", work, title="Work")
    there.wait(2)
    (entry,) = jobs.running
    assert (entry.fraction, entry.text) == (0.25, "quarter")
    gate.set()
    wait(jobs)


def test_nothing_starts_once_closed(jobs: Jobs) -> None:
    done: list[str] = []
    jobs.close()
    entry = jobs.start("a", lambda _: "late", done=done.append)
    assert entry.finished.is_set()
    assert entry.job.cancelled
    assert (jobs.running, done) == ([], [])
