"""The export panel."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from PyQt6.QtWidgets import QAbstractButton, QComboBox

from medviewer.app import exporting
from medviewer.app.exporting import Preview
from medviewer.core.errors import WriteError
from medviewer.export.cases import Failure
from medviewer.export.run import ExportResult
from medviewer.gui.panels import export as module

pytestmark = pytest.mark.gui
PREVIEW = Preview((("patient-1", ("slice 1", "slice 2")), ("patient-2", ("slice 1",))), ("a.txt: no image",),
                  ("b: odd",))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[exporting.ExportRequest]:
    """Stand in for the export itself; its own tests are elsewhere."""
    requests: list[exporting.ExportRequest] = []

    def preview(request: exporting.ExportRequest, job: object) -> Preview:
        requests.append(request)
        return PREVIEW

    monkeypatch.setattr(module, "preview", preview)
    return requests


@pytest.fixture
def panel(session, qtbot, asked):  # noqa: ANN001, ANN201
    widget = module.PANEL.build(session, None)
    qtbot.addWidget(widget)
    widget.resize(320, 900)
    widget.show()
    return widget


def button(panel, name: str):  # noqa: ANN001, ANN201
    return panel.findChild(QAbstractButton, name)


def test_empty_panel_says_what_is_missing(panel) -> None:  # noqa: ANN001
    assert not button(panel, "export-run").isEnabled()
    assert "Open a study" in panel.run_row.reason.text()
    assert "Open a study" in panel.preview.summary.text()


def choose(session, panel, qtbot, tmp_path: Path) -> None:  # noqa: ANN001
    session.sources = [tmp_path]
    panel.out.line.setText(str(tmp_path / "out"))
    session.series_changed.emit()
    qtbot.waitUntil(lambda: panel.preview.count == 3)


def test_preview_lists_cases_and_problems(session, panel, qtbot, tmp_path, asked) -> None:  # noqa: ANN001
    choose(session, panel, qtbot, tmp_path)
    assert panel.preview.summary.text() == "3 slices in 2 folders · 1 problem · 1 left out"
    tree = panel.preview.tree
    titles = [tree.topLevelItem(n).text(0) for n in range(tree.topLevelItemCount())]
    assert titles == ["Problems  (1)", "patient-1  (2)", "patient-2  (1)", "Left out  (1)"]
    assert asked[-1].sources == (tmp_path,)
    assert button(panel, "export-run").isEnabled()


def test_options_reach_the_recipe(session, panel, qtbot, tmp_path, asked) -> None:  # noqa: ANN001
    choose(session, panel, qtbot, tmp_path)
    combo = panel.form.findChild(QComboBox, "field-rule")
    combo.setCurrentIndex(combo.findData("pixel-centre"))
    panel.more.fields["list_paths"].findChild(QComboBox).setCurrentIndex(1)
    qtbot.waitUntil(lambda: asked[-1].recipe.rule == "pixel-centre" and asked[-1].recipe.list_paths == "as-given")
    assert asked[-1].recipe.layout == "npz-slices"


def test_another_folder_as_source(session, panel, qtbot, tmp_path, asked) -> None:  # noqa: ANN001
    button(panel, "export-source-folder").click()
    panel.source.folder.line.setText(str(tmp_path / "in"))
    qtbot.waitUntil(lambda: bool(asked) and asked[-1].sources == (tmp_path / "in",))


def test_run_shows_the_result(session, panel, qtbot, tmp_path, monkeypatch) -> None:  # noqa: ANN001
    def run(request: exporting.ExportRequest, job: object) -> ExportResult:
        return ExportResult(request.out, 3, 1, (Failure("a.txt", "no image"),), (), ())

    monkeypatch.setattr(module, "export", run)
    choose(session, panel, qtbot, tmp_path)
    button(panel, "export-run").click()
    assert not button(panel, "export-run").isEnabled()
    qtbot.waitUntil(lambda: panel.run_row.result.text() != "")
    assert panel.run_row.result.text() == "3 slices written and checked, 1 kept from an earlier run, 1 skipped."
    assert panel.run_row.skipped.item(0).text() == "a.txt: no image"
    assert button(panel, "export-open-folder").isVisible()
    assert button(panel, "export-run").isEnabled()


def test_failure_is_told(session, panel, qtbot, tmp_path, monkeypatch) -> None:  # noqa: ANN001
    def run(request: object, job: object) -> None:
        raise WriteError("the disk is full")

    monkeypatch.setattr(module, "export", run)
    choose(session, panel, qtbot, tmp_path)
    button(panel, "export-run").click()
    qtbot.waitUntil(lambda: "the disk is full" in panel.run_row.result.text())
    assert not button(panel, "export-open-folder").isVisible()


def test_cancel_waits_until_nothing_is_written(session, panel, qtbot, tmp_path, monkeypatch) -> None:  # noqa: ANN001
    go_on = threading.Event()

    def run(request: object, job) -> None:  # noqa: ANN001
        go_on.wait(5)
        job.check()

    monkeypatch.setattr(module, "export", run)
    choose(session, panel, qtbot, tmp_path)
    button(panel, "export-run").click()
    button(panel, "export-cancel").click()
    assert panel.run_row.state.text() == "Stopping…"
    assert not button(panel, "export-run").isEnabled()
    go_on.set()
    qtbot.waitUntil(lambda: "was cancelled" in panel.run_row.result.text())
    assert button(panel, "export-run").isEnabled()


def test_real_export_of_the_sunnybrook_sample(session, qtbot, tmp_path, shared) -> None:  # noqa: ANN001
    """SCD0000101: 18 inner contours, all with an image (data README); no window needed for the words."""
    from medviewer.core.job import Job
    from medviewer.export.recipe import Recipe

    request = exporting.ExportRequest(Recipe(), (shared / "sunnybrook",))
    found = exporting.preview(request, Job())
    assert dict(found.groups)["SCD0000101"].__len__() == 18
    assert found.problems
