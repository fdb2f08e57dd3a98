"""What is painted over the 3D picture: the orientation cube, the crosshair's place, the crop box."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QFont, QPainter, QPen, QPolygonF, QTransform

from medviewer.gui.views.render3d.scene import STANDARD_VIEWS, Camera, CropBox

CUBE_PX = 24.0  # half an edge
HANDLE_PX = 6.0
GRAB_PX = 12.0
FACE_COLOURS = {"A": "#5fbf77", "P": "#5fbf77", "L": "#e5697a", "R": "#e5697a", "H": "#6ea0fa", "F": "#6ea0fa"}
BOX_EDGES = ((0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7), (0, 4), (1, 5), (2, 6), (3, 7))


def paint_cube(painter: QPainter, camera: Camera, centre: QPointF) -> None:
    """Draw a cube with the letters of the patient's sides, as the camera sees it."""
    right, up, forward = camera.axes
    font = QFont()
    font.setBold(True)
    font.setPixelSize(100)
    for letter, (towards, face_up) in STANDARD_VIEWS.items():
        outward = -np.asarray(towards, float)
        facing = -float(outward @ forward)
        if facing <= 0.02:
            continue
        down = -np.asarray(face_up, float)
        across = np.cross(np.asarray(towards, float), face_up)
        corners = [outward + a * across + b * down for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        face = QPolygonF([centre + QPointF(c @ right, -(c @ up)) * CUBE_PX for c in corners])
        colour = QColor(FACE_COLOURS[letter])
        painter.setPen(QPen(QColor(20, 22, 26), 1))
        painter.setBrush(colour.darker(round(100 + 70 * (1 - facing))))
        painter.drawPolygon(face)
        _paint_letter(painter, letter, face, font)


def _paint_letter(painter: QPainter, letter: str, face: QPolygonF, font: QFont) -> None:
    square = QPolygonF([QPointF(0, 0), QPointF(140, 0), QPointF(140, 140), QPointF(0, 140)])
    transform = QTransform()
    if not QTransform.quadToQuad(square, face, transform):
        return
    painter.save()
    painter.setTransform(transform, True)
    painter.setFont(font)
    painter.setPen(QColor(12, 14, 18))
    painter.drawText(QRectF(0, 0, 140, 140), Qt.AlignmentFlag.AlignCenter, letter)
    painter.restore()


def paint_focus(painter: QPainter, camera: Camera, lps: np.ndarray, width: int, height: int) -> None:
    """Mark where the crosshair of the slice views is."""
    x, y = camera.project(lps, width, height)
    for colour, thick in ((QColor(0, 0, 0, 150), 3.0), (QColor(255, 221, 51), 1.4)):
        painter.setPen(QPen(colour, thick))
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            painter.drawLine(QPointF(x + 3 * dx, y + 3 * dy), QPointF(x + 9 * dx, y + 9 * dy))


def box_corners(box: CropBox) -> np.ndarray:
    """Return the (8, 3) corners of a box."""
    ends = tuple(zip(box.low, box.high, strict=True))
    return np.array([(x, y, z) for x in ends[0] for y in ends[1] for z in ends[2]], float)


def face_centres(box: CropBox) -> np.ndarray:
    """Return the (6, 3) middles of the faces: low x, high x, low y, ..."""
    centre = (np.asarray(box.low) + box.high) / 2
    faces = np.repeat(centre[None], 6, axis=0)
    for n in range(6):
        faces[n, n // 2] = (box.low, box.high)[n % 2][n // 2]
    return faces


def paint_crop(painter: QPainter, camera: Camera, box: CropBox, width: int, height: int) -> None:
    """Draw the crop box with a handle on every face."""
    corners = camera.project(box_corners(box), width, height)
    painter.setPen(QPen(QColor(255, 255, 255, 130), 1))
    for a, b in BOX_EDGES:
        painter.drawLine(QPointF(*corners[a]), QPointF(*corners[b]))
    painter.setPen(QPen(QColor(20, 22, 26), 1))
    painter.setBrush(QColor(255, 221, 51))
    for x, y in camera.project(face_centres(box), width, height):
        painter.drawEllipse(QPointF(x, y), HANDLE_PX, HANDLE_PX)


def face_at(camera: Camera, box: CropBox, x: float, y: float, width: int, height: int) -> int | None:
    """Return the face whose handle is under a pixel, the nearest to the viewer first."""
    centres = face_centres(box)
    distance = np.hypot(*(camera.project(centres, width, height) - (x, y)).T)
    depth = (centres - camera.position) @ camera.axes[2]
    near = [n for n in np.argsort(depth) if distance[n] <= GRAB_PX]
    return int(near[0]) if near else None


def move_face(camera: Camera, box: CropBox, face: int, delta_xy: tuple[float, float], limit: CropBox,
              width: int, height: int) -> CropBox:
    """Move a face of the box by a drag in pixels, inside `limit` and never through the opposite face."""
    axis, is_high = face // 2, face % 2
    start = face_centres(box)[face]
    one_mm = camera.project(start + np.eye(3)[axis], width, height) - camera.project(start, width, height)
    shift = float(one_mm @ delta_xy) / max(float(one_mm @ one_mm), 1e-3)
    low, high = list(box.low), list(box.high)
    if is_high:
        high[axis] = min(max(high[axis] + shift, low[axis] + 1.0), limit.high[axis])
    else:
        low[axis] = max(min(low[axis] + shift, high[axis] - 1.0), limit.low[axis])
    return replace(box, low=tuple(low), high=tuple(high))
