"""Keep pydicom's remarks on odd values from the terminal: what matters is told by a report."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.RLock()  # the filters are those of the whole process


@contextmanager
def quietly() -> Iterator[None]:
    """Evaluate values without warnings, whatever the filters are."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
