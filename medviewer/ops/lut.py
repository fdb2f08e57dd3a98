"""Colour lookup tables, 256 entries each, made from a few anchor colours of our own choice.

Grey is linear in the grey value. The others are piecewise linear in RGB; ``hot`` is the usual black-red-yellow-
white ramp of nuclear medicine, ``cool-warm`` is for signed values, ``perfusion`` orders blue-green-yellow-red.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import ParamError

_ANCHORS: dict[str, tuple[tuple[float, tuple[int, int, int]], ...]] = {
    "grey": ((0, (0, 0, 0)), (1, (255, 255, 255))),
    "hot": ((0, (0, 0, 0)), (0.36, (220, 0, 0)), (0.72, (255, 210, 0)), (1, (255, 255, 255))),
    "pet-orange": ((0, (0, 0, 0)), (0.25, (74, 22, 0)), (0.5, (190, 80, 0)), (0.75, (255, 160, 30)),
                   (1, (255, 255, 210))),
    "ocean": ((0, (0, 0, 12)), (0.4, (0, 60, 140)), (0.75, (30, 180, 200)), (1, (235, 255, 255))),
    "perfusion": ((0, (0, 0, 0)), (0.15, (30, 30, 160)), (0.4, (0, 160, 120)), (0.65, (230, 220, 40)),
                  (0.85, (230, 60, 20)), (1, (255, 255, 255))),
    "cool-warm": ((0, (50, 80, 200)), (0.5, (230, 230, 230)), (1, (190, 20, 40))),
    "bone": ((0, (0, 0, 0)), (0.4, (80, 85, 110)), (0.75, (170, 190, 195)), (1, (255, 255, 255))),
}


def names() -> list[str]:
    """Return the names of all tables."""
    return list(_ANCHORS)


@cache
def table(name: str) -> NDArray[np.uint8]:
    """Return a table, uint8 (256, 3).

    Raises
    ------
    ParamError
        If there is no table of that name.
    """
    if name not in _ANCHORS:
        raise ParamError(f"there is no lookup table {name!r}", hint=f"Known tables: {', '.join(_ANCHORS)}.")
    places = [a for a, _ in _ANCHORS[name]]
    x = np.linspace(0, 1, 256)
    channels = [np.interp(x, places, [rgb[c] for _, rgb in _ANCHORS[name]]) for c in range(3)]
    out = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    out.setflags(write=False)
    return out
