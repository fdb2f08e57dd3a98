"""A mask whose image is not there says so."""

from __future__ import annotations

from pathlib import Path

from medviewer.core.study import ScanResult, Series
from medviewer.io import access
from medviewer.io.references import with_missing_references


def _codes(result: ScanResult) -> dict[str, list[tuple[str, str]]]:
    return {s.id: [(w.code, w.level) for w in s.warnings] for s in result.series}


def test_only_the_mask_without_its_image_is_reported() -> None:
    image = Series("ct", "r", "image", (), series_uid="1.1")
    here = Series("a", "r", "seg", (), refers_to="1.1")
    lost = Series("b", "r", "rtstruct", (), refers_to="1.2")
    free = Series("c", "r", "labels", ())
    found = _codes(with_missing_references(ScanResult((image, here, lost, free))))
    assert found == {"ct": [], "a": [], "b": [("reference-missing", "warning")], "c": []}
    assert _codes(with_missing_references(ScanResult((lost,)))) == {"b": []}


def test_a_structure_set_on_a_real_study(shared: Path) -> None:
    folder = shared / "rtstruct-phantom"
    result = access.scan_all([folder])
    drawn = [s for s in result.series if s.kind == "rtstruct"]
    assert drawn
    images = {s.series_uid for s in result.series if s.kind == "image"}
    for series in drawn:
        reported = any(w.code == "reference-missing" for w in series.warnings)
        assert reported == (series.refers_to not in images and bool(series.refers_to))
