"""Surfaces of masks, in patient space.

The surface is built on the mask's bounding box only. It is first the exact dual surface of the voxels (which
encloses the mask's volume to the last voxel) and is then smoothed by a windowed sinc, the least shrinking of the
common filters; where even that would change the volume of a small structure, it is smoothed less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import GeometryError

if TYPE_CHECKING:
    from medviewer.core.geometry import Geometry

Vertices = NDArray[np.float32]
Faces = NDArray[np.int32]

MAX_TRIANGLES = 300_000
VOLUME_RTOL = 0.03  # smoothing may change the enclosed volume by this much
SINC_ITERATIONS = 25
PASS_BANDS = (0.03, 0.1, 0.3, 0.7)  # smoothest first


def surface(mask: NDArray[np.bool_], geometry: Geometry, *, smooth: bool = True,
            max_triangles: int = MAX_TRIANGLES) -> tuple[Vertices, Faces]:
    """Make the surface of a mask.

    Parameters
    ----------
    mask : ndarray of bool, shape (K, J, I)
    geometry : Geometry
        Grid of `mask`; sheared grids and uneven slices are placed right.
    smooth : bool
        Smooth away the voxel steps; False keeps the steps of the voxels.
    max_triangles : int
        A finer surface is simplified to at most this many triangles.

    Returns
    -------
    vertices : ndarray of float32, shape (N, 3)
        LPS mm.
    faces : ndarray of int32, shape (M, 3)
        Vertex numbers, counter-clockwise seen from outside. Both are empty for an empty mask.

    Raises
    ------
    GeometryError
        If `mask` does not fit `geometry`.
    """
    mask = np.asarray(mask, bool)
    if mask.shape != geometry.shape:
        raise GeometryError(f"a mask of shape {mask.shape} does not fit a grid of {geometry.shape}")
    box = _box(mask)
    if box is None:
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)
    spacing = np.asarray(geometry.spacing_mm)
    poly = _voxel_surface(np.pad(mask[box], 1), spacing)
    if smooth:
        poly = _smoothed(poly)
    poly = _simplified(poly, max_triangles)
    points, faces = _arrays(poly)
    kji = points[:, ::-1] / spacing + [s.start - 1 for s in box]
    vertices = geometry.to_lps(kji).astype(np.float32)
    if len(faces) and enclosed_volume_mm3(vertices, faces) < 0:
        faces = np.ascontiguousarray(faces[:, ::-1])
    return vertices, faces


def enclosed_volume_mm3(vertices: NDArray[np.floating[Any]], faces: NDArray[np.integer[Any]]) -> float:
    """Return the volume inside a closed surface, mm3, by the divergence theorem; negative if it is inside out."""
    p = np.asarray(vertices, float)
    if not len(p):
        return 0.0
    p = p - p.mean(axis=0)  # small numbers: no cancellation far from the origin
    a, b, c = (p[faces[:, n]] for n in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice] | None:
    found = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        hit = np.flatnonzero(mask.any(axis=others))
        if not len(hit):
            return None
        found.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return found[0], found[1], found[2]


def _voxel_surface(mask: NDArray[np.bool_], spacing: NDArray[np.float64]) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkSurfaceNets3D

    image = vtkImageData()
    image.SetDimensions(*mask.shape[::-1])
    image.SetSpacing(*spacing[::-1])
    scalars = np.ascontiguousarray(mask).view(np.uint8).ravel()
    image.GetPointData().SetScalars(numpy_to_vtk(scalars))
    nets = vtkSurfaceNets3D()
    nets.SetInputData(image)
    nets.SetValue(0, 1)
    nets.SmoothingOff()
    nets.SetOutputMeshTypeToTriangles()
    nets.Update()
    return nets.GetOutput()


def _smoothed(poly: Any) -> Any:
    from vtkmodules.vtkFiltersCore import vtkWindowedSincPolyDataFilter

    exact = abs(enclosed_volume_mm3(*_arrays(poly)))
    for pass_band in PASS_BANDS:
        sinc = vtkWindowedSincPolyDataFilter()
        sinc.SetInputData(poly)
        sinc.SetNumberOfIterations(SINC_ITERATIONS)
        sinc.SetPassBand(pass_band)
        sinc.NormalizeCoordinatesOn()
        sinc.BoundarySmoothingOff()
        sinc.FeatureEdgeSmoothingOff()
        sinc.NonManifoldSmoothingOn()
        sinc.Update()
        result = sinc.GetOutput()
        if abs(abs(enclosed_volume_mm3(*_arrays(result))) - exact) <= VOLUME_RTOL * exact:
            return result
    return poly


def _simplified(poly: Any, max_triangles: int) -> Any:
    """Merge points in cubes of growing size: hundred times faster than edge collapse on millions of triangles."""
    from vtkmodules.vtkFiltersCore import vtkBinnedDecimation

    count = poly.GetNumberOfCells()
    if count <= max_triangles:
        return poly
    bounds = np.reshape(poly.GetBounds(), (3, 2))
    lengths = bounds[:, 1] - bounds[:, 0]
    edge = float(np.sqrt(_area_mm2(poly) / max_triangles * 4 / np.sqrt(3)))  # of an even triangle
    while True:
        binned = vtkBinnedDecimation()
        binned.SetInputData(poly)
        binned.AutoAdjustNumberOfDivisionsOff()
        binned.SetNumberOfDivisions(*(int(max(n, 2)) for n in np.ceil(lengths / edge)))
        binned.SetPointGenerationModeToBinAverages()
        binned.Update()
        result = binned.GetOutput()
        if result.GetNumberOfCells() <= max_triangles:
            return result
        edge *= 1.25


def _area_mm2(poly: Any) -> float:
    points, faces = _arrays(poly)
    a, b, c = (points[faces[:, n]] for n in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def _arrays(poly: Any) -> tuple[NDArray[np.float64], Faces]:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    if not poly.GetNumberOfCells():
        return np.zeros((0, 3)), np.zeros((0, 3), np.int32)
    points = vtk_to_numpy(poly.GetPoints().GetData()).astype(np.float64)
    faces = vtk_to_numpy(poly.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(np.int32)
    return points, faces
