"""Where a mask belongs: right masks are left alone, mirrored, turned and moved ones are found."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from medviewer.core.geometry import Geometry
from medviewer.core.labels import LabelMap
from medviewer.core.volume import Volume
from medviewer.ops.alignment import judge, moved_labels, turned

SEEDS = (4, 5)


@cache
def chest(seed: int) -> tuple[Volume, LabelMap]:
    """A synthetic chest with its true labels (a patient that is in no calibration)."""
    from medviewer.ops.phantom import thorax

    made = thorax(seed, shape=(60, 112, 112))
    return Volume(made.hu, made.geometry, unit="HU", modality="CT"), made.labels


def changed(labels: LabelMap, change: object) -> LabelMap:
    return replace(labels, layers=tuple(np.ascontiguousarray(change(a)) for a in labels.layers))  # type: ignore[operator]


FAULTS = {
    "flip-lr": lambda a: a[:, :, ::-1], "flip-ap": lambda a: a[:, ::-1], "flip-hf": lambda a: a[::-1],
    "flip-lr-ap": lambda a: a[:, ::-1, ::-1], "axis-swap": lambda a: a.swapaxes(1, 2),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("code", FAULTS)
def test_mirrored_and_turned_masks_are_found(seed: int, code: str) -> None:
    volume, labels = chest(seed)
    found = judge(volume, changed(labels, FAULTS[code]))
    assert found.better is not None
    assert found.better.code == code
    back = moved_labels(changed(labels, FAULTS[code]), found.better.move)
    assert all(np.array_equal(a, b) for a, b in zip(back.layers, labels.layers, strict=True))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("noise", [0, 40])
def test_right_masks_are_left_alone(seed: int, noise: int) -> None:
    volume, labels = chest(seed)
    rough = volume.stored + np.random.default_rng(seed).normal(0, max(noise, 1e-9), volume.stored.shape)
    found = judge(replace(volume, stored=np.asarray(np.rint(rough), np.int16)), labels)
    assert found.better is None
    assert found.evidence > 20


@pytest.mark.parametrize(("axis", "size", "codes"), [
    (0, 1, {"shift-slice", "shift"}), (0, -1, {"shift-slice", "shift"}), (2, 2, {"shift"}), (1, -2, {"shift"})])
def test_moved_masks_are_found_and_the_way_back_is_named(axis: int, size: int, codes: set[str]) -> None:
    volume, labels = chest(4)
    found = judge(volume, changed(labels, lambda a: np.roll(a, size, axis)))
    assert found.better is not None
    assert found.better.code in codes
    assert np.sign(found.better.move.offset[axis]) == -np.sign(size)


def test_a_mask_without_edges_is_left_alone() -> None:
    """Noise has no edges, so there is no better place either."""
    rng = np.random.default_rng(3)
    grid = Geometry.from_spacing((24, 60, 70), (2.0, 1.0, 1.0))
    volume = Volume(rng.normal(100, 10, grid.shape).astype(np.float32), grid, modality="MR")
    mask = np.zeros(grid.shape, np.uint8)
    mask[4:15, 10:30, 12:40] = 1
    for n in range(5):
        assert judge(volume, LabelMap.from_array(mask, grid), seed=n).better is None


def test_a_tumour_on_a_weak_edge_beside_a_strong_one_is_left_alone() -> None:
    """Bone lies where the mirrored mask would be: its edges must not draw the mask there."""
    rng = np.random.default_rng(5)
    grid = Geometry.from_spacing((30, 64, 64), (2.0, 1.0, 1.0))
    k, j, i = np.indices(grid.shape)
    values = rng.normal(40, 12, grid.shape)
    values[((j - 30) ** 2 + (i - 46) ** 2 < 90)] += 900  # a bone that is not the mirror image of the mask
    mask = ((k - 14) * 2.0) ** 2 + (j - 33.0) ** 2 + (i - 18.0) ** 2 < 130
    values[mask] += 3
    volume = Volume(values.astype(np.float32), grid, modality="CT", unit="HU")
    assert judge(volume, LabelMap.from_array(mask, grid)).better is None


def test_too_little_boundary_is_not_judged() -> None:
    grid = Geometry.from_spacing((8, 30, 30))
    mask = np.zeros(grid.shape, np.uint8)
    mask[4, 10, 10] = 1
    assert not judge(Volume(np.zeros(grid.shape, np.int16), grid), LabelMap.from_array(mask, grid)).judged


def test_the_same_seed_gives_the_same_answer() -> None:
    volume, labels = chest(4)
    assert judge(volume, labels).evidence == judge(volume, labels).evidence


def test_turned_places_map_the_grid_onto_itself_or_about_its_middle() -> None:
    grid = Geometry.from_spacing((5, 8, 9), (3.0, 1.0, 1.0))
    middle = (np.asarray(grid.shape) - 1) / 2
    codes = {c.code for c in turned(grid)}
    assert {"flip-lr", "flip-ap", "flip-hf", "flip-lr-ap", "axis-swap"} <= codes
    for candidate in turned(grid):
        np.testing.assert_allclose(candidate.move.matrix @ middle + candidate.move.offset, middle, atol=1e-9)
        assert np.linalg.det(candidate.move.matrix) ** 2 == pytest.approx(1.0)


def _flip(axis: int) -> object:
    def flip(a: NDArray[np.integer]) -> NDArray[np.integer]:
        return np.flip(a, axis)
    return flip


@pytest.mark.parametrize(("image", "mask"), [
    ("totalseg-ct/example_mr_sm.nii.gz", "totalseg-ct/example_seg_mr.nii.gz"),
    ("nrrd-mha/prostate_phantom_subvolume.nrrd", "nrrd-mha/prostate_phantom_subvolume-label.nrrd"),
    ("dicom-seg/ct-3slice", "dicom-seg/liver.dcm"),
])
def test_real_pairs(shared: Path, image: str, mask: str) -> None:
    from medviewer.io.access import read, read_labels

    volume = read(shared / image)
    labels = read_labels(shared / mask, volume)
    assert judge(volume, labels).better is None
    for axis in (1, 2):
        found = judge(volume, changed(labels, _flip(axis)))
        assert found.better is not None
        assert found.better.code.startswith("flip")


@pytest.mark.parametrize(("image", "mask"), [
    ("brats-4mod/TCGA-DU-7294_fla_bet_raw.nii.gz", "brats-4mod/seg_fusion_simple.nii.gz"),
    ("sts-001-petct/nifti/PET_image.nii.gz", "sts-001-petct/nifti/PET_mask.nii.gz"),
    ("nrrd-mha/breast1_image.nrrd", "nrrd-mha/breast1_label.nrrd"),
])
def test_real_tumours_are_left_alone(shared: Path, image: str, mask: str) -> None:
    from medviewer.io.access import read, read_labels

    volume = read(shared / image)
    for seed in range(3):
        assert judge(volume, read_labels(shared / mask, volume), seed=seed).better is None
