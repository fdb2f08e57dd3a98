"""The keys: a sheet to look at, and a list to change them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction, QKeySequence
from PyQt6.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QKeySequenceEdit,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from medviewer.gui.dialogs import open_one
from medviewer.gui.panels._parts import dim_label

if TYPE_CHECKING:
    from medviewer.app.session import Session

MOUSE = (("Wheel", "Next or previous slice"), ("Left drag", "The chosen tool"), ("Middle drag", "Pan"),
         ("Right drag", "Zoom"), ("Right click", "Menu"), ("Ctrl + wheel", "Zoom at the pointer"),
         ("Shift + move", "Crosshair in all views"), ("Alt + wheel", "Slab thickness"),
         ("Double click", "Show a view alone, and back"))
ID = Qt.ItemDataRole.UserRole
SHEET_STYLE = ("QLabel[part=heading] { font-weight: 600; padding-top: 10px; }"
               "QLabel[part=key] { background: palette(button); border: 1px solid palette(mid); border-radius: 3px; "
               "padding: 1px 6px; }")


class Keyed(Protocol):
    """What is needed of a command."""

    id: str
    label: str
    group: str
    shortcut: str


def conflict(commands: Sequence[Keyed], keys: Mapping[str, str], command_id: str, sequence: str) -> Keyed | None:
    """Return the command that already has a key sequence."""
    wanted = QKeySequence(sequence)
    if wanted.isEmpty():
        return None
    return next((c for c in commands if c.id != command_id and QKeySequence(keys[c.id]) == wanted), None)


class ShortcutsDialog(QDialog):
    """Two pages: the sheet and the editor."""

    def __init__(self, parent: QWidget | None, commands: Sequence[Keyed], session: Session,
                 defaults: Mapping[str, str] | None = None) -> None:
        super().__init__(parent, objectName="shortcuts-dialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Keyboard and mouse")
        self.resize(760, 640)
        self._session, self._commands = session, list(commands)
        self._defaults = dict(defaults or {c.id: c.shortcut for c in commands})
        self._keys = {c.id: c.shortcut for c in commands} | {
            i: k for i, k in session.settings.values.shortcuts.items() if i in self._defaults}
        self.tabs = QTabWidget(objectName="shortcuts-tabs")
        self.editor = _Editor(self)
        self._sheet_area = QScrollArea(widgetResizable=True, objectName="shortcuts-sheet")
        self.tabs.addTab(self._sheet_area, "Keys")
        self.tabs.addTab(self.editor, "Change keys")
        box = QVBoxLayout(self)
        box.addWidget(self.tabs)
        self._show_sheet()
        self.editor.fill()

    def groups(self) -> dict[str, list[Keyed]]:
        """Return the commands by group, as listed."""
        found: dict[str, list[Keyed]] = {}
        for command in self._commands:
            found.setdefault(command.group, []).append(command)
        return found

    def keys_of(self, command_id: str) -> str:
        """Return the key sequence in use."""
        return self._keys[command_id]

    def owner(self, command_id: str, sequence: str) -> Keyed | None:
        """Return the other command that has a key sequence."""
        return conflict(self._commands, self._keys, command_id, sequence)

    def change(self, command_id: str, sequence: str) -> None:
        """Give a command another key; the command that had it loses it."""
        other = self.owner(command_id, sequence)
        changed = {command_id: sequence} | ({other.id: ""} if other is not None else {})
        stored = {**self._session.settings.values.shortcuts, **changed}
        self._session.settings.update(shortcuts={i: k for i, k in stored.items() if k != self._defaults.get(i)})
        for name, keys in changed.items():
            self._keys[name] = keys
            self._apply(name, keys)
        self._show_sheet()
        self.editor.fill()

    def reset(self, command_id: str) -> None:
        """Return a command to its own key."""
        self.change(command_id, self._defaults.get(command_id, ""))

    def reset_all(self) -> None:
        """Return all commands to their own keys."""
        self._session.settings.update(shortcuts={})
        for name, keys in self._defaults.items():
            self._keys[name] = keys
            self._apply(name, keys)
        self._show_sheet()
        self.editor.fill()

    def _apply(self, command_id: str, keys: str) -> None:
        window = self.parent()
        action = window.findChild(QAction, f"action-{command_id}") if window is not None else None
        if action is not None:
            action.setShortcut(QKeySequence(keys))

    def _show_sheet(self) -> None:
        blocks = [(group, [(native(self._keys[c.id]), c.label) for c in members if self._keys[c.id]])
                  for group, members in self.groups().items()]
        self._sheet_area.setWidget(_sheet([("Mouse", list(MOUSE)), *((g, rows) for g, rows in blocks if rows)]))


def native(sequence: str) -> str:
    """Write a key sequence as this system does."""
    return QKeySequence(sequence).toString(QKeySequence.SequenceFormat.NativeText)


def _sheet(blocks: list[tuple[str, list[tuple[str, str]]]]) -> QWidget:
    """Two columns of about the same height."""
    page = QWidget()
    page.setStyleSheet(SHEET_STYLE)
    columns = QHBoxLayout(page)
    columns.setSpacing(28)
    sides: list[list[tuple[str, list[tuple[str, str]]]]] = [[], []]
    total = sum(len(rows) + 2 for _, rows in blocks)
    height = 0
    for block in blocks:
        sides[0 if height + len(block[1]) / 2 < total / 2 else 1].append(block)
        height += len(block[1]) + 2
    for side in sides:
        grid = QGridLayout()
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(3)
        grid.setColumnStretch(1, 1)
        for title, rows in side:
            heading = QLabel(title)
            heading.setProperty("part", "heading")
            grid.addWidget(heading, grid.rowCount(), 0, 1, 2)
            for keys, label in rows:
                row = grid.rowCount()
                key = QLabel(keys)
                key.setProperty("part", "key")
                grid.addWidget(key, row, 0, Qt.AlignmentFlag.AlignLeft)
                grid.addWidget(QLabel(label), row, 1)
        grid.setRowStretch(grid.rowCount(), 1)
        columns.addLayout(grid, 1)
    return page


class _Editor(QWidget):
    """A searchable list; the key of the chosen command is changed below it."""

    def __init__(self, dialog: ShortcutsDialog) -> None:
        super().__init__()
        self._dialog = dialog
        self.search = QLineEdit(objectName="shortcuts-search", placeholderText="Find a command")
        self.search.setClearButtonEnabled(True)
        self.tree = QTreeWidget(objectName="shortcuts-list")
        self.tree.setHeaderLabels(["Command", "Key"])
        self.tree.setRootIsDecorated(False)
        self.tree.header().setStretchLastSection(False)
        self.tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.tree.header().resizeSection(1, 160)
        self.keys = QKeySequenceEdit(objectName="shortcuts-keys")
        self.keys.setMaximumSequenceLength(1)
        self.set_button = QPushButton("Set", objectName="shortcuts-set")
        self.none_button = QPushButton("No key", objectName="shortcuts-none")
        self.reset_button = QPushButton("Default", objectName="shortcuts-reset")
        self.reset_all_button = QPushButton("All defaults", objectName="shortcuts-reset-all")
        self.warning = QLabel(objectName="warning", wordWrap=True)
        self.hint = dim_label("Choose a command, click into the field and press the new key.")
        line = QHBoxLayout()
        line.addWidget(self.keys, 1)
        for button in (self.set_button, self.none_button, self.reset_button, self.reset_all_button):
            line.addWidget(button)
        box = QVBoxLayout(self)
        for widget in (self.search, self.tree, self.hint):
            box.addWidget(widget)
        box.addLayout(line)
        box.addWidget(self.warning)
        self.search.textChanged.connect(self._filter)
        self.tree.currentItemChanged.connect(self._choose)
        self.keys.keySequenceChanged.connect(self._warn)
        self.set_button.clicked.connect(lambda: self._change(self.keys.keySequence().toString()))
        self.none_button.clicked.connect(lambda: self._change(""))
        self.reset_button.clicked.connect(lambda: self._chosen() and dialog.reset(self._chosen()))
        self.reset_all_button.clicked.connect(dialog.reset_all)

    def fill(self) -> None:
        """Show the keys as they are."""
        chosen = self._chosen()
        self.tree.clear()
        for group, members in self._dialog.groups().items():
            for command in members:
                item = QTreeWidgetItem([f"{group}:  {command.label}", native(self._dialog.keys_of(command.id))])
                item.setData(0, ID, command.id)
                self.tree.addTopLevelItem(item)
                if command.id == chosen:
                    self.tree.setCurrentItem(item)
        self._filter(self.search.text())
        self._choose()

    def _chosen(self) -> str:
        item = self.tree.currentItem()
        return str(item.data(0, ID)) if item is not None else ""

    def _choose(self) -> None:
        chosen = self._chosen()
        for widget in (self.keys, self.set_button, self.none_button, self.reset_button):
            widget.setEnabled(bool(chosen))
        self.keys.setKeySequence(QKeySequence(self._dialog.keys_of(chosen) if chosen else ""))
        self._warn()

    def _warn(self) -> None:
        owner = self._dialog.owner(self._chosen(), self.keys.keySequence().toString()) if self._chosen() else None
        self.warning.setText(f"“{owner.label}” has this key; it will have none if you set it here." if owner else "")

    def _change(self, sequence: str) -> None:
        if self._chosen():
            self._dialog.change(self._chosen(), sequence)

    def _filter(self, text: str) -> None:
        for n in range(self.tree.topLevelItemCount()):
            item = self.tree.topLevelItem(n)
            item.setHidden(text.strip().casefold() not in f"{item.text(0)} {item.text(1)}".casefold())


def show_shortcuts(parent: QWidget | None, commands: Sequence[Keyed], session: Session,
                   defaults: Mapping[str, str] | None = None) -> ShortcutsDialog:
    """Show the keys; does not block.

    Parameters
    ----------
    defaults : mapping, optional
        Key sequence of every command before any change, by id.
    """
    dialog = open_one(parent, ShortcutsDialog) or ShortcutsDialog(parent, commands, session, defaults)
    dialog.show()
    return dialog
