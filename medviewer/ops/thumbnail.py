"""A small picture of one stored slice for lists: upright, with square pixels and the default window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medviewer.core.geometry import Geometry
from medviewer.core.volume import Volume
from medviewer.ops.window import apply_voi_lut, apply_window, default_window

# for the patient axis a slice is seen along: which patient directions point right and down on the screen (LPS)
_SCREEN = {2: ((1, 0, 0), (0, 1, 0)), 1: ((1, 0, 0), (0, 0, -1)), 0: ((0, 1, 0), (0, 0, -1))}


def thumbnail(volume: Volume, k: int, t: int = 0, size: int = 128) -> NDArray[np.uint8]:
    """Draw one stored slice.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
        At most `size` pixels a side.
    """
    picture = _grey(volume, k, t)
    axes, flips = _upright(volume.geometry)
    if axes == (1, 0):
        picture = picture.swapaxes(0, 1)
    picture = picture[::-1 if flips[0] else 1, ::-1 if flips[1] else 1]
    heights = [volume.geometry.spacing_mm[1 + a] for a in axes]
    return np.ascontiguousarray(_shrink(picture, heights[0], heights[1], size))


def _grey(volume: Volume, k: int, t: int) -> NDArray[np.uint8]:
    stored = volume.at_time(t)[k]
    if volume.colour:
        window = default_window(volume, t, [k])
        return apply_window(stored, window.centre, window.width)
    values = volume.slice_values(k, t)
    if volume.voi_lut is not None:
        grey = apply_voi_lut(values, volume.voi_lut)
    else:
        window = default_window(volume, t, [k])
        grey = apply_window(values, window.centre, window.width)
    if volume.inverted or volume.unit.startswith("SUV"):
        grey = 255 - grey
    if volume.padding is not None:
        grey = np.where((stored >= volume.padding[0]) & (stored <= volume.padding[1]), 0, grey).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def _upright(geometry: Geometry) -> tuple[tuple[int, int], tuple[bool, bool]]:
    """Which slice axis (0 rows, 1 columns) runs down and right on the screen, and which are to be turned round."""
    along = int(np.argmax(np.abs(geometry.slice_normal)))
    right, down = (np.asarray(v, float) for v in _SCREEN[along])
    rows, columns = geometry.directions[:, 1], geometry.directions[:, 2]
    if abs(rows @ down) + abs(columns @ right) >= abs(columns @ down) + abs(rows @ right):
        return (0, 1), (bool(rows @ down < 0), bool(columns @ right < 0))
    return (1, 0), (bool(columns @ down < 0), bool(rows @ right < 0))


def _shrink(picture: NDArray[np.uint8], row_mm: float, column_mm: float, size: int) -> NDArray[np.uint8]:
    """Average blocks, then pick the nearest, so that pixels are square and the longer side has `size` pixels."""
    high, wide = picture.shape[0] * row_mm, picture.shape[1] * column_mm
    scale = size / max(high, wide)
    rows, columns = max(round(high * scale), 1), max(round(wide * scale), 1)
    block = max(picture.shape[0] // (2 * rows), 1), max(picture.shape[1] // (2 * columns), 1)
    if max(block) > 1:
        cut = picture[: picture.shape[0] // block[0] * block[0], : picture.shape[1] // block[1] * block[1]]
        picture = cut.reshape(cut.shape[0] // block[0], block[0], cut.shape[1] // block[1], block[1], 3) \
            .mean(axis=(1, 3)).astype(np.uint8)
    j = ((np.arange(rows) + 0.5) * picture.shape[0] / rows).astype(int)
    i = ((np.arange(columns) + 0.5) * picture.shape[1] / columns).astype(int)
    return picture[j][:, i]
