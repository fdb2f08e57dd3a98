"""What a screenshot is to show, checked before anything is opened."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from medviewer.core.errors import ParamError
from medviewer.core.volume import Window

Task = Literal["view", "annotate", "check", "export"]
Theme = Literal["dark", "light"]
TASKS: tuple[str, ...] = get_args(Task)
THEMES: tuple[str, ...] = get_args(Theme)
MIN_SIZE, MAX_SIZE = 200, 16000  # pixels per side of the picture
MIN_SCALE, MAX_SCALE = 0.5, 4.0


@dataclass(frozen=True, slots=True)
class ScreenshotRequest:
    """A picture of the window, to be taken without showing it.

    paths : what to open
    output : PNG file
    masks : segmentations or structure sets drawn on it
    overlays : images laid over it in colour (a PET over its CT, a dose)
    layout : id of a view layout
    window : grey mapping; None for the one the file suggests
    at_lps : position of the crosshair, mm; None for the middle
    size : (width, height) of the window in logical pixels
    scale : physical pixels per logical pixel
    names : whether patient names may be seen
    """

    paths: tuple[Path, ...]
    output: Path
    masks: tuple[Path, ...] = ()
    overlays: tuple[Path, ...] = ()
    task: Task = "view"
    layout: str = "2x2"
    window: Window | None = None
    at_lps: tuple[float, float, float] | None = None
    size: tuple[int, int] = (1600, 1000)
    theme: Theme = "dark"
    scale: float = 1.0
    names: bool = False

    def __post_init__(self) -> None:
        if not self.paths:
            raise ParamError("a screenshot needs something to open")
        if self.output.suffix.lower() != ".png":
            raise ParamError(f"a screenshot is written as PNG, not as {self.output.suffix or 'a file without suffix'}",
                             hint=f"Use -o {self.output.stem or 'picture'}.png.")
        if self.task not in TASKS:
            raise ParamError(f"there is no task {self.task!r}", hint=f"Known tasks: {', '.join(TASKS)}.")
        if self.theme not in THEMES:
            raise ParamError(f"there is no theme {self.theme!r}", hint=f"Known themes: {', '.join(THEMES)}.")
        if not all(MIN_SIZE <= n <= MAX_SIZE for n in self.size):
            raise ParamError(f"a screenshot of {self.size[0]} x {self.size[1]} is not possible",
                             hint=f"Each side may have {MIN_SIZE} to {MAX_SIZE} pixels.")
        if not MIN_SCALE <= self.scale <= MAX_SCALE:
            raise ParamError(f"the scale must be {MIN_SCALE} to {MAX_SCALE}, not {self.scale:g}")
        if self.at_lps is not None and not all(map(math.isfinite, self.at_lps)):
            raise ParamError("the position must be three numbers in mm")


def parse_position(text: str) -> tuple[float, float, float]:
    """Read ``x,y,z`` (LPS mm).

    Raises
    ------
    ParamError
        If the text is not three finite numbers.
    """
    numbers = parse_numbers(text)
    if len(numbers) != 3:
        raise ParamError(f"{text!r} is not a position", hint="Give three numbers in LPS mm: x,y,z.")
    return numbers[0], numbers[1], numbers[2]


def parse_size(text: str) -> tuple[int, int]:
    """Read ``1600x1000`` (width, height).

    Raises
    ------
    ParamError
        If the text is not a size.
    """
    found = re.fullmatch(r"\s*(\d{1,6})\s*[xX×*]\s*(\d{1,6})\s*", text)
    if not found:
        raise ParamError(f"{text!r} is not a picture size", hint="Give width x height in pixels, such as 1600x1000.")
    return int(found[1]), int(found[2])


def parse_window(text: str) -> Window:
    """Read the name of a preset, or ``width/level`` such as ``1500/-600``.

    Raises
    ------
    ParamError
        If it is neither.
    """
    from medviewer.ops.window import preset

    numbers = parse_numbers(text.replace("/", ","))
    if len(numbers) == 2:
        width, centre = numbers
        if width <= 0:
            raise ParamError(f"a window must be wider than 0, not {width:g}")
        return Window(centre, width, "")
    return preset(text)


def parse_numbers(text: str) -> list[float]:
    """Read numbers with commas between them; an empty list if a part is no finite number."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        return []
    return values if all(map(math.isfinite, values)) else []
