"""Grey mapping of stored values for the screen: linear windows, lookup tables, presets.

Integer volumes are mapped through one table over all stored values, so a slice costs one gather whatever the
rescale, padding or VOI LUT; other types are mapped by arithmetic. Both paths give the same grey.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import ParamError
from medviewer.core.volume import VoiLut, Volume, Window

CT_PRESETS = (
    Window(40, 400, "Soft tissue"), Window(-600, 1500, "Lung"), Window(50, 350, "Mediastinum"),
    Window(350, 2000, "Bone"), Window(40, 80, "Brain"), Window(40, 40, "Stroke"), Window(90, 150, "Liver"),
    Window(-850, 500, "Emphysema"), Window(200, 600, "Angio"),
)
SUV_PRESET = Window(3.5, 7.0, "SUV 0-7")
AUTO_PERCENTILES = (0.5, 99.5)
NUCLEAR_PERCENTILE = 99.8  # of a PET or NM volume, whose window begins at 0: lesions are small and bright
AUTO_SAMPLES = 200_000  # values looked at for an automatic window
TABLE_SIZE = {1: 256, 2: 65536}


def preset(name: str) -> Window:
    """Find a CT preset by name (case, spaces and dashes do not matter).

    Raises
    ------
    ParamError
        If there is no preset of that name.
    """
    def plain(text: str) -> str:
        return "".join(c for c in text.lower() if c.isalnum())

    for window in (*CT_PRESETS, SUV_PRESET):
        if plain(window.name) == plain(name):
            return window
    known = ", ".join(w.name.lower().replace(" ", "-") for w in (*CT_PRESETS, SUV_PRESET))
    raise ParamError(f"there is no window preset {name!r}", hint=f"Known presets: {known}.")


def apply_window(array: NDArray[Any], centre: float, width: float) -> NDArray[np.uint8]:
    """Map values to display grey with a linear window.

    Parameters
    ----------
    array : ndarray, any shape
        Rescaled values (HU, SUVbw, ...).
    centre, width : float
        In the unit of `array`.

    Returns
    -------
    ndarray of uint8, same shape
        0 below the window, 255 above it; not-a-number is 0.

    Raises
    ------
    ParamError
        If `width` is not positive.

    References
    ----------
    DICOM PS3.3 C.11.2.1.3.2, LINEAR_EXACT VOI LUT function (it has no half-step offset, so it suits units
    such as SUV whose windows are narrower than 1).
    """
    if not width > 0:
        raise ParamError(f"a window must be wider than 0, not {width}")
    grey = (np.asarray(array, np.float32) - np.float32(centre - width / 2)) * np.float32(255.0 / width)
    return np.nan_to_num(np.clip(grey, 0, 255), nan=0.0).astype(np.uint8)


def apply_voi_lut(array: NDArray[Any], lut: VoiLut) -> NDArray[np.uint8]:
    """Map values through a stored grey curve; values outside take its first or last entry."""
    index = np.clip(np.asarray(array, np.float64) - lut.first, 0, len(lut.entries) - 1)
    return (lut.entries[np.nan_to_num(index).astype(np.intp)] * 255).astype(np.uint8)


def grey_table(dtype: np.dtype[np.generic], slope: float, intercept: float, window: Window | VoiLut, *,
               inverted: bool = False, padding: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """Make the table stored value -> grey for 8- and 16-bit integers.

    The table is indexed by the stored bits read as unsigned: ``table[stored.view(unsigned)]``.
    """
    values = np.arange(TABLE_SIZE[dtype.itemsize], dtype=f"u{dtype.itemsize}").view(dtype).astype(np.float64)
    real = values * slope + intercept
    grey = apply_voi_lut(real, window) if isinstance(window, VoiLut) else \
        apply_window(real, window.centre, window.width)
    if inverted:
        grey = 255 - grey
    if padding is not None:
        grey[(values >= padding[0]) & (values <= padding[1])] = 0
    return grey


def auto_window(volume: Volume, t: int = 0, ks: Iterable[int] | None = None) -> Window:
    """Choose a window from the values: the 0.5...99.5 percentile of what is not background.

    Parameters
    ----------
    ks : iterable of int
        Slices to look at (those that have arrived); all by default.
    """
    stored = volume.at_time(t)
    picks = list(range(stored.shape[0]) if ks is None else ks)
    if len(picks) > 16:
        picks = [picks[n] for n in np.linspace(0, len(picks) - 1, 16).astype(int)]
    step = max(1, int(np.sqrt(stored[0].size * max(len(picks), 1) / AUTO_SAMPLES)))
    parts = []
    for k in picks:
        slope, intercept = volume.rescale.at(t, k)
        values = stored[k, ::step, ::step]
        keep = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
        if volume.padding is not None:
            keep &= (values < volume.padding[0]) | (values > volume.padding[1])
        parts.append(values[keep].astype(np.float64) * slope + intercept)
    values = np.concatenate(parts) if parts else np.zeros(1)
    if values.size == 0:
        return Window(0.5, 1.0, "Auto")
    if volume.modality in ("PT", "NM") and values.size and values.max() > 0:
        top = float(np.percentile(values, NUCLEAR_PERCENTILE)) or float(values.max())
        return Window(top / 2, top, "Auto")
    tissue = values[values > values.min()]  # the background of MR and PET is its lowest value
    low, high = np.percentile(tissue if tissue.size > values.size // 100 else values, AUTO_PERCENTILES)
    if high - low < 1e-6 * max(abs(high), 1.0):
        low, high = float(values.min()), float(values.max())
    width = float(high - low) or 1.0
    return Window(float(low + high) / 2, width, "Auto")


def default_window(volume: Volume, t: int = 0, ks: Iterable[int] | None = None) -> Window:
    """Choose the first window to show: the file's own, SUV 0-7 for SUV, soft tissue for CT, else automatic."""
    if volume.colour:
        return Window(127.5, 255.0, "Colour")
    if volume.unit.startswith("SUV"):
        return SUV_PRESET
    for window in volume.windows:
        if window.width > 0:
            return window
    if volume.unit == "HU":
        return CT_PRESETS[0]
    return auto_window(volume, t, ks)
