"""From shapes to attenuation: paint the tissues in the order in which they cover each other."""

from __future__ import annotations

import numpy as np

from medviewer.ops.phantom import bones, spine
from medviewer.ops.phantom.grid import COARSE, Array, Box, Grid, blend, cover, on_grid, smooth_noise
from medviewer.ops.phantom.organs import STOMACH_LEVEL_Y, Organs
from medviewer.ops.phantom.patient import Patient, stream
from medviewer.ops.phantom.tubes import paint_cover
from medviewer.ops.phantom.vessels import Vessels

AIR_HU, SKIN_HU, FAT_HU, MUSCLE_HU = -1000.0, 15.0, -104.0, 52.0
MEDIASTINAL_FAT_HU, ABDOMINAL_FAT_HU, LIVER_HU, SPLEEN_HU, KIDNEY_HU = -88.0, -102.0, 58.0, 48.0, 32.0
CARTILAGE_HU, RIB_CORTEX_HU, MARROW_HU, AIRWAY_HU, WALL_HU = 112.0, 640.0, 130.0, -985.0, 10.0
_SKIN_MM, _SLAB = 2.0, 8
_FISSURE_MM = 0.7


def region(field: Array, grid: Grid, margin_mm: float = 3.0) -> Box | None:
    """Return the box of `grid` outside which a coarse distance exceeds `margin_mm`."""
    near = field < margin_mm
    low, high = [], []
    for axis, positions in enumerate((COARSE.z, COARSE.y, COARSE.x)):
        hit = np.flatnonzero(near.any(axis=tuple(a for a in range(3) if a != axis)))
        if not len(hit):
            return None
        step = COARSE.spacing_mm[axis]
        low.append(positions[hit[0]] - step)
        high.append(positions[hit[-1]] + step)
    return grid.box(low[::-1], high[::-1])


class Textures:
    """Coarse random fields that break up the tissues."""

    def __init__(self, patient: Patient) -> None:
        rng = stream(patient.seed, "textures")
        self.septa = smooth_noise(rng, COARSE, (38, 13, 13))
        self.layers = smooth_noise(rng, COARSE, (60, 22, 22))
        self.mottle = smooth_noise(rng, COARSE, (10, 8, 8))
        self.patches = smooth_noise(rng, COARSE, (45, 45, 45))


def paint_wall(patient: Patient, organs: Organs, textures: Textures, grid: Grid, hu: Array) -> None:
    """Paint table, skin, fat, muscles and the filling of the cavity, slab by slab."""
    for start in range(0, grid.shape[0], _SLAB):
        box = (slice(start, min(start + _SLAB, grid.shape[0])), slice(0, grid.shape[1]), slice(0, grid.shape[2]))
        view, width = hu[box], grid.spacing_mm[1]
        _paint_table(view, patient, grid, box)
        skin = on_grid(organs.skin, grid, box)
        septa, mottle = on_grid(textures.septa, grid, box), on_grid(textures.mottle, grid, box)
        blend(view, cover(skin, width), SKIN_HU)
        strands = cover(np.abs(septa) * np.float32(9) - np.float32(0.25), 1.0) * np.float32(0.35)
        fat = FAT_HU + mottle * np.float32(5) + strands * np.float32(90)
        blend(view, cover(skin + np.float32(_SKIN_MM), width), fat)
        muscle = on_grid(organs.muscle, grid, box)
        planes = _fat_planes(muscle, on_grid(textures.layers, grid, box), septa, patient, grid, box)
        meat = MUSCLE_HU + mottle * np.float32(4)
        meat -= planes * np.float32(110)
        blend(view, cover(muscle, width), meat)
        nodes = np.clip(mottle - np.float32(1.3), 0, 1) * np.float32(90)
        filling = MEDIASTINAL_FAT_HU + mottle * np.float32(12) + nodes
        blend(filling, cover(on_grid(organs.paraspinal, grid, box), 3.0), meat)
        blend(view, cover(on_grid(organs.cavity, grid, box) - np.float32(1), width), filling)


