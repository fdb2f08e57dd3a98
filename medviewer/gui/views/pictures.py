"""From planes of numbers to pictures: the grey and colour mapping of a slice, label fills and outlines."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF
from PyQt6.QtGui import QImage, QPainterPath, QPolygonF, QTransform

from medviewer.app.layers import ImageLayer, LabelLayer
from medviewer.core.volume import VoiLut, Window
from medviewer.ops import lut
from medviewer.ops.reslice import PlaneImage
from medviewer.ops.window import TABLE_SIZE, apply_voi_lut, apply_window, grey_table

OPAQUE = np.uint32(0xFF000000)
FILL = 0.4  # of a mask opacity: the image must be seen through it


def image_of(argb: NDArray[np.uint32], *, alpha: bool) -> QImage:
    """Wrap a (rows, columns) array of 0xAARRGGBB values; with alpha it must be premultiplied."""
    argb = np.ascontiguousarray(argb)
    height, width = argb.shape
    kind = QImage.Format.Format_ARGB32_Premultiplied if alpha else QImage.Format.Format_RGB32
    image = QImage(argb.data, width, height, width * 4, kind)
    image.pixels = argb  # keeps the memory alive as long as the picture
    return image


@lru_cache(maxsize=16)
def _colour_words(name: str) -> NDArray[np.uint32]:
    rgb = lut.table(name).astype(np.uint32)
    return OPAQUE | rgb[:, 0] << np.uint32(16) | rgb[:, 1] << np.uint32(8) | rgb[:, 2]


@lru_cache(maxsize=16)
def _word_table(dtype: str, slope: float, intercept: float, window: Window | VoiLut, inverted: bool,
                padding: tuple[float, float] | None, colours: str) -> NDArray[np.uint32]:
    grey = grey_table(np.dtype(dtype), slope, intercept, window, inverted=inverted, padding=padding)
    return _colour_words(colours)[grey]


def picture(cut: PlaneImage, layer: ImageLayer) -> QImage:
    """Map a cut plane to an opaque picture with the layer's window and lookup table."""
    return image_of(_words(cut, layer), alpha=False)


def rgb_of(cut: PlaneImage, layer: ImageLayer) -> NDArray[np.uint8]:
    """Map a cut plane to (rows, columns, 3) bytes, as `picture` does for the screen."""
    words = _words(cut, layer)
    return np.stack([words >> np.uint32(n) & np.uint32(255) for n in (16, 8, 0)], axis=-1).astype(np.uint8)


def overlay_picture(cut: PlaneImage, layer: ImageLayer) -> QImage:
    """Map a cut plane to a picture whose dark values are transparent (the colour of a fusion)."""
    pixels = cut.pixels
    real = pixels if cut.rescaled else pixels * np.float32(cut.slope) + np.float32(cut.intercept)
    grey = apply_window(real, layer.window.centre, layer.window.width)
    rgb = lut.table(layer.lut).astype(np.uint32)
    alpha = np.minimum(np.arange(256) * 4, 255) * layer.opacity / 255  # fades in over the lowest quarter
    mixed = np.rint(rgb * alpha[:, None]).astype(np.uint32)
    words = np.rint(alpha * 255).astype(np.uint32) << np.uint32(24) | mixed[:, 0] << np.uint32(16) | \
        mixed[:, 1] << np.uint32(8) | mixed[:, 2]
    return image_of(words[grey], alpha=True)


def _words(cut: PlaneImage, layer: ImageLayer) -> NDArray[np.uint32]:
    pixels, volume = cut.pixels, layer.volume
    if volume.colour:
        rgb = apply_window(pixels, layer.window.centre, layer.window.width).astype(np.uint32)
        return OPAQUE | rgb[..., 0] << np.uint32(16) | rgb[..., 1] << np.uint32(8) | rgb[..., 2]
    mapping = layer.voi_lut or layer.window
    if not cut.rescaled and pixels.dtype.kind in "iu" and pixels.dtype.itemsize in TABLE_SIZE:
        table = _word_table(pixels.dtype.newbyteorder("=").str, float(cut.slope), float(cut.intercept), mapping,
                            layer.inverted, volume.padding, layer.lut)
        native = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
        return table[native.view(f"u{pixels.dtype.itemsize}")]
    real = pixels if cut.rescaled else pixels.astype(np.float64) * cut.slope + cut.intercept
    grey = apply_voi_lut(real, mapping) if isinstance(mapping, VoiLut) else \
        apply_window(real, mapping.centre, mapping.width)
    if layer.inverted:
        grey = 255 - grey
    if real.dtype.kind == "f":
        grey = np.where(np.isnan(real), 0, grey)  # outside the volume
    return _colour_words(layer.lut)[grey]


def pixel_transform(matrix: NDArray[np.float64], to_screen: QTransform) -> QTransform:
    """Return the transform that draws a picture whose pixel centres lie at ``matrix @ (column, row, 1)`` mm."""
    m = matrix
    x, y = m[0, 2] - 0.5 * (m[0, 0] + m[0, 1]), m[1, 2] - 0.5 * (m[1, 0] + m[1, 1])
    return QTransform(m[0, 0], m[1, 0], m[0, 1], m[1, 1], x, y) * to_screen


