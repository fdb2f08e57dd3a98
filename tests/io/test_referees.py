"""Real series against other readers: the same voxels at the same places, whatever the order of axes.

Where a referee is left out for a series it cannot read it, or it is wrong by the standard:
- dcm2niix: totalseg (blank UIDs: it mixes slices), J2K_pixelrep_mismatch (shears one tilted slice), TestPattern
  (rounds colours by up to 4), sunnybrook and gantry-tilt (stacks phases; resamples), pictures without a place
  (it centres them).
- SimpleITK series reader: gantry tilt and uneven slices (one step for all), several phases (stacks them).
- GDCM: MultiframeWindowing (a rescale for each frame: it uses one); MONOCHROME1 is stored values to us, it inverts
  them; 32-bit colours it keeps, we show 8 bits.
- highdicom: needs a frame of reference UID and an even stack.
- dicom2nifti: refuses few slices, tilt and uneven steps; of sunnybrook it takes 6 pictures of 4 places for 3 x 2.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from medviewer.cli.main import run
from medviewer.core.study import Series
from medviewer.core.volume import Volume
from medviewer.io.access import open_series, scan_all

LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
SAME_MM = 0.005  # places; DS strings and float32 affines are rounded
LOOSE_MM = {"sts-001-petct/PET_raw_BQML/image": 0.02}  # one gap of 3.29 in 3.27 mm, told as jitter
RTOL, ATOL = 1e-5, 2e-3  # float32 values of PET
EVERY, STEPS = 12, 23  # slices, rows and columns that are compared

ALL = {"gdcm", "sitk", "highdicom", "dcm2niix", "dicom2nifti"}
STACKS = {  # series of several placed pictures -> referees that are asked
    "lidc-idri-0001/dicom": ALL, "ibsi-ct-phantom/dicom/image": ALL, "rtstruct-phantom": ALL,
    "sts-001-petct/PET_raw_BQML/image": ALL, "sts-001-petct/PET_crop_SUV/image": ALL,
    "sts-001-petct/CT_crop/image": ALL,
    "geometry/torchio-flipped-iop": ALL, "dicomdir-charset/dicomdirtests/98892001/CT5N": ALL,
    "multiframe/philips-3DpCASL/classic": ALL, "multiframe/philips-3DpCASL/enhanced": ALL - {"sitk"},
    "geometry/hitachi-double-oblique": ALL - {"highdicom"}, "geometry/non-isotropic-pixels": ALL - {"highdicom"},
    "geometry/rtutils-oriented": {"gdcm", "sitk", "dcm2niix"},
    "totalseg-ct/example_ct_dicom": {"gdcm", "sitk", "dicom2nifti"},
    "dicom-seg/ct-3slice": ALL - {"dicom2nifti"}, "dicom-seg/23x38x3/image": ALL - {"dicom2nifti"},
    "dicom-seg/24x38x3/image": ALL - {"dicom2nifti"},
    "dicom-seg/23x38x3/multiframe": {"gdcm", "highdicom", "dcm2niix"},
    "dicom-seg/24x38x3/multiframe": {"gdcm", "highdicom", "dcm2niix"},
    "multiframe/eCT_Supplemental.dcm": {"gdcm", "highdicom", "dcm2niix"},
    "dicom-seg/highdicom/dicomdirtests-77654033-CT2": {"gdcm"}, "gantry-tilt-ct": {"gdcm"},
    "sunnybrook/dicoms/SCD0000101": {"gdcm"}, "sunnybrook/dicoms/SCD0000201": {"gdcm"},
}
SINGLES = {  # files and folders of single placed pictures
    "pet-vendor-slices": {"gdcm", "highdicom", "dcm2niix"}, "dicom-seg/highdicom/ct_image.dcm": {"gdcm", "dcm2niix"},
    "dicomdir-charset/dicomdirtests/98892003": {"gdcm", "highdicom", "dcm2niix"},
    "dicomdir-charset/dicomdirtests/98892001/CT2N": {"gdcm", "highdicom", "dcm2niix"},
    "pixel-variety/J2K_pixelrep_mismatch.dcm": {"gdcm", "highdicom"},
    "transfer-syntaxes/TestPattern_JPEG-Baseline_YBR422.dcm": {"gdcm"},
    "multiframe/parametric_map_float.dcm": {"dcm2niix"},
}
UNPLACED = [  # pictures and runs without a place: values only, by GDCM
    "transfer-syntaxes/emri-multiframe/emri_small.dcm", "transfer-syntaxes/emri-multiframe/emri_small_RLE.dcm",
    "transfer-syntaxes/emri-multiframe/emri_small_jpeg_2k_lossless.dcm",
    "transfer-syntaxes/emri-multiframe/emri_small_jpeg_ls_lossless.dcm", "transfer-syntaxes/no-pixel-spacing.dcm",
    "pixel-variety/image_dfl.dcm", "pixel-variety/GDCMJ2K_TextGBR.dcm",
    "pixel-variety/examples_palette.dcm", "pixel-variety/examples_rgb_color.dcm",
    "pixel-variety/SC_rgb_jpeg_dcmtk.dcm", "pixel-variety/vlut_04.dcm", "dicomdir-charset/charset_files",
]
PLACED = {**STACKS, **SINGLES}


def cases(referee: str) -> pytest.MarkDecorator:
    """Give the series that a referee is asked about."""
    return pytest.mark.parametrize("path", [p for p, referees in PLACED.items() if referee in referees])


@cache
def images(path: Path) -> tuple[tuple[Series, Volume], ...]:
    """Read all image series at a place."""
    found = [s for s in scan_all(path).series if s.reader == "dicom" and s.kind in ("image", "parametric")]
    assert found
    return tuple((s, open_series(s).load()) for s in found)


def assert_agrees(volume: Volume, array: NDArray[Any], affine: NDArray[Any], atol_mm: float) -> None:
    """Every voxel of `array` (k, j, i) has a voxel of ours at its place, with its value at some time point."""
    steps = [np.unique(np.linspace(0, n - 1, min(n, s)).astype(int))
             for n, s in zip(array.shape[:3], (EVERY, STEPS, STEPS), strict=True)]
    kji = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    places = kji @ affine[:3, :3].T + affine[:3, 3]
    own = np.rint(volume.geometry.to_index(places)).astype(int)
    assert ((own >= 0) & (own < volume.geometry.shape)).all()
    assert np.linalg.norm(volume.geometry.to_lps(own) - places, axis=1).max() <= atol_mm
    expected = array[tuple(kji.T)]
    assert any(np.allclose(values_at(volume, own, t), expected, rtol=RTOL, atol=ATOL)
               for t in range(volume.time_points))


def values_at(volume: Volume, kji: NDArray[Any], t: int) -> NDArray[Any]:
    values = [volume.at_time(t)[k] if volume.colour else volume.slice_values(int(k), t) for k in np.unique(kji[:, 0])]
    return np.stack(values)[np.unique(kji[:, 0], return_inverse=True)[1], kji[:, 1], kji[:, 2]]


def tolerance(path: str) -> float:
    return LOOSE_MM.get(path, SAME_MM)


def by_gdcm(names: list[str]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Voxels (k, j, i) and LPS affine by SimpleITK, which reads DICOM with GDCM."""
    import SimpleITK as sitk  # noqa: N813

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(names)
    image = reader.Execute() if len(names) > 1 else sitk.ReadImage(names[0])
    affine = np.eye(4)
    affine[:3, :3] = (np.asarray(image.GetDirection()).reshape(3, 3) * np.asarray(image.GetSpacing()))[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image), affine


