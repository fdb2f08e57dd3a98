"""Controls of the active image: grey window and colours, time point, slab, and a second image in colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QSignalBlocker, QSize, Qt
from PyQt6.QtGui import QIcon, QImage, QPixmap
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QWidget,
)

from medviewer.app.window_choices import same_window, set_auto_window, window_choices
from medviewer.core.volume import Window
from medviewer.gui.panels._parts import IconButton, dim_label, name_label
from medviewer.gui.wheel import keep_wheel_out
from medviewer.ops import lut

if TYPE_CHECKING:
    from medviewer.app.layers import ImageLayer
    from medviewer.app.session import Session

LUT_ICON = QSize(44, 12)
MAX_SLAB_MM = 500.0
SLABS = (("max", "Maximum (MIP)"), ("min", "Minimum (MinIP)"), ("mean", "Mean"))
DEFAULT_SLAB_MM = 10.0
FUSION_LUT, FUSION_OPACITY = "hot", 45


def lut_combo(object_name: str) -> QComboBox:
    """Make a list of the lookup tables with a picture of each."""
    combo = QComboBox(objectName=object_name)
    combo.setIconSize(LUT_ICON)
    for name in lut.names():
        table = lut.table(name)
        image = QImage(table.tobytes(), 256, 1, 256 * 3, QImage.Format.Format_RGB888)
        combo.addItem(QIcon(QPixmap.fromImage(image.scaled(LUT_ICON))), name.replace("-", " ").capitalize(), name)
    return _narrow(combo)


def _narrow(combo: QComboBox) -> QComboBox:
    combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    combo.setMinimumContentsLength(8)
    return combo


def _spin(object_name: str, low: float, high: float, tip: str) -> QDoubleSpinBox:
    spin = QDoubleSpinBox(objectName=object_name, minimum=low, maximum=high, toolTip=tip, keyboardTracking=False)
    spin.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    spin.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return spin


def _slider(object_name: str, high: int = 100) -> QSlider:
    return QSlider(Qt.Orientation.Horizontal, objectName=object_name, minimum=0, maximum=high)


class _Controls(QWidget):
    """A grid of named controls; what it shows is read from the session at every refresh."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.grid = QGridLayout(self)
        self.grid.setContentsMargins(0, 4, 0, 0)
        self.grid.setHorizontalSpacing(8)
        self.grid.setVerticalSpacing(5)
        self.grid.setColumnStretch(1, 1)

    def row(self, name: str, *widgets: QWidget) -> QLabel:
        """Add one line."""
        n = self.grid.rowCount()
        label = name_label(name)
        self.grid.addWidget(label, n, 0)
        line = QHBoxLayout()
        line.setSpacing(5)
        for widget in widgets:
            keep_wheel_out(widget)
            line.addWidget(widget, 0 if isinstance(widget, IconButton | QLabel) else 1)
        self.grid.addLayout(line, n, 1)
        return label


