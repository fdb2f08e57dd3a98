"""Work for the 3D view that must not stop the window: makes the renderer's grids of a volume, in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from medviewer.core.errors import MedviewerError
from medviewer.core.volume import Volume
from medviewer.gui.main_thread import MainThread
from medviewer.ops.body import hide_outside_body
from medviewer.ops.render_grid import RenderGrid, render_grid


@dataclass(frozen=True, eq=False)
class Prepared:
    """A grid for the renderer, or the reason why there is none."""

    grid: RenderGrid | None
    problem: str = ""


class Background(Protocol):
    """Runs `work` in a thread and gives what it returns to `done` on the main thread."""

    def __call__(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None: ...


class ThreadBackground:
    """The simple way: one thread for each piece of work."""

    def __init__(self) -> None:
        self._main = MainThread()
        self._threads: list[threading.Thread] = []

    def __call__(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        def run() -> None:
            result = work()
            self._main.post(lambda: done(result))

        self._threads = [t for t in self._threads if t.is_alive()]
        self._threads.append(threading.Thread(target=run, name="render3d-prepare", daemon=True))
        self._threads[-1].start()

    def join(self) -> None:
        """Wait for all work to end."""
        for thread in self._threads:
            thread.join()


def prepare(volume: Volume, t: int) -> Prepared:
    """Make the grid of a volume."""
    try:
        return Prepared(render_grid(volume, t=t))
    except MedviewerError as error:
        return Prepared(None, str(error))
    except MemoryError:
        return Prepared(None, "There is not enough memory to show this volume in 3D.")


def prepare_inside(grid: RenderGrid) -> Prepared:
    """Hide what surrounds the body."""
    spacing_mm = float(np.linalg.norm(grid.affine[:3, 0]))
    return Prepared(replace(grid, array=hide_outside_body(grid.array, spacing_mm)))
