"""A seeded monkey: random mouse, keys, commands, drops, dialogs and resizes on the real window.

It fails on any unhandled error, any warning of Qt, any event that takes too long, and any broken rule of the session.
By hand: python tests/gui/monkey.py --seed 1 --events 20000 [--3d] [path ...]
A failure names the seed and the event; the same seed and paths give the same events, answers of jobs aside.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import random
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

if __name__ == "__main__":
    os.environ["QT_QPA_PLATFORM"] = "offscreen"

import numpy as np
from PyQt6.QtCore import QMimeData, QPoint, QPointF, Qt, QtMsgType, QUrl, qInstallMessageHandler
from PyQt6.QtGui import QDesktopServices, QDragEnterEvent, QDropEvent, QKeyEvent, QMouseEvent, QWheelEvent
from PyQt6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QApplication,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFileDialog,
    QLineEdit,
    QMenu,
    QSpinBox,
    QTabBar,
    QToolButton,
    QWidget,
)

from medviewer.app import session_file
from medviewer.core.errors import MedviewerError
from medviewer.gui.main_window import MainWindow

WORK_S, HANG_S = 1.0, 5.0  # time of the main thread itself, and by the clock on a busy machine
LOG = 25
MOST_SERIES = 25
HARMLESS = "This plugin does not support"  # the off-screen platform says so of window sizes
UNEXPECTED = ("Something went wrong", "failed unexpectedly")
NEVER = {"action-quit", "action-demo", "action-full-screen", "empty-demo", "export-run"}
BUTTONS = (Qt.MouseButton.LeftButton, Qt.MouseButton.LeftButton, Qt.MouseButton.LeftButton,
           Qt.MouseButton.MiddleButton, Qt.MouseButton.RightButton)
MODIFIERS = (Qt.KeyboardModifier.NoModifier,) * 4 + (
    Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier)
KEYS = (*"abcdefhijklmnqrstuvwxyz0123456789.,[]? ", Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Right,
        Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_Escape, Qt.Key.Key_Tab,
        Qt.Key.Key_Return, Qt.Key.Key_Delete, Qt.Key.Key_Backspace)


class MonkeyError(AssertionError):
    """What went wrong, with the events before it."""


class Monkey:
    """Does random things to a window.

    Parameters
    ----------
    window : MainWindow
    seed : int
    paths : sequence of Path
        What is dropped; broken files are welcome.
    folder : Path
        For session files.
    """

    def __init__(self, window: MainWindow, seed: int, paths: Sequence[Path], folder: Path) -> None:
        self.window, self.session, self.seed = window, window.session, seed
        self.paths, self.folder = list(paths), folder
        self.random = random.Random(seed)
        self.count = 0
        self.slowest = (0.0, "")
        self.problems: list[str] = []
        self._log: deque[str] = deque(maxlen=LOG)
        self._held: tuple[QWidget, Qt.MouseButton, QPointF] | None = None
        self._moves = (
            (30, self.mouse), (8, self.wheel), (14, self.command), (8, self.key), (10, self.use_widget), (2, self.drop),
            (3, self.resize), (4, self.wait), (3, self.dialog), (2, self.menu), (1, self.restore), (3, self.leave),
            (2, self.double_click), (1, self.close_things))

    def run(self, events: int) -> None:
        """Do so many things; raises `MonkeyError`."""
        with self._watch():
            weights = [w for w, _ in self._moves]
            while self.count < events:
                self.count += 1
                action = self.random.choices(self._moves, weights)[0][1]
                self._log.append(action.__name__)
                start, began = time.perf_counter(), time.thread_time()
                try:
                    action()
                    QApplication.processEvents()
                except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
                    self.problems.append("".join(traceback.format_exception(error)))
                took = time.perf_counter() - start
                self.slowest = max(self.slowest, (took, self._log[-1]))
                worked = time.thread_time() - began
                if took > HANG_S or worked > WORK_S:
                    self.problems.append(f"took {took:.2f} s, of which {worked:.2f} s of work")
                self._check()
            self.close_things()

    def _note(self, text: str) -> None:
        self._log[-1] += f" {text}"

    # --- what it does ---

    def mouse(self) -> None:
        """Press, move or release over a view, with any button and any key held."""
        view = self._view()
        if self._held is not None:
            widget, button, at = self._held
            if not self._alive(widget):
                self._held = None
                return
            if self.random.random() < 0.25:
                self._held = None
                self._send(widget, "release", button, at)
            else:
                to = QPointF(at.x() + self.random.gauss(0, 30), at.y() + self.random.gauss(0, 30))
                self._held = (widget, button, to)
                self._send(widget, "move", button, to)
            return
        if view is None:
            return
        at = self._inside(view)
        if self.random.random() < 0.4:
            button = self.random.choice(BUTTONS)
            self._held = (view, button, at)
            self._send(view, "press", button, at)
        else:
            self._send(view, "move", Qt.MouseButton.NoButton, at)

    def double_click(self) -> None:
        """Double click a view."""
        view = self._view()
        if view is not None:
            at = self._inside(view)
            for kind in ("press", "release", "double", "release"):
                self._send(view, kind, Qt.MouseButton.LeftButton, at)

    def wheel(self) -> None:
        """Turn the wheel over any widget, touch pads included."""
        widget = self._view() if self.random.random() < 0.8 else self._any_widget()
        if widget is None:
            return
        at, turn = self._inside(widget), self.random.choice((120, -120, 240, -360, 15, -7, 0))
        mods = self.random.choice(MODIFIERS)
        self._note(f"{widget.objectName()} {turn} {mods.name}")
        across = QPoint(turn, 0) if mods == Qt.KeyboardModifier.AltModifier else QPoint(0, turn)
        event = QWheelEvent(at, widget.mapToGlobal(at), QPoint(), across, Qt.MouseButton.NoButton, mods,
                            Qt.ScrollPhase.NoScrollPhase, False)
        QApplication.sendEvent(widget, event)

    def command(self) -> None:
        """Run any command."""
        known = [c for c in self.window.commands if f"action-{c.id}" not in NEVER]
        command = self.random.choice(known)
        if command.id in ("close-all", "restore") and self.random.random() < 0.8:
            return
        self._note(command.id)
        self.window._actions[command.id].trigger()

    def key(self) -> None:
        """Press a key where the focus is."""
        target = QApplication.focusWidget() or self.window
        key = self.random.choice(KEYS)
        code, text = (key, "") if isinstance(key, Qt.Key) else (Qt.Key(ord(key.upper())), key)
        mods = self.random.choice((*MODIFIERS[:4], Qt.KeyboardModifier.ShiftModifier))
        self._note(f"{target.objectName()} {code.name} {mods.name}")
        if isinstance(target, QAbstractButton) and target.objectName() in NEVER:
            return
        for kind in (QKeyEvent.Type.ShortcutOverride, QKeyEvent.Type.KeyPress, QKeyEvent.Type.KeyRelease):
            if self._alive(target):
                QApplication.sendEvent(target, QKeyEvent(kind, code, mods, text))

    def use_widget(self) -> None:
        """Use a control of the panels or of an open dialog."""
        widget = self._any_widget()
        if widget is None:
            return
        self._note(f"{type(widget).__name__} {widget.objectName()}")
        if isinstance(widget, QAbstractButton):
            has_menu = isinstance(widget, QToolButton) and widget.popupMode() == widget.ToolButtonPopupMode.InstantPopup
            if widget.objectName() not in NEVER and not has_menu:
                widget.click()  # a menu would keep an event loop of its own
        elif isinstance(widget, QAbstractSlider):
            widget.setValue(self.random.randint(widget.minimum(), widget.maximum()))
        elif isinstance(widget, QComboBox) and widget.count():
            n = self.random.randrange(widget.count())
            widget.setCurrentIndex(n)
            widget.activated.emit(n)
        elif isinstance(widget, QDoubleSpinBox | QSpinBox):
            widget.setValue(type(widget.value())(self.random.uniform(-2000, 4000)))
        elif isinstance(widget, QLineEdit):
            widget.setText(self.random.choice(("", "lung", "Ω é 肺", "[", "x" * 300)))
        elif isinstance(widget, QTabBar) and widget.count():
            widget.setCurrentIndex(self.random.randrange(widget.count()))
        elif isinstance(widget, QAbstractItemView):
            self._use_list(widget)

    def _use_list(self, view: QAbstractItemView) -> None:
        at = self._inside(view.viewport())
        how = self.random.random()
        if how < 0.6:
            for kind in ("press", "release"):
                self._send(view.viewport(), kind, Qt.MouseButton.LeftButton, at)
        elif how < 0.8:
            self._send(view.viewport(), "double", Qt.MouseButton.LeftButton, at)
            self._send(view.viewport(), "release", Qt.MouseButton.LeftButton, at)
        else:
            view.customContextMenuRequested.emit(at.toPoint())

    def drop(self) -> None:
        """Drop files and folders, good and broken."""
        if len(self.session.series) > MOST_SERIES and self.random.random() < 0.9:
            return
        paths = self.random.sample(self.paths, min(self.random.randint(1, 2), len(self.paths)))
        self._note(" ".join(p.name for p in paths))
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(p)) for p in paths])
        how = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(self.window, QDragEnterEvent(QPoint(9, 9), *how))
        QApplication.sendEvent(self.window, QDropEvent(QPointF(9, 9), *how))

    def resize(self) -> None:
        """Change the size of the window."""
        width, height = self.random.randint(500, 1700), self.random.randint(350, 1100)
        self._note(f"{width} {height}")
        self.window.resize(width, height)

    def wait(self) -> None:
        """Let jobs answer."""
        end = time.monotonic() + self.random.choice((0.001, 0.005, 0.02))
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.001)

    def dialog(self) -> None:
        """Open a dialog, or close one."""
        dialogs = self._dialogs()
        if dialogs and self.random.random() < 0.7:
            dialog = self.random.choice(dialogs)
            self._note(f"close {dialog.objectName()}")
            dialog.close()
            return
        name = self.random.choice(("tags", "doctor", "preferences", "shortcuts", "about"))
        self._note(f"open {name}")
        self.window._actions[name].trigger()

    def menu(self) -> None:
        """Choose from an open menu, or close it."""
        menu = QApplication.activePopupWidget()
        if not isinstance(menu, QMenu):
            return
        actions = [a for a in menu.actions() if a.isEnabled() and not a.isSeparator() and a.menu() is None
                   and a.objectName() not in NEVER]
        if actions and self.random.random() < 0.7:
            action = self.random.choice(actions)
            self._note(action.text())
            menu.close()
            action.trigger()
        else:
            menu.close()

    def restore(self) -> None:
        """Save the session, or go back to what was saved."""
        path = self.folder / "monkey.medviewer.json"
        if self.random.random() < 0.5 or not path.exists():
            session_file.save(self.session, path)
        elif self.random.random() < 0.5:
            self.window.restore(path)

    def leave(self) -> None:
        """Press Escape, in the middle of whatever it is."""
        self.window.leave()

    def close_things(self) -> None:
        """Close menus and dialogs."""
        while isinstance(menu := QApplication.activePopupWidget(), QWidget):
            menu.close()
            QApplication.processEvents()
        for dialog in self._dialogs():
            dialog.close()

    # --- where ---

    def _view(self) -> QWidget | None:
        views: list[QWidget] = [v for v in self.window.grid.slice_views if v.isVisible()]
        panel = self.window.grid.volume_panel
        if panel is not None and panel.isVisible() and panel.widget is not None:
            views.append(panel.widget)
        return self.random.choice(views) if views else None

    def _any_widget(self) -> QWidget | None:
        kinds = (QAbstractButton, QAbstractSlider, QComboBox, QDoubleSpinBox, QSpinBox, QLineEdit, QTabBar,
                 QAbstractItemView)
        places = [*self._dialogs(), self.window, self.window]
        place = self.random.choice(places)
        found = [w for w in place.findChildren(QWidget) if isinstance(w, kinds) and w.isVisible() and w.isEnabled()]
        return self.random.choice(found) if found else None

    def _dialogs(self) -> list[QDialog]:
        return [w for w in QApplication.topLevelWidgets() if isinstance(w, QDialog) and w.isVisible()]

    def _inside(self, widget: QWidget) -> QPointF:
        return QPointF(self.random.uniform(0, widget.width()), self.random.uniform(0, widget.height()))

    @staticmethod
    def _alive(widget: QWidget) -> bool:
        from PyQt6 import sip

        return not sip.isdeleted(widget) and widget.isVisible()

    def _send(self, widget: QWidget, kind: str, button: Qt.MouseButton, at: QPointF) -> None:
        types = {"press": QMouseEvent.Type.MouseButtonPress, "release": QMouseEvent.Type.MouseButtonRelease,
                 "move": QMouseEvent.Type.MouseMove, "double": QMouseEvent.Type.MouseButtonDblClick}
        held = Qt.MouseButton.NoButton if kind == "release" else button
        mods = self.random.choice(MODIFIERS)
        self._note(f"{kind} {button.name} {widget.objectName()} {at.x():.0f},{at.y():.0f} {mods.name}")
        own = Qt.MouseButton.NoButton if kind == "move" else button
        QApplication.sendEvent(widget, QMouseEvent(types[kind], at, widget.mapToGlobal(at), own, held, mods))

    # --- what must never be ---

    def _check(self) -> None:
        session = self.session
        if not self.window.isVisible():
            self.problems.append("the window is gone")
        if session.active is not None and session.active not in session.layers:
            self.problems.append("the active image is not open")
        if session.current_view not in session.views:
            self.problems.append("the current view is not in the layout")
        if any(v.layer is not None and v.layer not in session.layers for v in session.views):
            self.problems.append("a view shows what is closed")
        if any(not np.isfinite(session.focus(x)).all() for x in session.images()):
            self.problems.append("the crosshair is nowhere")
        if self.problems:
            events = "\n".join(f"  {e}" for e in self._log)
            raise MonkeyError(f"seed {self.seed}, event {self.count}:\n{events}\n" + "\n".join(self.problems))

    @contextlib.contextmanager
    def _watch(self) -> Iterator[None]:
        """Note every error that nobody handled, every warning of Qt, every unexpected failure of a job."""
        def unhandled(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            self.problems.append("".join(traceback.format_exception(kind, error, trace)))

        def message(kind: QtMsgType, _context: object, text: str | None) -> None:
            if kind not in (QtMsgType.QtDebugMsg, QtMsgType.QtInfoMsg) and HARMLESS not in (text or ""):
                self.problems.append(f"Qt: {text}")

        def reported(error: MedviewerError) -> None:
            if any(x in str(error) for x in UNEXPECTED):
                self.problems.append(str(error))

        log = logging.Handler(logging.ERROR)  # a job that fails unexpectedly is logged
        log.emit = lambda record: self.problems.append(logging.Formatter().format(record))
        logging.getLogger("medviewer").addHandler(log)
        hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
        sys.excepthook = unhandled
        threading.excepthook = lambda args: unhandled(args.exc_type, args.exc_value, args.exc_traceback)
        sys.unraisablehook = lambda args: unhandled(args.exc_type, args.exc_value, args.exc_traceback)
        asked = {n: getattr(QFileDialog, n) for n in ("getOpenFileName", "getOpenFileNames", "getSaveFileName",
                                                      "getExistingDirectory")}
        for name in asked:  # nobody is there to answer
            setattr(QFileDialog, name, staticmethod(lambda *_, n=name: "" if n == "getExistingDirectory" else ("", "")))
        opened, QDesktopServices.openUrl = QDesktopServices.openUrl, staticmethod(lambda _: True)
        handler = qInstallMessageHandler(message)
        self.session.problem.connect(reported)
        try:
            yield
        finally:
            sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
            logging.getLogger("medviewer").removeHandler(log)
            qInstallMessageHandler(handler)
            QDesktopServices.openUrl = opened
            for name, function in asked.items():
                setattr(QFileDialog, name, function)
            self.session.problem.disconnect(reported)


def _by_hand() -> None:
    import tempfile

    from medviewer.app.session import Session
    from medviewer.app.settings import SettingsStore
    from medviewer.gui.application import make_application
    from medviewer.gui.main_thread import MainThread

    parser = argparse.ArgumentParser()
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--3d", dest="in_3d", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_DATA_HOME"] = os.environ["XDG_CONFIG_HOME"] = name
        os.chdir(folder)
        app = make_application(off_screen=True)
        main = MainThread()
        window = MainWindow(Session(main.post, SettingsStore(folder / "settings.json")))
        window.show()
        if not options.in_3d:
            without_3d(window)
        (folder / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 99)
        monkey = Monkey(window, options.seed, [*options.paths, folder / "broken.dcm", folder / "gone"], folder)
        start = time.perf_counter()
        try:
            monkey.run(options.events)
            sys.stdout.write(f"seed {options.seed}: {options.events} events in {time.perf_counter() - start:.0f} s, "
                             f"slowest {monkey.slowest[0]:.2f} s ({monkey.slowest[1]})\n")
        except MonkeyError as bug:
            sys.stdout.write(f"{bug}\n")
        finally:
            window.close()
            app.processEvents()


def without_3d(window: MainWindow) -> None:
    """Keep the 3D process from starting: it has its own tests."""
    if window.grid.volume_panel is not None:
        window.grid.volume_panel._start.setInterval(10**8)


if __name__ == "__main__":
    _by_hand()
