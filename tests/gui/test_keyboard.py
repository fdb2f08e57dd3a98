"""The window without a mouse: who gets a key, and that every command can be reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtGui import QKeyEvent, QKeySequence
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QDialog, QLineEdit, QTreeWidget, QWidget
from pytestqt.qtbot import QtBot

from medviewer.app.layers import ImageLayer
from medviewer.app.session import Session
from medviewer.app.settings import SettingsStore
from medviewer.app.views import LAYOUTS
from medviewer.gui.main_thread import MainThread
from medviewer.gui.main_window import MainWindow

pytestmark = pytest.mark.gui
KEY, MOD = Qt.Key, Qt.KeyboardModifier
SLICE_MM = 2.0  # of make_image


@pytest.fixture
def window(settings: SettingsStore, qtbot: QtBot, make_image: Callable[..., ImageLayer]) -> Iterator[MainWindow]:
    main = MainThread()
    settings.values.hints_seen = True
    made = MainWindow(Session(main.post, settings))
    made.setProperty("keep", main)
    qtbot.addWidget(made)
    made.session.set_layout(LAYOUTS["1x3"])
    made.show()
    qtbot.waitExposed(made)
    made.activateWindow()
    made.session.add_layer(make_image(name="a"))
    made.session.add_scan(_scan_of(made.session))
    qtbot.waitUntil(lambda: made.findChild(QTreeWidget, "study-list").isVisible(), timeout=3000)
    yield made
    made.close()


def _scan_of(session: Session):  # noqa: ANN202 - a ScanResult
    from dataclasses import replace

    from medviewer.core.study import ScanResult

    series = session.active.series
    return ScanResult((series, replace(series, id="b", description="b")), ())


def press(key: Qt.Key, mods: Qt.KeyboardModifier = MOD.NoModifier) -> None:
    QTest.keyClick(QApplication.focusWidget(), key, mods)


def focus(window: MainWindow, name: str) -> QWidget:
    widget = window.findChild(QWidget, name)
    widget.setFocus(Qt.FocusReason.TabFocusReason)
    assert QApplication.focusWidget() is widget
    return widget


def test_the_first_key_is_a_command(window: MainWindow) -> None:
    assert not isinstance(QApplication.focusWidget(), QLineEdit | QAbstractSpinBox)
    press(KEY.Key_I)
    assert window.session.active.inverted


@pytest.mark.parametrize("name", ["studies-filter", "window-centre"])
def test_typing_is_no_command(window: MainWindow, name: str) -> None:
    session = window.session
    before = (session.text_level, session.show_crosshair, session.tool, session.active.window, session.active.inverted)
    field = focus(window, name)
    for key in (KEY.Key_I, KEY.Key_X, KEY.Key_D, KEY.Key_2, KEY.Key_Space, KEY.Key_F, KEY.Key_Backspace):
        press(key)
    after = (session.text_level, session.show_crosshair, session.tool, session.active.window, session.active.inverted)
    assert after == before
    if isinstance(field, QLineEdit):
        assert field.text() == "ixd2 "
    press(KEY.Key_Escape)
    assert not isinstance(QApplication.focusWidget(), QLineEdit | QAbstractSpinBox)
    press(KEY.Key_I)
    assert session.active.inverted


def test_typing_in_a_dialog_is_no_command(window: MainWindow, qtbot: QtBot) -> None:
    window._actions["shortcuts"].trigger()
    dialog = window.findChild(QDialog, "shortcuts-dialog")
    dialog.tabs.setCurrentIndex(1)
    dialog.activateWindow()
    dialog.editor.search.setFocus()
    qtbot.waitUntil(lambda: QApplication.focusWidget() is dialog.editor.search, timeout=2000)
    press(KEY.Key_I)
    assert dialog.editor.search.text() == "i"
    assert not window.session.active.inverted
    dialog.close()


def test_a_spin_box_keeps_its_arrows(window: MainWindow) -> None:
    box = focus(window, "window-centre")
    value, place = box.value(), window.session.focus().copy()
    press(KEY.Key_Up)
    assert box.value() > value
    assert (window.session.focus() == place).all()


@pytest.mark.parametrize("name", ["study-list", "measurement-list", "tasks"])
def test_up_scrolls_wherever_nobody_edits(window: MainWindow, name: str, qtbot: QtBot) -> None:
    if name == "measurement-list":
        from medviewer.core.annotations import Annotation

        window.session.annotations.add(Annotation(kind="probe", points_lps=((0.0, 0.0, 110.0),)))
        qtbot.waitUntil(lambda: window.findChild(QTreeWidget, name).isVisible(), timeout=2000)
    widget = window.findChild(QWidget, name)
    widget.setFocus()
    before = window.session.focus()[2]
    QTest.keyClick(widget, KEY.Key_Up)
    assert window.session.focus()[2] == pytest.approx(before + SLICE_MM)


def test_control_and_arrows_move_in_a_list(window: MainWindow) -> None:
    tree = focus(window, "study-list")
    before = window.session.focus().copy()
    rows = []
    for _ in range(3):
        press(KEY.Key_Down, MOD.ControlModifier)
        rows.append(tree.indexFromItem(tree.currentItem()).row())
    assert len({id(tree.currentItem()), *rows}) > 1
    assert (window.session.focus() == before).all()


@pytest.mark.parametrize(("by_keyboard", "scrolls"), [(True, False), (False, True)])
def test_a_list_of_choices_keeps_the_arrows_if_reached_by_keyboard(window: MainWindow, monkeypatch: pytest.MonkeyPatch,
                                                                   by_keyboard: bool, scrolls: bool) -> None:
    from PyQt6.QtGui import QGuiApplication

    held = Qt.MouseButton.NoButton if by_keyboard else Qt.MouseButton.LeftButton
    monkeypatch.setattr(QGuiApplication, "mouseButtons", staticmethod(lambda: held))
    before = window.session.focus()[2]
    assert isinstance(focus(window, "slab-mode"), QComboBox)
    press(KEY.Key_Up)
    assert (window.session.focus()[2] != before) == scrolls


@pytest.mark.parametrize(("key", "text", "mods"), [
    (KEY.Key_Question, "?", MOD.ShiftModifier),  # US, UK: Shift+/
    (KEY.Key_ssharp, "?", MOD.ShiftModifier),  # German, as some systems send it
    (KEY.Key_Comma, "?", MOD.ShiftModifier),  # French
])
@pytest.mark.parametrize("name", ["view-grid", "study-list"])
def test_the_question_mark_on_any_keyboard(window: MainWindow, name: str, key: Qt.Key, text: str,
                                           mods: Qt.KeyboardModifier) -> None:
    widget = focus(window, name)
    for kind in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress):
        QApplication.sendEvent(widget, QKeyEvent(kind, key, mods, text))
    dialog = window.findChild(QDialog, "shortcuts-dialog")
    assert dialog is not None
    dialog.close()


def test_digits_of_a_french_keyboard(window: MainWindow) -> None:
    widget = focus(window, "view-grid")
    QApplication.sendEvent(widget, QKeyEvent(QEvent.Type.KeyPress, KEY.Key_2, MOD.ShiftModifier, "2"))
    assert (window.session.active.window.width, window.session.active.window.centre) == (1500, -600)


def test_every_command_is_in_a_menu_and_no_key_has_two(window: MainWindow) -> None:
    in_menus = {a.objectName() for menu in window.menuBar().actions() for a in menu.menu().actions()}
    assert {f"action-{c.id}" for c in window.commands} <= in_menus
    keys = Counter(QKeySequence(c.shortcut).toString() for c in window.commands if c.shortcut)
    assert [k for k, n in keys.items() if n > 1] == []
    letters = [m.text()[m.text().index("&") + 1].upper() for m in window.menuBar().actions()]
    assert len(set(letters)) == len(letters)
    assert not {f"Alt+{x}" for x in letters} & set(keys)


def test_tab_goes_through_the_controls_from_top_to_bottom(window: MainWindow) -> None:
    places = []
    widget = focus(window, "window-preset")
    while isinstance(widget, QWidget) and widget.objectName() != "overlays-filter" and len(places) < 12:
        places.append((widget.mapTo(window, widget.rect().center()).y() // 20, widget.objectName()))
        press(KEY.Key_Tab)
        widget = QApplication.focusWidget()
    heights = [y for y, _ in places]
    assert heights == sorted(heights), places
    assert len({n for _, n in places}) > 6
