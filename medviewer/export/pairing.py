"""Which image series an annotation was drawn on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medviewer.core.errors import GeometryError
from medviewer.core.geometry import Geometry
from medviewer.core.study import Kind, Series

SAME_SHARE = 0.02  # of a voxel: grids closer than this are the same but for rounding
ANNOTATIONS: tuple[Kind, ...] = ("rtstruct", "seg", "labels")


def find_image(annotation: Series, images: Sequence[Series]) -> tuple[Series, str]:
    """Return the image series of an annotation, and a note if it is not the one named in the file.

    The series named in the annotation comes first; if it is not there, the only one of the same frame of
    reference; for formats without such names, the one with the same voxels in space. Where several have them
    (all cases of a data set that was registered to one template), file names and folders decide:
    ``case1.nii.gz`` belongs to ``case1_0000.nii.gz``, ``a/mask.nii.gz`` to ``a/image.nii.gz``.

    Raises
    ------
    GeometryError
        If there is none, or no way to choose among several.
    """
    if not images:
        raise GeometryError("there is no image among the sources that it could belong to")
    named = [s for s in images if annotation.refers_to and s.series_uid == annotation.refers_to]
    if len(named) > 1:
        named = _same_voxels(annotation, named) or named
    if named:
        return _only(named, "the series it names has several parts"), ""
    frame = annotation.frame_of_reference_uid
    framed = [s for s in images if frame and s.frame_of_reference_uid == frame]
    if len(framed) > 1:
        framed = _same_voxels(annotation, framed) or framed
    if framed:
        note = "" if not annotation.refers_to else ("the series named in the annotation is not among the sources; "
                                                    "the one of the same frame of reference is used")
        return _only(framed, "several series have its frame of reference"), note
    if annotation.refers_to or (frame and annotation.kind != "labels"):
        raise GeometryError("the image series it belongs to is not among the sources")
    same = _same_voxels(annotation, images)
    if not same:
        raise GeometryError("no image among the sources has the same voxel grid")
    for related in (_same_name, _same_folder):
        same = [s for s in same if related(s, annotation)] or same
    return _only(same, "several images have its voxel grid"), ""


def _same_voxels(annotation: Series, images: Sequence[Series]) -> list[Series]:
    grid = annotation.geometry
    return [s for s in images if grid is not None and s.geometry is not None and same_voxels(s.geometry, grid)]


def same_voxels(a: Geometry, b: Geometry) -> bool:
    """Whether two grids have their voxels at the same places, in whatever order the axes run.

    Headers with 4-byte numbers are off by rounding; a real shift is larger than the tolerance.
    """
    tolerance_mm = SAME_SHARE * min(a.spacing_mm)
    if a.same_grid(b, tolerance_mm):
        return True
    if sorted(a.shape) != sorted(b.shape) or not (a.is_even and b.is_even):
        return False
    corners = b.corners_lps()
    return all(np.abs(corners - corner).max(axis=1).min() <= tolerance_mm for corner in a.corners_lps()) and all(
        abs(x - y) <= tolerance_mm for x, y in zip(sorted(a.spacing_mm), sorted(b.spacing_mm), strict=True))


def _same_name(image: Series, annotation: Series) -> bool:
    a, b = (s.files[0].name.split(".")[0].casefold() for s in (image, annotation))
    short, long = sorted((a, b), key=len)
    return bool(short) and long.startswith(short) and not long[len(short):len(short) + 1].isalnum()


def _same_folder(image: Series, annotation: Series) -> bool:
    return image.files[0].parent == annotation.files[0].parent


def _only(images: Sequence[Series], problem: str) -> Series:
    if len(images) > 1:
        raise GeometryError(f"{problem}, and nothing tells which one is meant",
                            hint="Give that image and the annotation alone.")
    return images[0]
