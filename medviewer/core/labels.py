"""Label maps and their segments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import GeometryError
from medviewer.core.geometry import Geometry
from medviewer.core.study import Report

# Okabe and Ito's colour-blind-safe set first, then clearly different hues; (r, g, b)
PALETTE = (
    (0, 158, 115), (230, 159, 0), (86, 180, 233), (204, 121, 167), (240, 228, 66), (213, 94, 0),
    (0, 114, 178), (148, 103, 189), (127, 201, 127), (255, 127, 159), (188, 189, 34), (23, 190, 207),
)


def palette_colour(n: int) -> tuple[int, int, int]:
    """Return the colour of segment number `n` (1, 2, ...), the same in every run."""
    if n <= len(PALETTE):
        return PALETTE[(n - 1) % len(PALETTE)]
    hue = (n * 0.618033988749895) % 1.0  # golden angle: neighbours differ
    sector = hue * 6
    x = 1 - abs(sector % 2 - 1)
    rgb = [(1, x, 0), (x, 1, 0), (0, 1, x), (0, x, 1), (x, 0, 1), (1, 0, x)][int(sector) % 6]
    return tuple(int(80 + 160 * c) for c in rgb)  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Code:
    """A coded term: value, scheme and meaning (DICOM code sequence item)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Segment:
    """One labelled structure: where ``layers[layer] == value``.

    value : label value, 1...65535
    colour : (r, g, b), 0...255
    layer : which layer of the label map holds it; segments of different layers may overlap
    category, type : coded terms, if known
    algorithm : name of the program that made it, empty for manual
    """

    value: int
    name: str = ""
    colour: tuple[int, int, int] = (0, 158, 115)
    layer: int = 0
    category: Code | None = None
    type: Code | None = None
    algorithm: str = ""
    tracking_uid: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class LabelMap:
    """Integer grid(s) whose values name segments.

    layers : tuple of ndarray, shape (K, J, I), unsigned integer
        One layer unless segments overlap.
    geometry : Geometry
    segments : tuple of Segment
    """

    layers: tuple[NDArray[np.unsignedinteger], ...]
    geometry: Geometry
    segments: tuple[Segment, ...] = ()
    frame_of_reference_uid: str = ""
    refers_to: str = ""
    name: str = ""
    fractional: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    warnings: tuple[Report, ...] = ()  # what was odd while reading

    def __post_init__(self) -> None:
        for layer in self.layers:
            if layer.shape != self.geometry.shape:
                raise GeometryError(f"labels of shape {layer.shape} do not fit a grid of {self.geometry.shape}")

    @classmethod
    def from_array(cls, array: NDArray[Any], geometry: Geometry, segments: tuple[Segment, ...] = (),
                   **more: str) -> LabelMap:
        """Make a label map of one integer array; segments without a name get one, with palette colours."""
        values = np.asarray(array)
        if values.dtype == bool:
            values = values.astype(np.uint8)
        known = {s.value for s in segments}
        found = [int(v) for v in np.unique(values) if v != 0 and int(v) not in known]
        extra = tuple(Segment(v, f"Label {v}", palette_colour(v)) for v in found)
        return cls((values,), geometry, tuple(segments) + extra, **more)  # type: ignore[arg-type]

    @property
    def array(self) -> NDArray[np.unsignedinteger]:
        """The only layer.

        Raises
        ------
        GeometryError
            If segments overlap, so that one array cannot hold them.
        """
        if len(self.layers) != 1:
            raise GeometryError(f"{self.name or 'the segmentation'} has overlapping segments; "
                                "ask for one segment's mask instead")
        return self.layers[0]

    def mask(self, segment: Segment) -> NDArray[np.bool_]:
        """Return the voxels of one segment, bool (K, J, I)."""
        return np.asarray(self.layers[segment.layer] == segment.value)
