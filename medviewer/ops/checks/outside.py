"""How much of a mask lies outside the body.

The outside is what has the value of the background and reaches the border of the picture; lungs and bowel gas do not.
Pictures without a background (a crop inside the body) and PET are not judged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.labels import LabelMap
from medviewer.core.volume import Volume
from medviewer.ops.checks.facts import SegmentFacts
from medviewer.ops.checks.problem import Problem, listed

AIR_HU = -800.0
MOST_OUTSIDE = 0.3  # of a mask; the skin is drawn roughly at times
SEGMENT_OUTSIDE = 0.6
LEAST_VOXELS = 30
LEAST_SIDE = 40  # pixels
LEAST_BODY = 0.05  # of the picture
BACKGROUND = 0.04  # of the range of the tissue
_SIZE = 160  # pixels a side that are enough to see the outline of the body


def check_outside(volume: Volume, labels: LabelMap, facts: list[SegmentFacts]) -> list[Problem]:
    """Compare a mask with the outline of the body (code ``outside-body``)."""
    outside = outside_body(volume)
    if outside is None:
        return []
    steps = [-(-n // m) for n, m in zip(volume.geometry.shape[1:], outside.shape[1:], strict=True)]
    inside_count = np.zeros(len(facts))
    outside_count = np.zeros(len(facts))
    worst = np.zeros(volume.geometry.shape[0])
    for n, one in enumerate(facts):
        if one.voxels < LEAST_VOXELS:
            continue
        part = labels.layers[one.segment.layer][:, :: steps[0], :: steps[1]] == one.segment.value
        beyond = (part & outside).sum(axis=(1, 2))
        worst += beyond
        outside_count[n], inside_count[n] = beyond.sum(), part.sum() - beyond.sum()
    every = outside_count.sum() + inside_count.sum()
    if not every:
        return []
    share = outside_count / np.maximum(outside_count + inside_count, 1)
    bad = [f.name for f, s in zip(facts, share, strict=True) if s > SEGMENT_OUTSIDE]
    whole = outside_count.sum() / every
    if whole <= MOST_OUTSIDE and not bad:
        return []
    text = (f"{whole:.0%} of the mask lies outside the body" if whole > MOST_OUTSIDE else
            f"{listed(bad)} {'lies' if len(bad) == 1 else 'lie'} mostly outside the body")
    return [Problem("outside-body", text, "look whether it belongs to this image, or is mirrored or moved",
                    int(worst.argmax()), 0.9 if whole > MOST_OUTSIDE else 0.7)]


def outside_body(volume: Volume) -> NDArray[np.bool_] | None:
    """Return what is outside the body on a coarse grid (K, j, i), or None where that cannot be told."""
    from scipy.ndimage import binary_opening, label

    if volume.modality in ("PT", "NM") or volume.colour or min(volume.geometry.shape[1:]) < LEAST_SIDE:
        return None
    steps = [max(1, -(-n // _SIZE)) for n in volume.geometry.shape[1:]]
    values = _coarse(volume, steps)
    dark = values <= _threshold(values)
    frame = np.ones(dark.shape[1:], bool)
    frame[1:-1, 1:-1] = False
    if np.count_nonzero(dark[:, frame]) < 0.2 * dark[:, frame].size:
        return None
    out = np.zeros(dark.shape, bool)
    for k, plane in enumerate(dark):
        regions, count = label(binary_opening(plane, np.ones((3, 3))) | (plane & frame))
        if count:
            out[k] = np.isin(regions, np.unique(regions[frame & plane]))
    out &= dark
    return out if np.count_nonzero(~out) >= LEAST_BODY * out.size else None


def _coarse(volume: Volume, steps: list[int]) -> NDArray[np.float32]:
    stored = volume.at_time(0)[:, :: steps[0], :: steps[1]].astype(np.float32)
    pairs = np.array([volume.rescale.at(0, k) for k in range(len(stored))], np.float32)
    values: NDArray[Any] = stored * pairs[:, :1, None] + pairs[:, 1:, None]
    if volume.padding is not None:
        values[(stored >= volume.padding[0]) & (stored <= volume.padding[1])] = values.min()
    return np.nan_to_num(values, copy=False, nan=float(np.nanmin(values)))


def _threshold(values: NDArray[np.float32]) -> float:
    """Return the value up to which a voxel may be background."""
    low = float(values.min())
    if low <= AIR_HU and values.max() > 100:
        return AIR_HU
    edge = np.concatenate([side.ravel() for side in (values[:, 0], values[:, -1], values[:, :, 0], values[:, :, -1])])
    base = float(np.percentile(edge, 20))
    high = float(np.percentile(values, 99))
    return base + BACKGROUND * max(high - base, 0.0)
