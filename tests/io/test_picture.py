"""Ordinary pictures: pixels as stored, no size in mm, damaged ones refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from grids import JOB, attempt, cuts, load, mutants

from medviewer.core.errors import ReadError
from medviewer.io.formats.picture import READER

Image = pytest.importorskip("PIL.Image")

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], -1)


def test_shared_pictures(shared: Path) -> None:
    files = [p for p in (shared / "coco-brain-mri").rglob("*") if p.suffix.lower() == ".jpg"]
    result = READER.scan(files, job=JOB)
    assert (len(result.series), len(result.skipped)) == (50, 0)
    assert sum(s.colour for s in result.series) == 38  # README of the data: 38 RGB, 12 grey
    for series in result.series:
        volume = READER.open(series, job=JOB).load()
        with Image.open(series.files[0]) as image:
            np.testing.assert_array_equal(volume.stored[0], np.asarray(image))
        assert not volume.calibrated


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
@pytest.mark.parametrize(("array", "mode"), [(GREY, "L"), (COLOUR, "RGB")])
def test_pixels_are_kept(tmp_path: Path, suffix: str, array: np.ndarray, mode: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(array, mode).save(path)
    series, _, volume = load(READER, path)
    np.testing.assert_array_equal(volume.stored[0], array)
    assert volume.geometry.shape == (1, 3, 4)
    assert series.colour == (mode == "RGB")
    assert READER.sniff(path, path.read_bytes()[:4096]) > 0.5


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_deep_pictures(tmp_path: Path, dtype: type) -> None:
    array = (GREY.astype(np.int64) * 257).astype(dtype)
    Image.fromarray(array).save(tmp_path / "d.tif")
    _, _, volume = load(READER, tmp_path / "d.tif")
    np.testing.assert_array_equal(volume.stored[0], array)
    assert volume.stored.dtype == dtype


def test_pages_palette_alpha_and_turned(tmp_path: Path) -> None:
    pages = [Image.fromarray(GREY + n) for n in range(3)]
    pages[0].save(tmp_path / "p.tif", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(load(READER, tmp_path / "p.tif")[2].stored, np.stack([GREY, GREY + 1, GREY + 2]))
    pages[0].save(tmp_path / "q.tif", save_all=True, append_images=[Image.fromarray(COLOUR)])
    series, _, volume = load(READER, tmp_path / "q.tif")
    assert volume.geometry.shape[0] == 1
    assert "pages-differ" in {w.code for w in series.warnings}
    Image.fromarray(np.dstack([COLOUR, GREY])).save(tmp_path / "a.png")
    series, _, volume = load(READER, tmp_path / "a.png")
    np.testing.assert_array_equal(volume.stored[0], COLOUR)
    assert "alpha-dropped" in {w.code for w in series.warnings}
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(COLOUR).save(tmp_path / "e.png", exif=exif)
    series, _, volume = load(READER, tmp_path / "e.png")
    np.testing.assert_array_equal(volume.stored[0], COLOUR)
    assert "exif-orientation" in {w.code for w in series.warnings}


def test_masks(tmp_path: Path) -> None:
    values = (GREY > 100).astype(np.uint8) * 2
    palette = Image.fromarray(values, "P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "mask_1.png")
    series = READER.scan([tmp_path / "mask_1.png"], job=JOB).series[0]
    labels = READER.read_labels(series, None, job=JOB)
    assert (series.kind, [s.value for s in labels.segments]) == ("labels", [2])
    np.testing.assert_array_equal(labels.array[0], values)
    Image.fromarray(COLOUR).save(tmp_path / "c.png")
    with pytest.raises(ReadError, match="full colour"):
        READER.read_labels(READER.scan([tmp_path / "c.png"], job=JOB).series[0], None, job=JOB)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for width in (60000, 12000):
        path = tmp_path / "bomb.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, 12000, 8, 2, 0, 0, 0))
                         + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))
        result = READER.scan([path], job=JOB)
        assert not result.series
        assert "million" in result.skipped[0].reason


def test_a_dicom_file_with_a_tiff_preamble_is_not_taken() -> None:
    assert READER.sniff(Path("x"), b"II*\0" + bytes(124) + b"DICM") == 0.0


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".jpg"])
def test_cut_and_changed_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3)).astype(np.uint8)).save(path)
    data = path.read_bytes()
    found = []
    for part in cuts(data)[:-1]:
        path.write_bytes(part)
        found.append(attempt(READER, path))
    assert "read" not in found
    for mutant in mutants(data, 40, seed=9):
        path.write_bytes(mutant)
        attempt(READER, path)
