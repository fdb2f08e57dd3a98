"""Reorienting against nibabel, in all 48 orientations."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from medviewer.core.errors import GeometryError, ParamError
from medviewer.core.geometry import Geometry, lps_to_ras
from medviewer.core.labels import LabelMap, Segment
from medviewer.core.volume import Rescale, Volume
from medviewer.ops.orient import axis_codes, reorient

CODES = ["".join(c) for p in permutations(("LR", "AP", "IS")) for c in product(*p)]


def oblique() -> Geometry:
    turn = np.array([[np.cos(0.4), -np.sin(0.4), 0], [np.sin(0.4), np.cos(0.4), 0], [0, 0, 1.0]])
    affine = np.eye(4)
    affine[:3, :3] = turn[:, [2, 1, 0]] * (2.5, -0.7, 0.8)
    affine[:3, 3] = (5.0, -7.0, 11.0)
    return Geometry((3, 4, 5), affine)


def volume() -> Volume:
    return Volume(np.arange(60, dtype=np.int16).reshape(3, 4, 5), oblique())


@pytest.mark.parametrize("codes", CODES)
def test_agrees_with_nibabel(codes: str) -> None:
    nib = pytest.importorskip("nibabel")
    source = volume()
    image = nib.Nifti1Image(source.stored.T, lps_to_ras(source.affine)[:, [2, 1, 0, 3]])
    change = nib.orientations.ornt_transform(nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(codes))
    truth = image.as_reoriented(change)
    ours = reorient(source, codes)
    np.testing.assert_array_equal(ours.stored, np.asarray(truth.dataobj).T)
    np.testing.assert_allclose(lps_to_ras(ours.affine)[:, [2, 1, 0, 3]], truth.affine, atol=1e-12)
    assert axis_codes(ours.geometry) == codes
    assert ours.stored.flags.c_contiguous


@pytest.mark.parametrize("codes", ["LAS", "SAL", "IPR"])
def test_every_voxel_stays_where_it_is(codes: str) -> None:
    source = volume()
    film = Volume(np.stack([source.stored, source.stored + 100]), source.geometry)
    colour = Volume(np.stack([source.stored] * 3, -1).astype(np.uint8), source.geometry, colour=True)
    labels = LabelMap((source.stored.astype(np.uint8),), source.geometry, (Segment(7, "x"),))
    place = source.geometry.to_lps((2, 1, 3))
    kji = tuple(int(n) for n in np.rint(reorient(source, codes).geometry.to_index(place)))
    assert reorient(film, codes).value_at(kji, t=1) == film.value_at((2, 1, 3), t=1)  # type: ignore[arg-type]
    assert reorient(colour, codes).value_at(kji) == colour.value_at((2, 1, 3))  # type: ignore[arg-type]
    turned = reorient(labels, codes)
    assert turned.array[kji] == labels.array[2, 1, 3]
    assert turned.segments == labels.segments
    back = reorient(reorient(source, codes), axis_codes(source.geometry))
    np.testing.assert_array_equal(back.stored, source.stored)
    assert back.geometry.same_grid(source.geometry)


def test_slices_keep_their_scaling_and_their_place() -> None:
    base = volume()
    uneven = Geometry(base.geometry.shape, base.geometry.affine, np.array([0.0, 1.0, 4.0]))
    source = Volume(base.stored, uneven, Rescale(np.array([1.0, 2.0, 3.0]), np.zeros(3)),
                    present=np.array([True, True, False]))
    codes = axis_codes(uneven)
    flipped = reorient(source, codes[:2] + {"S": "I", "I": "S"}[codes[2]])
    np.testing.assert_allclose(flipped.slice_values(0), source.slice_values(2))
    np.testing.assert_allclose(flipped.geometry.to_lps((0, 1, 2)), uneven.to_lps((2, 1, 2)))
    np.testing.assert_allclose(flipped.geometry.to_lps((1, 1, 2)), uneven.to_lps((1, 1, 2)))
    assert flipped.present is not None
    assert flipped.present.tolist() == [False, True, True]
    with pytest.raises(GeometryError, match="uneven"):
        reorient(source, "SAL")
    even = Volume(base.stored, base.geometry, source.rescale)
    np.testing.assert_allclose(np.sort(reorient(even, "SAL").array.ravel()), np.sort(even.array.ravel()))


@pytest.mark.parametrize("codes", ["", "RA", "RAX", "RLS", "RASL", "RRA"])
def test_impossible_codes(codes: str) -> None:
    with pytest.raises(ParamError, match="not possible"):
        reorient(volume(), codes)


def test_nothing_to_do() -> None:
    source = volume()
    assert reorient(source, axis_codes(source.geometry).lower()) is source
