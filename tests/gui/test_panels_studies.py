"""The study list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction, QGuiApplication
from PyQt6.QtWidgets import QAbstractButton, QMainWindow

from medviewer.core.geometry import Geometry
from medviewer.core.study import Patient, Report, ScanResult, Series, Skipped, Study
from medviewer.core.volume import Volume
from medviewer.gui.panels._study_delegate import DATA
from medviewer.gui.panels.studies import PANEL
from medviewer.io.base import Loaded

pytestmark = pytest.mark.gui
GRID = Geometry.from_spacing((5, 20, 30), (2.0, 1.0, 1.0))


def series(name: str, number: int = 1, **more: object) -> Series:
    options: dict[str, object] = {
        "kind": "image", "modality": "CT", "description": name, "geometry": GRID, "series_uid": f"1.2.{number}",
        "frame_of_reference_uid": "9", "patient": Patient("P7", "DOE^JANE"), "study": Study("1.1", "20200102")}
    return Series(id=name, reader="synthetic", files=(Path("/data/a.dcm"),), number=number,
                  **{**options, **more})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give every series a made-up volume, and note which were read."""
    read: list[str] = []

    def open_series(s: Series, job: object = None) -> Loaded:
        read.append(s.id)
        return Loaded(Volume(np.arange(5 * 20 * 30, dtype=np.int16).reshape(5, 20, 30), GRID, modality=s.modality))

    monkeypatch.setattr("medviewer.io.access.open_series", open_series)
    return read


@pytest.fixture
def panel(session, qtbot):  # noqa: ANN001, ANN201
    widget = PANEL.build(session, None)
    qtbot.addWidget(widget)
    widget.resize(260, 700)
    widget.show()
    return widget


def row(panel, s: Series):  # noqa: ANN001, ANN201
    return panel.list.item_of(s).data(0, DATA)


def found(session, panel, qtbot, *items: Series, skipped: tuple[Skipped, ...] = ()) -> None:  # noqa: ANN001
    session.add_scan(ScanResult(items, skipped))
    qtbot.waitUntil(lambda: all(panel.list.item_of(s) is not None for s in items))


def test_rows_say_what_a_series_is(session, panel, qtbot) -> None:  # noqa: ANN001
    ct = series("chest", 3)
    found(session, panel, qtbot, ct)
    assert row(panel, ct).title == "3: chest"
    assert row(panel, ct).lines == ("CT · 30 × 20 × 5", "1.00 × 1.00 × 2.00 mm")
    top = panel.list.topLevelItem(0)
    assert top.data(0, DATA).title == "DOE, JANE  ·  P7"
    assert top.child(0).data(0, DATA).title == "2020-01-02"


def test_thumbnails_come_in_the_background(session, panel, qtbot, opened) -> None:  # noqa: ANN001
    a, b, seg = series("a"), series("b", 2), series("s", 3, kind="seg")
    found(session, panel, qtbot, a, b, seg)
    qtbot.waitUntil(lambda: row(panel, a).picture is not None and row(panel, b).picture is not None)
    assert sorted(opened) == ["a", "b"]  # objects have an icon
    assert (row(panel, a).picture.width(), row(panel, a).picture.height()) == (128, 85)


def test_cancelled_thumbnail_does_not_stop_the_others(session, panel, qtbot, monkeypatch) -> None:  # noqa: ANN001
    import threading

    from medviewer.io import access

    gate, plain = threading.Event(), access.open_series

    def slow(s: Series, job: object = None) -> Loaded:
        if s.id == "a":
            gate.wait(5)
        return plain(s)

    monkeypatch.setattr("medviewer.io.access.open_series", slow)
    a, b = series("a"), series("b", 2)
    found(session, panel, qtbot, a, b)
    qtbot.waitUntil(lambda: any(e.key == ("thumbnail", "a") for e in session.jobs.running))
    session.jobs.cancel(("thumbnail", "a"))
    qtbot.waitUntil(lambda: row(panel, b).picture is not None)
    gate.set()


def test_badge_counts_what_is_odd_and_the_tip_tells_it(session, panel, qtbot) -> None:  # noqa: ANN001
    odd = series("odd", warnings=(Report("a", "slices are <uneven>", "each is shown in its place"),
                                  Report("b", "just a note", level="info"), Report("c", "cut short", level="error")))
    found(session, panel, qtbot, odd)
    assert row(panel, odd).alerts == 2
    tip = panel.list.item_of(odd).toolTip(0)
    assert "Slices are &lt;uneven&gt;. Each is shown in its place." in tip
    assert "Just a note." in tip


def test_enter_opens_and_the_row_is_marked(session, panel, qtbot) -> None:  # noqa: ANN001
    ct = series("chest")
    found(session, panel, qtbot, ct)
    panel.list.setCurrentItem(panel.list.item_of(ct))
    qtbot.keyClick(panel.list, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: session.active is not None and session.active.series.id == "chest")
    qtbot.waitUntil(lambda: row(panel, ct).shown)
    session.clear_layers()
    qtbot.waitUntil(lambda: not row(panel, ct).shown)


