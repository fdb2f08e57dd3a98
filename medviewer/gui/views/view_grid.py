"""The views of the layout, side by side; one can be shown alone."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QGridLayout, QWidget

from medviewer.app.session import Session
from medviewer.app.views import ViewState
from medviewer.gui.views.slice_view import SliceView
from medviewer.gui.views.volume_panel import VolumePanel

GAP = 3


class ViewGrid(QWidget):
    """Makes the widgets of a layout; the 3D view is made once and moved from layout to layout."""

    probed = pyqtSignal(str)
    menu_requested = pyqtSignal(object, object)  # SliceView, QPoint

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("view-grid")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.session = session
        self.slice_views: list[SliceView] = []
        self.volume_panel: VolumePanel | None = None
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(GAP)
        self._shown: list[ViewState] = []
        session.layout_changed.connect(self.rebuild)
        session.framing.changed.connect(self.fit)
        session.active_changed.connect(self.fit)
        session.layers_changed.connect(self.fit)
        self.rebuild()

    def rebuild(self) -> None:
        """Arrange the widgets as the session's layout says."""
        if self._shown != self.session.views:
            self._make()
        single = self.session.maximised
        for widget, view in self._widgets():
            widget.setVisible(single is None or single is view)
        self._mark_active()
        self.fit()

    def fit(self) -> None:
        """While nobody has zoomed: give all views the one scale at which the whole volume fits each of them."""
        framing = self.session.framing
        if not framing.fitted:
            return
        scales = [w.fit_scale() for w in self.slice_views if w.isVisibleTo(self)]
        known = [x for x in scales if x is not None]
        if known and abs(min(known) - framing.scale) > 1e-9:
            framing.scale = min(known)
            for widget in self.slice_views:
                widget.redraw()

    def _make(self) -> None:
        for old in self.slice_views:
            self._grid.removeWidget(old)
            old.detach()
            old.hide()
            old.deleteLater()
        self.slice_views = []
        if self.volume_panel is not None:
            self._grid.removeWidget(self.volume_panel)
            self.volume_panel.hide()
        for n in range(6):
            self._grid.setRowStretch(n, 0)
            self._grid.setColumnStretch(n, 0)
        self._shown = list(self.session.views)
        for view in self._shown:
            self._place(view)

    def _place(self, view: ViewState) -> None:
        cell = view.cell
        if view.content == "3d":
            if self.volume_panel is None:
                self.volume_panel = VolumePanel(self.session, self)
            self.volume_panel.set_view(view)
            widget: QWidget = self.volume_panel
        else:
            widget = SliceView(self.session, view, self)
            widget.probed.connect(self.probed)
            widget.menu_requested.connect(self.menu_requested)
            widget.pressed.connect(self._on_pressed)
            widget.resized.connect(self.fit)
            self.slice_views.append(widget)
        self._grid.addWidget(widget, cell.row, cell.column, cell.rows, cell.columns)
        for n in range(cell.row, cell.row + cell.rows):
            self._grid.setRowStretch(n, 1)
        for n in range(cell.column, cell.column + cell.columns):
            self._grid.setColumnStretch(n, 1)

    def _widgets(self) -> list[tuple[QWidget, ViewState]]:
        pairs: list[tuple[QWidget, ViewState]] = [(w, w.view) for w in self.slice_views]
        if self.volume_panel is not None and self.volume_panel.view in self._shown:
            pairs.append((self.volume_panel, self.volume_panel.view))
        return pairs

    def _on_pressed(self, widget: SliceView) -> None:
        self.session.current_view = widget.view
        layer = widget.view.layer
        if layer is not None and layer is not self.session.active and len(self.session.images()) > 1:
            self.session.activate(layer)
        self._mark_active()

    def _mark_active(self) -> None:
        many = len([w for w in self.slice_views if w.isVisibleTo(self)]) > 1
        for widget in self.slice_views:
            active = many and widget.view is self.session.current_view
            if active != widget.active:
                widget.active = active
                widget.update()

    def current(self) -> SliceView | None:
        """Return the widget of the current view."""
        return next((w for w in self.slice_views if w.view is self.session.current_view), None)

    def close_views(self) -> None:
        """Leave all gestures and end the 3D process."""
        for widget in self.slice_views:
            widget.cancel_gesture()
        if self.volume_panel is not None:
            self.volume_panel.close_worker()
