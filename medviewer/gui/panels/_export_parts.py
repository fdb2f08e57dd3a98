"""Parts of the export panel: where from, where to, the preview, and the running export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from medviewer.app.exporting import Preview, common_reasons
from medviewer.gui.panels._parts import ElidedLabel, dim_label, theme_of

if TYPE_CHECKING:
    from medviewer.app.jobs import RunningJob
    from medviewer.app.session import Session

MOST_LINES = 500
TREE_HEIGHT, SKIPPED_HEIGHT = 190, 110


class PathRow(QWidget):
    """A folder that can be typed or chosen."""

    changed = pyqtSignal()

    def __init__(self, name: str, placeholder: str, title: str) -> None:
        super().__init__()
        self._title = title
        self.line = QLineEdit(objectName=name, placeholderText=placeholder)
        self.browse = QToolButton(objectName=f"{name}-browse", text="…", toolTip=title)
        box = QHBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        box.addWidget(self.line, 1)
        box.addWidget(self.browse)
        self.line.textChanged.connect(self.changed)
        self.browse.clicked.connect(self._ask)

    def path(self) -> Path | None:
        """Return the folder, or None."""
        text = self.line.text().strip()
        return Path(text).expanduser() if text else None

    def _ask(self) -> None:
        found = QFileDialog.getExistingDirectory(self, self._title, self.line.text())
        if found:
            self.line.setText(found)


class SourceChoice(QWidget):
    """The open studies, or a folder."""

    changed = pyqtSignal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.open_ones = QRadioButton("What is open", objectName="export-source-open", checked=True)
        self.names = ElidedLabel(dim=True)
        self.other = QRadioButton("A folder", objectName="export-source-folder")
        self.folder = PathRow("export-source", "Folder with images and annotations", "Choose a source folder")
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        for widget in (self.open_ones, self.names, self.other, self.folder):
            box.addWidget(widget)
        self.names.setContentsMargins(22, 0, 0, 0)
        self.folder.layout().setContentsMargins(22, 0, 0, 0)
        self.open_ones.toggled.connect(self._on_toggled)
        self.folder.changed.connect(self.changed)
        self.refresh()

    def refresh(self) -> None:
        """Show which paths are open."""
        names = [p.name or str(p) for p in self._session.sources]
        self.names.set_full(", ".join(names) if names else "nothing yet")
        self.names.setVisible(self.open_ones.isChecked())
        self.folder.setVisible(self.other.isChecked())

    def paths(self) -> tuple[Path, ...]:
        """Return the sources."""
        if self.open_ones.isChecked():
            return tuple(self._session.sources)
        folder = self.folder.path()
        return (folder,) if folder is not None else ()

    def _on_toggled(self) -> None:
        self.refresh()
        self.changed.emit()


class PreviewTree(QWidget):
    """What will be exported, problems first."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.count: int | None = None  # None while it is not known
        self.summary = QLabel(objectName="export-summary", wordWrap=True)
        self.summary.setTextFormat(Qt.TextFormat.PlainText)
        self.tree = QTreeWidget(objectName="export-tree", headerHidden=True)
        self.tree.setFixedHeight(TREE_HEIGHT)
        self.tree.setIndentation(14)
        self.tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self.summary)
        box.addWidget(self.tree)
        self.show_text("Open a study or choose a folder to see what would be exported.")

    def show_text(self, text: str, *, problem: bool = False) -> None:
        """Show a sentence instead of a list."""
        self.count = 0 if problem else None
        self.summary.setText(text)
        self.tree.hide()

    def show_preview(self, preview: Preview) -> None:
        """Show a list."""
        self.count = preview.count
        self.summary.setText(preview.summary() if preview.count or preview.problems or preview.left_out else
                             "Nothing to export: there is no image with a mask or contour here.")
        self.tree.clear()
        self._branch("Problems", preview.problems, expanded=True, warn=True)
        for folder, titles in preview.groups:
            self._branch(folder, titles)
        self._branch("Left out", preview.left_out)
        self.tree.setVisible(self.tree.topLevelItemCount() > 0)

    def _branch(self, title: str, lines: tuple[str, ...], *, expanded: bool = False, warn: bool = False) -> None:
        if not lines:
            return
        item = QTreeWidgetItem(self.tree, [f"{title}  ({len(lines)})"])
        if warn:
            item.setForeground(0, QColor(theme_of(self._session).warning))
        item.setToolTip(0, "\n".join(common_reasons(lines)) if warn or title == "Left out" else title)
        for line in lines[:MOST_LINES]:
            child = QTreeWidgetItem(item, [line.replace(": ", "\n", 1)])  # the reason stands below the item
            child.setToolTip(0, line)
        if len(lines) > MOST_LINES:
            QTreeWidgetItem(item, [f"… and {len(lines) - MOST_LINES} more"])
        item.setExpanded(expanded)


