"""From stored words to stored values: used bits, sign, and what stands for a missing part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.io.dicom.layout import PixelLayout

Values = NDArray[Any]
Tell = Callable[[str, str, str], None]  # takes the parts of a Report


def word_type(layout: PixelLayout) -> np.dtype[Any]:
    """Type of one stored word, in native byte order."""
    if layout.bits_allocated == 1:
        return np.dtype(np.uint8)
    kind = "f" if layout.dtype.kind == "f" else "i" if layout.signed else "u"
    return np.dtype(f"{kind}{layout.bits_allocated // 8}")


def reduce_to_used_bits(values: Values, layout: PixelLayout, tell: Tell) -> None:
    """Shift, mask and extend the sign, in place; what is within range is left alone."""
    if values.dtype.kind == "f" or not values.size:
        return
    shift = layout.high_bit + 1 - layout.bits_stored
    if shift and not layout.compressed:
        np.right_shift(values, shift, out=values)
    if layout.bits_stored == 8 * values.dtype.itemsize:
        return
    low, high = 0, (1 << layout.bits_stored) - 1
    if layout.signed:
        low, high = -(1 << layout.bits_stored - 1), (1 << layout.bits_stored - 1) - 1
    if low <= int(values.min()) and int(values.max()) <= high:
        return
    if layout.signed:
        room = 8 * values.dtype.itemsize - layout.bits_stored
        np.left_shift(values, room, out=values)
        np.right_shift(values, room, out=values)
        return
    np.bitwise_and(values, high, out=values)
    tell("high-bits", f"bits above the {layout.bits_stored} used ones are set (an old overlay, or a wrong header)",
         "they were removed")


def padding(present: Values, layout: PixelLayout, declared: Any) -> Any:
    """Value for the missing part of a frame: the declared padding value, else the lowest there is."""
    if layout.colour or not present.size:
        return 0
    if isinstance(declared, int) and present.dtype.kind in "iu":
        bits = 8 * present.dtype.itemsize
        wrapped = declared - (1 << bits) if layout.signed and declared >> (bits - 1) == 1 else declared
        info = np.iinfo(present.dtype)
        if info.min <= wrapped <= info.max:
            return wrapped
    return np.nanmin(present) if present.dtype.kind == "f" and not np.isnan(present).all() else present.min()


def fit(values: Values, layout: PixelLayout) -> Values | None:
    """Decoded values as stored words (a copy); None if they do not fit."""
    target = word_type(layout)
    if values.dtype.itemsize > target.itemsize and values.size and (
            values.min() < -(1 << (8 * target.itemsize - 1)) or values.max() >= 1 << (8 * target.itemsize)):
        return None
    return values.astype(target)
