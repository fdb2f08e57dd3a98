"""Save and restore a session: what was open, how it was shown, and the measurements. No voxels, no code."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medviewer.app.layers import ImageLayer, LabelLayer
from medviewer.app.session import Session
from medviewer.app.views import LAYOUTS
from medviewer.core.annotations import Annotation
from medviewer.core.errors import ReadError
from medviewer.core.files import atomic_write
from medviewer.core.volume import Window

log = logging.getLogger(__name__)
VERSION = 1
MAX_BYTES = 20_000_000


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore")


class LayerState(_Model):
    """How one layer was shown."""

    series_id: str
    visible: bool = True
    opacity: float = Field(1.0, ge=0, le=1)
    window: tuple[float, float, str] | None = None
    lut: str = "grey"
    inverted: bool = False
    time_point: int = 0
    fill: bool = True
    outline: bool = True


class ViewShape(_Model):
    """Slab and turn of one view."""

    slab_mm: float = 0.0
    turn: list[list[float]] = Field(default_factory=lambda: np.eye(3).tolist())


class SessionFile(_Model):
    """The content of a session file."""

    version: int = VERSION
    sources: list[str] = Field(default_factory=list)
    layers: list[LayerState] = Field(default_factory=list)
    active: str = ""
    fusion: str = ""
    focus_lps: tuple[float, float, float] | None = None
    layout: str = "2x2"
    views: list[ViewShape] = Field(default_factory=list)
    scale: float = Field(0.0, ge=0)  # 0: fitted
    offset_lps: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tool: str = "window"
    text_level: int = Field(2, ge=0, le=2)
    show_crosshair: bool = True
    show_overlays: bool = True
    annotations: list[Annotation] = Field(default_factory=list)


def last_session_path() -> Path:
    """Return where the last session is kept."""
    return user_data_path("medviewer", appauthor=False) / "last-session.json"


def snapshot(session: Session) -> SessionFile:
    """Describe a session as it is now."""
    layers = []
    for x in session.layers:
        state = LayerState(series_id=x.series.id, visible=x.visible, opacity=x.opacity)
        if isinstance(x, ImageLayer):
            state = state.model_copy(update={
                "window": (x.window.centre, x.window.width, x.window.name) if x.voi_lut is None else None,
                "lut": x.lut, "inverted": x.inverted, "time_point": x.time_point})
        elif isinstance(x, LabelLayer):
            state = state.model_copy(update={"fill": x.fill, "outline": x.outline})
        layers.append(state)
    focus = session.focus() if session.active is not None else None
    return SessionFile(
        sources=[str(p.resolve()) for p in session.sources], layers=layers,
        active=session.active.series.id if session.active else "",
        fusion=session.fusion.series.id if session.fusion else "",
        focus_lps=tuple(float(v) for v in focus) if focus is not None else None,  # type: ignore[arg-type]
        layout=session.layout.id, tool=session.tool, text_level=session.text_level,
        show_crosshair=session.show_crosshair, show_overlays=session.show_overlays,
        views=[ViewShape(slab_mm=v.slab_mm, turn=v.turn.tolist()) for v in session.views],
        scale=0.0 if session.framing.fitted else session.framing.scale,
        offset_lps=tuple(float(v) for v in session.framing.offset_lps),  # type: ignore[arg-type]
        annotations=list(session.annotations.items))


def save(session: Session, path: Path) -> None:
    """Write a session file, whole or not at all."""
    with atomic_write(path, "w", encoding="utf-8") as file:
        file.write(snapshot(session).model_dump_json(indent=1))


def load(path: Path) -> SessionFile:
    """Read a session file.

    Raises
    ------
    ReadError
        If it is not one.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ReadError("the session file is too large to be one", path=path)
        return SessionFile.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReadError(f"{path.name} cannot be read: {error.strerror}", path=path) from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise ReadError(f"{path.name} is not a session file of medviewer", path=path) from error


class Restorer:
    """Brings a session back as its series arrive; what is gone from the disk is told and left out."""

    def __init__(self, session: Session, content: SessionFile) -> None:
        self._session, self._content = session, content
        self._left = {state.series_id: state for state in content.layers}
        self._started = False
        self._slot = lambda: self._on_layers()  # held strongly by the signal until all is restored

    def start(self) -> None:
        """Scan the sources again and show what was shown."""
        session, content = self._session, self._content
        session.set_layout(LAYOUTS.get(content.layout, LAYOUTS["2x2"]))
        session.set_tool(content.tool)
        session.set_display(text_level=content.text_level, show_crosshair=content.show_crosshair,
                            show_overlays=content.show_overlays)
        for annotation in content.annotations:
            session.annotations.add(annotation)
        session.annotations.select("")
        here = [Path(p) for p in content.sources if Path(p).exists()]
        for gone in (p for p in content.sources if not Path(p).exists()):
            session.message.emit(f"{Path(gone).name} of the last session is no longer there")
        if here:
            session.layers_changed.connect(self._slot)
            session.open_paths(here, remember=False)

    def _on_layers(self) -> None:
        session = self._session
        if not self._started and session.active is not None:
            self._started = True
            for state in list(self._left.values()):
                series = next((s for s in session.series if s.id == state.series_id), None)
                if series is not None and session.layer_of(series) is None:
                    session.show_series(series, add=True)
        for layer in session.layers:
            known = self._left.pop(layer.series.id, None)
            if known is not None:
                self._apply(layer, known)
        if not self._left:
            session.layers_changed.disconnect(self._slot)
            self._finish()

    def _apply(self, layer: object, state: LayerState) -> None:
        if isinstance(layer, ImageLayer):
            layer.lut, layer.opacity = state.lut, state.opacity
            layer.set_inverted(state.inverted)
            layer.set_time_point(min(state.time_point, layer.volume.time_points - 1))
            if state.window is not None:
                layer.set_window(Window(*state.window))
            if layer.series.id == self._content.fusion:
                self._session.set_fusion(layer, lut=state.lut, opacity=state.opacity)
        elif isinstance(layer, LabelLayer):
            layer.set_style(fill=state.fill, outline=state.outline)
        if not isinstance(layer, ImageLayer):
            layer.set_visible(state.visible)  # type: ignore[attr-defined]
            layer.set_opacity(state.opacity)  # type: ignore[attr-defined]

    def _finish(self) -> None:
        session, content = self._session, self._content
        wanted = next((x for x in session.images() if x.series.id == content.active), None)
        if wanted is not None:
            session.activate(wanted)
        if content.focus_lps is not None:
            session.set_focus(content.focus_lps)
        for view, shape in zip(session.views, content.views, strict=False):
            view.slab_mm, view.turn = shape.slab_mm, np.array(shape.turn)
            view.changed.emit()
        framing = session.framing
        if content.scale > 0:
            framing.scale, framing.fitted, framing.offset_lps = content.scale, False, np.array(content.offset_lps)
            framing.changed.emit()
