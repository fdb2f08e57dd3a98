"""The measurements: a list to name, click, delete, export and import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QSignalBlocker, Qt
from PyQt6.QtGui import QKeySequence, QShortcut
from PyQt6.QtWidgets import QAbstractItemView, QFileDialog, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from medviewer.app import measure_rows
from medviewer.core.errors import MedviewerError
from medviewer.gui.icons import row_icon
from medviewer.gui.panels._parts import IconButton, Later, Panel, Section, dim_label

if TYPE_CHECKING:
    from medviewer.app.measure_rows import MeasureRow
    from medviewer.app.session import Session

NAME, RESULT, SLICE = range(3)
ID = Qt.ItemDataRole.UserRole
NOTHING = "No measurements yet. Choose length (D), angle (A) or another tool and draw in a view."
MAX_HEIGHT = 320


class MeasurementsPanel(Section):
    """The list of the session's measurements."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Measurements", "panel-measurements", parent=parent)
        self.session = session
        self.table = measure_rows.MeasureTable(session)
        self.empty = dim_label(NOTHING, "measurements-empty")
        self.tree = _make_tree()
        self.delete = IconButton("trash", "Delete the chosen measurements (Del)", "measurements-delete")
        self.clear = IconButton("close", "Delete all measurements", "measurements-clear")
        self.export = IconButton("save", "Export as JSON…", "measurements-export")
        self.import_ = IconButton("import", "Import from JSON…", "measurements-import")
        for button in (self.import_, self.export, self.delete, self.clear):
            self.buttons.addWidget(button)
        self.content.addWidget(self.empty)
        self.content.addWidget(self.tree)
        self.tree.itemClicked.connect(lambda item, _: measure_rows.go_to(session, item.data(NAME, ID)))
        self.tree.itemChanged.connect(self._on_edited)
        self.tree.itemSelectionChanged.connect(self._enable)
        self.delete.clicked.connect(self.delete_chosen)
        self.clear.clicked.connect(session.annotations.clear)
        self.export.clicked.connect(self._ask_export)
        self.import_.clicked.connect(self._ask_import)
        for key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            QShortcut(QKeySequence(key), self.tree, self.delete_chosen, context=Qt.ShortcutContext.WidgetShortcut)
        self._shown: list[MeasureRow] = []
        self._later = Later(self, self.refresh)
        for signal in (session.annotations.changed, session.layers_changed, session.loaded_slices):
            signal.connect(self._later.ask)
        self.refresh()

    def refresh(self) -> None:
        """Show the measurements as they are."""
        rows = self.table.rows()
        with QSignalBlocker(self.tree):
            if rows != self._shown:
                self._shown = rows
                self._fill(rows)
            selected = self.session.annotations.selected
            if [i.data(NAME, ID) for i in self.tree.selectedItems()] != [selected] and len(rows):
                self.tree.clearSelection()
                for item in self._items():
                    if item.data(NAME, ID) == selected:
                        self.tree.setCurrentItem(item)
        self.empty.setVisible(not rows)
        self.tree.setVisible(bool(rows))
        self._enable()

    def delete_chosen(self) -> None:
        """Delete the selected measurements."""
        for item in self.tree.selectedItems():
            self.session.annotations.remove(item.data(NAME, ID))

    def export_to(self, path: Path) -> None:
        """Write all measurements as JSON."""
        try:
            measure_rows.export_json(self.session, path)
        except MedviewerError as error:
            self.session.report(error)
        else:
            self.session.message.emit(f"Measurements written to {path.name}")

    def import_from(self, path: Path) -> None:
        """Add measurements from JSON."""
        try:
            count = measure_rows.import_json(self.session, path)
        except MedviewerError as error:
            self.session.report(error)
        else:
            self.session.message.emit(f"{count} measurements imported from {path.name}")

    def _fill(self, rows: list[MeasureRow]) -> None:
        colour = self.palette().windowText().color().name()
        chosen = self.palette().highlightedText().color().name()
        self.tree.clear()
        for row in rows:
            item = QTreeWidgetItem([row.name, "\n".join(row.lines[:2]), row.slice])
            item.setData(NAME, ID, row.id)
            item.setIcon(NAME, row_icon(row.kind, colour, chosen))
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
            tip = "\n".join([measure_rows.LABELS[row.kind], *row.lines, row.slice])
            for column in (NAME, RESULT, SLICE):
                item.setToolTip(column, tip)
            self.tree.addTopLevelItem(item)
        height = sum(self.tree.sizeHintForRow(n) for n in range(len(rows))) + self.tree.header().sizeHint().height()
        self.tree.setFixedHeight(min(height + 6, MAX_HEIGHT))

    def _items(self) -> list[QTreeWidgetItem]:
        return [self.tree.topLevelItem(n) for n in range(self.tree.topLevelItemCount())]

    def _on_edited(self, item: QTreeWidgetItem, column: int) -> None:
        if column == NAME:
            measure_rows.rename(self.session, item.data(NAME, ID), item.text(NAME))

    def _enable(self) -> None:
        self.delete.setEnabled(bool(self.tree.selectedItems()))
        self.clear.setEnabled(bool(self._shown))
        self.export.setEnabled(bool(self._shown))

    def _ask_export(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Export measurements", "measurements.json", "JSON (*.json)")
        if path:
            self.export_to(Path(path))

    def _ask_import(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Import measurements", "", "JSON (*.json)")
        if path:
            self.import_from(Path(path))


def _make_tree() -> QTreeWidget:
    tree = QTreeWidget(objectName="measurement-list")
    tree.setHeaderLabels(["Name", "Result", "Slice"])
    tree.setRootIsDecorated(False)
    tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
    tree.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed)
    tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    tree.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    header = tree.header()
    header.setStretchLastSection(False)
    header.setMinimumSectionSize(30)
    header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
    for column in (RESULT, SLICE):
        header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
    return tree


PANEL = Panel("measurements", "Measurements", "right", "view", 30, MeasurementsPanel)
