"""A volume of stored numbers with geometry and unit; rescaled values are made on demand only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import GeometryError
from medviewer.core.geometry import Geometry


@dataclass(frozen=True, slots=True)
class Window:
    """Linear grey mapping: centre and width in the unit of the volume."""

    centre: float
    width: float
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class VoiLut:
    """A stored grey curve (DICOM VOI LUT Sequence): value `first` maps to entries[0], 0...1."""

    first: float
    entries: NDArray[np.float32]
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Rescale:
    """Stored -> real values: value = stored * slope + intercept, one pair for all or one per slice.

    slope, intercept : float64, shape () or (K,) or (T, K)
    """

    slope: NDArray[np.float64] = field(default_factory=lambda: np.array(1.0))
    intercept: NDArray[np.float64] = field(default_factory=lambda: np.array(0.0))

    @property
    def is_identity(self) -> bool:
        """Whether stored values are the real values."""
        return bool((self.slope == 1).all() and (self.intercept == 0).all())

    @property
    def is_uniform(self) -> bool:
        """Whether one pair holds for the whole volume."""
        return self.slope.ndim == 0 and self.intercept.ndim == 0

    def at(self, t: int, k: int) -> tuple[float, float]:
        """Return (slope, intercept) of slice `k` at time point `t`."""
        return _pick(self.slope, t, k), _pick(self.intercept, t, k)

    def time_point(self, t: int) -> Rescale:
        """Return the rescale of one time point."""
        return Rescale(self.slope[t] if self.slope.ndim == 2 else self.slope,
                       self.intercept[t] if self.intercept.ndim == 2 else self.intercept)


def _pick(values: NDArray[np.float64], t: int, k: int) -> float:
    if values.ndim == 0:
        return float(values)
    return float(values[k] if values.ndim == 1 else values[t, k])


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """3-D grid of stored numbers with geometry and unit.

    Parameters
    ----------
    stored : ndarray, shape (K, J, I), or (T, K, J, I) with time first
        As in the file, read-only for everybody but the loader. Colour volumes have one more, last
        axis of 3 samples (uint8): the samples of a pixel stay together because a screen wants them so.
    geometry : Geometry
    rescale : Rescale
    unit : str
        Unit of the rescaled values: ``HU``, ``SUVbw``, ``Bq/ml``, ``mm``, ``""`` (arbitrary) ...
    windows : tuple of Window
        As the file suggests, first is the default; empty if it suggests none.
    padding : (low, high), optional
        Stored values in this range are not tissue (DICOM Pixel Padding); drawn as background.
    inverted : bool
        Low values are shown bright (MONOCHROME1).
    calibrated : bool
        False if the file gives no pixel size: lengths are then in pixels, not mm.
    oriented : bool
        False if the file does not say how the picture lies in the patient: no letters are shown then.
    present : ndarray of bool, shape (T, K) or (K,), optional
        False for slices that do not exist in the files (never for slices still to be loaded).
    colour : bool
        Whether the last axis holds RGB samples.
    frame_of_reference_uid, series_uid : str
        As in the file; empty if unknown.
    frame_time_ms : float
        Time between time points, for cine; 0 if unknown.
    """

    stored: NDArray[Any]
    geometry: Geometry
    rescale: Rescale = field(default_factory=Rescale)
    unit: str = ""
    modality: str = ""
    windows: tuple[Window, ...] = ()
    voi_lut: VoiLut | None = None
    padding: tuple[float, float] | None = None
    inverted: bool = False
    calibrated: bool = True
    oriented: bool = True
    present: NDArray[np.bool_] | None = None
    colour: bool = False
    frame_of_reference_uid: str = ""
    series_uid: str = ""
    frame_time_ms: float = 0.0

    def __post_init__(self) -> None:
        spatial = self.stored.shape[: self.stored.ndim - 1] if self.colour else self.stored.shape
        if len(spatial) not in (3, 4) or tuple(spatial[-3:]) != self.geometry.shape:
            raise GeometryError(f"voxels of shape {self.stored.shape} do not fit a grid of {self.geometry.shape}")

    @property
    def has_time(self) -> bool:
        """Whether there is a time axis."""
        return self.stored.ndim == (5 if self.colour else 4)

    @property
    def time_points(self) -> int:
        """Number of time points; 1 without a time axis."""
        return self.stored.shape[0] if self.has_time else 1

    @property
    def affine(self) -> NDArray[np.float64]:
        """(k, j, i) -> LPS mm."""
        return self.geometry.affine

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbours along (k, j, i), mm."""
        return self.geometry.spacing_mm

    def at_time(self, t: int) -> NDArray[Any]:
        """Return the stored (K, J, I[, 3]) voxels of one time point, without a copy."""
        return self.stored[t] if self.has_time else self.stored

    def is_present(self, k: int, t: int = 0) -> bool:
        """Whether slice `k` of time point `t` exists in the files."""
        if self.present is None:
            return True
        return bool(self.present[t, k] if self.present.ndim == 2 else self.present[k])

    def slice_values(self, k: int, t: int = 0) -> NDArray[np.float32]:
        """Return the rescaled values of one slice, float32 (J, I)."""
        slope, intercept = self.rescale.at(t, k)
        values = self.at_time(t)[k].astype(np.float64)
        return np.asarray(values * slope + intercept, np.float32)

    def value_at(self, kji: tuple[int, int, int], t: int = 0) -> float | tuple[int, ...]:
        """Return the rescaled value of one voxel; an (r, g, b) tuple for colour volumes."""
        k, j, i = kji
        stored = self.at_time(t)[k, j, i]
        if self.colour:
            return tuple(int(v) for v in np.asarray(stored))
        slope, intercept = self.rescale.at(t, k)
        return float(stored) * slope + intercept

    @property
    def array(self) -> NDArray[Any]:
        """Rescaled values of the whole volume, made now: float32, or as stored where no rescale applies."""
        if self.colour or self.rescale.is_identity:
            return self.stored
        slope, intercept = self.rescale.slope, self.rescale.intercept
        out = np.empty(self.stored.shape, np.float32)
        for t in range(self.time_points):
            source, target = self.at_time(t), out[t] if self.has_time else out
            for k in range(source.shape[0]):  # slice by slice: no second float copy of the volume
                target[k] = source[k] * np.float64(_pick(slope, t, k)) + np.float64(_pick(intercept, t, k))
        return out
