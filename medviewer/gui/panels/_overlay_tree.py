"""The tree of masks and contours: layers with their segments, swatches, volumes and eyes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from PyQt6.QtCore import QEvent, QSize, Qt
from PyQt6.QtGui import QBrush, QColor, QFont, QIcon, QPalette, QShowEvent
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QTreeWidget,
    QTreeWidgetItem,
)

from medviewer.app.layers import ContourLayer, LabelLayer
from medviewer.gui.icons import row_icon
from medviewer.gui.panels._parts import swatch, theme_of

if TYPE_CHECKING:
    from medviewer.app.layers import Layer
    from medviewer.app.session import Session
    from medviewer.ops.segment_places import Place

NAME, VOLUME, EYE = 0, 1, 2
MIN_HEIGHT, MAX_HEIGHT = 64, 420
WHERE = Qt.ItemDataRole.UserRole + 1  # second, quiet line of a layer


class LayerItem(QTreeWidgetItem):
    """One label map or structure set."""

    def __init__(self, layer: LabelLayer | ContourLayer) -> None:
        super().__init__([layer.name, "", ""])
        self.layer = layer
        font = QFont()
        font.setBold(True)
        self.setFont(NAME, font)
        for child in _segment_items(layer):
            self.addChild(child)


class SegmentItem(QTreeWidgetItem):
    """One segment or structure."""

    def __init__(self, layer: LabelLayer | ContourLayer, key: tuple[int, int], name: str,
                 colour: tuple[int, int, int]) -> None:
        super().__init__([name or f"Label {key[1]}", "", ""])
        self.layer, self.key, self.place = layer, key, None
        self.setIcon(NAME, QIcon(swatch(colour, hollow=isinstance(layer, ContourLayer))))
        self.setTextAlignment(VOLUME, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.setToolTip(NAME, f"{self.text(NAME)}  (label {key[1]})\nClick to go to its largest slice.")

    @property
    def hidden_(self) -> bool:
        """Whether the segment is hidden."""
        return (self.key if isinstance(self.layer, LabelLayer) else self.key[1]) in self.layer.hidden

    def toggle(self) -> None:
        """Show or hide the segment."""
        if isinstance(self.layer, LabelLayer):
            self.layer.set_hidden(*self.key, not self.hidden_)
        else:
            self.layer.set_hidden(self.key[1], not self.hidden_)

    def set_place(self, place: Place) -> None:
        """Show the volume."""
        self.place = place
        if place.volume_ml is None:
            text = "" if place.centre_lps else "empty"
        else:
            text = volume_text(place.volume_ml) if place.volume_ml > 0 else "empty"
        self.setText(VOLUME, text)


def _segment_items(layer: LabelLayer | ContourLayer) -> list[SegmentItem]:
    if isinstance(layer, LabelLayer):
        return [SegmentItem(layer, (s.layer, s.value), s.name, s.colour) for s in layer.labels.segments]
    return [SegmentItem(layer, (0, s.number), s.name, s.colour) for s in layer.contours.segments]


def volume_text(ml: float) -> str:
    """Write a volume with three significant digits."""
    digits = 0 if ml >= 100 else 1 if ml >= 10 else 2
    return f"{ml:.{digits}f} ml" if ml >= 0.1 else f"{ml:.3g} ml"


class OverlayTree(QTreeWidget):
    """Layers and segments; a click on the eye hides, a click on a segment jumps to it."""

    def __init__(self, session: Session) -> None:
        super().__init__(objectName="overlay-tree")
        self._session = session
        self.setColumnCount(3)
        self.setHeaderHidden(True)
        self.setIndentation(12)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        header = self.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(20)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(VOLUME, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(EYE, QHeaderView.ResizeMode.Fixed)
        header.resizeSection(EYE, 28)
        self.setItemDelegateForColumn(NAME, _NameDelegate(self))
        self.itemClicked.connect(self._on_click)
        self.itemActivated.connect(self._jump)
        self.itemExpanded.connect(lambda _: self._fit())
        self.itemCollapsed.connect(lambda _: self._fit())
        self._icons: dict[bool, QIcon] = {}
        self._make_icons()

    # --- content ---

    def show_layers(self, layers: Sequence[LabelLayer | ContourLayer]) -> None:
        """Show these layers; what is already shown stays as it is."""
        keep = {item.layer: item for item in self.layer_items()}
        for layer, item in keep.items():
            if layer not in layers:
                self.takeTopLevelItem(self.indexOfTopLevelItem(item))
        for n, layer in enumerate(layers):
            if layer not in keep:
                item = LayerItem(layer)
                self.insertTopLevelItem(n, item)
                item.setExpanded(True)
        if self.currentItem() is None and self.topLevelItemCount():
            self.setCurrentItem(self.topLevelItem(0))
        self._fit()

    def refresh(self, origin: Callable[[Layer], tuple[str, bool]]) -> None:
        """Show eyes and origins as they are now."""
        quiet = QBrush(self.palette().color(QPalette.ColorRole.PlaceholderText))
        plain = QBrush(self.palette().color(QPalette.ColorRole.Text))
        for item in self.layer_items():
            text, fits = origin(item.layer)
            item.setData(NAME, WHERE, (text, fits))
            item.setToolTip(NAME, f"{item.layer.name}\n{text}")
            item.setIcon(EYE, self._icons[item.layer.visible])
            for child in self.segment_items(item):
                shown = item.layer.visible and fits and not child.hidden_
                child.setIcon(EYE, self._icons[not child.hidden_])
                child.setForeground(NAME, plain if shown else quiet)
                child.setForeground(VOLUME, quiet)
        self.viewport().update()

    def set_places(self, layer: Layer, places: Mapping[tuple[int, int], Place]) -> None:
        """Show measured volumes."""
        for item in self.layer_items():
            if item.layer is layer:
                for child in self.segment_items(item):
                    if child.key in places:
                        child.set_place(places[child.key])

    def set_filter(self, text: str) -> None:
        """Show only segments whose name holds a text."""
        for item in self.layer_items():
            for child in self.segment_items(item):
                child.setHidden(text.strip().casefold() not in child.text(NAME).casefold())

    def layer_items(self) -> list[LayerItem]:
        """Return the rows of layers."""
        return [self.topLevelItem(n) for n in range(self.topLevelItemCount())]

    @staticmethod
    def segment_items(item: LayerItem) -> list[SegmentItem]:
        """Return the rows of a layer's segments."""
        return [item.child(n) for n in range(item.childCount())]

    def segment_count(self) -> int:
        """Number of segments of all layers."""
        return sum(item.childCount() for item in self.layer_items())

    def chosen_layer(self) -> LabelLayer | ContourLayer | None:
        """Return the layer of the current row."""
        item = self.currentItem()
        return item.layer if isinstance(item, LayerItem | SegmentItem) else None

    # --- acting ---

    def _on_click(self, item: QTreeWidgetItem, column: int) -> None:
        if column != EYE:
            self._jump(item)
        elif isinstance(item, SegmentItem):
            item.toggle()
        elif isinstance(item, LayerItem):
            item.layer.set_visible(not item.layer.visible)

    def _jump(self, item: QTreeWidgetItem) -> None:
        if isinstance(item, SegmentItem) and item.place is not None and item.place.centre_lps is not None:
            target = next((x for x in self._session.images() if self._session.shares_frame(item.layer, x)), None)
            if target is not None:
                self._session.set_focus(item.place.centre_lps, target)

    # --- looks ---

    def showEvent(self, event: QShowEvent) -> None:
        """Heights are known only once the style has been applied."""
        super().showEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._make_icons()

    def _make_icons(self) -> None:
        roles = QPalette.ColorRole
        chosen = self.palette().color(roles.HighlightedText).name()
        self._icons = {True: row_icon("eye", self.palette().color(roles.Text).name(), chosen),
                       False: row_icon("eye-off", self.palette().color(roles.PlaceholderText).name(), chosen)}

    def _fit(self) -> None:
        """Be as high as the content, within bounds: the side panel scrolls, the tree only where it is long."""
        rows = sum(self.rowHeight(self.indexFromItem(i)) for i in self.layer_items())
        for item in self.layer_items():
            if item.isExpanded() and item.childCount():
                rows += item.childCount() * self.rowHeight(self.indexFromItem(item.child(0)))
        self.setFixedHeight(min(max(rows + 4, MIN_HEIGHT), MAX_HEIGHT))