@cases("gdcm")
def test_every_picture_by_gdcm(path: str, shared: Path) -> None:
    for series, volume in images(shared / path):
        for file in series.files[::max(1, len(series.files) // EVERY)]:
            assert_agrees(volume, *by_gdcm([str(file)]), tolerance(path))


@cases("sitk")
def test_series_in_the_order_of_simpleitk(path: str, shared: Path, tmp_path: Path) -> None:
    import SimpleITK as sitk  # noqa: N813

    ((series, volume),) = images(shared / path)
    link_all(series, tmp_path)
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path))
    assert len(names) == len(series.files)
    assert_agrees(volume, *by_gdcm(list(names)), SAME_MM)


@pytest.mark.parametrize("path", UNPLACED)
def test_values_without_a_place_by_gdcm(path: str, shared: Path) -> None:
    for series, volume in images(shared / path):
        array, _ = by_gdcm([str(series.files[0])])
        own = volume.stored.reshape(array.shape) if volume.colour else volume.array.reshape(array.shape)
        np.testing.assert_array_equal(own, array)


@cases("highdicom")
def test_volume_by_highdicom(path: str, shared: Path) -> None:
    import highdicom
    import pydicom

    for series, volume in images(shared / path):
        files = [pydicom.dcmread(f) for f in series.files]
        whole = highdicom.image.Image.from_dataset(files[0]).get_volume() if "NumberOfFrames" in files[0] \
            else highdicom.get_volume_from_series(files)
        assert_agrees(volume, whole.array, whole.affine, SAME_MM)


