"""Check a whole data set: a table of cases, the most suspicious first; a click opens the case at its worst slice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from medviewer.app.checking import DatasetCheck
from medviewer.core.errors import MedviewerError
from medviewer.gui.panels._parts import Later, Panel, Section, dim_label

if TYPE_CHECKING:
    from medviewer.app.session import Session
    from medviewer.export.case_check import CheckedCase

INTRO = ("Looks at every mask of a folder: wrong grids, flips, shifts, empty, cut or doubled masks, odd labels. The "
         "most suspicious come first; a correct data set stays quiet.")
CASE = Qt.ItemDataRole.UserRole
MIN_HEIGHT = 220
BAD, FAIR, GOOD = QColor(235, 87, 87), QColor(242, 201, 76), QColor(96, 200, 118)
BAD_SCORE = 0.5


class DatasetCheckPanel(Section):
    """Folder, run, table."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Check a data set", "panel-dataset-check", parent=parent)
        self.session = session
        self.check = DatasetCheck(session)
        self.text = dim_label(INTRO, "check-text")
        self.folder = QPushButton("Check a folder …", objectName="check-folder")
        self.folder.setProperty("primary", True)
        self.opened = QPushButton("Check what is open", objectName="check-open")
        self.html = QPushButton("Save report …", objectName="check-html")
        self.tree = _tree()
        row = QHBoxLayout()
        row.addWidget(self.folder, 1)
        row.addWidget(self.opened, 1)
        self.content.addWidget(self.text)
        self.content.addLayout(row)
        self.content.addWidget(self.tree)
        self.content.addWidget(self.html)
        self.folder.clicked.connect(self._ask_folder)
        self.opened.clicked.connect(lambda: self.check.start(session.sources))
        self.html.clicked.connect(self._ask_html)
        self.tree.itemActivated.connect(self._open)
        self.tree.itemClicked.connect(self._open)
        self._later = Later(self, self.refresh)
        for signal in (self.check.changed, session.series_changed, session.jobs.changed):
            signal.connect(self._later.ask)
        self._shown: object = None
        self.refresh()

    def refresh(self) -> None:
        """Show the state of the check."""
        report, running = self.check.report, self.check.running
        self.opened.setEnabled(bool(self.session.sources) and not running)
        self.folder.setEnabled(not running)
        self.html.setVisible(report is not None)
        self.tree.setVisible(report is not None)
        if running:
            self.text.setText("Checking; the window can be used meanwhile.")
        elif report is None:
            self.text.setText(INTRO)
        else:
            count = len(report.cases)
            left_out = f" {len(report.skipped)} could not be checked." if report.skipped else ""
            found = f"{report.problems} of {count} with problems." if report.problems else \
                f"{count} checked, nothing suspicious."
            self.text.setText(found + left_out)
        if report is not self._shown:
            self._shown = report
            self._fill()

    def _fill(self) -> None:
        self.tree.clear()
        report = self.check.report
        if report is None:
            return
        for case in report.cases:
            self.tree.addTopLevelItem(_item(case))
        for failure in report.skipped:
            item = QTreeWidgetItem(["–", Path(failure.item).name, failure.reason])
            item.setToolTip(1, failure.item)
            item.setToolTip(2, failure.reason)
            self.tree.addTopLevelItem(item)

    def _open(self, item: QTreeWidgetItem) -> None:
        case = item.data(0, CASE)
        if case is not None:
            self.check.open_case(case)

    def _ask_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Folder with images and masks")
        if path:
            self.check.start([Path(path)])

    def _ask_html(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save report", "check.html", "HTML (*.html)")
        if path:
            try:
                self.check.save_html(Path(path))
            except MedviewerError as error:
                self.session.report(error)


def _tree() -> QTreeWidget:
    tree = QTreeWidget(objectName="check-cases")
    tree.setHeaderLabels(["", "Mask", "Worst problem"])
    tree.setRootIsDecorated(False)
    tree.setUniformRowHeights(True)
    tree.setMinimumHeight(MIN_HEIGHT)
    tree.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    header = tree.header()
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(1, QHeaderView.ResizeMode.Interactive)
    header.resizeSection(1, 110)
    return tree


def _item(case: CheckedCase) -> QTreeWidgetItem:
    problem = case.problems[0].problem if case.problems else "nothing suspicious"
    item = QTreeWidgetItem([f"{100 * case.score:.0f}", Path(case.mask).name, problem])
    item.setData(0, CASE, case)
    item.setForeground(0, BAD if case.score >= BAD_SCORE else FAIR if case.problems else GOOD)
    lines = "\n".join(f"• {p.problem} {p.fix}".strip() for p in (*case.problems, *case.notes)) or "Nothing suspicious."
    for column in range(3):
        item.setToolTip(column, f"{case.mask}\non {case.image}\n\n{lines}")
    return item


PANEL = Panel("dataset-check", "Check a data set", "right", "check", 20, DatasetCheckPanel)
