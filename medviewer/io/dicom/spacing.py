"""Distances between slices: even, uneven, with slices missing, tilted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from medviewer.core.geometry import Geometry
from medviewer.core.study import Report
from medviewer.io.dicom import doctor

EVEN_MM = 0.05  # deviation of a slice from the even grid that is tolerated
EVEN_SHARE = 0.05  # ... but never more than this share of the step
JITTER_MM = 0.005  # deviations above this are told
TILT_DEG = 0.2  # angle between stacking direction and normal above which a grid is called tilted
MISSING_SHARE = 0.3  # with more wide gaps than this share the series is uneven, not incomplete
MISSING_MAX = 50  # a gap of more steps than this is not "missing slices"


def even_tolerance(step: float) -> float:
    """Deviation that is still called even, mm."""
    return min(EVEN_MM, EVEN_SHARE * abs(step)) + 1e-6


def deviation(along: NDArray[np.float64]) -> float:
    """Largest deviation of increasing positions from an even grid through both ends, mm."""
    return float(np.abs(along - np.linspace(along[0], along[-1], len(along))).max())


def is_even(along: NDArray[np.float64]) -> bool:
    """Whether increasing positions are an even grid within the tolerance."""
    if len(along) < 3:
        return True
    return deviation(along) <= even_tolerance((along[-1] - along[0]) / (len(along) - 1))


def fits_grid(along: NDArray[np.float64]) -> bool:
    """Whether increasing positions are an even grid, perhaps with some slices missing."""
    return is_even(along) or _missing(np.diff(along)) is not None


def grid(shape: tuple[int, int, int], places: NDArray[np.float64], along: NDArray[np.float64],
         axes: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]], spacing: tuple[float, float],
         thickness: float | None) -> tuple[Geometry, list[Report]]:
    """Make the geometry of a stack of slices on one line.

    Parameters
    ----------
    places : (K, 3)
        Centre of the first voxel of each slice, LPS mm, in the order of increasing `along`.
    along : (K,)
        Position of each slice along the normal (row direction x column direction), mm. Slices are numbered in
        the direction of the normal, so k increases to the head for an ordinary axial series.
    axes : row, column, normal
        Unit vectors; i increases along `row`, j along `column`.
    spacing : (between rows, between columns)
        mm.
    """
    row, column, normal = axes
    affine = np.eye(4)
    affine[:3, 1], affine[:3, 2], affine[:3, 3] = column * spacing[0], row * spacing[1], places[0]
    count = len(along)
    if count == 1:
        step = thickness if thickness else 1.0
        affine[:3, 0] = normal * step
        return Geometry(shape, affine), [doctor.one_slice(step, bool(thickness))]
    per_mm = (places[-1] - places[0]) / (along[-1] - along[0])  # stacking direction, for 1 mm along the normal
    gaps = np.diff(along)
    reports = _tilt(per_mm, normal, float(along[-1] - along[0]) / (count - 1))
    mean = float(along[-1] - along[0]) / (count - 1)
    knots = None
    step = mean
    if is_even(along):
        if deviation(along) > JITTER_MM:
            reports.append(doctor.jitter(deviation(along)))
    else:
        step, report = _uneven(gaps, along)
        reports.append(report)
        knots = (along - along[0]) / step
    affine[:3, 0] = per_mm * step
    if thickness and abs(thickness - step) > 0.01 * step and knots is None:
        reports.append(doctor.thickness(thickness, step))
    return Geometry(shape, affine, knots), reports


def _tilt(per_mm: NDArray[np.float64], normal: NDArray[np.float64], step: float) -> list[Report]:
    sideways = float(np.linalg.norm(per_mm - normal * (per_mm @ normal)))
    angle = math.degrees(math.atan(sideways))
    return [doctor.tilt(angle, step)] if angle > TILT_DEG else []


def _uneven(gaps: NDArray[np.float64], along: NDArray[np.float64]) -> tuple[float, Report]:
    """Choose the step of the grid and say what is odd: slices missing, or gaps of any size."""
    steps = _missing(gaps)
    if steps is None:
        return float(gaps.min()), doctor.uneven([float(g) for g in gaps])
    step = float(gaps.sum() / steps.sum())
    wide = np.flatnonzero(steps > 1)
    return step, doctor.missing(int(steps.sum()) - len(gaps), [float(along[n] - along[0]) for n in wide], step)


def _missing(gaps: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Steps of the grid in each gap, if they are whole numbers and most are one; else None."""
    usual = float(np.median(gaps))
    steps: NDArray[np.float64] = np.round(gaps / usual)
    fits = (steps >= 1).all() and float(np.abs(gaps - steps * usual).max()) <= 2 * even_tolerance(usual)
    return steps if fits and (steps > 1).mean() <= MISSING_SHARE and steps.max() <= MISSING_MAX else None
