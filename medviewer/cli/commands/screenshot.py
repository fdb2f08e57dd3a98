"""`medviewer screenshot PATH... -o PNG`: a picture of the window without showing it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medviewer.app.screenshot_request import (
    TASKS,
    THEMES,
    ScreenshotRequest,
    parse_position,
    parse_size,
    parse_window,
)
from medviewer.cli.program import Command
from medviewer.core.errors import ParamError


def run(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Files and folders to open.", metavar="PATH...")],
    output: Annotated[Path, typer.Option("-o", "--output", help="PNG file to write.")],
    mask: Annotated[list[Path] | None, typer.Option("--mask", help="Segmentation or structure set to draw.")] = None,
    overlay: Annotated[list[Path] | None, typer.Option("--overlay", help="Image to lay over it in colour.")] = None,
    task: Annotated[str, typer.Option(help=f"Side panel: {', '.join(TASKS)}.")] = "view",
    layout: Annotated[str, typer.Option(help="Arrangement of the views, such as single, 2x2, 1+3, 3d.")] = "2x2",
    window: Annotated[str, typer.Option(help="Preset such as lung, or width/level such as 1500/-600.")] = "",
    at: Annotated[str, typer.Option("--at", help="Crosshair, x,y,z in LPS mm.")] = "",
    size: Annotated[str, typer.Option(help="Width x height of the window in pixels.")] = "1600x1000",
    theme: Annotated[str, typer.Option(help=f"{' or '.join(THEMES)}.")] = "dark",
    scale: Annotated[float, typer.Option(help="Picture pixels per window pixel.")] = 1.0,
    names: Annotated[bool, typer.Option("--names", help="Show patient names (hidden otherwise).")] = False,
) -> int:
    """Write a picture of the window; patient names are hidden unless asked for."""
    chosen = {"task": task.lower(), "theme": theme.lower(), "layout": _layout(layout), "size": parse_size(size)}
    request = _request(paths, output, masks=tuple(mask or ()), overlays=tuple(overlay or ()), scale=scale, names=names,
                       window=parse_window(window) if window else None, at_lps=parse_position(at) if at else None,
                       **chosen)
    return context.obj.take_screenshot(request)


def _request(paths: list[Path], output: Path, **options: Any) -> ScreenshotRequest:
    request = ScreenshotRequest(tuple(paths), output, **options)
    for path in (*request.paths, *request.masks, *request.overlays):
        if not path.exists():
            raise ParamError(f"{path} does not exist", path=path)
    return request


def _layout(name: str) -> str:
    from medviewer.app.views import layout_by_name

    return layout_by_name(name).id


COMMAND = Command("screenshot", run)
