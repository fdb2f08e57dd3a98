"""A small CT, a structure set on it and masks in several formats, for the tests of mask commands."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from medviewer.cli.main import run
from medviewer.core.contours import Contour, ContourSegment, ContourSet
from medviewer.core.geometry import Geometry
from medviewer.io.formats.rtstruct import write_rtstruct

sys.path.insert(0, str(Path(__file__).parents[1] / "io"))
from dicom_objects import ct_series

GRID = Geometry.from_spacing((6, 20, 24), (2.5, 1.5, 1.0), (-11.0, 7.5, -40.0))


def command(*argv: object) -> int:
    return run([str(a) for a in argv], lambda paths, demo: 0, lambda request: 0)


def answer(capsys: Any) -> dict[str, Any]:
    """The one JSON document on stdout, strictly read."""
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    return json.loads(capsys.readouterr().out, parse_constant=refuse)


def rectangle(k: int, j0: int, j1: int, i0: int, i1: int) -> Contour:
    """The outline of voxels j0...j1-1, i0...i1-1 of slice k."""
    corners = [(k, j0 - 0.5, i0 - 0.5), (k, j0 - 0.5, i1 - 0.5), (k, j1 - 0.5, i1 - 0.5), (k, j1 - 0.5, i0 - 0.5)]
    return Contour(GRID.to_lps(corners))


def write_study(folder: Path) -> tuple[Path, Path]:
    """Write a CT, and beside it a structure set of two overlapping structures and an empty one."""
    files = ct_series(folder / "ct", GRID)
    segments = (ContourSegment(3, "Liver", (200, 10, 20), tuple(rectangle(k, 3, 11, 4, 16) for k in (1, 2, 3))),
                ContourSegment(7, "GTV 1", (1, 2, 250), tuple(rectangle(k, 6, 10, 5, 12) for k in (2, 3, 4))),
                ContourSegment(9, "Nothing", (1, 2, 3), ()))
    write_rtstruct(ContourSet(segments, name="plan"), folder / "rs" / "plan.dcm", source_files=files)
    return folder / "ct", folder / "rs" / "plan.dcm"


def truth() -> dict[str, np.ndarray]:
    """The voxels of each structure."""
    liver, gtv = np.zeros(GRID.shape, bool), np.zeros(GRID.shape, bool)
    liver[1:4, 3:11, 4:16], gtv[2:5, 6:10, 5:12] = True, True
    return {"Liver": liver, "GTV 1": gtv, "Nothing": np.zeros(GRID.shape, bool)}
