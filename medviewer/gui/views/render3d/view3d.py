"""The 3D view: shows the pictures of the drawing process and turns gestures into cameras.

While something moves, quick coarse pictures are asked for; after a short rest a fine one. The window never waits:
arrays are made ready in threads and everything else happens in the drawing process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
from PyQt6.QtCore import QEventLoop, QPoint, QPointF, QRectF, QTimer, pyqtSignal
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QWheelEvent
from PyQt6.QtWidgets import QWidget

from medviewer.core.errors import ParamError
from medviewer.core.volume import Volume
from medviewer.gui.views.render3d import overlay
from medviewer.gui.views.render3d.controls import Controls
from medviewer.gui.views.render3d.drawing import Drawing
from medviewer.gui.views.render3d.mouse import Mouse
from medviewer.gui.views.render3d.prepare import Background, Prepared, ThreadBackground, prepare, prepare_inside
from medviewer.gui.views.render3d.scene import Camera, CropBox, Quality, SliceItem, SurfaceItem, VolumeItem
from medviewer.ops.volume_presets import Preset, preset_by_id, presets_for

REST_MS = 180
MAX_PIXELS = 1_400_000  # larger views are drawn smaller and stretched
DARK, LIGHT = (16, 18, 22), (238, 240, 243)


class View3D(QWidget):
    """Volume, surfaces and slices in 3D.

    Parameters
    ----------
    parent : QWidget, optional
    run_in_background : callable, optional
        ``run(work, done)``: runs ``work()`` in a thread and gives the result to ``done`` on the main thread.
    """

    picked = pyqtSignal(object)  # LPS mm, (x, y, z)
    maximise_requested = pyqtSignal()
    preset_changed = pyqtSignal(str)
    crop_changed = pyqtSignal(object)  # CropBox or None
    settled = pyqtSignal()  # the newest state is on the screen, in full quality

    def __init__(self, parent: QWidget | None = None, run_in_background: Background | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("view3d")
        self.setMinimumSize(80, 80)
        self._background = run_in_background or ThreadBackground()
        self._drawing = Drawing(self)
        self._problem = ""
        self._volume: Volume | None = None
        self._prepared: dict[bool, Prepared] = {}  # whole volume, and inside of the body only
        self._preparing = self._generation = 0
        self._preset = ""
        self._crop: CropBox | None = None
        self._focus: np.ndarray | None = None
        self._camera: Camera | None = None
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._rest.timeout.connect(partial(self._ask, "full"))
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self._ask_full_if_still)
        self._controls = Controls(self)
        self._mouse = Mouse(self)
        self.destroyed.connect(self._drawing.client.close)
        self._connect()
        self.set_theme(True)
        self._describe()

    def _connect(self) -> None:
        self._drawing.drawn.connect(self._on_drawn)
        self._drawing.picked.connect(self.picked)
        self._drawing.status_changed.connect(self._on_drawn)
        self._controls.preset_chosen.connect(self.set_preset)
        self._controls.view_chosen.connect(self.look_from)
        self._controls.fit_chosen.connect(self.fit)
        self._controls.centre_chosen.connect(self._centre)
        self._controls.crop_toggled.connect(self._toggle_crop)
        self._controls.crop_reset.connect(partial(self.set_crop, None))
        self._controls.retry_chosen.connect(self.retry)

    # what is shown

    def set_volume(self, volume: Volume | None, t: int = 0) -> None:
        """Show a volume (it is made ready in a thread), or none."""
        moved = volume is None or self._volume is None or not volume.geometry.same_grid(self._volume.geometry)
        self._volume, self._prepared, self._problem = volume, {}, ""
        self._generation += 1
        presets = self._presets()
        if presets and self._preset not in [p.id for p in presets]:
            self._preset = presets[0].id
        self._controls.show_presets(presets, self._preset)
        if moved:
            self._camera = None
            self.set_crop(None)
            self._drawing.forget_picture()
        if volume is not None:
            self._prepare(False, partial(prepare, volume, t))
        self._changed()

    def _prepare(self, inside: bool, work: Callable[[], Prepared]) -> None:
        self._preparing += 1
        self._background(work, partial(self._on_prepared, self._generation, inside))

    def _on_prepared(self, generation: int, inside: bool, result: Prepared) -> None:
        self._preparing -= 1
        if generation == self._generation:  # else a late answer
            self._prepared[inside] = result
            self._problem = result.problem
        self._changed()

    def _presets(self) -> tuple[Preset, ...]:
        if self._volume is None:
            return ()
        return presets_for("" if self._volume.colour else self._volume.modality, self._volume.unit)

    def set_preset(self, name: str) -> None:
        """Choose the look of the volume (ids in `ops.volume_presets`)."""
        preset, presets = preset_by_id(name), self._presets()
        if presets and preset not in presets:
            raise ParamError(f"The 3D preset “{preset.label}” does not fit this image.")
        self._preset = name
        self._controls.show_presets(presets, name)
        self._changed()
        self.preset_changed.emit(name)

    @property
    def preset(self) -> str:
        """Id of the current look."""
        return self._preset

    def set_surfaces(self, items: Iterable[SurfaceItem]) -> None:
        """Show these surfaces and no others; only what changed is sent."""
        if self._drawing.set_surfaces(items):
            self._changed()

    def set_slices(self, items: Sequence[SliceItem]) -> None:
        """Show these slice pictures and no others."""
        self._drawing.set_slices(items)
        self._changed(moving=True)

    def set_crop(self, box: CropBox | None) -> None:
        """Draw only what lies in a box."""
        if box == self._crop:
            return
        self._crop = box
        if box is None:
            self._controls.crop_button.setChecked(False)
        self._drawing.client.set_crop(box)
        self._changed(moving=True)
        self.crop_changed.emit(box)

    def set_theme(self, dark: bool) -> None:
        """Take the colours of the dark or the light theme."""
        self._ground = DARK if dark else LIGHT
        self._controls.set_colours(*(("#e6e9ee", "rgba(42,46,53,200)", "#3a4049") if dark else
                                     ("#1b1f24", "rgba(255,255,255,200)", "#c6ccd4")))
        self._drawing.client.set_background(self._ground)
        self._changed()

    def set_focus(self, lps: Sequence[float] | None) -> None:
        """Mark the position of the crosshair."""
        self._focus = None if lps is None else np.asarray(lps, float)
        self.update()

    @property
    def worker_pid(self) -> int | None:
        """Process id of the drawing process, if one runs."""
        return self._drawing.client.pid

    @property
    def camera(self) -> Camera | None:
        """Where the viewer is; None while nothing is shown."""
        return self._camera

    def set_camera(self, camera: Camera, *, moving: bool = True) -> None:
        """Look from elsewhere."""
        self._camera = camera
        self._changed(moving=moving)

    def look_from(self, side: str) -> None:
        """Look from a side of the patient (A, P, L, R, H, F), everything in view."""
        points = self._scene_points()
        if points is not None:
            self.set_camera(Camera.fitting(side, points, self.width() / max(self.height(), 1)), moving=False)

    def fit(self) -> None:
        """Bring everything into view from the same side."""
        points = self._scene_points()
        if points is not None and self._camera is not None:
            fitted = Camera.fitting("A", points, self.width() / max(self.height(), 1))
            self.set_camera(self._camera.refocused(fitted.focus).zoomed(self._camera.distance_mm / fitted.distance_mm))

    def _centre(self) -> None:
        if self._focus is not None and self._camera is not None:
            self.set_camera(self._camera.refocused(self._focus), moving=False)

    def _scene_points(self) -> np.ndarray | None:
        if self._volume is not None:
            return self._volume.geometry.corners_lps()
        points = [s.vertices for s in self._drawing.surfaces.values() if len(s.vertices)]
        points += [np.array([s.top_left, s.top_right, s.bottom_left]) for s in self._drawing.slices]
        return np.concatenate([np.array([p.min(axis=0), p.max(axis=0)]) for p in points]) if points else None

    # cropping by hand

    @property
    def crop(self) -> CropBox | None:
        """The crop box."""
        return self._crop

    @property
    def cropping(self) -> bool:
        """Whether the handles of the crop box are shown."""
        return self._controls.crop_button.isChecked() and self._crop is not None

    def crop_limit(self) -> CropBox:
        """The largest useful box: around the volume."""
        points = self._volume.geometry.corners_lps() if self._volume is not None else np.zeros((1, 3))
        return CropBox(tuple(points.min(axis=0).tolist()), tuple(points.max(axis=0).tolist()))

    def _toggle_crop(self, on: bool) -> None:
        if on and self._crop is None and self._volume is not None:
            self.set_crop(self.crop_limit())
        self.update()

    # asking for pictures

    def _changed(self, *, moving: bool = False) -> None:
        """Ask for a picture of the new state, as soon as the event loop is free."""
        self._describe()
        self._drawing.outdate()
        if moving and self._drawing.shown is not None:
            self._ask("moving")
            self._rest.start()
        else:
            self._soon.start()
        self.update()

    def _ask_full_if_still(self) -> None:
        if not self._rest.isActive():
            self._ask("full")

    def _ask(self, quality: Quality) -> None:
        if not self.isVisible() or not self._has_content():
            self._settle_if_idle()
            return
        if self._camera is None:
            points = self._scene_points()
            if points is None:
                return
            self._camera = Camera.fitting("A", points, self.width() / max(self.height(), 1))
        self._drawing.set_volume(self._volume_item())
        self._drawing.ask(self._camera, *self._frame_size(), quality)

    def _has_content(self) -> bool:
        return bool(self._volume is not None or self._drawing.surfaces or self._drawing.slices)

    def _frame_size(self) -> tuple[int, int]:
        ratio = self.devicePixelRatioF()
        width, height = max(self.width() * ratio, 16), max(self.height() * ratio, 16)
        shrink = min((MAX_PIXELS / (width * height)) ** 0.5, 1.0)
        return round(width * shrink), round(height * shrink)

    def _volume_item(self) -> VolumeItem | None:
        whole = self._prepared.get(False)
        if self._volume is None or whole is None or whole.grid is None:
            return None
        preset = preset_by_id(self._preset)
        grid = whole.grid
        if preset.inside_body:
            if True not in self._prepared:
                self._prepared[True] = Prepared(None)
                self._prepare(True, partial(prepare_inside, grid))
            grid = self._prepared[True].grid or grid
        return VolumeItem(grid, preset.transfer(grid.low, grid.high))

    # answers

    def _on_drawn(self) -> None:
        self._describe()
        self.update()
        self._settle_if_idle()

    def _is_settled(self) -> bool:
        if self._drawing.unavailable or (not self._has_content() and not self._preparing):
            return True
        return self._preparing == 0 and self._drawing.is_current

    def _settle_if_idle(self) -> None:
        if self._is_settled():
            self.settled.emit()

    def wait_until_drawn(self, timeout_ms: int = 30_000) -> bool:
        """Run the event loop until the newest state is drawn in full quality.

        Returns False if that was not in time, and at once for a hidden view or without the drawing process.
        """
        if not self._is_settled() and self.isVisible():
            loop = QEventLoop()
            self.settled.connect(loop.quit)
            timer = QTimer(singleShot=True, interval=timeout_ms)
            timer.timeout.connect(loop.quit)
            timer.start()
            self._soon.start()
            loop.exec()
            timer.stop()
            self.settled.disconnect(loop.quit)
        return self._is_settled() and not self._drawing.unavailable

    def _describe(self) -> None:
        """Update badges and message."""
        badges = []
        grid = next((p.grid for p in self._prepared.values() if p.grid is not None), None)
        shown, unavailable = self._drawing.shown, self._drawing.unavailable
        if shown is not None and self._has_content() and not unavailable:
            how = {"GPU": self.tr("GPU ray casting"), "CPU": self.tr("CPU ray casting")}
            if shown.mapper or self._drawing.surfaces:
                badges.append(how.get(shown.mapper, self.tr("surfaces only")))
            if grid is not None and grid.factor > 1.05:
                badges.append(self.tr("reduced ×{:.2g}").format(grid.factor))
            if shown.quality == "moving":
                badges.append(self.tr("preview"))
        if self._preparing:
            badges.append(self.tr("preparing …"))
        self._controls.badges.setText("  ·  ".join(badges))
        if unavailable:
            text = self.tr("The 3D view is not available: the graphics program ended ({}). "
                           "All other views work.").format(unavailable)
            self._controls.show_message(text, retry=True)
        elif not self._has_content():
            self._controls.show_message(self.tr("Nothing to show in 3D yet."))
        elif not self._drawing.surfaces and not self._drawing.slices:
            self._controls.show_message(self._problem)
        else:
            self._controls.show_message("")

    def retry(self) -> None:
        """Start the drawing process anew after it was given up."""
        self.close_worker()
        self._changed()

    def close_worker(self) -> None:
        """End the drawing process and all work; the view may be used again afterwards."""
        self._rest.stop()
        self._soon.stop()
        self._drawing.close()
        if isinstance(self._background, ThreadBackground):
            self._background.join()

    # gestures and painting

    def pick_at(self, x: float, y: float) -> None:
        """Find the point under a widget position; the answer comes as the signal `picked`."""
        if self._camera is not None:
            self._drawing.pick(self._camera, x, y, self.width(), self.height())

    def show_menu(self, where: QPoint) -> None:
        """Open the menu of looks and sides."""
        self._controls.menu.popup(where)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._mouse.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._mouse.move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._mouse.release(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._mouse.double_click(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        self._mouse.wheel(event)

    def resizeEvent(self, event: object) -> None:
        self._controls.setGeometry(self.rect())
        self._changed(moving=True)

    def showEvent(self, event: object) -> None:
        self._changed()

    def paintEvent(self, event: object) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(*self._ground))
        camera, picture = self._drawing.camera, self._drawing.picture
        if self._drawing.unavailable or camera is None or picture.isNull() or not self._has_content():
            return
        painter.setRenderHints(QPainter.RenderHint.SmoothPixmapTransform | QPainter.RenderHint.Antialiasing)
        width = self.height() * picture.width() / picture.height()  # the height is what a camera fixes
        painter.drawImage(QRectF((self.width() - width) / 2, 0, width, self.height()), picture)
        if self._focus is not None:
            overlay.paint_focus(painter, camera, self._focus, self.width(), self.height())
        if self.cropping:
            overlay.paint_crop(painter, camera, self._crop, self.width(), self.height())
        edge = overlay.CUBE_PX * 2
        overlay.paint_cube(painter, camera, QPointF(self.width() - edge, self.height() - edge))
