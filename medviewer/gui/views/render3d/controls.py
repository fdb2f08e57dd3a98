"""Buttons, badges and messages over the 3D picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QActionGroup
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QMenu, QPushButton, QToolButton, QVBoxLayout, QWidget

from medviewer.ops.volume_presets import Preset

VIEW_NAMES = {"A": "From the front (A)", "P": "From the back (P)", "L": "From the left (L)",
              "R": "From the right (R)", "H": "From the head (H)", "F": "From the feet (F)"}


class Controls(QWidget):
    """The row of buttons at the top, the badges at the bottom, the message in the middle."""

    preset_chosen = pyqtSignal(str)
    view_chosen = pyqtSignal(str)
    fit_chosen = pyqtSignal()
    centre_chosen = pyqtSignal()
    crop_toggled = pyqtSignal(bool)
    crop_reset = pyqtSignal()
    retry_chosen = pyqtSignal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self._preset_menu, self._view_menu = QMenu(self), QMenu(self)
        self.preset_button = self._button("view3d_preset", self.tr("Preset"), self.tr("Look of the volume"))
        self.preset_button.setMenu(self._preset_menu)
        self.view_button = self._button("view3d_views", self.tr("View"), self.tr("Look from a side"))
        self.view_button.setMenu(self._view_menu)
        self.crop_button = self._button("view3d_crop", self.tr("Crop"), self.tr("Drag the faces of a box"))
        self.crop_button.setCheckable(True)
        self.crop_button.toggled.connect(self.crop_toggled)
        self.badges = QLabel(self, objectName="view3d_badges")
        self.message = QLabel(self, objectName="view3d_message")
        self.message.setWordWrap(True)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.retry_button = QPushButton(self.tr("Try again"), self, objectName="view3d_retry")
        self.retry_button.clicked.connect(self.retry_chosen)
        for label in (self.badges, self.message):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._fill_view_menu()
        self._lay_out()
        self.show_message("")

    def _button(self, name: str, text: str, tip: str) -> QToolButton:
        button = QToolButton(self, objectName=name)
        button.setText(text)
        button.setToolTip(tip)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return button

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        for button in (self.preset_button, self.view_button, self.crop_button):
            top.addWidget(button)
        top.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addLayout(top)
        layout.addStretch()
        layout.addWidget(self.message)
        layout.addWidget(self.retry_button, alignment=Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch()
        layout.addWidget(self.badges)

    def _fill_view_menu(self) -> None:
        for letter, name in VIEW_NAMES.items():
            self._add(self._view_menu, f"view3d_view_{letter}", self.tr(name),
                      lambda _=False, view=letter: self.view_chosen.emit(view))
        self._view_menu.addSeparator()
        self._add(self._view_menu, "view3d_fit", self.tr("Fit"), lambda: self.fit_chosen.emit())
        self._add(self._view_menu, "view3d_centre", self.tr("Centre on the crosshair"),
                  lambda: self.centre_chosen.emit())
        self._add(self._view_menu, "view3d_crop_reset", self.tr("Remove the crop box"),
                  lambda: self.crop_reset.emit())

    @staticmethod
    def _add(menu: QMenu, name: str, text: str, call: Callable[..., None]) -> None:
        action = menu.addAction(text)
        action.setObjectName(name)
        action.triggered.connect(call)

    def show_presets(self, presets: Sequence[Preset], current: str) -> None:
        """Offer these looks; the button carries the name of the current one."""
        self._preset_menu.clear()
        group = QActionGroup(self._preset_menu)
        for preset in presets:
            self._add(self._preset_menu, f"view3d_preset_{preset.id}", self.tr(preset.label),
                      lambda _=False, name=preset.id: self.preset_chosen.emit(name))
            action = self._preset_menu.actions()[-1]
            action.setCheckable(True)
            action.setChecked(preset.id == current)
            group.addAction(action)
            if preset.id == current:
                self.preset_button.setText(self.tr(preset.label))
        self.preset_button.setVisible(bool(presets))
        self.crop_button.setVisible(bool(presets))

    def show_message(self, text: str, *, retry: bool = False) -> None:
        """Show a sentence in the middle, or nothing."""
        self.message.setText(text)
        self.message.setVisible(bool(text))
        self.retry_button.setVisible(retry)

    def set_colours(self, text: str, panel: str, edge: str) -> None:
        """Take the colours of the theme."""
        self.setStyleSheet(
            f"QLabel {{ color: {text}; background: transparent; }}"
            f"QToolButton {{ color: {text}; background: {panel}; border: 1px solid {edge}; border-radius: 4px;"
            f" padding: 3px 8px; }} QToolButton::menu-indicator {{ image: none; }}"
            f"QToolButton:checked, QToolButton:hover {{ border-color: {text}; }}")

    @property
    def menu(self) -> QMenu:
        """The looks and the sides, for the right mouse button."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for title, source in ((self.tr("Preset"), self._preset_menu), (self.tr("View"), self._view_menu)):
            part = menu.addMenu(title)
            part.addActions(source.actions())
            part.setEnabled(bool(source.actions()))
        return menu
