"""Cut planes out of volumes for the screen.

A plane along the grid is shown as stored: its pixels are not resampled, and their place on the plane is an
affine map that the painter applies (so a sheared grid, such as a tilted gantry, comes out straight). Uneven
slices are first interpolated to an even step along the slice axis, only in the plane shown. Any other plane is
sampled linearly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medviewer.core.geometry import Geometry
from medviewer.core.volume import Rescale, Volume

Orientation = Literal["axial", "coronal", "sagittal"]
SlabMode = Literal["max", "min", "mean"]

# (right, down) on the screen in LPS, radiological convention: axial from the feet, coronal from the front,
# sagittal from the left with the front of the patient on the left of the picture
VIEW_AXES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
}
ALONG_GRID_COS = 0.99995  # a plane this parallel to the grid is shown as stored
MAX_SAMPLES = 1024  # longest side of a sampled plane, pixels


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane in the patient with directions on the screen.

    point_lps : any point of the plane
    right, down : orthogonal unit vectors, LPS
    """

    point_lps: NDArray[np.float64]
    right: NDArray[np.float64]
    down: NDArray[np.float64]

    @cached_property
    def normal(self) -> NDArray[np.float64]:
        """Unit normal, away from the viewer."""
        return cross(self.right, self.down)

    def to_mm(self, lps: ArrayLike) -> NDArray[np.float64]:
        """Project positions (..., 3) onto the plane: (..., 2) mm along right and down, from the LPS origin."""
        p = np.asarray(lps, float)
        return np.stack([p @ self.right, p @ self.down], axis=-1)

    def to_lps(self, mm: ArrayLike) -> NDArray[np.float64]:
        """Turn (..., 2) mm on the plane into LPS positions."""
        m = np.asarray(mm, float)
        depth = float(self.point_lps @ self.normal)
        return np.asarray(m[..., :1] * self.right + m[..., 1:2] * self.down + depth * self.normal)

    def distance_mm(self, lps: ArrayLike) -> NDArray[np.float64]:
        """Signed distance of positions from the plane, mm; positive away from the viewer."""
        return np.asarray((np.asarray(lps, float) - self.point_lps) @ self.normal)

    def through(self, lps: ArrayLike) -> Plane:
        """Return the parallel plane through a position."""
        return replace(self, point_lps=np.asarray(lps, float))

    def rotated(self, axis: ArrayLike, angle_rad: float) -> Plane:
        """Return the plane turned about an axis through its point (Rodrigues' formula)."""
        matrix = rotation(axis, angle_rad)
        return replace(self, right=matrix @ self.right, down=matrix @ self.down)


def cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cross product of two vectors of 3; views ask for it hundreds of times a frame, and numpy's is general."""
    (ax, ay, az), (bx, by, bz) = a, b
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def rotation(axis: ArrayLike, angle_rad: float) -> NDArray[np.float64]:
    """Rotation matrix about an axis (Rodrigues' formula)."""
    u = np.asarray(axis, float) / np.linalg.norm(axis)
    cross = np.array([[0, -u[2], u[1]], [u[2], 0, -u[0]], [-u[1], u[0], 0]])
    return np.asarray(np.eye(3) + np.sin(angle_rad) * cross + (1 - np.cos(angle_rad)) * cross @ cross)


def grid_axes(geometry: Geometry, orientation: str) -> tuple[int, int, int]:
    """Say which array axes run (through, down, right) in a view, the best match of all six orders.

    Works for any oblique grid: each array axis is used once.
    """
    right, down = (np.asarray(v, float) for v in VIEW_AXES[orientation])
    targets = (cross(right, down), down, right)
    d = geometry.directions
    orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    return max(orders, key=lambda o: sum(abs(float(d[:, a] @ t)) for a, t in zip(o, targets, strict=True)))


