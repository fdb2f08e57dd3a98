"""Find the point under a click: where the eye stops along the line of sight."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from medviewer.gui.views.render3d.scene import CropBox, SliceItem, SurfaceItem, VolumeItem

Vec = NDArray[np.float64]
FAINT = 0.15  # a line of sight that gathers less opacity than this goes through
STEP_VOXELS = 0.5


def clip_ray(start: Vec, direction: Vec, low: Vec, high: Vec) -> tuple[float, float] | None:
    """Return the distances at which a ray enters and leaves a box, or None (slab method)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (low - start) / direction, (high - start) / direction
    flat = direction == 0
    a = np.where(flat, np.where(start >= low, -np.inf, np.inf), a)
    b = np.where(flat, np.where(start <= high, np.inf, -np.inf), b)
    near, far = max(float(np.minimum(a, b).max()), 0.0), float(np.maximum(a, b).min())
    return (near, far) if near < far else None


def volume_depth(item: VolumeItem, crop: CropBox | None, start: Vec, direction: Vec) -> float | None:
    """Return the distance at which half of what the ray gathers has been gathered; the maximum's for MIP."""
    grid = item.grid
    inverse = np.linalg.inv(grid.affine)
    origin, step = inverse[:3, :3] @ start + inverse[:3, 3], inverse[:3, :3] @ direction
    span = clip_ray(origin, step, np.zeros(3), np.asarray(grid.array.shape) - 1.0)
    if span is not None and crop is not None:
        box = clip_ray(start, direction, np.asarray(crop.low), np.asarray(crop.high))
        span = None if box is None else (max(span[0], box[0]), min(span[1], box[1]))
    if span is None or span[0] >= span[1]:
        return None
    step_mm = STEP_VOXELS / float(np.linalg.norm(step))
    depths = np.arange(span[0], span[1], step_mm)
    index = np.rint(origin + depths[:, None] * step).astype(np.intp)
    index = np.clip(index, 0, np.asarray(grid.array.shape) - 1)
    values = grid.array[tuple(index.T)] * grid.slope + grid.intercept
    x, y = np.asarray(item.look.opacity, float).T
    opacity = np.interp(values, x, y)
    if item.look.mode == "mip":
        best = int(np.argmax(values))
        return float(depths[best]) if opacity[best] > FAINT else None
    through = np.cumprod((1 - np.minimum(opacity, 0.999)) ** (step_mm / item.look.unit_mm))
    gathered = 1 - through
    if gathered[-1] < FAINT:
        return None
    return float(depths[np.searchsorted(gathered, gathered[-1] / 2)])


def surface_depth(item: SurfaceItem, start: Vec, direction: Vec) -> float | None:
    """Return the distance to the first triangle a ray hits (Moeller and Trumbore 1997)."""
    if not len(item.faces):
        return None
    if clip_ray(start, direction, item.vertices.min(axis=0) - 1e-3, item.vertices.max(axis=0) + 1e-3) is None:
        return None
    points = item.vertices.astype(np.float64) - start
    a, b, c = (points[item.faces[:, n]] for n in range(3))
    edge1, edge2 = b - a, c - a
    p = np.cross(direction, edge2)
    det = np.einsum("ij,ij->i", edge1, p)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = -np.einsum("ij,ij->i", a, p) / det
        q = np.cross(-a, edge1)
        v = q @ direction / det
        depth = np.einsum("ij,ij->i", edge2, q) / det
    hit = (np.abs(det) > 1e-12) & (u >= 0) & (v >= 0) & (u + v <= 1) & (depth > 0)
    return float(depth[hit].min()) if hit.any() else None


def slice_depth(item: SliceItem, start: Vec, direction: Vec) -> float | None:
    """Return the distance to a slice picture."""
    corner = np.asarray(item.top_left, float)
    across, down = np.subtract(item.top_right, corner), np.subtract(item.bottom_left, corner)
    matrix = np.column_stack([across, down, -direction])
    if abs(np.linalg.det(matrix)) < 1e-12:
        return None
    u, v, depth = np.linalg.solve(matrix, start - corner)
    return float(depth) if 0 <= u <= 1 and 0 <= v <= 1 and depth > 0 else None


def pick(volume: VolumeItem | None, surfaces: Iterable[SurfaceItem], slices: Iterable[SliceItem],
         crop: CropBox | None, start: Vec, direction: Vec) -> Vec | None:
    """Return the nearest visible point on a ray, LPS mm, or None."""
    depths = [volume_depth(volume, crop, start, direction)] if volume is not None else []
    depths += [surface_depth(s, start, direction) for s in surfaces if s.visible and s.opacity > 0]
    depths += [slice_depth(s, start, direction) for s in slices]
    hits = [d for d in depths if d is not None]
    return start + min(hits) * direction if hits else None
