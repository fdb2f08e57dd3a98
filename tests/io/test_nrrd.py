"""NRRD against pynrrd and SimpleITK, the facts of the data's README, and damaged files."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grids import (
    JOB,
    attempt,
    cuts,
    load,
    make_labels,
    make_volume,
    mutants,
    oblique,
    sheared,
    sitk_affine,
)

from medviewer.core.errors import ReadError
from medviewer.core.geometry import Geometry
from medviewer.core.labels import Code, LabelMap, Segment
from medviewer.core.volume import Volume
from medviewer.io.formats.nrrd import READER, WRITER

nrrd = pytest.importorskip("nrrd")
sitk = pytest.importorskip("SimpleITK")


def test_every_shared_file_agrees_with_simpleitk(shared: Path) -> None:
    files = sorted(shared.rglob("*.nrrd"))
    assert len(files) >= 17
    for path in files:
        series, _, volume = load(READER, path)
        image = sitk.ReadImage(str(path))
        np.testing.assert_array_equal(volume.stored, sitk.GetArrayFromImage(image), err_msg=path.name)
        np.testing.assert_allclose(volume.affine, sitk_affine(image), atol=1e-9, err_msg=path.name)
        assert series.warnings == ()


@pytest.mark.parametrize(("name", "counts"), [  # README of the data
    ("nrrd-mha/breast1_label.nrrd", 143), ("nrrd-mha/prostate_phantom_subvolume-label.nrrd", 12423),
    ("dicom-seg/nrrd/liver_seg.nrrd", 107098)])
def test_label_files(shared: Path, name: str, counts: int) -> None:
    series = READER.scan([shared / name], job=JOB).series[0]
    assert series.kind == "labels"
    labels = READER.read_labels(series, None, job=JOB)
    assert int((labels.array > 0).sum()) == counts
    if "prostate" in name:
        assert [s.value for s in labels.segments] == [1, 7, 8, 9]


HEAD = ("NRRD0004\ntype: {type}\ndimension: 3\nspace: {space}\nsizes: 5 4 3\n"
        "space directions: (0.5,0,0) (0,0.7,0) (0,0,2)\nkinds: domain domain domain\nendian: {endian}\n"
        "encoding: {encoding}\nspace origin: (10,20,30)\n{more}\n")
ARRAY = np.arange(60).reshape(3, 4, 5)


def text(**more: str) -> bytes:
    fields = {"type": "short", "space": "left-posterior-superior", "endian": "little", "encoding": "raw", "more": ""}
    return HEAD.format(**{**fields, **more}).encode()


@pytest.mark.parametrize(("space", "signs"), [
    ("left-posterior-superior", (1, 1, 1)), ("LPS", (1, 1, 1)), ("RAS", (-1, -1, 1)),
    ("right-anterior-superior", (-1, -1, 1)), ("left-anterior-superior", (1, -1, 1)), ("LAS", (1, -1, 1))])
def test_spaces(tmp_path: Path, space: str, signs: tuple[int, int, int]) -> None:
    path = tmp_path / "a.nrrd"
    path.write_bytes(text(space=space) + ARRAY.astype("<i2").tobytes())
    _, _, volume = load(READER, path)
    np.testing.assert_allclose(volume.geometry.to_lps((1, 2, 3)), np.array([11.5, 21.4, 32.0]) * signs)
    np.testing.assert_array_equal(volume.stored, ARRAY)


@pytest.mark.parametrize(("encoding", "pack"), [
    ("raw", bytes), ("gzip", gzip.compress), ("gz", gzip.compress), ("bzip2", bz2.compress), ("bz2", bz2.compress)])
@pytest.mark.parametrize(("name", "code"), [("short", "i2"), ("uint16_t", "u2"), ("double", "f8"), ("uchar", "u1")])
@pytest.mark.parametrize("endian", ["little", "big"])
def test_encodings_types_and_byte_orders(tmp_path: Path, encoding: str, pack: Any, name: str, code: str,
                                         endian: str) -> None:
    data = ARRAY.astype(code).astype(np.dtype(code).newbyteorder(endian[0].replace("l", "<").replace("b", ">")))
    path = tmp_path / "a.nrrd"
    path.write_bytes(text(encoding=encoding, type=name, endian=endian) + pack(data.tobytes()))
    _, loading, volume = load(READER, path)
    np.testing.assert_array_equal(volume.stored, ARRAY)
    assert volume.stored.dtype == code
    assert not loading.warnings


def test_text_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    path.write_bytes(text(encoding="ascii") + " ".join(map(str, ARRAY.ravel())).encode())
    np.testing.assert_array_equal(load(READER, path)[2].stored, ARRAY)
    path.write_bytes(text(encoding="ascii") + b"1 2 3 x 5")
    assert attempt(READER, path) in ("skipped", "refused")


def test_detached_data_with_skips(tmp_path: Path) -> None:
    (tmp_path / "d.raw").write_bytes(b"a line\n" + b"xxx" + ARRAY.astype("<i2").tobytes())
    path = tmp_path / "d.nhdr"
    path.write_bytes(text(more="line skip: 1\nbyte skip: 3\ndata file: d.raw\n"))
    series, _, volume = load(READER, path)
    np.testing.assert_array_equal(volume.stored, ARRAY)
    assert series.files == (path, tmp_path / "d.raw")
    path.write_bytes(text(more="byte skip: -1\ndatafile: d.raw\n"))
    np.testing.assert_array_equal(load(READER, path)[2].stored, ARRAY)


@pytest.mark.parametrize(("name", "word"), [
    ("../secret.raw", "outside"), ("/etc/passwd", "outside"), ("gone.raw", "missing"), ("LIST", "several files"),
    ("slice%03d.raw 1 3 1", "several files"), ("C:\\x.raw", "outside")])
def test_detached_data_stays_in_its_folder(tmp_path: Path, name: str, word: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret.raw").write_bytes(bytes(120))
    (folder / "a.nhdr").write_bytes(text(more=f"data file: {name}\n"))
    result = READER.scan([folder / "a.nhdr"], job=JOB)
    assert not result.series
    assert word in result.skipped[0].reason


@pytest.mark.parametrize(("old", "new", "word"), [
    ("sizes: 5 4 3", "sizes: 50000 50000 50000", "GB"), ("sizes: 5 4 3", "sizes: -5 4 3", "impossible"),
    ("sizes: 5 4 3", "sizes: 5 4", "do not fit"), ("sizes: 5 4 3", "sizes: 5 4 nan", "do not fit"),
    ("dimension: 3", "dimension: 200", "do not fit"), ("type: short", "type: block", "data type"),
    ("encoding: raw", "encoding: hex", "encoding"), ("(0.5,0,0)", "(0,0,0)", "position"),
    ("(0.5,0,0)", "(x,0,0)", "numbers"), ("sizes: 5 4 3", "", "sizes"),
    ("sizes: 5 4 3", "sizes: 900 900 3", "cut short")])
def test_hostile_headers(tmp_path: Path, old: str, new: str, word: str) -> None:
    path = tmp_path / "h.nrrd"
    path.write_bytes(text().replace(old.encode(), new.encode()) + bytes(120))
    result = READER.scan([path], job=JOB)
    assert not result.series
    assert word in result.skipped[0].reason


def test_pynrrd_four_axes_two_axes_colour(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    film = rng.integers(0, 99, (4, 3, 5, 6)).astype(np.int16)  # C order: the list is the fastest axis
    step = np.array([[np.nan] * 3, [1, 0, 0], [0, 2, 0], [0, 0, 3]])
    nrrd.write(str(tmp_path / "f.nrrd"), film, {"space": "LPS", "kinds": ["list", "domain", "domain", "domain"],
                                                "space directions": step, "space origin": [0, 0, 0]}, index_order="C")
    _, _, volume = load(READER, tmp_path / "f.nrrd")
    np.testing.assert_array_equal(volume.stored, np.moveaxis(film, -1, 0))
    assert volume.spacing_mm == (3.0, 2.0, 1.0)
    flat = rng.integers(0, 99, (4, 3)).astype(np.uint8)
    nrrd.write(str(tmp_path / "2.nrrd"), flat, {"spacings": [0.5, 0.25]}, index_order="C")
    series, _, volume = load(READER, tmp_path / "2.nrrd")
    np.testing.assert_array_equal(volume.stored[0], flat)
    assert volume.spacing_mm[1:] == (0.25, 0.5)
    assert [w.code for w in series.warnings] == ["no-orientation"]
    colour = rng.integers(0, 255, (2, 3, 4, 3)).astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(colour, isVector=True), str(tmp_path / "c.nrrd"))
    _, _, volume = load(READER, tmp_path / "c.nrrd")
    assert volume.colour
    np.testing.assert_array_equal(volume.stored, colour)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("geometry", [oblique(), sheared()], ids=["oblique", "sheared"])
def test_written_file_is_the_same_volume(tmp_path: Path, dtype: Any, geometry: Geometry) -> None:
    volume = make_volume(dtype, geometry, slope=2.0, intercept=-1024.0, unit="HU", modality="CT")
    path = tmp_path / "o.nrrd"
    WRITER.write(volume, path, job=JOB)
    first = path.read_bytes()
    _, _, back = load(READER, path)
    np.testing.assert_allclose(back.array, volume.array)
    assert (back.unit, back.modality) == ("HU", "CT")
    assert back.stored.dtype.kind == ("f" if np.dtype(dtype).kind == "f" else "i")
    assert back.geometry.same_grid(geometry)
    data, _ = nrrd.read(str(path), index_order="C")
    np.testing.assert_allclose(data, volume.array)
    image = sitk.ReadImage(str(path))
    np.testing.assert_allclose(sitk_affine(image), geometry.affine, atol=1e-9)
    WRITER.write(volume, path, job=JOB)
    assert path.read_bytes() == first


def test_time_and_colour_are_written(tmp_path: Path) -> None:
    film = make_volume(np.int16, lead=(2,))
    WRITER.write(film, tmp_path / "t.nrrd", job=JOB)
    np.testing.assert_array_equal(load(READER, tmp_path / "t.nrrd")[2].stored, film.stored)
    colour = Volume(np.random.default_rng(1).integers(0, 255, (3, 4, 5, 3)).astype(np.uint8), oblique(), colour=True)
    WRITER.write(colour, tmp_path / "c.nrrd", job=JOB)
    np.testing.assert_array_equal(load(READER, tmp_path / "c.nrrd")[2].stored, colour.stored)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "c.nrrd"))), colour.stored)


def test_segments_survive(tmp_path: Path) -> None:
    labels = make_labels()
    WRITER.write_labels(labels, tmp_path / "x.nrrd", on=None, job=JOB)
    series = READER.scan([tmp_path / "x.nrrd"], job=JOB).series[0]
    back = READER.read_labels(series, None, job=JOB)
    assert series.kind == "labels"
    assert back.segments == labels.segments
    np.testing.assert_array_equal(back.array, labels.array)


def test_overlapping_segments_survive(tmp_path: Path) -> None:
    layers = tuple(np.random.default_rng(n).integers(0, 2, (3, 4, 5)).astype(np.uint8) * (n + 1) for n in range(2))
    codes = Code("49755003", "SCT", "Morphologically Altered Structure"), Code("4147007", "SCT", "Mass")
    labels = LabelMap(layers, oblique(), (Segment(1, "organ", (10, 20, 30)), Segment(2, "mass", (1, 1, 1), 1, *codes)))
    path = tmp_path / "x.seg.nrrd"
    WRITER.write_labels(labels, path, on=None, job=JOB)
    back = READER.read_labels(READER.scan([path], job=JOB).series[0], None, job=JOB)
    assert back.segments == labels.segments
    for a, b in zip(back.layers, layers, strict=True):
        np.testing.assert_array_equal(a, b)
    header = nrrd.read_header(str(path))
    assert (header["kinds"], header["Segment1_Layer"], header["Segment1_LabelValue"]) == (
        ["list", "domain", "domain", "domain"], "1", "2")


def test_segment_fields_of_slicer(tmp_path: Path) -> None:
    # as 3D Slicer 5 writes them
    more = ("Segment0_Color:=0.501961 0.682353 0.501961\nSegment0_ID:=Segment_1\nSegment0_LabelValue:=7\n"
            "Segment0_Layer:=0\nSegment0_Name:=tissue\nSegment0_Tags:=Segmentation.Status:inprogress|TerminologyEntry:"
            "Segmentation category and type - 3D Slicer General Anatomy list~SCT^85756007^Tissue~SCT^85756007^Tissue"
            "~^^~Anatomic codes - DICOM master list~^^~^^|\n")
    path = tmp_path / "s.seg.nrrd"
    path.write_bytes(text(type="uchar", more=more) + (ARRAY % 8).astype("u1").tobytes())
    labels = READER.read_labels(READER.scan([path], job=JOB).series[0], None, job=JOB)
    tissue = next(s for s in labels.segments if s.value == 7)
    assert (tissue.name, tissue.colour) == ("tissue", (128, 174, 128))
    assert tissue.type == Code("85756007", "SCT", "Tissue")
    assert int(labels.mask(tissue).sum()) == 7


def test_cut_and_changed_files(shared: Path, tmp_path: Path) -> None:
    data = (shared / "nrrd-mha/breast1_image.nrrd").read_bytes()
    path = tmp_path / "m.nrrd"
    found = []
    for part in cuts(data):
        path.write_bytes(part)
        found.append(attempt(READER, path))
    assert "read" not in found
    found = []
    for mutant in mutants(data, 150, seed=3):
        path.write_bytes(mutant)
        found.append(attempt(READER, path))
    assert {"skipped", "reported"} <= set(found)


def test_a_cut_label_file_is_refused(shared: Path, tmp_path: Path) -> None:
    data = (shared / "nrrd-mha/prostate_phantom_subvolume-label.nrrd").read_bytes()
    (tmp_path / "label.nrrd").write_bytes(data[:-900])
    series = READER.scan([tmp_path / "label.nrrd"], job=JOB).series[0]
    with pytest.raises(ReadError, match="cut short"):
        READER.read_labels(series, None, job=JOB)
