"""Cases from image series with segmentations or structure sets: one for every annotated slice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medviewer.core.errors import GeometryError, MedviewerError, ParamError, ReadError
from medviewer.core.files import safe_name
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.core.study import ScanResult, Series
from medviewer.core.volume import Volume, Window
from medviewer.export.cases import Case, Failure, Mask, Plan, Sample
from medviewer.export.images import (
    check_whole,
    damage_of,
    picture_window,
    read_complete,
    slice_facts,
    slice_pixels,
    texts,
)
from medviewer.export.pairing import ANNOTATIONS, find_image, same_voxels
from medviewer.export.recipe import Recipe


class OneVolume:
    """Keeps the volume read last: cases come series by series, and two volumes need not be in memory."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._series: Series | None = None
        self._volume: Volume | None = None
        self._window: Window | None = None
        self.damage: list[str] = []

    def get(self, series: Series) -> tuple[Volume, Window]:
        """Return the complete volume of a series and its grey mapping for pictures."""
        if self._series is not series or self._volume is None or self._window is None:
            self._series = self._volume = None  # freed before the next is read
            self._volume, reports = read_complete(series, self.job)
            self.damage = damage_of(reports)
            self._series, self._window = series, picture_window(self._volume)
        return self._volume, self._window


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """An image series and one annotation of it."""

    image: Series
    annotation: Series
    note: str = ""


def plan_series(found: ScanResult, recipe: Recipe, job: Job) -> Plan:
    """Pair annotations with images, and make a case of every annotated slice; the rest is listed."""
    failures = [Failure(s.path.name, s.reason) for s in found.skipped]
    pairs, unpaired = _pairs(found.series)
    failures += unpaired
    annotated = {id(p.image) for p in pairs}
    left_out = [Failure(_title(s), "there is no annotation of this series") for s in found.series
                if s.kind == "image" and id(s) not in annotated]
    plan = Plan((), tuple(failures), tuple(left_out))
    store = OneVolume(job)
    folders = _folder_names(pairs)
    for n, (pair, folder) in enumerate(zip(pairs, folders, strict=True)):
        try:
            plan += _plan_pair(pair, folder, recipe, store, job.part(n / len(pairs), (n + 1) / len(pairs)))
        except MedviewerError as error:
            plan += Plan(failures=(Failure(_title(pair.annotation), f"{error.message} {error.hint}".strip()),))
    return plan


def _pairs(series: Sequence[Series]) -> tuple[list[Pair], list[Failure]]:
    images = [s for s in series if s.kind == "image"]
    pairs, failures = [], []
    for annotation in (s for s in series if s.kind in ANNOTATIONS):
        try:
            pairs.append(Pair(*_ordered(annotation, images)))
        except GeometryError as error:
            failures.append(Failure(_title(annotation), f"{error.message} {error.hint}".strip()))
    return sorted(pairs, key=_sort_key), failures


def _ordered(annotation: Series, images: Sequence[Series]) -> tuple[Series, Series, str]:
    image, note = find_image(annotation, images)
    if image.geometry is None:
        raise GeometryError("the slices of its image series have no positions")
    if image.time_points > 1:
        raise GeometryError(f"its image series has {image.time_points} time points, and nothing tells which is meant")
    return image, annotation, note


def _sort_key(pair: Pair) -> tuple[Any, ...]:
    a, b = pair.image, pair.annotation
    return (a.patient.id, a.number if a.number is not None else -1, a.series_uid, b.number or 0, b.series_uid,
            [p.name for p in b.files])


def _title(series: Series) -> str:
    return series.files[0].name if len(series.files) == 1 else f"{series.title} ({series.files[0].name} ...)"


