"""Lung nodules of known place, size and volume.

A nodule is a star-shaped body around its centre, a sphere with random low-order bumps, scaled until its volume is that
of the sphere of the stated diameter. It is drawn by counting points finer than the voxels, so that edge voxels hold the
right mixture and the voxels add up to the stated volume.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from medviewer.core.errors import ParamError
from medviewer.ops.phantom.grid import COARSE, Array, Box, Grid, Points, at_points, on_grid
from medviewer.ops.phantom.organs import Organs
from medviewer.ops.phantom.patient import stream
from medviewer.ops.phantom.trees import lobes_at
from medviewer.ops.phantom.tubes import Chain, paint_cover
from medviewer.ops.phantom.vessels import Vessels

NoduleKind = Literal["solid", "spiculated", "ground-glass", "part-solid", "juxtapleural", "juxtavascular", "calcified"]
LOBES = ("", "right upper lobe", "right middle lobe", "right lower lobe", "left upper lobe", "left lower lobe")
GROUND_GLASS_HU = -600.0
CORE_SHARE = 0.45  # diameter of the solid core of a part-solid nodule
_FINE = 36  # points per axis for the exact volume
_REACH = 1.7  # half the box that holds a nodule, in radii
_APART_MM = 14.0


@dataclass(frozen=True, slots=True)
class NoduleSpec:
    """A nodule to be placed: kind, diameter (of the sphere of the same volume, mm), attenuation (None: as usual)."""

    kind: NoduleKind
    diameter_mm: float
    hu: float | None = None


DEMO_NODULES = (
    NoduleSpec("spiculated", 20.0), NoduleSpec("ground-glass", 15.0), NoduleSpec("part-solid", 14.0),
    NoduleSpec("solid", 12.0), NoduleSpec("juxtapleural", 9.0), NoduleSpec("solid", 8.0),
    NoduleSpec("juxtavascular", 7.0), NoduleSpec("calcified", 6.0), NoduleSpec("solid", 5.0),
)


@dataclass(frozen=True, slots=True)
class Nodule:
    """A nodule as it is in the phantom.

    number : 1, 2, ... from the largest
    centre_lps : centre of mass, mm
    diameter_mm : of the sphere of the same volume
    volume_mm3 : of the part inside the lung, without the spikes of a spiculated one
    hu : attenuation before blur and noise; of the ground glass for a part-solid one
    core_diameter_mm : of the solid core of a part-solid nodule, else 0
    label : value in the label map
    """

    number: int
    kind: NoduleKind
    centre_lps: tuple[float, float, float]
    diameter_mm: float
    volume_mm3: float
    side: Literal["right", "left"]
    lobe: str
    hu: float
    core_diameter_mm: float
    label: int


@dataclass(frozen=True, eq=False)
class Shape:
    """Outline of a nodule: radius (1 + bumps) around `middle`, cut off at the pleura where `clipped`."""

    middle: Points
    radius_mm: float
    axes: Points
    second: Points
    third: Points
    clipped: bool

    def outline(self, dx: Array, dy: Array, dz: Array) -> tuple[Array, Array]:
        """Return (distance from the middle, 1 + bumps in that direction)."""
        rho = np.sqrt(dx * dx + dy * dy + dz * dz) + np.float32(1e-6)
        bumps = np.ones_like(rho)
        for axis, e, f in zip(self.axes, self.second, self.third, strict=True):
            c = (dx * np.float32(axis[0]) + dy * np.float32(axis[1]) + dz * np.float32(axis[2])) / rho
            bumps += np.float32(e) * (c * c - np.float32(1 / 3)) + np.float32(f) * c * (c * c - np.float32(0.6))
        return rho, bumps


Placed = tuple[tuple[Nodule, Shape], ...]


def random_nodules(seed: int) -> tuple[NoduleSpec, ...]:
    """Draw the nodules of a patient: 2 to 10, 4 to 24 mm, small ones more often."""
    rng = stream(seed, "nodule list")
    kinds: tuple[NoduleKind, ...] = ("solid", "juxtapleural", "juxtavascular", "ground-glass", "part-solid",
                                     "spiculated", "calcified")
    found = []
    for _ in range(int(rng.integers(2, 11))):
        kind = kinds[int(rng.choice(len(kinds), p=(0.42, 0.16, 0.12, 0.11, 0.07, 0.07, 0.05)))]
        low, high = {"ground-glass": (6, 22), "part-solid": (8, 24), "spiculated": (10, 24), "calcified": (4, 9),
                     "juxtapleural": (4, 16), "juxtavascular": (4, 14)}.get(kind, (4, 20))
        diameter = round(float(low * (high / low) ** rng.uniform(0, 1) ** 1.4), 1)
        found.append(NoduleSpec(kind, diameter))
    return tuple(sorted(found, key=lambda s: -s.diameter_mm))


def place(seed: int, specs: tuple[NoduleSpec, ...], organs: Organs, vessels: Vessels,
          first_label: int) -> Placed:
    """Find a place in the lungs for each nodule and give it its shape.

    Raises
    ------
    ParamError
        If a diameter is not between 2 and 40 mm, or a nodule finds no room.
    """
    rng = stream(seed, "nodules")
    lobe = organs.lobe()
    done: list[tuple[Nodule, Shape]] = []
    tubes = Chain.join(*(t.chain(0.8) for t in (*vessels.arteries, *vessels.veins)), vessels.wall)
    for number, spec in enumerate(specs, start=1):
        if not 2 <= spec.diameter_mm <= 40:
            raise ParamError(f"a nodule of {spec.diameter_mm:g} mm is not possible: 2 to 40 mm are")
        taken = [(np.array(n.centre_lps), n.diameter_mm) for n, _ in done]
        middle = _find_place(rng, spec, organs, vessels, tubes, taken)
        shape, centre = _shape(rng, spec, middle, organs)
        home = int(lobes_at(lobe, centre[None])[0])
        core = round(spec.diameter_mm * CORE_SHARE, 2) if spec.kind == "part-solid" else 0.0
        x, y, z = (round(float(c), 3) for c in centre)
        done.append((Nodule(number, spec.kind, (x, y, z), spec.diameter_mm, round(_volume(spec), 2),
                            "right" if home <= 3 else "left", LOBES[home], _usual_hu(rng, spec), core,
                            first_label + number - 1), shape))
    return tuple(done)


def _volume(spec: NoduleSpec) -> float:
    return float(np.pi / 6 * spec.diameter_mm**3)


def _usual_hu(rng: np.random.Generator, spec: NoduleSpec) -> float:
    low, high = {"ground-glass": (-620, -580), "part-solid": (-620, -570), "calcified": (280, 600)}.get(
        spec.kind, (25, 55))
    drawn = round(float(rng.uniform(low, high)), 1)
    return drawn if spec.hu is None else spec.hu


def _find_place(rng: np.random.Generator, spec: NoduleSpec, organs: Organs, vessels: Vessels, tubes: Chain,
                taken: list[tuple[Points, float]]) -> Points:
    radius = spec.diameter_mm / 2
    points = _candidates(rng, spec, organs, vessels)
    for other, diameter in taken:
        gap = points - other
        points = points[np.sqrt((gap * gap).sum(axis=1)) > radius + diameter / 2 + _APART_MM]
    if not len(points):
        raise ParamError(f"the lungs have no room for another nodule of {spec.diameter_mm:g} mm",
                         hint="Ask for fewer or smaller nodules.")
    if spec.kind == "juxtavascular":
        return points[0]
    points = points[:150]  # the freest of these
    middle, thick = 0.5 * (tubes.a + tubes.b), np.maximum(tubes.ra, tubes.rb)
    clear = np.empty(len(points))
    for n, p in enumerate(points):
        gap = middle - p
        clear[n] = (np.sqrt((gap * gap).sum(axis=1)) - thick).min()
    enough = np.flatnonzero(clear > radius + 2.0)
    return points[enough[0] if len(enough) else int(np.argmax(clear))]


def _candidates(rng: np.random.Generator, spec: NoduleSpec, organs: Organs, vessels: Vessels) -> Points:
    """Return possible middles in random order."""
    radius = spec.diameter_mm / 2
    if spec.kind == "juxtavascular":
        trees = (*vessels.arteries, *vessels.veins)
        nodes, thick = np.vstack([t.points for t in trees]), np.concatenate([t.radii for t in trees])
        picked = rng.permutation(np.flatnonzero((thick > 1.1) & (thick < 2.2)))
        turn = rng.standard_normal((len(picked), 3))
        turn /= np.sqrt((turn * turn).sum(axis=1, keepdims=True))
        points = nodes[picked] + turn * (radius + 0.5 * thick[picked])[:, None]
        return points[at_points(organs.lung, points) < -radius - 4]
    if spec.kind == "juxtapleural":
        at_wall = (np.abs(organs.cavity - organs.lung) < 2.5) & (np.abs(organs.side) > 50)
        index = np.argwhere(at_wall & (np.abs(organs.lung + 0.45 * radius) < 1.0))
    else:
        index = np.argwhere(organs.lung < -radius - 4)
    index = index[rng.permutation(len(index))[:3000]]
    origin = np.array([COARSE.z[0], COARSE.y[0], COARSE.x[0]])
    jitter = 0.0 if spec.kind == "juxtapleural" else 0.5
    return (origin + (index + rng.uniform(-jitter, jitter, index.shape)) * COARSE.spacing_mm)[:, ::-1]


def _shape(rng: np.random.Generator, spec: NoduleSpec, middle: Points, organs: Organs) -> tuple[Shape, Points]:
    """Draw the bumps and scale the body to its volume; returns also the centre of mass."""
    axes = rng.standard_normal((5, 3))
    axes /= np.sqrt((axes * axes).sum(axis=1, keepdims=True))
    lobed = {"spiculated": 1.6, "part-solid": 1.2, "calcified": 0.4}.get(spec.kind, 0.8)
    second, third = (np.round(rng.normal(0, sd, 5) * lobed, 6) for sd in (0.06, 0.08))
    shape = Shape(np.round(middle, 4), spec.diameter_mm / 2, np.round(axes, 6), second, third,
                  spec.kind == "juxtapleural")
    half = _REACH * 1.35 * spec.diameter_mm / 2
    line = ((np.arange(_FINE) + 0.5) / _FINE * 2 - 1) * half
    dz, dy, dx = (a.astype(np.float32) for a in np.meshgrid(line, line, line, indexing="ij"))
    rho, bumps = shape.outline(dx, dy, dz)
    step = 2 * half / _FINE
    offsets = np.column_stack([a.ravel() for a in (dx, dy, dz)]).astype(float)
    share = np.ones(rho.shape)
    if shape.clipped:
        share = np.clip(0.5 - at_points(organs.lung, shape.middle + offsets) / step, 0, 1).reshape(rho.shape)
    wanted = _volume(spec)
    radius = spec.diameter_mm / 2
    for _ in range(12):
        part = np.clip(0.5 - (rho - radius * bumps) / step, 0, 1) * share
        radius *= float((wanted / (part.sum() * step**3)) ** (1 / (2 if shape.clipped else 3)))
    centre = shape.middle + (offsets * part.reshape(-1, 1)).sum(axis=0) / part.sum()
    return Shape(shape.middle, round(radius, 6), shape.axes, shape.second, shape.third, shape.clipped), centre


def cover_of(shape: Shape, organs: Organs, grid: Grid, size: float = 1.0) -> tuple[Box, Array] | None:
    """Return the box around a nodule and which part of each of its voxels it fills."""
    reach = _REACH * size * shape.radius_mm + np.array(grid.spacing_mm[::-1])
    box = grid.box(shape.middle - reach, shape.middle + reach)
    if box is None:
        return None
    fine = [max(1, min(9, int(np.ceil(s / 0.3)))) for s in grid.spacing_mm]
    axes = []
    for axis, span, step, n in zip((grid.z, grid.y, grid.x), box, grid.spacing_mm, fine, strict=True):
        shift = ((np.arange(n) + 0.5) / n - 0.5) * step
        axes.append((axis[span][:, None] + shift).ravel())
    points = Grid(*axes)
    dz, dy, dx = ((a - m).astype(np.float32) for a, m in zip(axes, shape.middle[::-1], strict=True))
    rho, bumps = shape.outline(dx[None, None, :], dy[None, :, None], dz[:, None, None])
    width = np.float32((grid.spacing_mm[0] / fine[0] * (grid.spacing_mm[1] / fine[1]) ** 2) ** (1 / 3))
    part = np.clip(np.float32(0.5) - (rho - np.float32(size * shape.radius_mm) * bumps) / width, 0, 1)
    if shape.clipped:
        inside = on_grid(organs.lung, points, points.whole)
        part *= np.clip(np.float32(0.5) - inside / width, 0, 1)
    k, j, i = (s.stop - s.start for s in box)
    return box, part.reshape(k, fine[0], j, fine[1], i, fine[2]).mean(axis=(1, 3, 5), dtype=np.float32)


def paint(seed: int, placed: Placed, organs: Organs, grid: Grid, hu: Array) -> None:
    """Paint the nodules into `hu`; vessels stay visible in ground glass."""
    rng = stream(seed, "nodule texture")
    for nodule, shape in placed:
        if nodule.kind == "spiculated":
            _paint_spikes(rng, nodule, shape, grid, hu)
        found = cover_of(shape, organs, grid)
        if found is None:
            continue
        box, part = found
        view = hu[box]
        mixed = view + part * (np.float32(nodule.hu) - view)
        view[...] = np.maximum(view, mixed)
        core = cover_of(shape, organs, grid, CORE_SHARE) if nodule.core_diameter_mm else None
        if core is not None:
            inner = hu[core[0]]
            inner += core[1] * (np.float32(30) - inner)


def _paint_spikes(rng: np.random.Generator, nodule: Nodule, shape: Shape, grid: Grid, hu: Array) -> None:
    turn = rng.standard_normal((16, 3))
    turn /= np.sqrt((turn * turn).sum(axis=1, keepdims=True))
    reach = rng.uniform(1.3, 1.75, (16, 1)) * shape.radius_mm
    start = np.repeat(shape.middle[None], 16, axis=0) + turn * shape.radius_mm * 0.8
    chain = Chain(start, shape.middle + turn * reach, np.full(16, 0.9), np.full(16, 0.15))
    canvas = np.zeros(grid.shape, np.float32)
    paint_cover(canvas, grid, chain)
    box = grid.box(shape.middle - 2 * shape.radius_mm - 2, shape.middle + 2 * shape.radius_mm + 2)
    if box is not None:
        view = hu[box]
        view += canvas[box] * np.float32(0.6) * (np.float32(nodule.hu) - view)


def label(placed: Placed, organs: Organs, grid: Grid, layer: np.ndarray) -> None:
    """Write the nodules into a label layer: voxels at least half filled, and never none at all."""
    for nodule, shape in placed:
        found = cover_of(shape, organs, grid)
        if found is None:
            continue
        box, part = found
        layer[box][part >= min(0.5, float(part.max()))] = nodule.label
