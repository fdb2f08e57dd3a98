"""Small parts that panels share: the section with a heading, tinted icon buttons, labels that shorten themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from PyQt6 import sip
from PyQt6.QtCore import QEvent, QSize, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QColor, QPainter, QPalette, QPixmap, QResizeEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from medviewer.gui.icons import icon
from medviewer.gui.theme import THEMES

if TYPE_CHECKING:
    from medviewer.app.session import Session
    from medviewer.gui.theme import Theme

LABEL_WIDTH = 78  # column of names left of the controls
ICON_PX = 18
FLAT = ("QToolButton { padding: 1px; border: 1px solid transparent; background: transparent; }"
        "QToolButton:focus { border-color: palette(highlight); }"
        "QToolButton:hover { background: palette(button); }"
        "QToolButton:checked { background: transparent; }")


@dataclass(frozen=True)
class Panel:
    """A panel as the main window finds it.

    area : which side it belongs to
    task : the tab of the right side it belongs to; empty for always
    order : small numbers stand above large ones
    """

    id: str
    label: str
    area: Literal["left", "right"]
    task: str
    order: int
    build: Callable[[Session, QWidget | None], QWidget]


def theme_of(session: Session) -> Theme:
    """Return the colours in use."""
    return THEMES[session.settings.values.theme]


class IconButton(QToolButton):
    """A flat button whose icon has the colour of the text; a checkable one may show another icon when off."""

    def __init__(self, name: str, tip: str, object_name: str = "", *, off: str = "", checkable: bool = False,
                 parent: QWidget | None = None) -> None:
        super().__init__(parent, objectName=object_name)
        self._names = (name, off or name)
        self.setCheckable(checkable)
        self.setToolTip(tip)
        self.setAccessibleName(tip)
        self.setIconSize(QSize(ICON_PX, ICON_PX))
        self.setStyleSheet(FLAT)
        self.toggled.connect(self._tint)
        self._tint()

    def show_icon(self, name: str) -> None:
        """Change the picture."""
        if self._names != (name, name):
            self._names = (name, name)
            self._tint()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.EnabledChange):
            self._tint()

    def _tint(self) -> None:
        on = self.isEnabled() and (self.isChecked() or not self.isCheckable())
        role = QPalette.ColorRole.WindowText if on else QPalette.ColorRole.PlaceholderText
        name = self._names[0 if self.isChecked() or not self.isCheckable() else 1]
        self.setIcon(icon(name, self.palette().color(role).name()))


def eye_button(what: str, object_name: str, *, visible: bool = True) -> IconButton:
    """Make a show/hide toggle."""
    button = IconButton("eye", f"Show or hide {what}", object_name, off="eye-off", checkable=True)
    button.setChecked(visible)
    return button


class ElidedLabel(QLabel):
    """One line that ends in … where it is too long, with the whole text as tip."""

    def __init__(self, text: str = "", *, dim: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._full = ""
        self.setTextFormat(Qt.TextFormat.PlainText)  # names come from files
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        if dim:
            self.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self.set_full(text)

    @property
    def full(self) -> str:
        """The whole text."""
        return self._full

    def set_full(self, text: str) -> None:
        """Show another text."""
        self._full = text
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Shorten to the new width."""
        super().resizeEvent(event)
        self._elide()

    def changeEvent(self, event: QEvent) -> None:
        """Shorten to the new font."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._elide()

    def _elide(self) -> None:
        shown = self.fontMetrics().elidedText(self._full, Qt.TextElideMode.ElideRight, max(self.width(), 10))
        self.setText(shown)
        self.setToolTip(self._full if shown != self._full else "")


class ElidedButton(QPushButton):
    """A button whose text is shortened in the middle to fit its width."""

    def __init__(self, text: str, **options: object) -> None:
        super().__init__(text, **options)
        self._full = text
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Shorten to the new width."""
        super().resizeEvent(event)
        self.setText(self.fontMetrics().elidedText(self._full, Qt.TextElideMode.ElideMiddle, self.width() - 4))


def dim_label(text: str = "", object_name: str = "") -> QLabel:
    """Make a wrapped line of quiet text."""
    label = QLabel(text, objectName=object_name, wordWrap=True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
    return label


def name_label(text: str) -> QLabel:
    """Make the name left of a control."""
    label = QLabel(text)
    label.setMinimumWidth(LABEL_WIDTH)
    label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
    return label


def swatch(colour: tuple[int, int, int], size: int = 14, *, hollow: bool = False) -> QPixmap:
    """Draw a small square of a colour; hollow for what is drawn as a line."""
    pixmap = QPixmap(size * 2, size * 2)
    pixmap.setDevicePixelRatio(2)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QColor(*colour))
    fill = QColor(*colour)
    fill.setAlpha(70 if hollow else 255)
    painter.setBrush(fill)
    painter.drawRoundedRect(1, 1, size - 2, size - 2, 3, 3)
    painter.end()
    return pixmap


def _line() -> QFrame:
    line = QFrame(frameShape=QFrame.Shape.HLine, frameShadow=QFrame.Shadow.Plain)
    line.setFixedHeight(1)
    line.setForegroundRole(QPalette.ColorRole.Mid)
    return line


class Section(QWidget):
    """A heading that folds what is below it."""

    expanded_changed = pyqtSignal(bool)

    def __init__(self, title: str, object_name: str, *, expanded: bool = True, parent: QWidget | None = None) -> None:
        super().__init__(parent, objectName=object_name)
        self.heading = QToolButton(objectName=f"{object_name}-heading", text=title, checkable=True, checked=expanded)
        self.heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.heading.setStyleSheet("QToolButton { border: 1px solid transparent; padding: 3px 1px; font-weight: 600; }"
                                   "QToolButton:focus { border-color: palette(highlight); }"
                                   "QToolButton:checked { background: transparent; color: palette(window-text); }"
                                   "QToolButton:hover { background: transparent; }")
        self.heading.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.heading.toggled.connect(self._fold)
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(0)
        top = QHBoxLayout()
        top.setSpacing(2)
        top.addWidget(self.heading, 1)
        top.addLayout(self.buttons)
        self.body = QWidget()
        self.content = QVBoxLayout(self.body)
        self.content.setContentsMargins(8, 0, 4, 8)
        self.content.setSpacing(6)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 0)
        layout.setSpacing(2)
        layout.addWidget(_line())
        layout.addLayout(top)
        layout.addWidget(self.body)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self._fold(expanded)

    @property
    def expanded(self) -> bool:
        """Whether the content is shown."""
        return self.heading.isChecked()

    def _fold(self, expanded: bool) -> None:
        self.heading.setArrowType(Qt.ArrowType.DownArrow if expanded else Qt.ArrowType.RightArrow)
        self.body.setVisible(expanded)
        self.expanded_changed.emit(expanded)


class Later:
    """Calls a function once after a burst of changes."""

    def __init__(self, parent: QWidget, call: Callable[[], None], delay_ms: int = 0) -> None:
        self._timer = QTimer(parent, singleShot=True, interval=delay_ms)
        self._timer.timeout.connect(call)

    def ask(self) -> None:
        """Ask for a call, soon."""
        if not sip.isdeleted(self._timer):  # the widget may be gone before the session
            self._timer.start()
