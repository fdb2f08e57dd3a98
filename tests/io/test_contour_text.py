"""Sunnybrook contour files: the facts of data/README.md."""

from __future__ import annotations

import re

import numpy as np
import pytest

from medviewer.core.errors import ReadError
from medviewer.io.formats.contour_text import parse_name, read_contour_text, read_links, write_contour_text


def area(points) -> float:
    x, y = points.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


@pytest.mark.parametrize(("name", "expected"), [
    ("IM-0001-0048-icontour-manual.txt", (48, "i")), ("IM-0001-0220-ocontour-manual.txt", (220, "o")),
    ("IM-0001-0048-p1contour-manual.txt", None), ("IM-0001-xx48-icontour-manual.txt", None), ("link.csv", None)])
def test_names(name, expected):
    assert parse_name(f"folder/{name}") == expected


def test_every_file_is_written_back_as_it_was(shared, tmp_path):
    files = sorted((shared / "sunnybrook/contourfiles").rglob("*.txt"))
    assert len(files) == 54
    for file in files:
        write_contour_text(read_contour_text(file), tmp_path / "again.txt")
        assert (tmp_path / "again.txt").read_bytes() == file.read_bytes()


@pytest.mark.parametrize(("number", "mm2"), [(48, 1007.5), (59, 1955.7)])
def test_areas(shared, number, mm2):
    folder = shared / "sunnybrook/contourfiles/SC-HF-I-1/i-contours"
    points = read_contour_text(folder / f"IM-0001-{number:04}-icontour-manual.txt")
    assert area(points) * 1.367188**2 == pytest.approx(mm2, abs=0.05)


@pytest.mark.parametrize(("patient", "phases", "ml", "percent"), [
    ("SC-HF-I-1", (19, 8), (191.3, 141.3), 26), ("SC-HF-I-2", (20, 7), (241.9, 180.3), 25)])
def test_volumes_and_ejection_fraction(shared, patient, phases, ml, percent):
    folder = shared / "sunnybrook/contourfiles" / patient / "i-contours"
    volumes = dict.fromkeys(phases, 0.0)
    for file in folder.glob("*.txt"):
        number, kind = parse_name(file)
        assert kind == "i"
        volumes[(number - 1) % 20 + 1] += area(read_contour_text(file)) * 1.367188**2 * 10 / 1000
    assert [round(volumes[p], 1) for p in phases] == list(ml)
    assert int(100 * (1 - volumes[phases[1]] / volumes[phases[0]]) + 0.5) == pytest.approx(percent, abs=1)


def test_links(shared):
    assert read_links(shared / "sunnybrook/link.csv") == [
        ("SCD0000101", "SC-HF-I-1"), ("SCD0000201", "SC-HF-I-2"), ("SCD0000301", "SC-HF-I-4"),
        ("SCD0000401", "SC-HF-I-5"), ("SCD0000501", "SC-HF-I-6")]


def test_blank_lines_and_other_line_ends_are_let_pass(tmp_path):
    (tmp_path / "c.txt").write_bytes(b"\xef\xbb\xbf1.50 2\r\n\r\n  3\t4.25 \r\n\r\n")
    np.testing.assert_array_equal(read_contour_text(tmp_path / "c.txt"), [[1.5, 2], [3, 4.25]])


@pytest.mark.parametrize(("data", "words"), [
    (b"1 2\n3 four\n", "line 2"), (b"1 2\n\n3 4 5\n", "line 3"), (b"nan 2\n", "line 1"), (b"", "no points"),
    (b"\xff\xfe\x00\x01", "not a text file")])
def test_bad_files_are_named_with_the_line(tmp_path, data, words):
    (tmp_path / "IM-0001-0048-icontour-manual.txt").write_bytes(data)
    with pytest.raises(ReadError, match=words) as caught:
        read_contour_text(tmp_path / "IM-0001-0048-icontour-manual.txt")
    assert "IM-0001-0048" in str(caught.value)


@pytest.mark.parametrize(("text", "words"), [("a,b\n1,2\n", "columns"), ("patient_id,original_id\nx,\n", "line 2")])
def test_bad_links(tmp_path, text, words):
    (tmp_path / "link.csv").write_text(text)
    with pytest.raises(ReadError, match=re.escape(words)):
        read_links(tmp_path / "link.csv")
