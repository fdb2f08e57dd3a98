"""Preferences: a form made from the settings model; every change takes effect at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QDialog, QDialogButtonBox, QVBoxLayout, QWidget

from medviewer.app.settings import Settings
from medviewer.gui.dialogs import open_one
from medviewer.gui.forms import form_for
from medviewer.gui.panels._parts import dim_label

if TYPE_CHECKING:
    from medviewer.app.session import Session


class PreferencesDialog(QDialog):
    """The described fields of `Settings`."""

    def __init__(self, parent: QWidget | None, session: Session) -> None:
        super().__init__(parent, objectName="preferences-dialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Preferences")
        self.setMinimumWidth(420)
        self._session = session
        self.form = form_for(Settings, session.settings.values, self._apply)
        buttons = QDialogButtonBox()
        defaults = buttons.addButton("Restore defaults", QDialogButtonBox.ButtonRole.ResetRole)
        defaults.setObjectName("preferences-defaults")
        buttons.addButton(QDialogButtonBox.StandardButton.Close).setObjectName("preferences-close")
        defaults.clicked.connect(self.restore_defaults)
        buttons.rejected.connect(self.reject)
        box = QVBoxLayout(self)
        box.setSpacing(12)
        box.addWidget(self.form)
        box.addWidget(dim_label("Changes take effect at once. Keys are changed in the list of shortcuts (?)."))
        box.addStretch(1)
        box.addWidget(buttons)

    def restore_defaults(self) -> None:
        """Return to what medviewer came with; recent files and shortcuts stay."""
        defaults = Settings()
        values = {name: getattr(defaults, name) for name in self.form.fields}
        self.form.show_values({**self._session.settings.values.model_dump(), **values})
        self._apply(values)

    def _apply(self, values: dict[str, Any]) -> None:
        now = self._session.settings.values
        changes = {n: values[n] for n in self.form.fields if values[n] != getattr(now, n)}
        if not changes:
            return
        self._session.set_preference(**changes)
        set_theme = getattr(self.parent(), "set_theme", None)
        if "theme" in changes and set_theme is not None:
            set_theme(changes["theme"])


def show_preferences(parent: QWidget | None, session: Session) -> PreferencesDialog:
    """Show the preferences; does not block."""
    dialog = open_one(parent, PreferencesDialog) or PreferencesDialog(parent, session)
    dialog.show()
    return dialog
