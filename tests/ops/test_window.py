"""Grey mapping: the table and the arithmetic agree, presets, automatic windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medviewer.core.errors import ParamError
from medviewer.core.geometry import Geometry
from medviewer.core.volume import Rescale, VoiLut, Volume, Window
from medviewer.ops.window import apply_window, auto_window, default_window, grey_table, preset


def test_apply_window_by_hand() -> None:
    """DICOM PS3.3 C.11.2.1.3.2: below the lower edge black, above the upper white, linear between."""
    values = np.array([-160.0, -159.9, 40.0, 239.9, 240.0, 1e9, np.nan], np.float32)
    np.testing.assert_array_equal(apply_window(values, 40, 400), [0, 0, 127, 254, 255, 255, 0])


def test_a_window_without_width_is_refused() -> None:
    with pytest.raises(ParamError):
        apply_window(np.zeros(1), 0, 0)


@given(st.sampled_from(["int8", "uint8", "int16", "uint16"]), st.floats(0.1, 5), st.floats(-2000, 2000),
       st.floats(-500, 500), st.floats(1, 3000), st.booleans())
def test_the_table_equals_the_arithmetic(dtype: str, slope: float, intercept: float, centre: float, width: float,
                                         inverted: bool) -> None:
    kind = np.dtype(dtype)
    stored = np.array([np.iinfo(kind).min, -3 if kind.kind == "i" else 3, 0, 77, np.iinfo(kind).max]).astype(kind)
    table = grey_table(kind, slope, intercept, Window(centre, width), inverted=inverted)
    plain = apply_window(stored.astype(np.float64) * slope + intercept, centre, width)
    np.testing.assert_array_equal(table[stored.view(f"u{kind.itemsize}")], 255 - plain if inverted else plain)


def test_padding_is_black_even_when_inverted() -> None:
    table = grey_table(np.dtype("int16"), 1, 0, Window(0, 100), inverted=True, padding=(-2000, -2000))
    assert table[np.int16(-2000).view("u2")] == 0
    assert table[np.int16(-1999).view("u2")] == 255


def test_a_stored_curve_is_followed() -> None:
    lut = VoiLut(10.0, np.array([0.0, 1.0, 0.5], np.float32))
    table = grey_table(np.dtype("uint8"), 1, 0, lut)
    np.testing.assert_array_equal(table[[0, 10, 11, 12, 200]], [0, 0, 255, 127, 127])


def _volume(values: np.ndarray, **more: object) -> Volume:
    return Volume(values, Geometry.from_spacing(values.shape), **more)  # type: ignore[arg-type]


def test_auto_window_ignores_the_background() -> None:
    values = np.zeros((3, 40, 40), np.int16)
    values[:, 10:30, 10:30] = np.arange(100, 500).reshape(20, 20)
    window = auto_window(_volume(values))
    assert window.centre - window.width / 2 > 90
    assert window.centre + window.width / 2 < 510


@pytest.mark.parametrize(("unit", "windows", "expected"), [
    ("HU", (), "Soft tissue"), ("HU", (Window(1, 2, "own"),), "own"), ("SUVbw", (Window(1, 2, "own"),), "SUV 0-7"),
    ("", (), "Auto"),
])
def test_default_window(unit: str, windows: tuple[Window, ...], expected: str) -> None:
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    assert default_window(_volume(values, unit=unit, windows=windows)).name == expected


def test_per_slice_rescale_counts_in_the_automatic_window() -> None:
    values = np.full((2, 8, 8), 10, np.int16)
    values[:, :4] = 0
    volume = _volume(values, rescale=Rescale(np.array([1.0, 100.0]), np.zeros(2)))
    assert auto_window(volume).centre + auto_window(volume).width / 2 > 900


def test_preset_names_are_forgiving() -> None:
    assert preset("soft-tissue").width == 400
    assert preset("LUNG").centre == -600
    with pytest.raises(ParamError, match="no window preset"):
        preset("x-ray")
