"""Colours and sizes of the window, dark and light; the picture area is black in both."""

from __future__ import annotations

from dataclasses import dataclass

from PyQt6.QtGui import QColor, QPalette
from PyQt6.QtWidgets import QApplication

from medviewer.gui.indicator_style import IndicatorStyle

PLANE_COLOURS = {  # as users of Slicer and OHIF know them
    "axial": QColor(235, 87, 87), "sagittal": QColor(242, 201, 76), "coronal": QColor(96, 200, 118),
    "3d": QColor(110, 160, 250),
}
MEASURE_COLOUR = QColor(255, 221, 51)
SELECTED_COLOUR = QColor(255, 150, 40)
VIEW_TEXT = QColor(232, 236, 240)
WARNING_COLOUR = QColor(245, 176, 65)
VIEW_BACKGROUND = QColor(0, 0, 0)
SPACING = 6


@dataclass(frozen=True)
class Theme:
    """Colours of the panels."""

    window: str
    base: str
    raised: str
    border: str
    text: str
    dim: str
    accent: str
    accent_text: str
    warning: str


THEMES = {
    "dark": Theme("#1e2126", "#16181c", "#2a2e35", "#3a4049", "#e6e9ee", "#9aa4b1", "#4c9be8", "#0b1520", "#f5b041"),
    "light": Theme("#f3f4f6", "#ffffff", "#e7eaee", "#c6ccd4", "#1b1f24", "#5b6672", "#1f6fc4", "#ffffff", "#a86200"),
}


def apply_theme(app: QApplication, name: str) -> Theme:
    """Give the application the palette and style sheet of a theme."""
    theme = THEMES[name]
    palette = QPalette()
    roles = QPalette.ColorRole
    for role, colour in ((roles.Window, theme.window), (roles.Base, theme.base), (roles.AlternateBase, theme.raised),
                         (roles.Button, theme.raised), (roles.Text, theme.text), (roles.WindowText, theme.text),
                         (roles.ButtonText, theme.text), (roles.ToolTipBase, theme.raised),
                         (roles.ToolTipText, theme.text), (roles.PlaceholderText, theme.dim),
                         (roles.Highlight, theme.accent), (roles.HighlightedText, theme.accent_text),
                         (roles.Link, theme.accent), (roles.Mid, theme.border), (roles.Dark, theme.border)):
        palette.setColor(role, QColor(colour))
    for role in (roles.Text, roles.WindowText, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme.dim))
    if app.property("medviewer-style") is None:  # every change of style polishes all widgets
        app.setStyle(IndicatorStyle())
        app.setProperty("medviewer-style", True)
    app.setPalette(palette)
    app.setStyleSheet(_style_sheet(theme))
    return theme


def _style_sheet(t: Theme) -> str:
    return f"""
    QToolTip {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.border}; padding: 3px; }}
    QMainWindow::separator {{ background: {t.border}; width: 1px; height: 1px; }}
    QToolBar {{ background: {t.window}; border: none; border-bottom: 1px solid {t.border}; spacing: 3px;
        padding: 3px; }}
    QToolButton {{ padding: 4px 7px; border: 1px solid transparent; border-radius: 4px; color: {t.text}; }}
    QToolButton:hover {{ background: {t.raised}; border-color: {t.border}; }}
    QToolButton:focus {{ border-color: {t.accent}; }}
    QToolButton:checked {{ background: {t.accent}; color: {t.accent_text}; }}
    QToolButton:disabled {{ color: {t.dim}; }}
    QToolButton::menu-indicator {{ image: none; }}
    QStatusBar {{ background: {t.window}; border-top: 1px solid {t.border}; }}
    QStatusBar::item {{ border: none; }}
    QTreeView, QListView, QTableView, QPlainTextEdit, QLineEdit {{
        background: {t.base}; border: 1px solid {t.border}; border-radius: 3px; }}
    QTreeView:focus, QListView:focus, QTableView:focus, QPlainTextEdit:focus, QLineEdit:focus {{
        border-color: {t.accent}; }}
    QTreeView::item, QListView::item {{ padding: 2px; }}
    QHeaderView::section {{ background: {t.raised}; color: {t.text}; border: none; padding: 3px 6px; }}
    QTabWidget::pane {{ border: none; border-top: 1px solid {t.border}; }}
    QTabBar::tab {{ padding: 6px 14px; background: transparent; color: {t.dim}; border: none;
        border-bottom: 2px solid transparent; }}
    QTabBar::tab:selected {{ color: {t.text}; border-bottom: 2px solid {t.accent}; }}
    QGroupBox {{ border: none; border-top: 1px solid {t.border}; margin-top: 16px; padding-top: 6px; }}
    QGroupBox::title {{ subcontrol-origin: margin; left: 0px; top: 2px; color: {t.dim}; font-weight: 600; }}
    QProgressBar {{ border: 1px solid {t.border}; border-radius: 3px; background: {t.base}; text-align: center;
        color: {t.text}; max-height: 14px; }}
    QProgressBar::chunk {{ background: {t.accent}; }}
    QPushButton {{ padding: 4px 12px; border: 1px solid {t.border}; border-radius: 4px; background: {t.raised}; }}
    QPushButton:hover {{ border-color: {t.accent}; }}
    QPushButton:focus {{ border-color: {t.accent}; }}
    QPushButton#primary:focus, QPushButton[primary="true"]:focus {{ border-color: {t.text}; }}
    QPushButton:disabled {{ color: {t.dim}; }}
    QPushButton#primary, QPushButton[primary="true"] {{ background: {t.accent}; color: {t.accent_text};
        border-color: {t.accent}; font-weight: 600; }}
    QPushButton#primary:disabled, QPushButton[primary="true"]:disabled {{ background: {t.raised}; color: {t.dim};
        border-color: {t.border}; }}
    QSplitter::handle {{ background: {t.border}; }}
    QScrollArea {{ border: none; }}
    QScrollBar {{ background: transparent; border: none; margin: 0; }}
    QScrollBar:vertical {{ width: 10px; }}
    QScrollBar:horizontal {{ height: 10px; }}
    QScrollBar::handle {{ background: {t.border}; border-radius: 4px; margin: 1px; }}
    QScrollBar::handle:vertical {{ min-height: 28px; }}
    QScrollBar::handle:horizontal {{ min-width: 28px; }}
    QScrollBar::handle:hover {{ background: {t.dim}; }}
    QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {{ background: none;
        width: 0; height: 0; border: none; }}
    QLabel#dim {{ color: {t.dim}; }}
    QLabel#warning {{ color: {t.warning}; }}
    QDockWidget {{ titlebar-close-icon: none; }}
    """
