"""What a tool is: a gesture written as a generator.

The press is the first call, every move is sent in, the release comes with `down` False; Escape closes the
generator, which rolls back what was begun.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from medviewer.app.session import Session
from medviewer.app.views import ViewState


@dataclass(frozen=True, eq=False)
class Pointer:
    """Where the pointer is.

    widget_xy : (2,) logical pixels in the view
    lps : the position on the view's plane, mm
    down : whether the button is pressed
    size : (width, height) of the view, logical pixels
    """

    widget_xy: NDArray[np.float64]
    lps: NDArray[np.float64]
    down: bool = True
    shift: bool = False
    ctrl: bool = False
    alt: bool = False
    size: tuple[int, int] = (1, 1)


@dataclass(frozen=True, eq=False)
class ToolContext:
    """What a gesture works on."""

    session: Session
    view: ViewState


Gesture = Generator[None, Pointer, None]


class Tool(Protocol):
    """A tool; a module in `tools/builtin` that defines TOOL is found by itself."""

    id: str
    label: str
    shortcut: str
    icon: str
    group: str
    hint: str

    def stroke(self, ctx: ToolContext, pointer: Pointer) -> Gesture:
        """Run one gesture."""
        ...
