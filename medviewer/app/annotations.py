"""The measurements of a session."""

from __future__ import annotations

from psygnal import Signal

from medviewer.core.annotations import Annotation


class AnnotationStore:
    """Measurements in patient space, in the order they were made."""

    changed = Signal()

    def __init__(self) -> None:
        self.items: list[Annotation] = []
        self.selected: str = ""

    def add(self, annotation: Annotation) -> None:
        """Keep a measurement and select it."""
        self.items.append(annotation)
        self.selected = annotation.id
        self.changed.emit()

    def replace(self, annotation: Annotation) -> None:
        """Put a changed measurement in the place of the one with the same id."""
        self.items = [annotation if a.id == annotation.id else a for a in self.items]
        self.changed.emit()

    def remove(self, annotation_id: str) -> None:
        """Delete a measurement."""
        self.items = [a for a in self.items if a.id != annotation_id]
        if self.selected == annotation_id:
            self.selected = ""
        self.changed.emit()

    def select(self, annotation_id: str) -> None:
        """Mark one measurement; empty for none."""
        if annotation_id != self.selected:
            self.selected = annotation_id
            self.changed.emit()

    def clear(self) -> None:
        """Delete all."""
        self.items = []
        self.selected = ""
        self.changed.emit()
