"""Voxels out of one file, slice by slice, raw or compressed, without believing the header.

Nothing is allocated before the claimed size has been compared with the memory that is free and with what the
file can hold (deflate cannot pack better than 1032:1). Compressed data is read to its very end, so that a wrong
checksum or a cut file is noticed; slices that did not arrive are marked as not present, never invented.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import ReadError
from medviewer.core.job import Job
from medviewer.core.study import Report
from medviewer.core.volume import Volume
from medviewer.io.base import Loaded, Loading, OnSlice
from medviewer.io.formats._source import CHUNK, Coding, Source

Samples = Literal["", "colour", "time", "first"]  # what a last, fastest axis of the file means

MAX_RATIO = {"raw": 1, "gzip": 1032, "zlib": 1032, "bz2": 50_000_000}  # the best each coding can do
MEMORY_SHARE = 0.8  # of the free memory that one volume may take
MAX_TAIL = 1 << 28  # bytes after the voxels that are still read to reach the checksum


def check_budget(nbytes: int, path: Path) -> None:
    """Refuse what does not fit the free memory, before it is allocated.

    Raises
    ------
    ReadError
        If `nbytes` is more than `MEMORY_SHARE` of it.
    """
    import psutil

    free = int(psutil.virtual_memory().available * MEMORY_SHARE)
    if nbytes > free:
        raise ReadError(f"{path.name} says that it holds {nbytes / 1e9:.1f} GB of voxels, "
                        f"but only {free / 1e9:.1f} GB of memory can be used", path=path,
                        hint="Close other volumes, or check whether the file is damaged.")


@dataclass(frozen=True, eq=False)
class RawVoxels:
    """Where the voxels of a volume lie in a file, and what they are.

    start : byte of the file at which the data, compressed or not, begins
    skip : decoded bytes before the first voxel
    dtype : of one sample as stored, byte order included
    grid : (T, K, J, I); T = 1 without a time axis
    samples, last : length and meaning of a last, fastest axis; 1 and "" without one
    time_axis : whether the volume gets a time axis
    """

    path: Path
    coding: Coding
    dtype: np.dtype[Any]
    grid: tuple[int, int, int, int]
    start: int = 0
    skip: int = 0
    samples: int = 1
    last: Samples = ""
    time_axis: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of the voxels in the decoded file."""
        return int(np.prod(self.grid, dtype=object)) * self.samples * self.dtype.itemsize

    @property
    def stored_dtype(self) -> np.dtype[Any]:
        """Type in memory: native byte order, magnitude for complex numbers."""
        if self.dtype.kind == "c":
            return np.dtype(np.float32 if self.dtype.itemsize == 8 else np.float64)
        return self.dtype.newbyteorder("=")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in memory."""
        t, *kji = self.grid
        t = self.samples if self.last == "time" else t
        shape = (t, *kji) if self.time_axis else tuple(kji)
        return (*shape, 3) if self.last == "colour" else shape

    @property
    def is_plain(self) -> bool:
        """Whether the bytes of the file are the array as it is."""
        return self.dtype == self.stored_dtype and (not self.last or (self.last == "colour" and self.samples == 3))

    def check(self) -> int:
        """Compare the claimed size with memory and file; returns the bytes that the file holds (raw only).

        Raises
        ------
        ReadError
            If it does not fit, or the file cannot hold even one slice.
        """
        check_budget(int(np.prod(self.shape, dtype=object)) * self.stored_dtype.itemsize, self.path)
        available = max(self.path.stat().st_size - self.start, 0)
        most = available * MAX_RATIO[self.coding] - self.skip
        slice_bytes = self.nbytes // (self.grid[0] * self.grid[1])
        if most < slice_bytes:
            raise ReadError(f"{self.path.name} is cut short: one slice needs {slice_bytes} bytes, "
                            f"the file can hold {max(most, 0)}", path=self.path)
        return most

    def values(self, limit: int) -> NDArray[Any]:
        """Return the first voxels, up to `limit` bytes, as a flat array (to judge what they are)."""
        count = min(self.nbytes, limit) // self.dtype.itemsize
        source = Source(self.path, self.coding, self.start)
        try:
            _skip(source, self.skip)
            data = source.read(count * self.dtype.itemsize)
        finally:
            source.close()
        return np.frombuffer(data[: len(data) // self.dtype.itemsize * self.dtype.itemsize], self.dtype)


def _skip(source: Source, count: int) -> None:
    while count > 0:
        piece = source.read(min(count, CHUNK))
        if not piece:
            raise EOFError("the data ends before the voxels")
        count -= len(piece)


def open_voxels(voxels: RawVoxels, make: Callable[[NDArray[np.generic], NDArray[np.bool_] | None], Volume]) -> Loading:
    """Start reading: mapped where the file is the array, else streamed.

    Parameters
    ----------
    make : callable
        Called with the (empty) array and the present-marks; returns the volume around them.

    Raises
    ------
    ReadError
        See `RawVoxels.check`.
    """
    try:
        held = voxels.check()
        offset = voxels.start + voxels.skip
        whole = voxels.coding == "raw" and held >= voxels.nbytes
        if whole and voxels.is_plain and offset % voxels.dtype.itemsize == 0:
            return MappedLoading(make(np.memmap(voxels.path, voxels.stored_dtype, "r", offset, voxels.shape), None))
        return StreamLoading(voxels, make)
    except OSError as error:
        raise ReadError(f"{voxels.path.name} cannot be read: {error.strerror or error}", path=voxels.path) from error


def _bytes(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


class MappedLoading(Loaded):
    """Voxels mapped from an uncompressed file: there at once, brought in by the system when looked at."""

    def load(self, job: Job | None = None, *, first: int | None = None, on_slice: OnSlice | None = None) -> Volume:
        """Return the volume; values that are not numbers are counted first."""
        stored = self.volume.stored
        if stored.dtype.kind == "f" and not self.warnings:
            job = job or Job()
            count = sum(int(np.isnan(part).sum()) for part in job.each(stored, "Reading"))
            self.warnings += nan_report(count)
        return self.volume


def nan_report(count: int) -> list[Report]:
    """Return the report for `count` voxels that are not a number; none for 0."""
    if not count:
        return []
    return [Report("nan-voxels", f"{count} voxels are not a number (NaN)",
                   "Kept as stored; they are left out of statistics.")]


class StreamLoading(Loading):
    """Voxels that arrive slice by slice in the order of the file."""

    def __init__(self, voxels: RawVoxels,
                 make: Callable[[NDArray[np.generic], NDArray[np.bool_] | None], Volume]) -> None:
        self._voxels = voxels
        self._stored = np.zeros(voxels.shape, voxels.stored_dtype)  # pages appear when slices arrive
        times, slices = (voxels.shape[0] if voxels.time_axis else 1), voxels.grid[1]
        self._present = np.ones((times, slices) if voxels.time_axis else slices, bool)
        view = self._stored.view()
        view.setflags(write=False)
        super().__init__(make(view, self._present))
        self._blocks = voxels.grid[0] * slices
        self._next = 0
        self._nan = 0
        self._source: Source | None = None
        self._error: ReadError | None = None

    def load_slice(self, k: int, t: int = 0) -> None:
        """Read on until the slice is here."""
        while not self.ready[t, k]:
            self._step()

    def load(self, job: Job | None = None, *, first: int | None = None, on_slice: OnSlice | None = None) -> Volume:
        """Read all slices in the order of the file (compressed data has no other), then check the end."""
        job = job or Job()
        done = 0
        while done < self._blocks:
            job.report(done / self._blocks, "Reading")
            before, done = done, max(self._next, self._step())
            if on_slice is not None:
                for n in range(before, min(done, self._blocks)):
                    for t, k in self._slices(n):
                        on_slice(t, k)
        self._finish(job)
        job.report(1.0, "Reading")
        return self.volume

    def _slices(self, n: int) -> list[tuple[int, int]]:
        t, k = divmod(n, self._voxels.grid[1])
        return [(s, k) for s in range(self._voxels.samples)] if self._voxels.last == "time" else [(t, k)]

    def _step(self) -> int:
        """Read one more block; returns how many are done. All of them once the data has ended early."""
        with self._lock:
            if self._error is not None:
                raise self._error
            if self._next >= self._blocks:
                return self._next
            try:
                if self._source is None:
                    self._source = Source(self._voxels.path, self._voxels.coding, self._voxels.start)
                    _skip(self._source, self._voxels.skip)
                whole = self._read_block(self._source, self._next)
            except (OSError, EOFError, zlib.error) as error:
                self._stop(str(error))
                return self._blocks
            if not whole:
                self._stop("the data ends early")
                return self._blocks
            for t, k in self._slices(self._next):
                self.ready[t, k] = True
            self._next += 1
            return self._next

    def _read_block(self, source: Source, n: int) -> bool:
        """Bring one slice of the file into the array; False if it is not whole."""
        v = self._voxels
        t, k = divmod(n, v.grid[1])
        target = None if v.last == "time" else self._stored[(t, k) if v.time_axis else k]
        if v.is_plain and target is not None:
            if source.readinto(_bytes(target)) < target.nbytes:
                target[...] = 0
                return False
            self._count_nan(target)
            return True
        block = np.empty((*v.grid[2:], v.samples), v.dtype)
        if source.readinto(_bytes(block)) < block.nbytes:
            return False
        if target is None:
            self._stored[:, k] = np.moveaxis(block, -1, 0)
        elif v.last == "colour":
            target[...] = block[..., :3]
        else:
            target[...] = np.abs(block[..., 0]) if v.dtype.kind == "c" else block[..., 0]
        self._count_nan(block)
        return True

    def _count_nan(self, block: NDArray[Any]) -> None:
        if block.dtype.kind in "fc":
            self._nan += int(np.isnan(block).sum())

    def _stop(self, reason: str) -> None:
        """The data has ended early: keep what is whole, say what is not."""
        self._close()
        name = self._voxels.path.name
        if self._next == 0:
            self._error = ReadError(f"{name} is damaged or cut short: not one whole slice can be read ({reason})",
                                    path=self._voxels.path)
            raise self._error
        for n in range(self._next, self._blocks):
            for t, k in self._slices(n):
                self._present[(t, k) if self._voxels.time_axis else k] = False
        self.ready[:] = True
        self.warnings.append(Report(
            "truncated",
            f"The file is damaged or cut short: {self._next} of {self._blocks} slices could be read ({reason})",
            "The missing slices are left empty and marked; get a whole copy of the file.", "error"))
        self._next = self._blocks

    def _finish(self, job: Job) -> None:
        """Read to the end of the compressed data, so that its checksum is compared."""
        with self._lock:
            source, self._source = self._source, None
            if source is None:
                return
            try:
                if self._voxels.coding != "raw":
                    self._drain(source, job)
            except (OSError, EOFError, zlib.error) as error:
                self.warnings.append(Report(
                    "checksum", f"The end of the compressed data is damaged ({error}); voxels may be wrong",
                    "Get a whole copy of the file.", "error"))
            finally:
                source.close()
            self.warnings += nan_report(self._nan)

    @staticmethod
    def _drain(source: Source, job: Job) -> None:
        left = MAX_TAIL
        while left > 0 and (piece := source.read(CHUNK)):
            left -= len(piece)
            job.check()

    def _close(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None
