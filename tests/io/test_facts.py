"""Facts about real DICOM images, as stated in the README of the shared data; affine and voxels against SimpleITK."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medviewer.core.errors import ReadError
from medviewer.core.geometry import lps_to_ras
from medviewer.core.study import Series
from medviewer.core.volume import Volume
from medviewer.io.access import open_series, read, scan_all


@dataclass(frozen=True)
class Fact:
    """What is known of the largest image series below `path`."""

    path: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float] | None = None  # (k, j, i)
    origin: tuple[float, float, float] | None = None
    last_z: float | None = None
    limits: tuple[float, float] | None = None
    dtype: str = ""
    unit: str | None = None
    codes: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    modality: str = ""
    more: dict[str, Any] = field(default_factory=dict)


FACTS = [
    Fact("lidc-idri-0001/dicom", (101, 512, 512), (2.5, 0.703125, 0.703125), (-166.0, -171.7, -277.5), -27.5,
         (-2048, 3071), "int16", "HU", {"padding-sign"}, {"uneven-slices", "gantry-tilt"}, "CT",
         {"padding": (-2000.0, -2000.0)}),
    Fact("ibsi-ct-phantom/dicom/image", (60, 201, 204), (3.0, 0.977, 0.977), None, 76.6, (-1000, 3065), "", "HU"),
    Fact("rtstruct-phantom", (5, 512, 512), (5.0, 0.488281, 0.488281), (-125.0, -125.0, 60.0), 80.0),
    Fact("sts-001-petct/PET_raw_BQML", (59, 128, 128), (3.27, 4.6875, 4.6875), unit="Bq/ml", modality="PT",
         codes={"rescale-per-slice", "slice-jitter"}, absent={"uneven-slices"}),
    Fact("sts-001-petct/PET_crop_SUV", (59, 43, 41), (3.27, 4.6875, 4.6875), limits=(0, 25.412), unit="SUVbw"),
    Fact("sts-001-petct/CT_crop/image", (59, 202, 198), (3.27, 0.976562, 0.976562), limits=(-1000, 1397), unit="HU"),
    Fact("pet-vendor-slices/2020-11-16-SalimKanounAnonymization.dcm", (1, 200, 200), unit="Bq/ml"),
    Fact("pet-vendor-slices/Issue94.dcm", (1, 169, 169), limits=(0, 15596.4), unit="Bq/ml"),
    Fact("dicom-seg/ct-3slice", (3, 512, 512), (1.0, 0.810547, 0.810547), None, -126.69,
         codes={"thickness-differs"}, unit="HU"),
    Fact("dicom-seg/23x38x3/image", (3, 38, 23)),
    Fact("dicom-seg/23x38x3/multiframe", (3, 38, 23)),
    Fact("dicom-seg/24x38x3/image", (3, 38, 24)),
    Fact("dicom-seg/highdicom/dicomdirtests-77654033-CT2", (4, 16, 16), codes={"uneven-slices"}),
    Fact("gantry-tilt-ct", (6, 512, 512), None, None, 76.596, codes={"gantry-tilt", "uneven-slices"}),
    Fact("geometry/hitachi-double-oblique", (4, 64, 64), (4.0, 2.34375, 2.34375), limits=(0, 1537)),
    Fact("geometry/torchio-flipped-iop", (17, 128, 88), (2.0, 2.0, 2.0), (82.18, 122.16, -24.71)),
    Fact("geometry/non-isotropic-pixels", (4, 28, 64), (0.5, 4.0, 6.4), codes={"non-square-pixels"}),
    Fact("geometry/rtutils-oriented", (3, 50, 100), (4.5, 3.5, 2.5)),
    Fact("totalseg-ct/example_ct_dicom", (20, 512, 512), (2.0, 0.976562, 0.976562), None, -766.5, (-1024, 1839),
         unit="HU", codes={"no-series-uid", "thickness-differs"}, absent={"duplicate-files", "duplicate-slices"}),
    Fact("multiframe/philips-3DpCASL/classic", (40, 96, 96), (4.0, 2.5, 2.5), limits=(0, 403.1)),
    Fact("multiframe/philips-3DpCASL/enhanced", (40, 96, 96), (4.0, 2.5, 2.5), limits=(0, 403.1)),
    Fact("multiframe/eCT_Supplemental.dcm", (2, 512, 512), unit="HU"),
    Fact("multiframe/MultiframeWindowing.dcm", (1, 2, 2), codes={"no-position", "windows-vary"},
         more={"time_points": 4}),
    Fact("multiframe/parametric_map_float.dcm", (1, 128, 128), dtype="float32"),
    Fact("pixel-variety/gdcm-CR-MONO1-10-chest.dcm", (1, 440, 440), more={"inverted": True}),
    Fact("pixel-variety/examples_ybr_color.dcm", (1, 240, 320), more={"time_points": 30, "colour": True}),
    Fact("pixel-variety/examples_palette.dcm", (1, 350, 800), more={"colour": True}, dtype="uint8"),
    Fact("pixel-variety/examples_rgb_color.dcm", (1, 240, 320), more={"colour": True}),
    Fact("pixel-variety/SC_rgb_rle_32bit.dcm", (1, 100, 100), more={"colour": True}),
    Fact("pixel-variety/MR_small_bigendian.dcm", (1, 64, 64)),
    Fact("pixel-variety/image_dfl.dcm", (1, 512, 512)),
    Fact("transfer-syntaxes/no-pixel-spacing.dcm", (1, 600, 800), codes={"no-pixel-spacing"},
         more={"calibrated": False, "colour": True}),
    Fact("transfer-syntaxes/CT0012.fragmented_no_bot_jpeg_baseline.51.dcm", (2, 512, 512)),
]


@cache
def largest(path: Path) -> Series:
    images = [s for s in scan_all(path).series if s.kind in ("image", "parametric")]
    return max(images, key=lambda s: s.frames)


@cache
def volume_of(path: Path) -> Volume:
    return open_series(largest(path)).load()


@pytest.mark.parametrize("fact", FACTS, ids=lambda f: f.path)
def test_fact(fact: Fact, shared: Path) -> None:
    series, volume = largest(shared / fact.path), volume_of(shared / fact.path)
    geometry = volume.geometry
    assert geometry.shape == fact.shape == series.shape
    if fact.spacing is not None:
        assert geometry.spacing_mm == pytest.approx(fact.spacing, abs=1e-3)
    if fact.origin is not None:
        assert geometry.origin_lps == pytest.approx(np.asarray(fact.origin), abs=6e-3)
    if fact.last_z is not None:
        assert geometry.to_lps((fact.shape[0] - 1, 0, 0))[2] == pytest.approx(fact.last_z, abs=1e-3)
    if fact.limits is not None:
        assert (volume.array.min(), volume.array.max()) == pytest.approx(fact.limits, abs=1e-3, rel=1e-5)
    found = {w.code for w in series.warnings}
    assert fact.codes <= found
    assert not fact.absent & found
    assert not fact.dtype or volume.stored.dtype == fact.dtype == series.dtype
    assert fact.unit is None or volume.unit == fact.unit
    for name, value in {"modality": fact.modality or volume.modality, **fact.more}.items():
        assert getattr(volume, name) == value


SITK_AGREES = ["lidc-idri-0001/dicom", "ibsi-ct-phantom/dicom/image", "sts-001-petct/PET_crop_SUV",
               "sts-001-petct/CT_crop/image", "dicom-seg/ct-3slice", "geometry/hitachi-double-oblique",
               "geometry/torchio-flipped-iop", "geometry/non-isotropic-pixels", "totalseg-ct/example_ct_dicom",
               "multiframe/philips-3DpCASL/classic"]


@pytest.mark.parametrize("path", SITK_AGREES)
def test_affine_and_voxels_agree_with_simpleitk(path: str, shared: Path) -> None:
    import SimpleITK as sitk  # noqa: N813

    volume = volume_of(shared / path)
    reader = sitk.ImageSeriesReader()
    names = [str(f) for f in largest(shared / path).files]  # our order: SimpleITK takes direction and step from it
    reader.SetFileNames(names)
    image = reader.Execute()
    matrix = np.asarray(image.GetDirection()).reshape(3, 3) * np.asarray(image.GetSpacing())
    np.testing.assert_allclose(volume.affine[:3, :3], matrix[:, ::-1], atol=2e-3)
    np.testing.assert_allclose(volume.geometry.origin_lps, image.GetOrigin(), atol=1e-3)
    if volume.rescale.is_uniform:  # SimpleITK applies the first slice's scale type to all
        for k, expected in enumerate(sitk.GetArrayViewFromImage(image)):  # slice by slice: less memory
            np.testing.assert_allclose(volume.slice_values(k), expected, rtol=1e-5, atol=1e-2)


def test_file_names_do_not_give_the_order(shared: Path) -> None:
    files = largest(shared / "lidc-idri-0001" / "dicom").files
    assert (files[0].name, files[-1].name) == ("000032.dcm", "000006.dcm")


def test_gantry_tilt_positions(shared: Path) -> None:
    """Each slice where its header says; tilt 18.5 degrees; steps 4.22, 4.22, 1.14, 7.38, 7.38 along the table."""
    geometry = volume_of(shared / "gantry-tilt-ct").geometry
    z = [52.256, 56.476, 60.696, 61.836, 69.216, 76.596]
    places = geometry.to_lps([(k, 0, 0) for k in range(6)])
    np.testing.assert_allclose(places[:, 2], z, atol=1e-3)
    np.testing.assert_allclose(places[:, 0], -125.0, atol=1e-3)
    np.testing.assert_allclose(places[:, 1], -123.5404569, atol=1e-3)
    np.testing.assert_allclose(geometry.directions[:, 1], (0, 0.948, -0.317), atol=1e-3)
    report = next(w for w in largest(shared / "gantry-tilt-ct").warnings if w.code == "gantry-tilt")
    assert "18.5" in report.problem


def test_pet_rescale_differs_on_every_slice(shared: Path) -> None:
    raw, suv = volume_of(shared / "sts-001-petct/PET_raw_BQML"), volume_of(shared / "sts-001-petct/PET_crop_SUV")
    assert raw.rescale.slope.shape == (59,)
    assert (raw.rescale.slope.min(), raw.rescale.slope.max()) == pytest.approx((0.209, 3.193), abs=1e-3)
    # README: raw x 2.42903e-4, cropped at column 59, row 45, equals the SUV series within 0.0008
    cropped = raw.array[:, 45:45 + 43, 59:59 + 41] * 2.42903e-4
    assert np.abs(cropped - suv.array).max() < 1e-3
    ct = volume_of(shared / "sts-001-petct/CT_crop/image")
    assert raw.frame_of_reference_uid == ct.frame_of_reference_uid != ""


def test_sunnybrook_is_positions_times_phases(shared: Path) -> None:
    """Slices 3-11, 20 phases; file N = (slice - 1) x 20 + phase; phases 8 and 19, and all of slice 6."""
    path = shared / "sunnybrook" / "dicoms" / "SCD0000101"
    series, volume = largest(path), volume_of(path)
    assert (series.shape, series.time_points, series.frames) == ((9, 256, 256), 20, 36)
    assert volume.geometry.spacing_mm == pytest.approx((10.0, 1.367188, 1.367188), abs=1e-3)
    np.testing.assert_allclose(volume.geometry.directions[:, 2], (-0.105, 0.346, -0.932), atol=1e-3)
    np.testing.assert_allclose(volume.geometry.directions[:, 1], (-0.733, -0.660, -0.163), atol=1e-3)
    assert volume.present is not None
    assert sorted(volume.present.sum(axis=0).tolist()) == [2] * 8 + [20]
    assert np.flatnonzero(volume.present.sum(axis=1) == 9).tolist() == [7, 18]  # phases 8 and 19, from 0
    import pydicom

    for name in ("48.dcm", "59.dcm", "113.dcm"):
        ds = pydicom.dcmread(path / name)
        k = round(float(volume.geometry.to_index(ds.ImagePositionPatient)[0]))
        t = (int(ds.InstanceNumber) - 1) % 20
        np.testing.assert_array_equal(volume.stored[t, k], ds.pixel_array)
    other = largest(path.parent / "SCD0000201")
    assert (other.frames, other.time_points) == (6, 2)


LOSSLESS = ["LittleEndianImplicitTransferSyntax_1.2.840.10008.1.2", "RLELosslessTransferSyntax_1.2.840.10008.1.2.5",
            "DeflatedExplicitVRLittleEndianTransferSyntax_1.2.840.10008.1.2.1.99",
            "JPEGProcess14TransferSyntax_1.2.840.10008.1.2.4.57",
            "JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70",
            "JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80",
            "JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90"]
LOSSY = {"JPEG2000TransferSyntax_1.2.840.10008.1.2.4.91": (-2003, 2401),
         "JPEGLSLossyTransferSyntax_1.2.840.10008.1.2.4.81": (-2001, 2401),
         "JPEGProcess2_4TransferSyntax_1.2.840.10008.1.2.4.51": (498, 2708)}


def sha(array: np.ndarray) -> str:
    return hashlib.sha256(array.astype("<i4").tobytes()).hexdigest()


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_syntaxes_give_one_array(name: str, shared: Path) -> None:
    volume = read(shared / "transfer-syntaxes" / "ct-image" / f"CTImage.dcm_{name}.dcm")
    assert sha(volume.stored).startswith("b76703cf422e")


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_syntaxes(name: str, shared: Path) -> None:
    volume = read(shared / "transfer-syntaxes" / "ct-image" / f"CTImage.dcm_{name}.dcm")
    assert (int(volume.stored.min()), int(volume.stored.max())) == LOSSY[name]


@pytest.mark.parametrize("name", ["JPEGProcess6_8TransferSyntax_1.2.840.10008.1.2.4.53",
                                  "JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55"])
def test_retired_progressive_jpeg_is_refused_by_name(name: str, shared: Path) -> None:
    with pytest.raises(ReadError, match="(?i)jpeg|syntax|progress|spectral"):
        read(shared / "transfer-syntaxes" / "ct-image" / f"CTImage.dcm_{name}.dcm")


@pytest.mark.parametrize("name", ["", "_big_endian", "_RLE", "_jpeg_2k_lossless", "_jpeg_ls_lossless"])
def test_multiframe_syntaxes_give_one_array(name: str, shared: Path) -> None:
    volume = read(shared / "transfer-syntaxes" / "emri-multiframe" / f"emri_small{name}.dcm")
    assert volume.stored.shape == (10, 1, 64, 64)
    assert sha(volume.stored).startswith("8be61098d494")


def test_enhanced_equals_classic_equals_nifti(shared: Path) -> None:
    import nibabel

    folder = shared / "multiframe" / "philips-3DpCASL"
    enhanced, classic = volume_of(folder / "enhanced"), volume_of(folder / "classic")
    assert enhanced.geometry.same_grid(classic.geometry, 0.01)
    np.testing.assert_array_equal(enhanced.array, classic.array)
    nifti = nibabel.load(folder / "1901_WIP_3DpCASL_cl.nii.gz")
    data = np.asarray(nifti.dataobj)
    _assert_same_as_nifti(classic, data, nifti.affine, 0.02)


def test_double_oblique_equals_its_nifti(shared: Path) -> None:
    import nibabel

    folder = shared / "geometry" / "hitachi-double-oblique"
    nifti = nibabel.load(folder / "001_ground_truth.nii.gz")
    volume = open_series(next(s for s in scan_all(folder).series if s.reader == "dicom")).load()
    _assert_same_as_nifti(volume, np.asarray(nifti.dataobj), nifti.affine, 0.02)


def _assert_same_as_nifti(volume: Volume, data: np.ndarray, affine: np.ndarray, atol_mm: float) -> None:
    """Every NIfTI voxel, found by its place (RAS), has the value of our voxel there."""
    ijk = np.stack(np.meshgrid(*map(np.arange, data.shape[:3]), indexing="ij"), axis=-1).reshape(-1, 3)
    lps = (ijk @ affine[:3, :3].T + affine[:3, 3]) * (-1, -1, 1)
    kji = volume.geometry.to_index(lps)
    nearest = np.round(kji).astype(int)
    spacing = np.asarray(volume.geometry.spacing_mm)
    assert np.abs((kji - nearest) * spacing).max() < atol_mm
    np.testing.assert_allclose(volume.array[tuple(nearest.T)], data.reshape(-1), rtol=1e-5, atol=1e-3)


def test_enhanced_ct_is_mirrored(shared: Path) -> None:
    volume = volume_of(shared / "multiframe" / "eCT_Supplemental.dcm")
    np.testing.assert_allclose(volume.geometry.directions[:, 2], (-1, 0, 0), atol=1e-6)
    assert (float(volume.rescale.slope), float(volume.rescale.intercept)) == (1.0, -1024.0)


def test_totalseg_ct_lies_on_its_segmentation(shared: Path) -> None:
    """Liver (5): 366 708 voxels, mean 89.3 HU; spleen (1): 130 634, 79.6 HU; flipped rows would give -74.7."""
    import nibabel

    volume = volume_of(shared / "totalseg-ct" / "example_ct_dicom")
    nifti = nibabel.load(shared / "totalseg-ct" / "example_seg_dicom.nii.gz")
    corner = lps_to_ras(np.eye(4))[:3, :3] @ nifti.affine[:3, 3]
    index = np.round(volume.geometry.to_index(corner)).astype(int)
    assert index.tolist() == [0, 511, 0]  # rows run the other way
    labels = np.asarray(nifti.dataobj).transpose(2, 1, 0)[:, ::-1]
    assert volume.array[labels == 5].mean() == pytest.approx(89.3, abs=0.05)
    assert volume.array[labels == 1].mean() == pytest.approx(79.6, abs=0.05)


def test_voi_lut_sequence(shared: Path) -> None:
    assert volume_of(shared / "pixel-variety" / "vlut_04.dcm").voi_lut is not None


def test_plans_are_named_not_shown(shared: Path) -> None:
    (series,) = scan_all(shared / "pixel-variety" / "rtplan.dcm").series
    assert series.kind == "other"
    assert "radiotherapy plan" in series.warnings[0].problem
    with pytest.raises(ReadError):
        read(shared / "pixel-variety" / "rtplan.dcm")


# PS3.5 annexes H to K and the test files' own description (FileInfo.txt)
NAMES = {
    "chrGerm.dcm": "Äneas^Rüdiger", "chrFren.dcm": "Buc^Jérôme", "chrFrenMulti.dcm": "Buc^Jérôme",
    "chrGreek.dcm": "Διονυσιος", "chrRuss.dcm": "Люкceмбypг", "chrHbrw.dcm": "שרון^דבורה",
    "chrArab.dcm": "قباني^لنزار", "chrH31.dcm": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "chrH32.dcm": "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう", "chrI2.dcm": "Hong^Gildong=洪^吉洞=홍^길동",
    "chrX1.dcm": "Wang^XiaoDong=王^小東", "chrX2.dcm": "Wang^XiaoDong=王^小东",
    "chrJapMulti.dcm": "やまだ^たろう", "chrJapMultiExplicitIR6.dcm": "やまだ^たろう", "chrKoreanMulti.dcm": "김희중",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_in_every_character_set(name: str, shared: Path) -> None:
    (series,) = scan_all(shared / "dicomdir-charset" / "charset_files" / name).series
    assert series.patient.name == NAMES[name]


def test_localisers_are_split_by_orientation(shared: Path) -> None:
    found = [s for s in scan_all(shared / "dicomdir-charset" / "dicomdirtests" / "98892003" / "MR2").series]
    shared_uid = [s for s in found if sum(o.series_uid == s.series_uid for o in found) > 1]
    assert len(shared_uid) == 6
    assert all("split-series" in {w.code for w in s.warnings} for s in shared_uid)
    assert sum(s.frames for s in found) == 7


def test_malformed_files_never_stop_a_scan(shared: Path) -> None:
    """87 broken files in one folder: each is a series that loads or fails with a sentence, or is left out with one."""
    result = scan_all(shared / "malformed")
    seen = {f for s in result.series for f in s.files} | {s.path for s in result.skipped}
    told = sum(1 for f in (shared / "malformed").rglob("*.dcm") if f in seen)
    copies = sum("duplicate-files" in {w.code for w in s.warnings} for s in result.series)
    assert told + copies >= 87
    for series in result.series:
        if series.kind == "image":
            try:
                open_series(series).load()
            except ReadError as error:
                assert str(error)  # noqa: PT017 - either outcome is right
