"""Conversion: DICOM against dcm2niix, formats by suffix, orientation and spacing, labels and contours."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medviewer.core.errors import ParamError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap, Segment
from medviewer.core.volume import Rescale, Volume
from medviewer.export.convert import convert, writer_for
from medviewer.io.access import read, read_labels, scan

nib = pytest.importorskip("nibabel")

SERIES = ("lidc-idri-0001", "ibsi-ct-phantom/dicom", "geometry/hitachi-double-oblique", "geometry/torchio-flipped-iop",
          "totalseg-ct/example_ct_dicom", "multiframe/philips-3DpCASL", "sts-001-petct/PET_raw_BQML",
          "dicom-seg/ct-3slice", "rtstruct-phantom")


def reoriented(image: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Voxels and affine in the closest order to RAS, so that flips of the file do not matter."""
    image = nib.as_closest_canonical(image)
    return np.asarray(image.dataobj), image.affine


def images(folder: Path) -> list[Any]:
    return [s for s in scan(folder) if s.kind == "image" and s.geometry is not None]


@pytest.mark.parametrize("name", SERIES)
def test_dicom_agrees_with_dcm2niix(shared: Path, tmp_path: Path, name: str) -> None:
    if shutil.which("dcm2niix") is None:
        pytest.skip("dcm2niix is not installed; it is the referee here")
    folder = shared / name
    if not folder.is_dir():
        folder = shared / name.split("/")[0]
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    subprocess.run(["dcm2niix", "-z", "n", "-f", "%s_%d", "-o", str(theirs), str(folder)], check=False,
                   capture_output=True, timeout=120)
    truth = [reoriented(nib.load(p)) for p in sorted(theirs.glob("*.nii"))]
    found = images(folder)
    assert found
    matched = 0
    for n, series in enumerate(found):
        out = tmp_path / f"{n}.nii.gz"
        convert(series, out)
        data, affine = reoriented(nib.load(out))
        for other, other_affine in truth:
            if other.shape == data.shape and np.abs(other_affine - affine).max() < 1.0:
                np.testing.assert_allclose(affine, other_affine, atol=1e-3)
                np.testing.assert_allclose(data, other, rtol=1e-5, atol=1e-4)
                matched += 1
                break
    assert matched >= 1, (found, [(d.shape, a) for d, a in truth])


def volume() -> Volume:
    geometry = Geometry.from_spacing((6, 8, 10), (2.5, 1.0, 0.5), (-3.0, 4.0, 5.0))
    array = np.random.default_rng(3).integers(0, 500, geometry.shape).astype(np.int16)
    return Volume(array, geometry, Rescale(np.array(1.0), np.array(-1024.0)), unit="HU", modality="CT")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_suffix_chooses_the_format(tmp_path: Path, suffix: str) -> None:
    source = volume()
    assert convert(source, tmp_path / f"a{suffix}") == []
    back = read(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(back.array, source.array)
    assert back.geometry.same_grid(source.geometry)


def test_orientation_and_spacing_in_the_order_of_the_codes(tmp_path: Path) -> None:
    convert(volume(), tmp_path / "a.nii.gz", orient="SAL", spacing_mm=(5.0, 2.0, 1.0))
    image = nib.load(tmp_path / "a.nii.gz")
    assert "".join(nib.aff2axcodes(image.affine)) == "SAL"
    np.testing.assert_allclose(image.header.get_zooms(), (5.0, 2.0, 1.0))
    assert image.shape == (3, 4, 5)


def test_oddities_become_notes(tmp_path: Path) -> None:
    base = volume()
    uneven = Geometry(base.geometry.shape, base.geometry.affine, np.array([0.0, 1, 2, 3, 5, 6]))
    notes = convert(Volume(base.stored, uneven), tmp_path / "u.nii")
    assert len(notes) == 1
    assert "uneven" in notes[0]
    assert nib.load(tmp_path / "u.nii").shape == (10, 8, 7)
    plain = nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), None)
    plain.header["sform_code"] = plain.header["qform_code"] = 0
    nib.save(plain, tmp_path / "p.nii")
    assert any("how the patient lies" in note for note in convert(scan(tmp_path / "p.nii")[0], tmp_path / "q.nrrd"))


def test_labels_keep_their_names_through_every_format(tmp_path: Path) -> None:
    base = volume()
    labels = LabelMap((np.asarray(base.stored % 3, np.uint8),), base.geometry,
                      (Segment(1, "Herz", (200, 10, 20)), Segment(2, "lung left", (1, 2, 3))))
    convert(labels, tmp_path / "seg.nii.gz")
    convert(scan(tmp_path / "seg.nii.gz")[0], tmp_path / "seg.seg.nrrd")
    convert(scan(tmp_path / "seg.seg.nrrd")[0], tmp_path / "seg2.mha")
    back = read_labels(tmp_path / "seg2.mha")
    assert back.segments == labels.segments
    np.testing.assert_array_equal(back.array, labels.array)


def test_contours_are_drawn_on_their_image(shared: Path, tmp_path: Path) -> None:
    found = scan(shared / "ibsi-ct-phantom")
    contours = next(s for s in found if s.kind == "rtstruct")
    image = next(s for s in found if s.kind == "image")
    with pytest.raises(ParamError, match="no voxels of their own"):
        convert(contours, tmp_path / "m.nii.gz")
    convert(contours, tmp_path / "m.nii.gz", on=image)
    mask, truth = read_labels(tmp_path / "m.nii.gz"), read_labels(shared / "ibsi-ct-phantom/nifti/mask/mask.nii.gz")
    assert mask.geometry.same_grid(truth.geometry, atol_mm=0.01)
    there = truth.geometry.to_index(mask.geometry.to_lps(np.argwhere(mask.array)))
    hit = truth.array[tuple(np.rint(there).astype(int).T)]
    assert 2 * hit.sum() / (len(hit) + truth.array.sum()) > 0.98
    assert mask.segments[0].name == "GTV-1"


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ParamError, match="which format"):
        convert(volume(), tmp_path / "a.xyz")
    assert writer_for(Path("a.seg.nrrd")).id == "nrrd"
    assert writer_for(Path("A.NII.GZ")).id == "nifti"
    assert list(tmp_path.iterdir()) == []


def test_a_cancelled_conversion_leaves_nothing(tmp_path: Path) -> None:
    from medviewer.core.errors import Cancelled

    job = Job(lambda fraction, text: job.cancel() if fraction > 0.8 else None)
    with pytest.raises(Cancelled):
        convert(volume(), tmp_path / "a.nii.gz", job=job)
    assert list(tmp_path.iterdir()) == []
