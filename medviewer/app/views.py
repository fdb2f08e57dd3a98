"""The state of the views in the middle of the window, and the layouts they stand in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from medviewer.app.layers import ImageLayer
from medviewer.core.errors import ParamError
from medviewer.ops.reslice import Plane, SlabMode, cross, grid_axes, rotation, view_plane

if TYPE_CHECKING:
    from medviewer.app.session import Session

Content = Literal["axial", "coronal", "sagittal", "acquired", "3d"]  # acquired: the plane of the stored slices
MPR: tuple[Content, ...] = ("axial", "sagittal", "coronal")
MIN_SCALE, MAX_SCALE = 0.02, 200.0  # screen pixels per mm


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of a layout: where it is, what it shows and which of the open images (0 = the active one)."""

    content: Content
    row: int
    column: int
    rows: int = 1
    columns: int = 1
    image: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """An arrangement of views."""

    id: str
    label: str
    cells: tuple[Cell, ...]


LAYOUTS = {layout.id: layout for layout in (
    Layout("2x2", "2 × 2 (MPR + 3D)", (Cell("axial", 0, 0), Cell("sagittal", 0, 1), Cell("coronal", 1, 0),
                                       Cell("3d", 1, 1))),
    Layout("single", "Single", (Cell("acquired", 0, 0),)),
    Layout("1+3", "1 + 3", (Cell("axial", 0, 0, 3, 2), Cell("sagittal", 0, 2), Cell("coronal", 1, 2),
                            Cell("3d", 2, 2))),
    Layout("1x3", "1 × 3 (MPR)", (Cell("axial", 0, 0), Cell("sagittal", 0, 1), Cell("coronal", 0, 2))),
    Layout("2x3", "2 × 3 (two studies)", tuple(
        Cell(content, row, column, image=row) for row in (0, 1) for column, content in enumerate(MPR))),
    Layout("side-by-side", "Side by side", (Cell("acquired", 0, 0, image=0), Cell("acquired", 0, 1, image=1))),
    Layout("four-images", "Four images", tuple(Cell("acquired", n // 2, n % 2, image=n) for n in range(4))),
    Layout("3d", "3D only", (Cell("3d", 0, 0),)),
)}


def layout_by_name(name: str) -> Layout:
    """Find a layout by id.

    Raises
    ------
    ParamError
        If there is none of that name.
    """
    plain = name.lower().replace("×", "x").replace(" ", "")
    if plain not in LAYOUTS:
        raise ParamError(f"there is no layout {name!r}", hint=f"Known layouts: {', '.join(LAYOUTS)}.")
    return LAYOUTS[plain]


class Framing:
    """Zoom and pan, shared by linked views.

    scale : screen pixels per mm
    fitted : the views choose the scale at which the whole volume fits, until somebody zooms
    offset_lps : middle of the views relative to the middle of the volume, mm
    """

    changed = Signal()

    def __init__(self) -> None:
        self.scale = 1.0
        self.fitted = True
        self.offset_lps = np.zeros(3)

    def fit(self) -> None:
        """Show the whole volume."""
        self.fitted = True
        self.offset_lps = np.zeros(3)
        self.changed.emit()


class ViewState:
    """One slice view: which image, which plane, how large.

    turn : rotation of the plane away from the standard one (identity unless oblique)
    """

    changed = Signal()

    def __init__(self, session: Session, cell: Cell) -> None:
        self._session = session
        self.cell = cell
        self.layer: ImageLayer | None = None
        self.framing = session.framing
        self.slab_mm = 0.0
        self.slab: SlabMode = "max"
        self.turn: NDArray[np.float64] = np.eye(3)
        self.rotation_deg = 0
        self.flip_horizontal = False
        self.flip_vertical = False
        self._plane: Plane | None = None
        self._plane_key: tuple[object, ...] = ()

    @property
    def id(self) -> str:
        """Name of the view within its layout."""
        return f"{self.cell.content}-{self.cell.row}-{self.cell.column}"

    @property
    def content(self) -> Content:
        """What is shown; the plane of the stored slices is named by the standard plane nearest to it."""
        if self.cell.content != "acquired":
            return self.cell.content
        if self.layer is None:
            return "axial"
        return next(name for name in MPR if grid_axes(self.layer.volume.geometry, name)[0] == 0)

    @property
    def scale(self) -> float:
        """Screen pixels per mm."""
        return self.framing.scale

    @property
    def centre_offset_mm(self) -> NDArray[np.float64]:
        """Middle of the view relative to the middle of the volume on the plane (right, down)."""
        plane = self.plane()
        return np.zeros(2) if plane is None else plane.to_mm(self.framing.offset_lps)

    @property
    def is_oblique(self) -> bool:
        """Whether the plane has been turned away from the standard one."""
        return not np.allclose(self.turn, np.eye(3), atol=1e-9)

    def plane(self) -> Plane | None:
        """Return the plane shown now; None without an image."""
        if self.layer is None or self.content == "3d":
            return None
        session = self._session
        focus = session.focus(self.layer)
        key = (self.layer.number, self.content, *focus.tolist(), *self.turn.ravel().tolist(), self.rotation_deg,
               self.flip_horizontal, self.flip_vertical, session.neurological, session.along_grid)
        if self._plane is None or key != self._plane_key:  # asked for many times a frame
            self._plane, self._plane_key = self._make_plane(self.layer, focus), key
        return self._plane

    def _make_plane(self, layer: ImageLayer, focus: NDArray[np.float64]) -> Plane:
        session = self._session
        base = view_plane(layer.volume.geometry, self.content, focus, flip_right=session.neurological,
                          along_grid=session.along_grid)
        right, down = self.turn @ base.right, self.turn @ base.down
        if self.rotation_deg % 360:
            quarter = rotation(cross(right, down), np.deg2rad(self.rotation_deg))
            right, down = quarter @ right, quarter @ down
        if self.flip_horizontal:
            right = -right
        if self.flip_vertical:
            down = -down
        return Plane(np.asarray(focus, float), right, down)

    def set_layer(self, layer: ImageLayer | None) -> None:
        """Show another image; the view is fitted again if its grid lies elsewhere."""
        if layer is self.layer:
            return
        old, self.layer = self.layer, layer
        if old is None or layer is None or not old.volume.geometry.same_grid(layer.volume.geometry):
            self.reset_shape()
        self.changed.emit()

    def reset_shape(self) -> None:
        """Forget zoom, pan, slab, turn and flips; the view fits itself when next drawn."""
        self.slab_mm = 0.0
        self.turn = np.eye(3)
        self.rotation_deg = 0
        self.flip_horizontal = self.flip_vertical = False
        self.framing.fit()
        self.changed.emit()

    def set_scale(self, scale: float) -> None:
        """Set the zoom of this view and those linked with it, screen pixels per mm."""
        self.framing.scale = float(np.clip(scale, MIN_SCALE, MAX_SCALE))
        self.framing.fitted = False
        self.framing.changed.emit()

    def pan_mm(self, right: float, down: float) -> None:
        """Move the middle of this view and of those linked with it."""
        plane = self.plane()
        if plane is not None:
            self.framing.offset_lps = self.framing.offset_lps + right * plane.right + down * plane.down
            self.framing.changed.emit()

    def set_slab(self, thickness_mm: float, mode: SlabMode | None = None) -> None:
        """Set thickness (0 = one slice) and kind of the projected slab."""
        self.slab_mm = max(float(thickness_mm), 0.0)
        self.slab = mode or self.slab
        self.changed.emit()

    def turn_about(self, axis_lps: NDArray[np.float64], angle_rad: float) -> None:
        """Turn the plane about an axis through the focus."""
        self.turn = rotation(axis_lps, angle_rad) @ self.turn
        self.changed.emit()

    def rotate_quarter(self, steps: int) -> None:
        """Turn the picture by quarter turns, clockwise for positive steps."""
        self.rotation_deg = (self.rotation_deg - 90 * steps) % 360
        self.changed.emit()

    def flip(self, *, horizontal: bool = False, vertical: bool = False) -> None:
        """Mirror the picture; the letters follow."""
        self.flip_horizontal ^= horizontal
        self.flip_vertical ^= vertical
        self.changed.emit()
