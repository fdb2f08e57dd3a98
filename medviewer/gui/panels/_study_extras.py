"""Around the study list: the invitation while it is empty, the files left out, and the menu of a series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt, QUrl
from PyQt6.QtGui import QAction, QDesktopServices, QGuiApplication
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from medviewer.app.fusing import fuse_when_open
from medviewer.app.opening import IMAGE_KINDS
from medviewer.gui.panels._parts import ElidedButton, dim_label

if TYPE_CHECKING:
    from medviewer.app.session import Session
    from medviewer.core.study import Series

RECENTS = 6
MOST_LEFT_OUT = 1000
LEFT_OUT_HEIGHT = 130
WINDOW_ACTIONS = (("empty-open-folder", "Open folder…", "action-open-folder", True),
                  ("empty-open-file", "Open file…", "action-open-file", False),
                  ("empty-demo", "Open the demo study", "action-demo", False))


class EmptyPage(QWidget):
    """What to do first: open something, look at the demo study, or return to recent files."""

    def __init__(self, session: Session) -> None:
        super().__init__(objectName="studies-empty")
        self._session = session
        box = QVBoxLayout(self)
        box.setContentsMargins(16, 28, 16, 16)
        box.setSpacing(8)
        title = QLabel("Nothing open yet")
        title.setStyleSheet("font-size: 15px; font-weight: 600;")
        box.addWidget(title)
        box.addWidget(dim_label("Drop a folder, file or ZIP anywhere on the window. Nothing is imported or copied."))
        box.addSpacing(6)
        for name, text, action, primary in WINDOW_ACTIONS:
            button = QPushButton(text, objectName=name)
            button.setProperty("primary", primary)
            button.clicked.connect(lambda _=False, a=action: self._trigger(a))
            box.addWidget(button)
        box.addSpacing(14)
        self.recent_title = dim_label("Recent")
        box.addWidget(self.recent_title)
        self.recents = QVBoxLayout()
        self.recents.setSpacing(0)
        box.addLayout(self.recents)
        box.addStretch(1)
        box.addWidget(dim_label("Reads DICOM (CT, MR, PET, SEG, RTSTRUCT), NIfTI, NRRD, MetaImage and pictures."))

    def refresh(self) -> None:
        """Show the recent files."""
        while (item := self.recents.takeAt(0)) is not None:
            item.widget().deleteLater()
        paths = [Path(p) for p in self._session.settings.values.recents[:RECENTS]]
        self.recent_title.setVisible(bool(paths))
        for n, path in enumerate(paths):
            self.recents.addWidget(self._recent(n, path))

    def _recent(self, n: int, path: Path) -> QPushButton:
        button = ElidedButton(path.name or str(path), objectName=f"recent-{n}", toolTip=str(path), flat=True)
        button.setCursor(Qt.CursorShape.PointingHandCursor)
        button.setStyleSheet("QPushButton { text-align: left; border: none; background: transparent; padding: 4px 0; "
                             "color: palette(link); } QPushButton:hover { text-decoration: underline; }")
        button.clicked.connect(lambda: self._session.open_paths([path]))
        return button

    def _trigger(self, action: str) -> None:
        """Run an action of the window: opening files is asked for in one place."""
        found = self.window().findChild(QAction, action)
        if found is not None:
            found.trigger()


class LeftOut(QWidget):
    """Files that were not opened, each with the reason."""

    def __init__(self, session: Session) -> None:
        super().__init__(objectName="studies-left-out")
        self._session = session
        self.heading = QToolButton(objectName="left-out-heading", checkable=True)
        self.heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.heading.setStyleSheet("QToolButton { border: none; padding: 2px; } QToolButton:checked "
                                   "{ background: transparent; color: palette(window-text); }")
        self.list = QListWidget(objectName="left-out-list")
        self.list.setWordWrap(True)
        self.list.setFixedHeight(LEFT_OUT_HEIGHT)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2)
        box.addWidget(self.heading)
        box.addWidget(self.list)
        self.heading.toggled.connect(self._fold)
        self._fold(False)

    def refresh(self) -> None:
        """Show what the session has left out."""
        skipped = self._session.skipped
        self.setVisible(bool(skipped))
        self.heading.setText(f"Left out ({len(skipped)})")
        self.list.clear()
        for entry in skipped[:MOST_LEFT_OUT]:
            reason = entry.reason if entry.path.name in entry.reason else f"{entry.path.name}: {entry.reason}"
            item = QListWidgetItem(reason)
            item.setToolTip(str(entry.path))
            self.list.addItem(item)
        if len(skipped) > MOST_LEFT_OUT:
            self.list.addItem(f"… and {len(skipped) - MOST_LEFT_OUT} more")

    def _fold(self, shown: bool) -> None:
        self.heading.setArrowType(Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow)
        self.list.setVisible(shown)


def series_menu(session: Session, series: Series, parent: QWidget) -> QMenu:
    """Make the menu of a series."""
    menu = QMenu(parent)
    image = series.kind in IMAGE_KINDS

    def add(name: str, text: str, call, enabled: bool = True) -> None:  # noqa: ANN001
        action = menu.addAction(text)
        action.setObjectName(name)
        action.setEnabled(enabled)
        action.triggered.connect(lambda: call())

    add("series-open", "Open", lambda: session.show_series(series))
    add("series-beside", "Open beside", lambda: session.show_series(series, add=True), image and bool(session.layers))
    active = session.active
    fusable = image and active is not None and active.series.id != series.id \
        and session.shares_frame_uid(series, active)
    add("series-fuse", "Fuse in colour", lambda: fuse_when_open(session, series), fusable)
    menu.addSeparator()
    add("series-tags", "Show tags…", lambda: _show_tags(session, series, parent), bool(series.files))
    add("series-warnings", "What is odd about it…", lambda: _show_warnings(session, series, parent))
    menu.addSeparator()
    add("series-copy-uid", "Copy series UID", lambda: QGuiApplication.clipboard().setText(series.series_uid),
        bool(series.series_uid))
    add("series-folder", "Show in folder", lambda: _show_folder(series), bool(series.files))
    return menu


def _show_tags(session: Session, series: Series, parent: QWidget) -> None:
    from medviewer.gui.dialogs.tags import show_tags

    show_tags(parent.window(), session, series)


def _show_warnings(session: Session, series: Series, parent: QWidget) -> None:
    from medviewer.gui.dialogs.warnings import show_warnings

    show_warnings(parent.window(), session, series)


def _show_folder(series: Series) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(series.files[0].parent)))
