"""`medviewer convert SRC DST`: one series in another format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medviewer.cli.commands.info import scan
from medviewer.cli.output import DONE, PROBLEMS, command_job, report_text, say, sentence
from medviewer.cli.program import Command
from medviewer.core.errors import ParamError, ReadError

if TYPE_CHECKING:
    from medviewer.core.job import Job
    from medviewer.core.study import ScanResult, Series

IMAGE_KINDS = ("image", "parametric", "rtdose")
LABEL_KINDS = ("labels", "seg", "rtstruct")


def run(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="File or folder.")],
    destination: Annotated[Path, typer.Argument(metavar="DST", help="File to write; its suffix says the format.")],
    series: Annotated[str, typer.Option(metavar="UID", help="Series UID or id (see info); default: largest.")] = "",
    orient: Annotated[str, typer.Option(help="Axis codes of the voxels i, j, k, such as LAS.")] = "",
    spacing: Annotated[str, typer.Option(help="Voxel size x,y,z in mm, such as 2,2,2.")] = "",
    on: Annotated[Path | None, typer.Option(metavar="IMAGE", help="Image of a mask: contours need its grid, a DICOM "
                                                                  "mask its files.")] = None,
    kind: Annotated[str, typer.Option("--as", help="What a mask becomes as .dcm: seg or rtstruct.")] = "seg",
    rule: Annotated[str, typer.Option(help="Contours to masks: exact, pixel-centre or pillow.")] = "exact",
) -> int:
    """Write a series as NIfTI, NRRD or MetaImage, by the suffix of DST; a mask also as DICOM (.dcm).

    Status 1 if voxels were damaged or missing.
    """
    from medviewer.export.convert import convert
    from medviewer.export.masks import check_target, is_dicom_name

    check_target(destination, rule, kind)  # told before anything is read
    spacing_mm = _spacing(spacing) if spacing else None
    found = scan([source])
    chosen = _choose(found, source, series, masks=is_dicom_name(destination))
    if destination.exists() and any(destination.samefile(p) for p in chosen.files if p.exists()):
        raise ParamError(f"{destination.name} is the source itself", path=destination, hint="Choose another name.")
    with command_job() as job:
        data, damage = _load(chosen, job.part(0.0, 0.5))
        image, misfits = _image_of(chosen, found, on, is_dicom_name(destination), job)
        notes = convert(data, destination, orient=orient or None, spacing_mm=spacing_mm, on=image,
                        rule=rule, dicom_kind=kind, job=job.part(0.5, 1.0))  # type: ignore[arg-type]
    for text in dict.fromkeys((*damage, *misfits, *notes)):
        say(f"note      {text}")
    say(f"{chosen.title} written as {destination}")
    return PROBLEMS if damage else DONE


def _spacing(text: str) -> tuple[float, float, float]:
    from medviewer.app.screenshot_request import parse_numbers

    numbers = parse_numbers(text)
    if len(numbers) == 1:
        numbers = numbers * 3
    if len(numbers) != 3 or min(numbers) <= 0:
        raise ParamError(f"{text!r} is not a voxel size", hint="Give x,y,z in mm, such as 2,2,2.")
    return numbers[0], numbers[1], numbers[2]


def _choose(found: ScanResult, source: Path, wanted: str, *, masks: bool) -> Series:
    usable = [s for s in found.series if s.kind in IMAGE_KINDS + LABEL_KINDS]
    if masks:  # only they can be written as DICOM
        usable = [s for s in usable if s.kind in LABEL_KINDS] or usable
    if not usable:
        if found.skipped and not found.series:
            raise ReadError(found.skipped[0].reason, path=found.skipped[0].path)
        raise ReadError(f"{source.name or source} holds no image or segmentation", path=source)
    if wanted:
        usable = [s for s in usable if wanted in (s.series_uid, s.id)]
        if not usable:
            raise ParamError(f"there is no series {wanted!r} in {source.name or source}", hint="See medviewer info.")
    images = [s for s in usable if s.kind in IMAGE_KINDS] or usable
    chosen = max(images, key=_voxels)
    if len(images) > 1:
        say(f"{len(images)} series fit; the largest is written: {chosen.title}")
        say("another one can be chosen with --series: " + ", ".join(s.id for s in images if s is not chosen))
    return chosen


def _voxels(series: Series) -> int:
    k, j, i = series.shape or (0, 0, 0)
    return k * j * i * series.time_points


def _load(series: Series, job: Job) -> tuple[Any, list[str]]:
    """Read an image with the damage found on the way; the rest is read by the conversion itself."""
    if series.kind not in IMAGE_KINDS:
        return series, []
    from medviewer.io.access import open_series

    loading = open_series(series, job)
    volume = loading.load(job)
    for report in series.warnings:
        say(report_text(report))
    return volume, [f"{sentence(r.problem)} {sentence(r.fix)}".strip() for r in loading.warnings if r.level != "info"]


def _image_of(series: Series, found: ScanResult, on: Path | None, needed: bool,
              job: Job) -> tuple[Series | None, list[str]]:
    """Return the image of a mask, and what does not fit: the one given, else one of its grid or reference."""
    from medviewer.export.masks import choose_image, image_beside

    if series.kind in IMAGE_KINDS:
        return None, []
    if on is not None:
        image, reports = choose_image(series, on, job)
        return image, [f"{r.problem} {r.fix}".strip() for r in reports]
    # a segmentation has a grid of its own; only contours and DICOM masks need an image
    return image_beside(series, found, job, near=needed or series.kind == "rtstruct"), []


COMMAND = Command("convert", run)
