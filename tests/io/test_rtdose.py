"""RT Dose grids."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from medviewer.core.errors import ReadError
from medviewer.io.access import read, scan


@pytest.fixture
def dose(shared) -> pydicom.Dataset:
    return pydicom.dcmread(shared / "pixel-variety/rtdose.dcm")


def saved(dataset: pydicom.Dataset, tmp_path):
    dataset.save_as(tmp_path / "dose.dcm")
    return tmp_path / "dose.dcm"


def test_real_grid(shared, dose):
    (series,) = scan(shared / "pixel-variety/rtdose.dcm")
    assert (series.kind, series.shape, series.frames, series.dtype) == ("rtdose", (15, 10, 10), 15, "uint32")
    assert [w.code for w in series.warnings] == ["relative-dose"]  # Dose Units is RELATIVE
    volume = read(shared / "pixel-variety/rtdose.dcm")
    np.testing.assert_allclose(volume.array, dose.pixel_array * float(dose.DoseGridScaling), rtol=1e-6)
    np.testing.assert_allclose(volume.geometry.origin_lps, np.array(dose.ImagePositionPatient, float))
    np.testing.assert_allclose(volume.geometry.to_lps((14, 0, 0))[2],
                               float(dose.ImagePositionPatient[2]) + float(dose.GridFrameOffsetVector[14]))


def test_gray_and_descending_offsets(dose, tmp_path):
    dose.DoseUnits = "GY"
    dose.GridFrameOffsetVector = [-5.0 * n for n in range(15)]
    volume = read(saved(dose, tmp_path))
    assert volume.unit == "Gy"
    z = float(dose.ImagePositionPatient[2])
    np.testing.assert_allclose(volume.geometry.to_lps((0, 0, 0))[2], z - 70)
    np.testing.assert_allclose(volume.array[14], dose.pixel_array[0] * float(dose.DoseGridScaling), rtol=1e-6)


def test_offsets_that_are_positions_and_uneven(dose, tmp_path):
    z = float(dose.ImagePositionPatient[2])
    places = z + np.array([*(5.0 * n for n in range(10)), 50, 60, 70, 80, 90])
    dose.GridFrameOffsetVector = [float(v) for v in places]
    (series,) = scan(saved(dose, tmp_path))
    assert "uneven-slices" in [w.code for w in series.warnings]
    np.testing.assert_allclose([series.geometry.to_lps((k, 0, 0))[2] for k in range(15)], places)


def test_feet_first_grids_go_down(dose, tmp_path):
    dose.ImageOrientationPatient = [-1, 0, 0, 0, 1, 0]
    volume = read(saved(dose, tmp_path))
    np.testing.assert_allclose(volume.geometry.to_lps((1, 0, 0)) - volume.geometry.origin_lps, [0, 0, -5])


def test_missing_offsets_and_places(dose, tmp_path):
    del dose.GridFrameOffsetVector
    dose.SliceThickness = 4
    (series,) = scan(saved(dose, tmp_path))
    assert "no-frame-offsets" in [w.code for w in series.warnings]
    assert series.geometry.spacing_mm[0] == pytest.approx(4)
    dose.SliceThickness = None
    with pytest.raises(ReadError, match="far apart"):
        read(saved(dose, tmp_path))
    del dose.ImagePositionPatient
    with pytest.raises(ReadError, match="where it lies"):
        read(saved(dose, tmp_path))


def test_a_grid_without_scaling_has_no_unit(dose, tmp_path):
    del dose.DoseGridScaling
    dose.DoseUnits = "GY"
    (series,) = scan(saved(dose, tmp_path))
    assert "no-dose-scaling" in [w.code for w in series.warnings]
    assert read(series).unit == ""
