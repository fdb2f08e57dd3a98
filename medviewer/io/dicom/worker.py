"""Decode compressed frames in processes that may die, run away or be killed without harm to the window.

Up to `MAX_WORKERS` processes are started when first needed, reused, and replaced after a death. A frame that
takes too long or too much memory costs its process, and becomes a ReadError.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_WORKERS = 2
MEMORY = 1 << 30  # bytes a worker may take beyond what it starts with, plus
MEMORY_PER_BYTE = 12  # ... this times the size of the frame (decoders keep 32-bit copies)
SECONDS = 20  # a frame may take this long, plus
BYTES_PER_SECOND = 2 << 20  # ... its size at this speed
POLL_SECONDS = 0.05
ARGUMENT = "--decode-frames"  # a packaged program starts itself with it instead of Python


class DecodeError(Exception):
    """A frame could not be decoded; the message is a half sentence for people."""


@dataclass(frozen=True, slots=True)
class Request:
    """One frame to decode.

    codec : ``jpeg-8bit``, ``jpeg``, ``jpegls``, ``j2k`` or ``rle``
    bits : allocated per sample (RLE)
    raw : leave the colour components as stored (JPEG)
    complete : False if the data are known to be cut short (RLE, JPEG-LS)
    """

    codec: str
    data: bytes
    rows: int
    columns: int
    samples: int
    bits: int
    raw: bool = False
    complete: bool = True

    @property
    def frame_bytes(self) -> int:
        """Size of the decoded frame."""
        return self.rows * self.columns * self.samples * max(1, self.bits // 8)


class Worker:
    """One decoding process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own file
            _command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0))
        self._why = ""

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def decode(self, request: Request) -> NDArray[Any]:
        """Decode one frame.

        Raises
        ------
        DecodeError
            If it cannot be decoded, or the process died or had to be stopped; then `alive` is False.
        """
        seconds = SECONDS + request.frame_bytes // BYTES_PER_SECOND
        memory = MEMORY + MEMORY_PER_BYTE * request.frame_bytes
        done = threading.Event()
        guard = threading.Thread(target=self._guard, args=(done, seconds, memory), name="decode-guard", daemon=True)
        guard.start()
        in_step = False  # whether the next answer belongs to the next request
        try:
            frame = self._exchange(request, seconds, memory)
            in_step = True
            return frame
        except DecodeError:
            in_step = True
            raise
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise DecodeError(self._why or "the decoder crashed on it") from error
        finally:
            done.set()
            guard.join()
            if not in_step:
                self.stop()

    def stop(self) -> None:
        """End the process now."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # what was still to be sent has nowhere to go
                    continue
        self._process.wait()

    def _exchange(self, request: Request, seconds: int, memory: int) -> NDArray[Any]:
        write, read = self._process.stdin, self._process.stdout
        if write is None or read is None:
            raise EOFError
        header = {"codec": request.codec, "size": len(request.data), "rows": request.rows, "columns": request.columns,
                  "samples": request.samples, "bits": request.bits, "raw": request.raw,
                  "complete": request.complete, "seconds": seconds, "memory": memory}
        write.write(json.dumps(header).encode() + b"\n")
        write.write(request.data)
        write.flush()
        line = read.readline(4096)
        if not line:
            raise EOFError
        answer = json.loads(line)
        if "error" in answer:
            raise DecodeError(answer["error"] or "the compressed data are damaged")
        shape = tuple(int(n) for n in answer["shape"])
        if shape not in _shapes(request):
            self.stop()
            raise DecodeError(f"it decodes to {shape} instead of {request.rows} rows and {request.columns} columns")
        frame: NDArray[Any] = np.empty(shape, np.dtype(answer["dtype"]))
        if frame.nbytes != answer["size"] or read.readinto(frame.data.cast("B")) != frame.nbytes:  # type: ignore[attr-defined]
            raise EOFError
        return frame

    def _guard(self, done: threading.Event, seconds: int, memory: int) -> None:
        """Kill the process when it takes too long, or (where the system does not limit it) too much memory."""
        waited = 0.0
        step = seconds if sys.platform == "linux" else POLL_SECONDS
        while not done.wait(step):
            waited += step
            if waited >= seconds:
                self._why = f"decoding was stopped: it took longer than {seconds} seconds"
            elif _resident(self._process.pid) > memory:
                self._why = "decoding was stopped: it needs too much memory"
            else:
                continue
            self._process.kill()
            return


class Pool:
    """The decoding processes of this program."""

    def __init__(self) -> None:
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._free = threading.BoundedSemaphore(MAX_WORKERS)
        self._lock = threading.Lock()

    def decode(self, request: Request) -> NDArray[Any]:
        """Decode one frame in the next free process; see `Worker.decode`."""
        with self._free:
            worker = self._take()
            try:
                return worker.decode(request)
            finally:
                self._give_back(worker)

    def warm_up(self) -> None:
        """Start one process now, so that the first compressed frame does not wait for it."""
        with self._lock:
            if not self._all:
                worker = Worker()
                self._all.add(worker)
                self._idle.append(worker)

    def stop(self) -> None:
        """End all processes."""
        with self._lock:
            workers, self._all, self._idle = list(self._all), set(), []
        for worker in workers:
            worker.stop()

    def _take(self) -> Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.alive:
                    return worker
                self._all.discard(worker)
                worker.stop()
            worker = Worker()
            self._all.add(worker)
            return worker

    def _give_back(self, worker: Worker) -> None:
        with self._lock:
            if worker in self._all:
                if worker.alive:
                    self._idle.append(worker)
                else:
                    self._all.discard(worker)


_pool = Pool()


def decode(request: Request) -> NDArray[Any]:
    """Decode one frame out of process.

    Raises
    ------
    DecodeError
        If it cannot be decoded, or decoding had to be stopped.
    """
    try:
        return _pool.decode(request)
    except OSError as error:
        raise DecodeError("the decoding process cannot be started") from error


def warm_up() -> None:
    """Start a decoding process ahead of need (about 0.2 s, in the background)."""
    _pool.warm_up()


def stop() -> None:
    """End the decoding processes; the next frame starts a new one."""
    _pool.stop()


def _command() -> list[str]:
    if getattr(sys, "frozen", False):
        return [sys.executable, ARGUMENT]
    script = Path(__file__).with_name("decode_child.py")
    return [sys.executable, "-P", str(script)]  # -P: the folder of the script is not searched for modules


def _shapes(request: Request) -> tuple[tuple[int, ...], ...]:
    plain = (request.rows, request.columns)
    return (plain, (*plain, 1)) if request.samples == 1 else ((*plain, request.samples),)


def _resident(pid: int) -> int:
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _forget() -> None:
    """After a fork: the processes belong to the parent."""
    global _pool
    _pool = Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(stop)
