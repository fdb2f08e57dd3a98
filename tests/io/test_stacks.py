"""Series made here: every voxel in its true place, or the right split and the reason (RELIABILITY 3.2 and bar 21)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage, MRImageStorage, NuclearMedicineImageStorage, ParametricMapStorage

from medviewer.core.errors import ReadError
from medviewer.core.job import Job
from medviewer.core.study import Series
from medviewer.core.volume import Volume
from medviewer.io.access import open_series, read, scan_all
from tests.io.series_files import (
    AXIAL,
    COLUMNS,
    CORONAL,
    ROWS,
    SAGITTAL,
    SPACING,
    START,
    Writer,
    normal,
    oblique,
    picture,
    pixels,
)

MAX_ERROR_MM = 0.001  # bar 21


def series_in(folder: Path) -> list[Series]:
    result = scan_all(folder)
    assert not result.skipped
    return list(result.series)


def codes(series: Series, level: str = "") -> set[str]:
    return {w.code for w in series.warnings if not level or w.level == level}


def place_error(series: Series, writer: Writer) -> float:
    """Load a series; largest distance of any corner voxel from its true place, mm. Checks the voxels on the way."""
    volume = open_series(series).load()
    geometry = volume.geometry
    worst = 0.0
    for t in range(volume.time_points):
        for k in range(geometry.shape[0]):
            if not volume.is_present(k, t):
                continue
            stored = volume.at_time(t)[k]
            truth = writer.truth[int(stored[0, 0])]
            np.testing.assert_array_equal(stored, pixels(truth.number, stored.shape))
            for j in (0, stored.shape[0] - 1):
                for i in (0, stored.shape[1] - 1):
                    worst = max(worst, float(np.linalg.norm(geometry.to_lps((k, j, i)) - truth.place(j, i))))
    return worst


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "serie é 数")


EVEN = np.arange(20) * 2.5

ONE_VOLUME = {
    # name: (distances along the normal, orientation, codes expected at level warning)
    "even": (EVEN, AXIAL, set()),
    "reversed": (-EVEN, AXIAL, set()),
    "coronal": (EVEN, CORONAL, set()),
    "sagittal": (EVEN, SAGITTAL, set()),
    "oblique": (EVEN, oblique(), set()),
    "flipped": (EVEN, (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0), set()),
    "left-handed rows": (EVEN, (0.0, 1.0, 0.0, 1.0, 0.0, 0.0), set()),
    "one slice missing": (np.delete(EVEN, 7), AXIAL, {"missing-slices"}),
    "three slices missing": (np.delete(EVEN, (3, 9, 10)), oblique(5), {"missing-slices"}),
    "2.5 then 5 mm": (np.cumsum([0.0] + [2.5] * 9 + [5.0] * 10), AXIAL, {"uneven-slices"}),
    "random gaps": (np.cumsum(np.random.default_rng(0).uniform(1, 4, 12)), oblique(7), {"uneven-slices"}),
    "two slices": (np.array([0.0, 4.0]), SAGITTAL, set()),
}


@pytest.mark.parametrize("case", ONE_VOLUME)
def test_every_voxel_is_where_it_was_acquired(case: str, writer: Writer) -> None:
    distances, orientation, expected = ONE_VOLUME[case]
    writer.stack(np.random.default_rng(1).permutation(distances), orientation)
    (series,) = series_in(writer.folder)
    assert series.shape == (len(distances), ROWS, COLUMNS)
    assert place_error(series, writer) <= MAX_ERROR_MM
    assert codes(series, "warning") == expected


def test_micro_ct(writer: Writer) -> None:
    writer.stack(np.arange(10) * 0.02, oblique(9), spacing=(0.01, 0.01))
    (series,) = series_in(writer.folder)
    assert series.shape == (10, ROWS, COLUMNS)
    assert place_error(series, writer) <= MAX_ERROR_MM


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL, oblique(11)])
def test_k_increases_along_row_times_column(orientation: tuple[float, ...], writer: Writer) -> None:
    writer.stack(EVEN[::-1], orientation)
    (series,) = series_in(writer.folder)
    assert series.geometry is not None
    np.testing.assert_allclose(series.geometry.affine[:3, 0], normal(orientation) * 2.5, atol=1e-6)


@pytest.mark.parametrize("angle", [15.0, -18.5, 30.0])
def test_gantry_tilt_is_sheared_and_named(angle: float, writer: Writer) -> None:
    """The table moves along z while the slices lean by the tilt: their distance along the normal is step x cos."""
    a = math.radians(angle)
    orientation = (1.0, 0.0, 0.0, 0.0, math.cos(a), -math.sin(a))
    for n in range(12):
        writer.add(np.asarray(START) + np.array([0.0, 0.0, 2.5 * n]), orientation, GantryDetectorTilt=0)
    (series,) = series_in(writer.folder)
    assert place_error(series, writer) <= MAX_ERROR_MM
    report = next(w for w in series.warnings if w.code == "gantry-tilt")
    assert f"{abs(angle):.1f} degrees" in report.problem  # from the vectors: the tag says 0
    assert series.geometry is not None
    assert series.geometry.is_sheared
    assert series.geometry.spacing_mm[0] == pytest.approx(2.5)


def test_gantry_tilt_with_a_missing_slice(writer: Writer) -> None:
    orientation = (1.0, 0.0, 0.0, 0.0, math.cos(0.3), -math.sin(0.3))
    for n in (0, 1, 2, 3, 5, 6, 7, 8):
        writer.add(np.asarray(START) + np.array([0.0, 0.0, 4.0 * n]), orientation)
    (series,) = series_in(writer.folder)
    assert place_error(series, writer) <= MAX_ERROR_MM
    assert codes(series, "warning") == {"gantry-tilt", "missing-slices"}


@pytest.mark.parametrize("jitter_mm", [0.02, 0.045])
def test_jitter_is_tolerated_and_told(jitter_mm: float, writer: Writer) -> None:
    noise = np.random.default_rng(4).uniform(-jitter_mm, jitter_mm, 20) / 2
    noise[[0, -1]] = 0
    writer.stack(EVEN + noise)
    (series,) = series_in(writer.folder)
    assert series.geometry is not None
    assert series.geometry.is_even
    assert place_error(series, writer) <= jitter_mm
    assert "slice-jitter" in codes(series, "info")
    assert not codes(series, "warning")


def test_duplicate_slice_is_dropped_and_told(writer: Writer) -> None:
    writer.stack(EVEN)
    writer.stack([EVEN[8]])
    (series,) = series_in(writer.folder)
    assert series.shape == (20, ROWS, COLUMNS)
    assert place_error(series, writer) <= MAX_ERROR_MM
    assert codes(series, "warning") == {"duplicate-slices"}
    assert len(series.files) == 20


def test_copied_files_are_used_once(writer: Writer) -> None:
    writer.stack(EVEN[:4])
    for path in list(writer.folder.iterdir()):
        (writer.folder / f"copy of {path.name}").write_bytes(path.read_bytes())
    (series,) = series_in(writer.folder)
    assert series.shape == (4, ROWS, COLUMNS)
    assert "duplicate-files" in codes(series)
    assert "duplicate-slices" not in codes(series)


def test_one_uid_for_all_files_is_no_proof_of_copies(writer: Writer) -> None:
    writer.stack(EVEN[:4], SOPInstanceUID="1.2.3")
    (series,) = series_in(writer.folder)
    assert series.shape == (4, ROWS, COLUMNS)


def test_localiser_is_split_off(writer: Writer) -> None:
    writer.stack(EVEN)
    writer.add((-50.0, 0.0, 90.0), CORONAL, size=(9, 5))
    big, scout = sorted(series_in(writer.folder), key=lambda s: -s.frames)
    assert (big.shape, scout.shape) == ((20, ROWS, COLUMNS), (1, 9, 5))
    assert place_error(big, writer) <= MAX_ERROR_MM
    assert place_error(scout, writer) <= MAX_ERROR_MM
    assert "split-series" in codes(big) & codes(scout)
    assert big.id != scout.id


def test_three_orientations_of_one_size(writer: Writer) -> None:
    for orientation in (AXIAL, CORONAL, SAGITTAL):
        writer.stack(EVEN[:5], orientation)
    found = series_in(writer.folder)
    assert [s.shape for s in found] == [(5, ROWS, COLUMNS)] * 3
    assert max(place_error(s, writer) for s in found) <= MAX_ERROR_MM
    assert len({s.id for s in found}) == 3


def test_two_stacks_far_apart_are_split(writer: Writer) -> None:
    writer.stack(EVEN[:8])
    writer.stack(EVEN[:8] + 200)
    found = series_in(writer.folder)
    assert [s.frames for s in found] == [8, 8]
    assert max(place_error(s, writer) for s in found) <= MAX_ERROR_MM
    assert all("split-series" in codes(s) for s in found)


def test_two_stacks_side_by_side_are_split(writer: Writer) -> None:
    writer.stack(EVEN[:8])
    writer.stack(EVEN[:8] + 1.0, start=(80.0, 30.0, 40.0))
    found = series_in(writer.folder)
    assert [s.frames for s in found] == [8, 8]
    assert max(place_error(s, writer) for s in found) <= MAX_ERROR_MM


def test_two_stacks_at_the_same_distances_side_by_side(writer: Writer) -> None:
    writer.stack(EVEN[:8], CORONAL)
    writer.stack(EVEN[:8], CORONAL, start=(80.0, 30.0, 40.0))
    found = series_in(writer.folder)
    assert [s.frames for s in found] == [8, 8]
    assert max(place_error(s, writer) for s in found) <= MAX_ERROR_MM


def test_overlapping_acquisitions_are_split(writer: Writer) -> None:
    writer.stack(np.arange(12) * 5.0, AcquisitionNumber=1)
    writer.stack(41.3 + np.arange(12) * 5.0, AcquisitionNumber=2)
    found = series_in(writer.folder)
    assert [s.frames for s in found] == [12, 12]
    assert max(place_error(s, writer) for s in found) <= MAX_ERROR_MM
    assert all("split-series" in codes(s) and not s.geometry.knots for s in found if s.geometry)


def test_interleaved_acquisitions_are_one_volume(writer: Writer) -> None:
    writer.stack(np.arange(0, 12, 2) * 5.0, AcquisitionNumber=1)
    writer.stack(np.arange(1, 12, 2) * 5.0, AcquisitionNumber=2)
    (series,) = series_in(writer.folder)
    assert series.shape == (12, ROWS, COLUMNS)
    assert not codes(series, "warning")


TIMES = {
    "temporal position": [{"TemporalPositionIdentifier": n + 1} for n in range(3)],
    "trigger time": [{"TriggerTime": 40.0 * n} for n in range(3)],
    "echo time": [{"EchoTime": 5.0 + 5 * n} for n in range(3)],
    "b-value": [{"DiffusionBValue": 500.0 * n} for n in range(3)],
    "acquisition": [{"AcquisitionNumber": n + 1} for n in range(3)],
    "instance number": [{} for _ in range(3)],
}


@pytest.mark.parametrize("by", TIMES)
def test_pictures_of_one_place_become_time_points(by: str, writer: Writer) -> None:
    for tags in reversed(TIMES[by]):
        writer.stack(EVEN[:5], oblique(2), SOPClassUID=MRImageStorage, Modality="MR", **tags)
    (series,) = series_in(writer.folder)
    assert (series.shape, series.time_points, series.frames) == ((5, ROWS, COLUMNS), 3, 15)
    assert place_error(series, writer) <= MAX_ERROR_MM
    report = next(w for w in series.warnings if w.code == "time-points")
    assert by in report.problem
    volume = open_series(series).load()
    first = volume.stored[:, 0, 0, 0]  # files 1-5 were written last in time, unless only their number counts
    expected = sorted(first) if by == "instance number" else sorted(first, reverse=True)
    np.testing.assert_array_equal(first, expected)


def test_time_and_echo_together(writer: Writer) -> None:
    for time in (1, 2):
        for echo in (3.0, 6.0, 9.0):
            writer.stack(EVEN[:4], Modality="MR", TemporalPositionIdentifier=time, EchoTime=echo)
    (series,) = series_in(writer.folder)
    assert (series.time_points, series.frames) == (6, 24)
    assert place_error(series, writer) <= MAX_ERROR_MM


def test_missing_cells_of_a_dynamic_series(writer: Writer) -> None:
    for t in range(3):
        writer.stack([d for n, d in enumerate(EVEN[:5]) if (t, n) != (1, 2)], TemporalPositionIdentifier=t + 1)
    (series,) = series_in(writer.folder)
    assert series.time_points == 3
    assert "missing-cells" in codes(series, "warning")
    volume = open_series(series).load()
    assert volume.present is not None
    assert np.argwhere(~volume.present).tolist() == [[1, 2]]
    assert place_error(series, writer) <= MAX_ERROR_MM


def test_trigger_times_that_differ_from_slice_to_slice(writer: Writer) -> None:
    for n, distance in enumerate(EVEN[:4]):
        for phase in range(5):
            writer.stack([distance], TriggerTime=phase * (30.0 + n) + 3 * n)
    (series,) = series_in(writer.folder)
    assert (series.time_points, series.frames) == (5, 20)
    stored = open_series(series).load().stored
    assert (np.diff(stored[:, :, 0, 0].astype(int), axis=0) == 1).all()


def test_magnitude_and_phase_are_two_series(writer: Writer) -> None:
    for kind in ("M", "P"):
        writer.stack(EVEN[:4], ImageType=["ORIGINAL", "PRIMARY", kind])
    found = series_in(writer.folder)
    assert [s.frames for s in found] == [4, 4]
    assert all("split-series" in codes(s) for s in found)


def test_blank_uids_are_grouped_by_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Writer(tmp_path / name, SeriesInstanceUID="", SOPInstanceUID="", StudyInstanceUID="").stack(EVEN[:4])
    found = series_in(tmp_path)
    assert [s.frames for s in found] == [4, 4]
    assert all("no-series-uid" in codes(s) for s in found)


def test_series_over_several_folders(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a")
    writer.stack(EVEN[:4])
    writer.folder = tmp_path / "b"
    writer.folder.mkdir()
    writer.stack(EVEN[4:8])
    (series,) = series_in(tmp_path)
    assert series.shape == (8, ROWS, COLUMNS)


def test_ids_are_stable(writer: Writer) -> None:
    writer.stack(EVEN[:4])
    writer.add((-50.0, 0.0, 90.0), CORONAL)
    assert [s.id for s in series_in(writer.folder)] == [s.id for s in series_in(writer.folder)]


# values

def test_rescale_per_slice(writer: Writer) -> None:
    for n, distance in enumerate(EVEN[:5]):
        writer.stack([distance], Modality="PT", Units="BQML", RescaleSlope=0.5 + n)
    (series,) = series_in(writer.folder)
    volume = open_series(series).load()
    np.testing.assert_allclose(volume.rescale.slope, [0.5, 1.5, 2.5, 3.5, 4.5])
    np.testing.assert_allclose(volume.slice_values(3), pixels(4) * 3.5)
    assert volume.unit == "Bq/ml"
    assert volume.stored.dtype == np.int16


@pytest.mark.parametrize(("tags", "unit"), [
    ({}, "HU"), ({"RescaleType": "HU"}, "HU"), ({"RescaleType": "US"}, "HU"), ({"RescaleType": "MGML"}, "MGML"),
    ({"Modality": "PT", "Units": "GML"}, "SUVbw"), ({"Modality": "PT", "Units": "GML", "SUVType": "LBM"}, "SUVlbm"),
    ({"Modality": "PT", "Units": "CNTS"}, "counts"), ({"Modality": "MR", "RescaleType": "normalized"}, ""),
])
def test_unit(tags: dict[str, str], unit: str, writer: Writer) -> None:
    writer.stack(EVEN[:2], **tags)
    (series,) = series_in(writer.folder)
    assert series.unit == unit


@pytest.mark.parametrize(("stored", "signed", "expected"), [
    (63536, 1, -2000), (-2000 & 0xFFFF, 1, -2000), (63536, 0, 63536), (0, 0, 0), (2000, 1, 2000)])
def test_padding_is_read_in_the_sign_of_the_pixels(stored: int, signed: int, expected: int, writer: Writer) -> None:
    ds = writer.add(START, PixelRepresentation=signed)
    ds.add_new(0x00280120, "US", stored)
    ds.save_as(next(writer.folder.iterdir()), enforce_file_format=True)
    volume = read(writer.folder)
    assert volume.padding == (expected, expected)


def test_padding_range(writer: Writer) -> None:
    writer.stack(EVEN[:3], PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1500)
    assert read(writer.folder).padding == (-2000, -1500)


def test_windows_and_inversion(writer: Writer) -> None:
    writer.stack(EVEN[:3], WindowCenter=[40, -600], WindowWidth=[400, 1500], PhotometricInterpretation="MONOCHROME1",
                 WindowCenterWidthExplanation=["SOFT", "LUNG"])
    volume = read(writer.folder)
    assert [(w.centre, w.width, w.name) for w in volume.windows] == [(40, 400, "SOFT"), (-600, 1500, "LUNG")]
    assert volume.inverted


def test_voi_lut(writer: Writer) -> None:
    item = Dataset()
    item.add_new(0x00283002, "SS", [4, -10, 8])
    item.add_new(0x00283006, "US", [0, 51, 102, 255])
    writer.stack(EVEN[:2], VOILUTSequence=Sequence([item]))
    lut = read(writer.folder).voi_lut
    assert lut is not None
    assert lut.first == -10
    np.testing.assert_allclose(lut.entries, [0, 0.2, 0.4, 1], atol=1e-6)


def test_slices_of_different_types_keep_their_values(writer: Writer) -> None:
    writer.stack(EVEN[:2])
    ds = writer.add(np.asarray(START) + (0, 0, 5.0), PixelRepresentation=0)
    assert ds.PixelRepresentation == 0
    (series,) = series_in(writer.folder)
    assert "mixed-types" in codes(series)
    assert place_error(series, writer) <= MAX_ERROR_MM
    assert read(writer.folder).stored.dtype == np.int32


# places that are missing

def test_pictures_without_position_stand_alone(writer: Writer) -> None:
    for _ in range(3):
        writer.add(None, Modality="CR")
    found = series_in(writer.folder)
    assert [s.shape for s in found] == [(1, ROWS, COLUMNS)] * 3
    volume = open_series(found[0]).load()
    assert volume.geometry.spacing_mm[1:] == pytest.approx(SPACING)
    assert volume.calibrated
    assert not volume.oriented


@pytest.mark.parametrize(("tags", "spacing", "calibrated", "code"), [
    ({}, (1.0, 1.0), False, "no-pixel-spacing"),
    ({"ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2), True, "detector-spacing"),
    ({"NominalScannedPixelSpacing": [0.3, 0.4]}, (0.3, 0.4), True, "non-square-pixels"),
    ({"PixelAspectRatio": [2, 1]}, (2.0, 1.0), False, "pixel-aspect"),
])
def test_pixel_size_from_elsewhere(tags: dict[str, list[float]], spacing: tuple[float, float], calibrated: bool,
                                   code: str, writer: Writer) -> None:
    writer.add(None, spacing=None, Modality="CR", **tags)
    (series,) = series_in(writer.folder)
    volume = open_series(series).load()
    assert volume.geometry.spacing_mm[1:] == pytest.approx(spacing)
    assert volume.calibrated is calibrated
    assert code in codes(series)


# multi-frame

def enhanced(frames: list[tuple[np.ndarray, int]], **tags: object) -> Dataset:
    """Make an enhanced MR of frames (position, temporal index); per-frame slope is its number."""
    ds = picture(1)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    ds.Modality, ds.SeriesInstanceUID, ds.NumberOfFrames = "MR", "1.2.3.4", len(frames)
    del ds.RescaleSlope, ds.RescaleIntercept
    ds.PixelData = b"".join(pixels(n + 1).tobytes() for n in range(len(frames)))
    ds.SharedFunctionalGroupsSequence = Sequence([_item(
        PixelMeasuresSequence=_item(PixelSpacing=list(SPACING), SliceThickness=3.0),
        PlaneOrientationSequence=_item(ImageOrientationPatient=list(CORONAL)))])
    ds.PerFrameFunctionalGroupsSequence = Sequence([_item(
        PlanePositionSequence=_item(ImagePositionPatient=[float(v) for v in position]),
        PixelValueTransformationSequence=_item(RescaleSlope=n + 1, RescaleIntercept=-5, RescaleType="US"),
        FrameVOILUTSequence=_item(WindowCenter=100 + n, WindowWidth=200),
        FrameContentSequence=_item(TemporalPositionIndex=time)) for n, (position, time) in enumerate(frames)])
    for key, value in tags.items():
        setattr(ds, key, value)
    return ds


def _item(**values: object) -> Dataset:
    item = Dataset()
    for key, value in values.items():
        setattr(item, key, Sequence([value]) if isinstance(value, Dataset) else value)
    return item


def test_enhanced_frames_are_placed_by_their_groups(tmp_path: Path) -> None:
    step = normal(CORONAL) * 3.5
    order = [3, 0, 4, 1, 2]  # stored out of order
    enhanced([(np.asarray(START) + step * k, 1) for k in order]).save_as(tmp_path / "e.dcm", enforce_file_format=True)
    (series,) = series_in(tmp_path)
    volume = open_series(series).load()
    assert volume.stored[:, 0, 0].tolist() == [order.index(k) + 1 for k in range(5)]
    for k in range(5):
        np.testing.assert_allclose(volume.geometry.to_lps((k, 0, 0)), np.asarray(START) + step * k, atol=1e-6)
        np.testing.assert_allclose(volume.slice_values(k), pixels(order.index(k) + 1) * (order.index(k) + 1.0) - 5)
    assert volume.windows[0].centre == 100 + order.index(2)  # the frame in the middle


def test_enhanced_time_points(tmp_path: Path) -> None:
    step = normal(CORONAL) * 3.5
    frames = [(np.asarray(START) + step * k, t) for t in (2, 1) for k in range(3)]
    enhanced(frames).save_as(tmp_path / "e.dcm", enforce_file_format=True)
    (series,) = series_in(tmp_path)
    volume = open_series(series).load()
    assert volume.stored[:, :, 0, 0].tolist() == [[4, 5, 6], [1, 2, 3]]
    np.testing.assert_allclose(volume.rescale.slope, [[4, 5, 6], [1, 2, 3]])


def test_parametric_map_has_real_world_values(tmp_path: Path) -> None:
    step = normal(CORONAL) * 3.5
    ds = enhanced([(np.asarray(START) + step * k, 1) for k in range(3)])
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = ParametricMapStorage
    for item in ds.PerFrameFunctionalGroupsSequence:
        del item.PixelValueTransformationSequence
    ds.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = Sequence([_item(
        RealWorldValueSlope=0.5, RealWorldValueIntercept=2.0,
        MeasurementUnitsCodeSequence=_item(CodeValue="um2/s", CodingSchemeDesignator="UCUM"))])
    ds.save_as(tmp_path / "map.dcm", enforce_file_format=True)
    (series,) = series_in(tmp_path)
    volume = read(tmp_path)
    assert (series.kind, series.unit, volume.unit) == ("parametric", "um2/s", "um2/s")
    np.testing.assert_allclose(volume.slice_values(1), pixels(2) * 0.5 + 2.0)


def test_absurd_positions_are_left_out_with_a_reason(writer: Writer) -> None:
    writer.stack(EVEN[:3])
    other = Writer(writer.folder)
    other.truth.update({n: writer.truth[1] for n in range(50, 60)})
    other.add(START, spacing=(1.1e-6, 1.1e-6), SliceThickness=0.01)  # the affine cannot be inverted
    result = scan_all(writer.folder)
    assert [s.frames for s in result.series] == [3]
    assert len(result.skipped) == 1


def test_frames_without_groups_are_time_points(tmp_path: Path) -> None:
    ds = enhanced([(np.zeros(3), 1)] * 4, FrameTime=40.0)
    del ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence
    ds.save_as(tmp_path / "cine.dcm", enforce_file_format=True)
    (series,) = series_in(tmp_path)
    volume = open_series(series).load()
    assert volume.stored.shape == (4, 1, ROWS, COLUMNS)
    assert volume.frame_time_ms == 40.0
    assert "no-position" in codes(series)


@pytest.mark.parametrize("step", [3.0, -3.0])
def test_nuclear_slices_stack_by_the_sign_of_their_spacing(step: float, tmp_path: Path) -> None:
    """PS3.3 C.8.4.15: positive = behind the first slice, along row x column; negative = in front of it."""
    ds = enhanced([(np.zeros(3), 1)] * 4)
    del ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = NuclearMedicineImageStorage
    ds.Modality, ds.SpacingBetweenSlices, ds.PixelSpacing = "NM", step, list(SPACING)
    ds.SliceVector = [1, 2, 3, 4]
    ds.DetectorInformationSequence = Sequence([_item(ImagePositionPatient=list(START),
                                                     ImageOrientationPatient=list(CORONAL))])
    ds.save_as(tmp_path / "nm.dcm", enforce_file_format=True)
    volume = read(tmp_path)
    assert volume.stored.shape == (4, ROWS, COLUMNS)
    for k in range(4):
        n = int(volume.stored[k, 0, 0]) - 1
        np.testing.assert_allclose(volume.geometry.to_lps((k, 0, 0)), np.asarray(START) + normal(CORONAL) * step * n,
                                   atol=1e-6)


# loading

def test_slices_near_the_first_come_first(writer: Writer) -> None:
    writer.stack(np.arange(40) * 2.0)
    (series,) = series_in(writer.folder)
    loading = open_series(series)
    came: list[tuple[int, int]] = []
    loading.load(first=30, on_slice=lambda t, k: came.append((t, k)))
    assert sorted(came) == [(0, k) for k in range(40)]
    assert np.mean([abs(k - 30) for _, k in came[:10]]) < np.mean([abs(k - 30) for _, k in came[-10:]])
    assert loading.complete


def test_one_slice_at_once(writer: Writer) -> None:
    writer.stack(EVEN)
    (series,) = series_in(writer.folder)
    loading = open_series(series)
    loading.load_slice(7)
    assert loading.ready.sum() == 1
    assert loading.volume.stored[7, 0, 0] != 0
    assert (loading.volume.stored[8] == 0).all()


def test_cancel_stops_loading(writer: Writer) -> None:
    from medviewer.core.errors import Cancelled

    writer.stack(np.arange(60) * 2.0)
    (series,) = series_in(writer.folder)
    job = Job()
    loading = open_series(series)
    with pytest.raises(Cancelled):
        loading.load(job, on_slice=lambda t, k: job.cancel())
    assert not loading.complete


def test_unreadable_slice_is_left_empty_and_told(writer: Writer) -> None:
    writer.stack(EVEN)
    (series,) = series_in(writer.folder)
    loading = open_series(series)
    series.files[5].unlink()
    volume: Volume = loading.load()
    assert [w.code for w in loading.warnings] == ["unreadable-slices"]
    assert volume.present is not None
    assert np.flatnonzero(~volume.present).size == 1
    assert place_error(series, writer) <= MAX_ERROR_MM


def test_nothing_readable_is_an_error(writer: Writer) -> None:
    writer.stack(EVEN[:3])
    (series,) = series_in(writer.folder)
    loading = open_series(series)
    for path in series.files:
        path.unlink()
    with pytest.raises(ReadError):
        loading.load()


def test_truncated_file_is_told_at_once(writer: Writer) -> None:
    writer.stack(EVEN[:3])
    path = sorted(writer.folder.iterdir())[1]
    path.write_bytes(path.read_bytes()[:-40])
    (series,) = series_in(writer.folder)
    assert "truncated" in codes(series, "error")
    volume = open_series(series).load()
    k = series.files.index(path)
    whole = pixels(int(volume.stored[k, 0, 0]))
    np.testing.assert_array_equal(volume.stored[k].ravel()[:-20], whole.ravel()[:-20])


def test_absurd_size_is_refused_with_numbers(writer: Writer) -> None:
    for n in range(30):
        writer.add(np.asarray(START) + (0, 0, n * 2.0), Rows=3000, Columns=3000)
    result = scan_all(writer.folder)
    if not result.series:
        assert all("truncated" in s.reason or "bytes" in s.reason or "pixels" in s.reason for s in result.skipped)
        return
    with pytest.raises(ReadError, match=r"\d"):
        open_series(result.series[0])
