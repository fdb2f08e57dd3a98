"""The windows a user may choose for an image: those of the file and those that make sense for its unit."""

from __future__ import annotations

import numpy as np

from medviewer.app.layers import ImageLayer
from medviewer.core.volume import Window
from medviewer.ops.window import CT_PRESETS, SUV_PRESET, auto_window


def window_choices(layer: ImageLayer) -> list[Window]:
    """Return named windows: as stored, then the presets for the unit."""
    volume = layer.volume
    stored = [Window(w.centre, w.width, w.name or (f"As stored {n}" if n > 1 else "As stored"))
              for n, w in enumerate(volume.windows, 1) if w.width > 0]
    if volume.unit == "HU":
        return stored + list(CT_PRESETS)
    if volume.unit.startswith("SUV"):
        return [*stored, SUV_PRESET]
    return stored


def same_window(a: Window, b: Window) -> bool:
    """Whether two windows map alike, whatever their names."""
    size = max(abs(a.width), 1e-6)
    return abs(a.centre - b.centre) < 1e-3 * size and abs(a.width - b.width) < 1e-3 * size


def set_auto_window(layer: ImageLayer) -> None:
    """Choose the window from the values that have arrived (0.5 to 99.5 percentile)."""
    ready = np.flatnonzero(layer.loading.ready[layer.time_point])
    layer.set_window(auto_window(layer.volume, layer.time_point, ready if ready.size else None))
