"""Gestures of the 3D view: left turns, middle shifts, right and wheel zoom, a click picks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PyQt6.QtCore import QPointF, Qt, QTimer
from PyQt6.QtGui import QGuiApplication, QMouseEvent, QWheelEvent

from medviewer.gui.views.render3d import overlay

if TYPE_CHECKING:
    from medviewer.gui.views.render3d.view3d import View3D

CLICK_PX = 3.0
WHEEL_STEP = 1.15
ZOOM_PER_HEIGHT = 8.0  # a drag over the whole height zooms by this factor


class Mouse:
    """Turns mouse events of the view into cameras, crop boxes and picks."""

    def __init__(self, view: View3D) -> None:
        self._view = view
        self._start: QPointF | None = None
        self._last = QPointF()
        self._button = Qt.MouseButton.NoButton
        self._dragging = False
        self._face: int | None = None
        self._click = QTimer(view, singleShot=True)  # a double click must not pick first
        self._click.timeout.connect(self._pick)

    def press(self, event: QMouseEvent) -> None:
        """Remember where a gesture begins."""
        view = self._view
        self._start = self._last = event.position()
        self._button, self._dragging, self._face = event.button(), False, None
        if event.button() == Qt.MouseButton.LeftButton and view.cropping and view.camera is not None:
            self._face = overlay.face_at(view.camera, view.crop, event.position().x(), event.position().y(),
                                         view.width(), view.height())

    def move(self, event: QMouseEvent) -> None:
        """Follow a drag."""
        view, camera = self._view, self._view.camera
        if self._start is None or camera is None:
            return
        if not self._dragging and (event.position() - self._start).manhattanLength() <= CLICK_PX:
            return
        self._dragging = True
        delta = event.position() - self._last
        self._last = event.position()
        height = max(view.height(), 1)
        if self._face is not None:
            view.set_crop(overlay.move_face(camera, view.crop, self._face, (delta.x(), delta.y()),
                                            view.crop_limit(), view.width(), height))
        elif self._button == Qt.MouseButton.LeftButton:
            per_pixel = np.pi / max(min(view.width(), height), 1)
            view.set_camera(camera.turned(delta.x() * per_pixel, delta.y() * per_pixel))
        elif self._button == Qt.MouseButton.MiddleButton:
            view.set_camera(camera.panned(delta.x() / height, delta.y() / height))
        elif self._button == Qt.MouseButton.RightButton:
            view.set_camera(camera.zoomed(ZOOM_PER_HEIGHT ** (-delta.y() / height)))

    def release(self, event: QMouseEvent) -> None:
        """End a gesture; without a drag it was a click."""
        clicked = self._start is not None and not self._dragging and self._face is None
        if clicked and event.button() == Qt.MouseButton.LeftButton:
            self._click.start(QGuiApplication.styleHints().mouseDoubleClickInterval())
        elif clicked and event.button() == Qt.MouseButton.RightButton:
            self._view.show_menu(event.globalPosition().toPoint())
        if clicked:
            self._last = event.position()
        self._start = None

    def double_click(self, event: QMouseEvent) -> None:
        """Ask for the view to be maximised or restored."""
        self._click.stop()
        self._start = None
        if event.button() == Qt.MouseButton.LeftButton:
            self._view.maximise_requested.emit()

    def wheel(self, event: QWheelEvent) -> None:
        """Zoom."""
        if self._view.camera is not None:
            steps = event.angleDelta().y() / 120
            self._view.set_camera(self._view.camera.zoomed(WHEEL_STEP**steps))

    def _pick(self) -> None:
        self._view.pick_at(self._last.x(), self._last.y())
