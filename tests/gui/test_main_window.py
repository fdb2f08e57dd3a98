"""The whole window, driven as a user would."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PyQt6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PyQt6.QtGui import QDragEnterEvent, QDropEvent
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from medviewer.app import session_file
from medviewer.app.layers import ImageLayer
from medviewer.app.session import Session
from medviewer.app.settings import SettingsStore
from medviewer.core.errors import MedviewerError
from medviewer.gui.main_thread import MainThread
from medviewer.gui.main_window import MainWindow

pytestmark = pytest.mark.gui


@pytest.fixture
def window(settings: SettingsStore, qtbot: QtBot) -> Iterator[MainWindow]:
    main = MainThread()
    session = Session(main.post, settings)
    made = MainWindow(session)
    made.setProperty("keep", main)
    qtbot.addWidget(made)
    made.resize(1400, 900)
    made.show()
    qtbot.waitExposed(made)
    session.set_layout(_layout("1x3"))
    yield made
    made.close()


def _layout(name: str):  # noqa: ANN202
    from medviewer.app.views import LAYOUTS

    return LAYOUTS[name]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A CT-like image with a mask beside it."""
    data = tmp_path / "scans"
    data.mkdir()
    rng = np.random.default_rng(1)
    values = rng.integers(-50, 50, (40, 50, 30)).astype(np.int16)
    values[10:20, 20:35, 8:16] += 300
    affine = np.diag([-0.8, -0.9, 2.5, 1.0])
    nibabel.save(nibabel.Nifti1Image(values, affine), data / "image.nii.gz")
    nibabel.save(nibabel.Nifti1Image((values > 150).astype(np.uint8), affine), data / "seg_image.nii.gz")
    return data


