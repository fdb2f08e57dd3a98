"""The window's side of the drawing process in Qt's terms: pictures and answers come as signals on the main thread."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from PyQt6.QtCore import QObject, Qt, pyqtSignal
from PyQt6.QtGui import QImage

from medviewer.gui.views.render3d.client import Callbacks, RenderClient
from medviewer.gui.views.render3d.scene import (
    Camera,
    Frame,
    PickRequest,
    Quality,
    RenderRequest,
    SliceItem,
    SurfaceItem,
    Vector,
    VolumeItem,
)


class Drawing(QObject):
    """Tells the drawing process what changed, asks for pictures and keeps the last one.

    picture, camera : the last picture and where it was seen from; a null image and None before the first
    unavailable : why there are no pictures any more; empty while all is well
    """

    drawn = pyqtSignal()
    picked = pyqtSignal(object)
    status_changed = pyqtSignal()
    _frame_arrived = pyqtSignal(object)
    _pick_arrived = pyqtSignal(int, object)
    _status_arrived = pyqtSignal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.client = RenderClient(Callbacks(self._frame_arrived.emit, self._pick_arrived.emit,
                                             self._status_arrived.emit))
        self.surfaces: dict[str, SurfaceItem] = {}
        self.slices: tuple[SliceItem, ...] = ()
        self.picture, self.camera, self.shown = QImage(), None, None
        self.unavailable = ""
        self._sent: VolumeItem | None = None
        self._serials = itertools.count(1)
        self._first_serial = 0
        self._asked: dict[int, Camera] = {}
        self._newest: RenderRequest | None = None
        queued = Qt.ConnectionType.QueuedConnection
        self._frame_arrived.connect(self._on_frame, queued)
        self._pick_arrived.connect(self._on_pick, queued)
        self._status_arrived.connect(self._on_status, queued)

    def set_volume(self, item: VolumeItem | None) -> None:
        """Show a volume; nothing is sent if it is the one shown."""
        old = self._sent
        if item is old or (item is not None and old is not None and item.grid is old.grid and item.look == old.look):
            return
        self.client.set_volume(item)
        self._sent = item

    def set_surfaces(self, items: Iterable[SurfaceItem]) -> bool:
        """Show these surfaces and no others; only what changed is sent. Returns whether anything did."""
        old, new = self.surfaces, {item.id: item for item in items}
        gone = old.keys() - new.keys()
        for surface_id in gone:
            self.client.remove_surface(surface_id)
        changed = [item for item in new.values() if item.id not in old or not item.same(old[item.id])]
        for item in changed:
            self.client.set_surface(item)
        self.surfaces = new
        return bool(gone or changed)

    def set_slices(self, items: Iterable[SliceItem]) -> None:
        """Show these slice pictures and no others."""
        self.slices = tuple(items)
        self.client.set_slices(self.slices)

    def ask(self, camera: Camera, width: int, height: int, quality: Quality) -> None:
        """Ask for a picture; starts the process if need be."""
        if self.unavailable:
            return
        self.client.start()
        self._newest = RenderRequest(next(self._serials), camera, width, height, quality)
        self._asked[self._newest.serial] = camera
        self.client.render(self._newest)

    def pick(self, camera: Camera, x: float, y: float, width: int, height: int) -> None:
        """Find the point under a pixel; the answer comes as the signal `picked`."""
        if self.client.is_started and not self.unavailable:
            self.client.pick(PickRequest(next(self._serials), camera, x, y, width, height))

    def outdate(self) -> None:
        """Say that the scene is no longer what was asked for."""
        self._newest = None

    def forget_picture(self) -> None:
        """Never show the picture of another patient while the new one is made ready."""
        self.picture, self.camera, self.shown = QImage(), None, None
        self._first_serial = next(self._serials)
        self.outdate()

    @property
    def is_current(self) -> bool:
        """Whether the last picture shows the newest state in full quality."""
        return (self._newest is not None and self.shown is not None and self._newest.quality == "full"
                and self.shown.serial >= self._newest.serial)

    def close(self) -> None:
        """End the process; the next question starts another."""
        self.client.close()
        self.unavailable = ""
        self.forget_picture()

    def _on_frame(self, frame: Frame) -> None:
        if frame.serial < self._first_serial or (self.shown is not None and frame.serial < self.shown.serial):
            return
        self.shown = frame
        self.camera = self._asked.get(frame.serial, self.camera)
        self._asked = {serial: camera for serial, camera in self._asked.items() if serial > frame.serial}
        height, width = frame.pixels.shape[:2]
        self.picture = QImage(frame.pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
        self.drawn.emit()

    def _on_pick(self, _serial: int, lps: Vector | None) -> None:
        if lps is not None:
            self.picked.emit(lps)

    def _on_status(self, status: str, reason: str) -> None:
        if status == "unavailable" and self.client.is_started:
            self.unavailable = reason
        self.status_changed.emit()
