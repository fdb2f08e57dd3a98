"""What a command needs from outside: the window it may open, and how to describe itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medviewer.app.screenshot_request import ScreenshotRequest

OpenWindow = Callable[[Sequence[Path], bool], int]  # (paths, demo study) -> exit status
TakeScreenshot = Callable[[ScreenshotRequest], int]


@dataclass(frozen=True, slots=True)
class Program:
    """Handed to every command; the window lives in a layer that the command line does not know."""

    open_window: OpenWindow
    take_screenshot: TakeScreenshot


@dataclass(frozen=True, slots=True)
class Command:
    """One command. A module in `cli/commands` that defines COMMAND is found by itself.

    id : its name
    run : function that typer makes a command of; returns the exit status
    """

    id: str
    run: Callable[..., int]
    hidden: bool = False
