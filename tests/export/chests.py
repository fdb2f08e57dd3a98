"""A small data set of synthetic chests as NIfTI, laid out as for nnU-Net, for the tests of the dataset check."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import nibabel
import numpy as np

from medviewer.core.geometry import lps_to_ras
from medviewer.ops.phantom import ThoraxPhantom, thorax

SHAPE = (44, 84, 84)


@cache
def chest(seed: int) -> ThoraxPhantom:
    return thorax(seed, shape=SHAPE)


def organs(seed: int) -> np.ndarray:
    """Labels 1...n of the first layer, the same numbers for every patient."""
    layer = chest(seed).labels.layers[0]
    return np.where(layer <= 8, layer, 0).astype(np.uint8)


def save(path: Path, array: np.ndarray, affine_lps: np.ndarray) -> Path:
    """Write (k, j, i) voxels with an LPS affine, without any of the program's writers."""
    ras = lps_to_ras(affine_lps)[:, [2, 1, 0, 3]]
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(array.transpose(2, 1, 0)), ras), path)
    return path


def write_case(folder: Path, seed: int, mask: np.ndarray | None = None, *, name: str | None = None,
               affine: np.ndarray | None = None) -> Path:
    """Write ``imagesTr/<name>_0000.nii.gz`` and ``labelsTr/<name>.nii.gz``; returns the mask."""
    made = chest(seed)
    name = name or f"chest_{seed:03d}"
    image = folder / "imagesTr" / f"{name}_0000.nii.gz"
    if not image.exists():
        save(image, made.hu, made.geometry.affine)
    grid = made.geometry.affine if affine is None else affine
    return save(folder / "labelsTr" / f"{name}.nii.gz", organs(seed) if mask is None else mask, grid)
