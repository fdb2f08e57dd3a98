"""Hard values made here: what a stored number means, and how it is to be shown (PS3.3 C.11.1 and C.11.2)."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian

from medviewer.core.study import Series
from medviewer.core.volume import Volume
from medviewer.io.access import open_series, read, scan_all
from tests.io.multiframe_files import enhanced, frame, item, save
from tests.io.series_files import COLUMNS, ROWS, START, Writer, pixels
from tests.io.test_stacks import codes, series_in

BASE = np.asarray(START)
EVEN = np.arange(4) * 2.0


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "series")


def only(folder: Path) -> tuple[Series, Volume]:
    (series,) = series_in(folder)
    return series, open_series(series).load()


# rescale

def test_ct_without_rescale(writer: Writer) -> None:
    writer.stack(EVEN, RescaleSlope=None, RescaleIntercept=None)
    series, volume = only(writer.folder)
    np.testing.assert_array_equal(volume.slice_values(1), pixels(2))
    assert volume.unit == "HU"
    assert "no-rescale" in codes(series, "warning")


def test_mr_without_rescale_is_usual(writer: Writer) -> None:
    writer.stack(EVEN, RescaleSlope=None, RescaleIntercept=None, Modality="MR")
    assert "no-rescale" not in codes(only(writer.folder)[0])


def test_ct_with_intercept_alone(writer: Writer) -> None:
    writer.stack(EVEN, RescaleSlope=None, RescaleIntercept=-1024)
    series, volume = only(writer.folder)
    np.testing.assert_array_equal(volume.slice_values(1), pixels(2) - 1024.0)
    assert "no-rescale" not in codes(series)


def test_slope_zero_everywhere(writer: Writer) -> None:
    writer.stack(EVEN, RescaleSlope=0, RescaleIntercept=5)
    series, volume = only(writer.folder)
    np.testing.assert_array_equal(volume.slice_values(1), pixels(2))
    assert "rescale-slope" in codes(series, "warning")


def test_slope_zero_of_one_slice_leaves_the_others_alone(writer: Writer) -> None:
    for n, distance in enumerate(EVEN):
        writer.stack([distance], Modality="PT", Units="BQML", RescaleSlope=[2, 0, 3, 4][n])
    series, volume = only(writer.folder)
    for k, slope in enumerate([2, 1, 3, 4]):
        np.testing.assert_array_equal(volume.slice_values(k), pixels(k + 1) * float(slope))
    assert "rescale-slope" in codes(series, "warning")


def test_rescale_and_windows_of_enhanced_frames(tmp_path: Path) -> None:
    frames = [frame(BASE + (0, 0, 2.0 * n), PixelValueTransformationSequence=item(
        RescaleSlope=1.0 + n, RescaleIntercept=-3.0 * n, RescaleType="HU"),
        FrameVOILUTSequence=item(WindowCenter=[40 + n, 5], WindowWidth=[400, 50],
                                 WindowCenterWidthExplanation=["SOFT", "X"])) for n in range(3)]
    save(enhanced(frames, Modality="CT"), tmp_path / "e.dcm")
    series, volume = only(tmp_path)
    for k in range(3):
        np.testing.assert_allclose(volume.slice_values(k), pixels(k + 1) * (1.0 + k) - 3.0 * k)
    assert [(w.centre, w.width, w.name) for w in volume.windows] == [(41, 400, "SOFT"), (5, 50, "X")]
    assert (volume.unit, volume.modality) == ("HU", "CT")
    assert {"rescale-per-slice", "windows-vary"} <= codes(series, "info")


# modality LUT

def modality_lut(entries: list[int], first: int, *, vr: str = "US", kind: str = "HU", bits: int = 16) -> Sequence:
    made = Dataset()
    made.add_new(0x00283002, "SS" if first < 0 else "US", [len(entries), first, bits])
    made.add_new(0x00283004, "LO", kind)
    made.add_new(0x00283006, vr, np.asarray(entries, "<u2").tobytes() if vr == "OW" else entries)
    return Sequence([made])


def counted(size: int = ROWS * COLUMNS) -> bytes:
    """Pixels -10, -9, -8, ..."""
    return (np.arange(size) - 10).astype("<i2").tobytes()


@pytest.mark.parametrize("vr", ["US", "OW"])
def test_modality_lut_is_applied(vr: str, writer: Writer) -> None:
    """Values below the table take its first entry, those above it the last (PS3.3 C.11.1.1.1)."""
    entries = [7 + n * n for n in range(20)]
    for distance in EVEN:
        writer.stack([distance], PixelData=counted(), RescaleSlope=None, RescaleIntercept=None,
                     ModalityLUTSequence=modality_lut(entries, -4, vr=vr))
    series, volume = only(writer.folder)
    expected = np.asarray(entries)[np.clip(np.arange(ROWS * COLUMNS) - 10 + 4, 0, 19)].reshape(ROWS, COLUMNS)
    for k in range(len(EVEN)):
        np.testing.assert_array_equal(volume.slice_values(k), expected)
    assert volume.rescale.is_identity
    assert str(volume.stored.dtype) == series.dtype == "uint16"
    assert volume.unit == "HU"
    report = next(w for w in series.warnings if w.code == "modality-lut")
    assert "applied" in report.fix
    assert "no-rescale" not in codes(series)


def test_modality_lut_of_some_slices_and_optical_density(writer: Writer) -> None:
    """OD: the entries are thousandths (PS3.3 C.11.1.1.2)."""
    writer.add(None, Modality="CR", PixelData=counted(), ModalityLUTSequence=modality_lut([100, 2140], -10, kind="OD"))
    series, volume = only(writer.folder)
    assert volume.slice_values(0)[0, :2].tolist() == pytest.approx([0.1, 2.14])
    assert volume.unit == "OD"


def test_modality_lut_per_slice(writer: Writer) -> None:
    for n, distance in enumerate(EVEN):
        more = {"ModalityLUTSequence": modality_lut([n, 50 + n, 100 + n], 0)} if n else {"RescaleIntercept": 0}
        writer.stack([distance], PixelData=counted(), **more)
    _, volume = only(writer.folder)
    assert volume.slice_values(0)[0, 0] == -10
    assert [volume.slice_values(k)[1, 3] for k in (1, 2, 3)] == [51, 52, 53]  # stored value 1
    assert [volume.slice_values(k)[5, 7] for k in (1, 2, 3)] == [101, 102, 103]


def test_damaged_modality_lut_is_told(writer: Writer) -> None:
    broken = modality_lut([1, 2, 3], 0)
    broken[0].LUTDescriptor = [300, 0, 16]
    writer.stack(EVEN, ModalityLUTSequence=broken)
    series, volume = only(writer.folder)
    np.testing.assert_array_equal(volume.slice_values(1), pixels(2))
    assert "modality-lut" in codes(series, "warning")


# VOI LUT

@pytest.mark.parametrize(("first", "vr", "expected"), [(-200, "SS", -200), (65336, "US", -200), (300, "US", 300)])
@pytest.mark.parametrize("bits", [12, 16])
def test_voi_lut_of_deep_entries(first: int, vr: str, expected: int, bits: int, writer: Writer) -> None:
    """White is 2^bits - 1 by the descriptor, whatever the largest entry is; the sign is that of the values."""
    entries = [0, 100, 1000, 3000]
    made = Dataset()
    made.add_new(0x00283002, vr, [4, first, bits])
    made.add_new(0x00283006, "OW", np.asarray(entries, "<u2").tobytes())
    made.LUTExplanation = "CURVE"
    writer.stack(EVEN, VOILUTSequence=Sequence([made]))
    lut = read(writer.folder).voi_lut
    assert lut is not None
    assert (lut.first, lut.name) == (expected, "CURVE")
    np.testing.assert_allclose(lut.entries, np.asarray(entries) / (2.0 ** bits - 1), atol=1e-7)


def test_voi_lut_of_rescaled_values_in_implicit_form(writer: Writer) -> None:
    """Unsigned pixels, but HU are negative: the second value of the descriptor has their sign."""
    made = Dataset()
    made.add_new(0x00283002, "US", [3, 65536 - 1000, 8])
    made.add_new(0x00283006, "OW", bytes([0, 128, 255, 0]))
    ds = writer.add(BASE, PixelRepresentation=0, RescaleIntercept=-1024, VOILUTSequence=Sequence([made]))
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    ds.save_as(next(writer.folder.iterdir()), implicit_vr=True, enforce_file_format=True)
    lut = read(writer.folder).voi_lut
    assert lut is not None
    assert lut.first == -1000
    np.testing.assert_allclose(lut.entries, [0, 128 / 255, 1], atol=1e-6)


# stored types

@pytest.mark.parametrize(("dtype", "stored", "signed", "modality"), [
    ("u1", 8, 0, "MR"), ("i1", 8, 1, "MR"), ("<u2", 12, 0, "CT"), ("<i2", 12, 1, "CT"), ("<i2", 16, 1, "CT"),
    ("<u2", 16, 0, "MR"), ("<i4", 32, 1, "PT"), ("<u4", 32, 0, "NM")])
def test_stored_types(dtype: str, stored: int, signed: int, modality: str, writer: Writer) -> None:
    kind = np.dtype(dtype)
    low, high = (-(1 << stored - 1), (1 << stored - 1) - 1) if signed else (0, (1 << stored) - 1)
    values = np.linspace(low, high, ROWS * COLUMNS).astype(np.int64).astype(kind)
    writer.stack(EVEN, Modality=modality, BitsAllocated=8 * kind.itemsize, BitsStored=stored, HighBit=stored - 1,
                 PixelRepresentation=signed, PixelData=values.tobytes())
    series, volume = only(writer.folder)
    assert volume.stored.dtype == kind.newbyteorder("=")
    assert series.dtype == str(volume.stored.dtype)
    for k in range(len(EVEN)):
        np.testing.assert_array_equal(volume.stored[k].ravel(), values)


def test_twelve_signed_bits_with_unused_bits_clear(writer: Writer) -> None:
    """Some write -1 as 0FFF: the sign is in bit 11 (PS3.5 8.1.1)."""
    stored = (np.arange(ROWS * COLUMNS) - 20).astype("<i2")
    writer.stack(EVEN, BitsStored=12, HighBit=11, PixelData=(stored.view("<u2") & 0x0FFF).tobytes())
    _, volume = only(writer.folder)
    np.testing.assert_array_equal(volume.stored[2].ravel(), stored)


def test_overlay_in_the_unused_bits_is_removed_and_told(writer: Writer) -> None:
    plain = np.arange(ROWS * COLUMNS, dtype="<u2")
    writer.stack(EVEN, BitsStored=12, HighBit=11, PixelRepresentation=0, PixelData=(plain | 0x1000).tobytes())
    (series,) = series_in(writer.folder)
    loading = open_series(series)
    np.testing.assert_array_equal(loading.load().stored[0].ravel(), plain)
    assert "high-bits" in {w.code for w in loading.warnings}


def test_sign_that_differs_between_slices(writer: Writer) -> None:
    """The same 16 bits are -2000 in one slice and 63536 in the other; so is the padding value."""
    for n, distance in enumerate(EVEN):
        ds = writer.add(BASE + (0, 0, distance), PixelRepresentation=n % 2, name=f"{n}.dcm",
                        PixelData=np.full((ROWS, COLUMNS), 63536, "<u2").tobytes())
        ds.add_new(0x00280120, "US", 63536)
        save(ds, writer.folder / f"{n}.dcm")
    series, volume = only(writer.folder)
    assert volume.stored[:, 0, 0].tolist() == [63536, -2000, 63536, -2000]
    assert "mixed-types" in codes(series)


@pytest.mark.parametrize(("value", "limit", "expected"), [
    (-2000, -1500, (-2000, -1500)), (-1500, -2000, (-2000, -1500)), (63536, 64036, (-2000, -1500))])
def test_padding_range(value: int, limit: int, expected: tuple[float, float], writer: Writer) -> None:
    for distance in EVEN:
        ds = writer.add(BASE + (0, 0, distance), name=f"{distance}.dcm")
        for tag, number in ((0x00280120, value), (0x00280121, limit)):
            ds.add_new(tag, "SS" if number < 0 else "US", number)
        save(ds, writer.folder / f"{distance}.dcm")
    assert only(writer.folder)[1].padding == expected


def test_windows_of_different_length_with_names(writer: Writer) -> None:
    writer.stack(EVEN, WindowCenter=[40, -600, 300], WindowWidth=[400, 1500], WindowCenterWidthExplanation=["A"])
    assert [(w.centre, w.width, w.name) for w in only(writer.folder)[1].windows] == [(40, 400, "A"), (-600, 1500, "")]


# remarks of the library

def test_odd_values_do_not_reach_the_terminal(writer: Writer, recwarn: pytest.WarningsRecorder) -> None:
    warnings.simplefilter("always")
    made = item(LUTDescriptor=[4, 0, 8], LUTExplanation="x" * 70)
    made.LUTData = bytes([0, 1, 2, 3])
    for distance in EVEN:
        writer.stack([distance], VOILUTSequence=Sequence([made]))
    for path in writer.folder.iterdir():
        data = path.read_bytes().replace(b"Test^Phantom", b"T\xff^\xfe\x1b$hantom")
        path.write_bytes(data.replace(b"RGB", b"rgb"))
    before = len(recwarn)  # what pydicom said to the writer of this file
    for series in scan_all(writer.folder).series:
        open_series(series).load()
    assert [str(w.message) for w in recwarn.list[before:]] == []
