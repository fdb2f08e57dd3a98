"""The dialogs: none blocks, each says what it should."""

from __future__ import annotations

from pathlib import Path

import pytest
from PyQt6.QtGui import QAction, QGuiApplication, QKeySequence
from PyQt6.QtWidgets import QAbstractButton, QCheckBox, QLabel, QLineEdit, QMainWindow, QSpinBox

from medviewer.app.commands import commands
from medviewer.core.errors import ReadError
from medviewer.core.geometry import Geometry
from medviewer.core.study import Report, Series
from medviewer.gui.dialogs.about import show_about
from medviewer.gui.dialogs.error import ErrorDialog, show_error
from medviewer.gui.dialogs.preferences import show_preferences
from medviewer.gui.dialogs.shortcuts import show_shortcuts
from medviewer.gui.dialogs.tags import NAME, VALUE, show_tags
from medviewer.gui.dialogs.warnings import show_warnings

pytestmark = pytest.mark.gui


@pytest.fixture
def window(qtbot):  # noqa: ANN001, ANN201
    made = QMainWindow()
    qtbot.addWidget(made)
    made.show()
    return made


def make_series(*files: Path, **more: object) -> Series:
    return Series("s", "x", "image", files, modality="CT", description="chest", number=2,
                  geometry=Geometry.from_spacing((3, 4, 5)), **more)  # type: ignore[arg-type]


def meta_image(path: Path, text: str) -> Path:
    path.write_text(f"NDims = 3\nComment = {text}\nElementDataFile = LOCAL\n")
    return path


def shown(dialog) -> dict[str, str]:  # noqa: ANN001
    tree = dialog.tree
    return {tree.topLevelItem(n).text(NAME): tree.topLevelItem(n).text(VALUE) for n in range(tree.topLevelItemCount())}


def test_tags_of_each_file_with_search(session, window, qtbot, tmp_path) -> None:  # noqa: ANN001
    files = [meta_image(tmp_path / f"{n}.mha", f"file {n}") for n in range(3)]
    dialog = show_tags(window, session, make_series(*files))
    qtbot.waitUntil(lambda: shown(dialog).get("Comment") == "file 1")  # the middle one first
    dialog.findChild(QSpinBox, "tags-file").setValue(3)
    qtbot.waitUntil(lambda: shown(dialog).get("Comment") == "file 2")
    dialog.findChild(QLineEdit, "tags-search").setText("ndims")
    qtbot.waitUntil(lambda: list(shown(dialog)) == ["NDims"])
    dialog.findChild(QLineEdit, "tags-search").setText("nothing like it")
    qtbot.waitUntil(lambda: "Nothing fits" in dialog.note.text())
    dialog.close()


def test_unreadable_file_says_so(session, window, qtbot, tmp_path) -> None:  # noqa: ANN001
    dialog = show_tags(window, session, make_series(tmp_path / "gone.dcm"))
    qtbot.waitUntil(lambda: "cannot be read" in dialog.note.text())
    dialog.close()


def test_names_are_hidden_in_tags(session, window, qtbot, tmp_path) -> None:  # noqa: ANN001
    from medviewer.io.header_rows import HeaderRow

    session.settings.values.show_names = False
    dialog = show_tags(window, session, make_series(meta_image(tmp_path / "a.mha", "x")))
    dialog._show([HeaderRow("Patient's Name", "DOE^JANE", personal=True)])
    assert shown(dialog) == {"Patient's Name": "(hidden)"}
    dialog.close()


def test_warnings_in_plain_words(session, window) -> None:  # noqa: ANN001
    odd = make_series(warnings=(Report("note", "a note", level="info"),
                                Report("uneven-slices", "the slices are <uneven>", "each is shown in its place")))
    dialog = show_warnings(window, session, odd)
    text = dialog.text.toPlainText()
    assert text.index("The slices are <uneven>") < text.index("A note")
    assert "uneven-slices" in text
    dialog.findChild(QAbstractButton, "warnings-copy").click()
    assert "Each is shown in its place." in QGuiApplication.clipboard().text()
    dialog.close()


