"""Order and direction of the array axes: flips and permutations, no voxel is changed.

Orientation codes follow nibabel: one letter for each of the axes (i, j, k), naming the direction in which the
index grows; ``LAS`` has i to the left, j to the front and k to the head.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import GeometryError, ParamError
from medviewer.core.geometry import Geometry
from medviewer.core.labels import LabelMap
from medviewer.core.volume import Rescale, Volume

Oriented = TypeVar("Oriented", bound=Volume | LabelMap)
LETTERS = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}  # LPS axis, sign
Axes = tuple[int, int, int]
Flips = tuple[bool, bool, bool]


def reorient(data: Oriented, codes: str) -> Oriented:
    """Flip and permute the axes so that they run as asked; every voxel stays where it is in the patient.

    Parameters
    ----------
    data : Volume or LabelMap
    codes : str
        Letters for (i, j, k) in nibabel's convention, e.g. ``LPS`` for the order of DICOM, ``RAS``, ``LAS``.

    Raises
    ------
    ParamError
        If `codes` does not name each direction of the patient once.
    GeometryError
        If uneven slices would no longer be the first array axis; resample to an even grid first.
    """
    axes, flips = _plan(data.geometry, codes)
    if axes == (0, 1, 2) and not any(flips):
        return data
    geometry = _geometry(data.geometry, axes, flips, codes)
    if isinstance(data, LabelMap):
        return replace(data, geometry=geometry, layers=tuple(_turn(x, axes, flips) for x in data.layers),
                       fractional={n: _turn(x, axes, flips) for n, x in data.fractional.items()})
    return _volume(data, geometry, axes, flips)  # type: ignore[return-value]


def axis_codes(geometry: Geometry) -> str:
    """Return the orientation of a grid as letters for (i, j, k), the best match for oblique grids."""
    matched = _patient_axes(geometry)
    names = {value: letter for letter, value in LETTERS.items()}
    return "".join(names[matched[n]] for n in (2, 1, 0))


def _patient_axes(geometry: Geometry) -> list[tuple[int, int]]:
    """Return (LPS axis, sign) for each array axis; each patient axis is used once."""
    d = geometry.directions
    best = max(permutations(range(3)), key=lambda p: sum(abs(d[p[n], n]) for n in range(3)))
    return [(p, 1 if d[p, n] >= 0 else -1) for n, p in enumerate(best)]


def _plan(geometry: Geometry, codes: str) -> tuple[Axes, Flips]:
    """Return which array axis becomes each new array axis, and whether it is flipped."""
    wanted = [LETTERS.get(c, (-1, 0)) for c in codes.upper()[::-1]]  # (k, j, i)
    if sorted(axis for axis, _ in wanted) != [0, 1, 2]:
        raise ParamError(f"the orientation {codes!r} is not possible",
                         hint="Give three letters, one of each pair L/R, A/P and S/I, such as RAS.")
    now = _patient_axes(geometry)
    patient = [axis for axis, _ in now]
    order = tuple(patient.index(axis) for axis, _ in wanted)
    flips = tuple(now[n][1] != sign for n, (_, sign) in zip(order, wanted, strict=True))
    return order, flips  # type: ignore[return-value]


def _geometry(geometry: Geometry, axes: Axes, flips: Flips, codes: str) -> Geometry:
    knots = geometry.knots
    if knots is not None and axes[0] != 0:
        raise GeometryError(f"slices at uneven distances cannot be reordered to {codes}",
                            hint="Resample to an even voxel size first.")
    start = np.zeros(3)
    affine = geometry.affine.copy()
    for new, (old, flip) in enumerate(zip(axes, flips, strict=True)):
        affine[:3, new] = geometry.affine[:3, old] * (-1.0 if flip else 1.0)
        if flip:
            start[old] = geometry.shape[old] - 1
    affine[:3, 3] = geometry.to_lps(start)
    if knots is not None:
        knots = knots[-1] - knots[::-1] if flips[0] else knots - knots[0]
    return Geometry(tuple(geometry.shape[n] for n in axes), affine, knots)  # type: ignore[arg-type]


def _turn(array: NDArray[Any], axes: Axes, flips: Flips, before: int = 0) -> NDArray[Any]:
    """Permute and flip the three grid axes, which follow `before` other ones."""
    order = (*range(before), *(before + a for a in axes), *range(before + 3, array.ndim))
    turned = array.transpose(order)[(slice(None),) * before + tuple(slice(None, None, -1 if f else 1) for f in flips)]
    return np.ascontiguousarray(turned)


def _volume(volume: Volume, geometry: Geometry, axes: Axes, flips: Flips) -> Volume:
    stored, rescale, present = volume.stored, volume.rescale, volume.present
    if axes[0] != 0:  # what is said of slices has no place any more
        present = None
        if not rescale.is_uniform:
            stored, rescale = volume.array, Rescale()
    elif flips[0]:
        rescale = Rescale(_reversed(rescale.slope), _reversed(rescale.intercept))
        present = None if present is None else present[..., ::-1].copy()
    before = 1 if volume.has_time else 0
    return replace(volume, stored=_turn(stored, axes, flips, before), geometry=geometry, rescale=rescale,
                   present=present)


def _reversed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values if values.ndim == 0 else values[..., ::-1].copy()
