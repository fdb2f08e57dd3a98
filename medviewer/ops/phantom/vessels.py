"""The airways, the pulmonary vessels that follow them, and the great vessels of the mediastinum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medviewer.ops.phantom import trees
from medviewer.ops.phantom.grid import Array, Points, at_points
from medviewer.ops.phantom.organs import Organs
from medviewer.ops.phantom.patient import Patient, stream
from medviewer.ops.phantom.trees import Tree
from medviewer.ops.phantom.tubes import Chain, spline

# Bronchi of the average patient: name, parent, end (x, y, z) mm from the carina, radius of the lumen mm
BRONCHI: dict[int, tuple[tuple[str, str, tuple[float, float, float], float], ...]] = {
    -1: (
        ("main", "carina", (-13, 13, -11), 7.0), ("main end", "main", (-24, 14, -19), 6.6),
        ("upper", "main end", (-40, 13, -17), 4.6), ("B1", "upper", (-50, 14, 12), 2.8),
        ("B2", "upper", (-58, 34, -4), 2.6), ("B3", "upper", (-60, -14, -14), 2.8),
        ("intermedius", "main end", (-30, 17, -40), 5.4), ("middle", "intermedius", (-45, 0, -54), 3.2),
        ("B4", "middle", (-66, -16, -64), 2.2), ("B5", "middle", (-52, -32, -68), 2.2),
        ("lower", "intermedius", (-37, 24, -54), 4.8), ("B6", "lower", (-48, 46, -46), 2.7),
        ("basal", "lower", (-45, 25, -72), 4.2), ("B7", "basal", (-40, 18, -96), 2.2),
        ("B8", "basal", (-70, 4, -98), 2.5), ("B9", "basal", (-78, 28, -100), 2.5),
        ("B10", "basal", (-56, 50, -104), 2.7)),
    1: (
        ("main", "carina", (13, 13, -10), 6.2), ("main mid", "main", (26, 15, -20), 6.0),
        ("main end", "main mid", (37, 17, -31), 5.8), ("upper", "main end", (50, 9, -31), 4.5),
        ("B1+2", "upper", (54, 18, -2), 3.0), ("B3", "upper", (64, -16, -16), 2.7),
        ("lingula", "upper", (62, -16, -46), 2.7), ("B4", "lingula", (84, -26, -60), 2.0),
        ("B5", "lingula", (80, -44, -68), 2.0), ("lower", "main end", (43, 25, -44), 4.7),
        ("B6", "lower", (52, 47, -42), 2.7), ("basal", "lower", (50, 27, -66), 4.2),
        ("B8", "basal", (76, 6, -94), 2.5), ("B9", "basal", (84, 30, -98), 2.5), ("B10", "basal", (60, 52, -100), 2.7)),
}
# Great vessels: points (x, y, z, radius) of the average patient
GREAT: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "aorta": ((0, -20, -46, 14), (-12, -26, -28, 16), (-18, -26, -4, 16), (-13, -19, 16, 14.5), (2, -6, 27, 13.5),
              (16, 12, 26, 13), (24, 28, 13, 12.5), (26, 37, -8, 12), (24, 40, -50, 11.5), (18, 38, -95, 11),
              (8, 32, -135, 10.5), (3, 24, -200, 10)),
    "innominate artery": ((-8, -12, 24, 6.5), (-9, -10, 42, 6), (-18, -4, 66, 5.5), (-36, -2, 90, 4.5),
                          (-60, 0, 96, 4), (-95, -2, 88, 3.8), (-118, -2, 50, 3)),
    "left carotid": ((2, -6, 28, 4), (6, -2, 52, 3.6), (14, 4, 90, 3.5), (18, 6, 120, 3.5)),
    "right carotid": ((-18, -4, 66, 4), (-20, 3, 92, 3.5), (-20, 5, 120, 3.5)),
    "left subclavian": ((12, 6, 28, 5), (17, 12, 52, 4.5), (32, 10, 82, 4.5), (58, 2, 95, 4), (95, -2, 88, 3.8),
                        (118, -2, 50, 3)),
    "superior vena cava": ((-29, -14, -52, 10), (-30, -16, -20, 9.5), (-29, -17, 8, 9.5), (-26, -18, 34, 9)),
    "right brachiocephalic vein": ((-26, -18, 34, 8), (-29, -20, 56, 7), (-38, -20, 78, 6), (-34, -4, 120, 6)),
    "left brachiocephalic vein": ((-26, -18, 34, 7.5), (-4, -28, 40, 6.5), (20, -24, 52, 6.5), (36, -18, 74, 6),
                                  (34, -2, 120, 6)),
    "azygos": ((-29, -14, 4, 4.5), (-25, 8, 8, 4), (-14, 28, 2, 4), (-9, 36, -30, 3.5), (-6, 36, -120, 3),
               (-4, 28, -200, 2.5)),
    "inferior vena cava": ((-24, -8, -84, 11), (-26, 0, -112, 11.5), (-25, 10, -150, 11.5), (-22, 14, -200, 11)),
    "right hepatic vein": ((-24, 6, -124, 5), (-46, 14, -132, 4.5), (-86, 22, -160, 3), (-110, 24, -182, 2)),
    "middle hepatic vein": ((-24, 4, -122, 4.5), (-40, -18, -138, 4), (-60, -44, -168, 2.5)),
    "left hepatic vein": ((-22, 0, -120, 4.5), (-4, -22, -132, 3.8), (24, -48, -142, 2.2)),
    "pulmonary trunk": ((16, -42, -50, 13), (17, -34, -28, 13.5), (18, -20, -14, 13)),
    "right pulmonary artery": ((18, -20, -14, 11), (0, -8, -16, 10.5), (-20, -2, -20, 10), (-38, 0, -24, 8.5)),
    "left pulmonary artery": ((18, -20, -14, 11), (28, -4, -8, 10.5), (40, 10, -10, 9.5), (49, 22, -24, 8.5)),
}
_OESOPHAGUS = ((2, 22, 125, 6.5), (4, 26, 60, 7), (4, 30, 0, 7), (4, 30, -60, 7.5), (10, 22, -105, 8), (24, 6, -128, 9))
_ARTERY_ROOT = {-1: (-38.0, 0.0, -24.0), 1: (49.0, 22.0, -24.0)}
_VEIN_ROOT = {-1: (-18.0, 8.0, -46.0), 1: (24.0, 8.0, -46.0)}
_VEIN_STEMS = {-1: ((-36, -10, -34), (-34, 22, -58)), 1: ((40, -12, -30), (37, 22, -54))}
_TRACHEA_RADIUS_MM = 8.6
_BRONCHUS_DEPTH_MM = 8.0
AIRWAY_LEAVES, ARTERY_LEAVES, VEIN_LEAVES = 70, 900, 650  # per lung


@dataclass(frozen=True, eq=False)
class Vessels:
    """All tubes of the chest: airways as lumen and wall, vessels by name."""

    lumen: Chain
    wall: Chain
    arteries: tuple[Tree, ...]
    veins: tuple[Tree, ...]
    great: dict[str, Chain]
    oesophagus: Chain

    @property
    def branches(self) -> int:
        """Number of branches of the pulmonary vessels."""
        return sum(t.branches for t in (*self.arteries, *self.veins))


def wall_mm(radii: Points) -> Points:
    """Return the wall thickness of a bronchus of this lumen radius."""
    return 0.30 + 0.12 * radii


def build(patient: Patient, organs: Organs) -> Vessels:
    """Grow the airways and vessels of a patient."""
    rng = stream(patient.seed, "vessels")
    lobe = organs.lobe()
    airways, arteries, veins = [], [], []
    for side in (-1, 1):
        airway = _airways(rng, patient, organs, lobe, side)
        airways.append(airway)
        arteries.append(_arteries(rng, patient, organs, lobe, side, airway))
        veins.append(_veins(rng, patient, organs, lobe, side))
    great = {name: _tube(patient, points, patient.aorta if name == "aorta" else 1.0) for name, points in GREAT.items()}
    windpipe = np.array([(1.0, 3, 125), (0.5, 6, 80), (0, 9, 40), (1.5, 11, 15), (0, 12, 3), (0, 12.5, -2)])
    windpipe[1:4, 0] += rng.normal(0, 1.2, 3)
    points, radii = spline(patient.place(windpipe), 5.0, _TRACHEA_RADIUS_MM * np.array([1, 1, 1, 1.02, 1.05, 0.85]))
    trachea = Chain.along(points, radii)
    lumen = Chain.join(trachea, *(a.chain(0.45) for a in airways))
    wall = Chain.join(trachea.wider(1.4), *(_walled(a.chain(0.45)) for a in airways))
    return Vessels(lumen, wall, tuple(arteries), tuple(veins), great, _tube(patient, _OESOPHAGUS, 1.0))


def _walled(chain: Chain) -> Chain:
    return Chain(chain.a, chain.b, chain.ra + wall_mm(chain.ra), chain.rb + wall_mm(chain.rb))


def _tube(patient: Patient, points: tuple[tuple[float, float, float, float], ...], size: float) -> Chain:
    table = np.array(points, float)
    curve, radii = spline(patient.place(table[:, :3]), 4.0, table[:, 3] * size)
    return Chain.along(curve, radii)


def _airways(rng: np.random.Generator, patient: Patient, organs: Organs, lobe: Array,
             side: int) -> Tree:
    names, parents, points, radii = ["carina"], [-1], [(0.0, 12.0, 0.0)], [7.5]
    for name, parent, end, radius in BRONCHI[side]:
        jitter = rng.normal(0, 2.5 if name.startswith("B") else 0.8, 3)
        names.append(name)
        parents.append(names.index(parent))
        points.append(tuple(np.add(end, jitter)))
        radii.append(radius)
    placed = patient.place(points)
    for n, name in enumerate(names):
        if name.startswith("B"):
            placed[n] = _inside(organs, placed[parents[n]], placed[n])
    home = np.where([n.startswith("B") for n in names], trees.lobes_at(lobe, placed), -1)
    targets = trees.lung_targets(rng, organs, side, AIRWAY_LEAVES, 14.0)
    nodes, above, lobes = trees.grow(placed, np.array(parents, np.intp), home, targets, trees.lobes_at(lobe, targets))
    grown = trees.radii_of(above, 0.62, 2.5, 1.9)
    grown[:len(radii)] = radii
    for n in range(len(radii), len(grown)):
        grown[n] = min(grown[n], 0.8 * grown[above[n]])
    nodes = trees.smoothed(nodes, above, grown, len(radii))
    return Tree(nodes, above, grown, lobes)


def _inside(organs: Organs, start: Points, end: Points) -> Points:
    """Shorten the way from `start` to `end` until it ends well inside the lung."""
    ways = start + np.linspace(1.0, 0.4, 13)[:, None] * (end - start)
    deep = np.flatnonzero(at_points(organs.lung, ways) < -_BRONCHUS_DEPTH_MM)
    return ways[deep[0] if len(deep) else -1]


def _arteries(rng: np.random.Generator, patient: Patient, organs: Organs, lobe: Array,
              side: int, airway: Tree) -> Tree:
    """Arteries run beside the bronchi, then fill the lobes on their own."""
    drop = 3 if side < 0 else 4  # the main bronchus has no artery beside it
    follow = np.arange(drop, len(airway.points))
    gap = airway.radii[follow] * 1.5 + 1.6
    beside = np.array([side * 0.75, -0.55, 0.35])
    points = np.vstack([patient.place([_ARTERY_ROOT[side]]), airway.points[follow] + gap[:, None] * beside])
    parents = np.concatenate([[-1], np.maximum(airway.parents[follow] - drop + 1, 0)])
    lobes = np.concatenate([[0], np.maximum(airway.lobes[follow], 0)])
    return _fill(rng, organs, lobe, side, (points, parents, lobes), ARTERY_LEAVES, 8.0)


def _veins(rng: np.random.Generator, patient: Patient, organs: Organs, lobe: Array,
           side: int) -> Tree:
    """Veins run between the bronchi to the left atrium: an upper and a lower stem per lung."""
    points = patient.place([_VEIN_ROOT[side], *_VEIN_STEMS[side]])
    return _fill(rng, organs, lobe, side, (points, np.array([-1, 0, 0]), np.zeros(3, np.intp)), VEIN_LEAVES, 7.0)


def _fill(rng: np.random.Generator, organs: Organs, lobe: Array, side: int,
          start: tuple[Points, NDArray[np.intp], NDArray[np.intp]], leaves: int, largest_mm: float) -> Tree:
    targets = trees.lung_targets(rng, organs, side, leaves, 3.5)
    points, parents, lobes = trees.grow(*start, targets, trees.lobes_at(lobe, targets))
    uneven = 1 + 0.06 * np.clip(rng.standard_normal(len(points)), -2, 2)
    radii = trees.radii_of(parents, 0.52, 2.45, largest_mm) * uneven
    points = trees.smoothed(points, parents, radii, len(start[0]))
    return Tree(points, parents, np.round(radii, 6), lobes)
