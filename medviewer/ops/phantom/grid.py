"""Grids, smooth fields and painted tubes of the phantom.

Anatomy is described twice: smooth shapes as signed distances (mm, negative inside) on one coarse grid that does not
depend on the wanted voxels, and slender shapes as chains of tapered tubes painted into the boxes they touch. So a seed
is the same patient at every sampling. Voxels are computed with + - * / and sqrt only, which every processor rounds
alike; other functions make single numbers, which are rounded before use.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medviewer.core.geometry import Geometry

Array = NDArray[np.float32]
Points = NDArray[np.float64]
Box = tuple[slice, slice, slice]

FIELD_MM = (300.0, 352.0, 352.0)  # (z, y, x) extent of the default scan
CENTRE_LPS = (0.0, 12.0, -35.0)  # its middle; the carina of the average patient is the origin
COARSE_MM = (4.0, 4.0, 4.0)
MARGIN = 3  # coarse voxels beyond the default field


@dataclass(frozen=True, eq=False)
class Grid:
    """Positions of an axial grid along its three axes, mm."""

    z: Points
    y: Points
    x: Points

    @classmethod
    def centred(cls, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> Grid:
        """Make the grid of `shape` around the middle of the scan."""
        middle = (CENTRE_LPS[2], CENTRE_LPS[1], CENTRE_LPS[0])
        axes = [np.asarray(m + (np.arange(n) - (n - 1) / 2) * s, np.float64)
                for m, n, s in zip(middle, shape, spacing_mm, strict=True)]
        return cls(*axes)

    @classmethod
    def coarse(cls) -> Grid:
        """Make the grid of the smooth fields."""
        counts = tuple(round(f / s) + 2 * MARGIN for f, s in zip(FIELD_MM, COARSE_MM, strict=True))
        return cls.centred(counts, COARSE_MM)  # type: ignore[arg-type]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(K, J, I)."""
        return len(self.z), len(self.y), len(self.x)

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Steps along (z, y, x)."""
        z, y, x = (float(a[1] - a[0]) if len(a) > 1 else 1.0 for a in (self.z, self.y, self.x))
        return z, y, x

    @property
    def geometry(self) -> Geometry:
        """The same grid as a Geometry."""
        return Geometry.from_spacing(self.shape, self.spacing_mm, (self.x[0], self.y[0], self.z[0]))

    @property
    def whole(self) -> Box:
        """The box of all voxels."""
        return slice(0, len(self.z)), slice(0, len(self.y)), slice(0, len(self.x))

    def box(self, low: ArrayLike, high: ArrayLike) -> Box | None:
        """Return the slices of the voxels between two LPS corners, None if there are none."""
        found = []
        for axis, a, b in zip((self.z, self.y, self.x), np.asarray(low)[::-1], np.asarray(high)[::-1], strict=True):
            step = axis[1] - axis[0]
            start = max(int(np.ceil((a - axis[0]) / step)), 0)
            stop = min(int(np.floor((b - axis[0]) / step)) + 1, len(axis))
            if stop <= start:
                return None
            found.append(slice(start, stop))
        return found[0], found[1], found[2]

    def axes(self, box: Box, layers: int = 1) -> tuple[Array, Array, Array]:
        """Return (x, y, z) of a box, shaped to broadcast as (k, j, i); each slice as `layers` thinner ones."""
        z = self.z[box[0]]
        if layers > 1:
            shift = ((np.arange(layers) + 0.5) / layers - 0.5) * self.spacing_mm[0]
            z = (z[:, None] + shift).ravel()
        return (self.x[box[2]].astype(np.float32)[None, None, :], self.y[box[1]].astype(np.float32)[None, :, None],
                z.astype(np.float32)[:, None, None])


COARSE = Grid.coarse()


def _taps(positions: Points, count: int, cubic: bool) -> list[tuple[NDArray[np.intp], Array]]:
    """Return (index, weight) of each neighbour for sampling an axis at fractional positions."""
    base = np.floor(positions)
    t = positions - base
    if cubic:
        weights = [(1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6, t**3 / 6]
        first = -1
    else:
        weights, first = [1 - t, t], 0
    return [(np.clip(base + first + n, 0, count - 1).astype(np.intp), w.astype(np.float32))
            for n, w in enumerate(weights)]


def sample(field: Array, z: Points, y: Points, x: Points, *, cubic: bool = False) -> Array:
    """Sample a field on a grid of fractional indices, axis by axis (linear, or cubic B-spline)."""
    out = field
    for axis, positions in enumerate((z, y, x)):
        shape = [1, 1, 1]
        shape[axis] = len(positions)
        taps = _taps(np.asarray(positions), out.shape[axis], cubic)
        (index, weight), *rest = taps
        total = np.take(out, index, axis=axis)
        total *= weight.reshape(shape)
        for index, weight in rest:
            part = np.take(out, index, axis=axis)
            part *= weight.reshape(shape)
            total += part
        out = total
    return out


def on_grid(field: Array, grid: Grid, box: Box) -> Array:
    """Interpolate a coarse field linearly to a box of `grid`."""
    parts = [(a[s] - c[0]) / step for a, s, c, step in zip((grid.z, grid.y, grid.x), box,
             (COARSE.z, COARSE.y, COARSE.x), COARSE.spacing_mm, strict=True)]
    return sample(field, parts[0], parts[1], parts[2])


def at_points(field: Array, lps: Points) -> Points:
    """Interpolate a coarse field linearly at LPS points (N, 3)."""
    from scipy.ndimage import map_coordinates

    index = [(lps[:, 2 - n] - c[0]) / s for n, (c, s) in
             enumerate(zip((COARSE.z, COARSE.y, COARSE.x), COARSE.spacing_mm, strict=True))]
    return np.asarray(map_coordinates(field, index, order=1, mode="nearest", output=np.float64))


def smooth_noise(rng: np.random.Generator, grid: Grid, step_mm: tuple[float, float, float]) -> Array:
    """Return smooth random values (about unit sd) that vary over `step_mm` (z, y, x), on `grid`."""
    spans = [(a[-1] - a[0]) / s for a, s in zip((grid.z, grid.y, grid.x), step_mm, strict=True)]
    lattice = rng.standard_normal([int(n) + 5 for n in spans], dtype=np.float32)
    places = [(a - a[0]) / s + 1.5 for a, s in zip((grid.z, grid.y, grid.x), step_mm, strict=True)]
    return sample(lattice * np.float32(3.0), *places, cubic=True)  # a cubic B-spline leaves a third of the sd


def smin(a: Array, b: Array, k: float) -> Array:
    """Unite two signed distances with a fillet of about `k` mm."""
    h = np.maximum(k - np.abs(a - b), 0) * np.float32(1 / k)
    return np.minimum(a, b) - h * h * np.float32(k / 4)


def smax(a: Array, b: Array, k: float) -> Array:
    """Intersect two signed distances with an edge rounded over about `k` mm."""
    h = np.maximum(k - np.abs(a - b), 0) * np.float32(1 / k)
    return np.maximum(a, b) + h * h * np.float32(k / 4)


def cover(distance: Array, width_mm: float) -> Array:
    """Return which part of a voxel lies inside, from the signed distance of its centre (0...1)."""
    out = distance * np.float32(-1 / width_mm)
    out += np.float32(0.5)
    return np.clip(out, 0, 1, out=out)


def blend(hu: Array, part: Array, value: Array | float) -> None:
    """Replace `part` (0...1) of each voxel by a tissue, in place."""
    hu += part * (np.asarray(value, np.float32) - hu)
