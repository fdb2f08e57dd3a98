"""The whole phantom: attenuation, labels and the truth about the nodules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import ParamError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.ops.phantom import labelling, nodules, organs, tissues, vessels
from medviewer.ops.phantom.grid import FIELD_MM, Grid
from medviewer.ops.phantom.nodules import DEMO_NODULES, Nodule, NoduleSpec, random_nodules
from medviewer.ops.phantom.noise import add_noise, blurred
from medviewer.ops.phantom.patient import Patient, stream

VERSION = 1  # of the anatomy; raised when a seed gives other voxels than before
SHAPE = (120, 320, 320)
HU_RANGE = (-1024, 3071)


@dataclass(frozen=True, slots=True, eq=False)
class ThoraxPhantom:
    """A synthetic CT of a chest with its truth.

    hu : (K, J, I) int16, Hounsfield units, read-only
    labels : body, organs, bones, airways, vessels and nodules; airways, vessels and nodules lie in a second layer
        because they overlap the lungs, the body in a third
    nodules : from the largest
    branches : number of branches of the pulmonary vessels
    """

    hu: NDArray[np.int16]
    geometry: Geometry
    labels: LabelMap
    nodules: tuple[Nodule, ...]
    seed: int
    branches: int


def thorax(seed: int = 0, *, shape: tuple[int, int, int] = SHAPE, spacing_mm: tuple[float, float, float] | None = None,
           nodule_specs: Sequence[NoduleSpec] | None = None, contrast: bool = False,
           job: Job | None = None) -> ThoraxPhantom:
    """Make a synthetic chest CT.

    A seed is one patient: anatomy, vessels and nodules are the same at every shape and spacing; the noise is not.

    Parameters
    ----------
    seed : int
        0 is the demo patient. Patients differ in size, habitus, heart, diaphragm, bones, vessels and nodules.
    shape : (K, J, I)
        Voxels, from the feet to the head.
    spacing_mm : (k, j, i), optional
        Voxel size; by default the chest (300 x 352 x 352 mm) fills the grid, 2.5 x 1.1 x 1.1 mm for the default shape.
    nodule_specs : sequence of NoduleSpec, optional
        By default the nine of the demo study for seed 0, and `random_nodules(seed)` for other seeds.
    contrast : bool
        Blood at 220 HU instead of 44 HU.

    Returns
    -------
    ThoraxPhantom

    Raises
    ------
    ParamError
        If the grid is not possible, or the nodules find no room.
    """
    if min(shape) < 2 or (spacing_mm is not None and min(spacing_mm) <= 0) or seed < 0:
        raise ParamError("the phantom needs two voxels along every axis, a positive spacing and a seed that is not "
                         "negative")
    job = job or Job()
    fitting = (FIELD_MM[0] / shape[0], FIELD_MM[1] / shape[1], FIELD_MM[2] / shape[2])
    grid = Grid.centred(shape, spacing_mm or fitting)
    if nodule_specs is None:
        nodule_specs = DEMO_NODULES if seed == 0 else random_nodules(seed)
    job.report(0.0, "Anatomy")
    patient = Patient.draw(seed, contrast)
    body = organs.build(patient)
    job.report(0.1, "Vessels")
    tubes = vessels.build(patient, body)
    placed = nodules.place(seed, tuple(nodule_specs), body, tubes, labelling.FIRST_NODULE)
    hu, parts = _paint(patient, body, tubes, placed, grid, job.part(0.2, 0.7))
    labels = labelling.label_map(body, placed, parts, grid)
    job.report(0.8, "Noise")
    blurred(hu, grid)
    add_noise(hu, grid, stream(seed, "noise"))
    np.clip(np.rint(hu, out=hu), *HU_RANGE, out=hu)
    whole = hu.astype(np.int16)
    whole.setflags(write=False)
    job.report(1.0, "Noise")
    return ThoraxPhantom(whole, grid.geometry, labels, tuple(n for n, _ in placed), seed, tubes.branches)


def _paint(patient: Patient, body: organs.Organs, tubes: vessels.Vessels, placed: nodules.Placed, grid: Grid,
           job: Job) -> tuple[NDArray[np.float32], labelling.Parts]:
    """Paint all tissues; returns the attenuation and the masks that the labels need."""
    hu = np.full(grid.shape, tissues.AIR_HU, np.float32)
    textures = tissues.Textures(patient)
    tissues.paint_wall(patient, body, textures, grid, hu)
    job.report(0.3, "Organs")
    tissues.paint_organs(patient, body, tubes, textures, grid, hu)
    tissues.paint_lungs(patient, body, textures, grid, hu)
    aorta = tissues.paint_great(patient, tubes, grid, hu) > 0.5
    job.report(0.6, "Bones")
    ribs, girdle, column = tissues.paint_bones(patient, body, grid, hu)
    job.report(0.8, "Vessels")
    blood, lumen = tissues.paint_tubes(patient, tubes, grid, hu)
    nodules.paint(patient.seed, placed, body, grid, hu)
    return hu, labelling.Parts(aorta, ribs < 0, girdle < 0, column > 0.5, blood > 0.5, lumen > 0.5)
