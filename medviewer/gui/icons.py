"""Icons of the toolbar, drawn as SVG in the colour of the theme: 24 x 24, strokes of 1.7."""

from __future__ import annotations

from PyQt6.QtCore import QByteArray, QRectF, Qt
from PyQt6.QtGui import QIcon, QPainter, QPixmap, QPixmapCache
from PyQt6.QtSvg import QSvgRenderer

SHAPES = {
    "eye": '<path d="M2 12s4-6.5 10-6.5S22 12 22 12s-4 6.5-10 6.5S2 12 2 12z"/><circle cx="12" cy="12" r="2.8"/>',
    "eye-off": '<path d="M4 4l16 16M9.5 6A9 9 0 0 1 12 5.5C18 5.5 22 12 22 12a17 17 0 0 1-3 3.6M6 8a16 16 0 0 0-4 4'
               's4 6.5 10 6.5a9.5 9.5 0 0 0 4-.9"/>',
    "close": '<path d="M6 6l12 12M18 6L6 18"/>',
    "trash": '<path d="M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5"/>',
    "save": '<path d="M12 4v11M8 11l4 4 4-4M4 19h16"/>',
    "import": '<path d="M12 15V4M8 8l4-4 4 4M4 19h16"/>',
    "auto": '<path d="M4 20L15 9M13 5l1-2 1 2 2 1-2 1-1 2-1-2-2-1zM19 12v4M17 14h4"/>',
    "image": '<rect x="3" y="4" width="18" height="16" rx="1"/><path d="M3 17l5-5 4 4 3-3 6 5"/>'
             '<circle cx="15.5" cy="8.5" r="1.5"/>',
    "mask": '<path d="M7 5c5-3 12 0 12 6s-4 9-9 8-6-4-5-8 0-4 2-6z" fill="COLOUR" fill-opacity="0.45"/>',
    "contour": '<path d="M7 5c5-3 12 0 12 6s-4 9-9 8-6-4-5-8 0-4 2-6z"/>',
    "folder": '<path d="M3 19V6h6l2 2h10v11z"/>',
    "search": '<circle cx="10.5" cy="10.5" r="6"/><path d="M15 15l6 6"/>',
    "open": '<path d="M3 18V6h6l2 2h9v3"/><path d="M3 18l3-7h16l-3 7z"/>',
    "window": '<circle cx="12" cy="12" r="8"/><path d="M12 4a8 8 0 0 1 0 16z" fill="COLOUR"/>',
    "pan": '<path d="M12 3v18M3 12h18M9 6l3-3 3 3M9 18l3 3 3-3M6 9l-3 3 3 3M18 9l3 3-3 3"/>',
    "zoom": '<circle cx="10.5" cy="10.5" r="6"/><path d="M15 15l6 6M8 10.5h5M10.5 8v5"/>',
    "crosshair": '<path d="M12 2v7M12 15v7M2 12h7M15 12h7"/><circle cx="12" cy="12" r="1" fill="COLOUR"/>',
    "probe": '<circle cx="12" cy="12" r="3"/><path d="M12 3v4M12 17v4M3 12h4M17 12h4"/>',
    "length": '<path d="M4 20L20 4M2 18l4 4M18 2l4 4"/>',
    "angle": '<path d="M20 19H4L15 4"/><path d="M11.5 19a8 8 0 0 0-2.7-6"/>',
    "bidirectional": '<path d="M4 20L20 4M9 8l7 7"/>',
    "rectangle": '<rect x="4" y="6" width="16" height="12"/>',
    "ellipse": '<ellipse cx="12" cy="12" rx="9" ry="6"/>',
    "layout": '<rect x="3" y="4" width="18" height="16"/><path d="M12 4v16M3 12h18"/>',
    "play": '<path d="M7 4l13 8-13 8z" fill="COLOUR"/>',
    "stop": '<rect x="6" y="6" width="12" height="12" fill="COLOUR"/>',
    "camera": '<path d="M3 7h4l2-3h6l2 3h4v13H3z"/><circle cx="12" cy="13" r="4"/>',
    "reset": '<path d="M5 12a7 7 0 1 0 2-5M5 3v5h5"/>',
    "presets": '<path d="M4 7h16M4 12h16M4 17h16"/><circle cx="9" cy="7" r="2" fill="COLOUR"/>'
               '<circle cx="16" cy="12" r="2" fill="COLOUR"/><circle cx="7" cy="17" r="2" fill="COLOUR"/>',
    "overlay": '<path d="M12 3l9 5-9 5-9-5z"/><path d="M3 13l9 5 9-5"/>',
    "help": '<circle cx="12" cy="12" r="9"/><path d="M9.2 9.2a2.9 2.9 0 1 1 4 3c-.9.5-1.2 1-1.2 2M12 17v.4"/>',
    "theme": '<circle cx="12" cy="12" r="4"/><path d="M12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M5 19l2-2'
             'M17 7l2-2"/>',
}


def icon(name: str, colour: str, active_colour: str | None = None) -> QIcon:
    """Return an icon in a colour, and in another one for the checked state."""
    result = QIcon()
    for state, tint in ((QIcon.State.Off, colour), (QIcon.State.On, active_colour or colour)):
        for ratio in (1, 2):
            result.addPixmap(_pixmap(SHAPES[name], tint, 18 * ratio), QIcon.Mode.Normal, state)
    return result


def row_icon(name: str, colour: str, selected: str) -> QIcon:
    """Return an icon for a list, in another colour on selected rows."""
    result = icon(name, colour)
    for ratio in (1, 2):
        result.addPixmap(_pixmap(SHAPES[name], selected, 18 * ratio), QIcon.Mode.Selected)
    return result


def _pixmap(shape: str, colour: str, size: int) -> QPixmap:
    key = f"{shape} {colour} {size}"
    known = QPixmapCache.find(key)  # a change of theme asks for hundreds
    if known is not None:
        return known
    svg = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><g fill="none" stroke="COLOUR" '
           f'stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round">{shape}</g></svg>')
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(svg.replace("COLOUR", colour).encode())).render(painter, QRectF(0, 0, size, size))
    painter.end()
    QPixmapCache.insert(key, pixmap)
    return pixmap
