"""Pictures of slices with their masks drawn in, for looking through an export.

The grey mapping is one for all slices of a volume. Masks have fixed colours: the outline is drawn opaque, the
inside gets the same share of colour everywhere, so that a mask never fades with the brightness of the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.volume import Window
from medviewer.ops.window import apply_window

COLOURS = {"target": (0, 158, 115), "i_contour": (0, 158, 115), "o_contour": (230, 159, 0)}  # colour-blind safe
OTHER = (86, 180, 233)
FILL = 0.25  # share of the colour inside the outline


def draw(image: NDArray[Any], masks: Mapping[str, NDArray[np.bool_]], window: Window | None) -> NDArray[np.uint8]:
    """Draw masks on a slice.

    Parameters
    ----------
    image : (J, I) or (J, I, 3)
    masks : by key; larger ones are drawn first, so that an inner contour stays visible
    window : grey mapping of `image`; not used for colour images

    Returns
    -------
    ndarray of uint8, shape (J, I, 3)
    """
    if image.ndim == 3:
        picture = image.astype(np.float32)
    else:
        low, high = float(np.nanmin(image)), float(np.nanmax(image))
        window = window or Window((low + high) / 2, max(high - low, 1.0))
        picture = np.repeat(apply_window(image, window.centre, window.width)[..., None], 3, axis=2).astype(np.float32)
    by_size = sorted(masks.items(), key=lambda item: (-int(item[1].sum()), item[0]))
    for key, mask in by_size:
        colour = np.array(COLOURS.get(key, OTHER), np.float32)
        picture[mask] = picture[mask] * (1 - FILL) + colour * FILL
    for key, mask in by_size:
        picture[border(mask)] = COLOURS.get(key, OTHER)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of a mask that touch its outside by an edge; those at the image border count too."""
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(mask & ~inside)