@cases("dcm2niix")
def test_nifti_by_dcm2niix(path: str, shared: Path, tmp_path: Path) -> None:
    if shutil.which("dcm2niix") is None:
        pytest.skip("needs dcm2niix")
    for n, (series, volume) in enumerate(images(shared / path)):
        source, out = tmp_path / f"in{n}", tmp_path / f"out{n}"
        source.mkdir()
        out.mkdir()
        link_all(series, source)
        subprocess.run(["dcm2niix", "-z", "n", "-m", "n", "-b", "n", "-o", str(out), "-f", "x", str(source)],
                       capture_output=True, timeout=120, check=False)
        (made,) = out.glob("*.nii")
        assert_agrees(volume, *nifti(made), tolerance(path))


@cases("dicom2nifti")
def test_nifti_by_dicom2nifti(path: str, shared: Path, tmp_path: Path) -> None:
    dicom2nifti = pytest.importorskip("dicom2nifti", reason="needs the package dicom2nifti")
    ((series, volume),) = images(shared / path)
    (tmp_path / "in").mkdir()
    link_all(series, tmp_path / "in")
    dicom2nifti.dicom_series_to_nifti(str(tmp_path / "in"), str(tmp_path / "x.nii"), reorient_nifti=False)
    assert_agrees(volume, *nifti(tmp_path / "x.nii"), tolerance(path))


def nifti(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Voxels (k, j, i) and LPS affine by nibabel."""
    import nibabel

    image = nibabel.load(path)
    data = np.asarray(image.dataobj)
    affine = (LPS_RAS @ image.affine)[:, [2, 1, 0, 3]]
    return data.transpose(2, 1, 0), affine


def link_all(series: Series, folder: Path) -> None:
    """Give another reader exactly the files of a series."""
    for n, file in enumerate(series.files):
        os.symlink(file, folder / f"{n:05d}.dcm")


# our own two ways out: info and convert

@pytest.mark.parametrize("path", PLACED)
def test_converted_file_lies_where_info_says(path: str, shared: Path, tmp_path: Path,
                                             capsys: pytest.CaptureFixture[str]) -> None:
    assert command("info", "--json", shared / path) in (0, 1)
    told = {s["id"]: s for s in json.loads(capsys.readouterr().out)["series"] if s["kind"] in ("image", "parametric")}
    for n, (series, volume) in enumerate(images(shared / path)):
        fields = told[series.id]
        assert tuple(fields["shape"]) == volume.geometry.shape
        np.testing.assert_allclose(fields["spacing_mm"], volume.spacing_mm, rtol=1e-9)
        np.testing.assert_allclose(fields["affine_lps"], volume.affine, rtol=1e-9, atol=1e-12)
        out = tmp_path / f"{n}.nii"
        assert command("convert", shared / path, out, "--series", series.id) in (0, 1)
        if fields["slice_offsets_mm"] is not None or volume.has_time or volume.colour:
            continue  # interpolated to even slices; of more axes
        array, affine = nifti(out)
        assert array.shape == volume.geometry.shape
        np.testing.assert_allclose(affine, fields["affine_lps"], atol=1e-4)
        assert_agrees(volume, array, affine, SAME_MM)


def command(*words: object) -> int:
    return run([str(w) for w in words], lambda paths, demo: 0, lambda request: 0)
