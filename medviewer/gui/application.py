"""Start the window, or draw it off screen for a picture; survive errors in slots."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType

from platformdirs import user_log_path
from PyQt6.QtCore import QEventLoop, QTimer, QtMsgType, qInstallMessageHandler
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QApplication

from medviewer.app.layers import ImageLayer
from medviewer.app.opening import OVERLAY_KINDS
from medviewer.app.process import prepare_process
from medviewer.app.screenshot_request import ScreenshotRequest
from medviewer.app.session import Session
from medviewer.app.settings import SettingsStore
from medviewer.app.views import layout_by_name
from medviewer.core.errors import MedviewerError, ParamError, WriteError
from medviewer.core.files import atomic_path
from medviewer.core.job import Job
from medviewer.gui.main_thread import MainThread
from medviewer.gui.main_window import MainWindow

log = logging.getLogger(__name__)
SCREENSHOT_TIMEOUT_S = 180.0
SETTLE_MS = 40


def has_display() -> bool:
    """Whether there is a screen to open a window on."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def make_application(scale: float = 1.0, *, off_screen: bool = False) -> QApplication:
    """Make the Qt application (or return the running one)."""
    running = QApplication.instance()
    if isinstance(running, QApplication):
        return running
    prepare_process()
    if off_screen:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    if scale != 1.0:
        os.environ["QT_SCALE_FACTOR"] = f"{scale:g}"
    qInstallMessageHandler(_qt_message)
    QGuiApplication.setApplicationName("medviewer")
    QGuiApplication.setApplicationDisplayName("medviewer")
    QGuiApplication.setDesktopFileName("medviewer")
    return QApplication(["medviewer"])


def _qt_message(kind: QtMsgType, _context: object, text: str | None) -> None:
    level = logging.ERROR if kind in (QtMsgType.QtCriticalMsg, QtMsgType.QtFatalMsg) else logging.DEBUG
    log.log(level, "Qt: %s", text)


