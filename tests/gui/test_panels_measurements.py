"""The list of measurements and the histogram."""

from __future__ import annotations

import json

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QAbstractButton

from medviewer.core.annotations import Annotation
from medviewer.gui.panels import histogram, measurements
from medviewer.gui.panels.measurements import NAME, RESULT, SLICE

pytestmark = pytest.mark.gui


@pytest.fixture
def panel(session, qtbot):  # noqa: ANN001, ANN201
    widget = measurements.PANEL.build(session, None)
    qtbot.addWidget(widget)
    widget.resize(300, 500)
    widget.show()
    return widget


def length(image, k: int = 4, **more: object) -> Annotation:  # noqa: ANN001
    a = tuple(float(v) for v in image.volume.geometry.to_lps((k, 10, 10)))
    b = tuple(float(v) for v in image.volume.geometry.to_lps((k, 10, 20)))
    return Annotation(kind="length", points_lps=(a, b), series_id=image.series.id, **more)


def texts(panel) -> list[tuple[str, str, str]]:  # noqa: ANN001
    tree = panel.tree
    return [tuple(tree.topLevelItem(n).text(c) for c in (NAME, RESULT, SLICE))  # type: ignore[misc]
            for n in range(tree.topLevelItemCount())]


def test_rows_show_result_and_slice(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    image = make_image()
    session.add_layer(image)
    session.annotations.add(length(image))
    session.annotations.add(length(image, k=7, name="nodule"))
    qtbot.waitUntil(lambda: len(texts(panel)) == 2)
    assert texts(panel) == [("Length", "8.00 mm", "axial 5"), ("nodule", "8.00 mm", "axial 8")]


def test_click_jumps_and_selects(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    image = make_image()
    session.add_layer(image)
    first, second = length(image), length(image, k=7)
    session.annotations.add(first)
    session.annotations.add(second)
    qtbot.waitUntil(lambda: len(texts(panel)) == 2)
    panel.tree.itemClicked.emit(panel.tree.topLevelItem(0), RESULT)
    assert session.annotations.selected == first.id
    assert image.volume.geometry.to_index(session.focus()) == pytest.approx([4, 10, 15])


def test_rename_delete_and_clear(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    image = make_image()
    session.add_layer(image)
    for k in (1, 2, 3):
        session.annotations.add(length(image, k=k))
    qtbot.waitUntil(lambda: len(texts(panel)) == 3)
    panel.tree.topLevelItem(1).setText(NAME, "aorta")
    assert session.annotations.items[1].name == "aorta"
    qtbot.waitUntil(lambda: texts(panel)[1][0] == "aorta")
    panel.tree.clearSelection()
    panel.tree.setCurrentItem(panel.tree.topLevelItem(0))
    panel.tree.setFocus()
    qtbot.keyClick(panel.tree, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: len(texts(panel)) == 2)
    panel.findChild(QAbstractButton, "measurements-clear").click()
    assert session.annotations.items == []
    qtbot.waitUntil(panel.empty.isVisible)


def test_closed_series_still_lists_lengths(panel, session, make_image, qtbot) -> None:  # noqa: ANN001
    image = make_image()
    session.add_layer(image)
    session.annotations.add(length(image))
    session.annotations.add(Annotation(kind="probe", points_lps=((0, 0, 0),), series_id=image.series.id))
    session.remove_layer(image)
    qtbot.waitUntil(lambda: len(texts(panel)) == 2)
    assert [t[1] for t in texts(panel)] == ["8.00 mm", "its series is not open"]


def test_export_and_import(panel, session, make_image, qtbot, tmp_path) -> None:  # noqa: ANN001
    image = make_image()
    session.add_layer(image)
    session.annotations.add(length(image))
    said: list[str] = []
    session.message.connect(said.append)
    panel.export_to(tmp_path / "m.json")
    entry = json.loads((tmp_path / "m.json").read_text())["measurements"][0]
    assert entry["values"]["length"]["value"] == pytest.approx(8.0)
    session.annotations.clear()
    panel.import_from(tmp_path / "m.json")
    panel.import_from(tmp_path / "m.json")  # the same ones again are not doubled
    assert len(session.annotations.items) == 1
    assert "1 measurements imported" in said[1]


def test_bad_import_is_reported(panel, session, tmp_path) -> None:  # noqa: ANN001
    (tmp_path / "x.json").write_text("{}")
    problems: list[object] = []
    session.problem.connect(problems.append)
    panel.import_from(tmp_path / "x.json")
    assert "x.json" in str(problems[0])


def test_histogram_is_made_when_opened_and_follows_the_window(session, make_image, qtbot) -> None:  # noqa: ANN001
    image = make_image()
    session.add_layer(image)
    panel = histogram.PANEL.build(session, None)
    qtbot.addWidget(panel)
    panel.show()
    assert panel.plot is None
    panel.heading.setChecked(True)
    qtbot.waitUntil(lambda: panel.plot is not None and bool(panel.plot.listDataItems() or panel.plot.plotItem.items))
    qtbot.waitUntil(lambda: not session.jobs.running)
    low, high = panel.region.getRegion()
    window = image.window
    assert (low + high) / 2 == pytest.approx(window.centre)
    assert high - low == pytest.approx(window.width)
    panel.region.setRegion((100.0, 300.0))
    assert (image.window.centre, image.window.width) == (200.0, 200.0)


def test_histogram_without_image_says_so(session, qtbot) -> None:  # noqa: ANN001
    panel = histogram.PANEL.build(session, None)
    qtbot.addWidget(panel)
    panel.show()
    panel.heading.setChecked(True)
    qtbot.waitUntil(panel.note.isVisible)
    assert "Open an image" in panel.note.text()
