"""`medviewer rasterize CONTOURS --on SRC -o MASK`: contours as voxels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medviewer.cli.output import DONE, PROBLEMS, command_job, quiet_stdout, report_text, say, write_json
from medviewer.cli.program import Command
from medviewer.core.errors import ParamError

if TYPE_CHECKING:
    from medviewer.core.labels import LabelMap
    from medviewer.core.study import Report

PROBLEM_CODES = ("other-frame-of-reference", "contour-lost")


def run(
    contours: Annotated[Path, typer.Argument(metavar="CONTOURS", help="DICOM RT Structure Set.")],
    on: Annotated[Path, typer.Option("--on", metavar="SRC", help="Image whose grid is used.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="MASK", help="Mask to write: .nii.gz, .nrrd, .mha, "
                                                                                "or .dcm for DICOM SEG.")],
    rule: Annotated[str, typer.Option(help="exact, pixel-centre or pillow.")] = "exact",
    roi: Annotated[list[str] | None, typer.Option(help="Structure to draw (all if not given).")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> int:
    """Fill the contours of a structure set on the grid of an image and write the mask.

    Status 1 if a structure that has contours left no voxel, or the frames of reference differ.
    """
    from medviewer.export.convert import write_labels
    from medviewer.export.masks import check_target, choose_image, draw, find_mask

    check_target(output, rule)
    if not on.exists():
        raise ParamError(f"{on} does not exist", path=on)
    with quiet_stdout(json), command_job(show=not json) as job:
        series, _ = find_mask(contours, kinds=("rtstruct",), job=job.part(0.0, 0.1))
        image, notes = choose_image(series, on, job.part(0.1, 0.3))
        assert image.geometry is not None
        labels, more = draw(series, image.geometry, rule=rule, rois=roi, job=job.part(0.3, 0.7))  # type: ignore[arg-type]
        written = write_labels(labels, output, on=image, job=job.part(0.7, 1.0))
    reports = [*series.warnings, *notes, *more, *_lost(labels, more), *written]
    for report in reports:
        say(report_text(report))
    rows = [_row(labels, n) for n in range(len(labels.segments))]
    for row in rows:
        say(f"{row['value']} {row['name']}: {row['voxels']} voxels, {row['volume_ml']:.3f} ml")
    say(f"{len(rows)} structures of {contours.name} written as {output}")
    if json:
        from medviewer.cli.commands.info import report_fields

        write_json({"output": output, "rule": rule, "shape": labels.geometry.shape, "segments": rows,
                    "notes": [report_fields(r) for r in reports]})
    return PROBLEMS if any(r.level == "error" or r.code in PROBLEM_CODES for r in reports) else DONE


def _row(labels: LabelMap, n: int) -> dict[str, Any]:
    import numpy as np

    from medviewer.ops.label_grid import slice_volumes_mm3

    segment = labels.segments[n]
    counts = np.array([np.count_nonzero(plane == segment.value) for plane in labels.layers[segment.layer]])
    ml = float(counts @ slice_volumes_mm3(labels.geometry)) / 1000
    return {"value": segment.value, "name": segment.name, "voxels": int(counts.sum()), "volume_ml": ml}


def _lost(labels: LabelMap, reports: list[Report]) -> list[Report]:
    """Report structures that have contours, but no voxel."""
    from medviewer.core.study import Report

    empty = {r.problem.split(" has no contours")[0] for r in reports if r.code == "segment-without-contours"}
    lost = [s.name for s in labels.segments if s.name not in empty
            and not any((plane == s.value).any() for plane in labels.layers[s.layer])]
    return [Report("contour-lost", f"{name} has contours but no voxel in this image",
                   "check that it was drawn on this image") for name in lost]


COMMAND = Command("rasterize", run)
