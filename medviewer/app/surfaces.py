"""Surfaces of masks and contours for the 3D view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medviewer.core.contours import ContourSet
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """A closed surface of one segment.

    key : (layer, value) of a label map's segment, or the number of a contour segment
    """

    key: tuple[int, int] | int
    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    colour: tuple[int, int, int]


def surfaces_of(source: LabelMap | ContourSet, geometry: Geometry, job: Job) -> list[Surface]:
    """Make the surfaces of all segments; contours are filled on the image grid first."""
    from medviewer.ops.mesh import surface
    from medviewer.ops.rasterise import rasterise

    found = []
    if isinstance(source, LabelMap):
        for s in job.each(source.segments, "3D surfaces"):
            vertices, faces = surface(source.mask(s), source.geometry)
            if len(faces):
                found.append(Surface((s.layer, s.value), vertices, faces, s.colour))
        return found
    for segment in job.each(source.segments, "3D surfaces"):
        labels, _ = rasterise(segment, geometry)
        if labels.segments:
            vertices, faces = surface(labels.mask(labels.segments[0]), geometry)
            if len(faces):
                found.append(Surface(segment.number, vertices, faces, segment.colour))
    return found
