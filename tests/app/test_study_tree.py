"""The study list as texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from medviewer.app.study_tree import (
    date_text,
    folder_of,
    person_name,
    series_facts,
    size_text,
    spacing_text,
    study_tree,
)
from medviewer.core.geometry import Geometry
from medviewer.core.study import Patient, Report, Series, Study


def series(name: str, *, patient: str = "A", study: str = "1", date: str = "20200101", **more: object) -> Series:
    options: dict[str, object] = {"kind": "image", "description": name}
    return Series(id=name, reader="x", files=(Path(f"/data/{patient}/{name}.dcm"),),
                  patient=Patient(patient, f"{patient}^Given") if patient else Patient(),
                  study=Study(study, date) if patient else Study(), **{**options, **more})  # type: ignore[arg-type]


def test_newest_study_and_patient_come_first() -> None:
    tree = study_tree([series("a", date="20010101"), series("b", study="2", date="20200101"),
                       series("c", patient="B", study="3", date="20240101")])
    assert [p.id for p in tree] == ["B", "A"]
    assert [s.when for s in tree[1].studies] == ["20200101", "20010101"]


def test_series_by_number_and_masks_after_their_image() -> None:
    mask = series("mask", kind="seg", number=1, refers_to="uid-2")
    found = study_tree([mask, series("two", number=2, series_uid="uid-2"), series("one", number=1, series_uid="uid-1"),
                        series("lost", kind="rtstruct", number=0, refers_to="elsewhere")])
    assert [s.description for s in found[0].studies[0].series] == ["one", "two", "mask", "lost"]


def test_names_can_be_hidden() -> None:
    tree = study_tree([series("a"), series("x", patient="")], names=False)
    titles = [p.title(names=False, number=n) for n, p in enumerate(tree, 1)]
    assert titles == ["(name hidden) 1", ""]
    assert tree[1].studies[0].title == "Files"
    assert tree[0].title(names=True) == "A, Given  ·  A"


def test_loose_files_stand_under_their_folder() -> None:
    loose = Series("n", "nifti", "image", (Path("/data/brats/t1.nii"),))
    assert study_tree([loose])[0].studies[0].title == "brats" == folder_of(loose)


@pytest.mark.parametrize(("stored", "shown"), [
    ("DOE^JANE^M^Dr", "DOE, JANE M"), ("DOE", "DOE"), ("", ""), ("^JANE", "JANE"),
    ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou"), ("=山田^太郎", "山田, 太郎")])
def test_person_names(stored: str, shown: str) -> None:
    assert person_name(stored) == shown


@pytest.mark.parametrize(("stored", "shown"), [("20040119", "2004-01-19"), ("", ""), ("soon", "soon"),
                                              ("20120000", "2012"), ("20120500", "2012-05")])
def test_dates(stored: str, shown: str) -> None:
    assert date_text(stored) == shown


def test_size_is_columns_rows_slices() -> None:
    grid = Geometry.from_spacing((101, 480, 512), (2.5, 0.7, 0.8))
    made = series("ct", modality="CT", geometry=grid, time_points=3)
    assert size_text(made) == "512 × 480 × 101 · 3 times"
    assert series_facts(made).startswith("CT · 512")
    assert spacing_text(made) == "0.80 × 0.70 × 2.50 mm"


def test_no_spacing_is_shown_where_the_file_has_none() -> None:
    made = series("us", geometry=Geometry.from_spacing((1, 4, 4)), warnings=(Report("no-pixel-spacing", "x"),))
    assert spacing_text(made) == ""
