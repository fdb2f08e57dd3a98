"""What a user can do from a key, a menu or a button: one list, with default shortcuts that can be changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from medviewer.app.layers import ImageLayer
from medviewer.app.session import Session
from medviewer.core.discover import discover
from medviewer.ops.window import CT_PRESETS, SUV_PRESET

FADE_STEP = 0.1


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to do.

    run : takes the session
    enabled : says whether it can be done now
    why_not : shown where it cannot
    """

    id: str
    label: str
    group: str
    shortcut: str
    run: Callable[[Session], None]
    enabled: Callable[[Session], bool] = lambda _: True
    why_not: str = ""


def _has_image(session: Session) -> bool:
    return session.active is not None


def _has_overlay(session: Session) -> bool:
    return any(not isinstance(x, ImageLayer) for x in session.layers)


def _scroll(steps: int) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        view = session.current_view
        if view is not None:
            session.scroll(view, steps)
    return run


def _go_to(index: int) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        view = session.current_view
        if view is not None:
            session.go_to_slice(view, index)
    return run


def _series(step: int) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        images = [s for s in session.series if s.kind == "image"]
        if session.active is None or len(images) < 2:
            return
        here = next((n for n, s in enumerate(images) if s.id == session.active.series.id), 0)
        session.show_series(images[(here + step) % len(images)])
    return run


def _preset(number: int) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        if session.active is None:
            return
        if number == 0:
            session.active.reset_window()
        elif session.active.volume.unit.startswith("SUV"):
            session.active.set_window(SUV_PRESET)
        elif session.active.volume.unit == "HU":
            session.active.set_window(CT_PRESETS[number - 1])
        else:
            session.message.emit(f"{CT_PRESETS[number - 1].name} is a window in HU; this series is not in HU")
    return run


def _fade(step: float) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        layers = [x for x in session.layers if not isinstance(x, ImageLayer)]
        if session.fusion is not None:
            layers.append(session.fusion)
        for layer in layers:
            layer.set_opacity(layer.opacity + step)
    return run


def _flip(*, horizontal: bool = False, vertical: bool = False) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        if session.current_view is not None:
            session.current_view.flip(horizontal=horizontal, vertical=vertical)
    return run


def _rotate(steps: int) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        if session.current_view is not None:
            session.current_view.rotate_quarter(steps)
    return run


def _invert(session: Session) -> None:
    if session.active is not None:
        session.active.set_inverted(not session.active.inverted)


def _time(step: int) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        if session.active is not None and session.active.volume.time_points > 1:
            session.active.set_time_point(session.active.time_point + step)
    return run


def _next_worst(session: Session) -> None:
    session.inspector.next_worst()


def _delete_annotation(session: Session) -> None:
    if session.annotations.selected:
        session.annotations.remove(session.annotations.selected)


def commands() -> list[Command]:
    """Return all commands that need only the session, tools included."""
    no_image = "Open an image first."
    found = [
        Command("next-slice", "Next slice", "Slices", "Up", _scroll(1), _has_image, no_image),
        Command("previous-slice", "Previous slice", "Slices", "Down", _scroll(-1), _has_image, no_image),
        Command("ten-on", "Ten slices on", "Slices", "PgUp", _scroll(10), _has_image, no_image),
        Command("ten-back", "Ten slices back", "Slices", "PgDown", _scroll(-10), _has_image, no_image),
        Command("first-slice", "First slice", "Slices", "Home", _go_to(0), _has_image, no_image),
        Command("last-slice", "Last slice", "Slices", "End", _go_to(-1), _has_image, no_image),
        Command("next-series", "Next series", "Slices", "Right", _series(1), _has_image, no_image),
        Command("previous-series", "Previous series", "Slices", "Left", _series(-1), _has_image, no_image),
        Command("next-time", "Next time point", "Slices", "Ctrl+Right", _time(1), _has_image, no_image),
        Command("previous-time", "Previous time point", "Slices", "Ctrl+Left", _time(-1), _has_image, no_image),
        Command("cine", "Play / stop", "Slices", "C", Session.toggle_cine, _has_image, no_image),
        Command("reset", "Reset views", "Display", "R", Session.reset_views, _has_image, no_image),
        Command("fit", "Fit to view", "Display", "F", Session.fit_views, _has_image, no_image),
        Command("invert", "Invert grey", "Display", "I", _invert, _has_image, no_image),
        Command("flip-horizontal", "Mirror left-right", "Display", "Shift+H", _flip(horizontal=True), _has_image,
                no_image),
        Command("flip-vertical", "Mirror up-down", "Display", "Shift+V", _flip(vertical=True), _has_image, no_image),
        Command("rotate-right", "Rotate right", "Display", "Alt+R", _rotate(1), _has_image, no_image),
        Command("rotate-left", "Rotate left", "Display", "Alt+L", _rotate(-1), _has_image, no_image),
        Command("crosshair-lines", "Show cross lines", "Display", "X",
                lambda s: s.set_display(show_crosshair=not s.show_crosshair)),
        Command("slices-3d", "Show the slices in 3D", "Display", "Shift+X",
                lambda s: s.set_display(slices_in_3d=not s.slices_in_3d)),
        Command("texts", "Texts: all, few, none", "Display", "Space",
                lambda s: s.set_display(text_level=(s.text_level - 1) % 3)),
        Command("names", "Hide patient names", "Display", "Shift+N",
                lambda s: s.set_display(hide_names=not s.hide_names)),
        Command("smooth", "Smooth pixels", "Display", "Shift+S",
                lambda s: s.set_preference(smooth=not s.settings.values.smooth)),
        Command("neurological", "Patient left on image left (neurological)", "Display", "Shift+L",
                lambda s: s.set_preference(neurological=not s.neurological)),
        Command("synchronise", "Scroll studies together", "Display", "Shift+Y",
                lambda s: s.set_display(synchronised=not s.synchronised)),
        Command("overlays", "Show masks and contours", "Masks", "S",
                lambda s: s.set_display(show_overlays=not s.show_overlays), _has_overlay,
                "There is no mask or contour to show."),
        Command("fade-out", "Masks more transparent", "Masks", "Q", _fade(-FADE_STEP)),
        Command("fade-in", "Masks more opaque", "Masks", "E", _fade(FADE_STEP)),
        Command("next-worst", "Next worst slice of the comparison", "Masks", "N",
                _next_worst, lambda s: s.inspector.result is not None,
                "Compare two masks in the Check tab first."),
        Command("delete-measurement", "Delete the selected measurement", "Measure", "Del", _delete_annotation,
                lambda s: bool(s.annotations.selected), "Select a measurement first."),
        Command("preset-0", "Window: as stored / automatic", "Window", "0", _preset(0), _has_image, no_image),
    ]
    found += [Command(f"preset-{n}", f"Window: {w.name}  {w.width:g} / {w.centre:g}", "Window", str(n), _preset(n),
                      _has_image, no_image) for n, w in enumerate(CT_PRESETS, 1)]
    for tool in sorted(discover("medviewer.tools.builtin", "TOOL").values(), key=lambda t: (t.group != "view", t.id)):
        found.append(Command(f"tool-{tool.id}", f"Tool: {tool.label}", "Tools", tool.shortcut,
                             lambda s, name=tool.id: s.set_tool(name)))  # type: ignore[misc]
    return found
