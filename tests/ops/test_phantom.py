"""The synthetic thorax: the same from the same seed, attenuation as stated, nodules of the stated size and place."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy import ndimage

from medviewer.core.errors import Cancelled, ParamError
from medviewer.core.job import Job
from medviewer.ops.phantom import DEMO_NODULES, NoduleSpec, ThoraxPhantom, random_nodules, thorax
from medviewer.ops.phantom.grid import Grid, cover
from medviewer.ops.phantom.labelling import ABNORMAL

SMALL = (24, 64, 64)


@pytest.fixture(scope="module")
def demo() -> ThoraxPhantom:
    return thorax(0)


def mask(phantom: ThoraxPhantom, name: str) -> np.ndarray:
    return phantom.labels.mask(next(s for s in phantom.labels.segments if s.name == name))


def digest(phantom: ThoraxPhantom) -> str:
    return hashlib.sha256(phantom.hu.tobytes() + b"".join(a.tobytes() for a in phantom.labels.layers)).hexdigest()


def test_the_same_seed_gives_the_same_voxels_and_another_seed_another_patient():
    first, again, other = thorax(4, shape=SMALL), thorax(4, shape=SMALL), thorax(5, shape=SMALL)
    assert digest(first) == digest(again)
    assert first.nodules == again.nodules
    lungs = [np.isin(p.labels.layers[0], (1, 2)) for p in (first, other)]
    assert (lungs[0] != lungs[1]).sum() > 0.02 * lungs[0].sum()  # anatomy differs, not only the noise
    assert first.nodules != other.nodules


def test_grid_of_the_default(demo):
    assert demo.hu.shape == demo.geometry.shape == (120, 320, 320)
    assert demo.hu.dtype == np.int16
    assert demo.geometry.spacing_mm == pytest.approx((2.5, 1.1, 1.1))
    assert demo.geometry.axis_codes == "HPL"
    assert -1024 <= demo.hu.min() <= demo.hu.max() <= 3071
    assert not demo.hu.flags.writeable


def test_a_seed_is_one_patient_at_every_sampling(demo):
    coarse = thorax(0, shape=(60, 100, 100), spacing_mm=(4.0, 3.0, 3.0))
    assert coarse.nodules == demo.nodules
    right = [mask(p, "Right lung").sum() * p.geometry.voxel_volume_mm3 for p in (demo, coarse)]
    assert right[1] == pytest.approx(right[0], rel=0.03)  # 240 mm still hold the lung but for its lowest tip


# name, layer mask eroded by (slices, rows and columns), lowest and highest mean, highest sd; HU.
# Ranges: usual values of unenhanced CT (air -1000, lung -900...-800, fat -120...-80, blood 40...50, liver 55...65)
TISSUES = [
    ("Liver", 3, 54, 62, 20), ("Spleen", 2, 42, 52, 20), ("Heart", 3, 35, 50, 25), ("Aorta", 2, 38, 50, 20),
    ("Spine", 2, 130, 350, 90), ("Trachea and main bronchi", 2, -1000, -950, 40), ("Ribs", 0, 120, 450, 250),
]


@pytest.mark.parametrize(("name", "erode", "low", "high", "spread"), TISSUES, ids=[t[0] for t in TISSUES])
def test_attenuation_of_tissues(demo, name, erode, low, high, spread):
    part = mask(demo, name)
    if erode:
        part = ndimage.binary_erosion(part, iterations=erode)
    values = demo.hu[part].astype(float)
    assert values.size > 1000
    assert low < values.mean() < high
    assert values.std() < spread


def test_noise_of_soft_tissue_is_that_of_a_chest_ct(demo):
    liver = ndimage.binary_erosion(mask(demo, "Liver"), iterations=4)
    assert 10 < demo.hu[liver].std() < 20


def test_lungs_are_air_and_denser_at_the_back(demo):
    inner = mask(demo, "Right lung") & (demo.labels.layers[1] == 0)
    inner = ndimage.binary_erosion(inner, iterations=2)
    values, rows = demo.hu[inner].astype(float), np.nonzero(inner)[1]
    assert -890 < np.median(values) < -800
    front, back = np.quantile(rows, (0.2, 0.8))
    assert 10 < np.median(values[rows > back]) - np.median(values[rows < front]) < 100


def test_lungs_have_the_size_of_an_adult_and_do_not_leak(demo):
    lungs = [mask(demo, n) for n in ("Right lung", "Left lung")]
    litres = [m.sum() * demo.geometry.voxel_volume_mm3 / 1e6 for m in lungs]
    assert 3 < sum(litres) < 6
    assert litres[0] > litres[1]  # the heart lies to the left
    for lung in lungs:
        assert ndimage.label(lung)[1] == 1
        for axis in range(3):  # closed within the scan
            assert not np.take(lung, [0, -1], axis=axis).any()
    x = demo.geometry.to_lps(np.argwhere(lungs[0])[::97])[:, 0]
    assert x.mean() < -40  # the patient's right is -x in LPS


def test_other_patients_are_plausible():
    for seed in range(1, 6):
        p = thorax(seed, shape=(32, 80, 80))
        litres = np.isin(p.labels.layers[0], (1, 2)).sum() * p.geometry.voxel_volume_mm3 / 1e6
        assert 3 < litres < 6.5
        for n in p.nodules:
            k, j, i = np.rint(p.geometry.to_index(n.centre_lps)).astype(int)
            near = p.labels.layers[0][max(k - 1, 0):k + 2, j - 2:j + 3, i - 2:i + 3]
            assert np.isin(near, (1, 2)).any()
            assert (n.centre_lps[0] < 0) == (n.side == "right")


def test_airways_are_one_tree_from_the_trachea_into_both_lungs(demo):
    airways = mask(demo, "Airways")
    assert ndimage.label(airways, np.ones((3, 3, 3)))[1] == 1
    assert airways[-2].any()  # the trachea reaches the top of the scan
    for name in ("Right lung", "Left lung"):
        assert (airways & mask(demo, name)).sum() > 200
    assert demo.hu[airways].mean() < -850


def test_vessels_branch_and_taper_towards_the_pleura(demo):
    assert demo.branches > 600
    vessels = mask(demo, "Pulmonary vessels")
    width = ndimage.distance_transform_edt(vessels, sampling=demo.geometry.spacing_mm)
    aside = np.abs(demo.geometry.to_lps(np.argwhere(vessels))[:, 0])
    central, outer = width[vessels][aside < 60], width[vessels][aside > 95]
    assert len(outer) > 500
    assert np.quantile(central, 0.95) > 1.8 * np.quantile(outer, 0.95)
    assert -50 < np.quantile(demo.hu[vessels & (width > 2.5)], 0.9) < 120


def test_ribs_are_separate_arches_cut_obliquely_by_axial_slices(demo):
    ribs = mask(demo, "Ribs")
    row = round(demo.geometry.to_index((0, 15, 0))[1])
    middle = demo.geometry.shape[2] // 2
    for side in (ribs[:, row, :middle], ribs[:, row, middle:]):
        assert 8 <= ndimage.label(side, np.ones((3, 3)))[1] <= 12
    level = round(demo.geometry.to_index((0, 0, -50))[0])
    assert ndimage.label(ribs[level])[1] >= 8  # several ribs in one slice, since they descend


def test_demo_nodules_are_the_stated_ones(demo):
    assert [(n.kind, n.diameter_mm) for n in demo.nodules] == [(s.kind, s.diameter_mm) for s in DEMO_NODULES]
    assert {"juxtapleural", "ground-glass", "part-solid", "juxtavascular"} <= {n.kind for n in demo.nodules}
    coded = [s for s in demo.labels.segments if s.category == ABNORMAL]
    assert [s.value for s in coded] == [n.label for n in demo.nodules]
    for n in demo.nodules:
        assert n.volume_mm3 == pytest.approx(np.pi / 6 * n.diameter_mm**3, abs=0.01)


def test_nodules_measured_in_the_image_have_the_stated_volume_and_place(demo):
    measured = 0
    for n in demo.nodules:
        if n.kind not in ("solid", "spiculated"):
            continue
        label = demo.labels.layers[1] == n.label
        near = ndimage.binary_dilation(label, iterations=2)
        inside = near & (demo.hu > (n.hu - 860) / 2)  # half-way between nodule and lung
        volume = inside.sum() * demo.geometry.voxel_volume_mm3
        # slices of 2.5 mm: a small sphere is a handful of voxels
        assert volume == pytest.approx(n.volume_mm3, rel=0.12 if n.diameter_mm >= 10 else 0.35)
        centre = demo.geometry.to_lps(np.argwhere(inside)).mean(axis=0)
        assert np.abs(centre - n.centre_lps).max() < 1.0
        measured += 1
    assert measured == 4


@pytest.mark.parametrize("spec", [NoduleSpec("solid", 12.0), NoduleSpec("ground-glass", 16.0), NoduleSpec("solid", 4.0),
                                  NoduleSpec("juxtapleural", 10.0), NoduleSpec("part-solid", 18.0)],
                         ids=lambda s: f"{s.kind}-{s.diameter_mm:g}")
def test_painted_parts_of_voxels_add_up_to_the_volume(spec):
    from medviewer.ops.phantom import nodules, organs, vessels
    from medviewer.ops.phantom.patient import Patient

    patient = Patient.draw(3)
    body = organs.build(patient)
    (nodule, shape), = nodules.place(3, (spec,), body, vessels.build(patient, body), 31)
    for grid in (Grid.centred((120, 320, 320), (2.5, 1.1, 1.1)), Grid.centred((250, 500, 500), (1.2, 0.7, 0.7))):
        box, part = nodules.cover_of(shape, body, grid)
        volume = float(part.sum(dtype=np.float64)) * np.prod(grid.spacing_mm)
        assert volume == pytest.approx(nodule.volume_mm3, rel=0.02)
        z, y, x = (axis[s] for axis, s in zip((grid.z, grid.y, grid.x), box, strict=True))
        weights = part / part.sum()
        centre = ((weights.sum((0, 1)) * x).sum(), (weights.sum((0, 2)) * y).sum(), (weights.sum((1, 2)) * z).sum())
        assert np.abs(np.subtract(centre, nodule.centre_lps)).max() < 0.1


def test_ground_glass_is_fainter_than_vessels_and_part_solid_has_a_core():
    specs = (NoduleSpec("ground-glass", 18.0), NoduleSpec("part-solid", 18.0))
    p = thorax(2, shape=(120, 200, 200), spacing_mm=(2.5, 1.4, 1.4), nodule_specs=specs)
    glass, part_solid = (p.hu[p.labels.layers[1] == n.label].astype(float) for n in p.nodules)
    assert -720 < np.median(glass) < -520
    assert (part_solid > -200).mean() > 0.03
    assert -720 < np.median(part_solid) < -480
    assert p.nodules[1].core_diameter_mm == pytest.approx(0.45 * 18)


def test_contrast_brightens_blood_only():
    plain, bright = (thorax(1, shape=SMALL, contrast=c) for c in (False, True))
    change = bright.hu.astype(int) - plain.hu
    aorta, liver = mask(plain, "Aorta"), ndimage.binary_erosion(mask(plain, "Liver"), iterations=2)
    assert change[aorta].mean() > 100
    assert abs(np.median(change[liver])) < 5


def test_no_nodules_and_own_nodules():
    assert thorax(1, shape=SMALL, nodule_specs=()).nodules == ()
    found = thorax(1, shape=SMALL, nodule_specs=[NoduleSpec("solid", 10.0, hu=100.0)]).nodules
    assert [(n.diameter_mm, n.hu) for n in found] == [(10.0, 100.0)]


def test_random_nodules_vary():
    drawn = [random_nodules(seed) for seed in range(40)]
    assert len(set(drawn)) == 40
    assert {len(d) for d in drawn} >= {3, 5, 8}
    assert {s.kind for d in drawn for s in d} == {"solid", "spiculated", "ground-glass", "part-solid", "juxtapleural",
                                                  "juxtavascular", "calcified"}
    assert all(4 <= s.diameter_mm <= 24 for d in drawn for s in d)


@pytest.mark.parametrize("wrong", [{"shape": (1, 64, 64)}, {"shape": SMALL, "spacing_mm": (2.5, 0, 1)}, {"seed": -1},
                                   {"shape": SMALL, "nodule_specs": [NoduleSpec("solid", 80.0)]}])
def test_impossible_requests_are_refused_in_words(wrong):
    with pytest.raises(ParamError, match="phantom|nodule"):
        thorax(**wrong)


def test_cancel_stops():
    job = Job(lambda fraction, text: job.cancel() if fraction > 0.15 else None)
    with pytest.raises(Cancelled):
        thorax(0, shape=SMALL, job=job)


def test_cover_is_half_on_the_surface():
    assert cover(np.array([-2.0, 0.0, 2.0], np.float32), 1.0).tolist() == [1.0, 0.5, 0.0]
