"""MetaImage against SimpleITK, the facts of the data's README, and damaged files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grids import JOB, attempt, cuts, load, make_labels, make_volume, mutants, oblique, sitk_affine

from medviewer.core.volume import Volume
from medviewer.io.formats.metaimage import READER, WRITER

sitk = pytest.importorskip("SimpleITK")


def test_every_shared_file_agrees_with_simpleitk(shared: Path) -> None:
    files = sorted(shared.rglob("*.mha"))
    assert len(files) == 3
    for path in files:
        _, _, volume = load(READER, path)
        image = sitk.ReadImage(str(path))
        np.testing.assert_array_equal(volume.stored, np.atleast_3d(sitk.GetArrayFromImage(image)).reshape(
            volume.stored.shape), err_msg=path.name)
        np.testing.assert_allclose(volume.affine, sitk_affine(image), atol=1e-9, err_msg=path.name)


def test_facts_of_the_shared_files(shared: Path) -> None:
    _, _, volume = load(READER, shared / "nrrd-mha/mha.mha")
    assert volume.stored.shape == (37, 64, 64)
    np.testing.assert_allclose(volume.spacing_mm, (3.8, 3.4375, 3.4375))
    series = READER.scan([shared / "nrrd-mha/CT_2D_head_fixed_mask.mha"], job=JOB).series[0]
    labels = READER.read_labels(series, None, job=JOB)
    assert series.kind == "labels"
    assert int((labels.array > 0).sum()) == 27363


def sitk_image(array: np.ndarray[Any, Any], vector: bool = False) -> Any:
    image = sitk.GetImageFromArray(array, isVector=vector)
    n = image.GetDimension()
    geometry = oblique()
    if n >= 3:
        direction = np.eye(n)
        direction[:3, :3] = geometry.directions[:, [2, 1, 0]]
        image.SetDirection(direction.ravel().tolist())
        image.SetSpacing([*geometry.spacing_mm[::-1], 1.5][:n])
        image.SetOrigin([*geometry.affine[:3, 3], 0.0][:n])
    return image


@pytest.mark.parametrize("suffix", [".mha", ".mhd"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_what_simpleitk_writes(tmp_path: Path, suffix: str, packed: bool, dtype: Any) -> None:
    volume = make_volume(dtype)
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(sitk_image(np.asarray(volume.stored)), str(path), useCompression=packed)
    _, loading, back = load(READER, path)
    np.testing.assert_array_equal(back.stored, volume.stored)
    assert back.stored.dtype == dtype
    assert back.geometry.same_grid(volume.geometry)
    assert not loading.warnings


def test_two_and_four_dimensions_and_colour(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    for shape, vector in (((3, 4), False), ((2, 3, 4, 5), False), ((3, 4, 5, 3), True)):
        array = rng.integers(0, 255, shape).astype(np.uint8)
        sitk.WriteImage(sitk_image(array, vector), str(tmp_path / "a.mha"), useCompression=True)
        _, _, volume = load(READER, tmp_path / "a.mha")
        np.testing.assert_array_equal(np.squeeze(volume.stored), array)
        assert volume.colour == vector
    field = rng.normal(size=(2, 3, 4, 3)).astype(np.float32)
    sitk.WriteImage(sitk_image(field, True), str(tmp_path / "v.mha"))
    series, _, volume = load(READER, tmp_path / "v.mha")
    np.testing.assert_array_equal(volume.stored, field[..., 0])
    assert [w.code for w in series.warnings] == ["first-component"]


HEAD = ("ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = {msb}\nCompressedData = False\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 1\n{place} = 1 2 3\nElementSpacing = 0.5 0.7 2\nDimSize = 5 4 3\n"
        "ElementType = MET_SHORT\n{more}ElementDataFile = {file}\n")
ARRAY = np.arange(60).reshape(3, 4, 5)


def text(**more: str) -> bytes:
    return HEAD.format(**{"msb": "False", "place": "Offset", "more": "", "file": "LOCAL", **more}).encode()


@pytest.mark.parametrize("place", ["Offset", "Position", "Origin"])
@pytest.mark.parametrize("msb", ["True", "False"])
def test_names_of_the_origin_and_byte_order(tmp_path: Path, place: str, msb: str) -> None:
    path = tmp_path / "a.mha"
    path.write_bytes(text(place=place, msb=msb) + ARRAY.astype(">i2" if msb == "True" else "<i2").tobytes())
    _, _, volume = load(READER, path)
    np.testing.assert_array_equal(volume.stored, ARRAY)
    np.testing.assert_allclose(volume.geometry.to_lps((1, 2, 3)), (2.5, 3.4, 5.0))


def test_header_size_and_text(tmp_path: Path) -> None:
    path = tmp_path / "a.mhd"
    (tmp_path / "a.raw").write_bytes(b"12345" + ARRAY.astype("<i2").tobytes())
    for size in ("5", "-1"):
        path.write_bytes(text(file="a.raw", more=f"HeaderSize = {size}\n"))
        np.testing.assert_array_equal(load(READER, path)[2].stored, ARRAY)
    words = " ".join(map(str, ARRAY.ravel())).encode()
    path.write_bytes(text().replace(b"BinaryData = True", b"BinaryData = False") + words)
    np.testing.assert_array_equal(load(READER, path)[2].stored, ARRAY)


@pytest.mark.parametrize(("old", "new", "word"), [
    ("LOCAL", "../up.raw", "outside"), ("LOCAL", "/etc/passwd", "outside"), ("LOCAL", "gone.raw", "missing"),
    ("LOCAL", "LIST", "several files"), ("LOCAL", "s%03d.raw 1 3 1", "several files"),
    ("DimSize = 5 4 3", "DimSize = 50000 50000 50000", "GB"), ("DimSize = 5 4 3", "DimSize = 5 -4 3", "impossible"),
    ("DimSize = 5 4 3", "DimSize = 5 4", "dimensions"), ("DimSize = 5 4 3", "DimSize = 5 4 inf", "whole numbers"),
    ("NDims = 3", "NDims = 200", "dimensions"), ("MET_SHORT", "MET_HORSE", "element type"),
    ("ObjectType = Image", "ObjectType = Tube", "Tube"), ("0.5 0.7 2", "0.5 nan 2", "elementspacing"),
    ("TransformMatrix = 1", "TransformMatrix = 0", "position"), ("DimSize = 5 4 3", "DimSize = 900 900 3", "cut short"),
    ("ElementDataFile", "Nothing", "complete")])
def test_hostile_headers(tmp_path: Path, old: str, new: str, word: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "up.raw").write_bytes(bytes(120))
    path = folder / "a.mha"
    path.write_bytes(text().replace(old.encode(), new.encode()) + bytes(120))
    result = READER.scan([path], job=JOB)
    assert not result.series
    assert word in result.skipped[0].reason


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_written_file_is_the_same_volume(tmp_path: Path, dtype: Any) -> None:
    volume = make_volume(dtype, slope=1.0, intercept=-1024.0)
    path = tmp_path / "o.mha"
    WRITER.write(volume, path, job=JOB)
    first = path.read_bytes()
    for again in (load(READER, path)[2].array, sitk.GetArrayFromImage(sitk.ReadImage(str(path)))):
        np.testing.assert_allclose(again, volume.array)
    np.testing.assert_allclose(sitk_affine(sitk.ReadImage(str(path))), volume.affine, atol=1e-9)
    WRITER.write(volume, path, job=JOB)
    assert path.read_bytes() == first


def test_time_colour_and_labels_are_written(tmp_path: Path) -> None:
    film = make_volume(np.int16, lead=(2,))
    colour = Volume(np.random.default_rng(1).integers(0, 255, (3, 4, 5, 3)).astype(np.uint8), oblique(), colour=True)
    for volume in (film, colour):
        WRITER.write(volume, tmp_path / "x.mha", job=JOB)
        np.testing.assert_array_equal(load(READER, tmp_path / "x.mha")[2].stored, volume.stored)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "x.mha"))), volume.stored)
    labels = make_labels()
    WRITER.write_labels(labels, tmp_path / "l.mha", on=None, job=JOB)
    series = READER.scan([tmp_path / "l.mha"], job=JOB).series[0]
    back = READER.read_labels(series, None, job=JOB)
    assert (series.kind, back.segments) == ("labels", labels.segments)
    np.testing.assert_array_equal(back.array, labels.array)


def test_cut_and_changed_files(shared: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.mha"
    for name in ("mha.mha", "CT_2D_head_fixed.mha"):
        data = (shared / "nrrd-mha" / name).read_bytes()
        found = []
        for part in cuts(data):
            path.write_bytes(part)
            found.append(attempt(READER, path))
        assert "read" not in found
        for mutant in mutants(data, 100, seed=5):
            path.write_bytes(mutant)
            found.append(attempt(READER, path))
        assert "skipped" in found
