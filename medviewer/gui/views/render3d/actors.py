"""VTK objects for the things of a scene. Imported in the drawing process only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import (
    vtkCellArray,
    vtkImageData,
    vtkPiecewiseFunction,
    vtkPlane,
    vtkPlaneCollection,
    vtkPolyData,
)
from vtkmodules.vtkCommonMath import vtkMatrix4x4
from vtkmodules.vtkFiltersCore import vtkBinnedDecimation, vtkPolyDataNormals
from vtkmodules.vtkRenderingCore import (
    vtkActor,
    vtkColorTransferFunction,
    vtkPolyDataMapper,
    vtkTexture,
    vtkVolume,
    vtkVolumeProperty,
)

from medviewer.gui.views.render3d.scene import CropBox, SliceItem, SurfaceItem, SurfaceLook
from medviewer.ops.render_grid import RenderGrid
from medviewer.ops.volume_presets import TransferFunction

COARSE_FROM = 20_000  # triangles
COARSE_BINS = (40, 40, 40)


def image_of(grid: RenderGrid) -> tuple[vtkImageData, NDArray[np.int16]]:
    """Wrap the voxels without a copy; the array must outlive the image."""
    array = np.ascontiguousarray(grid.array)
    image = vtkImageData()
    image.SetDimensions(*array.shape[::-1])
    image.SetSpacing(*np.linalg.norm(grid.affine[:3, 2::-1], axis=0))
    image.GetPointData().SetScalars(numpy_to_vtk(array.ravel()))
    return image, array


def volume_actor(grid: RenderGrid) -> vtkVolume:
    """Make a volume that stands where its grid says."""
    actor = vtkVolume()
    matrix = vtkMatrix4x4()
    axes = grid.affine[:3, 2::-1] / np.linalg.norm(grid.affine[:3, 2::-1], axis=0)
    for row in range(3):
        for column in range(3):
            matrix.SetElement(row, column, axes[row, column])
        matrix.SetElement(row, 3, grid.affine[row, 3])
    actor.SetUserMatrix(matrix)
    return actor


def volume_property(look: TransferFunction, grid: RenderGrid) -> vtkVolumeProperty:
    """Turn a look into the renderer's tables over stored values."""
    result = vtkVolumeProperty()
    opacity, colour = vtkPiecewiseFunction(), vtkColorTransferFunction()
    for value, alpha in look.opacity:
        opacity.AddPoint((value - grid.intercept) / grid.slope, alpha)
    for value, rgb in look.colours:
        colour.AddRGBPoint((value - grid.intercept) / grid.slope, *rgb)
    result.SetScalarOpacity(opacity)
    result.SetColor(colour)
    result.SetScalarOpacityUnitDistance(look.unit_mm)
    result.SetInterpolationTypeToLinear()
    if look.mode == "composite":
        if look.gradient:  # the renderer's gradients are per mean voxel
            edges = vtkPiecewiseFunction()
            voxel_mm = float(np.linalg.norm(grid.affine[:3, :3], axis=0).mean())
            for value, factor in look.gradient:
                edges.AddPoint(value * voxel_mm / grid.slope, factor)
            result.SetGradientOpacity(edges)
        result.ShadeOn()
        result.SetAmbient(look.ambient)
        result.SetDiffuse(look.diffuse)
        result.SetSpecular(look.specular)
        result.SetSpecularPower(look.shine)
    return result


class SurfaceActor:
    """A smooth-shaded surface, with a coarse copy for pictures while moving."""

    def __init__(self, item: SurfaceItem) -> None:
        self.item = item
        poly = vtkPolyData()
        poly.SetPoints(_points(item.vertices))
        poly.SetPolys(_cells(item.faces))
        self.fine = self.coarse = _shaded(poly)
        if len(item.faces) > COARSE_FROM:
            bins = vtkBinnedDecimation()
            bins.SetInputData(poly)
            bins.AutoAdjustNumberOfDivisionsOff()
            bins.SetNumberOfDivisions(*COARSE_BINS)
            bins.SetPointGenerationModeToBinAverages()
            bins.Update()
            self.coarse = _shaded(bins.GetOutput())
        self.actor = vtkActor()
        self.actor.SetMapper(self.fine)
        shade = self.actor.GetProperty()
        shade.SetAmbient(0.12)
        shade.SetDiffuse(0.88)
        shade.SetSpecular(0.2)
        shade.SetSpecularPower(25)
        self.set_look(SurfaceLook.of(item))

    def set_look(self, look: SurfaceLook) -> None:
        """Change the colour; opacity and visibility are the stage's business (see `Stage`)."""
        self.item = replace(self.item, colour=look.colour, opacity=look.opacity, visible=look.visible)
        self.actor.GetProperty().SetColor(*(c / 255 for c in look.colour))

    def cut(self, planes: vtkPlaneCollection) -> None:
        """Draw only what lies on the inner side of all planes."""
        for mapper in (self.fine, self.coarse):
            mapper.SetClippingPlanes(planes)


