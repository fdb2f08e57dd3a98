"""Tapered tubes: vessels, bronchi and long bones painted segment by segment into the boxes they touch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from medviewer.ops.phantom.grid import Array, Grid, Points

PAD_MM = 1.5
FAINTEST = 0.06  # share of a voxel below which a tube is not painted


@dataclass(frozen=True, eq=False)
class Chain:
    """Tube segments: from a to b (N, 3) LPS, with radii at both ends (N,), mm."""

    a: Points
    b: Points
    ra: Points
    rb: Points

    @classmethod
    def along(cls, points: Points, radii: Points) -> Chain:
        """Make the tube through `points`."""
        return cls(points[:-1], points[1:], radii[:-1], radii[1:])

    @classmethod
    def join(cls, *chains: Chain) -> Chain:
        """Put chains into one."""
        return cls(*(np.concatenate([getattr(c, n) for c in chains]) for n in ("a", "b", "ra", "rb")))

    def wider(self, by_mm: Points | float) -> Chain:
        """Return the same tubes with larger radii."""
        return Chain(self.a, self.b, self.ra + by_mm, self.rb + by_mm)


def spline(points: Points, step_mm: float, *more: Points) -> tuple[Points, ...]:
    """Sample a Catmull-Rom curve through `points` about every `step_mm`; `more` are values carried along."""
    values = np.column_stack([points, *more]).astype(float)
    before, after = 2 * values[0] - values[1], 2 * values[-1] - values[-2]
    padded = np.vstack([before, values, after])
    out = [values[:1]]
    for p0, p1, p2, p3 in zip(padded[:-3], padded[1:-2], padded[2:-1], padded[3:], strict=True):
        length = math.sqrt(float(((p2[:3] - p1[:3]) ** 2).sum()))
        count = max(int(math.ceil(length / step_mm)), 1)
        t = (np.arange(1, count + 1) / count)[:, None]
        out.append(0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t * t
                          + (3 * p1 - p0 - 3 * p2 + p3) * t * t * t))
    curve = np.concatenate(out)
    return (curve[:, :3], *(curve[:, 3 + n] for n in range(len(more))))


def _per_length(ab: Points) -> Points:
    """Return a vector divided by its squared length."""
    x, y, z = ab.tolist()
    return ab / ((x * x + y * y + z * z) or 1e-9)


def _axis_distance(x: Array, y: Array, z: Array, a: Points, b: Points, ra: float, rb: float) -> Array:
    """Return distance to a segment minus its radius there."""
    ab = b - a
    u = _per_length(ab)
    px, py, pz = x - np.float32(a[0]), y - np.float32(a[1]), z - np.float32(a[2])
    t = np.clip(px * np.float32(u[0]) + py * np.float32(u[1]) + pz * np.float32(u[2]), 0, 1)
    dx, dy, dz = px - t * np.float32(ab[0]), py - t * np.float32(ab[1]), pz - t * np.float32(ab[2])
    return np.sqrt(dx * dx + dy * dy + dz * dz) - (np.float32(ra) + t * np.float32(rb - ra))


def paint_cover(canvas: Array, grid: Grid, chain: Chain) -> None:
    """Paint the part of each voxel that the tubes fill into `canvas` (maximum with what is there).

    Slices much thicker than the pixels are sampled in layers; tubes thinner than a voxel get their share of it.
    """
    sz, sy, _ = grid.spacing_mm
    layers = max(1, min(4, round(sz / sy)))
    thin = sz / layers
    width = (sy * sy * thin) ** (1 / 3)
    for a, b, ra, rb in zip(chain.a, chain.b, chain.ra.tolist(), chain.rb.tolist(), strict=True):
        r = max(ra, rb)
        share = min(1.0, 3.1416 * r * r / (width * width))
        if share < FAINTEST:
            continue
        pad = np.array([r + sy, r + sy, r + 0.5 * sz + 0.5 * thin])
        box = grid.box(np.minimum(a, b) - pad, np.maximum(a, b) + pad)
        if box is None:
            continue
        d = _axis_distance(*grid.axes(box, layers), a, b, ra, rb)
        part = np.clip(d * np.float32(-1 / width) + np.float32(0.5), 0, 1)
        if layers > 1:
            part = part.reshape(-1, layers, *part.shape[1:]).mean(axis=1, dtype=np.float32)
        view = canvas[box]
        np.maximum(view, part * np.float32(share), out=view)


def paint_distance(canvas: Array, grid: Grid, chain: Chain, *, normals: Points | None = None,
                   flat: float = 1.0) -> None:
    """Paint the signed distance of the tubes into `canvas` (minimum with what is there).

    normals : (N, 3) unit vectors along which the cross section is `flat` times as thick (ribs); round if None
    """
    for n, (a, b, ra, rb) in enumerate(zip(chain.a, chain.b, chain.ra.tolist(), chain.rb.tolist(), strict=True)):
        pad = max(ra, rb) + PAD_MM + max(grid.spacing_mm)
        box = grid.box(np.minimum(a, b) - pad, np.maximum(a, b) + pad)
        if box is None:
            continue
        axes = grid.axes(box)
        d = (_axis_distance(*axes, a, b, ra, rb) if normals is None
             else _flat_distance(*axes, a, b, ra, rb, normals[n], flat))
        view = canvas[box]
        np.minimum(view, d, out=view)


def _flat_distance(x: Array, y: Array, z: Array, a: Points, b: Points, ra: float, rb: float,
                   normal: Points, flat: float) -> Array:
    ab = b - a
    u = _per_length(ab)
    px, py, pz = x - np.float32(a[0]), y - np.float32(a[1]), z - np.float32(a[2])
    t = np.clip(px * np.float32(u[0]) + py * np.float32(u[1]) + pz * np.float32(u[2]), 0, 1)
    dx, dy, dz = px - t * np.float32(ab[0]), py - t * np.float32(ab[1]), pz - t * np.float32(ab[2])
    across = dx * np.float32(normal[0]) + dy * np.float32(normal[1]) + dz * np.float32(normal[2])
    r = np.float32(ra) + t * np.float32(rb - ra)
    n2 = across * across
    along2 = np.maximum(dx * dx + dy * dy + dz * dz - n2, 0)
    thin = r * np.float32(flat)
    q = np.sqrt(along2 / (r * r) + n2 / (thin * thin))
    slope = np.sqrt(along2 / (r * r * r * r) + n2 / (thin * thin * thin * thin))
    return np.asarray(q * (q - 1) / np.maximum(slope, np.float32(1e-3)), np.float32)
