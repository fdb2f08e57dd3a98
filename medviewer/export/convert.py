"""Write an image or a segmentation in another format, turned or resampled if asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medviewer.core.discover import discover, missing
from medviewer.core.errors import ParamError, PluginError
from medviewer.core.geometry import Geometry
from medviewer.core.job import Job
from medviewer.core.labels import LabelMap
from medviewer.core.study import Report, Series
from medviewer.core.volume import Volume
from medviewer.export.masks import DicomKind, copy_contours, draw, is_dicom_name, write_dicom_mask
from medviewer.io.access import open_series, read_labels
from medviewer.ops.orient import reorient
from medviewer.ops.rasterise import Rule
from medviewer.ops.resample import Order, geometry_with_spacing, resample, resample_labels

LABEL_KINDS = ("labels", "seg", "rtstruct", "contours")


def convert(source: Series | Volume | LabelMap, destination: Path | str, *, orient: str | None = None,
            spacing_mm: tuple[float, float, float] | None = None, order: Order = "linear",
            on: Series | Volume | Geometry | None = None, rule: Rule = "exact", dicom_kind: DicomKind = "seg",
            job: Job | None = None) -> list[str]:
    """Write a series, volume or label map in the format that the name of `destination` asks for.

    Parameters
    ----------
    source : Series, Volume or LabelMap
        Of a series with several kinds of content, images are written as images and segmentations as labels.
    destination : Path
        The suffix chooses the format (``.nii.gz``, ``.nii``, ``.nrrd``, ``.seg.nrrd``, ``.mha`` ...; ``.dcm`` for
        segmentations).
    orient : str, optional
        Axis codes in nibabel's convention, e.g. ``LAS``: letters for the axes (i, j, k).
    spacing_mm : (i, j, k), optional
        New voxel size in the order of the axis codes: x, y, z of the file that is written. Labels are
        resampled to the nearest voxel, images by `order`.
    on : Series, Volume or Geometry, optional
        Image of a segmentation: contours need its grid, DICOM SEG and RT Structure Sets its instances.
    rule : {"exact", "pixel-centre", "pillow"}
        How contours become voxels.
    dicom_kind : {"seg", "rtstruct"}
        What a segmentation becomes in a file called ``.dcm``.

    Returns
    -------
    list of str
        What the user should know about the result: oddities of the source and what had to be changed.

    Raises
    ------
    ReadError, WriteError, ParamError
        If the source cannot be read, the file not written, or the request is not possible.
    """
    job = job or Job()
    destination = Path(destination)
    if not is_dicom_name(destination):
        writer_for(destination)  # a wrong suffix is told before anything is read
    image = on if isinstance(on, Series) else None
    if dicom_kind == "rtstruct" and is_dicom_name(destination) and isinstance(source, Series) and \
            source.kind == "rtstruct" and not (orient or spacing_mm):
        return copy_contours(source, destination, on=image, job=job)
    with _collected_warnings() as notes:
        data = _load(source, on, rule, notes, job.part(0.0, 0.5))
        data = turn_and_resample(data, orient, spacing_mm, order, job.part(0.5, 0.7))
        if isinstance(data, LabelMap):
            reports = write_labels(data, destination, on=image, dicom_kind=dicom_kind, job=job.part(0.7, 1.0))
            notes += [_sentence(report) for report in reports]
        else:
            writer = writer_for(destination)
            notes += _sheared(data, writer)
            writer.write(data, destination, job=job.part(0.7, 1.0))
    return list(dict.fromkeys(notes))


def write_labels(labels: LabelMap, destination: Path, *, on: Series | None, dicom_kind: DicomKind = "seg",
                 job: Job | None = None) -> list[Report]:
    """Write a label map in the format that the name asks for, ``.dcm`` as DICOM SEG or RT Structure Set.

    Returns
    -------
    list of Report
        What had to be changed.

    Raises
    ------
    WriteError, ParamError
        If it cannot be written.
    """
    if is_dicom_name(destination):
        return write_dicom_mask(labels, destination, on=on, kind=dicom_kind, job=job)
    writer = writer_for(destination)
    with _collected_warnings() as notes:
        notes += _sheared(labels, writer)
        writer.write_labels(labels, destination, on=on, job=job or Job())
    hint = "DICOM SEG (.dcm) and NRRD keep overlapping segments whole" if len(labels.layers) > 1 else ""
    return [Report("changed-on-writing", note, hint) for note in notes]


def _sheared(data: Volume | LabelMap, writer: Any) -> list[str]:
    if data.geometry.is_sheared and writer.id == "nifti":
        return ["The grid is sheared, as acquired; programs built on ITK do not open a sheared NIfTI file."]
    return []


def writer_for(path: Path) -> Any:
    """Return the writer for a file name; of several the one with the longest fitting suffix.

    Raises
    ------
    ParamError
        If no format has this suffix.
    PluginError
        If a package that it needs is missing.
    """
    writers = discover("medviewer.io.formats", "WRITER").values()
    name = path.name.lower()
    fitting = [(len(suffix), w) for w in writers for suffix in w.suffixes if name.endswith(suffix)]
    if not fitting:
        known = sorted({suffix for w in writers for suffix in w.suffixes})
        raise ParamError(f"{path.name} does not say in which format to write", path=path,
                         hint=f"Give a name that ends in one of {', '.join(known)}.")
    writer = max(fitting, key=lambda pair: pair[0])[1]
    if lacking := missing(writer):
        raise PluginError(f"{writer.label} cannot be written: {', '.join(lacking)} is not installed")
    return writer


def turn_and_resample(data: Volume | LabelMap, orient: str | None, spacing_mm: tuple[float, float, float] | None,
                      order: Order = "linear", job: Job | None = None) -> Volume | LabelMap:
    """Reorient, then resample to a voxel size (i, j, k); uneven slices become even where that is needed."""
    if orient:
        if not data.geometry.is_even:
            data = _on_grid(data, data.geometry.even(), order, job)
        data = reorient(data, orient)
    if spacing_mm is not None:
        i, j, k = spacing_mm
        data = _on_grid(data, geometry_with_spacing(data.geometry, (k, j, i)), order, job)
    return data


def _on_grid(data: Volume | LabelMap, geometry: Geometry, order: Order, job: Job | None) -> Volume | LabelMap:
    if isinstance(data, LabelMap):
        return resample_labels(data, geometry, job=job)
    return resample(data, geometry, order=order, job=job)


def _load(source: Series | Volume | LabelMap, on: Series | Volume | Geometry | None, rule: Rule, notes: list[str],
          job: Job) -> Volume | LabelMap:
    if not isinstance(source, Series):
        return source
    notes += [_sentence(report) for report in source.warnings]
    if source.kind in LABEL_KINDS:
        grid = on.geometry if isinstance(on, Series | Volume) else on
        if source.kind in ("rtstruct", "contours"):
            return _rasterised(source, grid, rule, notes, job)
        return read_labels(source, grid, job=job)
    loading = open_series(source, job)
    volume = loading.load(job)
    notes += [_sentence(report) for report in loading.warnings]
    return volume


def _rasterised(source: Series, grid: Geometry | None, rule: Rule, notes: list[str], job: Job) -> LabelMap:
    if grid is None:
        raise ParamError("contours have no voxels of their own", path=source.files[0] if source.files else None,
                         hint="Name the image on whose grid they shall be drawn.")
    labels, reports = draw(source, grid, rule=rule, job=job)
    notes += [_sentence(report) for report in reports]
    return labels


def _sentence(report: Report) -> str:
    return f"{report.problem.rstrip('.')}. {report.fix}".strip()


@contextmanager
def _collected_warnings() -> Iterator[list[str]]:
    """Collect the warnings that are logged in this thread: what writers had to change."""
    notes: list[str] = []
    handler = _Collector(notes)
    logger = logging.getLogger("medviewer")
    logger.addHandler(handler)
    try:
        yield notes
    finally:
        logger.removeHandler(handler)


class _Collector(logging.Handler):
    def __init__(self, notes: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._notes = notes
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._notes.append(record.getMessage())