def _shaded(poly: vtkPolyData) -> vtkPolyDataMapper:
    normals = vtkPolyDataNormals()
    normals.SetInputData(poly)
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.Update()
    return _mapper(normals.GetOutput())


def slice_actors(item: SliceItem) -> tuple[vtkActor, vtkActor]:
    """Make a picture standing in space and the frame around it."""
    a, b, c = (np.asarray(p, float) for p in (item.top_left, item.top_right, item.bottom_left))
    points = _points(np.array([a, b, b + c - a, c]))
    poly = vtkPolyData()
    poly.SetPoints(points)
    poly.SetPolys(_cells(np.array([[0, 1, 2], [0, 2, 3]])))
    places = numpy_to_vtk(np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32), deep=1)
    poly.GetPointData().SetTCoords(places)
    image = vtkImageData()
    image.SetDimensions(item.image.shape[1], item.image.shape[0], 1)
    pixels = np.ascontiguousarray(item.image[::-1]).reshape(item.image.shape[0] * item.image.shape[1], -1)
    image.GetPointData().SetScalars(numpy_to_vtk(np.broadcast_to(pixels, (len(pixels), 3)), deep=1))
    texture = vtkTexture()
    texture.SetInputData(image)
    texture.InterpolateOn()
    texture.SetColorModeToDirectScalars()
    picture = vtkActor()
    picture.SetMapper(_mapper(poly))
    picture.SetTexture(texture)
    picture.GetProperty().LightingOff()
    return picture, _frame(points, item)


def _frame(points: vtkPoints, item: SliceItem) -> vtkActor:
    poly = vtkPolyData()
    poly.SetPoints(points)
    lines = vtkCellArray()
    lines.InsertNextCell(5)
    for n in (0, 1, 2, 3, 0):
        lines.InsertCellPoint(n)
    poly.SetLines(lines)
    actor = vtkActor()
    actor.SetMapper(_mapper(poly))
    actor.GetProperty().SetColor(*(c / 255 for c in item.colour))
    actor.GetProperty().SetLineWidth(2)
    actor.GetProperty().LightingOff()
    return actor


def crop_planes(box: CropBox) -> vtkPlaneCollection:
    """Make the six planes of a box; what lies behind any of them is not drawn."""
    planes = vtkPlaneCollection()
    for axis in range(3):
        for corner, side in ((box.low, 1.0), (box.high, -1.0)):
            normal = np.zeros(3)
            normal[axis] = side
            plane = vtkPlane()
            plane.SetOrigin(*corner)
            plane.SetNormal(*normal)
            planes.AddItem(plane)
    return planes


def _mapper(poly: vtkPolyData) -> vtkPolyDataMapper:
    mapper = vtkPolyDataMapper()
    mapper.SetInputData(poly)
    mapper.ScalarVisibilityOff()
    return mapper


def _points(array: NDArray[np.floating]) -> vtkPoints:
    points = vtkPoints()
    points.SetData(numpy_to_vtk(np.ascontiguousarray(array, np.float32), deep=1))
    return points


def _cells(faces: NDArray[np.integer]) -> vtkCellArray:
    cells = vtkCellArray()
    offsets = numpy_to_vtkIdTypeArray(np.arange(0, 3 * len(faces) + 1, 3, dtype=np.int64), deep=1)
    cells.SetData(offsets, numpy_to_vtkIdTypeArray(np.ascontiguousarray(faces, np.int64).ravel(), deep=1))
    return cells