def test_nothing_odd(session, window) -> None:  # noqa: ANN001
    dialog = show_warnings(window, session, make_series())
    assert "Nothing odd was found" in dialog.text.toPlainText()
    dialog.close()


def test_errors_share_one_dialog(window) -> None:  # noqa: ANN001
    first = show_error(window, ReadError("slice 12 is cut short", path="/d/12.dcm", hint="Copy it again."))
    second = show_error(window, ReadError("another one"))
    show_error(window, ReadError("another one"))
    assert first is second
    assert len(window.findChildren(ErrorDialog)) == 1
    assert [x.text() for x in first.findChildren(QLabel, "error-message")] == ["Slice 12 is cut short.", "Another one."]
    assert first.windowTitle() == "2 things did not work"
    assert not first.isModal()
    first.findChild(QAbstractButton, "error-copy").click()
    assert "ReadError: slice 12 is cut short\n/d/12.dcm\nCopy it again." in QGuiApplication.clipboard().text()
    first.findChild(QAbstractButton, "error-close").click()
    assert not first.isVisible()


def test_preferences_take_effect_at_once_and_are_kept(session, window) -> None:  # noqa: ANN001
    themes: list[str] = []
    window.set_theme = themes.append
    dialog = show_preferences(window, session)
    dialog.findChild(QCheckBox, "field-smooth").click()
    assert session.settings.values.smooth is False
    assert '"smooth": false' in session.settings.path.read_text()
    dialog.form.fields["theme"].show_value("light")
    assert themes == ["light"]
    dialog.restore_defaults()
    assert session.settings.values.smooth is True
    assert themes == ["light", "dark"]
    dialog.close()


@pytest.fixture
def keys(session, window):  # noqa: ANN001, ANN201
    known = commands()
    for c in known:
        QAction(c.label, window, objectName=f"action-{c.id}").setShortcut(QKeySequence(c.shortcut))
    dialog = show_shortcuts(window, known, session, {c.id: c.shortcut for c in known})
    yield dialog
    dialog.close()


def shortcut(window, name: str) -> str:  # noqa: ANN001
    return window.findChild(QAction, f"action-{name}").shortcut().toString()


def choose(dialog, name: str) -> None:  # noqa: ANN001
    tree = dialog.editor.tree
    for n in range(tree.topLevelItemCount()):
        if tree.topLevelItem(n).data(0, 256) == name:
            tree.setCurrentItem(tree.topLevelItem(n))


def test_sheet_lists_every_key(keys) -> None:  # noqa: ANN001
    texts = {x.text() for x in keys._sheet_area.widget().findChildren(QLabel)}
    assert {c.label for c in commands() if c.shortcut} <= texts
    assert "Wheel" in texts


def test_changing_a_key_warns_of_the_other_command(keys, session, window) -> None:  # noqa: ANN001
    choose(keys, "invert")
    keys.editor.keys.setKeySequence(QKeySequence("F"))
    assert "Fit to view" in keys.editor.warning.text()
    keys.editor.set_button.click()
    assert (shortcut(window, "invert"), shortcut(window, "fit")) == ("F", "")
    assert session.settings.values.shortcuts == {"invert": "F", "fit": ""}
    keys.editor.reset_button.click()
    assert shortcut(window, "invert") == "I"
    assert session.settings.values.shortcuts == {"fit": ""}
    keys.editor.reset_all_button.click()
    assert shortcut(window, "fit") == "F"
    assert session.settings.values.shortcuts == {}


def test_free_key_has_no_warning(keys) -> None:  # noqa: ANN001
    choose(keys, "invert")
    keys.editor.keys.setKeySequence(QKeySequence("Ctrl+Alt+J"))
    assert keys.editor.warning.text() == ""


def test_about_names_version_and_purpose(window) -> None:  # noqa: ANN001
    from medviewer import __version__

    dialog = show_about(window)
    text = " ".join(x.text() for x in dialog.findChildren(QLabel))
    assert __version__ in text
    assert "Research use only, not for diagnosis" in text
    dialog.close()
