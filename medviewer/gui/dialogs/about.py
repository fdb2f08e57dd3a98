"""What this program is, its version, and what it is not for."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata, version
from platform import platform, python_version

from PyQt6.QtCore import PYQT_VERSION_STR, QT_VERSION_STR, Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from medviewer import __version__
from medviewer.gui.dialogs import open_one
from medviewer.gui.panels._parts import dim_label

PACKAGES = ("numpy", "scipy", "pydicom", "nibabel", "vtk")
PURPOSE = "A viewer and annotator for medical volumes: look at scans, check masks and contours, export training data."
NOTICE = "Research use only, not for diagnosis."


class AboutDialog(QDialog):
    """Name, version, notice, and the versions that matter in a problem report."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent, objectName="about-dialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("About medviewer")
        self.setMinimumWidth(420)
        title = QLabel(f"medviewer {__version__}", objectName="about-title")
        title.setStyleSheet("font-size: 20px; font-weight: 600;")
        notice = QLabel(NOTICE, objectName="warning")
        buttons = QDialogButtonBox()
        copy = buttons.addButton("Copy versions", QDialogButtonBox.ButtonRole.ActionRole)
        copy.setObjectName("about-copy")
        buttons.addButton(QDialogButtonBox.StandardButton.Close).setObjectName("about-close")
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(versions()))
        buttons.rejected.connect(self.reject)
        box = QVBoxLayout(self)
        box.setSpacing(10)
        for widget in (title, QLabel(PURPOSE, wordWrap=True), notice, dim_label(_licence()),
                       dim_label(versions(), "about-versions")):
            box.addWidget(widget)
        box.addStretch(1)
        box.addWidget(buttons)


def versions() -> str:
    """Return the versions of the program and of what it is built on."""
    found = [f"medviewer {__version__}", f"Python {python_version()} on {platform(terse=True)}",
             f"Qt {QT_VERSION_STR}, PyQt {PYQT_VERSION_STR}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} is not installed")
    return "\n".join(found)


def _licence() -> str:
    try:
        facts = metadata("medviewer")
    except PackageNotFoundError:
        return ""
    name = facts.get("License-Expression") or facts.get("License") or ""
    return f"Licence: {name}" if name else ""


def show_about(parent: QWidget | None) -> AboutDialog:
    """Show version and notice; does not block."""
    dialog = open_one(parent, AboutDialog) or AboutDialog(parent)
    dialog.show()
    return dialog
