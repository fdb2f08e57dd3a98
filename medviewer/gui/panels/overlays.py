"""Masks and contours: what is laid over the images, whether it belongs there, and its segments."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PyQt6.QtCore import QSignalBlocker, Qt
from PyQt6.QtWidgets import QCheckBox, QHBoxLayout, QLineEdit, QSlider, QToolButton, QWidget

from medviewer.app.layers import ContourLayer, LabelLayer
from medviewer.app.segments import measure_segments, origin_text
from medviewer.gui.panels._overlay_tree import OverlayTree
from medviewer.gui.panels._parts import IconButton, Later, Panel, Section, dim_label, name_label
from medviewer.gui.wheel import keep_wheel_out

if TYPE_CHECKING:
    from medviewer.app.layers import Layer
    from medviewer.app.session import Session

NOTHING = "No masks or contours are open. Segmentations (DICOM SEG, NIfTI, NRRD) and structure sets that belong to " \
          "the image are laid over it by themselves."
FILTER_FROM = 15  # segments from which a filter line is worth its place


class OverlaysPanel(Section):
    """A tree of layers and segments, and the look of the chosen layer below."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Masks and contours", "panel-overlays", parent=parent)
        self.session = session
        self.empty = dim_label(NOTHING, "overlays-empty")
        self.filter = QLineEdit(objectName="overlays-filter", placeholderText="Find a segment", clearButtonEnabled=True)
        self.tree = OverlayTree(session)
        self.style_row = StyleControls(session)
        self.all_eye = QToolButton(objectName="overlays-all", text="Hide all")
        self.remove = IconButton("close", "Close the chosen mask or structure set", "overlays-close")
        self.buttons.addWidget(self.all_eye)
        self.buttons.addWidget(self.remove)
        for widget in (self.empty, self.filter, self.tree, self.style_row):
            self.content.addWidget(widget)
        self._layers: list[Layer] = []
        self.filter.textChanged.connect(self.tree.set_filter)
        self.tree.currentItemChanged.connect(lambda *_: self.style_row.show_layer(self.tree.chosen_layer()))
        self.all_eye.clicked.connect(self._toggle_all)
        self.remove.clicked.connect(self._remove)
        self._later = Later(self, self.refresh)
        for signal in (session.layers_changed, session.active_changed, session.display_changed):
            signal.connect(self._later.ask)
        self.refresh()

    def refresh(self) -> None:
        """Show the layers of the session as they are."""
        layers = [x for x in self.session.layers if isinstance(x, LabelLayer | ContourLayer)]
        if layers != self._layers:
            new = [x for x in layers if x not in self._layers]
            self._layers = layers
            self.tree.show_layers(layers)
            for layer in new:
                self._measure(layer)
        self.tree.refresh(partial(origin_text, self.session))
        self.empty.setVisible(not layers)
        for widget in (self.tree, self.style_row, self.all_eye, self.remove):
            widget.setVisible(bool(layers))
        self.filter.setVisible(self.tree.segment_count() >= FILTER_FROM)
        self.all_eye.setText("Hide all" if any(x.visible for x in layers) else "Show all")
        self.style_row.show_layer(self.tree.chosen_layer())

    def _measure(self, layer: LabelLayer | ContourLayer) -> None:
        self.session.jobs.start(("measure-segments", layer.number), measure_segments(self.session, layer),
                                title=f"Measuring {layer.name}", done=partial(self.tree.set_places, layer),
                                failed=lambda error: self.session.message.emit(error.message))

    def _toggle_all(self) -> None:
        show = not any(x.visible for x in self._layers)
        for layer in self._layers:
            layer.set_visible(show)

    def _remove(self) -> None:
        layer = self.tree.chosen_layer()
        if layer is not None:
            self.session.remove_layer(layer)


class StyleControls(QWidget):
    """Opacity, fill and outline of one layer."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._layer: Layer | None = None
        self.opacity = QSlider(Qt.Orientation.Horizontal, objectName="overlay-opacity", minimum=0, maximum=100,
                               toolTip="Opacity of the chosen layer (Q, E)")
        self.fill = QCheckBox("Fill", objectName="overlay-fill")
        self.outline = QCheckBox("Outline", objectName="overlay-outline")
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(8)
        keep_wheel_out(self.opacity)
        label = name_label("Opacity")
        label.setMinimumWidth(0)
        line.addWidget(label)
        line.addWidget(self.opacity, 1)
        line.addWidget(self.fill)
        line.addWidget(self.outline)
        self.opacity.valueChanged.connect(self._on_opacity)
        self.fill.clicked.connect(lambda on: self._set_style(fill=on))
        self.outline.clicked.connect(lambda on: self._set_style(outline=on))

    def show_layer(self, layer: Layer | None) -> None:
        """Show the look of a layer."""
        self._layer = layer
        self.setEnabled(layer is not None)
        labels = isinstance(layer, LabelLayer)
        self.fill.setVisible(labels)
        self.outline.setVisible(labels)
        if layer is None:
            return
        with QSignalBlocker(self.opacity):
            self.opacity.setValue(round(layer.opacity * 100))
        if isinstance(layer, LabelLayer):
            self.fill.setChecked(layer.fill)
            self.outline.setChecked(layer.outline)

    def _on_opacity(self, percent: int) -> None:
        if self._layer is not None:
            self._layer.set_opacity(percent / 100)

    def _set_style(self, **change: bool) -> None:
        if isinstance(self._layer, LabelLayer):
            self._layer.set_style(**change)


PANEL = Panel("overlays", "Masks and contours", "right", "view", 20, OverlaysPanel)