def view_plane(geometry: Geometry, orientation: str, point_lps: ArrayLike, *, flip_right: bool = False,
               along_grid: bool = True) -> Plane:
    """Make the plane of a standard view through a point.

    Parameters
    ----------
    along_grid : bool
        Follow the volume's own axes (default), so that stored slices are shown as stored; else the
        patient's axes.
    flip_right : bool
        Mirror left and right (neurological convention); used for axial and coronal views.
    """
    right, down = (np.asarray(v, float) for v in VIEW_AXES[orientation])
    if along_grid:
        _, down_axis, right_axis = grid_axes(geometry, orientation)
        grid_right, grid_down = geometry.directions[:, right_axis], geometry.directions[:, down_axis]
        # on the screen they are at right angles; in a sheared grid (tilted gantry) the axis across the slices,
        # that of the table, stays upright and the slices slant, as they did in the scanner
        first, second = (grid_down, grid_right) if down_axis == 0 else (grid_right, grid_down)
        second = second - (second @ first) * first
        second = second / np.linalg.norm(second)
        grid_down, grid_right = (first, second) if down_axis == 0 else (second, first)
        right = grid_right if grid_right @ right >= 0 else -grid_right
        down = grid_down if grid_down @ down >= 0 else -grid_down
    if flip_right and orientation != "sagittal":
        right = -right
    return Plane(np.asarray(point_lps, float), right, down)


@dataclass(frozen=True, eq=False)
class PlaneImage:
    """A picture of a plane.

    pixels : (rows, columns[, 3]) stored values, or rescaled float32 if `rescaled`
    matrix : (2, 3) pixel-centre (column, row, 1) -> mm on the plane (right, down)
    slope, intercept : of `pixels`, where not rescaled yet
    index : index along the grid axis for planes along the grid, else None
    """

    pixels: NDArray[Any]
    matrix: NDArray[np.float64]
    slope: float = 1.0
    intercept: float = 0.0
    rescaled: bool = False
    index: int | None = None
    missing: bool = False


def through_axis(geometry: Geometry, plane: Plane) -> int | None:
    """Return the array axis that runs through the plane if both others lie in it, else None."""
    in_plane = np.abs(plane.normal @ geometry.directions) < np.sqrt(1 - ALONG_GRID_COS**2)
    if int(in_plane.sum()) != 2:
        return None
    return int(np.flatnonzero(~in_plane)[0])


def slice_index(geometry: Geometry, plane: Plane, axis: int) -> float:
    """Return the (fractional) index along `axis` at which the plane cuts the grid."""
    return float(geometry.to_index(plane.point_lps)[axis])


def step_mm(geometry: Geometry, plane: Plane) -> float:
    """Distance between neighbouring slices of a plane's stack, mm along its normal."""
    axis = through_axis(geometry, plane)
    if axis is not None:
        step = geometry.affine[:3, axis] * (geometry.spacing_mm[axis] / np.linalg.norm(geometry.affine[:3, axis]))
        return float(abs(step @ plane.normal))
    return min(geometry.spacing_mm)


def cut(volume: Volume, plane: Plane, *, t: int = 0, slab_mm: float = 0.0, slab: SlabMode = "max",
        interpolate: bool = False) -> PlaneImage | None:
    """Cut a volume by a plane.

    Parameters
    ----------
    plane : Plane
        In the volume's frame of reference.
    slab_mm : float
        Thickness of a projected slab around the plane; 0 for the plane alone.
    slab : {'max', 'min', 'mean'}
    interpolate : bool
        Mix the two neighbouring slices (for an overlay on another grid) instead of taking the nearest.

    Returns
    -------
    PlaneImage or None
        None if the plane misses the volume.
    """
    axis = through_axis(volume.geometry, plane)
    if axis is None:
        return _cut_oblique(volume, plane, t, slab_mm, slab)
    return _cut_along_grid(volume, plane, axis, t, slab_mm, slab, interpolate)