class WindowControls(_Controls):
    """Preset, centre and width, invert, lookup table, smoothing."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.preset = _narrow(QComboBox(objectName="window-preset"))
        self.auto = IconButton("auto", "Choose the window from the values", "window-auto")
        self.centre = _spin("window-centre", -1e9, 1e9, "Value shown as middle grey")
        self.width_box = _spin("window-width", 1e-4, 2e9, "Range of values between black and white")
        self.lut = lut_combo("window-lut")
        self.invert = QCheckBox("Invert", objectName="window-invert")
        self.smooth = QCheckBox("Smooth", objectName="window-smooth", toolTip="Interpolate between pixels")
        self.preset.setPlaceholderText("Own values")
        self.preset.setToolTip("Default: the window stored in the file, else an automatic one")
        self.row("Window", self.preset, self.auto)
        self.row("Centre", self.centre)
        self.row("Width", self.width_box)
        self.row("Colours", self.lut)
        self.row("", self.invert, self.smooth)
        self.preset.activated.connect(self._on_preset)
        self.auto.clicked.connect(self._on_auto)
        self.centre.valueChanged.connect(self._on_numbers)
        self.width_box.valueChanged.connect(self._on_numbers)
        self.lut.activated.connect(self._on_lut)
        self.invert.clicked.connect(self._on_invert)
        self.smooth.clicked.connect(lambda on: session.set_preference(smooth=on))
        self._listed: tuple[Window, ...] | None = None

    def refresh(self) -> None:
        """Show the active image's settings."""
        layer = self.session.active
        self.setVisible(layer is not None)
        if layer is None:
            return
        choices = tuple(window_choices(layer))
        if choices != self._listed:
            self._listed = choices
            self.preset.clear()
            self.preset.addItem("Default")
            for w in choices:
                self.preset.addItem(f"{w.name}   {w.width:g} / {w.centre:g}", w)
        here = next((n for n, w in enumerate(choices, 1) if same_window(w, layer.window)), -1)
        self.preset.setCurrentIndex(0 if layer.voi_lut is not None or layer.window.name == "Auto" else here)
        self._show_numbers(layer.window, layer.volume.unit)
        self.lut.setCurrentIndex(self.lut.findData(layer.lut))
        self.lut.setEnabled(not layer.volume.colour)
        self.invert.setChecked(layer.inverted)
        self.smooth.setChecked(self.session.settings.values.smooth)

    def _show_numbers(self, window: Window, unit: str) -> None:
        decimals = 3 if window.width < 10 else 1 if window.width < 100 else 0
        for spin, value in ((self.centre, window.centre), (self.width_box, window.width)):
            with QSignalBlocker(spin):
                spin.setDecimals(decimals)
                spin.setSuffix(f" {unit}" if unit else "")
                spin.setValue(value)

    def _on_preset(self, index: int) -> None:
        layer, window = self.session.active, self.preset.itemData(index)
        if layer is not None and window is None:
            layer.reset_window()
        elif layer is not None:
            layer.set_window(window)

    def _on_auto(self) -> None:
        if self.session.active is not None:
            set_auto_window(self.session.active)

    def _on_numbers(self) -> None:
        if self.session.active is not None:
            self.session.active.set_window(Window(self.centre.value(), self.width_box.value()))

    def _on_lut(self) -> None:
        if self.session.active is not None:
            self.session.active.set_lut(self.lut.currentData())

    def _on_invert(self, on: bool) -> None:
        if self.session.active is not None:
            self.session.active.set_inverted(on)


class TimeControls(_Controls):
    """The time point of a dynamic series; hidden for others."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.slider = _slider("time-slider", 1)
        self.text = QLabel(objectName="time-text")
        self.play = IconButton("play", "Play or stop (C)", "time-play")
        self.row("Time", self.slider, self.text, self.play)
        self.slider.valueChanged.connect(self._on_slider)
        self.play.clicked.connect(lambda: session.toggle_cine())

    def refresh(self) -> None:
        """Show the time point."""
        layer = self.session.active
        count = layer.volume.time_points if layer is not None else 1
        self.setVisible(count > 1)
        if layer is None or count < 2:
            return
        with QSignalBlocker(self.slider):
            self.slider.setMaximum(count - 1)
            self.slider.setValue(layer.time_point)
        self.text.setText(f"{layer.time_point + 1} / {count}")
        self.play.show_icon("stop" if self.session.cine else "play")

    def _on_slider(self, t: int) -> None:
        if self.session.active is not None:
            self.session.active.set_time_point(t)


class SlabControls(_Controls):
    """Thickness and kind of projection, for all slice views."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.thickness = _spin("slab-thickness", 0.0, MAX_SLAB_MM, "Thickness that is projected; Alt+wheel in a view")
        self.thickness.setDecimals(1)
        self.thickness.setSuffix(" mm")
        self.thickness.setSpecialValueText("One slice")
        self.mode = _narrow(QComboBox(objectName="slab-mode"))
        for value, text in SLABS:
            self.mode.addItem(text, value)
        self.row("Slab", self.thickness)
        self.row("Projection", self.mode)
        self.thickness.valueChanged.connect(self._apply)
        self.mode.activated.connect(self._on_mode)
        self._watched: list[object] = []

    def refresh(self) -> None:
        """Show the slab of the current view."""
        self.setVisible(self.session.active is not None)
        views = [v for v in self.session.views if v.content != "3d"]
        for view in views:
            if view not in self._watched:
                view.changed.connect(self.refresh)
        self._watched = list(views)
        view = self.session.current_view if self.session.current_view in views else next(iter(views), None)
        if view is None:
            return
        with QSignalBlocker(self.thickness):
            self.thickness.setValue(view.slab_mm)
        if view.slab_mm > 0:
            self.mode.setCurrentIndex(self.mode.findData(view.slab))

    def _on_mode(self) -> None:
        if self.thickness.value() == 0:
            with QSignalBlocker(self.thickness):
                self.thickness.setValue(DEFAULT_SLAB_MM)  # a kind was chosen: show what it does
        self._apply()

    def _apply(self) -> None:
        mode, thickness = self.mode.currentData(), self.thickness.value()
        for view in self.session.views:
            if view.content != "3d":
                view.set_slab(thickness, mode)


