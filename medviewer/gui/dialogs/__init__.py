"""Dialogs: none of them blocks the window, and each is open at most once."""

from __future__ import annotations

from typing import TypeVar

from PyQt6.QtWidgets import QDialog, QWidget

T = TypeVar("T", bound=QDialog)


def open_one(parent: QWidget | None, kind: type[T]) -> T | None:
    """Bring the open dialog of a kind to the front; None if there is none."""
    found = next((d for d in parent.findChildren(kind) if d.isVisible()), None) if parent is not None else None
    if found is not None:
        found.raise_()
        found.activateWindow()
    return found
