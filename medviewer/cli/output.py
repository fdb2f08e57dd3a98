"""How the command line speaks: text for people on stderr, one JSON document on stdout."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from medviewer.core.errors import MedviewerError
from medviewer.core.job import Job
from medviewer.core.study import Report

DONE, PROBLEMS, CANNOT_START, INTERRUPTED = 0, 1, 2, 130
# text from files may hold escape sequences that would steer the terminal
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def say(text: str = "") -> None:
    """Write one line for people, on stderr."""
    line = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
    encoding = sys.stderr.encoding or "utf-8"
    sys.stderr.write(line.encode(encoding, "replace").decode(encoding, "replace") + "\n")


def error_text(error: MedviewerError) -> str:
    """Return an error as sentences: what failed, on which file, what to try."""
    named = error.path is not None and error.path.name not in error.message
    text = f"{error.path.name}: {error.message}" if named and error.path else error.message
    return f"{sentence(text)} {sentence(error.hint)}".strip()


def sentence(text: str) -> str:
    """Return text on one line, ended by a full stop."""
    plain = " ".join(text.split())
    return plain if not plain or plain.endswith((".", "!", "?")) else f"{plain}."


def report_text(report: Report) -> str:
    """Return an oddity as sentences: what is odd, and what was done about it."""
    return f"{report.level:<9} {sentence(report.problem)} {sentence(report.fix)}".rstrip()


def write_json(document: Mapping[str, Any]) -> None:
    """Write the one JSON document on stdout; what JSON cannot hold (NaN, infinity) becomes null."""
    sys.stdout.write(json.dumps(jsonable(document), indent=1, allow_nan=False) + "\n")
    sys.stdout.flush()


def jsonable(value: Any) -> Any:
    """Return `value` as plain JSON types."""
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(v) for v in value]
    if isinstance(value, Path):
        return os.fsencode(value).decode("utf-8", "replace")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")  # half of a surrogate pair is no text
    if hasattr(value, "tolist"):  # numpy arrays and numbers
        return jsonable(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


@contextlib.contextmanager
def quiet_stdout(active: bool) -> Iterator[None]:
    """Send what libraries print to stderr, so that stdout holds nothing but the JSON document."""
    if active:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    else:
        yield


@contextlib.contextmanager
def command_job(show: bool = True) -> Iterator[Job]:
    """Give a job with a progress line on the terminal; Ctrl+C cancels it, a second Ctrl+C stops at once."""
    with _progress(show and sys.stderr.isatty()) as report, _interruptible(Job(report)) as job:
        yield job


@contextlib.contextmanager
def _interruptible(job: Job) -> Iterator[Job]:
    if threading.current_thread() is not threading.main_thread():
        yield job
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        if job.cancelled:
            raise KeyboardInterrupt
        job.cancel()

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield job
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _progress(show: bool) -> Iterator[Any]:
    if not show:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn(),
               TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda fraction, text: bar.update(task, completed=fraction, description=_CONTROL.sub("", text))