def _fat_planes(muscle: Array, layers: Array, septa: Array, patient: Patient, grid: Grid, box: Box) -> Array:
    """Return where fat parts the muscles: under the outer layer, and between bundles, more towards the neck."""
    _, _, z = grid.axes(box)
    high = np.clip(z * np.float32(1 / (60 * patient.scale[2])), 0, 1.5)
    outer = np.abs(muscle + np.float32(11) + layers * np.float32(3)) - np.float32(0.7) - septa * np.float32(0.8)
    between = np.abs(layers) * np.float32(13) - np.float32(0.3) - septa * np.float32(0.6) - high * np.float32(2.2)
    deep = np.float32(4) + muscle  # none just under the surface
    return cover(np.maximum(np.minimum(outer, between), deep), 1.4)


def _paint_table(view: Array, patient: Patient, grid: Grid, box: Box) -> None:
    """Paint mattress and table top: shells of carbon fibre around foam, hollowed a little."""
    x, y, _ = grid.axes(box)
    top = np.float32(116 * patient.scale[1] + 4) - x * x * np.float32(1 / 1900)
    depth = y - top
    blend(view, cover(np.maximum(-depth, depth - np.float32(9)), 2.0) * np.ones_like(view), -935.0)
    inside = np.maximum(np.float32(11) - depth, depth - np.float32(38))
    inside = np.maximum(inside, np.abs(x) - np.float32(205))
    blend(view, cover(inside, 1.2) * np.ones_like(view), -180.0)
    blend(view, cover(inside + np.float32(1.8), 1.2) * np.ones_like(view), -955.0)


def paint_organs(patient: Patient, organs: Organs, vessels: Vessels, textures: Textures, grid: Grid, hu: Array) -> None:
    """Paint axillary fat, abdomen, heart and great vessels."""
    width = grid.spacing_mm[1]

    def fill(field: Array, value: float, mottle_hu: float = 0.0, shrink_mm: float = 0.0) -> None:
        box = region(field, grid)
        if box is None:
            return
        tissue = value + on_grid(textures.mottle, grid, box) * np.float32(mottle_hu)
        blend(hu[box], cover(on_grid(field, grid, box) + np.float32(shrink_mm), width), tissue)

    fill(np.maximum(organs.axillae, organs.muscle + 14), -98.0, 14)
    fill(np.maximum(organs.abdomen - 3, organs.cavity), 46.0)
    fill(organs.abdomen, ABDOMINAL_FAT_HU, 6)
    fill(np.maximum(organs.kidneys, organs.abdomen), KIDNEY_HU, 3)
    fill(organs.spleen, SPLEEN_HU, 2)
    fill(organs.stomach, 42.0)
    level = (organs.depth - np.float32(STOMACH_LEVEL_Y))
    fill(organs.stomach, 18.0, 12, 4.0)
    fill(np.maximum(organs.stomach + 4, level), -990.0)
    fill(organs.liver, LIVER_HU, 2)
    fill(organs.heart, 47.0, 2)
    fill(organs.heart, patient.blood_hu, 2, 9.0)
    fill(organs.groove, -85.0, 6)
    halo = np.zeros(grid.shape, np.float32)
    for name, chain in vessels.great.items():
        if "hepatic" not in name and name != "inferior vena cava":
            paint_cover(halo, grid, chain.wider(1.8))
    box = region(organs.heart, grid, 8.0)
    if box is not None:
        halo[box] *= cover(-on_grid(organs.heart, grid, box), width)
    blend(hu, halo, MEDIASTINAL_FAT_HU)


