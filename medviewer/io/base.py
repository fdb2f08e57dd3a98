"""What a reader and a writer are, and how a volume arrives slice by slice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from medviewer.core.contours import ContourSet
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.core.study import Report, ScanResult, Series
from medviewer.core.volume import Volume

OnSlice = Callable[[int, int], None]  # (time point, slice), from a loading thread


class Loading:
    """A volume whose voxels are still arriving.

    `volume.stored` exists from the start at its full size; `ready[t, k]` tells which slices hold their
    voxels. Readers subclass this and implement `_fill`.

    Parameters
    ----------
    volume : Volume
        Geometry, rescale and an allocated (not yet filled) array.
    """

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self.ready: NDArray[np.bool_] = np.zeros((volume.time_points, volume.geometry.shape[0]), bool)
        self.warnings: list[Report] = []  # found while reading voxels (a truncated slice, ...)
        self._lock = threading.Lock()

    @property
    def complete(self) -> bool:
        """Whether every slice has arrived."""
        return bool(self.ready.all())

    def load_slice(self, k: int, t: int = 0) -> None:
        """Bring one slice now, in the calling thread (for the first picture, and for scrolling ahead)."""
        raise NotImplementedError

    def load(self, job: Job | None = None, *, first: int | None = None, on_slice: OnSlice | None = None) -> Volume:
        """Bring all slices, those near `first` before the others; returns the complete volume.

        Parameters
        ----------
        job : Job
            Progress and cancel.
        first : int
            Slice the user is looking at.
        on_slice : callable
            Called with (t, k) from a loading thread after a slice has arrived.

        Raises
        ------
        ReadError
            If nothing of the volume can be read. Single unreadable slices are reported in `warnings`,
            left empty and marked in `volume.present`.
        """
        raise NotImplementedError


class Loaded(Loading):
    """A volume that is complete at once."""

    def __init__(self, volume: Volume) -> None:
        super().__init__(volume)
        self.ready[:] = True

    def load_slice(self, k: int, t: int = 0) -> None:
        """Do nothing: the slice is here."""

    def load(self, job: Job | None = None, *, first: int | None = None, on_slice: OnSlice | None = None) -> Volume:
        """Return the volume."""
        return self.volume


@runtime_checkable
class Reader(Protocol):
    """A file format. A module in `io/formats` that defines READER is found by itself."""

    id: str
    label: str
    suffixes: tuple[str, ...]
    requires: tuple[str, ...]

    def sniff(self, path: Path, head: bytes) -> float:
        """Judge by the first 4 KiB (and the name): 0 = not mine ... 1 = certain."""
        ...

    def scan(self, paths: Sequence[Path], *, job: Job) -> ScanResult:
        """Find the series in these files without reading voxels; bad files become `skipped`, never errors."""
        ...

    def open(self, series: Series, *, job: Job) -> Loading:
        """Start reading an image series.

        Raises
        ------
        ReadError
            If it cannot be read, or does not fit the memory budget.
        """
        ...

    def read_labels(self, series: Series, on: Geometry | None, *, job: Job) -> LabelMap:
        """Read a segmentation, on the grid `on` where the format allows a choice, else on its own grid."""
        ...

    def read_contours(self, series: Series, *, job: Job) -> ContourSet:
        """Read contours as stored."""
        ...


@runtime_checkable
class Writer(Protocol):
    """Writes volumes and label maps of one format. A module in `io/formats` that defines WRITER is found."""

    id: str
    label: str
    suffixes: tuple[str, ...]
    requires: tuple[str, ...]

    def write(self, volume: Volume, path: Path, *, job: Job) -> None:
        """Write a volume (rescaled values), whole or not at all."""
        ...

    def write_labels(self, labels: LabelMap, path: Path, *, on: Series | None, job: Job) -> None:
        """Write a label map with names and colours; `on` is the source series where a format refers to it."""
        ...
