"""Bring the voxels of a planned series: threads, nearest slices first, stored type kept.

Uncompressed slices go from the file straight into their place in the array, without a copy in between; all
others through `pixels.FrameReader`. Slices that cannot be read are left empty, marked as not present and reported.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import ReadError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.study import Report
from medviewer.core.volume import Rescale, VoiLut, Volume, Window
from medviewer.io.base import Loading, OnSlice
from medviewer.io.dicom import doctor, guards
from medviewer.io.dicom.pixels import TAGS, FrameReader, PixelLayout
from medviewer.io.dicom.quiet import quietly
from medviewer.io.dicom.stored import reduce_to_used_bits
from medviewer.io.dicom.tables import ValueTable

RESERVE = 250 << 20  # bytes of memory left for everything else
SMALL = 64 << 20  # volumes below this are never doubted
LEAST_SHARE = 0.02  # an uncompressed file must hold at least this share of what it claims
MOST_RATIO = 3000  # a compressed one may unfold to this many times its size


@dataclass(frozen=True, slots=True)
class Source:
    """A file of a series.

    pixels_at : where native pixels begin; None if only `FrameReader` can tell
    table : makes real values of stored ones
    short : whether the pixel data are declared shorter than the frames they should hold
    """

    path: Path
    layout: PixelLayout
    pixels_at: int | None
    size: int
    table: ValueTable | None = None
    short: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All that is needed to read a series, found without reading voxels.

    index : (T, K, 2) number of the source and of the frame in it, -1 where there is none
    truncated : the scan has already told that files end too early
    """

    geometry: Geometry
    dtype: np.dtype[np.generic]
    sources: tuple[Source, ...]
    index: NDArray[np.int64]
    rescale: Rescale = field(default_factory=Rescale)
    unit: str = ""
    modality: str = ""
    windows: tuple[Window, ...] = ()
    voi_lut: VoiLut | None = None
    padding: tuple[float, float] | None = None
    inverted: bool = False
    calibrated: bool = True
    oriented: bool = True
    truncated: bool = False
    colour: bool = False
    frame_of_reference_uid: str = ""
    series_uid: str = ""
    frame_time_ms: float = 0.0

    @property
    def nbytes(self) -> int:
        """Size of the volume in memory."""
        samples = 3 if self.colour else 1
        k, j, i = self.geometry.shape
        return len(self.index) * k * j * i * samples * self.dtype.itemsize

    def allocate(self) -> Volume:
        """Make the volume, still empty.

        Raises
        ------
        ReadError
            If it does not fit into memory, or claims far more than its files hold.
        """
        _check_budget(self)
        shape = self.geometry.shape if len(self.index) == 1 else (len(self.index), *self.geometry.shape)
        try:
            stored = np.zeros((*shape, 3) if self.colour else shape, self.dtype)  # pages come when written
        except MemoryError as error:
            raise ReadError(f"the volume needs {_size(self.nbytes)}, more memory than there is",
                            path=self.sources[0].path) from error
        present = self.index[..., 0] >= 0
        whole = bool(present.all())
        return Volume(
            stored=stored, geometry=self.geometry, rescale=self.rescale, unit=self.unit, modality=self.modality,
            windows=self.windows, voi_lut=self.voi_lut, padding=self.padding, inverted=self.inverted,
            calibrated=self.calibrated, oriented=self.oriented,
            present=None if whole else (present if len(present) > 1 else present[0]), colour=self.colour,
            frame_of_reference_uid=self.frame_of_reference_uid, series_uid=self.series_uid,
            frame_time_ms=self.frame_time_ms)


def _check_budget(plan: Plan) -> None:
    import psutil

    path = plan.sources[0].path
    held = sum(s.size for s in plan.sources)
    packed = any(s.pixels_at is None for s in plan.sources)
    if plan.nbytes > SMALL and (plan.nbytes > MOST_RATIO * held if packed else held < LEAST_SHARE * plan.nbytes):
        raise ReadError(f"the series of {path.name} claims {_size(plan.nbytes)} of pixels, but only {_size(held)} "
                        "are in its files", path=path,
                        hint="It is damaged, or made to fill the memory.")
    free = psutil.virtual_memory().available
    if plan.nbytes + RESERVE > free and plan.nbytes > SMALL:
        raise ReadError(f"the volume needs {_size(plan.nbytes)} of memory, but only {_size(free)} are free", path=path,
                        hint="Close other series or programs.")


def _size(count: int) -> str:
    for power, unit in ((3, "GB"), (2, "MB"), (1, "kB")):
        if count >= 1000 ** power:
            return f"{count / 1000 ** power:,.1f} {unit}"
    return f"{count} bytes"