def install_hooks(report: Callable[[MedviewerError], None]) -> None:
    """Turn unhandled errors into a dialog: PyQt6 ends the program on an error in a slot without this."""
    def handle(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QApplication.quit()
            return
        log.error("unhandled error\n%s", "".join(traceback.format_exception(kind, error, trace)))
        known = error if isinstance(error, MedviewerError) else MedviewerError(
            f"Something went wrong: {error or kind.__name__}.",
            hint="The program goes on; please save your work. Details are in the log.")
        report(known)

    sys.excepthook = handle
    threading.excepthook = lambda args: handle(args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback)


def log_to_file() -> None:
    """Keep a log of the last runs beside the user's settings; the five newest files of 2 MB."""
    path = user_log_path("medviewer", appauthor=False) / "medviewer.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(path, maxBytes=2_000_000, backupCount=4, encoding="utf-8", delay=True)
    except OSError as error:
        log.warning("there will be no log file: %s", error)
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger("medviewer").addHandler(handler)


def warm_up(session: Session) -> None:
    """Load the readers in the background while the user looks for the folder: the first drop is as fast as any."""
    def work(_: Job) -> None:
        from medviewer.io import access

        access.prepare()

    session.jobs.start("warm-up", work)


def run(paths: Sequence[Path], *, demo: bool = False) -> int:
    """Open the window and stay until it is closed.

    Raises
    ------
    ParamError
        If there is no screen.
    """
    if not has_display():
        raise ParamError("there is no display to open a window on",
                         hint="Use 'medviewer screenshot PATH -o PNG' to draw the window into a picture.")
    log_to_file()
    app = make_application()
    main = MainThread()
    session = Session(main.post, SettingsStore())
    window = MainWindow(session)
    install_hooks(lambda error: main.post(lambda: session.report(error)))
    window.show()
    QTimer.singleShot(0, lambda: warm_up(session))
    if demo:
        QTimer.singleShot(0, window.open_demo)
    elif paths:
        QTimer.singleShot(0, lambda: session.open_paths(list(paths)))
    return int(app.exec())


def take_screenshot(request: ScreenshotRequest) -> int:
    """Draw the real window into a PNG; returns 0, or 1 if something could not be shown.

    Raises
    ------
    MedviewerError
        If nothing can be opened, or the picture cannot be written.
    """
    app = make_application(request.scale, off_screen=True)
    return Screenshot(app, request).take()


class Screenshot:
    """Opens what a request names in a real, off-screen window and saves its picture when all is drawn."""

    def __init__(self, app: QApplication, request: ScreenshotRequest) -> None:
        self._app, self._request = app, request
        self._errors: list[MedviewerError] = []
        self._main = MainThread()
        self._store = SettingsStore(Path(os.devnull))  # the user's settings play no part in it
        self._store.save = lambda: None  # type: ignore[method-assign]
        self._store.values.theme = request.theme
        self._store.values.hints_seen = True
        self._session = Session(self._main.post, self._store)
        self._session.problem.connect(self._errors.append)

    def take(self) -> int:
        """Do it."""
        request, session = self._request, self._session
        layout = layout_by_name(request.layout)
        window = MainWindow(session)
        session.problem.disconnect(window._show_problem)  # noqa: SLF001 - a dialog would stay open
        try:
            session.hide_names = not request.names
            session.set_layout(layout)
            window.resize(*request.size)
            window.show()
            session.open_paths(list(request.paths), remember=False)
            self._wait(window)
            if not session.layers:
                raise self._errors[0] if self._errors else ParamError("there was nothing to show")
            self._add(request.masks, fuse=False, window=window)
            self._add(request.overlays, fuse=True, window=window)
            self._arrange(window)
            self._wait(window)
            self._save(window)
        finally:
            window.close()
            window.deleteLater()
            self._pause(SETTLE_MS)
        for error in self._errors:
            log.warning("%s", error)
        return 1 if self._errors else 0

    def _add(self, paths: Sequence[Path], *, fuse: bool, window: MainWindow) -> None:
        from medviewer.io import access

        for path in paths:
            result = access.scan_all([path])
            self._session.add_scan(result)
            wanted = [s for s in result.series if (s.kind not in OVERLAY_KINDS) == fuse or not fuse]
            if not wanted:
                reason = result.skipped[0].reason if result.skipped else "it holds nothing that can be laid over"
                raise ParamError(f"{path.name} cannot be shown: {reason}")
            for series in wanted if not fuse else wanted[:1]:
                self._open_over(series, fuse=fuse, window=window)

    def _open_over(self, series, *, fuse: bool, window: MainWindow) -> None:  # noqa: ANN001 - Series
        session = self._session
        if not fuse and series.kind == "image":  # named as a mask, so it is one
            from dataclasses import replace

            series = replace(series, kind="labels")
        session.show_series(series, add=True)
        self._wait(window)
        layer = session.layer_of(series)
        if layer is not None:
            layer.set_visible(True)
        if fuse and isinstance(layer, ImageLayer):
            session.set_fusion(layer)

    def _arrange(self, window: MainWindow) -> None:
        request, session = self._request, self._session
        session.set_task(request.task)
        if session.task != request.task or not any(
                window.tasks.widget(n).property("task") == request.task for n in range(window.tasks.count())):
            raise ParamError(f"the task {request.task!r} is not part of this version")
        if request.window is not None:
            for layer in session.images():
                if layer is not session.fusion:
                    layer.set_window(request.window)
        if request.at_lps is not None:
            session.set_focus(request.at_lps)

    def _wait(self, window: MainWindow) -> None:
        """Wait until no job runs, all slices have arrived and the 3D picture is at rest."""
        clock, idle = 0.0, 0
        while idle < 3:
            self._pause(SETTLE_MS)
            clock += SETTLE_MS / 1000
            panel = window.grid.volume_panel
            busy = bool(self._session.jobs.running) or (panel is not None and panel.busy)
            idle = 0 if busy else idle + 1
            if clock > SCREENSHOT_TIMEOUT_S:
                self._errors.append(MedviewerError("The picture was taken before everything was drawn: "
                                                   f"it took more than {SCREENSHOT_TIMEOUT_S:.0f} s."))
                break
        panel = window.grid.volume_panel
        if panel is not None and panel.isVisible() and not panel.wait_until_drawn(60_000):
            self._errors.append(MedviewerError("The 3D view was not drawn in time."))

    def _pause(self, ms: int) -> None:
        loop = QEventLoop()
        QTimer.singleShot(ms, loop.quit)
        loop.exec()

    def _save(self, window: MainWindow) -> None:
        picture = window.grab()
        with atomic_path(self._request.output) as temporary:
            if not picture.save(str(temporary), "PNG"):
                raise WriteError(f"{self._request.output.name} cannot be written", path=self._request.output)
