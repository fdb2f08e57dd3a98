"""The window's end of the drawing process. No Qt, no VTK.

What is to be shown is kept here by name, so that a process that died can be replaced and told everything again.
One thread starts the process and reads its answers, one writes; the caller never waits. Pictures travel through
the pipe: a megabyte takes a millisecond, and unlike shared memory nothing can be left behind or overflow.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from medviewer.gui.views.render3d import pipes
from medviewer.gui.views.render3d.scene import (
    Colour,
    CropBox,
    Frame,
    PickRequest,
    RenderRequest,
    SliceItem,
    SurfaceItem,
    SurfaceLook,
    Vector,
    VolumeItem,
)

log = logging.getLogger(__name__)
Status = Literal["starting", "ready", "restarting", "unavailable"]
HANG_S = 60.0  # no answer to a request for this long: the driver hangs
REST_S = 300.0  # after this long without a crash the next one is a first one again
WATCH_S = 1.0
MODULE = "medviewer.gui.views.render3d.worker"


@dataclass
class Callbacks:
    """Called from the client's threads: the receiver brings them to its own."""

    frame: Callable[[Frame], None]
    picked: Callable[[int, Vector | None], None]
    status: Callable[[Status, str], None]


class RenderClient:
    """Starts the drawing process, keeps it fed with the newest state, survives its death once."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self._changed = threading.Condition()
        self._state: dict[tuple[str, ...], tuple[Any, ...]] = {}  # everything shown, for a new process
        self._unsent: dict[tuple[str, ...], tuple[Any, ...]] = {}
        self._request: RenderRequest | None = None
        self._request_sent = True
        self._in_flight: RenderRequest | None = None
        self._asked_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._closing = False
        self._threads: list[threading.Thread] = []

    @property
    def is_started(self) -> bool:
        """Whether `start` was called, and not `close` since."""
        return bool(self._threads)

    @property
    def pid(self) -> int | None:
        """Process id of the drawing process, if one runs."""
        process = self._process
        return process.pid if process is not None else None

    def start(self) -> None:
        """Start the drawing process, unless it was started; returns at once."""
        if self._threads:
            return
        self._closing, self._request, self._request_sent = False, None, True
        self._threads = [threading.Thread(target=run, name=name, daemon=True) for run, name in
                         ((self._run, "render3d-read"), (self._write, "render3d-write"))]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the process and the threads; what is shown is remembered for another start."""
        with self._changed:
            self._closing = True
            process = self._process
            self._changed.notify_all()
        if process is not None:
            process.kill()  # it holds nothing that could be half-written
        for thread in self._threads:
            thread.join()
        self._threads = []

    def set_volume(self, item: VolumeItem | None) -> None:
        """Show a volume, or none; only the look travels if the grid is the same."""
        with self._changed:
            old = self._state.get(("volume",))
            same = item is not None and old is not None and old[1] is not None and old[1].grid is item.grid
            self._state[("volume",)] = ("volume", item)
            if same and item is not None and ("volume",) not in self._unsent:
                self._unsent[("look",)] = ("look", item.look)
            else:
                self._unsent.pop(("look",), None)
                self._unsent[("volume",)] = ("volume", item)
            self._changed.notify_all()

    def set_surface(self, item: SurfaceItem) -> None:
        """Add or replace a surface; only its look travels if the triangles are the same."""
        key = ("surface", item.id)
        with self._changed:
            old = self._state.get(key)
            pending = key in self._unsent and not isinstance(self._unsent[key][2], SurfaceLook)
            light = old is not None and item.same_shape(old[2]) and not pending
            self._state[key] = ("surface", item.id, item)
            self._unsent[key] = ("surface", item.id, SurfaceLook.of(item)) if light else self._state[key]
            self._changed.notify_all()

    def remove_surface(self, surface_id: str) -> None:
        """Take a surface away."""
        with self._changed:
            self._state.pop(("surface", surface_id), None)
            self._unsent[("surface", surface_id)] = ("surface", surface_id, None)
            self._changed.notify_all()

    def set_slices(self, slices: tuple[SliceItem, ...]) -> None:
        """Show these slice pictures and no others."""
        self._put(("slices",), ("slices", slices))

    def set_crop(self, box: CropBox | None) -> None:
        """Draw only what lies in a box."""
        self._put(("crop",), ("crop", box))

    def set_background(self, rgb: Colour) -> None:
        """Set the colour behind everything."""
        self._put(("background",), ("background", rgb))

    def render(self, request: RenderRequest) -> None:
        """Draw soon; an older request that has not begun is dropped, one at rest is given up."""
        with self._changed:
            self._request, self._request_sent = request, False
            self._changed.notify_all()

    def pick(self, request: PickRequest) -> None:
        """Find what lies under a pixel; the answer comes as `picked`."""
        with self._changed:
            self._unsent[("pick",)] = ("pick", request)
            self._changed.notify_all()

    def _put(self, key: tuple[str, ...], command: tuple[Any, ...]) -> None:
        with self._changed:
            self._state[key] = command
            self._unsent[key] = command
            self._changed.notify_all()

    # reading thread

    def _run(self) -> None:
        safe = False
        while True:
            started = time.monotonic()
            reason, final = self._serve(safe)
            if self._closing:
                return
            log.warning("the 3D drawing process ended: %s", reason)
            if final or (safe and time.monotonic() - started < REST_S):
                self._callbacks.status("unavailable", reason)
                return
            safe = True
            self._callbacks.status("restarting", reason)

    def _serve(self, safe: bool) -> tuple[str, bool]:
        """Start a process and read its answers until it ends; return why, and whether another try is useless."""
        with self._changed:
            if self._closing:
                return "closed", True
            try:
                process = _launch(safe)
            except OSError as error:
                return f"it could not be started: {error.strerror or error}", True
            self._process = process
            self._unsent = dict(self._state)
            self._request_sent, self._in_flight = self._request is None, None
        refusal = ""
        try:
            refusal = self._read(process)
        finally:
            with self._changed:
                self._process, self._ready = None, False
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):  # closing flushes what the process no longer reads
                    pipe.close()  # type: ignore[union-attr]
        return refusal or f"exit code {process.returncode}", bool(refusal)

    def _read(self, process: subprocess.Popen[bytes]) -> str:
        with contextlib.suppress(EOFError, OSError):
            while not self._closing:
                message = pipes.receive(process.stdout)  # type: ignore[arg-type]
                if message[0] == "unavailable":
                    return str(message[1])
                self._answer(*message)
        return ""

    def _answer(self, kind: str, *values: Any) -> None:
        if kind == "ready":
            with self._changed:
                self._ready = True
                self._changed.notify_all()
            self._callbacks.status("ready", "")
        elif kind == "picked":
            self._callbacks.picked(*values)
        elif kind == "frame":
            frame = Frame(*values)
            with self._changed:
                if self._in_flight is not None and self._in_flight.serial == frame.serial:
                    self._in_flight = None
                self._changed.notify_all()
            self._callbacks.frame(frame)

    # writing thread

    def _write(self) -> None:
        while True:
            with self._changed:
                while not self._changed.wait_for(self._may_write, WATCH_S):
                    self._end_if_hanging()
                if self._closing:
                    return
                process, commands = self._process, list(self._unsent.values())
                self._unsent.clear()
                if not self._request_sent and self._request is not None:
                    commands.append(("render", self._request))
                    self._in_flight, self._request_sent = self._request, True
                    self._asked_at = time.monotonic()
            with contextlib.suppress(OSError, ValueError):  # it ended: the reader starts another, which gets all
                for command in commands:
                    pipes.send(process.stdin, command)  # type: ignore[union-attr, arg-type]

    def _may_write(self) -> bool:
        """Whether there is news and the process is free for it: waiting lets older news be replaced by newer."""
        if self._closing:
            return True
        if not self._ready or self._process is None or not (self._unsent or not self._request_sent):
            return False
        return self._in_flight is None or self._in_flight.quality == "full"

    def _end_if_hanging(self) -> None:
        waiting = self._in_flight is not None and time.monotonic() - self._asked_at > HANG_S
        if waiting and self._process is not None:
            log.warning("the 3D drawing process has not answered for %d s", HANG_S)
            self._process.kill()


def _launch(safe: bool) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    arguments = [sys.executable, "-m", MODULE]
    if safe:
        arguments.append("--safe")
        environment["LIBGL_ALWAYS_SOFTWARE"] = "1"
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
                            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0))