def paint_great(patient: Patient, vessels: Vessels, grid: Grid, hu: Array) -> Array:
    """Paint oesophagus and great vessels; returns the part of each voxel that is aorta."""
    canvas = np.zeros(grid.shape, np.float32)
    paint_cover(canvas, grid, vessels.oesophagus)
    blend(hu, canvas, 38.0)
    canvas[:] = 0
    paint_cover(canvas, grid, vessels.oesophagus.wider(-5.9))
    blend(hu, canvas, -250.0)
    canvas[:] = 0
    for name, chain in vessels.great.items():
        if name != "aorta":
            paint_cover(canvas, grid, chain)
    blend(hu, canvas, patient.blood_hu)
    aorta = np.zeros(grid.shape, np.float32)
    paint_cover(aorta, grid, vessels.great["aorta"])
    blend(hu, aorta, patient.blood_hu - 1)
    return aorta


def paint_lungs(patient: Patient, organs: Organs, textures: Textures, grid: Grid, hu: Array) -> None:
    """Paint the parenchyma with its gradient towards the back and its texture, and the fissures."""
    box = region(organs.lung, grid)
    if box is None:
        return
    _, y, _ = grid.axes(box)
    lung = on_grid(organs.lung, grid, box)
    depth = np.clip((y + 80) * np.float32(1 / 160), -0.2, 1.2)
    tissue = np.float32(patient.parenchyma_hu) + depth * np.float32(patient.gravity_hu)
    sub = Grid(grid.z[box[0]], grid.y[box[1]], grid.x[box[2]])
    texture = smooth_noise(stream(patient.seed, "parenchyma"), sub, (5.0, 4.0, 4.0))
    texture *= np.float32(14)
    texture += on_grid(textures.patches, grid, box) * np.float32(10)
    tissue = texture + tissue
    # the dependent rim is denser
    tissue += np.clip(lung + 9, 0, 9) * np.float32(4.0) * np.clip((y - 20) * np.float32(1 / 60), 0, 1)
    oblique = np.abs(on_grid(organs.oblique, grid, box))
    line = cover(oblique - np.float32(_FISSURE_MM), 1.6)
    lateral = on_grid(np.maximum(organs.side, -organs.oblique * 4), grid, box)
    horizontal = np.abs(on_grid(organs.horizontal, grid, box)) - np.float32(_FISSURE_MM)
    np.maximum(line, cover(np.maximum(horizontal, lateral), 1.6), out=line)
    tissue += line * np.float32(170)
    blend(hu[box], cover(lung, grid.spacing_mm[1]), tissue)


def paint_bones(patient: Patient, organs: Organs, grid: Grid, hu: Array) -> tuple[Array, Array, Array]:
    """Paint the skeleton; returns distances of the ribs and of the girdle, and the part that is spine."""
    width = grid.spacing_mm[1]
    rng = stream(patient.seed, "bones")
    ribs, cartilages = bones.paint_ribs(patient, grid)
    blend(hu, cover(cartilages, width), CARTILAGE_HU)
    del cartilages
    column = spine.paint(patient, grid, hu)
    girdle = bones.paint_girdle(patient, organs, grid)
    for distance, cortex_mm in ((ribs, 1.1), (girdle, 1.2)):
        blend(hu, cover(distance, width), RIB_CORTEX_HU)
        blend(hu, cover(distance + np.float32(cortex_mm), width), MARROW_HU + float(rng.normal(0, 15)))
    return ribs, girdle, column


def paint_tubes(patient: Patient, vessels: Vessels, grid: Grid, hu: Array) -> tuple[Array, Array]:
    """Paint pulmonary vessels and airways; returns the part of each voxel that is vessel, and airway."""
    blood, lumen = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
    for tree in (*vessels.arteries, *vessels.veins):
        paint_cover(blood, grid, tree.chain())
    paint_cover(lumen, grid, vessels.wall)
    np.maximum(blood - lumen, 0, out=blood)
    blend(hu, blood, patient.blood_hu - 4)
    blend(hu, lumen, WALL_HU)
    lumen[:] = 0
    paint_cover(lumen, grid, vessels.lumen)
    blend(hu, lumen, AIRWAY_HU)
    return blood, lumen