def test_menu_opens_beside_fuses_and_copies(session, panel, qtbot) -> None:  # noqa: ANN001
    ct, pet = series("ct", 1), series("pet", 2, modality="PT")
    found(session, panel, qtbot, ct, pet)
    session.show_series(ct)
    qtbot.waitUntil(lambda: session.active is not None)
    menu = panel.menu_of(pet)
    actions = {a.objectName(): a for a in menu.actions()}
    actions["series-copy-uid"].trigger()
    assert QGuiApplication.clipboard().text() == "1.2.2"
    actions["series-fuse"].trigger()
    qtbot.waitUntil(lambda: session.fusion is not None and session.fusion.series.id == "pet")
    assert session.active.series.id == "ct"
    assert not {a.objectName(): a for a in panel.menu_of(ct).actions()}["series-fuse"].isEnabled()
    menu.deleteLater()


def test_fusion_is_not_offered_across_frames(session, panel, qtbot) -> None:  # noqa: ANN001
    ct, other = series("ct", 1), series("other", 2, frame_of_reference_uid="77")
    found(session, panel, qtbot, ct, other)
    session.show_series(ct)
    qtbot.waitUntil(lambda: session.active is not None)
    fuse = {a.objectName(): a for a in panel.menu_of(other).actions()}["series-fuse"]
    assert not fuse.isEnabled()


def test_filter_hides_the_others(session, panel, qtbot) -> None:  # noqa: ANN001
    chest, brain = series("chest"), series("brain", 2, study=Study("5", "20190101"))
    found(session, panel, qtbot, chest, brain)
    panel.filter.setText("BRAIN")
    assert panel.list.item_of(chest).isHidden()
    assert panel.list.item_of(chest).parent().isHidden()
    assert not panel.list.item_of(brain).isHidden()


def test_names_are_hidden_on_demand(session, panel, qtbot) -> None:  # noqa: ANN001
    found(session, panel, qtbot, series("a"))
    session.set_display(hide_names=True)
    qtbot.waitUntil(lambda: panel.list.topLevelItem(0).data(0, DATA).title == "(name hidden)")
    session.set_display(hide_names=False)
    session.set_preference(show_names=False)
    qtbot.waitUntil(lambda: panel.list.topLevelItem(0).data(0, DATA).title == "(name hidden)")


def test_files_left_out_are_listed_with_the_reason(session, panel, qtbot) -> None:  # noqa: ANN001
    found(session, panel, qtbot, skipped=(Skipped(Path("/d/x.dcm"), "x.dcm is cut short."),
                                          Skipped(Path("/d/y.txt"), "it is a text file.")))
    qtbot.waitUntil(lambda: panel.left_out.list.count() == 2)
    assert panel.left_out.heading.text() == "Left out (2)"
    assert [panel.left_out.list.item(n).text() for n in (0, 1)] == ["x.dcm is cut short.", "y.txt: it is a text file."]


def test_folded_studies_stay_folded(session, panel, qtbot) -> None:  # noqa: ANN001
    found(session, panel, qtbot, series("a"))
    panel.list.topLevelItem(0).setExpanded(False)
    found(session, panel, qtbot, series("b", 2))
    assert not panel.list.topLevelItem(0).isExpanded()


def test_a_series_without_picture_says_so(session, panel, qtbot, monkeypatch) -> None:  # noqa: ANN001
    from medviewer.core.errors import ReadError

    def refuse(_s: Series, job: object = None) -> None:
        raise ReadError("too large")

    monkeypatch.setattr("medviewer.io.access.open_series", refuse)
    bad = series("bad")
    found(session, panel, qtbot, bad)
    qtbot.waitUntil(lambda: row(panel, bad).note == "no picture")


def test_empty_page_runs_the_windows_actions_and_recents(session, qtbot, tmp_path) -> None:  # noqa: ANN001
    session.settings.values.recents = [str(tmp_path / "case-1")]
    window = QMainWindow()
    qtbot.addWidget(window)
    pressed: list[str] = []
    for name in ("action-open-folder", "action-open-file", "action-demo"):
        QAction(name, window, objectName=name).triggered.connect(lambda _=False, n=name: pressed.append(n))
    panel = PANEL.build(session, window)
    window.setCentralWidget(panel)
    for name in ("empty-open-folder", "empty-open-file", "empty-demo"):
        panel.findChild(QAbstractButton, name).click()
    assert pressed == ["action-open-folder", "action-open-file", "action-demo"]
    asked: list[object] = []
    session.open_paths = lambda paths, **_: asked.extend(paths)
    panel.findChild(QAbstractButton, "recent-0").click()
    assert asked == [tmp_path / "case-1"]


def test_late_warnings_reach_the_badge(session, panel, qtbot) -> None:  # noqa: ANN001
    ct = series("ct")
    found(session, panel, qtbot, ct)
    session.show_series(ct)
    qtbot.waitUntil(lambda: session.active is not None)
    session.active.loading.warnings.append(Report("truncated", "the last slice is cut short"))
    session.series_changed.emit()
    qtbot.waitUntil(lambda: row(panel, ct).alerts == 1)
