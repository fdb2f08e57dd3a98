"""Measurements as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from medviewer.core.annotations import Annotation
from medviewer.core.errors import ReadError
from medviewer.core.geometry import Geometry
from medviewer.core.volume import Rescale, Volume
from medviewer.export.reports.annotations import read_annotations, write_annotations

STORED = np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7)
VOLUME = Volume(STORED, Geometry.from_spacing(STORED.shape, (2.0, 1.0, 1.0)), unit="HU",
                rescale=Rescale(np.array(1.0), np.array(-1000.0)))
ITEMS = [
    Annotation(kind="length", name="d", points_lps=((0, 0, 0), (3, 4, 0)), series_uid="1.2",
               frame_of_reference_uid="1.3"),
    Annotation(kind="angle", points_lps=((1, 0, 0), (0, 0, 0), (0, 1, 0))),
    Annotation(kind="bidirectional", points_lps=((0, 0, 0), (6, 0, 0), (0, 0, 0), (0, 2, 0))),
    Annotation(kind="probe", points_lps=((3, 2, 4),)),
    Annotation(kind="rectangle", points_lps=((0.5, 0.5, 2), (2.5, 1.5, 2))),
]


def written(tmp_path: Path, volume: Volume | None = VOLUME) -> tuple[Path, list[dict]]:
    path = tmp_path / "m.json"
    write_annotations(ITEMS, lambda _: volume, path)
    return path, json.loads(path.read_text(encoding="utf-8"))["measurements"]


def test_values_have_units(tmp_path: Path) -> None:
    _, entries = written(tmp_path)
    length, angle, two, probe, box = (e["values"] for e in entries)
    assert length == {"length": {"value": 5.0, "unit": "mm"}}
    assert angle == {"angle": {"value": 90.0, "unit": "deg"}}
    assert (two["long_axis"]["value"], two["short_axis"]["value"]) == (6.0, 2.0)
    assert probe["value"] == {"value": float(STORED[2, 2, 3]) - 1000, "unit": "HU"}
    inside = STORED[1, 1, 1:3] - 1000  # voxel centres x 1...2, y 1 of slice z = 2
    assert box["mean"]["value"] == pytest.approx(inside.mean())
    assert box["voxels"]["value"] == 2
    assert box["area"] == {"value": 2.0, "unit": "mm2"}


def test_lengths_without_calibration_are_in_pixels(tmp_path: Path) -> None:
    from dataclasses import replace

    _, entries = written(tmp_path, replace(VOLUME, calibrated=False))
    assert entries[0]["values"]["length"]["unit"] == "px"


def test_closed_series_leave_their_values_out(tmp_path: Path) -> None:
    _, entries = written(tmp_path, None)
    assert entries[3]["values"] == {}
    assert entries[0]["values"]["length"]["value"] == 5.0


def test_written_measurements_read_back_the_same(tmp_path: Path) -> None:
    path, _ = written(tmp_path)
    assert read_annotations(path) == ITEMS


GOOD = {"kind": "length", "points_lps": [[0, 0, 0], [1, 0, 0]]}


@pytest.mark.parametrize("document", [
    "not json", "[]", "{}", {"format": "medviewer measurements", "version": 1},
    {"format": "medviewer measurements", "version": 99, "measurements": []},
    {"format": "medviewer measurements", "version": 1, "measurements": [{"kind": "spell"}]},
    {"format": "medviewer measurements", "version": 1, "measurements": [{**GOOD, "points_lps": [[0, 0, 0]]}]},
    {"format": "medviewer measurements", "version": 1, "measurements": [{**GOOD, "points_lps": [[1e300, 0, 0]] * 2}]},
    {"format": "medviewer measurements", "version": 1, "measurements": [7]},
])
def test_other_files_are_refused_in_one_sentence(document: object, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    with pytest.raises(ReadError, match=r"x\.json"):
        read_annotations(path)
