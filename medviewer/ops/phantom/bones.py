"""Ribs, sternum, clavicles, humeral heads and scapulae: signed distances (mm) on the wanted grid."""

from __future__ import annotations

import math

import numpy as np

from medviewer.ops.phantom.grid import Array, Grid, Points, on_grid, smax
from medviewer.ops.phantom.organs import Organs
from medviewer.ops.phantom.patient import CAGE, SPINE, Patient, Profile, stream
from medviewer.ops.phantom.tubes import Chain, paint_distance, spline

FAR = 50.0  # mm: the value of a distance canvas where nothing was painted

# Upper edge of the head of ribs 1...12 (height, mm), descent to the bony end, angle of that end (0 back, 180 front)
RIB_HEADS = (92, 76, 60, 42, 22, 1, -20, -42, -64, -87, -112, -138)
RIB_DROPS = (32, 48, 60, 69, 75, 80, 84, 86, 84, 74, 52, 30)
RIB_ENDS = (148, 150, 150, 149, 147, 143, 137, 128, 117, 105, 82, 58)
STERNAL_NOTCHES = (46, 22, 2, -17, -34, -48, -60)  # where cartilages 1...7 meet the sternum
_STERNUM_HALF = ((-84, -66, -58, -20, 6, 14, 18, 44, 58), (4, 6, 14, 15, 11, 13, 19, 26, 20))  # height, half width
_RIB_RADIUS = 6.4
_RIB_FLAT = 0.55


def _at(table: Profile, column: int, z: float) -> float:
    return float(table.at(column, z))


def _power(value: float) -> float:
    return math.copysign(abs(value) ** 0.8, value)


def cage_point(angle_deg: float, z: float, side: int, out_mm: float = 5.0) -> tuple[float, float, float]:
    """Return a point on the rib cage at an angle from the back (0) to the front (180)."""
    angle = math.radians(angle_deg)
    return (side * (_at(CAGE, 1, z) + out_mm) * _power(math.sin(angle)),
            _at(CAGE, 3, z) + (_at(CAGE, 2, z) + out_mm) * _power(math.cos(angle)), z)


def rib_curve(number: int, side: int, shift: tuple[float, float]) -> Points:
    """Return points along a rib (1...12) of the average patient, from its head to its bony end."""
    head, drop, end = RIB_HEADS[number - 1], RIB_DROPS[number - 1] + shift[0], RIB_ENDS[number - 1] + shift[1]
    spine = _at(SPINE, 1, head)
    points = [(side * 18.0, spine + 11, head), (side * 27.0, spine + 21, head - 1.0)]
    for step in np.linspace(0, 1, 13):
        angle = 24 + (end - 24) * float(step)
        z = head - 4 - (drop - 4) * float(step) ** 0.92
        points.append(cage_point(angle, z, side))
    rounded = np.array(points)
    rounded[2] = 0.5 * rounded[2] + 0.25 * (rounded[1] + rounded[3])
    return np.round(rounded, 6)


def _sternum_point(z: float, side: int) -> tuple[float, float, float]:
    return side * (17.0 if z > 10 else 14.0), _at(CAGE, 3, z) - _at(CAGE, 2, z) - 5, z


def cartilage_curve(number: int, side: int, start: Points) -> Points:
    """Return points of the costal cartilage of ribs 1...10, from the bony end."""
    if number <= 7:
        end = np.array(_sternum_point(STERNAL_NOTCHES[number - 1], side))
    else:
        end = np.array(cage_point(152 - 8.0 * (number - 7), RIB_HEADS[number - 2] - RIB_DROPS[number - 2] + 8, side))
    middle = 0.5 * (start + end)
    height = float(middle[2])
    forward = math.sqrt(max(1 - (abs(middle[0]) / (_at(CAGE, 1, height) + 5)) ** 2.2, 0.02))
    on_cage = np.array([middle[0], _at(CAGE, 3, height) - forward * (_at(CAGE, 2, height) + 4),
                        height - 0.15 * abs(end[2] - start[2])])
    return np.round(np.vstack([start, on_cage, end]), 6)


def paint_ribs(patient: Patient, grid: Grid) -> tuple[Array, Array]:
    """Return signed distances of the ribs and of the costal cartilages."""
    rng = stream(patient.seed, "ribs")
    ribs, cartilages = (np.full(grid.shape, FAR, np.float32) for _ in range(2))
    for number in range(1, 13):
        for side in (-1, 1):
            shift = (float(rng.normal(0, 2)), float(rng.normal(0, 1.5)))
            curve = patient.place(rib_curve(number, side, shift))
            size = _RIB_RADIUS * (0.85 if number in (1, 11, 12) else 1.0)
            radii = np.full(len(curve), size)
            radii[:2] *= 0.72
            if number >= 11:
                radii[-2:] *= 0.7
            points, r = spline(curve, 4.0, radii)
            paint_distance(ribs, grid, Chain.along(points, r), normals=_outwards(points), flat=_RIB_FLAT)
            if number <= 10:
                soft = patient.place(cartilage_curve(number, side, rib_curve(number, side, shift)[-1]))
                path, width = spline(soft, 4.0, np.array([5.6, 5.2, 5.0]))
                paint_distance(cartilages, grid, Chain.along(path, width), normals=_outwards(path), flat=0.75)
    return ribs, cartilages