class RunRow(QWidget):
    """The button, the progress, and what came of it."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.folder: Path | None = None
        self.run = QPushButton("Export", objectName="export-run")
        self.run.setProperty("primary", True)
        self.reason = dim_label("", "export-why-not")
        self.bar = QProgressBar(objectName="export-bar", minimum=0, maximum=1000, textVisible=False)
        self.cancel = QPushButton("Cancel", objectName="export-cancel")
        self.state = dim_label("", "export-state")
        self.result = QLabel(objectName="export-result", wordWrap=True)
        self.result.setTextFormat(Qt.TextFormat.PlainText)
        self.skipped = QListWidget(objectName="export-skipped")
        self.skipped.setWordWrap(True)
        self.skipped.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.skipped.setFixedHeight(SKIPPED_HEIGHT)
        self.open_folder = QPushButton("Open folder", objectName="export-open-folder")
        progress = QHBoxLayout()
        progress.addWidget(self.bar, 1)
        progress.addWidget(self.cancel)
        box = QVBoxLayout(self)
        box.setContentsMargins(12, 6, 8, 8)
        box.addWidget(self.run)
        box.addWidget(self.reason)
        box.addLayout(progress)
        for widget in (self.state, self.result, self.skipped, self.open_folder):
            box.addWidget(widget)
        self._running = False
        self._arrange()

    def begin(self) -> None:
        """Show progress."""
        self._running, self.folder = True, None
        self.result.clear()
        self.skipped.clear()
        self.bar.setMaximum(0)
        self.cancel.setEnabled(True)
        self._arrange()

    def end(self, text: str, skipped: list[str], folder: Path | None, *, problem: bool = False) -> None:
        """Show the result."""
        self._running, self.folder = False, folder
        self.result.setText(text)
        self.result.setStyleSheet(f"color: {theme_of(self._session).warning};" if problem else "")
        self.skipped.clear()
        self.skipped.addItems(skipped[:MOST_LINES])
        self._arrange()

    def stopping(self) -> None:
        """Say that the export will stop after the file in hand."""
        self.cancel.setEnabled(False)
        self.state.setText("Stopping…")

    def refresh(self, entry: RunningJob) -> None:
        """Show how far the export is."""
        self.bar.setMaximum(1000 if entry.fraction > 0 else 0)
        self.bar.setValue(int(entry.fraction * 1000))
        left = entry.seconds_left
        self.state.setText(f"{entry.fraction:.0%}" + (f" · {left:.0f} s left" if left and left > 1 else ""))

    def why_not(self, text: str) -> None:
        """Say why the button is off."""
        self.reason.setText(text)
        self.reason.setVisible(bool(text))

    def _arrange(self) -> None:
        for widget in (self.bar, self.cancel, self.state):
            widget.setVisible(self._running)
        self.result.setVisible(bool(self.result.text()))
        self.skipped.setVisible(self.skipped.count() > 0)
        self.open_folder.setVisible(self.folder is not None)
