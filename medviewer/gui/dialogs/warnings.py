"""What was odd in a series, in plain words, and what medviewer did about it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from medviewer.app.study_tree import report_text, series_facts, spacing_text
from medviewer.gui.dialogs import open_one
from medviewer.gui.panels._parts import theme_of

if TYPE_CHECKING:
    from medviewer.app.session import Session
    from medviewer.core.study import Report, Series

LEVELS = {"error": "Problem", "warning": "Odd", "info": "Note"}
ORDER = list(LEVELS)


class WarningsDialog(QDialog):
    """The data doctor's page of one series."""

    def __init__(self, parent: QWidget | None, session: Session, series: Series) -> None:
        super().__init__(parent, objectName="warnings-dialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("What is odd about this series")
        self.resize(560, 440)
        self._reports = sorted(session.warnings_of(series), key=lambda r: ORDER.index(r.level))
        self._series = series
        self.text = QTextBrowser(objectName="warnings-text")
        self.text.setHtml(self._html(theme_of(session).warning, theme_of(session).dim))
        buttons = QDialogButtonBox()
        copy = buttons.addButton("Copy", QDialogButtonBox.ButtonRole.ActionRole)
        copy.setObjectName("warnings-copy")
        close = buttons.addButton(QDialogButtonBox.StandardButton.Close)
        close.setObjectName("warnings-close")
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.plain()))
        buttons.rejected.connect(self.reject)
        box = QVBoxLayout(self)
        box.addWidget(self.text, 1)
        box.addWidget(buttons)

    def plain(self) -> str:
        """Return all of it as plain text."""
        lines = [self._series.title, *(f"{LEVELS[r.level]} ({r.code}): {report_text(r)}" for r in self._reports)]
        return "\n".join(lines)

    def _html(self, warning: str, dim: str) -> str:
        facts = " · ".join(x for x in (series_facts(self._series), spacing_text(self._series)) if x)
        head = f"<h3>{escape(self._series.title)}</h3><p style='color:{dim}'>{escape(facts)}</p>"
        if not self._reports:
            return head + "<p>Nothing odd was found: geometry, slices and headers agree with each other.</p>"
        return head + "".join(self._paragraph(r, warning, dim) for r in self._reports)

    @staticmethod
    def _paragraph(report: Report, warning: str, dim: str) -> str:
        colour = dim if report.level == "info" else warning
        problem = escape(report.problem[:1].upper() + report.problem[1:])
        fix = f"<br/>{escape(report.fix[:1].upper() + report.fix[1:])}" if report.fix else ""
        return (f"<p><span style='color:{colour}'><b>{LEVELS[report.level]}</b></span>&nbsp; <b>{problem}</b>{fix}"
                f"<br/><span style='color:{dim}'>{escape(report.code)}</span></p>")


def show_warnings(parent: QWidget | None, session: Session, series: Series) -> WarningsDialog:
    """Show what is odd about a series; does not block."""
    old = open_one(parent, WarningsDialog)
    if old is not None:
        old.close()  # it may be of another series, or from before more was found
    dialog = WarningsDialog(parent, session, series)
    dialog.show()
    return dialog


