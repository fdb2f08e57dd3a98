"""The label map of the phantom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medviewer.core.labels import Code, LabelMap, Segment, palette_colour
from medviewer.ops.phantom import nodules
from medviewer.ops.phantom.grid import Grid, on_grid
from medviewer.ops.phantom.nodules import Placed
from medviewer.ops.phantom.organs import Organs
from medviewer.ops.phantom.tissues import region

Mask = NDArray[np.bool_]
ANATOMY = Code("123037004", "SCT", "Anatomical Structure")
ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
ORGANS, INSIDE, BODY = 0, 1, 2  # layers
FIRST_NODULE = 31
ALGORITHM = "medviewer phantom"
(RIGHT_LUNG, LEFT_LUNG, TRACHEA, HEART, AORTA, SPINE, RIBS, GIRDLE, LIVER, SPLEEN) = range(1, 11)
AIRWAYS, VESSELS, WHOLE_BODY = 21, 22, 30
_SEGMENTS = (
    (RIGHT_LUNG, ORGANS, "Right lung", (86, 180, 233), "3341006", "Right lung"),
    (LEFT_LUNG, ORGANS, "Left lung", (0, 158, 115), "44029006", "Left lung"),
    (TRACHEA, ORGANS, "Trachea and main bronchi", (240, 228, 66), "110726009", "Trachea and bronchus"),
    (HEART, ORGANS, "Heart", (213, 94, 0), "80891009", "Heart"),
    (AORTA, ORGANS, "Aorta", (204, 60, 60), "15825003", "Aorta"),
    (SPINE, ORGANS, "Spine", (230, 200, 150), "421060004", "Vertebral column"),
    (RIBS, ORGANS, "Ribs", (210, 210, 190), "113197003", "Rib"),
    (GIRDLE, ORGANS, "Sternum and shoulder girdle", (188, 189, 160), "272673000", "Bone"),
    (LIVER, ORGANS, "Liver", (160, 82, 45), "10200004", "Liver"),
    (SPLEEN, ORGANS, "Spleen", (148, 103, 189), "78961009", "Spleen"),
    (AIRWAYS, INSIDE, "Airways", (23, 190, 207), "110726009", "Trachea and bronchus"),
    (VESSELS, INSIDE, "Pulmonary vessels", (0, 114, 178), "59820001", "Blood vessel"),
    (WHOLE_BODY, BODY, "Body", (255, 200, 160), "38266002", "Entire body"),
)


@dataclass(frozen=True, eq=False)
class Parts:
    """Masks on the wanted grid that only painting knows."""

    aorta: Mask
    ribs: Mask
    girdle: Mask
    spine: Mask
    blood: Mask
    lumen: Mask


def label_map(organs: Organs, placed: Placed, parts: Parts, grid: Grid) -> LabelMap:
    """Label every voxel by what fills most of it."""
    layers = [np.zeros(grid.shape, np.uint8) for _ in range(3)]
    outer, inner, body = layers
    body[on_grid(organs.skin, grid, grid.whole) < 0] = WHOLE_BODY
    for value, field in ((LIVER, organs.liver), (SPLEEN, organs.spleen), (HEART, organs.heart)):
        box = region(field, grid)
        if box is not None:
            outer[box][on_grid(field, grid, box) < 0] = value
    lungs = np.zeros(grid.shape, bool)
    box = region(organs.lung, grid)
    if box is not None:
        inside, left = on_grid(organs.lung, grid, box) < 0, on_grid(organs.side, grid, box) > 0
        for value, part in ((RIGHT_LUNG, inside & ~left), (LEFT_LUNG, inside & left)):
            piece = _largest(part)
            outer[box][piece] = value
            lungs[box] |= piece
    outer[parts.aorta & ~lungs] = AORTA
    outer[parts.lumen & ~lungs] = TRACHEA
    outer[parts.ribs & ~lungs] = RIBS
    outer[parts.spine & ~lungs] = SPINE
    outer[parts.girdle & ~lungs] = GIRDLE
    inner[parts.blood & lungs] = VESSELS
    inner[_largest(parts.lumen)] = AIRWAYS  # the rest are bronchi too thin for these voxels
    nodules.label(placed, organs, grid, inner)
    return LabelMap(tuple(layers), grid.geometry, _segments(placed), name="Synthetic thorax")


def _largest(mask: Mask) -> Mask:
    """Return the largest connected piece of a mask (26 neighbours)."""
    from scipy.ndimage import find_objects, label

    box = find_objects(mask.astype(np.uint8))
    if not box:
        return mask
    pieces, count = label(mask[box[0]], np.ones((3, 3, 3)))
    if count <= 1:
        return mask
    out = np.zeros_like(mask)
    out[box[0]] = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    return out


def _segments(placed: Placed) -> tuple[Segment, ...]:
    known = [Segment(value, name, colour, layer, ANATOMY, Code(code, "SCT", meaning), ALGORITHM)
             for value, layer, name, colour, code, meaning in _SEGMENTS]
    found = [Segment(n.label, f"Nodule {n.number} ({n.kind}, {n.diameter_mm:g} mm)", palette_colour(n.number), INSIDE,
                     ABNORMAL, Code("27925004", "SCT", "Nodule"), ALGORITHM) for n, _ in placed]
    return (*known, *found)
