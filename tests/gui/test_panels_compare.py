"""The inspector's panel and drawing in the real window."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QComboBox, QPushButton
from pytestqt.qtbot import QtBot

from medviewer.app.inspector import COLOUR_A, COLOUR_B
from medviewer.app.layers import ImageLayer, LabelLayer
from medviewer.app.session import Session
from medviewer.app.settings import SettingsStore
from medviewer.app.views import LAYOUTS
from medviewer.core.labels import LabelMap
from medviewer.core.study import Series
from medviewer.core.volume import Window
from medviewer.gui.main_thread import MainThread
from medviewer.gui.main_window import MainWindow
from medviewer.gui.panels._strip import Strip

pytestmark = pytest.mark.gui


@pytest.fixture
def window(settings: SettingsStore, make_image: Callable[..., ImageLayer], qtbot: QtBot) -> Iterator[MainWindow]:
    settings.update(hints_seen=True)
    main = MainThread()
    made = MainWindow(Session(main.post, settings))
    made.setProperty("keep", main)
    qtbot.addWidget(made)
    made.resize(1300, 800)
    made.show()
    session = made.session
    session.set_layout(LAYOUTS["single"])
    session.set_display(text_level=0, show_crosshair=False)
    session.add_layer(make_image())
    session.active.set_window(Window(1e5, 10))  # all black
    geometry = session.active.volume.geometry
    for name, rows in (("first", slice(10, 40)), ("second", slice(20, 50))):
        array = np.zeros(geometry.shape, np.uint8)
        array[5:15, rows, 10:40] = 1
        session.add_layer(LabelLayer(Series(name, "t", "labels", (), geometry=geometry),
                                     LabelMap.from_array(array, geometry), name))
    session.set_task("check")
    yield made
    made.close()


def compare(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: window.findChild(QComboBox, "compare-b").count() == 2, timeout=3000)
    qtbot.mouseClick(window.findChild(QPushButton, "compare-run"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.session.inspector.result is not None, timeout=5000)


def colour_at(window: MainWindow, j: int, i: int = 25) -> QColor:
    view = window.grid.slice_views[0]
    geometry = window.session.active.volume.geometry
    k = round(float(geometry.to_index(window.session.focus())[0]))
    x, y = view.to_xy(view.view.plane(), geometry.to_lps((k, j, i)))
    return view.grab().toImage().pixelColor(int(x), int(y))


def leans_to(colour: QColor, target: tuple[int, int, int]) -> bool:
    """Whether a pixel on black has the hue of a colour."""
    got = np.array(colour.getRgb()[:3], float)
    want = np.array(target, float)
    return got.max() > 20 and float(got @ want / np.linalg.norm(got) / np.linalg.norm(want)) > 0.99


def test_differing_voxels_are_coloured(window: MainWindow, qtbot: QtBot) -> None:
    compare(window, qtbot)
    assert leans_to(colour_at(window, 14), COLOUR_A)
    assert leans_to(colour_at(window, 46), COLOUR_B)
    both = colour_at(window, 30)
    assert both.red() == both.green() == both.blue()
    assert both.red() > 20


@pytest.mark.parametrize(("mode", "seen_a", "seen_b"), [("blend", False, True), ("flicker", True, False)])
def test_ways_of_mixing(window: MainWindow, qtbot: QtBot, mode: str, seen_a: bool, seen_b: bool) -> None:
    compare(window, qtbot)
    inspector = window.session.inspector
    inspector.set_blend(1.0)
    inspector.set_mode(mode)  # type: ignore[arg-type]
    inspector.phase = False
    assert leans_to(colour_at(window, 14), COLOUR_A) == seen_a
    assert leans_to(colour_at(window, 46), COLOUR_B) == seen_b


def test_the_wipe_line_parts_the_masks(window: MainWindow, qtbot: QtBot) -> None:
    compare(window, qtbot)
    window.session.inspector.set_mode("wipe")
    window.session.inspector.set_wipe(1.0)
    assert leans_to(colour_at(window, 14), COLOUR_A)
    assert colour_at(window, 46).lightness() < 5
    window.session.inspector.set_wipe(0.0)
    assert colour_at(window, 14).lightness() < 5
    assert leans_to(colour_at(window, 46), COLOUR_B)


def test_the_strip_goes_to_a_slice_and_n_to_the_worst(window: MainWindow, qtbot: QtBot) -> None:
    compare(window, qtbot)
    strip = window.findChild(Strip, "inspector-strip")
    qtbot.waitUntil(lambda: len(strip.rows) == 10, timeout=3000)
    x = next(x for x in range(strip.width()) if strip.slice_at(x) == 12)
    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=QPoint(x + 2, 40))
    geometry = window.session.active.volume.geometry
    assert round(float(geometry.to_index(window.session.focus())[0])) == 12
    next(a for a in window.actions() if a.objectName() == "action-next-worst").trigger()
    assert round(float(geometry.to_index(window.session.focus())[0])) in range(5, 15)


def test_leaving_the_task_shows_the_masks_again(window: MainWindow, qtbot: QtBot) -> None:
    compare(window, qtbot)
    assert leans_to(colour_at(window, 14), COLOUR_A)
    window.session.set_task("view")
    colour = window.session.labels()[0].labels.segments[0].colour
    assert leans_to(colour_at(window, 14), colour)
