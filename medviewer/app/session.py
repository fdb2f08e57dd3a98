"""The open session: what was found, what is shown, where the crosshair is.

Views and panels read it and draw; whatever changes goes through its methods and is announced by a signal on
the main thread. Positions are kept per frame of reference, so that studies of different frames can be scrolled
together by a manual offset that survives.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from psygnal import Signal

from medviewer.app.annotations import AnnotationStore
from medviewer.app.inspector import Inspector
from medviewer.app.jobs import Jobs, Post
from medviewer.app.layers import ContourLayer, ImageLayer, LabelLayer, Layer
from medviewer.app.opening import Opener
from medviewer.app.settings import SettingsStore
from medviewer.app.views import LAYOUTS, Framing, Layout, ViewState
from medviewer.core.errors import MedviewerError
from medviewer.core.study import Report, ScanResult, Series, Skipped
from medviewer.ops.reslice import step_mm, through_axis

log = logging.getLogger(__name__)


class Session:
    """All state of one open window (or of a screenshot without one).

    Parameters
    ----------
    post : callable
        Brings a call to the main thread.
    settings : SettingsStore
    """

    series_changed = Signal()
    layers_changed = Signal()
    active_changed = Signal()
    focus_changed = Signal()
    layout_changed = Signal()
    display_changed = Signal()  # anything about all views: letters, texts, theme, fusion
    loaded_slices = Signal(object)  # ImageLayer
    task_changed = Signal()
    tool_changed = Signal()
    cine_changed = Signal()
    problem = Signal(object)  # MedviewerError for a dialog
    message = Signal(str)  # one line for the status bar

    def __init__(self, post: Post, settings: SettingsStore) -> None:
        self.settings = settings
        self.jobs = Jobs(post)
        self.series: list[Series] = []
        self.skipped: list[Skipped] = []
        self.layers: list[Layer] = []
        self.active: ImageLayer | None = None
        self.fusion: ImageLayer | None = None
        self.annotations = AnnotationStore()
        self.layout: Layout = LAYOUTS["2x2"]
        self.framing = Framing()
        self.views: list[ViewState] = []
        self.maximised: ViewState | None = None
        self.task = "view"
        self.tool = "window"
        self.text_level = 2  # 2 all, 1 little, 0 none
        self.show_crosshair = True
        self.show_overlays = True
        self.hide_names = False
        self.slices_in_3d = False
        self.along_grid = True
        self.synchronised = True
        self.cine = False
        self.current_view: ViewState | None = None  # keys act on it
        self.sources: list[Path] = []
        self._focus: dict[str, NDArray[np.float64]] = {}
        self.inspector = Inspector(self)
        self._opener = Opener(self)
        self._make_views()

    # --- preferences that the views ask for ---

    @property
    def neurological(self) -> bool:
        """Whether patient left is on image left."""
        return self.settings.values.neurological

    # --- opening ---

    def open_paths(self, paths: Sequence[Path], *, remember: bool = True) -> None:
        """Scan files or folders in the background and show what was found."""
        if remember:
            for path in paths:
                self.settings.remember(path)
        self.sources += [p for p in map(Path, paths) if p not in self.sources]
        self._opener.scan(paths)

    def show_series(self, series: Series, *, add: bool = False) -> None:
        """Open a series: an image becomes the active one, masks and contours are laid over it.

        Parameters
        ----------
        add : bool
            Keep the images already shown (side by side, fusion) instead of replacing the active one.
        """
        self._opener.open(series, add=add)

    def add_scan(self, result: ScanResult) -> None:
        """Take over what a scan has found."""
        known = {s.id for s in self.series}
        self.series.extend(s for s in result.series if s.id not in known)
        self.skipped.extend(result.skipped)
        self.series_changed.emit()

    # --- layers ---

    def images(self) -> list[ImageLayer]:
        """Return the open images, the active one first."""
        images = [x for x in self.layers if isinstance(x, ImageLayer)]
        return sorted(images, key=lambda x: x is not self.active)

    def labels(self) -> list[LabelLayer]:
        """Return the open label maps."""
        return [x for x in self.layers if isinstance(x, LabelLayer)]

    def contours(self) -> list[ContourLayer]:
        """Return the open structure sets."""
        return [x for x in self.layers if isinstance(x, ContourLayer)]

    def layer_of(self, series: Series) -> Layer | None:
        """Return the layer that shows a series, if it is open."""
        return next((x for x in self.layers if x.series.id == series.id), None)

    def add_layer(self, layer: Layer) -> None:
        """Add a layer on top; the first image becomes the active one."""
        self.layers.append(layer)
        layer.changed.connect(self._on_layer_changed)
        if isinstance(layer, ImageLayer) and self.active is None:
            self.activate(layer)
        elif isinstance(layer, ImageLayer):
            self._assign_views()
        self.layers_changed.emit()

    def remove_layer(self, layer: Layer) -> None:
        """Close a layer; its loading is cancelled."""
        if layer not in self.layers:
            return
        self.jobs.cancel(("load", layer.series.id))
        self.layers.remove(layer)
        if layer is self.fusion:
            self.fusion = None
        if layer is self.active:
            self.active = None
            rest = self.images()
            if rest:
                self.activate(rest[0])
            else:
                self._assign_views()
                self.active_changed.emit()
        else:
            self._assign_views()
        self.layers_changed.emit()

    def clear_layers(self) -> None:
        """Close everything that is shown; the study list stays."""
        for layer in list(self.layers):
            self.jobs.cancel(("load", layer.series.id))
        self.layers.clear()
        self.inspector.clear()
        self.active = self.fusion = None
        self._focus.clear()
        self._assign_views()
        self.active_changed.emit()
        self.layers_changed.emit()

    def close_all(self) -> None:
        """Close everything that is shown or still on its way; the study list stays."""
        self._opener.stop("scan", "load")
        self.clear_layers()

    def activate(self, layer: ImageLayer) -> None:
        """Make an image the one that tools and presets act on and that single-image layouts show."""
        if layer is self.active:
            return
        self.active = layer
        if layer is self.fusion:
            self.fusion = None
        key = layer.frame_uid
        if key not in self._focus or not layer.volume.geometry.contains(self._focus[key]):
            self._focus[key] = self._slice_centre(layer)
        self._assign_views()
        self.active_changed.emit()

    def set_fusion(self, layer: ImageLayer | None, *, lut: str = "hot", opacity: float = 0.45) -> None:
        """Lay a second image in colour over the active one; None for no fusion."""
        self.fusion = layer
        if layer is not None:
            layer.lut = lut
            layer.opacity = opacity
            layer.inverted = False
            layer.touch()
        self._assign_views()
        self.display_changed.emit()

    def overlays_for(self, image: ImageLayer) -> list[Layer]:
        """Return visible label maps and contours that lie in the frame of reference of an image."""
        return [x for x in self.layers if x.visible and not isinstance(x, ImageLayer) and self.shares_frame(x, image)]

    @staticmethod
    def shares_frame(a: Layer, b: Layer) -> bool:
        """Whether two layers are in one frame of reference; formats without one are taken by position."""
        return not a.frame_uid or not b.frame_uid or a.frame_uid == b.frame_uid

    @staticmethod
    def shares_frame_uid(series: Series, layer: Layer) -> bool:
        """Whether a series not yet open is in the frame of reference of a layer."""
        uid = series.frame_of_reference_uid
        return not uid or not layer.frame_uid or uid == layer.frame_uid

    # --- crosshair ---

    def focus(self, layer: ImageLayer | None = None) -> NDArray[np.float64]:
        """Return the crosshair in the frame of reference of a layer (default: the active image), LPS mm."""
        layer = layer or self.active
        if layer is None:
            return np.zeros(3)
        if layer.frame_uid not in self._focus:
            self._focus[layer.frame_uid] = self._slice_centre(layer)
        return self._focus[layer.frame_uid]

    def set_focus(self, lps: ArrayLike, layer: ImageLayer | None = None) -> None:
        """Move the crosshair; other frames of reference move along by the same step if synchronised."""
        layer = layer or self.active
        if layer is None:
            return
        new = np.asarray(lps, float)
        step = new - self.focus(layer)
        if not step.any():
            return
        self._focus[layer.frame_uid] = new
        if self.synchronised:
            for key in self._focus:
                if key != layer.frame_uid:
                    self._focus[key] = self._focus[key] + step
        self.focus_changed.emit()

    def scroll(self, view: ViewState, steps: int) -> None:
        """Move the crosshair by whole slices along the normal of a view, staying inside the volume."""
        plane = view.plane()
        if plane is None or view.layer is None:
            return
        geometry = view.layer.volume.geometry
        axis = through_axis(geometry, plane)
        focus = self.focus(view.layer)
        if axis is None:
            depth = steps * step_mm(geometry, plane)
            corners = plane.distance_mm(geometry.corners_lps())
            depth = float(np.clip(depth, corners.min(), corners.max()))
            self.set_focus(focus + depth * plane.normal, view.layer)
            return
        index = geometry.to_index(focus)
        towards = 1 if geometry.directions[:, axis] @ plane.normal >= 0 else -1
        last = geometry.shape[axis] - 1
        index[axis] = np.clip(np.rint(np.clip(index[axis], 0, last)) + towards * steps, 0, last)
        self.set_focus(geometry.to_lps(index), view.layer)

    def go_to_slice(self, view: ViewState, index: int) -> None:
        """Show the slice of an index along the grid axis of a view; negative counts from the end."""
        plane = view.plane()
        if plane is None or view.layer is None:
            return
        geometry = view.layer.volume.geometry
        axis = through_axis(geometry, plane)
        if axis is None:
            return
        position = geometry.to_index(self.focus(view.layer))
        position[axis] = np.clip(index % geometry.shape[axis] if index < 0 else index, 0, geometry.shape[axis] - 1)
        self.set_focus(geometry.to_lps(position), view.layer)

    def _slice_centre(self, layer: ImageLayer) -> NDArray[np.float64]:
        """Middle of the volume, on voxel centres, so that stored slices are shown."""
        geometry = layer.volume.geometry
        middle = [n // 2 for n in geometry.shape]
        ready = np.flatnonzero(layer.loading.ready[layer.time_point])
        if ready.size and not layer.loading.ready[layer.time_point, middle[0]]:
            middle[0] = int(ready[np.argmin(abs(ready - middle[0]))])
        elif layer.volume.present is not None and not layer.volume.is_present(middle[0], layer.time_point):
            here = [k for k in range(geometry.shape[0]) if layer.volume.is_present(k, layer.time_point)]
            middle[0] = min(here, key=lambda k: abs(k - middle[0])) if here else middle[0]
        return geometry.to_lps(middle)

    # --- views ---

    def set_layout(self, layout: Layout) -> None:
        """Arrange the views anew; the crosshair and the images stay."""
        self.layout = layout
        self.maximised = None
        self._make_views()
        self.layout_changed.emit()
        self._opener.fill_layout()

    def toggle_maximised(self, view: ViewState) -> None:
        """Show one view alone, or all again."""
        self.maximised = None if self.maximised is view else view
        self.layout_changed.emit()

    def reset_views(self) -> None:
        """Return to fitted, standard planes through the middle of the volume, with the file's window."""
        if self.active is not None:
            self.active.reset_window()
            self.set_focus(self._slice_centre(self.active))
        for view in self.views:
            view.reset_shape()

    def fit_views(self) -> None:
        """Show the whole volume in every view, keeping the planes."""
        self.framing.fit()

    def _make_views(self) -> None:
        self.views = [ViewState(self, cell) for cell in self.layout.cells]
        self.current_view = self.views[0]
        self._assign_views()

    def _assign_views(self) -> None:
        images = [x for x in self.images() if x is not self.fusion or x is self.active]
        if self.active is not None:  # a stable order: the active first, the others as opened
            images = [self.active, *(x for x in self.layers if isinstance(x, ImageLayer) and x in images
                                     and x is not self.active)]
        many = any(cell.image for cell in self.layout.cells)
        if many:
            images = [x for x in self.layers if isinstance(x, ImageLayer) and x in images]
        for view in self.views:
            view.set_layer(images[view.cell.image] if view.cell.image < len(images) else None)

    # --- the rest ---

    def set_task(self, task: str) -> None:
        """Choose the tab of the side panel: view, check or export."""
        if task != self.task:
            self.task = task
            self.task_changed.emit()
            self.display_changed.emit()  # the inspector's drawing comes and goes with its tab

    def set_tool(self, tool: str) -> None:
        """Choose what the left button does."""
        if tool != self.tool:
            self.tool = tool
            self.tool_changed.emit()

    def toggle_cine(self) -> None:
        """Start or stop playing time points, or slices where there is no time."""
        self.cine = not self.cine and self.active is not None
        self.cine_changed.emit()

    def cine_step(self) -> None:
        """Show the next frame of the cine; after the last comes the first."""
        view, layer = self.current_view, self.active
        if layer is None:
            return
        if layer.volume.time_points > 1:
            layer.set_time_point(layer.time_point + 1)
        elif view is not None:
            before = self.focus(view.layer).copy()
            self.scroll(view, 1)
            if np.array_equal(before, self.focus(view.layer)):
                self.go_to_slice(view, 0)

    @property
    def cine_interval_ms(self) -> int:
        """Time between cine frames: as stored, else ten a second."""
        stored = self.active.volume.frame_time_ms if self.active is not None else 0.0
        return int(min(max(stored, 30.0), 1000.0)) if stored > 0 else 100

    def set_display(self, **changes: object) -> None:
        """Change something that all views show (text_level, show_crosshair, show_overlays, ...)."""
        for name, value in changes.items():
            setattr(self, name, value)
        self.display_changed.emit()

    def set_preference(self, **changes: object) -> None:
        """Change and remember settings, and redraw."""
        self.settings.update(**changes)
        self.display_changed.emit()

    def report(self, error: MedviewerError) -> None:
        """Show a failure."""
        log.info("reported: %s", error)
        self.problem.emit(error)

    def warnings_of(self, series: Series) -> tuple[Report, ...]:
        """Return the oddities of a series, those found while reading voxels included."""
        layer = self.layer_of(series)
        if isinstance(layer, ImageLayer):
            late = tuple(layer.loading.warnings)
        elif isinstance(layer, LabelLayer):
            late = layer.labels.warnings
        else:
            late = layer.contours.warnings if isinstance(layer, ContourLayer) else ()
        return series.warnings + tuple(w for w in late if w not in series.warnings)

    def close(self) -> None:
        """End all work."""
        self.jobs.close()

    def _on_layer_changed(self) -> None:
        self.display_changed.emit()


