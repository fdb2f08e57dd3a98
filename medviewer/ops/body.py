"""Tell the body from what surrounds it, for pictures (not for measuring)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BODY_HU = -300.0
AIR_HU = -940.0  # of a region in the middle: lung is denser, also where the picture cuts it off
HIDDEN_HU = -60.0  # fat: next to fat, the border of what is hidden has no edge
SKIN_MM = 6.0


def hide_outside_body(values: NDArray[Any], spacing_mm: float) -> NDArray[Any]:
    """Return a CT whose surroundings and skin have the value of fat.

    So a look that shows lung and airways does not show air around the patient, clothes and the table. The body is
    the largest piece brighter than -300 HU and everything darker in each slice that it encloses, or that reaches
    the edge of the picture but is not air (lung in a picture of a part of the chest).

    Parameters
    ----------
    values : ndarray, shape (K, J, I)
        HU on a grid of cubes; k runs along the body.
    spacing_mm : float
        Edge of a cube.
    """
    from scipy.ndimage import binary_erosion, binary_opening, label

    ring = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)
    skin = max(round(SKIN_MM / (2 * spacing_mm)), 1)
    coarse = values[:, ::2, ::2]
    dense = np.stack([binary_opening(plane > BODY_HU, ring) for plane in coarse])  # cuts patient and table apart
    pieces, count = label(dense)
    if not count:
        return values
    largest = np.argmax(np.bincount(pieces.ravel())[1:]) + 1
    out = values.copy()
    for k, piece in enumerate(pieces):
        inner = binary_erosion(~_outside(coarse[k], piece == largest), ring, skin, border_value=1)
        inner = inner.repeat(2, axis=0).repeat(2, axis=1)[: values.shape[1], : values.shape[2]]
        out[k][~inner] = HIDDEN_HU
    return out


def _outside(plane: NDArray[Any], body: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the regions of a slice beside the body that reach the edge of the picture and are mostly air."""
    from scipy.ndimage import label, median

    regions, _ = label(~body)
    edge = np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))
    edge = edge[edge > 0]
    if not len(edge):
        return np.zeros(body.shape, bool)
    air = edge[np.asarray(median(plane, regions, edge)) < AIR_HU]
    return np.isin(regions, air)
