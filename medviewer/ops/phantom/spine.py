"""The vertebral column: bodies with cortex and waist, discs, canal, arches and processes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medviewer.ops.phantom.grid import Array, Grid, Points, cover, smax
from medviewer.ops.phantom.patient import SPINE, Patient, stream

# Heights of the middles of C7, T1 ... T12, L1, L2 of the average patient
LEVELS = (107, 90, 72, 53, 34, 14, -7, -29, -51, -74, -98, -123, -149, -176, -204)
CORTEX_HU, DISC_HU, CORD_HU, CANAL_FAT_HU = 560.0, 78.0, 32.0, -45.0


@dataclass(frozen=True, eq=False)
class Level:
    """One vertebra of this patient: middle of the body, height of body with disc, half axes of the body; mm."""

    middle: Points
    pitch_mm: float
    half_width: float
    half_depth: float
    marrow_hu: float


def levels(patient: Patient) -> list[Level]:
    """Return the vertebrae of a patient, from above."""
    rng = stream(patient.seed, "spine")
    heights = np.array(LEVELS, float)
    depth = SPINE.at(1, heights.astype(np.float32))
    middles = patient.place(np.column_stack([np.zeros(len(heights)), depth, heights]))
    pitch = np.abs(np.gradient(middles[:, 2]))
    marrow = float(rng.uniform(130, 220))
    return [Level(m, float(p), 13.5 + 0.42 * n * patient.scale[0], 11.0 + 0.34 * n * patient.scale[1],
                  marrow + float(rng.normal(0, 8))) for n, (m, p) in enumerate(zip(middles, pitch, strict=True))]


def _capsule(x: Array, y: Array, z: Array, a: tuple[float, ...], b: tuple[float, ...], r: float,
             squash: float = 1.0) -> Array:
    """Return the distance to a rod; `squash` < 1 makes it thinner across x."""
    ab = np.subtract(b, a)
    u = ab / float((ab * ab).sum())
    px, py, pz = x - np.float32(a[0]), y - np.float32(a[1]), z - np.float32(a[2])
    t = np.clip(px * np.float32(u[0]) + py * np.float32(u[1]) + pz * np.float32(u[2]), 0, 1)
    dx = (px - t * np.float32(ab[0])) * np.float32(1 / squash)
    dy, dz = py - t * np.float32(ab[1]), pz - t * np.float32(ab[2])
    return np.sqrt(dx * dx + dy * dy + dz * dz) - np.float32(r)


def _arch(x: Array, y: Array, z: Array, level: Level) -> Array:
    """Return the distance of pedicles, laminae, transverse, articular and spinous processes."""
    w, d, p = level.half_width, level.half_depth, level.pitch_mm
    side = np.abs(x)
    parts = [
        _capsule(side, y, z, (w * 0.62, d * 0.6, 0.12 * p), (w * 0.78, d + 12, 0.10 * p), 4.2, 0.8),  # pedicle
        _capsule(side, y, z, (w * 0.78, d + 13, 0.08 * p), (2.0, d + 22, -0.22 * p), 4.4, 0.9),  # lamina
        _capsule(side, y, z, (w * 0.8, d + 13, 0.14 * p), (w + 19, d + 22, 0.24 * p), 4.6),  # transverse process
        _capsule(side, y, z, (w * 0.72, d + 13, 0.48 * p), (w * 0.72, d + 15, -0.42 * p), 3.9),  # facets
        _capsule(x, y, z, (0, d + 24, -0.22 * p), (0, d + 36, -0.80 * p), 4.6, 0.62),  # spinous process
    ]
    out = parts[0]
    for part in parts[1:]:
        out = np.minimum(out, part)
    return out


def _bone_hu(distance: Array, marrow: float, cortex_mm: float, width: float) -> tuple[Array, Array]:
    """Return the covered part of each voxel and its attenuation: marrow inside a cortex."""
    inner = cover(distance + np.float32(cortex_mm), width)
    return cover(distance, width), CORTEX_HU + inner * np.float32(marrow - CORTEX_HU)


def _vertebra(x: Array, y: Array, z: Array, level: Level, width: float) -> tuple[Array, Array, Array]:
    """Return (attenuation, covered part, covered part that is bone) of one vertebra with the disc below it."""
    half = 0.5 * level.pitch_mm
    gap = 1.6 + 0.06 * level.pitch_mm
    waist = 1 - np.clip(1 - (z / half) * (z / half), 0, 1) * np.float32(0.09)
    qx, qy = x / (level.half_width * waist), y / (level.half_depth * waist)
    q = np.sqrt(qx * qx + qy * qy)
    round_ = (q - 1) * np.float32(level.half_depth)
    round_ = smax(round_, y - np.float32(level.half_depth * 0.86), 4)
    body = smax(round_, np.abs(z) - np.float32(half - gap), 1.5)
    bone, hu = _bone_hu(body, level.marrow_hu, 1.0, width)
    disc = cover(smax(round_, np.abs(z) - np.float32(half + 0.2), 0.5), width)
    canal_y = level.half_depth + 9
    canal = np.sqrt(x * x * np.float32(0.8) + (y - canal_y) * (y - canal_y)) - np.float32(8.2)
    cord = cover(np.sqrt(x * x * np.float32(0.7) + (y - canal_y) * (y - canal_y)) - np.float32(6.0), width)
    arch, arch_hu = _bone_hu(smax(_arch(x, y, z, level), -canal, 1.5), level.marrow_hu, 1.3, width)
    part = np.maximum(disc, bone)
    out = DISC_HU + bone * (hu - DISC_HU)
    inside = cover(smax(canal, np.abs(z) - np.float32(half), 0.5), width)
    out = out + (inside * (1 - part)) * (CANAL_FAT_HU + cord * np.float32(CORD_HU - CANAL_FAT_HU) - out)
    part = np.maximum(part, inside)
    out = out + arch * (arch_hu - out)
    return out, np.maximum(part, arch), np.maximum(bone, arch)


def paint(patient: Patient, grid: Grid, hu: Array) -> Array:
    """Paint the column into `hu`; returns the covered part that is bone."""
    bone = np.zeros(grid.shape, np.float32)
    sz, sy, _ = grid.spacing_mm
    layers = max(1, min(3, round(sz / sy)))
    for level in levels(patient):
        reach = 1.5 * level.pitch_mm
        box = grid.box(level.middle - (48, 28, reach), level.middle + (48, 78, 0.75 * level.pitch_mm))
        if box is None:
            continue
        x, y, z = grid.axes(box, layers)
        middle = level.middle.astype(np.float32)
        found = _vertebra(x - middle[0], y - middle[1], z - middle[2], level, sy)
        value, part, hard = (a.reshape(-1, layers, *a.shape[1:]) for a in found)
        mean = part.mean(axis=1, dtype=np.float32)
        value = (value * part).sum(axis=1, dtype=np.float32) / np.maximum(mean * layers, np.float32(1e-6))
        view, solid = hu[box], bone[box]
        # what an upper vertebra already filled keeps its share
        share = np.where(solid > 0.5, np.minimum(mean, hard.mean(axis=1, dtype=np.float32)), mean)
        view += share * (np.maximum(value, np.where(solid > 0.5, view, value)) - view)
        np.maximum(solid, hard.mean(axis=1, dtype=np.float32), out=solid)
    return bone
