"""The histogram of the active image, with the window as a region that can be dragged.

The plot is made when the section is first opened: its package is slow to import.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import QEvent
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QWidget

from medviewer.core.volume import Window
from medviewer.gui.panels._parts import Later, Panel, Section, dim_label, theme_of
from medviewer.ops.histogram import histogram

if TYPE_CHECKING:
    from medviewer.app.session import Session
    from medviewer.ops.histogram import Histogram

HEIGHT = 150
TAIL = 1e-4  # fraction of the values left out at either end of the first view


class HistogramPanel(Section):
    """Counts of values, logarithmic, with the grey window on top."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Histogram", "panel-histogram", expanded=False, parent=parent)
        self.session = session
        self.note = dim_label("", "histogram-note")
        self.content.addWidget(self.note)
        self.plot: Any = None
        self.region: Any = None
        self.counted: object = None  # (volume, time point, complete) of what is drawn
        self._dragging = False
        self._later = Later(self, self.refresh)
        for signal in (session.active_changed, session.display_changed, session.loaded_slices):
            signal.connect(self._later.ask)
        self.expanded_changed.connect(lambda _: self.refresh())

    def refresh(self) -> None:
        """Show the active image's values and window, if the section is open."""
        if not self.expanded:
            return
        if self.plot is None:
            self._make_plot()
        layer = self.session.active
        if layer is None:
            self.counted = None
            self._say("Open an image to see how its values are distributed.")
            return
        if not layer.loading.complete:
            self._say("The values are counted when the series has been read.")
            return
        wanted = (layer.volume, layer.time_point)
        if self.counted != wanted:
            self.counted = wanted
            self.session.jobs.start("histogram", partial(_count, *wanted), title="Counting values",
                                    done=partial(self._show, wanted), failed=self._failed)
        self._show_window(layer.window)

    def _make_plot(self) -> None:
        import pyqtgraph

        self.plot = pyqtgraph.PlotWidget(objectName="histogram-plot")
        self.plot.setFixedHeight(HEIGHT)
        self.plot.setMenuEnabled(False)
        self.plot.setMouseEnabled(x=True, y=False)
        self.plot.hideButtons()
        self.plot.hideAxis("left")
        self.region = pyqtgraph.LinearRegionItem(swapMode="sort")
        self.region.sigRegionChanged.connect(self._on_drag)
        self.content.addWidget(self.plot)
        self._colour()

    def _colour(self) -> None:
        import pyqtgraph

        theme = theme_of(self.session)
        accent = QColor(theme.accent)
        self.plot.setBackground(theme.base)
        axis = self.plot.getAxis("bottom")
        axis.setPen(theme.border)
        axis.setTextPen(theme.dim)
        self.region.setBrush(QColor(accent.red(), accent.green(), accent.blue(), 45))
        self.region.setHoverBrush(QColor(accent.red(), accent.green(), accent.blue(), 70))
        for line in self.region.lines:
            line.setPen(pyqtgraph.mkPen(theme.accent, width=2))
            line.setHoverPen(pyqtgraph.mkPen(theme.text, width=2))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and getattr(self, "plot", None) is not None:
            self._colour()
            self.counted = None
            self._later.ask()

    def _show(self, wanted: object, counts: Histogram | None) -> None:
        if wanted != self.counted:
            return
        if counts is None:
            self._say("There are no values to count.")
            return
        import pyqtgraph

        theme = theme_of(self.session)
        fill = QColor(theme.dim)
        fill.setAlpha(150)
        heights = counts.log_counts
        curve = pyqtgraph.PlotCurveItem(counts.edges, heights, stepMode="center", fillLevel=0.0, brush=fill,
                                        pen=pyqtgraph.mkPen(theme.dim))
        self.plot.clear()
        self.plot.addItem(curve)
        self.plot.addItem(self.region)
        self.plot.setXRange(*counts.inner_range(TAIL), padding=0.03)
        self.plot.setYRange(0, float(heights.max()), padding=0.02)
        unit = self.session.active.volume.unit if self.session.active else ""
        self._say("")
        self.plot.setToolTip(f"Values{f' in {unit}' if unit else ''}, counts on a logarithmic scale.\n"
                             "Drag the region or its edges to change the window.")

    def _show_window(self, window: Window) -> None:
        if not self._dragging:
            self.region.blockSignals(True)
            self.region.setRegion((window.centre - window.width / 2, window.centre + window.width / 2))
            self.region.blockSignals(False)

    def _on_drag(self) -> None:
        layer = self.session.active
        low, high = self.region.getRegion()
        if layer is None or high <= low:
            return
        self._dragging = True  # the region is where the pointer is: it must not be set from here
        try:
            layer.set_window(Window((low + high) / 2, high - low))
        finally:
            self._dragging = False

    def _failed(self, error: Exception) -> None:
        self._say(str(error))

    def _say(self, text: str) -> None:
        self.note.setText(text)
        self.note.setVisible(bool(text))
        self.plot.setVisible(not text)


def _count(volume, t, job):  # noqa: ANN001, ANN202 - a job
    return histogram(volume, t, job)


PANEL = Panel("histogram", "Histogram", "right", "view", 40, HistogramPanel)