class _NameDelegate(QStyledItemDelegate):
    """Draws the quiet second line of a layer."""

    def sizeHint(self, option, index) -> QSize:  # noqa: ANN001
        """Two lines for layers."""
        size = super().sizeHint(option, index)
        lines = 2 if index.data(WHERE) is not None or not index.parent().isValid() else 1
        return QSize(size.width(), option.fontMetrics.height() * lines + (8 if lines == 2 else 6))

    def paint(self, painter, option, index) -> None:  # noqa: ANN001
        """Draw name and origin."""
        where = index.data(WHERE)
        if where is None:
            super().paint(painter, option, index)
            return
        text, fits = where
        tree = self.parent()
        height = option.fontMetrics.height()
        whole = option.rect
        self.initStyleOption(option, index)
        name, option.text = option.text, ""
        style = tree.style()
        style.drawControl(style.ControlElement.CE_ItemViewItem, option, painter, tree)
        painter.save()
        chosen = bool(option.state & style.StateFlag.State_Selected)
        role = QPalette.ColorRole.HighlightedText if chosen else QPalette.ColorRole.Text
        painter.setPen(option.palette.color(role))
        painter.setFont(option.font)
        box = whole.adjusted(3, 3, -3, 0)
        bold = painter.fontMetrics()
        painter.drawText(box.x(), box.y() + bold.ascent(),
                         bold.elidedText(name, Qt.TextElideMode.ElideMiddle, box.width()))
        font = QFont(option.font)
        font.setBold(False)
        font.setPointSizeF(max(option.font.pointSizeF() - 1, 6))
        painter.setFont(font)
        if not chosen:
            dim = option.palette.color(QPalette.ColorRole.PlaceholderText)
            painter.setPen(dim if fits else QColor(theme_of(tree._session).warning))
        small = painter.fontMetrics()
        painter.drawText(box.x(), box.y() + height + 1 + small.ascent(),
                         small.elidedText(text, Qt.TextElideMode.ElideRight, box.width()))
        painter.restore()

