"""The header of the files of a series: a tree with search, read in the background."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QSpinBox,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from medviewer.gui.dialogs import open_one
from medviewer.gui.panels._parts import ElidedLabel, Later, dim_label
from medviewer.io.header_rows import HeaderRow, filter_rows, header_rows, hide_personal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medviewer.app.session import Session
    from medviewer.core.errors import MedviewerError
    from medviewer.core.study import Series

TAG, NAME, VR, VALUE = range(4)
ROW = Qt.ItemDataRole.UserRole
SEARCH_AFTER_MS = 150


class TagsDialog(QDialog):
    """Shows one file at a time."""

    def __init__(self, parent: QWidget | None, session: Session, series: Series) -> None:
        super().__init__(parent, objectName="tags-dialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"Tags of {series.title}")
        self.resize(780, 620)
        self._session, self.series = session, series
        self._rows: list[HeaderRow] = []
        self.search = QLineEdit(objectName="tags-search", placeholderText="Search tag, name or value",
                                clearButtonEnabled=True)
        self.number = QSpinBox(objectName="tags-file", minimum=1, maximum=max(len(series.files), 1))
        self.file = ElidedLabel(dim=True)
        self.note = dim_label("", "tags-note")
        self.tree = self._make_tree()
        self._compose(len(series.files))
        self._search_later = Later(self, self.show_rows, SEARCH_AFTER_MS)
        self.search.textChanged.connect(self._search_later.ask)
        self.number.valueChanged.connect(self.read)
        self.tree.itemExpanded.connect(self._fill_children)
        self.number.setValue((len(series.files) + 1) // 2)
        self.read()

    def _make_tree(self) -> QTreeWidget:
        tree = QTreeWidget(objectName="tags-tree")
        tree.setHeaderLabels(["Tag", "Name", "VR", "Value"])
        tree.setAlternatingRowColors(True)
        tree.setUniformRowHeights(True)
        tree.setIndentation(14)
        tree.header().setSectionResizeMode(VALUE, QHeaderView.ResizeMode.Stretch)
        for column, width in ((TAG, 150), (NAME, 230), (VR, 40)):
            tree.header().resizeSection(column, width)
        tree.itemDoubleClicked.connect(lambda item, _: QGuiApplication.clipboard().setText(item.text(VALUE)))
        return tree

    def _compose(self, count: int) -> None:
        top = QHBoxLayout()
        top.addWidget(self.search, 1)
        top.addWidget(QLabel("File"))
        top.addWidget(self.number)
        top.addWidget(QLabel(f"of {count}"))
        box = QVBoxLayout(self)
        box.addLayout(top)
        box.addWidget(self.file)
        box.addWidget(self.tree, 1)
        box.addWidget(self.note)

    def read(self) -> None:
        """Read the chosen file."""
        if not self.series.files:
            self.note.setText("This series has no files.")
            return
        path: Path = self.series.files[self.number.value() - 1]
        self.file.set_full(path.name)
        self.note.setText("Reading…")
        self._session.jobs.start(("tags", id(self)), partial(header_rows, path), title=f"Reading {path.name}",
                                 done=self._show, failed=self._failed)

    def show_rows(self) -> None:
        """Show the rows that fit the search."""
        text = self.search.text()
        rows = filter_rows(self._rows, text) if text.strip() else self._rows
        self.tree.clear()
        self._add(self.tree.invisibleRootItem(), rows)
        if text.strip():
            for n in range(self.tree.topLevelItemCount()):
                self._expand(self.tree.topLevelItem(n))
        self.note.setText("Nothing fits the search." if not rows and self._rows else
                          "Double-click a line to copy its value.")

    def _show(self, rows: list[HeaderRow]) -> None:
        hidden = self._session.hide_names or not self._session.settings.values.show_names
        self._rows = hide_personal(rows) if hidden else rows
        self.show_rows()

    def _failed(self, error: MedviewerError) -> None:
        self._rows = []
        self.tree.clear()
        self.note.setText(str(error))

    def _add(self, parent: QTreeWidgetItem, rows: Sequence[HeaderRow]) -> None:
        items = []
        for row in rows:
            item = QTreeWidgetItem([row.tag, row.name, row.vr, row.value])
            item.setToolTip(VALUE, row.value if len(row.value) > 60 else "")
            if row.children:
                item.setData(TAG, ROW, row)
                item.setChildIndicatorPolicy(QTreeWidgetItem.ChildIndicatorPolicy.ShowIndicator)
            items.append(item)
        parent.addChildren(items)

    def _fill_children(self, item: QTreeWidgetItem) -> None:
        row = item.data(TAG, ROW)
        if row is not None and item.childCount() == 0:
            self._add(item, row.children)

    def _expand(self, item: QTreeWidgetItem) -> None:
        self._fill_children(item)
        item.setExpanded(True)
        for n in range(item.childCount()):
            self._expand(item.child(n))

    def done(self, result: int) -> None:
        """Stop reading when closed."""
        self._session.jobs.cancel(("tags", id(self)))
        super().done(result)


def show_tags(parent: QWidget | None, session: Session, series: Series) -> TagsDialog:
    """Show the headers of a series; does not block."""
    dialog = open_one(parent, TagsDialog)
    if dialog is not None and dialog.series.id != series.id:
        dialog.close()
        dialog = None
    dialog = dialog or TagsDialog(parent, session, series)
    dialog.show()
    return dialog