class FusionControls(_Controls):
    """A second image of the same frame of reference, in colour over the active one."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.image = _narrow(QComboBox(objectName="fusion-image"))
        self.lut = lut_combo("fusion-lut")
        self.opacity = _slider("fusion-opacity")
        self.off = QPushButton("Off", objectName="fusion-off")
        self.off.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.hint = dim_label("To lay a second image over this one in colour (PET over CT, say), right-click its "
                              "series and choose “Fuse in colour”.", "fusion-hint")
        self.rows_ = [self.row("Fusion", self.image, self.off), self.row("Colours", self.lut),
                      self.row("Opacity", self.opacity)]
        self.grid.addWidget(self.hint, self.grid.rowCount(), 0, 1, 2)
        self._listed: list[ImageLayer] | None = None
        self.image.activated.connect(self._choose)
        self.lut.activated.connect(self._on_lut)
        self.opacity.valueChanged.connect(self._on_opacity)
        self.off.clicked.connect(lambda: session.set_fusion(None))

    def refresh(self) -> None:
        """Show which image is laid over."""
        session, active = self.session, self.session.active
        self.setVisible(active is not None)
        if active is None:
            return
        others = [x for x in session.images() if x is not active and session.shares_frame(x, active)]
        if others != self._listed:
            self._listed = others
            self.image.clear()
            self.image.addItem("None", None)
            for layer in others:
                self.image.addItem(layer.name, layer)
        fused = session.fusion
        self.image.setCurrentIndex(others.index(fused) + 1 if fused in others else 0)
        for widget in (self.image, self.off, self.rows_[0]):
            widget.setVisible(bool(others))
        for widget in (self.lut, self.opacity, *self.rows_[1:]):
            widget.setVisible(fused is not None)
        self.off.setEnabled(fused is not None)
        self.hint.setVisible(not others)
        if fused is not None:
            self.lut.setCurrentIndex(self.lut.findData(fused.lut))
            with QSignalBlocker(self.opacity):
                self.opacity.setValue(round(fused.opacity * 100))

    def _choose(self) -> None:
        layer = self.image.currentData()
        if layer is None:
            self.session.set_fusion(None)
        else:
            self.session.set_fusion(layer, lut=FUSION_LUT, opacity=FUSION_OPACITY / 100)

    def _on_lut(self) -> None:
        if self.session.fusion is not None:
            self.session.fusion.set_lut(self.lut.currentData())

    def _on_opacity(self, percent: int) -> None:
        if self.session.fusion is not None:
            self.session.fusion.set_opacity(percent / 100)
