"""Open an image and lay it over the active one in colour as soon as it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medviewer.app.layers import ImageLayer

if TYPE_CHECKING:
    from medviewer.app.session import Session
    from medviewer.core.study import Series


def fuse_when_open(session: Session, series: Series) -> None:
    """Lay a series over the active image, opening it first where needed."""
    layer = session.layer_of(series)
    if isinstance(layer, ImageLayer):
        if layer is not session.active:
            session.set_fusion(layer)
        return

    def arrived() -> None:
        opened = session.layer_of(series)
        if isinstance(opened, ImageLayer):
            session.layers_changed.disconnect(arrived)
            if opened is not session.active:
                session.set_fusion(opened)

    session.layers_changed.connect(arrived)
    session.show_series(series, add=True)
