"""The tree of patients, studies and series."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtGui import QColor, QImage, QKeyEvent, QPalette, QPixmap
from PyQt6.QtWidgets import QAbstractItemView, QTreeWidget, QTreeWidgetItem

from medviewer.app.study_tree import (
    KINDS,
    WITHOUT_PICTURE,
    alerts,
    report_text,
    series_facts,
    size_text,
    spacing_text,
    study_tree,
)
from medviewer.app.thumbnails import Thumbnails
from medviewer.gui.icons import icon
from medviewer.gui.panels._parts import Later, theme_of
from medviewer.gui.panels._study_delegate import DATA, OBJECT_ICON, Row, StudyDelegate

if TYPE_CHECKING:
    from medviewer.app.session import Session
    from medviewer.core.study import Series

KEY = DATA + 1
OBJECT_ICONS = {"labels": "mask", "seg": "mask", "rtstruct": "contour", "contours": "contour"}
TIP_REPORTS = 12


class StudyList(QTreeWidget):
    """Series in the order of `study_tree`; thumbnails come when a row is first seen."""

    def __init__(self, session: Session) -> None:
        super().__init__(objectName="study-list")
        self._session = session
        self._thumbnails = Thumbnails(session)
        self._pictures: dict[str, QPixmap] = {}
        self._items: dict[str, QTreeWidgetItem] = {}
        self._filter = ""
        self.setHeaderHidden(True)
        self.setIndentation(0)  # every pixel is needed for the texts; headings draw their own arrows
        self.setRootIsDecorated(False)
        self.setExpandsOnDoubleClick(False)
        self.itemClicked.connect(self._on_click)
        self.setUniformRowHeights(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self._delegate = StudyDelegate(self)
        self.setItemDelegate(self._delegate)
        self._rebuild_later = Later(self, self.rebuild)
        self._rows_later = Later(self, self.refresh_rows)
        self._pictures_later = Later(self, self._request_pictures, 30)
        session.series_changed.connect(self._rebuild_later.ask)
        session.display_changed.connect(self._on_display)
        for signal in (session.layers_changed, session.active_changed):
            signal.connect(self._rows_later.ask)
        self._thumbnails.changed.connect(self._on_picture)
        self.verticalScrollBar().valueChanged.connect(self._pictures_later.ask)
        self.itemExpanded.connect(self._pictures_later.ask)
        self._names = self._names_shown()
        self.rebuild()

    # --- content ---

    def rebuild(self) -> None:
        """Show the session's series; what was folded stays folded."""
        folded = {i.data(0, KEY) for i in self._headings() if not i.isExpanded()}
        current = self.series_of(self.currentItem())
        self._names = self._names_shown()
        self._delegate.warning = QColor(theme_of(self._session).warning)
        self.clear()
        self._items.clear()
        patients = study_tree(self._session.series, names=self._names)
        for number, patient in enumerate(patients, 1):
            title = patient.title(names=self._names, number=number if len(patients) > 1 else 0)
            parent = self._heading(self, "patient", title, patient.key) if title else self
            for study in patient.studies:
                heading = self._heading(parent, "study" if title else "patient", study.title, patient.key + study.key)
                for series in study.series:
                    item = QTreeWidgetItem(heading)
                    self._items[series.id] = item
                    self._fill(item, series)
                    if current is not None and series.id == current.id:
                        self.setCurrentItem(item)
        for item in self._headings():
            item.setExpanded(item.data(0, KEY) not in folded)
        self.set_filter(self._filter)
        self._pictures_later.ask()

    def refresh_rows(self) -> None:
        """Show which series are on screen."""
        for series in self._session.series:
            if series.id in self._items:
                self._fill(self._items[series.id], series)

    def set_filter(self, text: str) -> None:
        """Show only series in whose row a text occurs."""
        self._filter = text
        wanted = text.strip().casefold()
        for item in self._items.values():
            row: Row = item.data(0, DATA)
            item.setHidden(wanted not in " ".join((row.title, *row.lines)).casefold())
        for heading in reversed(self._headings()):  # inner ones first
            heading.setHidden(all(heading.child(n).isHidden() for n in range(heading.childCount())))
        self._pictures_later.ask()

    @staticmethod
    def series_of(item: QTreeWidgetItem | None) -> Series | None:
        """Return the series of a row."""
        row = item.data(0, DATA) if item is not None else None
        return row.series if row is not None else None

    def item_of(self, series: Series) -> QTreeWidgetItem | None:
        """Return the row of a series."""
        return self._items.get(series.id)

    def _heading(self, parent: QTreeWidget | QTreeWidgetItem, kind: str, title: str, key: str) -> QTreeWidgetItem:
        item = QTreeWidgetItem(parent)
        item.setData(0, DATA, Row(kind, title))
        item.setData(0, KEY, key)
        item.setToolTip(0, title)
        return item

    def _headings(self) -> list[QTreeWidgetItem]:
        found, level = [], [self.topLevelItem(n) for n in range(self.topLevelItemCount())]
        while level:
            level = [i for i in level if i.data(0, KEY) is not None]
            found += level
            level = [i.child(n) for i in level for n in range(i.childCount())]
        return found

    def _fill(self, item: QTreeWidgetItem, series: Series) -> None:
        reports = self._session.warnings_of(series)
        has_picture = series.kind not in WITHOUT_PICTURE and series.geometry is not None
        lines = tuple(x for x in (series_facts(series), spacing_text(series) if has_picture else "") if x)
        row = Row("series", series.title, lines, series, self._picture_of(series, has_picture), has_picture,
                  len(alerts(reports)), self._session.layer_of(series) is not None,
                  "no picture" if self._thumbnails.failed(series) else "")
        item.setData(0, DATA, row)
        tip = "".join(f"<p>⚠ {escape(report_text(r))}</p>" for r in alerts(reports)[:TIP_REPORTS])
        notes = [r for r in reports if r.level == "info"]
        tip += "".join(f"<p>{escape(report_text(r))}</p>" for r in notes[:TIP_REPORTS])
        facts = " · ".join(x for x in (KINDS[series.kind], series.modality, size_text(series), spacing_text(series),
                                       f"{len(series.files)} file{'s' * (len(series.files) != 1)}") if x)
        item.setToolTip(0, f"<p><b>{escape(series.title)}</b><br/>{escape(facts)}</p>{tip}")

    # --- thumbnails ---

    def _picture_of(self, series: Series, has_picture: bool) -> QPixmap | None:
        if has_picture:
            return self._pictures.get(series.id)
        name = OBJECT_ICONS.get(series.kind, "image")
        return icon(name, self.palette().color(QPalette.ColorRole.PlaceholderText).name()).pixmap(OBJECT_ICON)

    def _request_pictures(self) -> None:
        """Ask for the thumbnails of the rows in sight."""
        item = self.itemAt(4, 4) or self.topLevelItem(0)
        bottom = self.viewport().height()
        while item is not None and self.visualItemRect(item).top() <= bottom:
            series = self.series_of(item)
            if series is not None and series.id not in self._pictures:
                self._thumbnails.get(series)
            item = self.itemBelow(item)

    def _on_picture(self, series_id: str) -> None:
        series = next((s for s in self._session.series if s.id == series_id), None)
        picture = self._thumbnails.get(series) if series is not None else None
        if picture is not None:
            rows, columns, _ = picture.shape
            image = QImage(picture.tobytes(), columns, rows, columns * 3, QImage.Format.Format_RGB888)
            self._pictures[series_id] = QPixmap.fromImage(image)
        if series is not None and series_id in self._items:
            self._fill(self._items[series_id], series)

    # --- the rest ---

    def _on_click(self, item: QTreeWidgetItem) -> None:
        if item.childCount():
            item.setExpanded(not item.isExpanded())

    def _names_shown(self) -> bool:
        return not self._session.hide_names and self._session.settings.values.show_names

    def _on_display(self) -> None:
        if self._names != self._names_shown():
            self._rebuild_later.ask()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter opens; other keys move in the list."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentItem() is not None:
            self.itemActivated.emit(self.currentItem(), 0)
            return
        super().keyPressEvent(event)

    def resizeEvent(self, event) -> None:  # noqa: ANN001 - QResizeEvent
        """More rows may be in sight."""
        super().resizeEvent(event)
        self._pictures_later.ask()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_rebuild_later"):
            self._rebuild_later.ask()
