"""The data set check in the window: run it in a job, open a case at its worst slice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from medviewer.app.layers import LabelLayer
from medviewer.core.job import Job

if TYPE_CHECKING:
    from medviewer.app.session import Session
    from medviewer.export.case_check import CheckedCase
    from medviewer.export.dataset_check import CheckReport


class DatasetCheck:
    """State of the check: what was looked at and what was found, the worst case first."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        self._session = session
        self.sources: tuple[Path, ...] = ()
        self.report: CheckReport | None = None
        self._wanted: CheckedCase | None = None
        session.layers_changed.connect(self._on_layers)

    @property
    def running(self) -> bool:
        """Whether a check runs."""
        return self._session.jobs.is_running("dataset-check")

    def start(self, sources: Sequence[Path]) -> None:
        """Check all masks of files and folders."""
        self.sources = tuple(sources)
        self.report = None

        def work(job: Job) -> CheckReport:
            from medviewer.export.dataset_check import check_dataset

            return check_dataset(list(self.sources), pictures=True, job=job)

        names = ", ".join(p.name for p in self.sources[:2])
        self._session.jobs.start("dataset-check", work, title=f"Checking {names}", done=self._done,
                                 failed=self._session.report, cancelled=self.changed.emit)
        self.changed.emit()

    def _done(self, report: CheckReport) -> None:
        self.report = report
        self.changed.emit()

    def open_case(self, case: CheckedCase) -> None:
        """Show a case: its image with its mask, at the slice of the worst problem."""
        paths = [Path(text) for text in dict.fromkeys((case.image, case.mask)) if Path(text).exists()]
        if not paths:
            self._session.message.emit(f"{Path(case.mask).name} is no longer where it was")
            return
        self._wanted = case
        self._session.close_all()
        self._session.open_paths(paths, remember=False)

    def _on_layers(self) -> None:
        session, case = self._session, self._wanted
        if case is None or session.active is None:
            return
        if not (session.labels() or session.contours()):
            return
        self._wanted = None
        k = next((p.slice for p in case.problems if p.slice is not None), None)
        geometry = session.active.volume.geometry
        if k is None or not 0 <= k < geometry.shape[0]:
            return
        index = geometry.to_index(session.focus())
        index[0] = k
        layer = session.labels()[0] if session.labels() else None
        if isinstance(layer, LabelLayer) and layer.labels.geometry.same_grid(geometry):
            spot = (layer.labels.layers[0][k] > 0).nonzero()
            if len(spot[0]):
                index[1:] = float(spot[0].mean()), float(spot[1].mean())
        session.set_focus(geometry.to_lps(index))

    def save_html(self, path: Path) -> None:
        """Write the report with pictures as one HTML file."""
        if self.report is not None:
            from medviewer.export.reports.check_html import write_check_html

            write_check_html(self.report, path)
