"""The window: composes toolbar, studies, views, task panels and status bar. No logic of its own."""

from __future__ import annotations

from pathlib import Path

import psutil
from PyQt6.QtCore import QByteArray, QPoint, Qt, QTimer
from PyQt6.QtGui import QAction, QActionGroup, QKeySequence
from PyQt6.QtWidgets import (
    QApplication,
    QDockWidget,
    QFileDialog,
    QLabel,
    QMainWindow,
    QMenu,
    QScrollArea,
    QStatusBar,
    QTabWidget,
    QToolBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from medviewer.app import session_file
from medviewer.app.commands import Command, commands
from medviewer.app.session import Session
from medviewer.app.views import LAYOUTS
from medviewer.core.discover import discover
from medviewer.core.errors import MedviewerError
from medviewer.gui.hints import HintBar
from medviewer.gui.icons import icon
from medviewer.gui.jobs_widget import JobsWidget
from medviewer.gui.keys import KeyOwner, leave_typing
from medviewer.gui.theme import apply_theme
from medviewer.gui.views.slice_view import SliceView
from medviewer.gui.views.view_grid import ViewGrid
from medviewer.ops.window import CT_PRESETS, SUV_PRESET

TASKS = (("view", "View"), ("annotate", "Annotate"), ("check", "Check"), ("export", "Export"))
LEFT_WIDTH, RIGHT_WIDTH = 270, 320
MEMORY_EVERY_MS = 2000


class MainWindow(QMainWindow):
    """Composition of the whole window around one session."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.setObjectName("main-window")
        self.setWindowTitle("medviewer")
        self.setAcceptDrops(True)
        self.resize(1500, 940)
        self.theme = apply_theme(QApplication.instance(), session.settings.values.theme)
        self.grid = ViewGrid(session, self)
        middle = QWidget(self)
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(HintBar(session, middle))
        column.addWidget(self.grid, 1)
        self.setCentralWidget(middle)
        session.tool = session.settings.values.left_button
        self._panels = discover("medviewer.gui.panels", "PANEL")
        self.tasks = QTabWidget(objectName="tasks")
        self._actions: dict[str, QAction] = {}
        self._make_actions()
        self._make_docks()
        self._make_toolbar()
        self._make_menus()
        self._make_status()
        self._connect()
        self._keys = KeyOwner(self)
        self.grid.setFocus()  # the first key is a command, not a text for the filter
        if session.settings.values.window_geometry:
            self.restoreGeometry(QByteArray.fromHex(session.settings.values.window_geometry.encode()))

    # --- composition ---

    def _make_actions(self) -> None:
        changed = self.session.settings.values.shortcuts
        own = [
            Command("open-folder", "Open folder …", "File", "Ctrl+O", lambda _: self.open_folder()),
            Command("open-file", "Open files …", "File", "Ctrl+Shift+O", lambda _: self.open_files()),
            Command("demo", "Open the demo study", "File", "", lambda _: self.open_demo()),
            Command("save-session", "Save session …", "File", "Ctrl+S", lambda _: self.save_session()),
            Command("open-session", "Open session …", "File", "", lambda _: self.open_session()),
            Command("restore", "Restore the last session", "File", "Ctrl+Shift+T", lambda _: self.restore_last()),
            Command("picture", "Save picture of the window …", "File", "Ctrl+P", lambda _: self.save_picture()),
            Command("close-all", "Close all images", "File", "Ctrl+W", Session.close_all),
            Command("quit", "Quit", "File", "Ctrl+Q", lambda _: self.close()),
            Command("maximise", "Show this view alone", "Display", "M", self._maximise),
            Command("full-screen", "Full screen", "Display", "F11", lambda _: self._toggle_full_screen()),
            Command("theme", "Dark or light theme", "Display", "Shift+T", lambda _: self.toggle_theme()),
            Command("leave", "Leave the gesture or tool", "Tools", "Esc", lambda _: self.leave()),
            Command("tags", "Show the tags of the file …", "Help", "T", lambda _: self.show_tags()),
            Command("doctor", "What is odd about this series …", "Help", "O", lambda _: self.show_warnings()),
            Command("preferences", "Preferences …", "Help", "Ctrl+,", lambda _: self.show_preferences()),
            Command("shortcuts", "Keyboard shortcuts", "Help", "?", lambda _: self.show_shortcuts()),
            Command("about", "About medviewer", "Help", "", lambda _: self.show_about()),
        ]
        layouts = [Command(f"layout-{x.id}", f"Layout: {x.label}", "Layout", f"Ctrl+{n}",
                           lambda s, layout=x: s.set_layout(layout)) for n, x in enumerate(LAYOUTS.values(), 1)]
        known = [*own, *layouts, *commands()]
        self.default_keys = {c.id: c.shortcut for c in known}
        self.commands = [c if c.id not in changed else _with_shortcut(c, changed[c.id]) for c in known]
        for command in self.commands:
            action = QAction(command.label, self, objectName=f"action-{command.id}")
            if command.shortcut:
                action.setShortcut(QKeySequence(command.shortcut))
            action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
            action.triggered.connect(lambda _=False, c=command: self._run(c))
            self.addAction(action)
            self._actions[command.id] = action

    def _run(self, command: Command) -> None:
        if not command.enabled(self.session):
            self.statusBar().showMessage(command.why_not, 4000)
            return
        try:
            command.run(self.session)
        except MedviewerError as error:
            self.session.report(error)

    def _make_docks(self) -> None:
        panels = sorted(self._panels.values(), key=lambda p: p.order)
        for panel in (p for p in panels if p.area == "left"):
            dock = QDockWidget(panel.label, self, objectName=f"dock-{panel.id}")
            dock.setFeatures(QDockWidget.DockWidgetFeature.NoDockWidgetFeatures)
            dock.setTitleBarWidget(QWidget())
            dock.setWidget(panel.build(self.session, dock))
            dock.setMinimumWidth(200)
            self.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, dock)
            self._left = dock
        for task, label in TASKS:
            sections = [p for p in panels if p.area == "right" and p.task in (task, "")]
            if not sections:
                continue  # a task without panels is not shown at all
            page = QWidget(objectName=f"page-{task}")
            box = QVBoxLayout(page)
            box.setContentsMargins(8, 6, 8, 6)
            for panel in sections:
                box.addWidget(panel.build(self.session, page))
            box.addStretch(1)
            area = QScrollArea(widgetResizable=True)
            area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            area.setWidget(page)
            area.setProperty("task", task)
            self.tasks.addTab(area, label)
        self._right = QDockWidget("Task", self, objectName="dock-tasks")
        self._right.setFeatures(QDockWidget.DockWidgetFeature.NoDockWidgetFeatures)
        self._right.setTitleBarWidget(QWidget())
        self._right.setWidget(self.tasks)
        self._right.setMinimumWidth(240)
        self.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self._right)
        self.resizeDocks([self._left, self._right], [LEFT_WIDTH, RIGHT_WIDTH], Qt.Orientation.Horizontal)

    def _make_toolbar(self) -> None:
        bar = QToolBar("Tools", self, objectName="toolbar", movable=False)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self.addToolBar(bar)
        self._bar = bar
        self._icons: list[tuple[QAction | QToolButton, str]] = []
        self._button("open-folder", "open", "Open")
        bar.addSeparator()
        group = QActionGroup(self)
        tools = sorted(discover("medviewer.tools.builtin", "TOOL").values(),
                       key=lambda t: (t.group != "view", _TOOL_ORDER.get(t.id, 9)))
        for n, tool in enumerate(tools):
            action = self._actions[f"tool-{tool.id}"]
            action.setCheckable(True)
            action.setToolTip(f"{tool.label}{f'  ({tool.shortcut})' if tool.shortcut else ''}\n{tool.hint}")
            group.addAction(action)
            if n and tool.group != tools[n - 1].group:
                bar.addSeparator()
            bar.addAction(action)
            self._icons.append((action, tool.icon))
        bar.addSeparator()
        self._menu_button("presets", "Window", self._preset_menu)
        self._menu_button("layout", "Layout", self._layout_menu)
        bar.addSeparator()
        self._button("cine", "play", "Play or stop")
        self._button("overlays", "overlay", "Show or hide masks and contours")
        self._button("reset", "reset", "Reset views")
        self._button("picture", "camera", "Save a picture of the window")
        spacer = QWidget()
        spacer.setSizePolicy(spacer.sizePolicy().horizontalPolicy().Expanding, spacer.sizePolicy().verticalPolicy())
        bar.addWidget(spacer)
        notice = QLabel("Research use only, not for diagnosis", objectName="dim")
        bar.addWidget(notice)
        self._button("theme", "theme", "Dark or light theme")
        self._button("shortcuts", "help", "Keyboard shortcuts")
        self._tint()

    def _button(self, command: str, picture: str, tip: str) -> None:
        action = self._actions[command]
        keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        action.setToolTip(f"{tip}  ({keys})" if keys else tip)
        self._bar.addAction(action)
        self._icons.append((action, picture))

    def _menu_button(self, picture: str, text: str, fill) -> None:  # noqa: ANN001
        button = QToolButton(objectName=f"menu-{picture}", text=text + " ▾")
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        menu = QMenu(button)
        menu.aboutToShow.connect(lambda: fill(menu))
        button.setMenu(menu)
        self._bar.addWidget(button)
        self._icons.append((button, picture))

    def _preset_menu(self, menu: QMenu) -> None:
        menu.clear()
        for n in range(len(CT_PRESETS) + 1):
            menu.addAction(self._actions[f"preset-{n}"])
        suv = menu.addAction(f"Window: {SUV_PRESET.name}")
        suv.setEnabled(self.session.active is not None)
        suv.triggered.connect(lambda: self.session.active and self.session.active.set_window(SUV_PRESET))
        menu.addSeparator()
        menu.addAction(self._actions["invert"])

    def _layout_menu(self, menu: QMenu) -> None:
        menu.clear()
        for layout in LAYOUTS.values():
            menu.addAction(self._actions[f"layout-{layout.id}"])
        menu.addSeparator()
        menu.addAction(self._actions["maximise"])

    def _make_menus(self) -> None:
        """Keep the menu bar short: everything is in it, for those who look there first."""
        bar = self.menuBar()
        for name in ("&File", "&Slices", "&Display", "&Window", "La&yout", "&Tools", "&Measure", "Mas&ks", "&Help"):
            group, menu = name.replace("&", ""), bar.addMenu(name)
            if group == "File":
                self._recents = QMenu("Recent", menu)
                self._recents.aboutToShow.connect(self._fill_recents)
            for command in self.commands:
                if command.group == group:
                    menu.addAction(self._actions[command.id])
                    if command.id == "open-file":
                        menu.addMenu(self._recents)

    def _fill_recents(self) -> None:
        self._recents.clear()
        for text in self.session.settings.values.recents:
            path = Path(text)
            action = self._recents.addAction(path.name or text)
            action.setToolTip(text)
            action.setEnabled(path.exists())
            action.triggered.connect(lambda _=False, p=path: self.session.open_paths([p]))
        if self._recents.isEmpty():
            self._recents.addAction("Nothing yet").setEnabled(False)

    def _make_status(self) -> None:
        bar = QStatusBar(self)
        self.setStatusBar(bar)
        self.probe = QLabel("", objectName="probe")
        self.memory = QLabel("", objectName="dim")
        self.jobs = JobsWidget(self.session.jobs, self)
        bar.addWidget(self.probe, 1)
        bar.addPermanentWidget(self.jobs)
        bar.addPermanentWidget(self.memory)
        self._memory_timer = QTimer(self, interval=MEMORY_EVERY_MS)
        self._memory_timer.timeout.connect(self._show_memory)
        self._memory_timer.start()
        self._show_memory()

    def _show_memory(self) -> None:
        used, free = psutil.Process().memory_info().rss / 1e9, psutil.virtual_memory().available / 1e9
        self.memory.setText(f"Memory {used:.1f} GB · {free:.1f} GB free ")

    def _connect(self) -> None:
        session = self.session
        self.grid.probed.connect(self.probe.setText)
        self.grid.menu_requested.connect(self._view_menu)
        session.message.connect(lambda text: self.statusBar().showMessage(text, 8000))
        session.problem.connect(self._show_problem)
        session.tool_changed.connect(self._on_tool)
        session.task_changed.connect(self._on_task)
        session.active_changed.connect(self._on_active)
        session.cine_changed.connect(self._on_cine)
        self.tasks.currentChanged.connect(
            lambda n: session.set_task(self.tasks.widget(n).property("task")))
        self._cine = QTimer(self)
        self._cine.timeout.connect(session.cine_step)
        self._on_tool()

    # --- reactions ---

    def _tint(self) -> None:
        for target, name in self._icons:
            target.setIcon(icon(name, self.theme.text, self.theme.accent_text))

    def _on_tool(self) -> None:
        self._actions[f"tool-{self.session.tool}"].setChecked(True)
        tool = discover("medviewer.tools.builtin", "TOOL")[self.session.tool]
        self.statusBar().showMessage(f"{tool.label}: {tool.hint}", 5000)

    def _on_task(self) -> None:
        for n in range(self.tasks.count()):
            if self.tasks.widget(n).property("task") == self.session.task:
                self.tasks.setCurrentIndex(n)

    def _on_active(self) -> None:
        active = self.session.active
        self.setWindowTitle(f"{active.name} — medviewer" if active else "medviewer")  # never a patient's name
        if active is None and self.session.cine:
            self.session.toggle_cine()

    def _on_cine(self) -> None:
        if self.session.cine:
            self._cine.start(self.session.cine_interval_ms)
        else:
            self._cine.stop()
        self._actions["cine"].setIcon(icon("stop" if self.session.cine else "play", self.theme.text))

    def _show_problem(self, error: MedviewerError) -> None:
        from medviewer.gui.dialogs.error import show_error

        show_error(self, error)

    def _view_menu(self, widget: SliceView, at: QPoint) -> None:
        self.session.current_view = widget.view
        menu = QMenu(self)
        self._preset_menu(menu)
        menu.addSeparator()
        for name in ("fit", "reset", "flip-horizontal", "flip-vertical", "rotate-right", "rotate-left", "maximise",
                     "crosshair-lines", "texts", "smooth", "tags", "doctor"):
            menu.addAction(self._actions[name])
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(at)

    # --- commands of the window ---

    def open_folder(self) -> None:
        """Ask for a folder and open it."""
        path = QFileDialog.getExistingDirectory(self, "Open a folder of scans")
        if path:
            self.session.open_paths([Path(path)])

    def open_files(self) -> None:
        """Ask for files and open them."""
        paths, _ = QFileDialog.getOpenFileNames(self, "Open files")
        if paths:
            self.session.open_paths([Path(p) for p in paths])

    def open_demo(self) -> None:
        """Open the demo study, made on first use."""
        from medviewer.export.demo_study import demo_folder

        self.session.jobs.start("demo", lambda job: demo_folder(job=job), title="Preparing the demo study",
                                done=lambda path: self.session.open_paths([path], remember=False),
                                failed=self.session.report)

    def save_session(self) -> None:
        """Ask for a name and save what is open and how it is shown."""
        path, _ = QFileDialog.getSaveFileName(self, "Save session", "session.medviewer.json", "Sessions (*.json)")
        if path:
            session_file.save(self.session, Path(path))

    def open_session(self) -> None:
        """Ask for a session file and restore it."""
        path, _ = QFileDialog.getOpenFileName(self, "Open session", "", "Sessions (*.json)")
        if path:
            self.restore(Path(path))

    def restore_last(self) -> None:
        """Restore what was open when the window was closed last."""
        self.restore(session_file.last_session_path())

    def restore(self, path: Path) -> None:
        """Restore a session file."""
        if not path.exists():
            self.statusBar().showMessage("There is no earlier session to restore", 5000)
            return
        content = session_file.load(path)
        self.session.close_all()
        self.session.annotations.clear()
        session_file.Restorer(self.session, content).start()

    def save_picture(self) -> None:
        """Save a picture of the window, without patient names."""
        path, _ = QFileDialog.getSaveFileName(self, "Save picture", "medviewer.png", "Pictures (*.png)")
        if path:
            hidden = self.session.hide_names
            self.session.set_display(hide_names=True)
            self.grab().save(path)
            self.session.set_display(hide_names=hidden)

    def toggle_theme(self) -> None:
        """Change between dark and light."""
        self.set_theme("light" if self.session.settings.values.theme == "dark" else "dark")
        self.session.settings.save()

    def set_theme(self, name: str) -> None:
        """Use a theme."""
        self.session.settings.values.theme = name
        self.theme = apply_theme(QApplication.instance(), name)
        self._tint()
        self.session.display_changed.emit()

    def leave(self) -> None:
        """Roll back the gesture in hand, else return to the first tool, else show all views."""
        if any(w.cancel_gesture() for w in self.grid.slice_views) or leave_typing(self, self.grid):
            return
        if self.session.tool != self.session.settings.values.left_button:
            self.session.set_tool(self.session.settings.values.left_button)
        elif self.session.maximised is not None:
            self.session.toggle_maximised(self.session.maximised)

    def _maximise(self, session: Session) -> None:
        if session.current_view is not None:
            session.toggle_maximised(session.current_view)

    def _toggle_full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def show_tags(self) -> None:
        """Show the tags of the active series."""
        if self.session.active is None:
            self.statusBar().showMessage("Open an image first.", 4000)
            return
        from medviewer.gui.dialogs.tags import show_tags

        show_tags(self, self.session, self.session.active.series)

    def show_warnings(self) -> None:
        """Show what is odd about the active series."""
        if self.session.active is not None:
            from medviewer.gui.dialogs.warnings import show_warnings

            show_warnings(self, self.session, self.session.active.series)

    def show_preferences(self) -> None:
        """Show the preferences."""
        from medviewer.gui.dialogs.preferences import show_preferences

        show_preferences(self, self.session)

    def show_shortcuts(self) -> None:
        """Show the keys."""
        from medviewer.gui.dialogs.shortcuts import show_shortcuts

        show_shortcuts(self, self.commands, self.session, self.default_keys)

    def show_about(self) -> None:
        """Show version and licence."""
        from medviewer.gui.dialogs.about import show_about

        show_about(self)

    # --- Qt events ---

    def keyPressEvent(self, event) -> None:  # noqa: ANN001
        """Find the command of a sign that this keyboard writes with other keys: ? may be Shift+ß, 1 may be Shift+&."""
        sign = event.text()
        action = next((a for a in self._actions.values() if sign and a.shortcut().toString() == sign), None)
        if action is not None and not sign.isalpha() and sign.isprintable():
            action.trigger()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event) -> None:  # noqa: ANN001
        """Take files."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event) -> None:  # noqa: ANN001
        """Open what was dropped."""
        paths = [Path(u.toLocalFile()) for u in event.mimeData().urls() if u.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.session.open_paths(paths)

    def closeEvent(self, event) -> None:  # noqa: ANN001
        """Remember the session and end all work."""
        settings = self.session.settings
        settings.update(window_geometry=bytes(self.saveGeometry().toHex()).decode())
        if self.session.layers:
            try:
                session_file.save(self.session, session_file.last_session_path())
            except MedviewerError:
                self.statusBar().showMessage("The session could not be saved")
        self._cine.stop()
        self._memory_timer.stop()
        self.session.close()
        self.grid.close_views()
        super().closeEvent(event)


_TOOL_ORDER = {name: n for n, name in enumerate(
    ("window", "crosshair", "pan", "zoom", "length", "angle", "bidirectional", "rectangle", "ellipse", "probe"))}


def _with_shortcut(command: Command, keys: str) -> Command:
    from dataclasses import replace

    return replace(command, shortcut=keys)
