"""Which masks of a folder belong to which images.

DICOM objects name their images. For other formats names decide before the voxel grid does: a mask on a wrong grid, or
with the grid of another patient, must still be compared with the image it was meant for. ``labelsTr/a.nii.gz`` belongs
to ``imagesTr/a_0000.nii.gz``, ``b/mask.nrrd`` to ``b/image.nrrd``, ``c_seg.nii.gz`` to the DICOM series in ``c``.
Several images of one case (``_0000``, ``_0001``; t1, t2) are its channels.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medviewer.core.errors import GeometryError, MedviewerError
from medviewer.core.study import Series
from medviewer.export.cases import Failure
from medviewer.export.pairing import find_image, same_voxels

MASKS = ("labels", "seg", "rtstruct", "contours")
MOST_CHANNELS = 4
_WORDS = re.compile(r"^(seg|segs|segm|segmentations?|masks?|labels?|labelmap|rois?|gt|groundtruth|truth|annotations?|"
                    r"manual|contours?|rtstruct|rt|rs|images?|img|imgs|scans?|volumes?|vol|dicom|dcm|nii|nrrd|mha|"
                    r"labelstr|labelsts|imagestr|imagests|train|test|val)$")
_SPLIT = re.compile(r"[^a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_CHANNEL = re.compile(r"_\d{4}$")


@dataclass(frozen=True, slots=True, eq=False)
class CheckPair:
    """A mask and the image or channels it belongs to."""

    images: tuple[Series, ...]
    mask: Series
    note: str = ""


def pair_masks(series: Sequence[Series],
               masks: Sequence[Series] | None = None) -> tuple[list[CheckPair], list[Failure]]:
    """Pair masks with images.

    Parameters
    ----------
    series : found in the folder
    masks : those the user named; all masks of `series` by default

    Returns
    -------
    pairs : list of CheckPair
    failures : list of Failure
        Masks without an image.
    """
    wanted = [s for s in series if s.kind in MASKS] if masks is None else list(masks)
    chosen = {id(s) for s in wanted}
    images = [s for s in series if s.kind == "image" and id(s) not in chosen and s.geometry is not None]
    root = _root([*images, *wanted])
    pairs, failures = [], []
    for mask in wanted:
        try:
            found, note = _images_of(mask, images, root)
            pairs.append(CheckPair(tuple(found[:MOST_CHANNELS]), mask, note))
        except GeometryError as error:
            failures.append(Failure(mask.files[0].name, error_words(error)))
    return pairs, failures


def error_words(error: MedviewerError) -> str:
    """Return what failed and what to try as sentences."""
    message = error.message if error.message.endswith((".", "!", "?")) else f"{error.message}."
    return f"{message} {error.hint}".strip()


def _images_of(mask: Series, images: Sequence[Series], root: Path) -> tuple[list[Series], str]:
    if len(images) == 1 and mask.kind == "labels":
        return list(images), ""
    if mask.kind in ("seg", "rtstruct"):
        try:
            image, note = find_image(mask, images)
        except GeometryError:
            by_name = _by_name(mask, images, root) if images else []
            if len(images) == 1 or len(by_name) == 1:
                return by_name or list(images), "the image that the file names is not among the sources"
            raise
        return [image], note
    named = _by_name(mask, images, root)
    if len(named) > 1:
        named = _on_grid(mask, named) or named
    if named and (len(named) == 1 or _on_grid(named[0], named) == named):
        return named, ""
    try:
        image, note = find_image(mask, named or images)
    except GeometryError:
        same = _on_grid(mask, named or images)
        near = [s for s in same if s.reader == "dicom"] or [
            s for s in same if s.files[0].parent == mask.files[0].parent] or same
        if near and len({s.files[0].parent for s in near}) == 1 and len(near) <= MOST_CHANNELS:
            return near, ""
        raise
    return [image], note


def _on_grid(one: Series, images: Sequence[Series]) -> list[Series]:
    grid = one.geometry
    return [s for s in images if grid is not None and s.geometry is not None and same_voxels(s.geometry, grid)]


def _by_name(mask: Series, images: Sequence[Series], root: Path) -> list[Series]:
    """Return the images whose names and folders share most with those of the mask."""
    mine = name_tokens(mask, root)
    if not mine:
        return []
    scores = [max(_share(mine, name_tokens(image, root)), _share(mine, name_tokens(image, root, channel=True)))
              for image in images]
    best = max(scores, default=0.0)
    return [s for s, score in zip(images, scores, strict=True) if score == best] if best >= 0.5 else []


def _share(mine: frozenset[str], theirs: frozenset[str]) -> float:
    shared = len(mine & theirs)
    return shared / len(mine | theirs) if shared else 0.0


def name_tokens(series: Series, root: Path, *, channel: bool = False) -> frozenset[str]:
    """Return what tells a case from others in the names of its file and folders.

    channel : whether the name ends in the number of a channel (``_0000``), which does not count
    """
    path = series.files[0].absolute()
    parts = list(path.parent.relative_to(root).parts) if path.is_relative_to(root) else []
    if len(series.files) == 1:
        stem = path.name.split(".")[0]
        parts.append(_CHANNEL.sub("", stem) if channel else stem)
    words = [w for part in parts for w in _SPLIT.split(_CAMEL.sub("_", part).lower()) if w]
    return frozenset(w for w in words if not _WORDS.match(w))


def _root(series: Sequence[Series]) -> Path:
    if not series:
        return Path(".")
    return Path(os.path.commonpath([str(s.files[0].parent.absolute()) for s in series]))
