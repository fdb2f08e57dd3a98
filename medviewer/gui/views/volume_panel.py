"""The 3D view of the session: volume, mask surfaces and slices, rendered by the process behind View3D."""

from __future__ import annotations

from functools import partial

import numpy as np
from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtWidgets import QLabel, QVBoxLayout, QWidget

from medviewer.app.layers import ContourLayer, ImageLayer, LabelLayer, Layer
from medviewer.app.session import Session
from medviewer.app.surfaces import Surface, surfaces_of
from medviewer.app.views import ViewState
from medviewer.core.errors import MedviewerError
from medviewer.gui.theme import PLANE_COLOURS
from medviewer.gui.views.pictures import rgb_of
from medviewer.ops.reslice import cut

START_DELAY_MS = 250  # the slices come first


class VolumePanel(QWidget):
    """Feeds the 3D widget from the session; the widget and its process start when first needed."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("view-3d")
        self.setMinimumSize(120, 100)
        self.session = session
        self.view: ViewState | None = None
        self.widget = None
        self._volume_of: ImageLayer | None = None
        self._surfaces: dict[int, list[Surface]] = {}
        self._asked: set[int] = set()
        self._slices_shown = False
        self._note = QLabel("", self, alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True)
        self._note.setStyleSheet("background: black; color: #8f99a5;")
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.addWidget(self._note)
        self.setAutoFillBackground(True)
        self.setStyleSheet(f"#view-3d {{ background: black; border-top: 2px solid {PLANE_COLOURS['3d'].name()}; }}")
        self._start = QTimer(self, singleShot=True, interval=START_DELAY_MS)
        self._start.timeout.connect(self._feed)
        for signal in (session.active_changed, session.layers_changed, session.display_changed,
                       session.loaded_slices):
            signal.connect(self._on_change)
        session.layers_changed.connect(self._forget_closed)
        session.focus_changed.connect(self._on_focus)

    def set_view(self, view: ViewState) -> None:
        """Take the place of a view of the layout."""
        self.view = view
        self._on_change()

    @property
    def busy(self) -> bool:
        """Whether something is still to be shown."""
        active = self.session.active
        if active is None or not self.isVisible() or not _has_depth(active):
            return False
        return self._start.isActive() or self._volume_of is not active

    def wait_until_drawn(self, timeout_ms: int) -> bool:
        """Wait, with the event loop running, until the picture at rest is there."""
        return self.widget is None or bool(self.widget.wait_until_drawn(timeout_ms))

    def close_worker(self) -> None:
        """End the 3D process."""
        self._start.stop()
        if self.widget is not None:
            self.widget.close_worker()

    # --- session to scene ---

    def _on_change(self, *_: object) -> None:
        if self.isVisible() and not self._start.isActive():
            self._start.start()

    def showEvent(self, event) -> None:  # noqa: ANN001
        """Catch up with what changed while hidden."""
        super().showEvent(event)
        self._on_change()

    def _feed(self) -> None:
        active = self.session.active
        if active is None:
            self._show_note("")
            return
        if not _has_depth(active):
            self._volume_of = active
            self._show_note("A single slice has no 3D view.")
            return
        if not active.loading.complete:
            self._show_note("3D follows when the series has been read …" if self.widget is None else "")
            return
        self._make_widget()
        if active is not self._volume_of:
            self._volume_of = active
            self.widget.set_volume(active.volume)
            self._on_focus()
        self._show_note("")
        self._feed_surfaces(active)
        self._show_slices()

    def _forget_closed(self) -> None:
        """Volumes and surfaces are large: those of closed layers must not stay, even while nothing is shown here."""
        here = {x.number for x in self.session.layers}
        self._asked &= here
        self._surfaces = {number: found for number, found in self._surfaces.items() if number in here}
        if self._volume_of is not None and self._volume_of.number not in here:
            self._volume_of = None
            if self.widget is not None:
                self.widget.set_volume(None)
                self.widget.set_surfaces([])

    def _make_widget(self) -> None:
        if self.widget is not None:
            return
        from medviewer.gui.views.render3d.view3d import View3D

        self.widget = View3D(self)
        self.widget.maximise_requested.connect(lambda: self.session.toggle_maximised(self.view))
        self.widget.picked.connect(lambda lps: self.session.set_focus(np.asarray(lps, float)))
        self._box.addWidget(self.widget)

    def _show_note(self, text: str) -> None:
        self._note.setText(text)
        empty = self.widget is None or bool(text) or self.session.active is None
        self._note.setVisible(empty)
        if self.widget is not None:
            self.widget.setVisible(not empty)

    def _feed_surfaces(self, active: ImageLayer) -> None:
        overlays = [x for x in self.session.layers if not isinstance(x, ImageLayer)
                    and self.session.shares_frame(x, active)]
        for layer in overlays:
            if layer.number not in self._asked and layer.visible:
                self._asked.add(layer.number)
                self._start_meshing(layer, active)
        self._show_surfaces()

    def _start_meshing(self, layer: Layer, active: ImageLayer) -> None:
        source = layer.labels if isinstance(layer, LabelLayer) else layer.contours  # type: ignore[attr-defined]
        self.session.jobs.start(("mesh", layer.number), partial(surfaces_of, source, active.volume.geometry),
                                title=f"3D surfaces of {layer.name}", done=partial(self._got_surfaces, layer.number),
                                failed=self._no_surfaces)

    def _no_surfaces(self, error: MedviewerError) -> None:
        self.session.message.emit(f"3D surfaces: {error}")

    def _got_surfaces(self, number: int, surfaces: list[Surface]) -> None:
        if number in self._asked:  # else closed meanwhile
            self._surfaces[number] = surfaces
            self._show_surfaces()

    def _show_surfaces(self) -> None:
        if self.widget is None:
            return
        from medviewer.gui.views.render3d.scene import SurfaceItem

        items = []
        for layer in self.session.layers:
            for s in self._surfaces.get(layer.number, ()):
                hidden = s.key in layer.hidden if isinstance(layer, LabelLayer | ContourLayer) else False
                visible = layer.visible and not hidden and self.session.show_overlays
                items.append(SurfaceItem(id=f"{layer.number}-{s.key}", vertices=s.vertices, faces=s.faces,
                                         colour=s.colour, opacity=min(1.0, 0.35 + layer.opacity), visible=visible))
        self.widget.set_surfaces(items)

    def _on_focus(self) -> None:
        if self.widget is not None and self.isVisible() and self._volume_of is not None:
            self.widget.set_focus(self.session.focus(self._volume_of))
            if self.session.slices_in_3d and not self._start.isActive():
                self._start.start()

    def _show_slices(self) -> None:
        """Stand the slices of the other views in the scene, if wanted."""
        from medviewer.gui.views.render3d.scene import SliceItem

        items = []
        for view in self.session.views if self.session.slices_in_3d else ():
            plane = view.plane()
            if plane is None or view.layer is not self._volume_of or view.layer is None:
                continue
            image = cut(view.layer.volume, plane, t=view.layer.time_point)
            if image is None or image.missing:
                continue
            rows, columns = image.pixels.shape[:2]
            corners = [tuple(float(v) for v in plane.to_lps(image.matrix @ (x, y, 1))) for x, y in
                       ((-0.5, -0.5), (columns - 0.5, -0.5), (-0.5, rows - 0.5))]
            items.append(SliceItem(rgb_of(image, view.layer), *corners,
                                   colour=PLANE_COLOURS[view.content].getRgb()[:3]))
        if self.widget is not None and (items or self._slices_shown):
            self._slices_shown = bool(items)
            self.widget.set_slices(items)


def _has_depth(layer: ImageLayer) -> bool:
    return layer.volume.geometry.shape[0] > 1
