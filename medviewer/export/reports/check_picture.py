"""A small picture of one slice with the outlines of its segments, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medviewer.core.labels import LabelMap, Segment
from medviewer.core.volume import Volume
from medviewer.export.overlay import border

SIZE = 320  # pixels of the longer side, at least


def draw_case(volume: Volume, labels: LabelMap, segments: Sequence[Segment], k: int) -> bytes:
    """Draw slice `k` with square pixels; outlines are one pixel of the enlarged picture wide."""
    from medviewer.ops.window import apply_window, default_window

    k = min(max(k, 0), volume.geometry.shape[0] - 1)
    if volume.colour:
        picture: NDArray[np.uint8] = np.array(volume.at_time(0)[k])
    else:
        window = default_window(volume)
        grey = apply_window(volume.slice_values(k), window.centre, window.width)
        picture = np.repeat(grey[..., None], 3, axis=2)
    rows, columns = _places(volume)
    picture = picture[rows][:, columns]
    for segment in segments:
        mask = (labels.layers[segment.layer][k] == segment.value)[rows][:, columns]
        picture[border(mask)] = segment.colour
    return _png(picture)


def _places(volume: Volume) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and columns of the stored slice that make a picture of square pixels."""
    counts, spacing = np.asarray(volume.geometry.shape[1:]), np.asarray(volume.spacing_mm[1:])
    size = counts * spacing
    scale = max(SIZE, float(counts.max() if counts.max() < 2 * SIZE else SIZE)) / float(size.max())
    out = np.maximum(np.rint(size * scale), 1).astype(int)
    j, i = (((np.arange(n) + 0.5) * c / n).astype(np.intp) for n, c in zip(out, counts, strict=True))
    return j, i


def _png(picture: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG", optimize=True)
    return out.getvalue()
