"""Where voxels lie in the patient.

Arrays are (k, j, i) = slice, row, column; positions are DICOM LPS in mm. Column n of an affine belongs to
array axis n. Slices may lie at uneven distances (missing or uneven slices of a real series): `knots` then
says at which place of the even grid each stored slice lies, so that every slice is where it was acquired.
A sheared grid (gantry tilt) is an ordinary affine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medviewer.core.errors import GeometryError

SHEAR_ATOL = 1e-3  # cosine between grid axes above which the grid counts as sheared
SAME_ATOL_MM = 1e-3  # corner positions closer than this are the same grid
AXIS_LETTERS = (("L", "R"), ("P", "A"), ("H", "F"))  # LPS +x, +y, +z and their opposites
LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def lps_to_ras(affine: ArrayLike) -> NDArray[np.float64]:
    """Convert an affine or position between LPS and RAS (the same operation both ways)."""
    matrix = np.asarray(affine, float)
    if matrix.shape[0] == 4:
        return LPS_RAS @ matrix
    return LPS_RAS[:3, :3] @ matrix


@dataclass(frozen=True, eq=False)
class Geometry:
    """Voxel grid in patient space; column n of `affine` belongs to array axis n.

    Parameters
    ----------
    shape : (K, J, I)
        Voxel counts: slices, rows, columns.
    affine : (4, 4) float64
        Voxel-centre index (k, j, i) -> LPS position, mm.
    knots : (K,) float64, optional
        Index on the even grid of each slice, strictly increasing; None for evenly spaced slices.

    Raises
    ------
    GeometryError
        If the shape or the affine cannot be a grid.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    knots: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        affine = np.array(self.affine, float)
        if len(shape) != 3 or min(shape) < 1:
            raise GeometryError(f"a grid of shape {shape} is not possible")
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            raise GeometryError("the position of the voxels is not defined (the affine cannot be inverted)")
        affine.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", affine)
        if self.knots is not None:
            knots = np.array(self.knots, float)
            if knots.shape != (shape[0],) or (shape[0] > 1 and (np.diff(knots) <= 0).any()):
                raise GeometryError("slice positions must increase from slice to slice")
            knots.setflags(write=False)
            object.__setattr__(self, "knots", knots)

    @classmethod
    def from_spacing(cls, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
                     origin_lps: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Geometry:
        """Make an axial grid: i to the patient's left, j to the back, k to the head; spacing is (k, j, i)."""
        affine = np.zeros((4, 4))
        affine[2, 0], affine[1, 1], affine[0, 2] = spacing_mm
        affine[:3, 3] = origin_lps
        affine[3, 3] = 1.0
        return cls(shape, affine)

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbours along (k, j, i), mm; the mean step for uneven slices."""
        norms = np.linalg.norm(self.affine[:3, :3], axis=0)
        if self.knots is not None and self.shape[0] > 1:
            norms[0] *= (self.knots[-1] - self.knots[0]) / (self.shape[0] - 1)
        return float(norms[0]), float(norms[1]), float(norms[2])

    @cached_property
    def directions(self) -> NDArray[np.float64]:
        """Unit vectors of the array axes as columns, (3, 3)."""
        matrix = self.affine[:3, :3]
        return np.asarray(matrix / np.linalg.norm(matrix, axis=0))

    @property
    def origin_lps(self) -> NDArray[np.float64]:
        """Centre of voxel (0, 0, 0), LPS mm."""
        return self.to_lps((0, 0, 0))

    @property
    def centre_lps(self) -> NDArray[np.float64]:
        """Middle of the grid, LPS mm."""
        return self.to_lps((np.asarray(self.shape) - 1) / 2)

    @cached_property
    def slice_normal(self) -> NDArray[np.float64]:
        """Unit normal of the stored slices, on the side of increasing k."""
        d = self.directions
        normal = np.cross(d[:, 2], d[:, 1])
        normal /= np.linalg.norm(normal)
        return normal if normal @ d[:, 0] >= 0 else -normal

    @property
    def is_even(self) -> bool:
        """Whether the slices are evenly spaced."""
        return self.knots is None

    @property
    def is_sheared(self) -> bool:
        """Whether the grid axes are not at right angles (gantry tilt)."""
        d = self.directions
        return bool(np.abs(d.T @ d - np.eye(3)).max() > SHEAR_ATOL)

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one (mean) voxel, mm3."""
        scale = self.spacing_mm[0] / float(np.linalg.norm(self.affine[:3, 0]))
        return float(abs(np.linalg.det(self.affine[:3, :3]))) * scale

    @property
    def axis_codes(self) -> str:
        """Letters of the direction of increasing (k, j, i), e.g. ``HPL`` for an ordinary axial CT."""
        return "".join(direction_letters(self.directions[:, n])[0] for n in range(3))

    @cached_property
    def _inverse(self) -> NDArray[np.float64]:
        return np.asarray(np.linalg.inv(self.affine))

    def to_lps(self, kji: ArrayLike) -> NDArray[np.float64]:
        """Convert voxel indices (..., 3) in (k, j, i) order to LPS positions, mm."""
        index = np.array(kji, float)
        if self.knots is not None:
            index[..., 0] = _interp(index[..., 0], np.arange(self.shape[0], dtype=float), self.knots)
        return np.asarray(index @ self.affine[:3, :3].T + self.affine[:3, 3])

    def to_index(self, lps: ArrayLike) -> NDArray[np.float64]:
        """Convert LPS positions (..., 3), mm, to fractional voxel indices (k, j, i)."""
        index = np.asarray(lps, float) @ self._inverse[:3, :3].T + self._inverse[:3, 3]
        if self.knots is not None:
            index[..., 0] = _interp(index[..., 0], self.knots, np.arange(self.shape[0], dtype=float))
        return np.asarray(index)

    def contains(self, lps: ArrayLike) -> bool:
        """Whether a position lies inside the grid, the outer half voxel included."""
        index = self.to_index(lps)
        return bool(((index >= -0.5) & (index <= np.asarray(self.shape) - 0.5)).all())

    def corners_lps(self) -> NDArray[np.float64]:
        """Return the outer corners of the grid's box, (8, 3) LPS mm (voxel edges, not centres)."""
        ends = [(-0.5, n - 0.5) for n in self.shape]
        return self.to_lps([(k, j, i) for k in ends[0] for j in ends[1] for i in ends[2]])

    def same_grid(self, other: Geometry, atol_mm: float = SAME_ATOL_MM) -> bool:
        """Whether two grids have the same shape and every voxel at the same place within `atol_mm`."""
        if self.shape != other.shape:
            return False
        if (self.knots is None) != (other.knots is None):
            return False
        if self.knots is not None and other.knots is not None:
            ends = np.stack([np.arange(self.shape[0]), *np.zeros((2, self.shape[0]))], axis=1)
            if np.abs(self.to_lps(ends) - other.to_lps(ends)).max() > atol_mm:
                return False
        return bool(np.abs(self.corners_lps() - other.corners_lps()).max() <= atol_mm)

    def crop(self, start: tuple[int, int, int], stop: tuple[int, int, int]) -> Geometry:
        """Return the grid of ``array[start[0]:stop[0], start[1]:stop[1], start[2]:stop[2]]``."""
        shape = tuple(b - a for a, b in zip(start, stop, strict=True))
        knots = None if self.knots is None else self.knots[start[0]:stop[0]] - self.knots[start[0]]
        affine = self.affine.copy()
        affine[:3, 3] = self.to_lps(start)
        return Geometry(shape, affine, knots)  # type: ignore[arg-type]

    def even(self) -> Geometry:
        """Return an evenly spaced grid over the same slices (step = the smallest gap of this one)."""
        if self.knots is None:
            return self
        step = float(np.diff(self.knots).min()) if self.shape[0] > 1 else 1.0
        count = round((self.knots[-1] - self.knots[0]) / step) + 1
        affine = self.affine.copy()
        affine[:3, 3] = self.to_lps((0, 0, 0))
        affine[:3, 0] *= (self.knots[-1] - self.knots[0]) / (count - 1) if count > 1 else step
        return replace(self, shape=(count, *self.shape[1:]), affine=affine, knots=None)


def _interp(x: NDArray[np.float64], xp: NDArray[np.float64], fp: NDArray[np.float64]) -> NDArray[np.float64]:
    """Piecewise linear map that goes on straight beyond its ends."""
    if len(xp) < 2:
        return x - xp[0] + fp[0]
    low = (x - xp[0]) * ((fp[1] - fp[0]) / (xp[1] - xp[0])) + fp[0]
    high = (x - xp[-1]) * ((fp[-1] - fp[-2]) / (xp[-1] - xp[-2])) + fp[-1]
    inside = np.interp(x, xp, fp)
    return np.where(x < xp[0], low, np.where(x > xp[-1], high, inside))


def direction_letters(vector: ArrayLike, threshold: float = 0.1736) -> str:
    """Name a direction in the patient: ``L``, ``PR``, ``HLA`` ..., the largest part first.

    Parameters
    ----------
    vector : (3,)
        Direction in LPS.
    threshold : float
        Parts smaller than this cosine (default 10 degrees off the plane) are not named.
    """
    v = np.asarray(vector, float)
    v = v / (np.linalg.norm(v) or 1.0)
    order = np.argsort(-np.abs(v), kind="stable")
    names = [AXIS_LETTERS[a][0 if v[a] > 0 else 1] for a in order if abs(v[a]) > threshold]
    return "".join(names) or AXIS_LETTERS[order[0]][0 if v[order[0]] > 0 else 1]
