"""The studies on the left: patients, studies and series with thumbnails, oddities, and what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtWidgets import QLineEdit, QStackedWidget, QVBoxLayout, QWidget

from medviewer.gui.panels._parts import Later, Panel
from medviewer.gui.panels._study_extras import EmptyPage, LeftOut, series_menu
from medviewer.gui.panels._study_list import StudyList

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QMenu

    from medviewer.app.session import Session
    from medviewer.core.study import Series

MIN_WIDTH = 220


class StudiesPanel(QWidget):
    """Filter line, study tree and the list of files left out; an invitation while there is nothing."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent, objectName="panel-studies")
        self.session = session
        self.setMinimumWidth(MIN_WIDTH)
        self.filter = QLineEdit(objectName="studies-filter", placeholderText="Find a series", clearButtonEnabled=True)
        self.list = StudyList(session)
        self.left_out = LeftOut(session)
        self.empty = EmptyPage(session)
        full = QWidget()
        box = QVBoxLayout(full)
        box.setContentsMargins(6, 6, 6, 6)
        box.setSpacing(6)
        box.addWidget(self.filter)
        box.addWidget(self.list, 1)
        box.addWidget(self.left_out)
        self.pages = QStackedWidget(objectName="studies-pages")
        self.pages.addWidget(self.empty)
        self.pages.addWidget(full)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.pages)
        self.filter.textChanged.connect(self.list.set_filter)
        self.list.itemActivated.connect(lambda item, _: self._open(self.list.series_of(item)))
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.customContextMenuRequested.connect(self._popup)
        self._later = Later(self, self.refresh)
        session.series_changed.connect(self._later.ask)
        self.refresh()

    def refresh(self) -> None:
        """Show what the session has found."""
        session = self.session
        self.pages.setCurrentIndex(1 if session.series or session.skipped else 0)
        self.empty.refresh()
        self.left_out.refresh()

    def menu_of(self, series: Series) -> QMenu:
        """Return the context menu of a series."""
        return series_menu(self.session, series, self)

    def _open(self, series: Series | None) -> None:
        if series is not None:
            self.session.show_series(series)

    def _popup(self, at: QPoint) -> None:
        series = self.list.series_of(self.list.itemAt(at))
        if series is not None:
            menu = self.menu_of(series)
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.popup(self.list.viewport().mapToGlobal(at))


PANEL = Panel("studies", "Studies", "left", "", 10, StudiesPanel)
