"""Resampling against formulas, scipy, SimpleITK, and the fast path against the plain one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medviewer.core.errors import Cancelled, ParamError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap, Segment
from medviewer.core.volume import Rescale, Volume
from medviewer.ops import resample as module
from medviewer.ops.resample import geometry_with_spacing, resample, resample_labels

RNG = np.random.default_rng(11)


def axial(shape: tuple[int, int, int] = (7, 9, 11), spacing: tuple[float, float, float] = (2.5, 0.8, 0.7),
          origin: tuple[float, float, float] = (-4.0, 3.0, 20.0)) -> Geometry:
    return Geometry.from_spacing(shape, spacing, origin)


def turned(shape: tuple[int, int, int] = (6, 8, 9), angle: float = 0.3) -> Geometry:
    """An oblique grid inside the axial one."""
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    tilt = np.array([[1.0, 0, 0], [0, np.cos(0.2), -np.sin(0.2)], [0, np.sin(0.2), np.cos(0.2)]])
    affine = np.eye(4)
    affine[:3, :3] = (turn @ tilt)[:, [2, 1, 0]] * (1.1, 0.6, 0.5)
    affine[:3, 3] = (-2.5, 4.0, 22.0)
    return Geometry(shape, affine)


def linear_field(geometry: Geometry) -> np.ndarray[Any, Any]:
    """f = 3x - 2y + 0.5z + 7: linear interpolation gives it back exactly."""
    kji = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij"), -1)
    return (geometry.to_lps(kji) @ (3.0, -2.0, 0.5) + 7.0).astype(np.float32)


def inside(source: Geometry, target: Geometry) -> np.ndarray[Any, Any]:
    kji = np.stack(np.meshgrid(*(np.arange(n) for n in target.shape), indexing="ij"), -1)
    places = source.to_index(target.to_lps(kji))
    return ((places >= 0) & (places <= np.array(source.shape) - 1)).all(-1)


def sheared() -> Geometry:
    affine = axial().affine.copy()
    affine[1, 0] = 0.9
    return Geometry((7, 9, 11), affine)


def uneven() -> Geometry:
    return Geometry((5, 9, 11), axial().affine, np.array([0.0, 1.0, 2.5, 3.0, 6.0]))


def permuted() -> Geometry:
    return Geometry((11, 7, 9), axial().affine[:, [2, 0, 1, 3]] @ np.array(
        [[-1.0, 0, 0, 10], [0, 0.5, 0, 1], [0, 0, 0.9, 0.3], [0, 0, 0, 1]]))


GRIDS = {"axial": axial(), "turned": turned(), "sheared": sheared(), "uneven": uneven(), "permuted": permuted(),
         "fine": geometry_with_spacing(axial(), (1.0, 0.5, 0.5))}


@pytest.mark.parametrize("source", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("target", GRIDS.values(), ids=GRIDS)
def test_a_linear_field_comes_back(source: Geometry, target: Geometry) -> None:
    out = resample(Volume(linear_field(source), source), target, fill=-99.0)
    within = inside(source, target)
    assert within.sum() > 20
    np.testing.assert_allclose(out.stored[within], linear_field(target)[within], atol=1e-4)
    assert out.geometry is target


@pytest.mark.parametrize("order", ["nearest", "linear"])
@pytest.mark.parametrize("name", ["permuted", "uneven", "fine"])
@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.uint8, np.int32])
def test_fast_path_equals_plain_path(monkeypatch: pytest.MonkeyPatch, order: Any, name: str, dtype: Any) -> None:
    volume = Volume(RNG.integers(0, 200, axial().shape).astype(dtype), axial(), Rescale(np.array(2.0), np.array(-5.0)))
    fast = resample(volume, GRIDS[name], order=order, fill=-7.0)
    monkeypatch.setattr(module, "_parallel", lambda *_: None)
    plain = resample(volume, GRIDS[name], order=order, fill=-7.0)
    np.testing.assert_allclose(fast.stored.astype(float), plain.stored.astype(float), atol=1.0 if fast.stored.dtype.kind
                               in "iu" and order == "linear" else 1e-4)
    assert fast.stored.dtype == dtype
    assert np.mean(fast.stored != plain.stored) < 0.02 or dtype == np.float32


@pytest.mark.parametrize("order", ["nearest", "linear"])
@pytest.mark.parametrize("target", [turned(), permuted(), GRIDS["fine"]], ids=["turned", "permuted", "fine"])
def test_agrees_with_simpleitk(order: str, target: Geometry) -> None:
    sitk = pytest.importorskip("SimpleITK")
    source = axial()
    array = RNG.normal(0, 100, source.shape).astype(np.float32)

    def prepare(image: Any, geometry: Geometry) -> Any:
        image.SetSpacing(geometry.spacing_mm[::-1])
        image.SetOrigin(geometry.affine[:3, 3].tolist())
        image.SetDirection(geometry.directions[:, [2, 1, 0]].ravel().tolist())
        return image

    like = prepare(sitk.Image(*[int(n) for n in target.shape[::-1]], sitk.sitkFloat32), target)
    method = {"nearest": sitk.sitkNearestNeighbor, "linear": sitk.sitkLinear}[order]
    truth = sitk.GetArrayFromImage(sitk.Resample(prepare(sitk.GetImageFromArray(array), source), like,
                                                 sitk.Transform(), method, -50.0))
    ours = resample(Volume(array, source), target, order=order, fill=-50.0).stored  # type: ignore[arg-type]
    kji = np.stack(np.meshgrid(*(np.arange(n) for n in target.shape), indexing="ij"), -1)
    places = source.to_index(target.to_lps(kji))
    halves = np.abs(places % 1 - 0.5) < 1e-6  # ties, and the border itself, may fall either way
    border = (np.abs(places + 0.5) < 1e-6) | (np.abs(places + 0.5 - source.shape) < 1e-6)
    sure = ~(halves if order == "nearest" else border).any(-1)
    assert sure.mean() > 0.2
    np.testing.assert_allclose(ours[sure], truth[sure], atol=1e-2)


def test_cubic_agrees_with_scipy() -> None:
    from scipy import ndimage

    source, target = axial(), turned()
    array = RNG.normal(0, 100, source.shape)
    matrix = np.linalg.inv(source.affine) @ target.affine
    truth = ndimage.affine_transform(array, matrix[:3, :3], matrix[:3, 3], target.shape, order=3)
    ours = resample(Volume(array, source), target, order="cubic")
    within = inside(source, target)
    np.testing.assert_allclose(ours.stored[within], truth[within], atol=1e-9)


def test_whole_numbers_are_rounded_and_kept_in_range() -> None:
    geometry = Geometry.from_spacing((1, 1, 4))
    target = Geometry.from_spacing((1, 1, 3), origin_lps=(0.3, 0, 0))
    volume = Volume(np.array([[[0, 255, 0, 255]]], np.uint8), geometry)
    np.testing.assert_array_equal(resample(volume, target).stored.ravel(), [76, 178, 76])  # 76.5 to even, 178.5
    cubic = resample(volume, target, order="cubic").stored
    assert cubic.dtype == np.uint8


def test_scaling_per_slice_is_applied() -> None:
    geometry = Geometry.from_spacing((3, 1, 1))
    rescale = Rescale(np.array([1.0, 3.0, 5.0]), np.array([0.0, 1, 2]))
    volume = Volume(np.full((3, 1, 1), 10, np.int16), geometry, rescale)
    target = Geometry.from_spacing((2, 1, 1), origin_lps=(0, 0, 0.5))
    out = resample(volume, target)
    np.testing.assert_allclose(out.array.ravel(), [(10 + 31) / 2, (31 + 52) / 2])
    assert (out.stored.dtype, out.rescale.is_identity) == (np.float32, True)


def test_padding_and_outside_become_the_fill() -> None:
    geometry = Geometry.from_spacing((1, 1, 4))
    volume = Volume(np.array([[[-2000, 50, 60, 70]]], np.int16), geometry, Rescale(np.array(1.0), np.array(-1024.0)),
                    unit="HU", padding=(-2000, -2000))
    out = resample(volume, Geometry.from_spacing((1, 1, 7), origin_lps=(-2.0, 0, 0)))
    np.testing.assert_allclose(out.array.ravel(), [-1024, -1024, -1024, -974, -964, -954, -1024])
    assert out.padding is None
    beyond = Geometry.from_spacing((1, 1, 1), origin_lps=(-2.0, 0, 0))
    assert resample(volume, beyond, fill=-1000.0).array[0, 0, 0] == -1000


def test_time_and_colour() -> None:
    source, target = axial(), GRIDS["fine"]
    film = Volume(np.stack([linear_field(source), 2 * linear_field(source)]), source, frame_time_ms=5.0)
    out = resample(film, target)
    np.testing.assert_allclose(out.stored[1], 2 * out.stored[0], rtol=1e-5)
    assert (out.has_time, out.frame_time_ms) == (True, 5.0)
    colour = Volume(RNG.integers(0, 255, (*source.shape, 3)).astype(np.uint8), source, colour=True)
    grey = Volume(colour.stored[..., 1], source)
    np.testing.assert_array_equal(resample(colour, target).stored[..., 1], resample(grey, target).stored)


def test_anti_alias_keeps_the_mean_of_a_checkerboard() -> None:
    geometry = Geometry.from_spacing((8, 32, 32))
    board = (np.indices(geometry.shape).sum(0) % 2 * 100).astype(np.float32)
    coarse = geometry_with_spacing(geometry, (1.0, 3.0, 3.0))
    smooth = resample(Volume(board, geometry), coarse, anti_alias=True).stored[:, 2:-2, 2:-2]
    rough = resample(Volume(board, geometry), coarse).stored[:, 2:-2, 2:-2]
    assert np.abs(smooth - 50).max() < 5
    assert np.abs(rough - 50).max() == 50
    # the plain path smooths alike
    slanted = Geometry(coarse.shape, coarse.affine + np.array([[0, 0, 1e-4, 0]] + [[0.0] * 4] * 3))
    np.testing.assert_allclose(resample(Volume(board, geometry), slanted, anti_alias=True).stored[:, 2:-2, 2:-2],
                               smooth, atol=0.5)


def test_labels_take_the_nearest() -> None:
    source = uneven()
    array = RNG.integers(0, 4, source.shape).astype(np.uint8)
    labels = LabelMap((array,), source, (Segment(1, "a"), Segment(3, "c")), refers_to="1.2.3")
    out = resample_labels(labels, geometry_with_spacing(source, (0.5, 0.8, 0.7)))
    assert out.array.dtype == np.uint8
    assert (out.segments, out.refers_to) == (labels.segments, "1.2.3")
    kji = np.argwhere(out.array == 3)[::7]
    back = np.rint(source.to_index(out.geometry.to_lps(kji))).astype(int)
    assert (array[tuple(back.clip(0, np.array(source.shape) - 1).T)] == 3).mean() > 0.95
    assert resample_labels(labels, source) is labels


@pytest.mark.parametrize("geometry", [axial(), turned(), sheared()], ids=["axial", "turned", "sheared"])
@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (0.3, 1.0, 0.5), (100.0, 0.8, 0.7)])
def test_new_spacing_covers_the_same_field(geometry: Geometry, spacing: tuple[float, float, float]) -> None:
    new = geometry_with_spacing(geometry, spacing)
    np.testing.assert_allclose(new.spacing_mm, spacing)
    np.testing.assert_allclose(new.corners_lps()[0], geometry.corners_lps()[0], atol=1e-9)
    for n in range(3):
        old_mm, new_mm = (g.shape[n] * g.spacing_mm[n] for g in (geometry, new))
        assert abs(old_mm - new_mm) <= spacing[n] / 2 + 1e-9 or new.shape[n] == 1


def test_bad_requests_and_cancel() -> None:
    volume = Volume(linear_field(axial()), axial())
    with pytest.raises(ParamError, match="mm above 0"):
        geometry_with_spacing(axial(), (2.0, 0.0, 2.0))
    with pytest.raises(ParamError, match="lanczos"):
        resample(volume, axial(), order="lanczos")  # type: ignore[arg-type]
    for target in (turned(), GRIDS["fine"]):
        job = Job()
        job.cancel()
        with pytest.raises(Cancelled):
            resample(volume, target, job=job)
