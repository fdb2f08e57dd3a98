"""The export task: what, where to, how; what it will be; the run and its result."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import QTimer, QUrl
from PyQt6.QtGui import QDesktopServices
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from medviewer.app.exporting import ExportRequest, Preview, export, preview, result_text
from medviewer.core.discover import discover
from medviewer.export.recipe import Recipe
from medviewer.gui.forms import form_for
from medviewer.gui.panels._export_parts import PathRow, PreviewTree, RunRow, SourceChoice
from medviewer.gui.panels._parts import Later, Panel, Section, dim_label

if TYPE_CHECKING:
    from PyQt6.QtGui import QShowEvent

    from medviewer.app.jobs import RunningJob
    from medviewer.app.session import Session
    from medviewer.core.errors import MedviewerError
    from medviewer.export.run import ExportResult

FIRST = ("layout", "rule", "slices", "rois", "overlays")
PREVIEW_AFTER_MS, STOP_CHECK_MS = 300, 50
WHAT = "Writes a training data set from the images and their masks or contours, checks every file by reading it " \
       "again, and records all of it in a manifest."


class ExportPanel(QWidget):
    """Source, folder and recipe; preview; run."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent, objectName="panel-export")
        self.session = session
        self.recipe = Recipe()
        self.source = SourceChoice(session)
        self.out = PathRow("export-out", "Folder to write to", "Choose an export folder")
        layouts = {x.id: x.label for x in discover("medviewer.export.layouts", "LAYOUT").values()}
        rest = [n for n, f in Recipe.model_fields.items() if f.title and n not in FIRST]
        self.form = form_for(Recipe, self.recipe, self._on_form, only=FIRST, choices={"layout": layouts})
        self.more = form_for(Recipe, self.recipe, self._on_form, only=rest)
        self.preview = PreviewTree(session)
        self.run_row = RunRow(session)
        self._compose()
        self._later = Later(self, self.check, PREVIEW_AFTER_MS)
        self._stale = True
        self._running: RunningJob | None = None
        self._stopped = QTimer(self, interval=STOP_CHECK_MS)
        self._stopped.timeout.connect(self._check_stopped)
        for change in (self.source.changed, self.out.changed):
            change.connect(self._on_change)
        self.run_row.run.clicked.connect(self.start)
        self.run_row.cancel.clicked.connect(lambda: session.jobs.cancel("export"))
        self.run_row.open_folder.clicked.connect(self._open_folder)
        session.series_changed.connect(self._on_change)
        session.jobs.changed.connect(self._on_jobs)
        self._enable()

    def _compose(self) -> None:
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        sections = [("From", "export-from", True, [dim_label(WHAT), self.source]),
                    ("To", "export-to", True, [self.out]),
                    ("How", "export-how", True, [self.form]),
                    ("More options", "export-more", False, [self.more]),
                    ("What will be written", "export-preview", True, [self.preview])]
        for title, name, expanded, parts in sections:
            section = Section(title, name, expanded=expanded)
            for part in parts:
                section.content.addWidget(part)
            box.addWidget(section)
        box.addWidget(self.run_row)

    # --- preview ---

    def request(self) -> ExportRequest:
        """Return what is asked for now."""
        return ExportRequest(self.recipe, self.source.paths(), self.out.path())

    def check(self) -> None:
        """Make the preview anew, if it is in sight."""
        if not self.isVisible():
            self._stale = True
            return
        self._stale = False
        request = self.request()
        if not request.sources:
            self.preview.show_text("Open a study or choose a folder to see what would be exported.")
            self._enable()
            return
        self.preview.show_text("Looking for images and their annotations…")
        self.session.jobs.start("export-preview", partial(preview, request), title="Checking what to export",
                                done=self._show_preview, failed=self._no_preview)

    def _show_preview(self, found: Preview) -> None:
        self.preview.show_preview(found)
        self._enable()

    def _no_preview(self, error: MedviewerError) -> None:
        self.preview.show_text(f"{error.message} {error.hint}".strip(), problem=True)
        self._enable()

    def showEvent(self, event: QShowEvent) -> None:
        """Look at the sources when the panel comes into sight."""
        super().showEvent(event)
        if self._stale:
            QTimer.singleShot(0, self.check)

    def _on_change(self) -> None:
        self._stale = True
        self.source.refresh()
        self._later.ask()
        self._enable()

    def _on_form(self, values: dict[str, Any]) -> None:
        changed = {n: values[n] for form in (self.form, self.more) if form is self.sender() for n in form.fields}
        self.recipe = Recipe.model_validate({**self.recipe.model_dump(), **changed})
        for form in (self.form, self.more):
            form.show_values(self.recipe)
        self._on_change()

    # --- run ---

    def start(self) -> None:
        """Export."""
        request = self.request()
        self.run_row.begin()
        self._running = self.session.jobs.start("export", partial(export, request), title="Exporting",
                                                done=self._done, failed=self._failed)
        self._enable()

    def _on_jobs(self) -> None:
        """Follow the progress; a cancel may also come from the status bar."""
        if self._running is None:
            return
        if self._running.job.cancelled:
            self.run_row.stopping()
            self._stopped.start()
        else:
            self.run_row.refresh(self._running)

    def _check_stopped(self) -> None:
        """Wait until nothing is being written any more."""
        if self._running is None or not self._running.finished.is_set():
            return
        self._ended()
        self.run_row.end("The export was cancelled. Finished slices are kept; another run goes on from there.", [],
                         self.out.path())
        self._enable()

    def _ended(self) -> None:
        self._running = None
        self._stopped.stop()

    def _done(self, result: ExportResult) -> None:
        self._ended()
        lines = [f"{f.item}: {f.reason}" for f in result.failures]
        self.run_row.end(result_text(result), lines, result.out)
        self._enable()

    def _failed(self, error: MedviewerError) -> None:
        self._ended()
        self.run_row.end(f"The export failed: {error.message} {error.hint}".strip(), [], None, problem=True)
        self._enable()

    def _enable(self) -> None:
        missing = "Open a study or choose a source folder first." if not self.source.paths() else \
            "Choose a folder to write to." if self.out.path() is None else \
            "There is nothing to export." if self.preview.count == 0 else ""
        self.run_row.run.setEnabled(not missing and self._running is None)
        self.run_row.why_not(missing if self._running is None else "")

    def _open_folder(self) -> None:
        folder: Path | None = self.run_row.folder
        if folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


PANEL = Panel("export", "Export", "right", "export", 10, ExportPanel)
