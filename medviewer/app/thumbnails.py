"""Small pictures of series, made one by one in the background when nothing more urgent is being read."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from medviewer.app.layers import ImageLayer
from medviewer.core.errors import MedviewerError
from medviewer.core.job import Job
from medviewer.core.study import Series
from medviewer.ops.thumbnail import thumbnail

if TYPE_CHECKING:
    from medviewer.app.session import Session
    from medviewer.io.base import Loading

KINDS = ("image", "parametric", "rtdose")
KEY = "thumbnail"
Picture = NDArray[np.uint8]


class Thumbnails:
    """Pictures by series id; `changed` tells that one more has been made."""

    changed = Signal(str)

    def __init__(self, session: Session) -> None:
        self._session = session
        self._done: dict[str, Picture | None] = {}
        self._waiting: deque[Series] = deque()
        self._running = ""
        session.jobs.changed.connect(self._next)

    def get(self, series: Series) -> Picture | None:
        """Return the picture, or None and make it soon."""
        if series.id in self._done:
            return self._done[series.id]
        if series.kind in KINDS and series.geometry is not None and series not in self._waiting \
                and series.id != self._running:
            self._waiting.append(series)
            self._next()
        return None

    def failed(self, series: Series) -> bool:
        """Whether there can be no picture."""
        return series.id in self._done and self._done[series.id] is None

    def _next(self) -> None:
        keys = [e.key for e in self._session.jobs.running]
        if self._running and (KEY, self._running) not in keys:
            self._running = ""  # it was cancelled, or its answer is on the way
        busy = self._running or any(isinstance(k, tuple) and k[0] in ("load", "scan") for k in keys)
        if busy or not self._waiting:
            return
        series = self._waiting.popleft()
        self._running = series.id
        layer = self._session.layer_of(series)
        loading = layer.loading if isinstance(layer, ImageLayer) and layer.loading.complete else None
        self._session.jobs.start((KEY, series.id), partial(_make, series, loading), title="Drawing thumbnails",
                                 done=partial(self._finish, series), failed=partial(self._give_up, series))

    def _give_up(self, series: Series, _error: MedviewerError) -> None:
        self._finish(series, None)  # opening the series will say what is wrong with it

    def _finish(self, series: Series, picture: Picture | None) -> None:
        self._done[series.id] = picture
        if self._running == series.id:
            self._running = ""
        self.changed.emit(series.id)
        self._next()


def _make(series: Series, loading: Loading | None, job: Job) -> Picture:
    from medviewer.io import access

    if loading is None:
        loading = access.open_series(series, job=job)
    volume = loading.volume
    count = volume.geometry.shape[0]
    here = [k for k in range(count) if volume.is_present(k)]
    k = min(here, key=lambda n: abs(n - count // 2)) if here else count // 2
    if not loading.ready[0, k]:
        loading.load_slice(k, 0)
    return thumbnail(volume, k)
