"""Masks of any origin, read and written: label files, DICOM SEG and RT Structure Sets.

Contours become voxels on the grid of the image they were drawn on. That image is looked for where the user says, else
beside the contours: in their folder, then in the one above.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from medviewer.core.errors import GeometryError, ParamError, ReadError, WriteError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.core.study import Report, ScanResult, Series
from medviewer.export.pairing import find_image
from medviewer.io.access import read_contours, read_labels, scan_all
from medviewer.ops.label_grid import fit_labels
from medviewer.ops.rasterise import RULES, Rule, rasterise

DicomKind = Literal["seg", "rtstruct"]
DICOM_KINDS = ("seg", "rtstruct")
MASKS = ("rtstruct", "seg", "labels")
MAX_LOOKED_THROUGH = 20_000  # files; a folder with more is not searched for the image of a structure set


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A mask that was read.

    image : series it was drawn on, where that was found or given
    reports : what was odd
    """

    labels: LabelMap
    series: Series
    image: Series | None
    reports: tuple[Report, ...]


def find_mask(path: Path, *, kinds: Sequence[str] = (*MASKS, "image"), job: Job | None = None) -> tuple[Series,
                                                                                                     ScanResult]:
    """Return the only mask of a file or folder, and all that was found there.

    Raises
    ------
    ReadError
        If there is none, or several.
    """
    found = scan_all([path], job)
    masks: list[Series] = []
    for group in (kinds[:-1], kinds[-1:]) if kinds[-1] == "image" else (kinds,):
        masks = masks or [s for s in found.series if s.kind in group]
    if not masks:
        if found.skipped and not found.series:
            raise ReadError(found.skipped[0].reason, path=found.skipped[0].path)
        raise ReadError(f"{path.name} holds no {'contours' if kinds == ('rtstruct',) else 'mask'}", path=path)
    if len(masks) > 1:
        names = ", ".join(s.files[0].name for s in masks[:5])
        raise ReadError(f"{path.name} holds {len(masks)} masks ({names})", path=path, hint="Name one file.")
    return masks[0], found


def read_mask(path: Path, *, on: Path | Geometry | None = None, rule: Rule = "exact", rois: Sequence[str] | None = None,
              job: Job | None = None) -> Mask:
    """Read a mask.

    Parameters
    ----------
    on : Path or Geometry, optional
        Image of contours, or the grid to draw them on if their image is not found; DICOM SEG files, which leave out
        empty slices, are put on the image's grid too.
    rule : {"exact", "pixel-centre", "pillow"}
        How contours become voxels.
    rois : sequence of str, optional
        Names of the structures wanted.

    Raises
    ------
    ReadError, ParamError
        If there is no mask, it cannot be read, or the image of contours is not found.
    """
    job = job or Job()
    series, found = find_mask(path, job=job.part(0.0, 0.3))
    image, reports = None, list(series.warnings)
    if isinstance(on, Path):
        image, more = choose_image(series, on, job.part(0.3, 0.5))
        reports += more
    if series.kind == "rtstruct":
        grid = image.geometry if image is not None else None
        if grid is None:
            image = image_beside(series, found, job.part(0.3, 0.5))
            grid = image.geometry if image is not None else on if isinstance(on, Geometry) else None
        if grid is None:
            raise ReadError(f"the image that the contours of {path.name} were drawn on is not found", path=path,
                            hint="Name it with --on.")
        labels, more = draw(series, grid, rule=rule, rois=rois, job=job.part(0.5, 1.0))
        return Mask(labels, series, image, (*reports, *more))
    labels = read_labels(series, image.geometry if image is not None else None, job=job.part(0.5, 1.0))
    return Mask(only(labels, rois), series, image, (*reports, *labels.warnings))


def draw(series: Series, grid: Geometry, *, rule: Rule = "exact", rois: Sequence[str] | None = None,
         job: Job | None = None) -> tuple[LabelMap, list[Report]]:
    """Turn the contours of a series into labels on a grid, with what is odd about them."""
    contours = read_contours(series, job=job)
    labels, reports = rasterise(contours, grid, rule=rule, segments=rois, job=job)
    return labels, [*contours.warnings, *reports]


def only(labels: LabelMap, names: Sequence[str] | None) -> LabelMap:
    """Return a label map with the segments of these names alone.

    Raises
    ------
    ParamError
        If there is no segment of a name.
    """
    if not names:
        return labels
    if missing := sorted(set(names) - {s.name for s in labels.segments}):
        raise ParamError(f"there is no segment called {', '.join(missing)}",
                         hint=f"Segments are: {', '.join(s.name for s in labels.segments)}.")
    return replace(labels, segments=tuple(s for s in labels.segments if s.name in names))


