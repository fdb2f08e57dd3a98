"""The open images: which is active, its window and colours, fusion, slab and time point."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QButtonGroup, QHBoxLayout, QRadioButton, QSizePolicy, QVBoxLayout, QWidget

from medviewer.gui.panels._image_controls import FusionControls, SlabControls, TimeControls, WindowControls
from medviewer.gui.panels._parts import ElidedLabel, IconButton, Later, Panel, Section, dim_label, eye_button

if TYPE_CHECKING:
    from medviewer.app.layers import ImageLayer
    from medviewer.app.session import Session

NOTHING = "No image is open. Drop a folder or file on the window, or double-click a series on the left."


class LayersPanel(Section):
    """Rows of the open images, and the controls of the active one below."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Images", "panel-layers", parent=parent)
        self.session = session
        self.empty = dim_label(NOTHING, "layers-empty")
        self.rows = QVBoxLayout()
        self.rows.setSpacing(0)
        self.content.addWidget(self.empty)
        self.content.addLayout(self.rows)
        self.controls = [WindowControls(session), TimeControls(session), SlabControls(session), FusionControls(session)]
        for control in self.controls:
            self.content.addWidget(control)
        self._group = QButtonGroup(self)
        self._shown: list[tuple[ImageLayer, ImageRow]] = []
        self._later = Later(self, self.refresh)
        for signal in (session.layers_changed, session.active_changed, session.display_changed,
                       session.layout_changed, session.cine_changed):
            signal.connect(self._later.ask)
        self.refresh()

    def refresh(self) -> None:
        """Show the session as it is."""
        layers = [x for x in self.session.layers if x in self.session.images()]
        if [layer for layer, _ in self._shown] != layers:
            self._make_rows(layers)
        for _, row in self._shown:
            row.refresh()
        self.empty.setVisible(not layers)
        for control in self.controls:
            control.refresh()

    def _make_rows(self, layers: list[ImageLayer]) -> None:
        for _, row in self._shown:
            self._group.removeButton(row.radio)
            self.rows.removeWidget(row)
            row.hide()
            row.deleteLater()
        self._shown = [(layer, ImageRow(self.session, layer)) for layer in layers]
        for _, row in self._shown:
            self._group.addButton(row.radio)
            self.rows.addWidget(row)


class ImageRow(QWidget):
    """One open image."""

    def __init__(self, session: Session, layer: ImageLayer) -> None:
        super().__init__()
        self._session, self._layer = session, layer
        self.radio = QRadioButton(objectName=f"image-active-{layer.number}",
                                  toolTip="Tools and windows act on this image")
        self.radio.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.name = ElidedLabel(layer.name)
        self.kind = ElidedLabel(layer.volume.modality or layer.series.modality, dim=True)
        self.kind.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Preferred)
        self.kind.setMinimumWidth(24)
        self.eye = eye_button("this image", f"image-eye-{layer.number}", visible=layer.visible)
        self.close_button = IconButton("close", "Close this image", f"image-close-{layer.number}")
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        line.addWidget(self.radio)
        line.addWidget(self.name, 1)
        for widget in (self.kind, self.eye, self.close_button):
            line.addWidget(widget)
        self.radio.clicked.connect(partial(session.activate, layer))
        self.eye.clicked.connect(layer.set_visible)
        self.close_button.clicked.connect(lambda: session.remove_layer(layer))

    def mousePressEvent(self, event) -> None:  # noqa: ANN001 - QMouseEvent
        """A click on the name is a click on the radio button."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._session.activate(self._layer)

    def refresh(self) -> None:
        """Show the layer as it is."""
        self.radio.setChecked(self._session.active is self._layer)
        self.eye.setChecked(self._layer.visible)
        self.name.set_full(self._layer.name + ("  (in colour)" if self._session.fusion is self._layer else ""))


PANEL = Panel("layers", "Images", "right", "view", 10, LayersPanel)