def _cut_along_grid(volume: Volume, plane: Plane, axis: int, t: int, slab_mm: float, slab: SlabMode,
                    interpolate: bool) -> PlaneImage | None:
    geometry = volume.geometry
    place = slice_index(geometry, plane, axis)
    count = geometry.shape[axis]
    if not -0.5 - 1e-6 <= place <= count - 0.5 + 1e-6:
        return None
    index = int(np.clip(np.floor(place + 0.5), 0, count - 1))
    stored = volume.at_time(t)
    half = slab_mm / 2 / max(step_mm(geometry, plane), 1e-9)
    first, last = (int(np.clip(np.round(place + s * half), 0, count - 1)) for s in (-1, 1))
    info: dict[str, Any]
    if slab_mm > 0 and last > first:
        pixels, info = _project(volume, stored, axis, first, last, t, slab), {"rescaled": not volume.colour}
    elif interpolate and not volume.colour and abs(place - round(place)) > 1e-3:
        pixels, info = _between(volume, stored, axis, place, t), {"rescaled": True}
    else:
        pixels, info = _one(volume, stored, axis, index, t)
    a, b = (n for n in range(3) if n != axis)
    rows = geometry.knots if a == 0 and geometry.knots is not None else None
    if rows is not None:
        pixels = _even_rows(np.asarray(pixels), rows)
    base = replace(geometry, knots=None, shape=geometry.shape) if rows is not None else geometry
    start = np.zeros(3)
    start[axis] = place
    if rows is not None:
        start[0] = rows[0]
        origin, down, right = (base.to_lps(start + step * _unit(n)) for n, step in
                               ((a, 0.0), (a, _even_step(rows)), (b, 1.0)))
    else:
        origin, down, right = (geometry.to_lps(start + step * _unit(n)) for n, step in
                               ((a, 0.0), (a, 1.0), (b, 1.0)))
    o, d, r = plane.to_mm(origin), plane.to_mm(down), plane.to_mm(right)
    matrix = np.column_stack([r - o, d - o, o])
    missing = axis == 0 and slab_mm == 0 and not volume.is_present(index, t)
    return PlaneImage(pixels, matrix, index=index, missing=missing, **info)


def _unit(n: int) -> NDArray[np.float64]:
    return np.eye(3)[n]


def _one(volume: Volume, stored: NDArray[Any], axis: int, index: int, t: int,
         ) -> tuple[NDArray[Any], dict[str, float | bool]]:
    pixels = stored[(slice(None),) * axis + (index,)]
    if volume.colour or axis == 0 or volume.rescale.is_uniform:
        slope, intercept = (1.0, 0.0) if volume.colour else volume.rescale.at(t, index if axis == 0 else 0)
        return pixels, {"slope": slope, "intercept": intercept}
    return _rescale_rows(pixels, volume.rescale.time_point(t)), {"rescaled": True}


def _rescale_rows(pixels: NDArray[Any], rescale: Rescale) -> NDArray[np.float32]:
    """Rescale a plane whose rows are slices with their own slope each."""
    slope = np.broadcast_to(rescale.slope, (pixels.shape[0],)).astype(np.float32)[:, None]
    intercept = np.broadcast_to(rescale.intercept, (pixels.shape[0],)).astype(np.float32)[:, None]
    return np.asarray(pixels * slope + intercept, np.float32)


def _real(volume: Volume, stored: NDArray[Any], axis: int, index: int, t: int) -> NDArray[np.float32]:
    pixels, info = _one(volume, stored, axis, index, t)
    if info.get("rescaled"):
        return np.asarray(pixels, np.float32)
    return np.asarray(pixels.astype(np.float32) * info["slope"] + info["intercept"], np.float32)


def _between(volume: Volume, stored: NDArray[Any], axis: int, place: float, t: int) -> NDArray[np.float32]:
    low = int(np.clip(np.floor(place), 0, stored.shape[axis] - 1))
    high = min(low + 1, stored.shape[axis] - 1)
    weight = np.float32(np.clip(place - low, 0, 1))
    return _real(volume, stored, axis, low, t) * (1 - weight) + _real(volume, stored, axis, high, t) * weight


def _project(volume: Volume, stored: NDArray[Any], axis: int, first: int, last: int, t: int,
             slab: SlabMode) -> NDArray[Any]:
    part = stored[(slice(None),) * axis + (slice(first, last + 1),)]
    if volume.colour:
        return _flatten(part, axis, slab).astype(np.uint8)
    if not volume.rescale.is_uniform and axis == 0:
        part = np.stack([_real(volume, stored, 0, k, t) for k in range(first, last + 1)])
        return _flatten(part, 0, slab)
    flat = _flatten(part, axis, slab)
    if not volume.rescale.is_uniform:
        return _rescale_rows(flat, volume.rescale.time_point(t))
    slope, intercept = volume.rescale.at(t, 0)
    return np.asarray(flat.astype(np.float32) * slope + intercept, np.float32)


