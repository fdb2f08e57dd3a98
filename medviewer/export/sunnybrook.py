"""Pair single images with contour text files by a link table, as the Sunnybrook cardiac data are laid out.

``link.csv`` names for every patient_id (a folder of ``<n>.dcm``) the original_id (a folder with
``i-contours/IM-0001-<n>-icontour-manual.txt`` and ``o-contours/...``); equal numbers belong together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import MedviewerError, ReadError
from medviewer.core.files import safe_join, safe_name
from medviewer.core.job import Job
from medviewer.export.cases import Case, Failure, Mask, Plan, Sample
from medviewer.export.images import picture_window, read_single, slice_facts, slice_pixels
from medviewer.export.recipe import Recipe, Rule

KIND = {"inner": "i", "outer": "o"}


@dataclass(frozen=True, slots=True)
class Tree:
    """Where the three parts lie; without a link table, folders of the same name belong together."""

    images: Path
    contours: Path
    link: Path | None = None


def find_tree(source: Path | None, recipe: Recipe) -> Tree | None:
    """Return the tree in a source folder, or None if there is no folder of contours."""
    contours = recipe.contours or _child(source, "contourfiles")
    if contours is None:
        return None
    images = recipe.images or _child(source, "dicoms") or source
    if images is None:
        raise ReadError("the folder of images is not given", path=contours)
    return Tree(images, contours, recipe.link or _child(source, "link.csv"))


def _child(folder: Path | None, name: str) -> Path | None:
    if folder is None or not folder.is_dir():
        return None
    return next((p for p in sorted(folder.iterdir()) if p.name.lower() == name), None)


def plan_tree(tree: Tree, recipe: Recipe, job: Job) -> Plan:
    """Pair every image with its contours; what is missing on either side is listed.

    Raises
    ------
    ReadError
        If the link table cannot be read.
    """
    kinds = ("i", "o") if recipe.both_contours else (KIND[recipe.contour],)
    plan, used = Plan(sources=(tree.link,) if tree.link else ()), set()
    links = _links(tree)
    for patient, original in job.each(links, "Pairing"):
        if patient in used:
            plan += Plan(failures=(Failure(patient, "the link table names this patient twice; the first row is used"),))
            continue
        used.add(patient)
        plan += _patient(tree, patient, original, kinds, recipe, job)
    return plan + _unlinked(tree, links)


def _links(tree: Tree) -> list[tuple[str, str]]:
    from medviewer.io.formats.contour_text import read_links

    if tree.link is not None:
        return read_links(tree.link)
    return [(name, name) for name in _folders(tree.contours)]


def _folders(root: Path) -> list[str]:
    return sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")) if root.is_dir() else []


def _unlinked(tree: Tree, links: list[tuple[str, str]]) -> Plan:
    """List folders that the link table does not name."""
    if tree.link is None:
        return Plan()
    found = []
    for root, known in ((tree.images, {p for p, _ in links}), (tree.contours, {o for _, o in links})):
        found += [Failure(f"{root.name}/{name}", f"the link table {tree.link.name} does not name this folder")
                  for name in _folders(root) if name not in known]
    return Plan(left_out=tuple(found))


@dataclass(slots=True)
class _Listing:
    """Files of one patient by number, and those that cannot be used."""

    files: dict[int, Path] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    def add(self, number: int, path: Path, title: str) -> None:
        """Keep a file; two of one number are a fault, and neither is used."""
        if number in self.files:
            self.failures.append(Failure(title, f"has the same number as {self.files[number].name}; the first is used"))
        else:
            self.files[number] = path


def _list_images(folder: Path, patient: str) -> _Listing:
    listing = _Listing()
    for path in _files(folder):
        if path.stem.isascii() and path.stem.isdigit():
            listing.add(int(path.stem), path, f"{patient}/{path.name}")
        elif path.suffix.lower() == ".dcm":
            listing.failures.append(Failure(f"{patient}/{path.name}", "the file name is not a number"))
    return listing


def _list_contours(folder: Path, original: str, kind: str) -> _Listing:
    from medviewer.io.formats.contour_text import parse_name

    listing = _Listing()
    for path in _files(folder):
        named, title = parse_name(path), f"{original}/{path.name}"
        if named is None and path.suffix.lower() == ".txt" and path.parent.name.lower() == f"{kind}-contours":
            listing.failures.append(Failure(title, "the file name holds no image number and kind of contour"))
        elif named is not None and named[1] == kind:
            listing.add(named[0], path, title)
    return listing


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))


def _patient(tree: Tree, patient: str, original: str, kinds: tuple[str, ...], recipe: Recipe, job: Job) -> Plan:
    try:
        folders = safe_join(tree.images, patient), safe_join(tree.contours, original)
    except MedviewerError as error:
        return Plan(failures=(Failure(patient, error.message),))
    missing = [f"the folder {root.name}/{name} does not exist"
               for root, name, folder in ((tree.images, patient, folders[0]), (tree.contours, original, folders[1]))
               if not folder.is_dir()]
    if missing:
        return Plan(failures=(Failure(patient, " and ".join(missing)),))
    images = _list_images(folders[0], patient)
    listings = {kind: _list_contours(folders[1], original, kind) for kind in kinds}
    failures = images.failures + [f for listing in listings.values() for f in listing.failures]
    failures += [Failure(f"{original}/{path.name}", f"there is no image {patient}/{n}.dcm for this contour")
                 for listing in listings.values() for n, path in sorted(listing.files.items()) if n not in images.files]
    cases, left_out = [], []
    for n, image in sorted(images.files.items()):
        contours = {kind: listing.files[n] for kind, listing in listings.items() if n in listing.files}
        if contours or recipe.slices == "all":
            cases.append(_case(patient, original, n, image, contours, recipe, job))
        else:
            left_out.append(Failure(f"{patient}/{image.name}", "there is no contour for this image"))
    return Plan(tuple(cases), tuple(failures), tuple(left_out))


def _case(patient: str, original: str, n: int, image: Path, contours: Mapping[str, Path], recipe: Recipe,
          job: Job) -> Case:
    load = partial(_load, image, contours, original, recipe, job)
    return Case(safe_name(patient, "patient"), n, (image, *contours.values()), load, f"{patient}/{image.name}",
                {"patient_id": patient, "original_id": original})


def _load(image: Path, contours: Mapping[str, Path], original: str, recipe: Recipe, job: Job) -> Sample:
    volume, series, notes = read_single(image, job)
    shape = volume.geometry.shape[1:]
    masks: dict[str, Mask] = {}
    failures = []
    for kind, path in contours.items():
        try:
            masks[f"{kind}_contour" if recipe.both_contours else "target"] = _mask(path, shape, recipe.rule)
        except MedviewerError as error:
            failures.append(Failure(f"{original}/{path.name}", f"{error.message} {error.hint}".strip()))
    if not contours and not recipe.both_contours:
        masks["target"] = Mask(np.zeros(shape, bool))
    facts = {**slice_facts(volume, 0), "series_uid": series.series_uid}
    return Sample(slice_pixels(volume, 0), masks, facts, picture_window(volume), notes, tuple(failures))


def _mask(path: Path, shape: tuple[int, int], rule: Rule) -> Mask:
    from medviewer.io.formats.contour_text import read_contour_text
    from medviewer.ops.rasterise import rasterise_polygon

    points = read_contour_text(path)
    if len(points) < 3:
        raise ReadError(f"{path.name} has {len(points)} points, too few for an outline", path=path)
    pixels = rasterise_polygon(points[:, ::-1], shape, rule)
    if not pixels.any():
        raise ReadError(f"the contour of {path.name} encloses no pixel of the image", path=path)
    return Mask(pixels, shoelace(points))


def shoelace(points: NDArray[np.float64]) -> float:
    """Return the area enclosed by a polygon (N, 2), in the square of its unit (Gauss's area formula)."""
    x, y = (points - points.mean(axis=0)).T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def image_of_contours(tree: Tree) -> dict[tuple[str, int], Path]:
    """Return the image file of every (original_id, number) that has one."""
    found = {}
    for patient, original in _links(tree):
        try:
            folder = safe_join(tree.images, patient)
        except MedviewerError:
            continue
        if folder.is_dir():
            found.update({(original, n): path for n, path in _list_images(folder, patient).files.items()})
    return found
