"""Thumbnails stand upright and have square pixels."""

from __future__ import annotations

import numpy as np
import pytest

from medviewer.core.geometry import Geometry
from medviewer.core.volume import Volume, Window
from medviewer.ops.orient import reorient
from medviewer.ops.thumbnail import thumbnail


def volume(**more: object) -> Volume:
    """Bright where the patient's right front is: the upper left corner of an axial picture."""
    stored = np.zeros((3, 40, 60), np.int16)
    stored[:, :10, :20] = 100
    geometry = Geometry.from_spacing(stored.shape, (5.0, 1.0, 1.0))
    return Volume(stored, geometry, windows=(Window(50, 100),), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("codes", ["LPS", "RAS", "LAS", "RPS", "PLS", "ALS"])
def test_axial_picture_is_upright_however_it_is_stored(codes: str) -> None:
    picture = thumbnail(reorient(volume(), codes), 1, size=60)
    assert picture.shape == (40, 60, 3)
    assert picture[2, 2, 0] == 255
    assert not picture[2, -3].any()
    assert not picture[-3, 2].any()


@pytest.mark.parametrize("codes", ["LIP", "RSP", "LSA"])
def test_coronal_slices_have_the_head_on_top(codes: str) -> None:
    stored = np.zeros((30, 4, 50), np.int16)
    stored[20:, :, :10] = 100  # head end, patient right
    made = Volume(stored, Geometry.from_spacing(stored.shape), windows=(Window(50, 100),))
    picture = thumbnail(reorient(made, codes), 1, size=50)
    assert picture.shape == (30, 50, 3)
    assert picture[2, 2, 0] == 255
    assert not picture[-3, 2].any()


def test_pixels_are_square_and_the_longer_side_has_the_size() -> None:
    stored = np.zeros((2, 100, 100), np.int16)
    wide = Volume(stored, Geometry.from_spacing(stored.shape, (1.0, 1.0, 2.0)), windows=(Window(0, 10),))
    assert thumbnail(wide, 0, size=64).shape == (32, 64, 3)


def test_suv_is_dark_on_white_and_padding_black() -> None:
    stored = np.array([[[0, 8], [20, -2000]]], np.int16)
    made = Volume(stored, Geometry.from_spacing(stored.shape), unit="SUVbw", padding=(-2000, -2000))
    assert thumbnail(made, 0, size=2)[..., 0].tolist() == [[255, 0], [0, 0]]


def test_colour_stays_colour() -> None:
    stored = np.zeros((1, 4, 4, 3), np.uint8)
    stored[..., 1] = 200
    made = Volume(stored, Geometry.from_spacing((1, 4, 4)), colour=True)
    assert thumbnail(made, 0, size=4)[0, 0].tolist() == [0, 200, 0]