class DicomLoading(Loading):
    """A DICOM volume whose slices are arriving."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.allocate())
        self.plan = plan
        self.ready |= plan.index[..., 0] < 0
        self._readers: dict[int, FrameReader] = {}
        self._failed: dict[tuple[int, int], str] = {}
        self._told: dict[str, Report] = {}

    def load_slice(self, k: int, t: int = 0) -> None:
        """Bring one slice now, in the calling thread.

        Raises
        ------
        ReadError
            If it cannot be read; it is then left empty and marked as not present.
        """
        if self.ready[t, k]:
            return
        number, frame = (int(v) for v in self.plan.index[t, k])
        out = self.volume.at_time(t)[k]
        try:
            self._fill(number, frame, out)
        except ReadError as error:
            self._fail(t, k, str(error))
            raise
        except OSError as error:
            name = self.plan.sources[number].path.name
            reason = f"{name} cannot be read: {error.strerror or error}."
            self._fail(t, k, reason)
            raise ReadError(reason, path=self.plan.sources[number].path) from error
        self.ready[t, k] = True

    def load(self, job: Job | None = None, *, first: int | None = None, on_slice: OnSlice | None = None) -> Volume:
        """Bring all slices, those near `first` before the others; returns the complete volume."""
        job = job or Job()
        middle = self.volume.geometry.shape[0] // 2 if first is None else first
        todo = sorted(((int(t), int(k)) for t, k in np.argwhere(~self.ready)), key=lambda c: (abs(c[1] - middle), c[0]))

        def one(cell: tuple[int, int]) -> None:
            job.check()
            t, k = cell
            try:
                self.load_slice(k, t)
            except ReadError:
                return  # told in `warnings`
            if on_slice is not None:
                on_slice(t, k)

        pool = ThreadPoolExecutor(_threads(), "dicom-loading")
        try:
            for _ in job.each(pool.map(one, todo), "Reading slices", len(todo)):
                pass
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        self._conclude()
        return self.volume

    def _fill(self, number: int, frame: int, out: NDArray[np.generic]) -> None:
        source = self.plan.sources[number]
        if source.table is not None:
            out[...] = source.table.apply(self._reader(number).read(frame))
            return
        if not _is_plain(source, out.dtype) or not _read_straight(source, frame, out):
            self._reader(number).read(frame, out)
            return
        if source.layout.bits_stored < source.layout.bits_allocated:
            reduce_to_used_bits(out, source.layout, self._tell)

    def _tell(self, code: str, problem: str, fix: str) -> None:
        with self._lock:
            self._told.setdefault(code, Report(code, problem, fix))

    def _reader(self, number: int) -> FrameReader:
        with self._lock:
            reader = self._readers.get(number)
        if reader is None:
            source = self.plan.sources[number]
            header = guards.read_header(source.path, tags=TAGS)
            with quietly():
                reader = FrameReader(source.path, header)
            with self._lock:
                reader = self._readers.setdefault(number, reader)
        return reader

    def _fail(self, t: int, k: int, reason: str) -> None:
        with self._lock:
            self._failed[t, k] = reason
            volume = self.volume
            if volume.present is None:
                shape = self.ready.shape if len(self.ready) > 1 else self.ready.shape[1:]
                # the loader is the one who may still write to a volume, while it arrives
                object.__setattr__(volume, "present", np.ones(shape, bool))
            assert volume.present is not None
            volume.present[(t, k) if volume.present.ndim == 2 else k] = False
        self.ready[t, k] = True

    def _conclude(self) -> None:
        with self._lock:
            reports = [*self._told.values(), *(r for reader in self._readers.values() for r in reader.reports)]
            self._readers.clear()
        self.warnings += [r for r in dict.fromkeys(reports) if r not in self.warnings
                          and not (r.code == "truncated" and self.plan.truncated)]
        if not self._failed:
            return
        reasons = list(dict.fromkeys(self._failed.values()))
        if len(self._failed) == int((self.plan.index[..., 0] >= 0).sum()):
            raise ReadError(reasons[0], path=self.plan.sources[0].path)
        self.warnings.append(doctor.unreadable(len(self._failed), reasons))


def _threads() -> int:
    return max(4, min(8, os.cpu_count() or 4))


def _read_straight(source: Source, frame: int, out: NDArray[np.generic]) -> bool:
    """Read a frame into its place; False if it breaks off."""
    assert source.pixels_at is not None
    length = source.layout.frame_bytes
    with open(source.path, "rb", buffering=0) as file:
        file.seek(source.pixels_at + frame * length)
        view = memoryview(out.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        got = 0
        while got < length and (more := file.readinto(view[got:])):
            got += more
    return got == length


def _is_plain(source: Source, dtype: np.dtype[np.generic]) -> bool:
    """Whether the bytes in the file are the bytes of the array, but for unused bits."""
    layout = source.layout
    return (source.pixels_at is not None and not source.short and not layout.compressed
            and layout.samples == 1 and not layout.colour and layout.dtype == dtype
            and layout.frame_bytes == layout.rows * layout.columns * dtype.itemsize
            and layout.bits_allocated == 8 * dtype.itemsize and sys.byteorder == "little"
            and layout.transfer_syntax in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1"))