def _folder_names(pairs: Iterable[Pair]) -> list[str]:
    """Name the folder of each pair after its patient; further pairs of a patient get a number."""
    taken: set[str] = set()
    names = []
    for pair in pairs:
        number, stem = pair.image.number, pair.image.files[0].name.split(".")[0]
        wanted = pair.image.patient.id or (f"series_{number}" if number is not None else stem)
        base = name = safe_name(wanted, "patient")
        count = 1
        while name.casefold() in taken:
            count += 1
            name = f"{base}_{count}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _plan_pair(pair: Pair, folder: str, recipe: Recipe, store: OneVolume, job: Job) -> Plan:
    labels, notes = _labels(pair, recipe, job)
    notes = (*notes, pair.note) if pair.note else notes
    mask, names = _union(labels, recipe)
    annotated = np.flatnonzero(mask.any(axis=(1, 2)))
    if not annotated.size:
        raise ReadError("no voxel of its image series is annotated")
    wanted = annotated if recipe.slices == "annotated" else np.arange(mask.shape[0])
    places = slice_places(pair.image, job)
    cases = []
    for k in wanted:
        number, files = places[k]
        packed = np.packbits(mask[k])
        load = partial(_load, pair.image, int(k), files, packed, names, store, notes)
        cases.append(Case(folder, number, (*files, *pair.annotation.files), load, f"{folder}/{number}",
                          {"patient_id": pair.image.patient.id, "series_uid": pair.image.series_uid, "slice": int(k),
                           "structures": list(names)}))
    rest = mask.shape[0] - len(wanted)
    left_out = (Failure(_title(pair.image), f"{rest} slices have no annotation"),) if rest else ()
    return Plan(tuple(cases), (), left_out)


def _labels(pair: Pair, recipe: Recipe, job: Job) -> tuple[LabelMap, tuple[str, ...]]:
    from medviewer.io.access import read_contours, read_labels

    grid = pair.image.geometry
    assert grid is not None
    if pair.annotation.kind == "rtstruct":
        from medviewer.ops.rasterise import rasterise

        contours = read_contours(pair.annotation, job=job)
        labels, reports = rasterise(contours, grid, rule=recipe.rule, job=job)
        return labels, texts(reports)
    labels = read_labels(pair.annotation, grid, job=job)
    if labels.geometry.same_grid(grid):
        return labels, ()
    if not same_voxels(labels.geometry, grid):
        raise GeometryError("it does not lie on the voxel grid of its image series")
    from medviewer.ops.resample import resample_labels

    return resample_labels(labels, grid, job=job), ()  # the same voxels in another order


def _union(labels: LabelMap, recipe: Recipe) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    wanted = {name.casefold() for name in recipe.rois}
    chosen = [s for s in labels.segments if not wanted or s.name.casefold() in wanted]
    if not chosen:
        there = ", ".join(s.name for s in labels.segments) or "none"
        raise ParamError(f"it has no structure named {' or '.join(recipe.rois)} (it has {there})"
                         if wanted else "it has no structures")
    mask = np.zeros(labels.geometry.shape, bool)
    for segment in chosen:
        mask |= labels.mask(segment)
    return mask, tuple(s.name for s in chosen)


def _load(image: Series, k: int, files: tuple[Path, ...], packed: NDArray[np.uint8], names: tuple[str, ...],
          store: OneVolume, notes: tuple[str, ...]) -> Sample:
    volume, window = store.get(image)
    if damage_of(image.warnings):  # some file of the series is incomplete: only its own slices may not be exported
        for path in files:
            check_whole(path, store.job)
    if not volume.is_present(k) or (store.damage and volume.present is None):
        reason = store.damage[0] if store.damage else "it is not in the files"
        raise ReadError(f"slice {k + 1} cannot be exported: {reason}")
    shape = volume.geometry.shape[1:]
    pixels = np.unpackbits(packed, count=shape[0] * shape[1]).reshape(shape).astype(bool)
    return Sample(slice_pixels(volume, k), {"target": Mask(pixels, None, names)}, slice_facts(volume, k), window, notes)


def slice_places(series: Series, job: Job) -> list[tuple[int, tuple[Path, ...]]]:
    """Return for each slice its number (instance number where the file has one, else counted from 1) and its file."""
    assert series.geometry is not None
    count = series.geometry.shape[0]
    counted = [(k + 1, series.files) for k in range(count)]
    if len(series.files) < 2:
        return counted
    from medviewer.io.dicom.headers import Header, read_headers

    at: dict[int, Header] = {}
    for header in read_headers(series.files, job)[0]:
        position = header.numbers("ImagePositionPatient")
        if len(position) == 3:
            at.setdefault(round(float(series.geometry.to_index(position)[0])), header)
    if not all(k in at for k in range(count)):
        return counted
    numbers = [at[k].integer("InstanceNumber", -1) for k in range(count)]
    if min(numbers) < 0 or len(set(numbers)) < count:
        numbers = [k + 1 for k in range(count)]
    return [(n, (at[k].path,)) for k, n in enumerate(numbers)]


