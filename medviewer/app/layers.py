"""What is drawn: images, label maps and contours, with how each is shown."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from medviewer.core.contours import ContourSet
from medviewer.core.labels import LabelMap
from medviewer.core.study import Series
from medviewer.core.volume import VoiLut, Volume, Window
from medviewer.ops.window import default_window

if TYPE_CHECKING:
    from medviewer.io.base import Loading
    from medviewer.ops.contour_cut import ContourCutter

_numbers = count(1)


class Layer:
    """Something with a place in the patient that can be shown or hidden.

    revision : grows with every change that needs a repaint; pictures are cached by it
    """

    changed = Signal()

    def __init__(self, series: Series, name: str = "") -> None:
        self.number = next(_numbers)
        self.series = series
        self.name = name or series.title
        self.visible = True
        self.opacity = 1.0
        self.revision = 0

    @property
    def frame_uid(self) -> str:
        """Frame of reference UID; empty if the file does not tell."""
        return self.series.frame_of_reference_uid

    def touch(self) -> None:
        """Say that the layer must be drawn anew."""
        self.revision += 1
        self.changed.emit()

    def set_visible(self, visible: bool) -> None:
        """Show or hide the layer."""
        if visible != self.visible:
            self.visible = visible
            self.touch()

    def set_opacity(self, opacity: float) -> None:
        """Set the opacity, 0...1."""
        opacity = min(max(opacity, 0.0), 1.0)
        if opacity != self.opacity:
            self.opacity = opacity
            self.touch()


class ImageLayer(Layer):
    """An image volume with window, lookup table and time point."""

    time_changed = Signal()

    def __init__(self, series: Series, loading: Loading, name: str = "", *, window: Window | None = None) -> None:
        super().__init__(series, name)
        self.loading = loading
        self.time_point = 0
        self.lut = "grey"
        self.inverted = loading.volume.inverted
        self.window: Window = window or first_window(loading)
        self.voi_lut: VoiLut | None = loading.volume.voi_lut
        if self.volume.modality == "PT":
            self.inverted = not self.inverted  # hot is dark, as on film

    @property
    def volume(self) -> Volume:
        """The voxels (possibly still arriving)."""
        return self.loading.volume

    def set_window(self, window: Window) -> None:
        """Set the grey mapping; a stored VOI LUT is left until the next automatic window."""
        width = max(window.width, 1e-6)
        self.window = Window(window.centre, width, window.name)
        self.voi_lut = None
        self.touch()

    def reset_window(self) -> None:
        """Return to the file's own window, or the automatic one."""
        self.window = first_window(self.loading, self.time_point)
        self.voi_lut = self.volume.voi_lut
        self.touch()

    def set_lut(self, lut: str) -> None:
        """Choose a lookup table by name (see ops.lut)."""
        if lut != self.lut:
            self.lut = lut
            self.touch()

    def set_inverted(self, inverted: bool) -> None:
        """Show low values bright."""
        if inverted != self.inverted:
            self.inverted = inverted
            self.touch()

    def set_time_point(self, t: int) -> None:
        """Choose the time point shown; wraps around."""
        t %= self.volume.time_points
        if t != self.time_point:
            self.time_point = t
            self.touch()
            self.time_changed.emit()


def first_window(loading: Loading, t: int = 0) -> Window:
    """Choose the window to begin with, from the slices that have arrived."""
    ready = np.flatnonzero(loading.ready[t])
    return default_window(loading.volume, t, ready if ready.size else None)


class LabelLayer(Layer):
    """A label map shown as fill and/or outline."""

    def __init__(self, series: Series, labels: LabelMap, name: str = "") -> None:
        super().__init__(series, name or labels.name)
        self.labels = labels
        self.opacity = 0.5
        self.fill = True
        self.outline = True
        self.hidden: frozenset[tuple[int, int]] = frozenset()  # (layer, value)

    def set_hidden(self, layer: int, value: int, hidden: bool) -> None:
        """Show or hide one segment."""
        key = (layer, value)
        self.hidden = self.hidden | {key} if hidden else self.hidden - {key}
        self.touch()

    def set_style(self, *, fill: bool | None = None, outline: bool | None = None) -> None:
        """Choose fill and outline."""
        self.fill = self.fill if fill is None else fill
        self.outline = self.outline if outline is None else outline
        self.touch()

    def colour_table(self, layer: int) -> np.ndarray:
        """Return (max value + 1, 4) uint8 RGBA, hidden segments and background transparent."""
        top = max((s.value for s in self.labels.segments if s.layer == layer), default=0)
        table = np.zeros((top + 1, 4), np.uint8)
        for s in self.labels.segments:
            if s.layer == layer and (layer, s.value) not in self.hidden:
                table[s.value] = (*s.colour, 255)
        return table


class ContourLayer(Layer):
    """A structure set drawn as stored and cut by other planes."""

    def __init__(self, series: Series, contours: ContourSet, cutter: ContourCutter, name: str = "") -> None:
        super().__init__(series, name or contours.name)
        self.contours = contours
        self.cutter = cutter
        self.line_width = 1.6
        self.hidden: frozenset[int] = frozenset()

    def set_hidden(self, number: int, hidden: bool) -> None:
        """Show or hide one structure."""
        self.hidden = self.hidden | {number} if hidden else self.hidden - {number}
        self.touch()
