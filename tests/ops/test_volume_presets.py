"""Looks of volumes are well formed and offered where they make sense."""

import numpy as np
import pytest

from medviewer.core.errors import ParamError
from medviewer.ops.volume_presets import PRESETS, preset_by_id, presets_for


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda p: p.id)
def test_points_rise_and_stay_in_range(preset):
    x, opacity = np.array(preset.look.opacity).T
    assert (np.diff(x) > 0).all()
    assert ((opacity >= 0) & (opacity <= 1)).all()
    assert opacity[0] == 0  # background is never drawn
    values = [v for v, _ in preset.look.colours]
    assert values == sorted(values)
    assert all(0 <= c <= 1 for _, rgb in preset.look.colours for c in rgb)


@pytest.mark.parametrize(("modality", "unit", "first", "absent"), [
    ("CT", "HU", "ct-chest", "mr"), ("MR", "", "mr", "ct-bone"), ("PT", "SUVbw", "pet-mip", "ct-bone"),
    ("PT", "Bq/ml", "pet-mip", "mr"), ("CT", "", "mip", "ct-bone"),  # a CT without HU has no fixed values
    ("OT", "", "mip", "pet-mip"),
])
def test_presets_fit_modality_and_unit(modality, unit, first, absent):
    names = [p.id for p in presets_for(modality, unit)]
    assert names[0] == first
    assert absent not in names


@pytest.mark.parametrize(("name", "hu", "drawn"), [
    ("ct-bone", 1000, True), ("ct-bone", 40, False), ("ct-lung", -600, True), ("ct-lung", 40, False),
    ("ct-lung", 1000, False), ("ct-angio", 350, True), ("ct-angio", 50, False), ("ct-chest", 400, True),
    ("ct-chest", -1000, False), ("ct-skin", -400, True), ("ct-skin", 40, False), ("ct-mip", 40, True),
])
def test_tissues_shown_by_ct_presets(name, hu, drawn):
    x, y = np.array(PRESETS[name].look.opacity).T
    assert (np.interp(hu, x, y) > 0) == drawn


def test_hu_looks_ignore_the_range_and_others_are_laid_over_it():
    bone, mr = PRESETS["ct-bone"], PRESETS["mr"]
    assert bone.transfer(-5, 7) is bone.look
    look = mr.transfer(100.0, 300.0)
    for (part, alpha), (value, same) in zip(mr.look.opacity, look.opacity, strict=True):
        assert value == pytest.approx(100 + part * 200)
        assert same == alpha
    assert look.colours[-1][0] == pytest.approx(300)


def test_unknown_preset_is_refused():
    with pytest.raises(ParamError, match="no 3D preset 'x'"):
        preset_by_id("x")
