"""The drawing process: reads what to show from its standard input, draws, writes pictures to its standard output.

It ends by itself when the window's end of the pipe closes or the window's process is gone.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, BinaryIO

from medviewer.gui.views.render3d import pipes
from medviewer.gui.views.render3d.scene import PickRequest, RenderRequest, SurfaceItem, SurfaceLook

if TYPE_CHECKING:
    from medviewer.gui.views.render3d.stage import Stage

PARENT_CHECK_S = 2.0


def main() -> None:
    """Run until told to stop or left alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the window's business
    source, answers = (os.fdopen(os.dup(fd), mode) for fd, mode in ((0, "rb"), (1, "wb")))
    os.dup2(2, 1)  # what a driver prints must not get between the answers
    with contextlib.suppress(EOFError, OSError):
        try:
            from medviewer.gui.views.render3d.stage import Stage

            stage = Stage(safe="--safe" in sys.argv)
        except (ImportError, RuntimeError) as error:
            pipes.send(answers, ("unavailable", str(error)))
            return
        pipes.send(answers, ("ready",))
        Worker(source, answers, stage).run()


class Worker:
    """Applies commands in order and draws the newest request only."""

    def __init__(self, source: BinaryIO, answers: BinaryIO, stage: Stage) -> None:
        self._source, self._answers, self._stage = source, answers, stage
        self._commands: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._wanted: RenderRequest | None = None
        self._parent = os.getppid()

    def run(self) -> None:
        """Serve until the pipe closes."""
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            while self._wanted is None or not self._commands.empty():
                command = self._next()
                if command[0] == "stop":
                    return
                self._apply(*command)
            self._draw(self._wanted)

    def _listen(self) -> None:
        """Take commands in while the main thread draws, so that a picture at rest can be given up for them."""
        try:
            while True:
                self._commands.put(pipes.receive(self._source))
        except (EOFError, OSError):
            self._commands.put(("stop",))

    def _next(self) -> tuple[Any, ...]:
        while True:
            try:
                return self._commands.get(timeout=PARENT_CHECK_S)
            except queue.Empty:
                if os.getppid() != self._parent:  # another child of the dead window may keep the pipe open
                    return ("stop",)

    def _apply(self, command: str, *values: Any) -> None:
        if command == "render":
            self._wanted = values[0]
        elif command == "pick":
            self._pick(values[0])
        elif command == "surface":
            self._surface(*values)
        else:
            getattr(self._stage, f"set_{command}")(*values)

    def _surface(self, surface_id: str, item: SurfaceItem | SurfaceLook | None) -> None:
        if item is None:
            self._stage.remove_surface(surface_id)
        elif isinstance(item, SurfaceLook):
            self._stage.set_surface_look(item)
        else:
            self._stage.set_surface(item)

    def _pick(self, request: PickRequest) -> None:
        lps = self._stage.pick(request)
        answer = None if lps is None else tuple(float(v) for v in lps)
        pipes.send(self._answers, ("picked", request.serial, answer))

    def _draw(self, request: RenderRequest) -> None:
        """Draw; a picture at rest is given up when anything arrives, and begun again afterwards."""
        start = time.perf_counter()
        pixels = self._stage.render(request, abort=lambda: not self._commands.empty())
        if pixels is None:
            return
        self._wanted = None
        seconds = time.perf_counter() - start
        pipes.send(self._answers, ("frame", request.serial, pixels, request.quality, self._stage.mapper, seconds))


if __name__ == "__main__":
    main()