def drop(window: MainWindow, *paths: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(p)) for p in paths])
    at, buttons, keys = QPointF(200, 200), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(at.toPoint(), Qt.DropAction.CopyAction, data, buttons, keys)
    QApplication.sendEvent(window, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(window, QDropEvent(at, Qt.DropAction.CopyAction, data, buttons, keys))


def wait_open(window: MainWindow, qtbot: QtBot) -> ImageLayer:
    session = window.session
    qtbot.waitUntil(lambda: session.active is not None and not session.jobs.running, timeout=20_000)
    assert session.active is not None
    return session.active


def press(window: MainWindow, command: str) -> None:
    next(a for a in window.actions() if a.objectName() == f"action-{command}").trigger()


def test_a_dropped_folder_is_shown_with_its_mask(window: MainWindow, folder: Path, qtbot: QtBot) -> None:
    drop(window, folder)
    layer = wait_open(window, qtbot)
    assert layer.volume.geometry.shape == (30, 50, 40)
    qtbot.waitUntil(lambda: bool(window.session.labels()), timeout=5000)
    picture = window.grid.slice_views[0].grab().toImage()
    colours = {picture.pixelColor(x, y).name() for x in range(0, picture.width(), 7)
               for y in range(0, picture.height(), 7)}
    assert len(colours) > 20  # not an empty view


def test_keys_scroll_and_choose_presets(window: MainWindow, folder: Path, qtbot: QtBot) -> None:
    drop(window, folder)
    layer = wait_open(window, qtbot)
    session = window.session
    before = session.focus()[2]
    press(window, "next-slice")
    assert session.focus()[2] == pytest.approx(before + 2.5)
    press(window, "ten-back")
    assert session.focus()[2] == pytest.approx(before - 22.5)
    press(window, "last-slice")
    assert session.focus()[2] == pytest.approx(29 * 2.5)
    messages: list[str] = []
    session.message.connect(messages.append)
    window_before = layer.window
    press(window, "preset-2")
    assert layer.window == window_before  # NIfTI has no HU: said, not guessed
    assert "not in HU" in messages[-1]


def test_presets_on_hu(window: MainWindow, make_image: Callable[..., ImageLayer]) -> None:
    window.session.add_layer(make_image())
    press(window, "preset-2")
    assert (window.session.active.window.width, window.session.active.window.centre) == (1500, -600)
    press(window, "invert")
    assert window.session.active.inverted


def test_masks_are_toggled_by_the_key(window: MainWindow, folder: Path, qtbot: QtBot) -> None:
    drop(window, folder)
    wait_open(window, qtbot)
    qtbot.waitUntil(lambda: bool(window.session.labels()), timeout=5000)
    window.session.set_focus(window.session.active.volume.geometry.to_lps((12, 28, 15)))
    view = window.grid.slice_views[0]
    shown = view.grab().toImage()
    press(window, "overlays")
    hidden = view.grab().toImage()
    assert shown != hidden
    press(window, "overlays")
    assert view.grab().toImage() == shown


def test_layouts_from_the_keys(window: MainWindow, folder: Path, qtbot: QtBot) -> None:
    drop(window, folder)
    wait_open(window, qtbot)
    for layout, count in (("single", 1), ("side-by-side", 2), ("1x3", 3)):
        press(window, f"layout-{layout}")
        assert len(window.grid.slice_views) == count


def test_the_session_comes_back_in_a_new_window(window: MainWindow, folder: Path, qtbot: QtBot,
                                                settings: SettingsStore) -> None:
    drop(window, folder)
    wait_open(window, qtbot)
    qtbot.waitUntil(lambda: bool(window.session.labels()), timeout=5000)
    target = window.session.active.volume.geometry.to_lps((5, 6, 7))
    window.session.set_focus(target)
    window.close()
    assert session_file.last_session_path().exists()
    main = MainThread()
    again = MainWindow(Session(main.post, settings))
    qtbot.addWidget(again)
    again.show()
    press(again, "restore")
    qtbot.waitUntil(lambda: bool(again.session.labels()) and not again.session.jobs.running, timeout=20_000)
    np.testing.assert_allclose(again.session.focus(), target)
    again.close()


def test_a_long_load_can_be_cancelled_and_the_window_stays(window: MainWindow, folder: Path, qtbot: QtBot,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    from medviewer.io import access
    from medviewer.io.base import Loaded

    class Endless(Loaded):
        def load(self, job=None, **_):  # noqa: ANN001, ANN003, ANN202
            while True:
                job.report(0.1, "loading")
                time.sleep(0.01)

    volume = access.read(folder / "image.nii.gz")
    monkeypatch.setattr(access, "open_series", lambda series, job=None: Endless(volume))
    drop(window, folder / "image.nii.gz")
    qtbot.waitUntil(lambda: window.session.active is not None and window.jobs.isVisible(), timeout=5000)
    start = time.monotonic()
    qtbot.mouseClick(window.jobs.cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not window.session.jobs.running, timeout=3000)
    assert time.monotonic() - start < 1.0
    press(window, "next-slice")


def test_unreadable_files_are_told_and_the_window_stays(window: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    errors: list[MedviewerError] = []
    window.session.problem.connect(errors.append)
    drop(window, bad)
    qtbot.waitUntil(lambda: bool(errors), timeout=10_000)
    assert "bad.dcm" in str(errors[0])
    for widget in QApplication.topLevelWidgets():
        if widget is not window and widget.isVisible():
            widget.close()


def test_three_silly_things(window: MainWindow, folder: Path, tmp_path: Path, qtbot: QtBot) -> None:
    """An empty folder, the same folder twice, and every command without an image."""
    empty = tmp_path / "empty"
    empty.mkdir()
    errors: list[MedviewerError] = []
    window.session.problem.disconnect(window._show_problem)
    window.session.problem.connect(errors.append)
    drop(window, empty)
    qtbot.waitUntil(lambda: bool(errors), timeout=5000)
    skip = {"open-folder", "open-file", "demo", "save-session", "open-session", "picture", "quit", "preferences",
            "shortcuts", "about", "full-screen", "restore"}
    for command in window.commands:
        if command.id not in skip and not command.id.startswith("layout-"):
            press(window, command.id)
    drop(window, folder)
    drop(window, folder)
    wait_open(window, qtbot)
    assert len(window.session.images()) == 1
    assert len({s.id for s in window.session.series}) == len(window.session.series)


def test_a_click_into_an_empty_view_does_nothing(window: MainWindow, qtbot: QtBot) -> None:
    view = window.grid.slice_views[0]
    for button in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
        qtbot.mouseClick(view, button, pos=QPoint(50, 50))
    assert window.session.annotations.items == []


def test_an_error_in_a_slot_does_not_end_the_program(tmp_path: Path) -> None:
    """PyQt6 aborts on an exception in a slot unless the hook is installed."""
    code = textwrap.dedent("""
        import os, sys
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        from pathlib import Path
        from PyQt6.QtCore import QTimer
        from medviewer.gui.application import install_hooks, make_application
        app = make_application(off_screen=True)
        errors = []
        install_hooks(errors.append)
        def broken():
            raise ValueError("deliberate")
        QTimer.singleShot(0, broken)
        QTimer.singleShot(100, app.quit)
        app.exec()
        sys.stdout.write(f"alive {len(errors)} {errors[0].message}")
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "alive 1 Something went wrong: deliberate."


def test_the_window_title_has_no_patient_name(window: MainWindow, make_image: Callable[..., ImageLayer]) -> None:
    from dataclasses import replace

    from medviewer.core.study import Patient

    layer = make_image(name="Chest")
    layer.series = replace(layer.series, patient=Patient(id="123", name="Secret^Name"))
    window.session.add_layer(layer)
    assert "Chest" in window.windowTitle()
    assert "Secret" not in window.windowTitle()


def test_the_hints_go_away_for_good(window: MainWindow, make_image: Callable[..., ImageLayer], qtbot: QtBot) -> None:
    from PyQt6.QtWidgets import QFrame, QPushButton

    hints = window.findChild(QFrame, "hints")
    assert not hints.isVisible()
    window.session.add_layer(make_image())
    assert hints.isVisible()
    qtbot.mouseClick(hints.findChild(QPushButton, "hints-done"), Qt.MouseButton.LeftButton)
    assert not hints.isVisible()
    window.session.clear_layers()
    window.session.add_layer(make_image())
    assert not hints.isVisible()
    assert window.session.settings.values.hints_seen


def test_the_preferred_left_button_is_used_at_the_start(settings: SettingsStore, qtbot: QtBot) -> None:
    settings.update(left_button="crosshair")
    main = MainThread()
    window = MainWindow(Session(main.post, settings))
    qtbot.addWidget(window)
    assert window.session.tool == "crosshair"
    window.close()
