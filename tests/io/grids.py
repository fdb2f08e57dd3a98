"""Helpers for the tests of plain-grid formats: asymmetric volumes, and what SimpleITK says of a file."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from medviewer.core.errors import MedviewerError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import Code, LabelMap, Segment
from medviewer.core.volume import Rescale, Volume
from medviewer.io.base import Loading

JOB = Job()


def oblique(shape: tuple[int, int, int] = (3, 4, 5)) -> Geometry:
    """A grid turned about two axes, spacing 2.5 x 0.7 x 0.8 mm, left-handed."""
    a, b = 0.4, -0.7
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]])
    tilt = np.array([[1.0, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = (turn @ tilt)[:, [2, 1, 0]] * (2.5, -0.7, 0.8)
    affine[:3, 3] = (-12.25, 30.5, 7.125)
    return Geometry(shape, affine)


def sheared() -> Geometry:
    """A grid as a tilted gantry makes it."""
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, 0.5], [-1.2, 0.5, 0], [3.0, 0, 0]])
    affine[:3, 3] = (1, 2, 3)
    return Geometry((3, 4, 5), affine)


def make_volume(dtype: Any, geometry: Geometry | None = None, lead: tuple[int, ...] = (), slope: float = 1.0,
                intercept: float = 0.0, **more: Any) -> Volume:
    """A volume of seeded numbers."""
    geometry = geometry or oblique()
    values = np.random.default_rng(5).uniform(0, 200, (*lead, *geometry.shape)).astype(dtype)
    return Volume(values, geometry, Rescale(np.array(slope), np.array(intercept)), **more)


def make_labels() -> LabelMap:
    """Labels with a foreign name, a colour, a code, and a segment without voxels."""
    geometry = oblique()
    array = np.random.default_rng(6).integers(0, 4, geometry.shape).astype(np.uint8)
    segments = (Segment(1, "Leber & <Milz> \\n 肝", (1, 2, 3), type=Code("10200004", "SCT", "Liver")),
                Segment(2, "b", (250, 0, 9)), Segment(3, "c", (9, 8, 7)), Segment(9, "leer", (5, 5, 5)))
    return LabelMap((array,), geometry, segments)


def sitk_affine(image: Any) -> np.ndarray[Any, Any]:
    """(k, j, i) -> LPS as SimpleITK has it."""
    n = image.GetDimension()
    affine = np.eye(4)
    m = min(n, 3)
    affine[:m, :m] = (np.array(image.GetDirection()).reshape(n, n) * image.GetSpacing())[:m, :m]
    affine[:m, 3] = image.GetOrigin()[:m]
    return affine[:, [2, 1, 0, 3]]


def load(reader: Any, path: Path) -> tuple[Any, Loading, Volume]:
    """Scan one file and load it."""
    result = reader.scan([path], job=JOB)
    assert not result.skipped, result.skipped
    loading = reader.open(result.series[0], job=JOB)
    return result.series[0], loading, loading.load(JOB)


def attempt(reader: Any, path: Path) -> str:
    """Open whatever it is: ``skipped``, ``refused``, ``reported`` or ``read``; anything else is an exception."""
    reader.sniff(path, path.read_bytes()[:4096])
    result = reader.scan([path], job=JOB)
    if not result.series:
        assert result.skipped
        assert all(len(s.reason) > 10 for s in result.skipped)
        return "skipped"
    try:
        loading = reader.open(result.series[0], job=JOB)
        volume = loading.load(JOB)
    except MedviewerError as error:
        return _plain(error, "refused")
    assert volume.stored.shape[-3:] == volume.geometry.shape or volume.colour
    if volume.stored.nbytes < 1 << 24:
        try:
            reader.read_labels(result.series[0], None, job=JOB)
        except MedviewerError as error:
            _plain(error)
    return "reported" if any(w.level == "error" for w in loading.warnings) else "read"


def _plain(error: MedviewerError, result: str = "") -> str:
    assert len(error.message) > 10
    return result


def mutants(data: bytes, count: int, seed: int, head: int = 600) -> Iterator[bytes]:
    """Copies with a few bytes changed, mostly in the header."""
    rng = random.Random(seed)
    for _ in range(count):
        copy = bytearray(data)
        reach = min(len(copy), head) if rng.random() < 0.7 else len(copy)
        for _ in range(rng.choice((1, 1, 2, 8))):
            copy[rng.randrange(reach)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        yield bytes(copy)


def cuts(data: bytes) -> list[bytes]:
    """The file cut at eight lengths."""
    return [data[: len(data) * n // 8] for n in range(8)] + [data[:-1]]
