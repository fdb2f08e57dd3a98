"""NIfTI against nibabel and SimpleITK, the facts of the data's README, and damaged files."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grids import JOB, attempt, cuts, load, make_labels, make_volume, mutants, oblique, sheared

from medviewer.core.errors import Cancelled, ReadError
from medviewer.core.geometry import Geometry, lps_to_ras
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap, Segment
from medviewer.core.volume import Rescale, Volume
from medviewer.io.formats.nifti import READER, WRITER

nib = pytest.importorskip("nibabel")

FOLDERS = ("nifti-orientation", "nifti-odd", "brats-4mod", "totalseg-ct", "sts-001-petct", "ibsi-ct-phantom",
           "geometry", "multiframe")
INTS = (np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64)


def ras(geometry: Geometry) -> np.ndarray[Any, Any]:
    return lps_to_ras(geometry.affine)[:, [2, 1, 0, 3]]


def save(path: Path, array: np.ndarray[Any, Any], affine: np.ndarray[Any, Any] | None = None, kind: str = "Nifti1Image",
         **header: Any) -> Path:
    image = getattr(nib, kind)(array, np.diag([2.0, 3.0, 4.0, 1.0]) if affine is None else affine)
    for key, value in header.items():
        image.header[key] = value
    nib.save(image, path)
    return path


def test_every_shared_file_agrees_with_nibabel(shared: Path) -> None:
    files = [p for f in FOLDERS for p in sorted((shared / f).rglob("*.nii*")) + sorted((shared / f).rglob("*.hdr"))]
    assert len(files) >= 35
    for path in files:
        _, loading, volume = load(READER, path)
        image = nib.load(path)
        data = np.asarray(image.dataobj)
        if data.dtype.fields:
            truth = np.stack([data[c] for c in "RGB"], -1).transpose(2, 1, 0, 3)
        else:
            truth = (np.abs(data) if np.iscomplexobj(data) else data).T
        np.testing.assert_allclose(volume.array, truth, rtol=1e-5, err_msg=path.name)
        np.testing.assert_allclose(ras(volume.geometry), image.affine, atol=1e-6, err_msg=path.name)
        assert loading.complete


@pytest.mark.parametrize(("name", "codes"), [
    ("minimal.nii.gz", {"no-orientation"}), ("complex.nii.gz", {"complex"}), ("ct_perfusion.nii.gz", set()),
    ("resampled_anat_moved.nii", {"nan-voxels"}), ("ras.hdr", set()), ("anatomical.nii", set())])
def test_oddities_are_reported(shared: Path, name: str, codes: set[str]) -> None:
    series, loading, _ = load(READER, shared / "nifti-odd" / name)
    assert {w.code for w in (*series.warnings, *loading.warnings)} == codes
    if "nan-voxels" in codes:
        assert "153 voxels" in loading.warnings[0].problem


@pytest.mark.parametrize(("name", "shape", "dtype", "times"), [
    ("functional.nii", (20, 3, 21, 17), "int16", 20), ("example4d.nii.gz", (2, 24, 96, 128), "int16", 2),
    ("example_nifti2.nii.gz", (2, 12, 20, 32), "int16", 2), ("ct_perfusion.nii.gz", (15, 286, 256, 3), "uint8", 1),
    ("low_res.nii.gz", (3, 5, 7), "uint8", 1), ("anatomical.nii", (25, 41, 33), "int16", 1),
    ("complex.nii.gz", (44, 64, 64), "float32", 1)])
def test_stored_type_and_time_first(shared: Path, name: str, shape: tuple[int, ...], dtype: str, times: int) -> None:
    series, _, volume = load(READER, shared / "nifti-odd" / name)
    assert volume.stored.shape == shape
    assert volume.stored.dtype == dtype == series.dtype
    assert volume.stored.dtype.isnative
    assert volume.time_points == series.time_points == times


def test_functional_keeps_its_scaling(shared: Path) -> None:
    _, _, volume = load(READER, shared / "nifti-odd/functional.nii")
    assert float(volume.rescale.slope) == pytest.approx(0.0754, abs=5e-5)
    assert float(volume.rescale.intercept) == pytest.approx(3100.76, abs=5e-3)


@pytest.mark.parametrize("codes", ["RAS", "LAS", "LPS", "AIL", "PSR", "SAL", "IPR", "PIR"])
def test_eight_orientations_are_one_brain(shared: Path, codes: str) -> None:
    _, _, truth = load(READER, shared / "nifti-orientation/RAS.nii.gz")
    _, _, volume = load(READER, shared / f"nifti-orientation/{codes}.nii.gz")
    kji = np.array([(10, 20, 30), (60, 3, 50), (33, 70, 5)])
    there = np.rint(volume.geometry.to_index(truth.geometry.to_lps(kji))).astype(int)
    np.testing.assert_array_equal(volume.stored[tuple(there.T)], truth.stored[tuple(kji.T)])


# label counts: README of the data
@pytest.mark.parametrize(("name", "counts"), [
    ("brats-4mod/seg_fusion_simple.nii.gz", {1: 8896, 2: 14611, 4: 5}),
    ("brats-4mod/seg_scan_2019.nii.gz", {1: 8489, 2: 14466, 4: 5}),
    ("brats-4mod/seg_zyx_2019.nii.gz", {1: 8436, 2: 14995, 4: 12}),
    ("brats-4mod/atlas_bet_t1c_mask.nii.gz", {1: 1246044}),
    ("ibsi-ct-phantom/nifti/mask/mask.nii.gz", {1: 125256}),
    ("sts-001-petct/nifti/CT_mask.nii.gz", {1: 117145}), ("sts-001-petct/nifti/PET_mask.nii.gz", {1: 5095})])
def test_labels_of_any_type(shared: Path, name: str, counts: dict[int, int]) -> None:
    series = READER.scan([shared / name], job=JOB).series[0]
    labels = READER.read_labels(series, None, job=JOB)
    assert series.kind == "labels"
    assert {s.value: int(labels.mask(s).sum()) for s in labels.segments} == counts
    assert labels.array.dtype == np.uint8


def test_names_and_colours_of_totalsegmentator(shared: Path) -> None:
    series = READER.scan([shared / "totalseg-ct/example_seg_dicom.nii.gz"], job=JOB).series[0]
    labels = READER.read_labels(series, None, job=JOB)
    assert len(labels.segments) == 31
    liver = next(s for s in labels.segments if s.value == 5)
    assert (liver.name, liver.colour, int(labels.mask(liver).sum())) == ("liver", (0, 255, 255), 366708)


def test_images_are_not_taken_for_labels(shared: Path, tmp_path: Path) -> None:
    kinds = {p.name: READER.scan([p], job=JOB).series[0].kind for p in (
        shared / "nifti-odd/draw.nii.gz", shared / "nifti-orientation/RAS.nii.gz",
        shared / "brats-4mod/TCGA-DU-7294_t1_bet_raw.nii.gz")}
    assert set(kinds.values()) == {"image"}
    ct = save(tmp_path / "roi_ct.nii.gz", np.arange(-60, 60, dtype=np.int16).reshape(4, 5, 6))
    assert READER.scan([ct], job=JOB).series[0].kind == "image"
    series = READER.scan([shared / "nifti-odd/draw.nii.gz"], job=JOB).series[0]
    assert {s.value for s in READER.read_labels(series, None, job=JOB).segments} == {1, 2}


def test_intent_code_says_labels(tmp_path: Path) -> None:
    path = save(tmp_path / "x.nii", np.eye(4, dtype=np.int16)[None] + np.zeros((3, 1, 1), np.int16), intent_code=1002)
    assert READER.scan([path], job=JOB).series[0].kind == "labels"


def test_itk_snap_names(tmp_path: Path) -> None:
    save(tmp_path / "m.nii.gz", np.arange(24, dtype=np.uint8).reshape(2, 3, 4) % 3)
    (tmp_path / "m.txt").write_text('# comment\n0 0 0 0 0 0 0 "Clear"\n2 10 20 30 1 1 1 "Left kidney"\n')
    series = READER.scan([tmp_path / "m.nii.gz"], job=JOB).series[0]
    labels = READER.read_labels(series, None, job=JOB)
    assert [(s.value, s.name) for s in labels.segments] == [(1, "Label 1"), (2, "Left kidney")]
    assert labels.segments[1].colour == (10, 20, 30)


@pytest.mark.parametrize(("array", "part"), [
    (np.full((2, 3, 4), 0.5, np.float32), "not whole"), (np.full((2, 3, 4), -1, np.int16), "from -1"),
    (np.full((2, 3, 4), 70000, np.int32), "70000")])
def test_what_cannot_be_labels_is_refused(tmp_path: Path, array: np.ndarray[Any, Any], part: str) -> None:
    series = READER.scan([save(tmp_path / "a.nii", array)], job=JOB).series[0]
    with pytest.raises(ReadError, match=part):
        READER.read_labels(series, None, job=JOB)


def test_masks_in_the_fourth_dimension_become_layers(tmp_path: Path) -> None:
    array = np.zeros((3, 4, 5, 2), np.uint8)
    array[0, 1, 2], array[2, 3, 4, 1] = 1, 1  # (0, 1, 2) in both
    series = READER.scan([save(tmp_path / "seg.nii", array)], job=JOB).series[0]
    labels = READER.read_labels(series, None, job=JOB)
    assert [(s.value, s.layer, int(labels.mask(s).sum())) for s in labels.segments] == [(1, 0, 1), (2, 1, 2)]


@pytest.mark.parametrize(("units", "factor", "codes"), [
    (1, 1000.0, {"units"}), (2, 1.0, set()), (3, 0.001, {"units"}), (0, 1.0, set())])
def test_units(tmp_path: Path, units: int, factor: float, codes: set[str]) -> None:
    affine = np.diag([2.0, 3.0, 4.0, 1.0]) * (0.001 if units == 1 else 1.0)
    affine[3, 3] = 1.0
    affine[:3, 3] = (0.1, 0.2, 0.3)
    path = save(tmp_path / "u.nii", np.zeros((3, 4, 5), np.int16), affine, xyzt_units=units)
    series, _, volume = load(READER, path)
    np.testing.assert_allclose(ras(volume.geometry)[:3], affine[:3] * factor, rtol=1e-6)
    assert {w.code for w in series.warnings} == codes


def test_implausible_units_are_not_believed(tmp_path: Path) -> None:
    series, _, volume = load(READER, save(tmp_path / "u.nii", np.zeros((3, 4, 5), np.int16), xyzt_units=1))
    assert volume.spacing_mm == (4.0, 3.0, 2.0)
    assert [w.code for w in series.warnings] == ["implausible-units"]


def test_time_step_and_unit(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.zeros((3, 4, 5, 6), np.int16), np.eye(4))
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((1, 1, 1, 2.5))
    nib.save(image, tmp_path / "t.nii")
    assert load(READER, tmp_path / "t.nii")[2].frame_time_ms == 2500.0


def test_forms_that_differ_and_forms_that_are_broken(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), None)
    image.set_sform(np.diag([2.0, 3, 4, 1]), 1)
    image.set_qform(np.diag([-2.0, -3, 4, 1]), 1)
    nib.save(image, tmp_path / "d.nii")
    series, _, volume = load(READER, tmp_path / "d.nii")
    assert [w.code for w in series.warnings] == ["qform-sform-differ"]
    np.testing.assert_allclose(ras(volume.geometry), np.diag([2.0, 3, 4, 1]))
    data = (tmp_path / "d.nii").read_bytes()
    (tmp_path / "b.nii").write_bytes(data[:280] + bytes(16) + data[296:])  # srow_x
    series, _, volume = load(READER, tmp_path / "b.nii")
    assert [w.code for w in series.warnings] == ["bad-sform"]
    np.testing.assert_allclose(ras(volume.geometry), np.diag([-2.0, -3, 4, 1]), atol=1e-6)


def test_sheared_grid_is_kept(tmp_path: Path) -> None:
    path = save(tmp_path / "s.nii", np.zeros((5, 4, 3), np.int16), ras(sheared()))
    series, _, volume = load(READER, path)
    assert [w.code for w in series.warnings] == ["sheared"]
    assert volume.geometry.same_grid(sheared())


@pytest.mark.parametrize("kind", ["AnalyzeImage", "Nifti1Pair", "Nifti2Pair"])
def test_pairs_are_one_series(tmp_path: Path, kind: str) -> None:
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    save(tmp_path / "p.img", array, kind=kind)
    result = READER.scan([tmp_path / "p.img", tmp_path / "p.hdr"], job=JOB)
    assert len(result.series) == 1
    assert set(result.series[0].files) == {tmp_path / "p.img", tmp_path / "p.hdr"}
    np.testing.assert_array_equal(READER.open(result.series[0], job=JOB).load().array, array.T)
    if kind == "AnalyzeImage":
        assert [w.code for w in result.series[0].warnings] == ["no-orientation"]
    (tmp_path / "p.hdr").unlink()
    assert "no header file" in READER.scan([tmp_path / "p.img"], job=JOB).skipped[0].reason


def test_two_and_five_dimensions(tmp_path: Path) -> None:
    flat = np.arange(12, dtype=np.int16).reshape(3, 4)
    np.testing.assert_array_equal(load(READER, save(tmp_path / "2.nii.gz", flat))[2].stored[0], flat.T)
    field = np.arange(2 * 3 * 4 * 3, dtype=np.float32).reshape(2, 3, 4, 1, 3)
    series, _, volume = load(READER, save(tmp_path / "5.nii.gz", field))
    np.testing.assert_array_equal(volume.stored, field[..., 0, 0].T)
    assert [w.code for w in series.warnings] == ["first-component"]


def test_rgba(tmp_path: Path) -> None:
    array = np.zeros((2, 3, 4), [("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")])
    array["G"], array["A"] = 7, 9
    series, _, volume = load(READER, save(tmp_path / "c.nii.gz", array))
    assert volume.stored.shape == (4, 3, 2, 3)
    assert volume.value_at((1, 1, 1)) == (0, 7, 0)
    assert [w.code for w in series.warnings] == ["alpha-dropped"]


def test_uncompressed_is_mapped_and_compressed_streams(tmp_path: Path) -> None:
    array = np.arange(6 * 5 * 40, dtype=np.int32).reshape(6, 5, 40)
    _, _, volume = load(READER, save(tmp_path / "a.nii", array))
    assert isinstance(volume.stored, np.memmap)
    series = READER.scan([save(tmp_path / "a.nii.gz", array)], job=JOB).series[0]
    loading = READER.open(series, job=JOB)
    assert not loading.ready.any()
    loading.load_slice(3)
    assert loading.ready[0, :4].all()
    assert not loading.ready[0, 4:].any()
    np.testing.assert_array_equal(loading.volume.stored[3], array.T[3])
    seen: list[tuple[int, int]] = []
    loading.load(JOB, on_slice=lambda t, k: seen.append((t, k)))
    assert seen == [(0, k) for k in range(40)]  # those brought before are told again: nobody may have listened
    np.testing.assert_array_equal(loading.volume.stored, array.T)
    assert not loading.volume.stored.flags.writeable


def test_cancel_stops_the_stream(tmp_path: Path) -> None:
    series = READER.scan([save(tmp_path / "a.nii.gz", np.zeros((9, 9, 9), np.int16))], job=JOB).series[0]
    job = Job()
    loading = READER.open(series, job=job)
    with pytest.raises(Cancelled):
        loading.load(job, on_slice=lambda t, k: job.cancel() if k == 4 else None)
    assert loading.ready.sum() == 5
    assert loading.load(Job()).present is not None


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", INTS)
@pytest.mark.parametrize("geometry", [oblique(), sheared()], ids=["oblique", "sheared"])
def test_written_file_is_the_same_volume(tmp_path: Path, suffix: str, dtype: Any, geometry: Geometry) -> None:
    import SimpleITK as sitk  # noqa: N813

    volume = make_volume(dtype, geometry, slope=0.5, intercept=-1024.0, unit="HU", modality="CT")
    path = tmp_path / f"out{suffix}"
    WRITER.write(volume, path, job=JOB)
    _, _, back = load(READER, path)
    np.testing.assert_array_equal(back.stored, volume.stored)
    assert (back.stored.dtype, back.unit, back.modality) == (volume.stored.dtype, "HU", "CT")
    assert back.geometry.same_grid(geometry)
    image = nib.load(path)
    np.testing.assert_allclose(np.asarray(image.dataobj).T, volume.array, atol=1e-4)
    np.testing.assert_allclose(image.affine, ras(geometry), atol=1e-5)
    assert int(image.header["sform_code"]) == 1
    if not geometry.is_sheared:
        np.testing.assert_allclose(image.get_qform(coded=True)[0], ras(geometry), atol=1e-4)
        read = sitk.ReadImage(str(path))
        np.testing.assert_allclose(read.TransformIndexToPhysicalPoint((1, 2, 2)), geometry.to_lps((2, 2, 1)), atol=1e-4)


def test_time_colour_and_scaling_per_slice_are_written(tmp_path: Path) -> None:
    film = make_volume(np.int16, lead=(2,), frame_time_ms=1500.0)
    WRITER.write(film, tmp_path / "t.nii.gz", job=JOB)
    back = load(READER, tmp_path / "t.nii.gz")[2]
    np.testing.assert_array_equal(back.stored, film.stored)
    assert back.frame_time_ms == pytest.approx(1500.0)
    colour = Volume(np.random.default_rng(1).integers(0, 255, (3, 4, 5, 3)).astype(np.uint8), oblique(), colour=True)
    WRITER.write(colour, tmp_path / "c.nii", job=JOB)
    np.testing.assert_array_equal(load(READER, tmp_path / "c.nii")[2].stored, colour.stored)
    pet = make_volume(np.int16)
    pet = Volume(pet.stored, pet.geometry, Rescale(np.array([1.0, 2.0, 4.0]), np.zeros(3)))
    WRITER.write(pet, tmp_path / "p.nii.gz", job=JOB)
    np.testing.assert_allclose(nib.load(tmp_path / "p.nii.gz").get_fdata().T, pet.array)


def test_same_input_same_bytes(tmp_path: Path) -> None:
    digests = set()
    for name in ("a.nii.gz", "b.nii.gz"):
        WRITER.write(make_volume(np.int16), tmp_path / name, job=JOB)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1
    assert not (tmp_path / "a.nii.gz").read_bytes()[3:8].strip(b"\0")  # no name flag, time 0


def test_uneven_slices_are_written_evenly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    base = Geometry.from_spacing((4, 2, 2), (2.0, 1.0, 1.0), (0, 0, 10))
    uneven = Geometry((4, 2, 2), base.affine, np.array([0.0, 1.0, 3.0, 4.0]))
    ramp = np.broadcast_to(uneven.to_lps([(k, 0, 0) for k in range(4)])[:, 2][:, None, None], (4, 2, 2))
    WRITER.write(Volume(ramp.astype(np.float32), uneven), tmp_path / "u.nii", job=JOB)
    image = nib.load(tmp_path / "u.nii")
    np.testing.assert_allclose(np.asarray(image.dataobj)[0, 0], [10, 12, 14, 16, 18])  # value = z of the slice
    np.testing.assert_allclose(image.affine[2], [0, 0, 2, 10])
    assert "uneven" in caplog.text


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_label_names_survive(tmp_path: Path, suffix: str) -> None:
    labels = make_labels()
    path = tmp_path / f"seg{suffix}"
    WRITER.write_labels(labels, path, on=None, job=JOB)
    (tmp_path / "seg.labels.json").rename(tmp_path / "away.json")  # the header alone is enough
    for source in (path, shutil.copy(path, tmp_path / f"again{suffix}")):
        series = READER.scan([Path(source)], job=JOB).series[0]
        back = READER.read_labels(series, None, job=JOB)
        assert series.kind == "labels"
        assert back.segments == labels.segments
        np.testing.assert_array_equal(back.array, labels.array)
    np.testing.assert_array_equal(np.asarray(nib.load(path).dataobj).T, labels.array)
    # a program that drops header extensions leaves the file beside it
    (tmp_path / "away.json").rename(tmp_path / "bare.labels.json")
    save(tmp_path / "bare.nii", labels.array.T)
    series = READER.scan([tmp_path / "bare.nii"], job=JOB).series[0]
    assert READER.read_labels(series, None, job=JOB).segments == labels.segments


def test_many_labels_need_uint16_and_overlaps_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    layers = (np.zeros((3, 4, 5), np.uint8), np.zeros((3, 4, 5), np.uint16))
    layers[0][:2], layers[1][1, :2] = 1, 300
    labels = LabelMap(layers, oblique(), (Segment(1, "body"), Segment(300, "tumour", layer=1)))
    WRITER.write_labels(labels, tmp_path / "o.nii", on=None, job=JOB)
    written = np.asarray(nib.load(tmp_path / "o.nii").dataobj).T
    assert written.dtype == np.uint16
    assert ((written == 300).sum(), (written == 1).sum()) == (10, 30)
    assert "body: 10 of 40 voxels" in caplog.text


def header_bytes(**fields: Any) -> bytes:
    head = nib.Nifti1Header()
    head.set_data_dtype(np.int16)
    head.set_data_shape((4, 4, 4))
    head["vox_offset"], head["magic"] = 352, b"n+1"
    for key, value in fields.items():
        head[key] = value
    return bytes(head.binaryblock) + bytes(4)


@pytest.mark.parametrize(("fields", "word"), [
    ({"dim": [3, 30000, 30000, 30000, 1, 1, 1, 1]}, "GB"), ({"dim": [200, 4, 4, 4, 1, 1, 1, 1]}, "200 dimensions"),
    ({"dim": [3, -4, 4, 4, 1, 1, 1, 1]}, "impossible size"), ({"dim": [0, 4, 4, 4, 1, 1, 1, 1]}, "0 dimensions"),
    ({"dim": [3, 4, 0, 4, 1, 1, 1, 1]}, "impossible size"), ({"datatype": 77}, "77"), ({"datatype": 1}, "bits"),
    ({"vox_offset": 1e30}, "byte"), ({"vox_offset": -5}, "byte"), ({"vox_offset": 100}, "inside the header"),
    ({"dim": [3, 4000, 4000, 60, 1, 1, 1, 1]}, "cut short"), ({"intent_code": 3006}, "CIFTI")])
@pytest.mark.parametrize("packed", [False, True], ids=["nii", "gz"])
def test_hostile_headers(tmp_path: Path, fields: dict[str, Any], word: str, packed: bool) -> None:
    data = header_bytes(**fields) + bytes(128)
    path = tmp_path / ("h.nii.gz" if packed else "h.nii")
    path.write_bytes(gzip.compress(data) if packed else data)
    result = READER.scan([path], job=JOB)
    assert not result.series
    assert word in result.skipped[0].reason


def test_bad_numbers_in_the_header(tmp_path: Path) -> None:
    nan = float("nan")
    path = tmp_path / "n.nii"
    path.write_bytes(header_bytes(pixdim=[1, nan, 2, 2, 1, 0, 0, 0], scl_slope=float("inf")) + bytes(128))
    series, _, volume = load(READER, path)
    assert {w.code for w in series.warnings} == {"no-spacing", "no-orientation", "bad-scaling"}
    assert volume.rescale.is_identity


@pytest.mark.parametrize("name", ["functional.nii", "draw.nii.gz"])
def test_cut_files_are_refused_or_reported(shared: Path, tmp_path: Path, name: str) -> None:
    found = []
    for part in cuts((shared / "nifti-odd" / name).read_bytes()):
        (tmp_path / name).write_bytes(part)
        found.append(attempt(READER, tmp_path / name))
    assert "read" not in found
    assert found[0] == "skipped"
    assert found[-1] == "reported"


def test_missing_slices_are_marked_not_invented(tmp_path: Path) -> None:
    whole = save(tmp_path / "w.nii", np.ones((4, 5, 6), np.int16)).read_bytes()
    (tmp_path / "c.nii").write_bytes(whole[: 352 + 4 * 5 * 2 * 3 + 7])
    _, loading, volume = load(READER, tmp_path / "c.nii")
    assert volume.present is not None
    assert volume.present.tolist() == [True] * 3 + [False] * 3
    assert not volume.stored[3:].any()
    assert [w.code for w in loading.warnings] == ["truncated"]
    series = READER.scan([tmp_path / "c.nii"], job=JOB).series[0]
    with pytest.raises(ReadError, match="cut short"):
        READER.read_labels(series, None, job=JOB)


def test_wrong_checksum_is_reported(tmp_path: Path) -> None:
    data = bytearray(save(tmp_path / "a.nii.gz", np.ones((4, 5, 6), np.int16)).read_bytes())
    data[-8:-4] = struct.pack("<I", 12345)
    (tmp_path / "a.nii.gz").write_bytes(data)
    _, loading, _ = load(READER, tmp_path / "a.nii.gz")
    assert [w.code for w in loading.warnings] == ["checksum"]


def test_two_gzip_members_and_padding(tmp_path: Path) -> None:
    array = np.arange(120, dtype=np.int16).reshape(4, 5, 6)
    data = save(tmp_path / "a.nii", array).read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(data[:400]) + gzip.compress(data[400:]) + bytes(512))
    _, loading, volume = load(READER, tmp_path / "b.nii.gz")
    np.testing.assert_array_equal(volume.stored, array.T)
    assert not loading.warnings


@pytest.mark.parametrize("name", ["functional.nii", "low_res.nii.gz", "example_nifti2.nii.gz", "ras.hdr"])
def test_mutants_never_crash(shared: Path, tmp_path: Path, name: str) -> None:
    data = (shared / "nifti-odd" / name).read_bytes()
    if name == "ras.hdr":
        shutil.copy(shared / "nifti-odd/ras.img", tmp_path)
    packed = data.startswith(b"\x1f\x8b")
    found = set()
    for n, mutant in enumerate(mutants(gzip.decompress(data) if packed else data, 80, seed=len(name))):
        (tmp_path / name).write_bytes(gzip.compress(mutant, 1) if packed and n % 4 else mutant)
        found.add(attempt(READER, tmp_path / name))
    assert {"skipped", "read"} <= found
