"""The scene in VTK: holds the things, draws a picture of them. Runs in the drawing process only.

Volumes go to the GPU ray caster if a trial picture is quick, else to the CPU one, which is ten times faster than
a GPU ray caster on software OpenGL. Neither mixes translucent surfaces with a volume in depth order, so a surface
of opacity 0.5 is drawn solid in half of several pictures which are averaged: right for any order of depths.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import vtkmodules.vtkRenderingOpenGL2
import vtkmodules.vtkRenderingVolumeOpenGL2  # noqa: F401 - registers the drivers
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkLogger, vtkObject, vtkUnsignedCharArray
from vtkmodules.vtkCommonDataModel import vtkPlaneCollection
from vtkmodules.vtkRenderingCore import vtkActor, vtkLight, vtkRenderer, vtkRenderWindow, vtkVolume
from vtkmodules.vtkRenderingVolume import vtkFixedPointVolumeRayCastMapper
from vtkmodules.vtkRenderingVolumeOpenGL2 import vtkOpenGLGPUVolumeRayCastMapper

from medviewer.gui.views.render3d import actors
from medviewer.gui.views.render3d.picking import pick
from medviewer.gui.views.render3d.scene import (
    Colour,
    CropBox,
    PickRequest,
    Quality,
    RenderRequest,
    SliceItem,
    SurfaceItem,
    SurfaceLook,
    VolumeItem,
)
from medviewer.ops.volume_presets import TransferFunction

SOFTWARE_GL = ("llvmpipe", "softpipe", "swrast", "software", "basic render", "gdi generic")
GPU_TRIAL_S = 0.15  # a trial picture slower than this: the CPU does it
GPU_TRIAL_SIZE = 400
MOVING_GOAL_S = 0.09
RAY_SPACINGS = (1.25, 1.5, 2.0, 2.5, 3.0, 4.0)  # pixels between rays while moving
MOVING_STEP = 1.5  # distance between samples on a ray while moving, voxels; at rest the look says
LAYERS = 4  # pictures averaged for translucent surfaces
MOVING_LAYERS = 2
MOVING_TRIANGLES = 250_000  # with more, surfaces are drawn coarsely while moving


class Stage:
    """Everything that is shown, and the off-screen window it is drawn in."""

    def __init__(self, *, safe: bool = False) -> None:
        vtkObject.GlobalWarningDisplayOff()
        vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
        self._window = vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)
        self._renderer = vtkRenderer()
        self._renderer.AutomaticLightCreationOff()
        self._window.AddRenderer(self._renderer)
        self._add_lights()
        self._window.SetSize(64, 64)
        self._window.Render()  # fails here, not later, where there is no OpenGL
        driver = self._window.ReportCapabilities().lower()
        self._may_use_gpu = not safe and not any(name in driver for name in SOFTWARE_GL)
        self._item: VolumeItem | None = None
        self._volume: vtkVolume | None = None
        self._image: object = None
        self._surfaces: dict[str, actors.SurfaceActor] = {}
        self._slices: tuple[SliceItem, ...] = ()
        self._slice_actors: list[vtkActor] = []
        self._crop: CropBox | None = None
        self._spacing_number = 2
        self._abort: Callable[[], bool] | None = None
        self._window.AddObserver("AbortCheckEvent", self._check_abort)
        self.mapper = ""

    def _add_lights(self) -> None:
        """Light from above the viewer's left shoulder and a little from the other side: shows shape."""
        for position, strength in (((-0.4, 0.6, 1.0), 0.95), ((0.8, -0.3, 0.8), 0.35)):
            light = vtkLight()
            light.SetLightTypeToCameraLight()
            light.SetPosition(*position)
            light.SetIntensity(strength)
            self._renderer.AddLight(light)

    def set_background(self, rgb: Colour) -> None:
        """Set the colour behind everything."""
        self._renderer.SetBackground(*(c / 255 for c in rgb))

    def set_volume(self, item: VolumeItem | None) -> None:
        """Show a volume, or none."""
        if self._volume is not None:
            self._renderer.RemoveVolume(self._volume)
            self._volume.ReleaseGraphicsResources(self._window)
        self._item, self._volume, self._image, self.mapper = item, None, None, ""
        if item is None:
            return
        self._image = actors.image_of(item.grid)
        self._volume = actors.volume_actor(item.grid)
        self._renderer.AddVolume(self._volume)
        use_gpu = self._may_use_gpu and self._gpu_is_quick(item)
        self._use_mapper(item, gpu=use_gpu)

    def set_look(self, look: TransferFunction) -> None:
        """Show the volume with another look."""
        if self._volume is None or self._item is None:
            return
        self._item = VolumeItem(self._item.grid, look)
        self._volume.SetProperty(actors.volume_property(look, self._item.grid))
        mapper = self._volume.GetMapper()
        if look.mode == "mip":
            mapper.SetBlendModeToMaximumIntensity()
        else:
            mapper.SetBlendModeToComposite()

    def _use_mapper(self, item: VolumeItem, *, gpu: bool) -> None:
        assert self._volume is not None
        mapper = vtkOpenGLGPUVolumeRayCastMapper() if gpu else vtkFixedPointVolumeRayCastMapper()
        mapper.SetInputData(self._image[0])  # type: ignore[index]
        mapper.SetAutoAdjustSampleDistances(0)
        if gpu:
            mapper.UseJitteringOn()
        self._volume.SetMapper(mapper)
        self.set_look(item.look)
        self.set_crop(self._crop)
        self.mapper = "GPU" if gpu else "CPU"

    def _gpu_is_quick(self, item: VolumeItem) -> bool:
        """Draw a small picture twice; the first loads the texture and compiles the shaders."""
        self._use_mapper(item, gpu=True)
        failures: list[object] = []
        assert self._volume is not None
        mapper = self._volume.GetMapper()
        mapper.AddObserver("ErrorEvent", lambda *_: failures.append(None))
        self._window.SetSize(GPU_TRIAL_SIZE, GPU_TRIAL_SIZE)
        self._renderer.ResetCamera()
        self._sample_distances("full")
        self._window.Render()
        start = time.perf_counter()
        self._window.Render()
        self._window.WaitForCompletion()
        quick = time.perf_counter() - start < GPU_TRIAL_S and not failures
        self._may_use_gpu = quick
        if not quick:
            mapper.ReleaseGraphicsResources(self._window)
        return quick

    def set_surface(self, item: SurfaceItem) -> None:
        """Add or replace a surface."""
        self.remove_surface(item.id)
        surface = self._surfaces[item.id] = actors.SurfaceActor(item)
        self._renderer.AddActor(surface.actor)
        self.set_crop(self._crop)

    def set_surface_look(self, look: SurfaceLook) -> None:
        """Change colour, opacity or visibility."""
        if look.id in self._surfaces:
            self._surfaces[look.id].set_look(look)

    def remove_surface(self, surface_id: str) -> None:
        """Take a surface away, if it is there."""
        if surface_id in self._surfaces:
            actor = self._surfaces.pop(surface_id).actor
            self._renderer.RemoveActor(actor)
            actor.ReleaseGraphicsResources(self._window)

    def set_slices(self, slices: tuple[SliceItem, ...]) -> None:
        """Show these slice pictures and no others."""
        for actor in self._slice_actors:
            self._renderer.RemoveActor(actor)
            actor.ReleaseGraphicsResources(self._window)
        self._slices = slices
        self._slice_actors = [a for item in slices for a in actors.slice_actors(item)]
        for actor in self._slice_actors:
            self._renderer.AddActor(actor)

    def set_crop(self, box: CropBox | None) -> None:
        """Draw only what lies in a box."""
        self._crop = box
        planes = actors.crop_planes(box) if box is not None else vtkPlaneCollection()
        if self._volume is not None:
            self._volume.GetMapper().SetClippingPlanes(planes)
        cut = planes if box is not None and box.surfaces else vtkPlaneCollection()
        for surface in self._surfaces.values():
            surface.cut(cut)

    def render(self, request: RenderRequest, abort: Callable[[], bool]) -> NDArray[np.uint8] | None:
        """Draw a picture, (height, width, 3) uint8; None if `abort` became true meanwhile."""
        self._choose_detail(request.quality)
        self._place_camera(request)
        self._sample_distances(request.quality)
        self._abort = abort if request.quality == "full" else None
        start = time.perf_counter()
        pictures: dict[frozenset[str], NDArray[np.uint8]] = {}
        layers = self._layers(MOVING_LAYERS if request.quality == "moving" else LAYERS)
        for shown in layers:
            if shown in pictures:
                continue
            for surface_id, surface in self._surfaces.items():
                surface.actor.SetVisibility(surface_id in shown)
            self._window.Render()
            if self._window.GetAbortRender():
                return None
            pictures[shown] = self._pixels()
        if request.quality == "moving":
            self._adapt(time.perf_counter() - start)
        if len(pictures) == 1:
            return next(iter(pictures.values()))
        total = sum(pictures[shown].astype(np.uint16) for shown in layers)
        return np.asarray((total + len(layers) // 2) // len(layers), np.uint8)

    def pick(self, request: PickRequest) -> NDArray[np.float64] | None:
        """Return the point under a pixel, LPS mm."""
        start, direction = request.camera.ray(request.x, request.y, request.width, request.height)
        return pick(self._item, [surface.item for surface in self._surfaces.values()], self._slices, self._crop,
                    start, direction)

    def _choose_detail(self, quality: Quality) -> None:
        shown = [s for s in self._surfaces.values() if s.item.visible]
        coarse = quality == "moving" and sum(len(s.item.faces) for s in shown) > MOVING_TRIANGLES
        for surface in shown:
            surface.actor.SetMapper(surface.coarse if coarse else surface.fine)

    def _layers(self, count: int) -> list[frozenset[str]]:
        """Share each surface out over `count` pictures by its opacity, each starting at another picture."""
        layers: list[set[str]] = [set() for _ in range(count)]
        visible = [s.item for s in self._surfaces.values() if s.item.visible and s.item.opacity > 0]
        for rank, item in enumerate(visible):
            for n in range(max(round(item.opacity * count), 1)):
                layers[(rank + n) % count].add(item.id)
        return [frozenset(layer) for layer in layers]

    def _place_camera(self, request: RenderRequest) -> None:
        if tuple(self._window.GetSize()) != (request.width, request.height):
            self._window.SetSize(request.width, request.height)
        camera = self._renderer.GetActiveCamera()
        camera.SetPosition(*request.camera.position)
        camera.SetFocalPoint(*request.camera.focus)
        camera.SetViewUp(*request.camera.axes[1])
        camera.SetViewAngle(request.camera.angle_deg)
        for surface in self._surfaces.values():  # the depth range must hold for all layers
            surface.actor.SetVisibility(True)
        self._renderer.ResetCameraClippingRange()

    def _sample_distances(self, quality: Quality) -> None:
        if self._volume is None or self._item is None:
            return
        voxel = float(np.linalg.norm(self._item.grid.affine[:3, :3], axis=0).min())
        mapper = self._volume.GetMapper()
        moving = quality == "moving"
        step = self._item.look.step_voxels
        mapper.SetSampleDistance(voxel * (max(MOVING_STEP, 3 * step) if moving else step))
        mapper.SetImageSampleDistance(RAY_SPACINGS[self._spacing_number] if moving and self.mapper == "CPU" else 1.0)

    def _adapt(self, seconds: float) -> None:
        """Choose how many rays the next moving picture gets."""
        if seconds > MOVING_GOAL_S:
            self._spacing_number = min(self._spacing_number + 1, len(RAY_SPACINGS) - 1)
        elif seconds < MOVING_GOAL_S / 2.5:
            self._spacing_number = max(self._spacing_number - 1, 0)

    def _check_abort(self, *_: object) -> None:
        if self._abort is not None and self._abort():
            self._window.SetAbortRender(1)

    def _pixels(self) -> NDArray[np.uint8]:
        width, height = self._window.GetSize()
        data = vtkUnsignedCharArray()
        self._window.GetPixelData(0, 0, width - 1, height - 1, 0, data, 0)
        return vtk_to_numpy(data).reshape(height, width, 3)[::-1].copy()
