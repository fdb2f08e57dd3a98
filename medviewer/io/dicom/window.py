"""Suggested grey mappings of a file: windows, padding, inversion."""

from __future__ import annotations

from typing import Any

import numpy as np

from medviewer.core.study import Report
from medviewer.core.volume import Window
from medviewer.io.dicom import doctor
from medviewer.io.dicom.headers import Header

Numbers = tuple[float, ...]


def windows_in(centres: Numbers, widths: Numbers, names: str = "", function: str = "") -> tuple[Window, ...]:
    """Pair centres and widths; those that cannot be a window are left out.

    LINEAR windows are half a unit off the exact ones (PS3.3 C.11.2.1.2.1), which is the business of whoever
    applies them; a width below 1 is allowed for LINEAR_EXACT and SIGMOID only.
    """
    least = 1e-12 if function in ("LINEAR_EXACT", "SIGMOID") else 0.0
    labels = names.split("\\")
    found = []
    for n, (centre, width) in enumerate(zip(centres, widths, strict=False)):
        if width > least and np.isfinite([centre, width]).all():
            found.append(Window(centre, width, labels[n].strip() if n < len(labels) else ""))
    return tuple(found)


def header_windows(header: Header) -> tuple[Window, ...]:
    """Return the windows at the top level of a file."""
    return windows_in(header.numbers("WindowCenter"), header.numbers("WindowWidth"),
                      header.text("WindowCenterWidthExplanation"))


def padding_of(header: Header, dtype: np.dtype[Any]) -> tuple[tuple[float, float] | None, list[Report]]:
    """Return the range of stored padding values, read in the sign of the pixels.

    LIDC-IDRI and others write the value with the VR of the other sign: 63536 for -2000.
    """
    values = header.numbers("PixelPaddingValue")
    if not values or dtype.kind not in "iu":
        return None, []
    limits = np.iinfo(dtype)
    reports: list[Report] = []
    ends = []
    for value in (values[0], *header.numbers("PixelPaddingRangeLimit")[:1]):
        meant = value
        if not limits.min <= value <= limits.max:
            meant = value - 65536 if value > limits.max else value + 65536
            if not limits.min <= meant <= limits.max:
                return None, [doctor.padding_unfit(value)]
            reports = [doctor.padding_sign(int(value), int(meant))]
        ends.append(float(meant))
    return (min(ends), max(ends)), reports


def is_inverted(header: Header) -> bool:
    """Whether low values are to be shown bright (MONOCHROME1 or an inverse presentation LUT)."""
    if header.text("PresentationLUTShape") == "INVERSE":
        return True
    return header.text("PhotometricInterpretation").startswith("MONOCHROME1")
