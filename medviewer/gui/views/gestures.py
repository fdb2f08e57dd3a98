"""The mouse over a slice view: which gesture a button begins, and what the wheel does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import Qt

from medviewer.app.views import ViewState
from medviewer.core.discover import discover
from medviewer.gui.views.texts import probe_text
from medviewer.ops.reslice import through_axis
from medviewer.tools.base import Gesture, Pointer, ToolContext
from medviewer.tools.builtin.zoom import zoom_at
from medviewer.tools.shapes import as_point

if TYPE_CHECKING:
    from medviewer.gui.views.slice_view import SliceView

WHEEL_STEP = 120  # eighths of a degree per notch
HANDLE_PX = 8.0
LINE_PX = 6.0
TURN_FROM = 0.28  # part of the view's size from the crosshair beyond which a cross line turns instead of moves
CLICK_PX = 4.0
BAR_PX = 9


class ViewMouse:
    """Turns events of one view into gestures."""

    def __init__(self, widget: SliceView) -> None:
        self._w = widget
        self._gesture: Gesture | None = None
        self._layer: object = None  # what the gesture works on
        self._button = Qt.MouseButton.NoButton
        self._start = np.zeros(2)
        self._moved = False
        self._wheel_rest = 0.0

    # --- buttons ---

    def press(self, event) -> None:  # noqa: ANN001
        """Begin what the button and the place ask for."""
        if event.buttons() == event.button():
            self.cancel()  # nothing else is held: the release before went elsewhere
        if self._gesture is not None or self._button != Qt.MouseButton.NoButton:
            return
        self._button, self._start, self._moved = event.button(), _xy(event), False
        pointer = self._pointer(event)
        if pointer is None:
            return
        gesture = self._choose(event, pointer)
        if gesture is not None:
            self._begin(gesture)

    def _choose(self, event, pointer: Pointer) -> Gesture | None:  # noqa: ANN001
        w = self._w
        tools = discover("medviewer.tools.builtin", "TOOL")
        ctx = ToolContext(w.session, w.view)
        button, shift = event.button(), bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if button == Qt.MouseButton.MiddleButton or (button == Qt.MouseButton.LeftButton and shift
                                                     and w.session.tool == "pan"):
            return tools["pan"].stroke(ctx, pointer)
        if button == Qt.MouseButton.RightButton:
            return tools["zoom"].stroke(ctx, pointer)
        if button != Qt.MouseButton.LeftButton:
            return None
        if pointer.widget_xy[0] >= w.width() - BAR_PX:
            return self._slide(pointer)
        return self._handle(pointer) or self._turn(pointer) or tools[w.session.tool].stroke(ctx, pointer)

    def move(self, event) -> None:  # noqa: ANN001
        """Feed the gesture; without one show the probe, and with Shift move the crosshair."""
        self._drop_if_stale(event)
        pointer = self._pointer(event)
        if pointer is None:
            return
        if np.linalg.norm(pointer.widget_xy - self._start) > CLICK_PX:
            self._moved = True
        if self._gesture is not None:
            try:
                self._gesture.send(pointer)
            except StopIteration:
                self._gesture = None
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier and self._w.view.layer is not None:
            self._w.session.set_focus(pointer.lps, self._w.view.layer)
        if self._w.view.layer is not None:
            self._w.probed.emit(probe_text(self._w.session, pointer.lps, self._w.view.layer))

    def release(self, event) -> None:  # noqa: ANN001
        """End the gesture; a right click without a move asks for the menu."""
        if event.button() != self._button:
            return
        self._drop_if_stale()
        self._button = Qt.MouseButton.NoButton
        pointer = self._pointer(event, down=False)
        gesture, self._gesture = self._gesture, None
        if gesture is not None and pointer is not None:
            try:
                gesture.send(pointer)
            except StopIteration:
                pass
            else:
                gesture.close()
        if event.button() == Qt.MouseButton.RightButton and not self._moved:
            self._w.menu_requested.emit(self._w, event.globalPosition().toPoint())

    def cancel(self) -> bool:
        """Roll back the gesture in hand."""
        gesture, self._gesture = self._gesture, None
        self._button = Qt.MouseButton.NoButton
        if gesture is None:
            return False
        gesture.close()
        return True

    def _drop_if_stale(self, event=None) -> None:  # noqa: ANN001
        """A gesture ends with the image it began on, and with its button, whose release may have gone elsewhere."""
        released = event is not None and not event.buttons() & self._button
        if self._gesture is not None and (released or self._layer is not self._w.view.layer):
            self.cancel()

    def _begin(self, gesture: Gesture) -> None:
        try:
            next(gesture)
        except StopIteration:
            return
        self._gesture, self._layer = gesture, self._w.view.layer

    def _pointer(self, event, *, down: bool = True) -> Pointer | None:  # noqa: ANN001
        xy = _xy(event)
        lps = self._w.to_lps(xy)
        if lps is None:
            return None
        keys, mods = Qt.KeyboardModifier, event.modifiers()
        return Pointer(xy, lps, down=down, shift=bool(mods & keys.ShiftModifier),
                       ctrl=bool(mods & keys.ControlModifier), alt=bool(mods & keys.AltModifier),
                       size=(self._w.width(), self._w.height()))

    # --- gestures of the view itself ---

    def _slide(self, pointer: Pointer) -> Gesture | None:
        """Drag the slice bar at the right edge."""
        w = self._w
        plane = w.view.plane()
        axis = through_axis(w.view.layer.volume.geometry, plane) if plane is not None else None
        if axis is None:
            return None
        return self._slide_along(axis, w.bar_is_reversed(plane, axis), pointer)

    def _slide_along(self, axis: int, reverse: bool, pointer: Pointer) -> Gesture:
        w = self._w
        count = w.view.layer.volume.geometry.shape[axis]
        while pointer.down:
            part = float(np.clip((pointer.widget_xy[1] - 11) / max(w.height() - 22, 1), 0, 1))
            w.session.go_to_slice(w.view, round((1 - part if reverse else part) * (count - 1)))
            pointer = yield

    def _handle(self, pointer: Pointer) -> Gesture | None:
        """Take hold of the point of a measurement."""
        w = self._w
        plane, layer = w.view.plane(), w.view.layer
        if plane is None or layer is None:
            return None
        for a in reversed(w.annotations_here(plane, layer)):
            distances = np.linalg.norm(w.to_xy(plane, np.asarray(a.points_lps)) - pointer.widget_xy, axis=1)
            if distances.min() <= HANDLE_PX:
                return self._drag_handle(a.id, int(distances.argmin()), pointer)
        return None

    def _drag_handle(self, annotation_id: str, index: int, pointer: Pointer) -> Gesture:
        store = self._w.session.annotations
        original = next(a for a in store.items if a.id == annotation_id)
        store.select(annotation_id)
        start = pointer.widget_xy
        try:
            while pointer.down:
                if np.linalg.norm(pointer.widget_xy - start) > 1:
                    points = list(original.points_lps)
                    points[index] = as_point(pointer.lps)
                    store.replace(original.model_copy(update={"points_lps": tuple(points)}))
                pointer = yield
        except GeneratorExit:
            store.replace(original)

    def _turn(self, pointer: Pointer) -> Gesture | None:
        """Take hold of the outer part of a cross line: turns the plane it stands for."""
        w = self._w
        if w.session.tool != "crosshair" or not w.session.show_crosshair:
            return None
        plane = w.view.plane()
        if plane is None:
            return None
        centre = w.to_xy(plane, w.session.focus(w.view.layer))
        arm = pointer.widget_xy - centre
        if np.linalg.norm(arm) < TURN_FROM * min(w.width(), w.height()):
            return None
        for other, direction in w.cross_lines(plane):
            if abs(direction[0] * arm[1] - direction[1] * arm[0]) <= LINE_PX:
                return self._turn_plane(other, plane.normal, centre, pointer)
        return None

    def _turn_plane(self, other: ViewState, axis: NDArray[np.float64], centre: NDArray[np.float64],
                    pointer: Pointer) -> Gesture:
        before = other.turn.copy()
        last = np.arctan2(*(pointer.widget_xy - centre)[::-1])
        try:
            while pointer.down:
                angle = np.arctan2(*(pointer.widget_xy - centre)[::-1])
                if angle != last:
                    other.turn_about(axis, float(angle - last))
                    last = angle
                pointer = yield
        except GeneratorExit:
            other.turn = before
            other.changed.emit()

    # --- wheel ---

    def wheel(self, event) -> None:  # noqa: ANN001
        """Scroll by whole notches; small steps of touch pads add up, none is lost."""
        delta = event.angleDelta()
        turn = delta.y() or delta.x()  # Alt turns the wheel sideways on some systems
        mods, keys, w = event.modifiers(), Qt.KeyboardModifier, self._w
        if mods & keys.ControlModifier:
            at = (np.array([event.position().x(), event.position().y()]) - (w.width() / 2, w.height() / 2))
            zoom_at(ToolContext(w.session, w.view), 1.1 ** (turn / WHEEL_STEP), at / w.view.scale)
            event.accept()
            return
        self._wheel_rest += turn / WHEEL_STEP
        steps = int(self._wheel_rest)
        self._wheel_rest -= steps
        if steps and mods & keys.AltModifier:
            step = 2.5 if w.view.slab_mm < 10 else 5.0
            w.view.set_slab(w.view.slab_mm + steps * step)
        elif steps:
            w.session.scroll(w.view, steps)
        event.accept()


def _xy(event) -> NDArray[np.float64]:  # noqa: ANN001
    return np.array([event.position().x(), event.position().y()])