def _outwards(points: Points) -> Points:
    """Return for each segment the unit vector across it that points out of the chest, roughly horizontally."""
    along = points[1:] - points[:-1]
    middle = 0.5 * (points[1:] + points[:-1])
    out = np.column_stack([middle[:, 0] * 0.55, middle[:, 1] - 2, np.zeros(len(middle))])
    along = along / np.sqrt((along * along).sum(axis=1, keepdims=True))
    out = out - (out * along).sum(axis=1, keepdims=True) * along
    return np.asarray(out / np.sqrt((out * out).sum(axis=1, keepdims=True)))


def paint_girdle(patient: Patient, organs: Organs, grid: Grid) -> Array:
    """Return the signed distance of sternum, clavicles, humeral heads and scapulae."""
    canvas = np.full(grid.shape, FAR, np.float32)
    for side in (-1, 1):
        clavicle = patient.place([(side * 14, -34, 58), (side * 45, -42, 64), (side * 80, -26, 78),
                                  (side * 108, -8, 92), (side * 126, 6, 104)])
        points, radii = spline(clavicle, 5.0, np.array([8.0, 5.6, 5.2, 5.6, 5.0]))
        paint_distance(canvas, grid, Chain.along(points, radii))
        arm = patient.place([(side * 143, 22, 104), (side * 150, 20, 112), (side * 158, 18, 128),
                             (side * 166, 16, 150)])
        points, radii = spline(arm, 5.0, np.array([22.0, 19.0, 12.0, 11.0]))
        paint_distance(canvas, grid, Chain.along(points, radii))
        _paint_scapula(canvas, patient, organs, grid, side)
    _paint_sternum(canvas, patient, grid)
    return canvas


def _paint_sternum(canvas: Array, patient: Patient, grid: Grid) -> None:
    heights = np.arange(-84.0, 61.0, 4.0)
    line = patient.place([(0.0, _at(CAGE, 3, z) - _at(CAGE, 2, z) - 5, z) for z in heights])
    box = grid.box(line.min(axis=0) - (40, 12, 6), line.max(axis=0) + (40, 12, 6))
    if box is None:
        return
    x, y, z = grid.axes(box)
    height = z / np.float32(patient.scale[2])
    half = np.interp(height, *_STERNUM_HALF).astype(np.float32)
    dx = np.abs(x - np.interp(z, line[:, 2], line[:, 0]).astype(np.float32)) - half
    dy = np.abs(y - np.interp(z, line[:, 2], line[:, 1]).astype(np.float32)) - np.float32(5.2)
    ends = np.maximum(height - np.float32(58), np.float32(-82) - height)
    ends = np.maximum(ends, np.float32(2.5) - np.abs(height - 10))  # the joint below the manubrium
    d = smax(smax(dx, dy, 7), ends, 4)
    view = canvas[box]
    np.minimum(view, d, out=view)


def _paint_scapula(canvas: Array, patient: Patient, organs: Organs, grid: Grid, side: int) -> None:
    """Paint the blade as a thin plate that follows the rib cage, its spine and the joint end."""
    corners = patient.place([(side * 50, 30, -52), (side * 160, 112, 96)])
    box = grid.box(corners.min(axis=0), corners.max(axis=0))
    if box is None:
        return
    x, y, z = grid.axes(box)
    lateral = np.float32(side / patient.scale[0]) * x
    height = z * np.float32(1 / patient.scale[2])
    # the distance from the cage grows towards the joint, where the subscapular muscle is thick
    depth = on_grid(organs.cavity, grid, box) - np.float32(14) - np.clip((lateral - 70) * np.float32(0.16), 0, 14)
    medial = np.float32(66) + np.float32(0.10) * (np.float32(70) - height) - lateral
    border = lateral - np.float32(101) - (height + np.float32(44)) * np.float32(0.36)
    upper = height - np.float32(76) + np.float32(0.1) * np.abs(lateral - 100)
    outline = smax(smax(medial, border, 6), smax(upper, np.float32(-46) - height, 4), 8)
    thick = np.float32(1.5) + np.float32(1.2) / (1 + outline * outline * np.float32(1 / 30))
    blade = smax(np.abs(depth) - thick, outline, 5)
    front = np.float32(35) - y
    d = np.maximum(blade, front)
    view = canvas[box]
    np.minimum(view, d, out=view)
    joint = patient.place([(side * 112, 44, 66), (side * 122, 32, 84), (side * 116, 12, 92)])
    points, radii = spline(joint, 5.0, np.array([7.0, 11.0, 6.0]))
    paint_distance(canvas, grid, Chain.along(points, radii))
    ridge = patient.place([(side * 68, 77, 47), (side * 84, 79, 56), (side * 104, 71, 70), (side * 124, 56, 88),
                           (side * 140, 38, 106)])
    points, radii = spline(ridge, 5.0, np.array([2.5, 4.5, 5.0, 5.5, 6.5]))
    paint_distance(canvas, grid, Chain.along(points, radii))
