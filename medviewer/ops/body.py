"""Tell the body from what surrounds it, for pictures (not for measuring)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BODY_HU = -300.0
HIDDEN_HU = -60.0  # fat: next to fat, the border of what is hidden has no edge
SKIN_MM = 5.0


def hide_outside_body(values: NDArray[Any], spacing_mm: float) -> NDArray[Any]:
    """Return a CT whose surroundings and skin have the value of fat.

    So a look that shows lung and airways does not show air around the patient, clothes and the table. The body is
    the largest piece brighter than -300 HU, with its holes in each slice filled: lungs count as body.

    Parameters
    ----------
    values : ndarray, shape (K, J, I)
        HU on a grid of cubes; k runs along the body.
    spacing_mm : float
        Edge of a cube.
    """
    from scipy.ndimage import binary_erosion, binary_fill_holes, binary_opening, label

    coarse = values[:, ::2, ::2] > BODY_HU
    ring = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)
    skin = max(round(SKIN_MM / (2 * spacing_mm)), 1)
    coarse = np.stack([binary_opening(plane, ring) for plane in coarse])  # cuts patient and table apart
    pieces, count = label(coarse)
    if not count:
        return values
    largest = np.argmax(np.bincount(pieces.ravel())[1:]) + 1
    out = values.copy()
    for k, piece in enumerate(pieces):
        body = binary_fill_holes(piece == largest)
        inner = binary_erosion(body, ring, skin).repeat(2, axis=0).repeat(2, axis=1)
        inner = inner[: values.shape[1], : values.shape[2]]
        out[k][~inner] = HIDDEN_HU
    return out