def _flatten(part: NDArray[Any], axis: int, slab: SlabMode) -> NDArray[Any]:
    if slab == "mean":
        return np.asarray(part.mean(axis=axis, dtype=np.float32))
    return np.asarray(part.max(axis=axis) if slab == "max" else part.min(axis=axis))


def _even_step(knots: NDArray[np.float64]) -> float:
    count = round((knots[-1] - knots[0]) / np.diff(knots).min()) + 1
    return float((knots[-1] - knots[0]) / max(count - 1, 1))


def _even_rows(pixels: NDArray[Any], knots: NDArray[np.float64]) -> NDArray[Any]:
    """Interpolate rows at uneven places to an even step; integer types stay integer."""
    step = _even_step(knots)
    count = round((knots[-1] - knots[0]) / step) + 1
    place = np.interp(knots[0] + step * np.arange(count), knots, np.arange(len(knots)))
    low = np.minimum(place.astype(int), len(knots) - 2)
    weight = (place - low).astype(np.float32).reshape(-1, *[1] * (pixels.ndim - 1))
    mixed = pixels[low] * (1 - weight) + pixels[low + 1] * weight
    return np.asarray(np.rint(mixed).astype(pixels.dtype) if pixels.dtype.kind in "iu" else mixed)


def plane_box_mm(geometry: Geometry, plane: Plane) -> tuple[float, float, float, float]:
    """Return the box (x0, y0, x1, y1), mm on the plane, that the whole volume projects into."""
    mm = plane.to_mm(geometry.corners_lps())
    return (*mm.min(axis=0), *mm.max(axis=0))