def choose_image(mask: Series, on: Path, job: Job | None = None) -> tuple[Series, list[Report]]:
    """Return the image series at `on` that a mask belongs to, and what does not fit.

    Raises
    ------
    ReadError
        If there is no image, or several and nothing tells which one is meant.
    """
    found = scan_all([on], job)
    images = [s for s in found.series if s.kind in ("image", "parametric", "rtdose") and s.geometry is not None]
    images = images or [s for s in found.series if s.kind == "labels" and s.geometry is not None]
    if not images:
        reason = found.skipped[0].reason if found.skipped and not found.series else f"{on.name} holds no image"
        raise ReadError(reason, path=on)
    try:
        image, note = find_image(mask, images)
    except GeometryError as error:
        if len(images) > 1:
            raise ReadError(f"{on.name} holds {len(images)} images: {error.message}", path=on,
                            hint="Name the folder or file of one.") from error
        image, note = images[0], ""
    reports = [Report("other-image", note, "")] if note else []
    frames = mask.frame_of_reference_uid, image.frame_of_reference_uid
    if all(frames) and frames[0] != frames[1]:
        reports.append(Report("other-frame-of-reference", f"The frame of reference of {mask.files[0].name} is not that "
                              "of the image", "positions are used as written"))
    return image, reports


def image_beside(mask: Series, found: ScanResult, job: Job | None = None, *, near: bool = True) -> Series | None:
    """Look for the image of a mask among what was found with it and, if `near`, in its folder and the one above."""
    folder = mask.files[0].resolve().parent
    for place in (None, folder, folder.parent) if near else (None,):
        if place is not None and (place in (Path(place.anchor), Path.home()) or _is_vast(place)):
            continue
        series = found.series if place is None else scan_all([place], job).series
        try:
            return find_image(mask, [s for s in series if s.kind == "image" and s.geometry is not None])[0]
        except GeometryError:
            continue
    return None


def _is_vast(folder: Path) -> bool:
    count = 0
    for _, _, files in os.walk(folder):
        count += len(files)
        if count > MAX_LOOKED_THROUGH:
            return True
    return False


def is_dicom_name(path: Path) -> bool:
    """Whether a file name asks for DICOM."""
    return path.suffix.lower() == ".dcm"


def check_target(path: Path, rule: str = "exact", kind: str = "seg") -> None:
    """Refuse a file name or rule that cannot work, before anything is read.

    Raises
    ------
    ParamError
        If the suffix, the rule or the kind of DICOM object is unknown.
    """
    from medviewer.export.convert import writer_for

    if rule not in RULES:
        raise ParamError(f"there is no rule {rule!r} to fill contours", hint=f"Use one of {', '.join(RULES)}.")
    if kind not in DICOM_KINDS:
        raise ParamError(f"{kind!r} is no kind of DICOM mask", hint=f"Use one of {', '.join(DICOM_KINDS)}.")
    if not is_dicom_name(path):
        writer_for(path)


def copy_contours(series: Series, path: Path, *, on: Series | None, job: Job | None = None) -> list[str]:
    """Write contours as they are as an RT Structure Set that refers to other images.

    Returns
    -------
    list of str
        What was odd about the contours.
    """
    from medviewer.io.formats.rtstruct import write_rtstruct

    source = _dicom_images(on, path)
    contours = read_contours(series, job=job)
    write_rtstruct(replace(contours, frame_of_reference_uid=source.frame_of_reference_uid), path,
                   source_files=source.files, job=job)
    return [f"{r.problem} {r.fix}".strip() for r in contours.warnings]


def write_dicom_mask(labels: LabelMap, path: Path, *, on: Series | None, kind: DicomKind = "seg",
                     job: Job | None = None) -> list[Report]:
    """Write labels as DICOM SEG or RT Structure Set on the slices of an image series.

    Returns
    -------
    list of Report
        What had to be changed.

    Raises
    ------
    WriteError
        If the image is missing or no DICOM series, or the labels cannot be written.
    """
    on, job = _dicom_images(on, path), job or Job()
    assert on.geometry is not None
    fitted = fit_labels(labels, on.geometry, job=job.part(0.0, 0.3))
    labels = replace(fitted.labels, refers_to=on.series_uid, frame_of_reference_uid=on.frame_of_reference_uid)
    if kind == "seg":
        from medviewer.io.formats.dicom_seg import write_seg

        write_seg(labels, path, source_files=on.files, job=job.part(0.3, 1.0))
    else:
        from medviewer.io.formats.rtstruct import write_rtstruct
        from medviewer.ops.contouring import mask_to_contours

        contours = mask_to_contours(labels, job=job.part(0.3, 0.7))
        write_rtstruct(contours, path, source_files=on.files, job=job.part(0.7, 1.0))
    return list(fitted.notes)


def _dicom_images(on: Series | None, path: Path) -> Series:
    if on is None or on.reader != "dicom" or on.geometry is None:
        raise WriteError("a DICOM mask must refer to the DICOM images it was drawn on", path=path,
                         hint="Name their folder with --on, or save as NIfTI or NRRD.")
    return on
