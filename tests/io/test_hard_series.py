"""Hard series made here: split, time axis and the place of every voxel (RELIABILITY bar 21: within 0.001 mm)."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from pydicom.sequence import Sequence
from pydicom.uid import (
    EnhancedCTImageStorage,
    EnhancedPETImageStorage,
    MRImageStorage,
    NuclearMedicineImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundMultiFrameImageStorage,
    XRayAngiographicImageStorage,
    generate_uid,
)

from medviewer.core.study import Series
from medviewer.io.access import open_series, scan_all
from tests.io.multiframe_files import enhanced, first_pixels, frame, item, multiframe, save
from tests.io.series_files import AXIAL, COLUMNS, CORONAL, ROWS, SAGITTAL, SPACING, START, Writer, normal, oblique
from tests.io.test_stacks import MAX_ERROR_MM, codes, place_error, series_in

EVEN = np.arange(10) * 2.5
BASE = np.asarray(START)


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "series")


def numbers(series: Series) -> list:
    """Numbers of the pictures, (T, K) or (K,)."""
    return first_pixels(open_series(series).load().stored)


# places

PLACES = {
    "head first supine": ("HFS", AXIAL), "feet first supine": ("FFS", (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)),
    "head first prone": ("HFP", (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)),
    "feet first prone": ("FFP", (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)),
    "decubitus": ("HFDR", (0.0, 1.0, 0.0, -1.0, 0.0, 0.0)), "sagittal": ("HFS", SAGITTAL), "coronal": ("HFS", CORONAL),
    "double oblique": ("FFS", oblique(21)),
}


@pytest.mark.parametrize("case", PLACES)
def test_only_the_vectors_place_slices(case: str, writer: Writer) -> None:
    patient_position, orientation = PLACES[case]
    writer.stack(np.random.default_rng(3).permutation(-EVEN), orientation, PatientPosition=patient_position,
                 SliceThickness=9, SpacingBetweenSlices=-7, SliceLocation=3)
    (series,) = series_in(writer.folder)
    assert series.shape == (10, ROWS, COLUMNS)
    assert place_error(series, writer) <= MAX_ERROR_MM
    assert not codes(series, "warning")


@pytest.mark.parametrize(("angle", "turn"), list(itertools.product([20.0, -20.0], [1.0, -1.0])))
def test_tilt_of_both_signs_supine_and_prone(angle: float, turn: float, writer: Writer) -> None:
    a = math.radians(angle)
    orientation = (turn, 0.0, 0.0, 0.0, turn * math.cos(a), -turn * math.sin(a))
    for n in (3, 1, 0, 2, 5, 4):
        writer.add(BASE + (0.0, 0.0, 3.0 * n), orientation, PatientPosition="HFS" if turn > 0 else "HFP")
    (series,) = series_in(writer.folder)
    assert place_error(series, writer) <= MAX_ERROR_MM
    assert codes(series, "warning") == {"gantry-tilt"}


def test_table_that_moves_sideways(writer: Writer) -> None:
    writer.stack(EVEN, shear=(0.13, -0.04, 0.0))
    (series,) = series_in(writer.folder)
    assert place_error(series, writer) <= MAX_ERROR_MM
    assert codes(series, "warning") == {"gantry-tilt"}


@pytest.mark.parametrize("decimals", [2, 3])
def test_rounded_positions(decimals: int, writer: Writer) -> None:
    step = 1 / 3 if decimals == 3 else 1.0
    direction = normal(oblique(4))
    for n in range(30):
        writer.add(np.round(BASE + direction * step * n, decimals), oblique(4))
    (series,) = series_in(writer.folder)
    assert series.geometry is not None
    assert series.geometry.is_even
    assert place_error(series, writer) <= 1.5 * 10.0 ** -decimals
    assert not codes(series, "warning")


def test_orientation_that_differs_in_the_fourth_decimal(writer: Writer) -> None:
    for n in range(8):
        writer.add(BASE + (0.0, 0.0, 2.0 * n), (1.0, 0.0, 0.0, 0.0, 1.0, 2e-4 * (n % 2)))
    (series,) = series_in(writer.folder)
    assert series.frames == 8
    assert place_error(series, writer) <= 1e-3 * SPACING[0] * ROWS
    assert "odd-orientation" in codes(series)


def test_positions_far_away(writer: Writer) -> None:
    writer.stack(EVEN, oblique(8), start=(1e5, -9e4, 1.2e5))
    (series,) = series_in(writer.folder)
    assert series.shape == (10, ROWS, COLUMNS)
    assert place_error(series, writer) <= MAX_ERROR_MM


def test_without_frame_of_reference(writer: Writer) -> None:
    writer.stack(EVEN, FrameOfReferenceUID=None)
    (series,) = series_in(writer.folder)
    assert series.frame_of_reference_uid == ""
    assert place_error(series, writer) <= MAX_ERROR_MM


def test_mixed_thickness(writer: Writer) -> None:
    for distance, thick in [(2.5 * n, 2.5) for n in range(6)] + [(12.5 + 5.0 * n, 5.0) for n in range(1, 6)]:
        writer.stack([distance], SliceThickness=thick)
    (series,) = series_in(writer.folder)
    assert place_error(series, writer) <= MAX_ERROR_MM
    assert codes(series, "warning") == {"uneven-slices"}


# splits

def test_one_series_uid_in_two_studies(tmp_path: Path) -> None:
    for n in range(2):
        writer = Writer(tmp_path / str(n), SeriesInstanceUID="1.2.3")
        writer.stack(EVEN[:4] + 1.25 * n)
    found = series_in(tmp_path)
    assert [s.frames for s in found] == [4, 4]
    assert len({s.study.uid for s in found}) == len({s.id for s in found}) == 2


@pytest.mark.parametrize("tags", [{"PatientID": "A"}, {"PatientID": "", "PatientName": "Somebody^Else"}])
def test_one_series_uid_for_two_patients(tags: dict[str, str], tmp_path: Path) -> None:
    for n, more in enumerate([{"PatientID": tags["PatientID"] and "B"}, tags]):
        Writer(tmp_path / str(n), SeriesInstanceUID="1.2.3", StudyInstanceUID="1.2", **more).stack(EVEN[:4])
    found = series_in(tmp_path)
    assert [s.frames for s in found] == [4, 4]
    assert len({(s.patient.id, s.patient.name) for s in found}) == 2


def test_a_study_uid_for_every_file(writer: Writer) -> None:
    for distance in EVEN:
        writer.stack([distance], StudyInstanceUID=generate_uid())
    (series,) = series_in(writer.folder)
    assert series.frames == 10
    assert "study-uid-differs" in codes(series)


def test_two_sizes_in_one_series(writer: Writer) -> None:
    writer.stack(EVEN)
    writer.stack(EVEN, size=(5, 9))
    found = series_in(writer.folder)
    assert sorted(s.shape for s in found if s.shape) == [(10, 5, 9), (10, ROWS, COLUMNS)]
    assert max(place_error(s, writer) for s in found) <= MAX_ERROR_MM


@pytest.mark.parametrize("tags", [
    [{"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}], [{"ConvolutionKernel": "B30"}, {"ConvolutionKernel": "B60"}],
    [{"SliceThickness": 5}, {"SliceThickness": 1}]])
def test_interleaved_reconstructions_are_split(tags: list[dict[str, object]], writer: Writer) -> None:
    """Two even sets of slices between each other, which together are not even."""
    for n, more in enumerate(tags):
        writer.stack(EVEN + 0.8 * n, **more)
    found = series_in(writer.folder)
    assert [s.frames for s in found] == [10, 10]
    assert all("split-series" in codes(s) and s.geometry and s.geometry.is_even for s in found)
    assert max(place_error(s, writer) for s in found) <= MAX_ERROR_MM


def test_pixel_size_on_the_edge_of_rounding(writer: Writer) -> None:
    for n, distance in enumerate(EVEN):
        writer.stack([distance], PixelSpacing=[0.703125 + 1e-7 * (n % 2)] * 2, spacing=(0.703125, 0.703125))
    (series,) = series_in(writer.folder)
    assert series.frames == 10
    assert place_error(series, writer) <= MAX_ERROR_MM


def test_mosaic_is_named(writer: Writer) -> None:
    writer.stack(EVEN[:2], ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"])
    assert "mosaic" in codes(series_in(writer.folder)[0], "warning")


def test_two_kernels_at_the_same_places(writer: Writer) -> None:
    for kernel in ("B30f", "B60f"):
        writer.stack(EVEN, ConvolutionKernel=kernel)
    found = series_in(writer.folder)
    assert [s.frames for s in found] == [10, 10]
    assert {s.description for s in found} == {"(B30f)", "(B60f)"}


def test_localiser_of_one_size_inside(writer: Writer) -> None:
    writer.add(BASE + (0, -40.0, 90.0), CORONAL, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    writer.stack(EVEN)
    found = sorted(series_in(writer.folder), key=lambda s: s.frames)
    assert [s.frames for s in found] == [1, 10]
    assert max(place_error(s, writer) for s in found) <= MAX_ERROR_MM
    assert not codes(found[1], "warning") - {"split-series"}


# time

def test_dynamic_pet(writer: Writer) -> None:
    """Frame reference time, ms; frames of different length, so acquisition times are uneven."""
    starts = [0, 10, 30, 90]
    for t in (2, 0, 3, 1):
        for n, distance in enumerate(EVEN[:5]):
            writer.stack([distance], Modality="PT", SOPClassUID=PositronEmissionTomographyImageStorage, Units="BQML",
                         NumberOfTimeSlices=4, NumberOfSlices=5, FrameReferenceTime=1000.0 * starts[t] + 5,
                         ImageIndex=t * 5 + n + 1, RescaleSlope=1.0 + t)
    (series,) = series_in(writer.folder)
    assert (series.shape, series.time_points) == ((5, ROWS, COLUMNS), 4)
    volume = open_series(series).load()
    assert volume.stored[:, 0, 0, 0].tolist() == [6, 16, 1, 11]
    np.testing.assert_allclose(volume.rescale.slope, np.repeat([[1.0], [2.0], [3.0], [4.0]], 5, axis=1))
    assert place_error(series, writer) <= MAX_ERROR_MM


def test_dynamic_pet_with_acquisition_times_alone(writer: Writer) -> None:
    for time in ("101010.5", "101500", "100000"):
        writer.stack(EVEN[:5], Modality="PT", AcquisitionTime=time, NumberOfTimeSlices=3)
    (series,) = series_in(writer.folder)
    assert np.asarray(numbers(series))[:, 0].tolist() == [11, 1, 6]


def test_dynamic_ct_that_shuttles(writer: Writer) -> None:
    """Each slice has its own acquisition time; the order within a slice counts."""
    for t in range(4):
        for n, distance in enumerate(EVEN[:5]):
            writer.stack([distance], AcquisitionTime=f"1000{10 * t + (n if t % 2 else 4 - n):02d}")
    (series,) = series_in(writer.folder)
    assert np.asarray(numbers(series))[:, 2].tolist() == [3, 8, 13, 18]


def test_last_volume_broke_off(writer: Writer) -> None:
    """Six acquisitions of five slices; of the last only one slice was written."""
    for t in range(6):
        writer.stack(EVEN[:5] if t < 5 else EVEN[:1], AcquisitionNumber=t + 1)
    (series,) = series_in(writer.folder)
    assert (series.time_points, series.frames) == (6, 26)
    volume = open_series(series).load()
    assert volume.present is not None
    assert volume.present.sum(axis=1).tolist() == [5, 5, 5, 5, 5, 1]
    assert place_error(series, writer) <= MAX_ERROR_MM


def test_diffusion(writer: Writer) -> None:
    """b = 0 once, two directions at b = 500 and 1000."""
    directions = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    kinds = [(1000.0, directions[1]), (500.0, directions[0]), (0.0, None), (1000.0, directions[0]),
             (500.0, directions[1])]
    for b, direction in kinds:
        writer.stack(EVEN[:4], Modality="MR", SOPClassUID=MRImageStorage, DiffusionBValue=b,
                     DiffusionGradientOrientation=direction)
    (series,) = series_in(writer.folder)
    assert series.time_points == 5
    assert np.asarray(numbers(series))[:, 0].tolist() == [9, 17, 5, 1, 13]
    assert "b-value" in next(w.problem for w in series.warnings if w.code == "time-points")


def test_dual_echo(writer: Writer) -> None:
    for distance in EVEN:
        for echo, time in ((1, 15.0), (2, 90.0)):
            writer.stack([distance], Modality="MR", EchoNumbers=echo, EchoTime=time)
    (series,) = series_in(writer.folder)
    assert (series.frames, series.time_points) == (20, 2)
    assert place_error(series, writer) <= MAX_ERROR_MM
    assert (np.asarray(numbers(series))[1] - np.asarray(numbers(series))[0] == 1).all()


def test_magnitude_and_phase_with_three_echoes(writer: Writer) -> None:
    for echo in (5.0, 10.0, 15.0):
        for kind in ("M", "P"):
            writer.stack(EVEN[:4], Modality="MR", EchoTime=echo, ImageType=["ORIGINAL", "PRIMARY", kind, "ND"])
    found = series_in(writer.folder)
    assert [(s.frames, s.time_points) for s in found] == [(12, 3), (12, 3)]
    assert all("split-series" in codes(s) for s in found)


def test_perfusion_by_trigger_time(writer: Writer) -> None:
    for t in range(6):
        for n, distance in enumerate(EVEN[:4]):
            writer.stack([distance], Modality="MR", TriggerTime=1500.0 * t + 370.0 * n)
    (series,) = series_in(writer.folder)
    volume = open_series(series).load()
    assert volume.time_points == 6
    assert volume.stored[:, 1, 0, 0].tolist() == [2, 6, 10, 14, 18, 22]
    assert volume.frame_time_ms == pytest.approx(1500.0)


@pytest.mark.parametrize("missing", [(), (7,), (0, 13, 22)])
def test_cine_by_instance_number_alone(missing: tuple[int, ...], writer: Writer) -> None:
    """Files numbered phase after phase at each place; a few are lost."""
    for n in range(5 * 6):
        if n not in missing:
            writer.stack([EVEN[n // 6]], Modality="MR", InstanceNumber=n + 1)
    (series,) = series_in(writer.folder)
    assert (series.time_points, series.frames) == (6, 30 - len(missing))
    volume = open_series(series).load()
    written = [n for n in range(30) if n not in missing]
    for number, n in enumerate(written, 1):
        assert volume.stored[n % 6, n // 6, 0, 0] == number
    assert ("missing-cells" in codes(series)) is bool(missing)


def test_volume_after_volume_by_instance_number_alone(writer: Writer) -> None:
    for n in range(5 * 6):
        if n != 11:
            writer.stack([EVEN[n % 5]], Modality="MR", InstanceNumber=n + 1)
    (series,) = series_in(writer.folder)
    volume = open_series(series).load()
    assert volume.time_points == 6
    assert volume.present is not None
    assert np.argwhere(~volume.present).tolist() == [[2, 1]]


# without a place

def test_projections_stand_alone(writer: Writer) -> None:
    for _ in range(2):
        writer.add(None, Modality="DX", spacing=None, ImagerPixelSpacing=[0.14, 0.14])
    found = series_in(writer.folder)
    assert [s.shape for s in found] == [(1, ROWS, COLUMNS)] * 2


def test_magnification_of_a_mammogram(writer: Writer) -> None:
    """IHE Mammography Image: sizes in the breast are those at the detector divided by the magnification."""
    writer.add(None, Modality="MG", spacing=None, ImagerPixelSpacing=[0.1, 0.1],
               EstimatedRadiographicMagnificationFactor=1.25)
    (series,) = series_in(writer.folder)
    assert series.geometry is not None
    assert series.geometry.spacing_mm[1:] == pytest.approx((0.08, 0.08))
    assert "magnification" in next(w.problem for w in series.warnings if w.code == "detector-spacing")


@pytest.mark.parametrize("placed", [True, False])
def test_colour_captures(placed: bool, writer: Writer) -> None:
    for n in (2, 0, 1):
        rgb = np.full((ROWS, COLUMNS, 3), 10 * n, np.uint8)
        rgb[0, 1] = (1, 2, 3)
        writer.add(BASE + (0, 0, 4.0 * n) if placed else None, SOPClassUID=SecondaryCaptureImageStorage, Modality="OT",
                   SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0, BitsAllocated=8,
                   BitsStored=8, HighBit=7, PixelRepresentation=0, PixelData=rgb.tobytes(), InstanceNumber=n + 1)
    (series,) = series_in(writer.folder)
    volume = open_series(series).load()
    assert volume.colour
    assert volume.stored.shape == ((3, ROWS, COLUMNS, 3) if placed else (3, 1, ROWS, COLUMNS, 3))
    assert volume.stored[..., 0, 0, 0].ravel().tolist() == [0, 10, 20]
    assert volume.stored[1][..., 0, 1, :].ravel().tolist() == [1, 2, 3]
    assert ("no-position" in codes(series)) is not placed


CINE = {"ultrasound": (UltrasoundMultiFrameImageStorage, "US"), "angiography": (XRayAngiographicImageStorage, "XA")}
RATES = [({"FrameTime": 40.0}, 40.0), ({"FrameTimeVector": [0.0, 33.0, 33.0, 34.0]}, 33.0), ({"CineRate": 25}, 40.0),
         ({"RecommendedDisplayFrameRate": 20}, 50.0), ({}, 0.0)]


@pytest.mark.parametrize("kind", CINE)
@pytest.mark.parametrize(("tags", "expected"), RATES)
def test_cine_runs(kind: str, tags: dict[str, object], expected: float, tmp_path: Path) -> None:
    sop_class, modality = CINE[kind]
    save(multiframe(4, sop_class=sop_class, Modality=modality, SeriesInstanceUID="1.5", **tags), tmp_path / "run.dcm")
    (series,) = series_in(tmp_path)
    volume = open_series(series).load()
    assert first_pixels(volume.stored[:, 0]) == [1, 2, 3, 4]
    assert volume.frame_time_ms == pytest.approx(expected)


# multi-frame

def _enhanced_places(series: Series, places: dict[int, np.ndarray]) -> None:
    volume = open_series(series).load()
    for t in range(volume.time_points):
        stored = volume.at_time(t)
        for k in range(len(stored)):
            if volume.is_present(k, t):
                place = places[int(stored[k, 0, 0])]
                np.testing.assert_allclose(volume.geometry.to_lps((k, 0, 0)), place, atol=MAX_ERROR_MM)


@pytest.mark.parametrize("sop_class", [EnhancedCTImageStorage, EnhancedPETImageStorage])
def test_stacks_of_an_enhanced_image(sop_class: str, tmp_path: Path) -> None:
    """Two stacks of another orientation and one beside the first, frames in no order."""
    rng = np.random.default_rng(1)
    stacks = {"1": (CORONAL, BASE), "2": (oblique(5), BASE + 5), "3": (CORONAL, BASE + (70.0, 0.0, 3.0))}
    places = [(name, k) for name in stacks for k in range(4)]
    order = [places[int(n)] for n in rng.permutation(len(places))]
    frames, truth = [], {}
    for number, (name, k) in enumerate(order, 1):
        orientation, start = stacks[name]
        truth[number] = start + normal(orientation) * 3.0 * k
        frames.append(frame(truth[number], orientation, content={"StackID": name, "InStackPositionNumber": k + 1}))
    save(enhanced(frames, sop_class=sop_class), tmp_path / "e.dcm")
    found = series_in(tmp_path)
    assert [s.frames for s in found] == [4, 4, 4]
    assert all("split-series" in codes(s) for s in found)
    for series in found:
        _enhanced_places(series, truth)


def test_magnitude_and_phase_in_one_enhanced_image(tmp_path: Path) -> None:
    frames = [frame(BASE + normal(AXIAL) * 2.0 * k, MRImageFrameTypeSequence=item(
        FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], ComplexImageComponent=kind))
        for k in range(4) for kind in ("MAGNITUDE", "PHASE")]
    save(enhanced(frames), tmp_path / "e.dcm")
    found = sorted(series_in(tmp_path), key=lambda s: s.description)
    assert [s.description for s in found] == ["(MAGNITUDE)", "(PHASE)"]
    assert [numbers(s) for s in found] == [[1, 3, 5, 7], [2, 4, 6, 8]]


def test_dimension_index_alone_tells_time_points(tmp_path: Path) -> None:
    """The second dimension points to a private element: only its index tells the frames apart."""
    frames = [frame(BASE + normal(AXIAL) * 2.0 * k, content={"DimensionIndexValues": [k + 1, t + 1]})
              for k in range(3) for t in (1, 0)]
    pointers = [item(DimensionIndexPointer=0x00200032, FunctionalGroupPointer=0x00209113),
                item(DimensionIndexPointer=0x00291010, DimensionIndexPrivateCreator="SOMEONE")]
    save(enhanced(frames, DimensionIndexSequence=Sequence(pointers)), tmp_path / "e.dcm")
    (series,) = series_in(tmp_path)
    assert numbers(series) == [[2, 4, 6], [1, 3, 5]]
    assert "dimension index" in next(w.problem for w in series.warnings if w.code == "time-points")


def test_concatenation(tmp_path: Path) -> None:
    """Three files of one enhanced image, two time points, cut where nobody would expect it."""
    plan = [(k, t) for t in range(2) for k in range(6)]
    parts = [plan[:5], plan[5:7], plan[7:]]
    truth, first = {}, 1
    for n, part in enumerate(parts):
        frames = [frame(BASE + normal(AXIAL) * 2.0 * k, content={"TemporalPositionIndex": t + 1}) for k, t in part]
        truth |= {first + m: BASE + normal(AXIAL) * 2.0 * k for m, (k, _) in enumerate(part)}
        made = enhanced(frames, first=first, ConcatenationUID="1.9", InConcatenationNumber=n + 1, InstanceNumber=1,
                        ConcatenationFrameOffsetNumber=first - 1, InConcatenationTotalNumber=3)
        save(made, tmp_path / f"{9 - n}.dcm")
        first += len(part)
    (series,) = series_in(tmp_path)
    assert numbers(series) == [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]
    assert len(series.files) == 3
    _enhanced_places(series, truth)


@pytest.mark.parametrize("vector", [True, False])
@pytest.mark.parametrize("step", [4.0, -4.0])
def test_nuclear_volume(vector: bool, step: float, tmp_path: Path) -> None:
    """PS3.3 C.8.4.15: a negative spacing stacks against row x column; slices without a vector follow each other."""
    ds = multiframe(5, sop_class=NuclearMedicineImageStorage, Modality="NM", SpacingBetweenSlices=step,
                    PixelSpacing=list(SPACING), SeriesInstanceUID="1.6",
                    DetectorInformationSequence=Sequence([item(ImagePositionPatient=[float(v) for v in BASE],
                                                               ImageOrientationPatient=list(CORONAL))]))
    ds.FrameIncrementPointer = 0x00540080
    if vector:
        ds.SliceVector = [2, 1, 3, 5, 4]
    save(ds, tmp_path / "nm.dcm")
    (series,) = series_in(tmp_path)
    slices = [2, 1, 3, 5, 4] if vector else [1, 2, 3, 4, 5]
    _enhanced_places(series, {n + 1: BASE + normal(CORONAL) * step * (s - 1) for n, s in enumerate(slices)})
    assert series.shape == (5, ROWS, COLUMNS)


def test_nuclear_volume_with_its_place_at_the_top(tmp_path: Path) -> None:
    """Not by the standard, but some programs write it so."""
    save(multiframe(4, sop_class=NuclearMedicineImageStorage, Modality="NM", SpacingBetweenSlices=3.0,
                    SeriesInstanceUID="1.6", PixelSpacing=list(SPACING), ImagePositionPatient=[float(v) for v in BASE],
                    SliceVector=[1, 2, 3, 4], ImageOrientationPatient=list(AXIAL)), tmp_path / "nm.dcm")
    (series,) = series_in(tmp_path)
    _enhanced_places(series, {n + 1: BASE + normal(AXIAL) * 3.0 * n for n in range(4)})
    assert series.time_points == 1


def test_gated_nuclear_volume(tmp_path: Path) -> None:
    ds = multiframe(6, sop_class=NuclearMedicineImageStorage, Modality="NM", SpacingBetweenSlices=4.0,
                    PixelSpacing=list(SPACING), SeriesInstanceUID="1.6", SliceVector=[1, 2, 3, 1, 2, 3],
                    TimeSlotVector=[2, 2, 2, 1, 1, 1],
                    DetectorInformationSequence=Sequence([item(ImagePositionPatient=[float(v) for v in BASE],
                                                               ImageOrientationPatient=list(AXIAL))]))
    save(ds, tmp_path / "nm.dcm")
    (series,) = series_in(tmp_path)
    assert numbers(series) == [[4, 5, 6], [1, 2, 3]]


def test_every_report_is_a_sentence(tmp_path: Path) -> None:
    """Also of files whose reports come from the header parser and the pixel reader."""
    writer = Writer(tmp_path / "a", StudyDate="tomorrow")
    writer.stack(EVEN)
    writer.stack([2.5, 60.0], PixelSpacing=[0.5, 0.5])
    path = writer.folder / "no-preamble.dcm"
    writer.add(BASE + (0, 0, 25.0), name=path.name)
    path.write_bytes(path.read_bytes()[132:])
    cut = sorted(writer.folder.iterdir())[2]
    cut.write_bytes(cut.read_bytes()[:-10])
    found = scan_all(tmp_path).series
    loadings = [open_series(s) for s in found]
    for loading in loadings:
        loading.load()
    reports = [r for s in found for r in s.warnings] + [r for loading in loadings for r in loading.warnings]
    assert {"no-preamble", "invalid-date", "split-series", "truncated"} <= {r.code for r in reports}
    for report in reports:
        for text in (report.problem, report.fix):
            assert text[:1].upper() == text[:1], report
            assert text.endswith("."), report