def sample_points(geometry: Geometry, plane: Plane) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Lay a pixel grid on an oblique plane.

    Returns
    -------
    (kji, matrix) : (rows, columns, 3) fractional indices and the pixel -> mm matrix, or None if the plane
        misses the volume.
    """
    depths = plane.distance_mm(geometry.corners_lps())
    if depths.min() > 0 or depths.max() < 0:
        return None
    x0, y0, x1, y1 = plane_box_mm(geometry, plane)
    pixel = max(min(geometry.spacing_mm), (x1 - x0) / MAX_SAMPLES, (y1 - y0) / MAX_SAMPLES)
    columns, rows = int(np.ceil((x1 - x0) / pixel)), int(np.ceil((y1 - y0) / pixel))
    matrix = np.array([[pixel, 0, x0 + pixel / 2], [0, pixel, y0 + pixel / 2]])
    start = geometry.to_index(plane.to_lps(matrix[:, 2])) if geometry.knots is None else None
    if start is not None:  # an affine map of an even grid: two steps span all points
        along = geometry.to_index(plane.to_lps(matrix[:, 2] + [pixel, 0])) - start
        below = geometry.to_index(plane.to_lps(matrix[:, 2] + [0, pixel])) - start
        kji = start + np.arange(rows)[:, None, None] * below + np.arange(columns)[None, :, None] * along
        return np.asarray(kji), matrix
    mm = np.stack(np.meshgrid(matrix[0, 2] + pixel * np.arange(columns),
                              matrix[1, 2] + pixel * np.arange(rows)), axis=-1)
    return geometry.to_index(plane.to_lps(mm)), matrix


def sample(stored: NDArray[Any], kji: NDArray[np.float64], *, linear: bool, fill: float) -> NDArray[Any]:
    """Sample an array at fractional indices (rows, columns, 3): linear (float32) or nearest (stored type)."""
    shape = np.asarray(stored.shape[:3])
    inside = ((kji > -0.5) & (kji < shape - 0.5)).all(axis=-1)
    if not linear:
        index = np.clip(np.rint(kji).astype(np.intp), 0, shape - 1)
        values = stored[index[..., 0], index[..., 1], index[..., 2]]
        values[~inside] = fill
        return np.asarray(values)
    from scipy.ndimage import map_coordinates

    coordinates = np.moveaxis(np.clip(kji, 0, shape - 1), -1, 0)
    values = map_coordinates(stored, coordinates, output=np.float32, order=1, mode="nearest", prefilter=False)
    values[~inside] = fill
    return np.asarray(values)


def _cut_oblique(volume: Volume, plane: Plane, t: int, slab_mm: float, slab: SlabMode) -> PlaneImage | None:
    points = sample_points(volume.geometry, plane)
    if points is None:
        return None
    kji, matrix = points
    stored = volume.at_time(t)
    if volume.colour:
        channels = [sample(stored[..., c], kji, linear=True, fill=0) for c in range(3)]
        return PlaneImage(np.stack(channels, -1).astype(np.uint8), matrix)
    step = min(volume.geometry.spacing_mm)
    count = max(int(round(slab_mm / step)), 1) if slab_mm > 0 else 1
    offset = volume.geometry.to_index(plane.point_lps + plane.normal) - volume.geometry.to_index(plane.point_lps)
    layers = []
    for n in range(count):
        depth = (n - (count - 1) / 2) * step
        layers.append(_sample_real(volume, stored, kji + depth * offset, t))
    if count == 1:
        return PlaneImage(layers[0], matrix, rescaled=True)
    stack = np.stack(layers)
    with np.errstate(invalid="ignore"):
        flat = {"max": np.fmax.reduce, "min": np.fmin.reduce}[slab](stack) if slab != "mean" else np.mean(stack, 0)
    return PlaneImage(np.asarray(flat), matrix, rescaled=True)


def _sample_real(volume: Volume, stored: NDArray[Any], kji: NDArray[np.float64], t: int) -> NDArray[np.float32]:
    """Sample rescaled values; not-a-number outside the volume."""
    if volume.rescale.is_uniform:
        slope, intercept = volume.rescale.at(t, 0)
        return np.asarray(sample(stored, kji, linear=True, fill=np.nan) * slope + intercept, np.float32)
    own = volume.rescale.time_point(t)
    low = np.clip(np.floor(kji[..., 0]), 0, stored.shape[0] - 1).astype(np.intp)
    high = np.minimum(low + 1, stored.shape[0] - 1)
    slopes, intercepts = (np.broadcast_to(a, (stored.shape[0],)) for a in (own.slope, own.intercept))
    weight = np.clip(kji[..., 0] - low, 0, 1)
    parts = []
    for k in (low, high):  # each neighbour slice has its own slope: rescale before mixing
        flat = kji.copy()
        flat[..., 0] = k
        parts.append(sample(stored, flat, linear=True, fill=np.nan) * slopes[k] + intercepts[k])
    values = parts[0] * (1 - weight) + parts[1] * weight
    outside = (kji[..., 0] < -0.5) | (kji[..., 0] > stored.shape[0] - 0.5)
    values[outside] = np.nan
    return np.asarray(values, np.float32)


def cut_labels(array: NDArray[Any], geometry: Geometry, plane: Plane) -> PlaneImage | None:
    """Cut a label array by a plane, nearest voxel."""
    axis = through_axis(geometry, plane)
    if axis is None or (geometry.knots is not None and axis != 0):
        points = sample_points(geometry, plane)
        if points is None:
            return None
        return PlaneImage(sample(array, points[0], linear=False, fill=0), points[1])
    place = slice_index(geometry, plane, axis)
    if not -0.5 - 1e-6 <= place <= geometry.shape[axis] - 0.5 + 1e-6:
        return None
    index = int(np.clip(np.floor(place + 0.5), 0, geometry.shape[axis] - 1))
    a, b = (n for n in range(3) if n != axis)
    start = np.zeros(3)
    start[axis] = place
    o, d, r = (plane.to_mm(geometry.to_lps(start + off)) for off in (np.zeros(3), _unit(a), _unit(b)))
    return PlaneImage(array[(slice(None),) * axis + (index,)], np.column_stack([r - o, d - o, o]), index=index)
