"""Counts of values."""

from __future__ import annotations

import numpy as np
import pytest

from medviewer.core.geometry import Geometry
from medviewer.core.volume import Rescale, Volume
from medviewer.ops.histogram import histogram


def volume(stored: np.ndarray, **more: object) -> Volume:
    return Volume(stored, Geometry.from_spacing(stored.shape[:3]), **more)  # type: ignore[arg-type]


def test_whole_numbers_have_a_bin_each() -> None:
    found = histogram(volume(np.array([[[0, 1, 1], [2, 2, 2]]], np.int16)))
    assert found.counts.tolist() == [1, 2, 3]
    assert found.edges.tolist() == [-0.5, 0.5, 1.5, 2.5]


def test_values_are_rescaled_and_padding_is_left_out() -> None:
    stored = np.array([[[10, 20, -99]]], np.int16)
    found = histogram(volume(stored, rescale=Rescale(np.array(2.0), np.array(-1000.0)), padding=(-99, -99)))
    assert found.counts.sum() == 2
    assert (found.edges[0], found.edges[-1] > -960) == (-980.5, True)


def test_not_a_number_is_left_out() -> None:
    found = histogram(volume(np.array([[[0.25, np.nan, 0.75, np.inf]]], np.float32)))
    assert found.counts.sum() == 2


def test_nothing_to_count() -> None:
    assert histogram(volume(np.full((1, 2, 2), np.nan, np.float32))) is None


def test_large_volumes_are_sampled_over_all_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medviewer.ops.histogram.SAMPLES", 1000)
    stored = np.broadcast_to(np.arange(40, dtype=np.int16)[:, None, None], (40, 40, 40))
    found = histogram(volume(stored))
    assert found.counts.sum() < 2000
    assert found.edges[-1] - found.edges[0] > 30


def test_inner_range_leaves_out_the_tails() -> None:
    values = np.concatenate([np.zeros(1), np.full(9998, 50), np.full(1, 100)]).astype(np.int16).reshape(1, 100, 100)
    low, high = histogram(volume(values)).inner_range(0.001)
    assert (low, high) == (49.5, 50.5)
