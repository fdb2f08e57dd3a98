"""What the 3D view shows, as plain values that travel to the drawing process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medviewer.ops.render_grid import RenderGrid
from medviewer.ops.reslice import rotation
from medviewer.ops.volume_presets import TransferFunction

Vector = tuple[float, float, float]
Colour = tuple[int, int, int]
Quality = Literal["moving", "full"]

VIEW_ANGLE_DEG = 30.0
MIN_DISTANCE_MM = 5.0
FIT_MARGIN = 1.1  # how much of the picture the corners of a fitted box fill: bodies do not reach the corners
# (towards the patient seen by the viewer, up): the viewer of "A" stands in front of the patient
STANDARD_VIEWS: dict[str, tuple[Vector, Vector]] = {
    "A": ((0, 1, 0), (0, 0, 1)), "P": ((0, -1, 0), (0, 0, 1)), "L": ((-1, 0, 0), (0, 0, 1)),
    "R": ((1, 0, 0), (0, 0, 1)), "H": ((0, 0, -1), (0, -1, 0)), "F": ((0, 0, 1), (0, -1, 0)),
}


@dataclass(frozen=True, eq=False)
class VolumeItem:
    """A volume to be ray cast."""

    grid: RenderGrid
    look: TransferFunction


@dataclass(frozen=True, eq=False)
class SurfaceItem:
    """A closed surface; the same `id` with other `vertices` replaces it.

    vertices : (N, 3) float32, LPS mm
    faces : (M, 3) int32
    """

    id: str
    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    colour: Colour
    opacity: float = 1.0
    visible: bool = True

    def same_shape(self, other: SurfaceItem) -> bool:
        """Whether only the look differs, so that the triangles need not travel again."""
        return self.vertices is other.vertices and self.faces is other.faces

    def same(self, other: SurfaceItem) -> bool:
        """Whether there is no difference at all."""
        return self.same_shape(other) and SurfaceLook.of(self) == SurfaceLook.of(other)


@dataclass(frozen=True)
class SurfaceLook:
    """A surface without its triangles: what may change without sending them again."""

    id: str
    colour: Colour
    opacity: float
    visible: bool

    @classmethod
    def of(cls, item: SurfaceItem) -> SurfaceLook:
        """Return the look of a surface."""
        return cls(item.id, item.colour, item.opacity, item.visible)


@dataclass(frozen=True, eq=False)
class SliceItem:
    """A picture standing in space, such as the slice another view shows.

    image : (H, W) grey or (H, W, 3) RGB, uint8; row 0 is at the top edge
    top_left, top_right, bottom_left : outer corners, LPS mm
    colour : of the frame around it
    """

    image: NDArray[np.uint8]
    top_left: Vector
    top_right: Vector
    bottom_left: Vector
    colour: Colour = (200, 200, 200)


@dataclass(frozen=True)
class CropBox:
    """What is kept of the volume, LPS mm; surfaces are cut too if `surfaces`."""

    low: Vector
    high: Vector
    surfaces: bool = False


@dataclass(frozen=True)
class Camera:
    """Where the viewer is, LPS mm."""

    position: Vector
    focus: Vector
    up: Vector
    angle_deg: float = VIEW_ANGLE_DEG

    @classmethod
    def standard(cls, view: str, centre: ArrayLike, radius_mm: float) -> Camera:
        """Look from a side (A, P, L, R, H, F) at a ball that fills the view."""
        towards, up = STANDARD_VIEWS[view]
        distance = max(radius_mm, MIN_DISTANCE_MM) / np.sin(np.radians(VIEW_ANGLE_DEG / 2))
        focus = np.asarray(centre, float)
        return cls(_vector(focus - distance * np.asarray(towards)), _vector(focus), up)

    @classmethod
    def fitting(cls, view: str, corners: ArrayLike, aspect: float) -> Camera:
        """Look from a side so that all points are in view, the middle of them in the middle.

        Parameters
        ----------
        aspect : float
            Width by height of the picture.
        """
        points = np.asarray(corners, float)
        centre = (points.min(axis=0) + points.max(axis=0)) / 2
        right, up, forward = cls.standard(view, centre, 1.0).axes
        offset = points - centre
        half = np.tan(np.radians(VIEW_ANGLE_DEG / 2)) * FIT_MARGIN
        need = np.maximum(np.abs(offset @ right) / min(aspect, 1e3), np.abs(offset @ up)) / half - offset @ forward
        distance = max(float(need.max()), MIN_DISTANCE_MM)
        return cls(_vector(centre - distance * forward), _vector(centre), STANDARD_VIEWS[view][1])

    @property
    def axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Unit vectors (right, up, forward) of the picture."""
        forward = np.subtract(self.focus, self.position)
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, self.up)
        right /= np.linalg.norm(right)
        return right, np.cross(right, forward), forward

    @property
    def distance_mm(self) -> float:
        """From the viewer to the focus."""
        return float(np.linalg.norm(np.subtract(self.focus, self.position)))

    def turned(self, right_rad: float, down_rad: float) -> Camera:
        """Turn the scene about the focus as if it were dragged to the right and down."""
        right, up, _ = self.axes
        matrix = rotation(up, -right_rad) @ rotation(right, -down_rad)
        offset = matrix @ np.subtract(self.position, self.focus)
        return replace(self, position=_vector(self.focus + offset), up=_vector(matrix @ up))

    def zoomed(self, factor: float) -> Camera:
        """Move towards the focus: `factor` > 1 makes the picture larger."""
        distance = max(self.distance_mm / factor, MIN_DISTANCE_MM)
        return replace(self, position=_vector(np.asarray(self.focus) - distance * self.axes[2]))

    def panned(self, right: float, down: float) -> Camera:
        """Shift the scene by parts of the picture's height."""
        size = 2 * self.distance_mm * np.tan(np.radians(self.angle_deg / 2))
        x, up, _ = self.axes
        shift = size * (down * up - right * x)
        return replace(self, position=_vector(self.position + shift), focus=_vector(self.focus + shift))

    def refocused(self, lps: ArrayLike) -> Camera:
        """Look at another point from the same side and distance."""
        shift = np.subtract(lps, self.focus)
        return replace(self, position=_vector(self.position + shift), focus=_vector(lps))

    def ray(self, x: float, y: float, width: int, height: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (start, unit direction) of the line of sight through a pixel position (from the top left)."""
        right, up, forward = self.axes
        half = np.tan(np.radians(self.angle_deg / 2))
        across, above = (2 * x / width - 1) * width / height * half, (1 - 2 * y / height) * half
        direction = forward + across * right + above * up
        return np.asarray(self.position, float), direction / np.linalg.norm(direction)

    def project(self, lps: ArrayLike, width: int, height: int) -> NDArray[np.float64]:
        """Project positions (..., 3) to pixel positions (..., 2) from the top left."""
        right, up, forward = self.axes
        offset = np.asarray(lps, float) - self.position
        depth = np.maximum(offset @ forward, 1e-6)
        half = np.tan(np.radians(self.angle_deg / 2))
        x = (offset @ right) / depth / half * height / width
        y = (offset @ up) / depth / half
        return np.stack([(x + 1) * width / 2, (1 - y) * height / 2], axis=-1)


@dataclass(frozen=True)
class RenderRequest:
    """Draw the scene once."""

    serial: int
    camera: Camera
    width: int
    height: int
    quality: Quality = "full"


@dataclass(frozen=True)
class PickRequest:
    """Find what lies under a pixel."""

    serial: int
    camera: Camera
    x: float
    y: float
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Frame:
    """A drawn picture.

    pixels : (height, width, 3) uint8
    mapper : how the volume was drawn: GPU, CPU, or "" if none was drawn
    seconds : drawing time
    """

    serial: int
    pixels: NDArray[np.uint8]
    quality: Quality
    mapper: str = ""
    seconds: float = 0.0


def _vector(a: ArrayLike) -> Vector:
    x, y, z = (float(v) for v in np.asarray(a))
    return x, y, z
