"""One slice view: draws the state of a ViewState and turns the mouse into gestures.

The picture below (image, fusion, masks, contours) is composed once per change and kept; cross lines, texts and
measurements are painted over it, so moving the crosshair of another view costs next to nothing.
"""

from __future__ import annotations

import time
from collections import deque

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QImage, QPainter, QPen, QTransform
from PyQt6.QtWidgets import QWidget

from medviewer.app.layers import ContourLayer, ImageLayer, LabelLayer
from medviewer.app.session import Session
from medviewer.app.views import ViewState
from medviewer.core.annotations import Annotation
from medviewer.gui.theme import PLANE_COLOURS, VIEW_BACKGROUND, WARNING_COLOUR
from medviewer.gui.views import marks, pictures, texts
from medviewer.gui.views.gestures import ViewMouse
from medviewer.gui.views.inspection import draw_inspection
from medviewer.ops.measure import annotation_plane
from medviewer.ops.reslice import Plane, cross, cut, cut_labels, plane_box_mm, slice_index, step_mm, through_axis

FIT_MARGIN = 0.98
BAR_WIDTH = 7  # slice bar at the right edge
FRAME_HISTORY = 600


class SliceView(QWidget):
    """A plane through the patient."""

    probed = pyqtSignal(str)
    menu_requested = pyqtSignal(object, object)  # SliceView, QPoint (global)
    pressed = pyqtSignal(object)  # SliceView
    resized = pyqtSignal()

    def __init__(self, session: Session, view: ViewState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self.view = session, view
        self.setObjectName(f"view-{view.id}")
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setMinimumSize(120, 100)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.active = False
        self.frame_ms: deque[float] = deque(maxlen=FRAME_HISTORY)
        self._canvas: QImage | None = None
        self._stale = True
        self._drawn_plane: Plane | None = None
        self._cuts: dict[int, tuple[object, object]] = {}
        self._painter = marks.AnnotationPainter()
        self._texts = marks.TextLayer()
        self._mouse = ViewMouse(self)
        self._notice = ""
        self._links = ((view.changed, self.redraw), (view.framing.changed, self.redraw),
                       (session.display_changed, self.redraw),
                       (session.layers_changed, self.redraw), (session.loaded_slices, self._on_loaded),
                       (session.focus_changed, self._on_focus), (session.annotations.changed, self.repaint_marks),
                       (session.tool_changed, self._on_tool))
        for signal, slot in self._links:
            signal.connect(slot)

    def detach(self) -> None:
        """Stop listening to the session; the widget is about to be deleted."""
        self.cancel_gesture()
        for signal, slot in self._links:
            signal.disconnect(slot)

    # --- state to screen ---

    def redraw(self) -> None:
        """Compose the picture anew at the next paint."""
        self._stale = True
        self.update()

    def repaint_marks(self) -> None:
        """Paint anew what lies over the kept picture."""
        self.update()

    def _on_loaded(self, layer: ImageLayer) -> None:
        if layer is self.view.layer or layer is self.session.fusion:
            self.redraw()

    def _on_focus(self) -> None:
        plane = self.view.plane()
        if plane is None or self._drawn_plane is None or \
                abs(float(self._drawn_plane.distance_mm(plane.point_lps))) > 1e-6:
            self._stale = True
        self.update()

    def _on_tool(self) -> None:
        self.setCursor(Qt.CursorShape.CrossCursor if self.session.tool not in ("window", "pan", "zoom")
                       else Qt.CursorShape.ArrowCursor)

    def centre_mm(self, plane: Plane) -> NDArray[np.float64]:
        """Return the mm position (right, down) at the middle of the view."""
        layer = self.view.layer
        middle = plane.to_mm(layer.volume.geometry.centre_lps) if layer is not None else np.zeros(2)
        return middle + self.view.centre_offset_mm

    def fit_scale(self) -> float | None:
        """Return the zoom at which the whole slice fits; None without an image."""
        plane = self.view.plane()
        if self.view.layer is None or plane is None:
            return None
        x0, y0, x1, y1 = plane_box_mm(self.view.layer.volume.geometry, plane)
        width, height = max(self.width() - BAR_WIDTH, 1), max(self.height(), 1)
        return FIT_MARGIN * min(width / max(x1 - x0, 1e-6), height / max(y1 - y0, 1e-6))

    def transform(self, plane: Plane) -> QTransform:
        """Return mm on the plane -> logical pixels."""
        scale = self.view.scale
        x, y = self.centre_mm(plane)
        return QTransform(scale, 0, 0, scale, self.width() / 2 - scale * x, self.height() / 2 - scale * y)

    def to_xy(self, plane: Plane, lps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Project positions (..., 3) to logical pixels (..., 2)."""
        t = self.transform(plane)
        return plane.to_mm(lps) * t.m11() + (t.dx(), t.dy())

    def to_lps(self, xy: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return the position under a pixel, on the plane; None without an image."""
        plane = self.view.plane()
        if plane is None:
            return None
        t = self.transform(plane)
        return plane.to_lps((np.asarray(xy, float) - (t.dx(), t.dy())) / t.m11())

    # --- painting ---

    def resizeEvent(self, event) -> None:  # noqa: ANN001
        """Tell the grid, which fits all views alike."""
        super().resizeEvent(event)
        self.resized.emit()

    def paintEvent(self, event) -> None:  # noqa: ANN001
        """Paint the kept picture and what lies over it."""
        start = time.perf_counter()
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.TextAntialiasing)
        plane, layer = self.view.plane(), self.view.layer
        if plane is None or layer is None:
            painter.fillRect(self.rect(), VIEW_BACKGROUND)
            self._paint_empty(painter)
        else:
            if self._stale or self._canvas is None or self._canvas.size() != self._device_size():
                self._compose(plane, layer)
            painter.drawImage(0, 0, self._canvas)
            self._paint_over(painter, plane, layer)
        self._paint_frame(painter)
        painter.end()
        self.frame_ms.append((time.perf_counter() - start) * 1e3)

    def _device_size(self):  # noqa: ANN202 - QSize
        return (self.size().toSizeF() * self.devicePixelRatioF()).toSize()

    def _compose(self, plane: Plane, layer: ImageLayer) -> None:
        size, ratio = self._device_size(), self.devicePixelRatioF()
        if self._canvas is None or self._canvas.size() != size:
            self._canvas = QImage(size, QImage.Format.Format_RGB32)
        self._canvas.setDevicePixelRatio(1.0)
        self._canvas.fill(VIEW_BACKGROUND)
        painter = QPainter(self._canvas)
        to_screen = self.transform(plane) * QTransform.fromScale(ratio, ratio)
        self._draw_image(painter, plane, layer, to_screen)
        if self.session.show_overlays:
            self._draw_overlays(painter, plane, layer, to_screen, ratio)
        painter.end()
        self._canvas.setDevicePixelRatio(ratio)
        self._drawn_plane, self._stale = plane, False

    def _draw_image(self, painter: QPainter, plane: Plane, layer: ImageLayer, to_screen: QTransform) -> None:
        if not layer.visible:
            self._notice = ""
            return
        picture = cut(layer.volume, plane, t=layer.time_point, slab_mm=self.view.slab_mm, slab=self.view.slab)
        self._notice = ""
        if picture is None:
            self._notice = "The plane misses the volume"
            return
        if picture.missing:
            self._notice = "This slice is not in the files"
            return
        if self._still_loading(layer, plane, picture.index):
            self._notice = "Loading …"
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.session.settings.values.smooth)
        painter.setTransform(pictures.pixel_transform(picture.matrix, to_screen))
        painter.drawImage(0, 0, pictures.picture(picture, layer))
        fusion = self.session.fusion
        if fusion is not None and fusion is not layer and fusion.visible and self.session.shares_frame(fusion, layer):
            over = cut(fusion.volume, plane, t=min(fusion.time_point, fusion.volume.time_points - 1),
                       slab_mm=self.view.slab_mm, slab=self.view.slab, interpolate=True)
            if over is not None:
                painter.setTransform(pictures.pixel_transform(over.matrix, to_screen))
                painter.drawImage(0, 0, pictures.overlay_picture(over, fusion))
        painter.resetTransform()

    @staticmethod
    def _still_loading(layer: ImageLayer, plane: Plane, index: int | None) -> bool:
        ready = layer.loading.ready[layer.time_point]
        if index is None or through_axis(layer.volume.geometry, plane) != 0:
            return not ready.any()
        return not ready[index]

    def _draw_overlays(self, painter: QPainter, plane: Plane, layer: ImageLayer, to_screen: QTransform,
                       ratio: float) -> None:
        size = (self._canvas.width(), self._canvas.height())

        def labels(overlay: LabelLayer) -> None:
            for group, array in enumerate(overlay.labels.layers):
                piece = cut_labels(array, overlay.labels.geometry, plane)
                drawn = piece and pictures.label_picture(piece, overlay, group, to_screen, size,
                                                         max(round(1.2 * ratio), 1))
                if drawn:
                    painter.drawImage(QPointF(drawn[1], drawn[2]), drawn[0])

        def contours(overlay: ContourLayer, colour: tuple[int, int, int] | None = None) -> None:
            self._draw_contours(painter, plane, overlay, to_screen, ratio, colour)

        if self.session.inspector.shown:
            draw_inspection(painter, self.session.inspector, size, ratio, labels, contours)
            return
        for overlay in self.session.overlays_for(layer):
            if isinstance(overlay, LabelLayer):
                labels(overlay)
            elif isinstance(overlay, ContourLayer):
                contours(overlay)

    def _draw_contours(self, painter: QPainter, plane: Plane, overlay: ContourLayer, to_screen: QTransform,
                       ratio: float, one_colour: tuple[int, int, int] | None = None) -> None:
        pieces = overlay.cutter.cut(plane)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for segment in overlay.contours.segments:
            if segment.number in overlay.hidden or segment.number not in pieces:
                continue
            path = to_screen.map(pictures.outline_path(pieces[segment.number]))
            colour = QColor(*(one_colour or segment.colour))
            colour.setAlphaF(min(1.0, 0.3 + overlay.opacity))
            painter.setPen(QPen(colour, overlay.line_width * ratio))
            painter.drawPath(path)

    def _paint_over(self, painter: QPainter, plane: Plane, layer: ImageLayer) -> None:
        width, height = self.width(), self.height()
        if self.session.show_crosshair:
            self._paint_crosshair(painter, plane)
        self._paint_annotations(painter, plane, layer)
        if self.session.text_level > 0:
            self._texts.draw(painter, self._lettering(plane, layer), self.devicePixelRatioF())
        if self._notice:
            marks.draw_notice(painter, self._notice, width, height)
        self._paint_slice_bar(painter, plane, layer)

    def _lettering(self, plane: Plane, layer: ImageLayer) -> marks.Lettering:
        """Gather every text of the view; it is painted anew only when one of them changes."""
        session, height = self.session, self.height()
        settings = session.settings.values
        letters = texts.edge_letters(plane, head_feet=settings.head_feet_letters) if layer.volume.oriented else {}
        bar = texts.scale_bar(self.view.scale, height, calibrated=layer.volume.calibrated) if height >= 280 else None
        level = session.text_level if min(self.width(), height) >= 220 else 1
        corners = texts.corner_texts(session, self.view, layer, plane, level=level,
                                     names=settings.show_names and not session.hide_names)
        count = sum(w.level != "info" for w in session.warnings_of(layer.series))
        badge = f"⚠ {count} note{'s' if count > 1 else ''} on this series" if count and session.text_level == 2 else ""
        return marks.Lettering((self.width(), height), tuple(letters.items()), bar,
                               tuple((name, tuple(lines)) for name, lines in corners.items()), badge,
                               self.view.content)

    def _paint_crosshair(self, painter: QPainter, plane: Plane) -> None:
        centre = self.to_xy(plane, self.session.focus(self.view.layer))
        reach = float(self.width() + self.height())
        for other, direction in self.cross_lines(plane):
            marks.draw_cross_line(painter, centre, direction, reach, PLANE_COLOURS[other.content], gap=9)

    def cross_lines(self, plane: Plane) -> list[tuple[ViewState, NDArray[np.float64]]]:
        """Return where the other planes cut this one: (their view, unit direction on the screen)."""
        lines, seen = [], set()
        for other in self.session.views:
            if other is self.view or other.content in seen or other.content in (self.view.content, "3d"):
                continue
            if other.layer is None or self.view.layer is None or \
                    not self.session.shares_frame(other.layer, self.view.layer):
                continue
            other_plane = other.plane()
            along = cross(plane.normal, other_plane.normal)
            direction = plane.to_mm(along)
            size = float(np.linalg.norm(direction))
            if size > 1e-6:
                seen.add(other.content)
                lines.append((other, direction / size))
        return lines

    def annotations_here(self, plane: Plane, layer: ImageLayer) -> list[Annotation]:
        """Return the measurements that lie on this plane, within half a slice."""
        tolerance = max(step_mm(layer.volume.geometry, plane) / 2, 0.01)
        found = []
        for a in self.session.annotations.items:
            if a.series_id != layer.series.id and (not a.frame_of_reference_uid
                                                   or a.frame_of_reference_uid != layer.frame_uid):
                continue
            if (np.abs(plane.distance_mm(np.asarray(a.points_lps))) <= tolerance).all():
                found.append(a)
        return found

    def _paint_annotations(self, painter: QPainter, plane: Plane, layer: ImageLayer) -> None:
        for a in self.annotations_here(plane, layer):
            points = self.to_xy(plane, np.asarray(a.points_lps))
            box = None
            if a.kind in ("rectangle", "ellipse"):
                own = annotation_plane(a)
                box = self.to_xy(plane, own.to_lps(marks.box_points(a)))
            self._painter.draw(painter, a, points, layer if layer.series.id == a.series_id else None,
                               selected=a.id == self.session.annotations.selected, box_corners=box,
                               height=self.height())

    def _paint_slice_bar(self, painter: QPainter, plane: Plane, layer: ImageLayer) -> None:
        geometry = layer.volume.geometry
        axis = through_axis(geometry, plane)
        if axis is None or geometry.shape[axis] < 2:
            return
        place = np.clip(slice_index(geometry, plane, axis) / (geometry.shape[axis] - 1), 0, 1)
        if self.bar_is_reversed(plane, axis):
            place = 1 - place
        bar = QRectF(self.width() - BAR_WIDTH + 1, 4, BAR_WIDTH - 3, self.height() - 8)
        painter.fillRect(bar, QColor(255, 255, 255, 26))
        if axis == 0 and not layer.loading.complete:
            self._paint_loaded(painter, bar, layer, self.bar_is_reversed(plane, axis))
        mark = QRectF(bar.left(), bar.top() + place * (bar.height() - 14), bar.width(), 14)
        painter.fillRect(mark, PLANE_COLOURS[self.view.content])

    @staticmethod
    def _paint_loaded(painter: QPainter, bar: QRectF, layer: ImageLayer, reverse: bool) -> None:
        ready = layer.loading.ready[layer.time_point]
        step = bar.height() / len(ready)
        for k in np.flatnonzero(ready):
            n = len(ready) - 1 - k if reverse else k
            painter.fillRect(QRectF(bar.left(), bar.top() + n * step, bar.width(), step + 0.5),
                             QColor(255, 255, 255, 60))

    def bar_is_reversed(self, plane: Plane, axis: int) -> bool:
        """Whether the last slice is at the top of the bar: head and front are up, patient right too."""
        direction = self.view.layer.volume.geometry.directions[:, axis]
        return bool(direction[2] > 0.5 or (abs(direction[2]) <= 0.5 and direction[1] < -0.5))

    def _paint_empty(self, painter: QPainter) -> None:
        if self.view.cell.image == 0 and not self.session.jobs.running:
            marks.draw_notice(painter, "Drop a folder, file or ZIP here", self.width(), self.height(),
                              QColor(150, 160, 170))
        elif self.view.cell.image:
            marks.draw_notice(painter, "Double-click another series to show it here", self.width(), self.height(),
                              QColor(110, 120, 130))
        else:
            marks.draw_notice(painter, "Loading …", self.width(), self.height())

    def _paint_frame(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.fillRect(QRectF(0, 0, self.width(), 2), PLANE_COLOURS[self.view.content])
        if self.active:
            painter.setPen(QPen(WARNING_COLOUR, 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    # --- mouse and wheel: see gestures.py ---

    def mousePressEvent(self, event) -> None:  # noqa: ANN001
        """Begin a gesture."""
        self.pressed.emit(self)
        self._mouse.press(event)

    def mouseMoveEvent(self, event) -> None:  # noqa: ANN001
        """Go on with a gesture, or show what is under the pointer."""
        self._mouse.move(event)

    def mouseReleaseEvent(self, event) -> None:  # noqa: ANN001
        """End a gesture."""
        self._mouse.release(event)

    def mouseDoubleClickEvent(self, event) -> None:  # noqa: ANN001
        """Show this view alone, or all again."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._mouse.cancel()
            self.session.toggle_maximised(self.view)

    def wheelEvent(self, event) -> None:  # noqa: ANN001
        """Scroll, zoom (Ctrl) or change the slab (Alt)."""
        self._mouse.wheel(event)

    def leaveEvent(self, event) -> None:  # noqa: ANN001
        """Clear the probe line."""
        self.probed.emit("")

    def cancel_gesture(self) -> bool:
        """Roll back the gesture in hand (Escape); False if there is none."""
        return self._mouse.cancel()