def label_picture(cut: PlaneImage, layer: LabelLayer, group: int, to_screen: QTransform, size: tuple[int, int],
                  outline_px: int) -> tuple[QImage, int, int] | None:
    """Draw labels at screen resolution: crisp voxel edges, as fast for one label as for hundreds.

    Returns
    -------
    (picture, x, y) : to be drawn at the device pixel (x, y), or None if nothing is to be seen.
    """
    table = layer.colour_table(group)
    labels = np.ascontiguousarray(cut.pixels)  # sagittal slices are strided: one copy, then quick
    rows, columns = np.flatnonzero(labels.any(axis=1)), np.flatnonzero(labels.any(axis=0))
    if rows.size == 0:
        return None
    transform = pixel_transform(cut.matrix, to_screen)
    box = transform.mapRect(_rect(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    x0, y0 = max(int(np.floor(box.left())) - 2, 0), max(int(np.floor(box.top())) - 2, 0)
    x1, y1 = min(int(np.ceil(box.right())) + 2, size[0]), min(int(np.ceil(box.bottom())) + 2, size[1])
    if x1 <= x0 or y1 <= y0:
        return None
    screen = _to_screen(labels, transform, x0, y0, x1, y1)
    if screen.max(initial=0) >= len(table):
        screen = np.where(screen < len(table), screen, 0)
    fill, line = _label_words(table, layer.opacity, fill=layer.fill)
    words = fill[screen]
    if layer.outline:
        edge = _edges(screen, outline_px)
        words[edge] = line[screen[edge]]
    return image_of(words, alpha=True), x0, y0


def _rect(x0: float, y0: float, x1: float, y1: float):  # noqa: ANN202 - a QRectF
    from PyQt6.QtCore import QRectF

    return QRectF(x0, y0, x1 - x0, y1 - y0)


def _to_screen(labels: NDArray[np.generic], transform: QTransform, x0: int, y0: int, x1: int, y1: int,
               ) -> NDArray[np.generic]:
    """Look up the label under the middle of each device pixel."""
    inverse, ok = transform.inverted()
    if not ok:
        return np.zeros((y1 - y0, x1 - x0), labels.dtype)
    xs, ys = np.arange(x0, x1) + 0.5, np.arange(y0, y1) + 0.5
    height, width = labels.shape
    if abs(inverse.m12()) < 1e-9 and abs(inverse.m21()) < 1e-9:
        column = np.floor(inverse.m11() * xs + inverse.dx()).astype(np.intp)
        row = np.floor(inverse.m22() * ys + inverse.dy()).astype(np.intp)
        inside_x, inside_y = (column >= 0) & (column < width), (row >= 0) & (row < height)
        out = labels[np.clip(row, 0, height - 1)][:, np.clip(column, 0, width - 1)]
        if not (inside_x.all() and inside_y.all()):
            out = out * (inside_y[:, None] & inside_x[None])
        return np.ascontiguousarray(out)
    column = np.floor(inverse.m11() * xs[None] + inverse.m21() * ys[:, None] + inverse.dx()).astype(np.intp)
    row = np.floor(inverse.m12() * xs[None] + inverse.m22() * ys[:, None] + inverse.dy()).astype(np.intp)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return np.where(inside, labels[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)], 0)


def _label_words(table: NDArray[np.uint8], opacity: float, *, fill: bool,
                 ) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Premultiplied words of the fill and of the outline (which is more opaque than the fill)."""
    def words(alpha: float) -> NDArray[np.uint32]:
        a = table[:, 3].astype(float) / 255 * alpha
        rgb = np.rint(table[:, :3] * a[:, None]).astype(np.uint32)
        return np.rint(a * 255).astype(np.uint32) << np.uint32(24) | rgb[:, 0] << np.uint32(16) | \
            rgb[:, 1] << np.uint32(8) | rgb[:, 2]

    return words(opacity * FILL if fill else 0.0), words(min(1.0, 0.35 + opacity))


def _edges(screen: NDArray[np.generic], width: int) -> NDArray[np.bool_]:
    """Mark the device pixels of a label that lie within `width` of another label or of the background."""
    edge = np.zeros(screen.shape, bool)
    for step in range(1, width + 1):
        down, right = screen[step:] != screen[:-step], screen[:, step:] != screen[:, :-step]
        edge[:-step] |= down
        edge[step:] |= down
        edge[:, :-step] |= right
        edge[:, step:] |= right
    edge &= screen != 0
    return edge


def polygon(points: NDArray[np.float64]) -> QPolygonF:
    """Turn (N, 2) float64 points into a Qt polygon without a Python loop."""
    shape = QPolygonF()
    shape.fill(QPointF(), len(points))
    buffer = shape.data()
    buffer.setsize(len(points) * 16)
    np.frombuffer(buffer, np.float64).reshape(-1, 2)[:] = points
    return shape


def outline_path(pieces: list[NDArray[np.float64]], *, closed: bool = True) -> QPainterPath:
    """Join polygons into one path."""
    path = QPainterPath()
    for points in pieces:
        if len(points) >= 2:
            path.addPolygon(polygon(np.ascontiguousarray(points, np.float64)))
            if closed and len(points) > 2:
                path.closeSubpath()
    return path
