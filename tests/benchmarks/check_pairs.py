"""Real and synthetic pairs of image and mask for the benchmark of the dataset check, and faults to put into them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree.ElementTree import parse

import numpy as np

from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.core.volume import Volume


@dataclass(frozen=True, eq=False)
class Sample:
    """A right pair; `clear` tells whether its structures have edges at all in this image."""

    name: str
    volume: Volume
    labels: LabelMap
    clear: bool = True


FILES = (  # name, image, mask, whether edges show the structures
    ("ibsi GTV", "ibsi-ct-phantom/dicom/image", "ibsi-ct-phantom/dicom/mask", True),
    ("sts CT", "sts-001-petct/CT_crop/image", "sts-001-petct/CT_crop/mask", False),
    ("sts SUV", "sts-001-petct/PET_crop_SUV/image", "sts-001-petct/PET_crop_SUV/mask", False),
    ("sts PET", "sts-001-petct/PET_raw_BQML/image", "sts-001-petct/PET_raw_BQML/mask", True),
    *((f"brats {m}", f"brats-4mod/TCGA-DU-7294_{m}_bet_raw.nii.gz", "brats-4mod/seg_fusion_simple.nii.gz", False)
      for m in ("t1", "t1c", "t2", "fla")),
    ("totalseg CT", "totalseg-ct/example_ct_dicom", "totalseg-ct/example_seg_dicom.nii.gz", True),
    ("totalseg MR", "totalseg-ct/example_mr_sm.nii.gz", "totalseg-ct/example_seg_mr.nii.gz", True),
    ("breast", "nrrd-mha/breast1_image.nrrd", "nrrd-mha/breast1_label.nrrd", True),
    ("prostate", "nrrd-mha/prostate_phantom_subvolume.nrrd", "nrrd-mha/prostate_phantom_subvolume-label.nrrd", True),
    ("head 2D", "nrrd-mha/CT_2D_head_fixed.mha", "nrrd-mha/CT_2D_head_fixed_mask.mha", True),
    ("liver SEG", "dicom-seg/ct-3slice", "dicom-seg/liver.dcm", True),
    ("AIL scribble", "nifti-odd/AIL.nii.gz", "nifti-odd/draw.nii.gz", False),
)


def samples(shared: Path, demo: Path | None, seeds: tuple[int, ...]) -> Iterator[Sample]:
    """Yield all pairs, one at a time."""
    for name, image, mask, clear in FILES:
        yield Sample(name, *_pair(shared / image, shared / mask), clear)
    yield from _nodules(shared / "lidc-idri-0001")
    if demo is not None:
        for mask in ("SEG.dcm", "RTSTRUCT.dcm"):
            yield Sample(f"demo {mask.split('.')[0]}", *_pair(demo / "CT", demo / mask))
    for seed in seeds:
        yield from _chests(seed)


def _pair(image: Path, mask: Path) -> tuple[Volume, LabelMap]:
    from medviewer.export.case_check import labels_on
    from medviewer.io.access import read, scan

    volume = read(image)
    series = scan(mask)[0]
    return volume, labels_on(replace(series, kind="labels") if series.kind == "image" else series, volume, Job())[0]


def _nodules(folder: Path) -> Iterator[Sample]:
    """The outlines of each reader of the LIDC XML: x, y are the first pixels outside the nodule."""
    from medviewer.io.access import read
    from medviewer.ops.rasterise import rasterise_polygon

    volume, ns = read(folder / "dicom"), "{http://www.nih.gov}"
    grid = volume.geometry
    for n, reader in enumerate(parse(folder / "069.xml").getroot().iter(f"{ns}readingSession")):
        mask = np.zeros(grid.shape, np.uint8)
        for roi in reader.iter(f"{ns}roi"):
            points = np.array([[float(e.findtext(f"{ns}{a}Coord") or 0) for a in "yx"]
                               for e in roi.iter(f"{ns}edgeMap")])
            z = float(roi.findtext(f"{ns}imageZposition") or 0)
            if len(points) > 2:
                k = int(np.rint(grid.to_index([*grid.origin_lps[:2], z])[0]))
                mask[k] |= rasterise_polygon(points, grid.shape[1:])
        yield Sample(f"lidc reader {n + 1}", volume, LabelMap.from_array(mask, grid))


def _chests(seed: int) -> Iterator[Sample]:
    """A synthetic chest, the same with much noise, and the same resampled to larger voxels."""
    from medviewer.ops.phantom import thorax
    from medviewer.ops.resample import geometry_with_spacing, resample, resample_labels

    made = thorax(seed, shape=(80, 144, 144))
    volume = Volume(made.hu, made.geometry, unit="HU", modality="CT")
    yield Sample(f"chest {seed}", volume, made.labels)
    noise = np.random.default_rng(seed).normal(0, 60, made.hu.shape)
    yield Sample(f"chest {seed} noisy", replace(volume, stored=(made.hu + noise).astype(np.int16)), made.labels)
    grid = geometry_with_spacing(made.geometry, (5.0, 3.1, 3.1))
    yield Sample(f"chest {seed} coarse", resample(volume, grid, anti_alias=True), resample_labels(made.labels, grid))


Change = Callable[[np.ndarray], np.ndarray | None]


def _scaled(factor: float) -> Change:
    def change(array: np.ndarray) -> np.ndarray:
        from scipy.ndimage import affine_transform

        centre = np.argwhere(array).mean(axis=0)
        matrix = np.eye(3) / factor
        out: np.ndarray = affine_transform(array, matrix, centre - matrix @ centre, order=0)
        return out
    return change


def _half(axis: int) -> Change:
    def change(array: np.ndarray) -> np.ndarray:
        """Move by half a voxel: a voxel belongs to the label that covers it most on both sides."""
        other = np.roll(array, 1, axis)
        turn = np.indices(array.shape).sum(axis=0) % 2 == 0  # where the two differ, each wins every second time
        return np.where(array == other, array, np.where(turn, array, other))
    return change


def _swapped(array: np.ndarray) -> np.ndarray | None:
    return array.swapaxes(1, 2) if array.shape[1] == array.shape[2] else None


def _rolled(size: int, axis: int) -> Change:
    return lambda a: np.roll(a, size, axis) if a.shape[axis] > 2 else None


def _flipped(*axes: int) -> Change:
    return lambda a: np.flip(a, axes) if min(a.shape[n] for n in axes) > 1 else None


FAULTS: dict[str, tuple[str, Change]] = {  # name: (group, change)
    "flip LR": ("flips and swaps", _flipped(2)), "flip AP": ("flips and swaps", _flipped(1)),
    "flip HF": ("flips and swaps", _flipped(0)), "turn 180": ("flips and swaps", _flipped(1, 2)),
    "axis swap": ("flips and swaps", _swapped),
    "slice +1": ("one slice", _rolled(1, 0)), "slice -1": ("one slice", _rolled(-1, 0)),
    "half slice": ("half a voxel", _half(0)), "half column": ("half a voxel", _half(2)),
    "columns +2": ("two voxels", _rolled(2, 2)), "rows -2": ("two voxels", _rolled(-2, 1)),
    "scale 0.9": ("scale", _scaled(0.9)), "scale 1.1": ("scale", _scaled(1.1)),
}


def broken(labels: LabelMap, change: Change) -> LabelMap | None:
    """Put a fault into all layers; None where it is not possible or changes nothing."""
    layers = [change(layer) for layer in labels.layers]
    if any(layer is None for layer in layers):
        return None
    whole = tuple(np.ascontiguousarray(layer) for layer in layers if layer is not None)
    if all(np.array_equal(a, b) for a, b in zip(whole, labels.layers, strict=True)):
        return None
    return replace(labels, layers=whole)


def scratch() -> Path:
    """Return a new folder for data sets."""
    return Path(tempfile.mkdtemp(prefix="bench-check-"))
