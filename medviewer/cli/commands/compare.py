"""`medviewer compare MASK_A MASK_B`: how well two masks agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medviewer.cli.output import DONE, PROBLEMS, command_job, quiet_stdout, report_text, say, write_json
from medviewer.cli.program import Command
from medviewer.core.errors import ParamError, ReadError

if TYPE_CHECKING:
    from medviewer.core.job import Job
    from medviewer.core.labels import LabelMap
    from medviewer.core.study import Report
    from medviewer.export.masks import Mask
    from medviewer.ops.metrics import Agreement, Comparison

PROBLEM_CODES = ("label-without-partner", "other-frame-of-reference", "labels-outside-grid")
WORST = 3  # slices told on the terminal


def run(
    mask_a: Annotated[Path, typer.Argument(metavar="MASK_A", help="NIfTI, NRRD, MetaImage, DICOM SEG or RTSTRUCT.")],
    mask_b: Annotated[Path, typer.Argument(metavar="MASK_B", help="Compared on the grid of MASK_A.")],
    on: Annotated[Path | None, typer.Option(metavar="IMAGE", help="Image of contours, if it does not lie beside "
                                                                  "them.")] = None,
    match: Annotated[str, typer.Option(help="Which labels belong together: auto, name or value.")] = "auto",
    rule: Annotated[str, typer.Option(help="Contours to masks: exact, pixel-centre or pillow.")] = "exact",
    roi: Annotated[list[str] | None, typer.Option(help="Structure to compare (all if not given).")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> int:
    """Tell Dice, IoU, surface distances (mm) and volumes of two masks, per label and per slice.

    Status 1 if a label has no partner in the other mask, or the frames of reference differ.
    """
    from medviewer.ops.metrics import compare

    with quiet_stdout(json), command_job(show=not json) as job:
        a, b = _read_both(mask_a, mask_b, on, rule, job.part(0.0, 0.5))
        labels = _named([a.labels, b.labels], roi) if roi else (a.labels, b.labels)
        result = compare(*labels, match=match, job=job.part(0.5, 1.0))  # type: ignore[arg-type]
    notes = [*a.reports, *b.reports, *_frames(a, b), *result.notes]
    for report in notes:
        say(report_text(report))
    _tell(result)
    if json:
        write_json(document(result, notes))
    return PROBLEMS if any(n.level == "error" or n.code in PROBLEM_CODES for n in notes) else DONE


def _read_both(mask_a: Path, mask_b: Path, on: Path | None, rule: Any, job: Job) -> tuple[Mask, Mask]:
    """Read both masks; contours whose image is nowhere to be found are drawn on the grid of the other mask."""
    from medviewer.export.masks import find_mask, read_mask

    first = job.part(0.0, 0.5), job.part(0.5, 1.0)
    kinds = [find_mask(path, job=job)[0].kind for path in (mask_a, mask_b)]
    if kinds[0] == "rtstruct" and kinds[1] != "rtstruct":
        b = read_mask(mask_b, on=on, job=first[0])
        return read_mask(mask_a, on=on or b.labels.geometry, rule=rule, job=first[1]), b
    a = read_mask(mask_a, on=on, rule=rule, job=first[0])
    beside = a.image.files[0].parent if a.image is not None and kinds == ["rtstruct", "rtstruct"] else None
    try:
        return a, read_mask(mask_b, on=on or a.labels.geometry, rule=rule, job=first[1])
    except ReadError:
        if beside is None:
            raise
        return a, read_mask(mask_b, on=beside, rule=rule, job=first[1])


def _named(masks: list[LabelMap], names: list[str]) -> list[LabelMap]:
    """Keep the structures of these names, in a mask that has any of them."""
    from dataclasses import replace

    known = {s.name for m in masks for s in m.segments}
    if missing := sorted(set(names) - known):
        raise ParamError(f"neither mask has a structure called {', '.join(missing)}",
                         hint=f"They have: {', '.join(sorted(known))}.")
    kept = [tuple(s for s in m.segments if s.name in names) for m in masks]
    return [replace(m, segments=segments or m.segments) for m, segments in zip(masks, kept, strict=True)]


def _frames(a: Mask, b: Mask) -> list[Report]:
    from medviewer.core.study import Report

    frames = [m.labels.frame_of_reference_uid or m.series.frame_of_reference_uid for m in (a, b)]
    if not all(frames) or frames[0] == frames[1]:
        return []
    return [Report("other-frame-of-reference", "The masks were drawn in different frames of reference",
                   "positions are compared as written")]


def document(result: Comparison, notes: list[Report]) -> dict[str, Any]:
    """Return a comparison as the JSON document of `compare`."""
    from medviewer.cli.commands.info import report_fields

    labels = {row.key: {"name": row.name, "value_a": row.value_a, "value_b": row.value_b, **_fields(row.agreement),
                        "volume_a_ml": row.volume_a_ml, "volume_b_ml": row.volume_b_ml, "voxels_a": row.voxels_a,
                        "voxels_b": row.voxels_b, "voxels_both": row.voxels_both} for row in result.labels}
    slices = [{"slice": row.slice, "label": row.key, **_fields(row.agreement), "area_a_mm2": row.area_a_mm2,
               "area_b_mm2": row.area_b_mm2} for row in result.slices]
    return {"labels": labels, "slices": slices, "notes": [report_fields(n) for n in notes]}


def _fields(agreement: Agreement) -> dict[str, float | None]:
    return {"dice": agreement.dice, "iou": agreement.iou, "hd95_mm": agreement.hd95_mm, "msd_mm": agreement.msd_mm,
            "hausdorff_mm": agreement.hausdorff_mm}


def _tell(result: Comparison) -> None:
    say(f"{'label':<24} {'Dice':>7} {'IoU':>7} {'HD95 mm':>8} {'mean mm':>8} {'A ml':>9} {'B ml':>9}  worst slices")
    for row in result.labels:
        slices = sorted((s for s in result.slices if s.key == row.key and s.agreement.dice < 1),
                        key=lambda s: s.agreement.dice)
        worst = ", ".join(f"{s.slice} ({s.agreement.dice:.2f})" for s in slices[:WORST])
        g = row.agreement
        say(f"{f'{row.key} {row.name}'[:24]:<24} {g.dice:>7.4f} {g.iou:>7.4f} {_mm(g.hd95_mm):>8} {_mm(g.msd_mm):>8} "
            f"{row.volume_a_ml:>9.3f} {row.volume_b_ml:>9.3f}  {worst}".rstrip())


def _mm(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


COMMAND = Command("compare", run)
