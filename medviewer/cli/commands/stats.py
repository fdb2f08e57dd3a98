"""`medviewer stats IMAGE MASK`: volume, values and size of every segment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medviewer.cli.output import DONE, PROBLEMS, command_job, quiet_stdout, report_text, say, write_json
from medviewer.cli.program import Command
from medviewer.core.errors import ParamError

if TYPE_CHECKING:
    from medviewer.core.study import Report
    from medviewer.core.volume import Volume
    from medviewer.ops.statistics import SegmentStatistics

PROBLEM_CODES = ("other-frame-of-reference", "labels-outside-grid")


def run(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="File or folder of the image.")],
    mask: Annotated[Path, typer.Argument(metavar="MASK", help="NIfTI, NRRD, MetaImage, DICOM SEG or RTSTRUCT.")],
    time_point: Annotated[int, typer.Option("--time", metavar="N", help="Time point of a dynamic image, from 0.")] = 0,
    rule: Annotated[str, typer.Option(help="Contours to masks: exact, pixel-centre or pillow.")] = "exact",
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Also write a table.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> int:
    """Tell voxels, ml, values in the unit of the image, diameters and place of every segment.

    Status 1 if voxels of the image are damaged, or the mask does not belong to the image.
    """
    from medviewer.export.images import read_complete
    from medviewer.export.masks import choose_image, find_mask, read_mask
    from medviewer.ops.statistics import segment_statistics

    with quiet_stdout(json), command_job(show=not json) as job:
        if not image.exists():
            raise ParamError(f"{image} does not exist", path=image)
        series, _ = choose_image(find_mask(mask, job=job)[0], image, job)
        read = read_mask(mask, on=image, rule=rule, job=job.part(0.1, 0.3))  # type: ignore[arg-type]
        volume, damage = read_complete(series, job.part(0.3, 0.8))
        rows, grids = segment_statistics(volume, read.labels, t=time_point, job=job.part(0.8, 1.0))
        if csv is not None:
            write_csv(csv, rows, volume.unit)
    notes = [*series.warnings, *damage, *read.reports, *grids]
    for report in notes:
        say(report_text(report))
    _tell(rows, volume)
    if json:
        write_json(document(rows, volume, notes))
    return PROBLEMS if any(n.level == "error" or n.code in PROBLEM_CODES for n in notes) else DONE


def document(rows: list[SegmentStatistics], volume: Volume, notes: list[Report]) -> dict[str, Any]:
    """Return statistics as the JSON document of `stats`."""
    from medviewer.cli.commands.info import report_fields

    return {"unit": volume.unit, "segments": [fields(r) for r in rows], "notes": [report_fields(n) for n in notes]}


def fields(row: SegmentStatistics) -> dict[str, Any]:
    """Return the numbers of one segment by name; lengths mm, positions LPS mm, box behind the last voxel."""
    v = row.values
    found = {"mean": v.mean, "sd": v.sd, "min": v.minimum, "max": v.maximum, "median": v.median,
             **{f"p{percent:g}": value for percent, value in v.percentiles}} if v else {
        "mean": None, "sd": None, "min": None, "max": None, "median": None}
    return {"value": row.segment.value, "name": row.segment.name, "voxels": row.voxels, "volume_ml": row.volume_ml,
            **found, "values": v.count if v else 0, "max_diameter_mm": row.diameter_mm,
            "max_in_plane_diameter_mm": row.diameter_in_plane_mm, "centroid_lps": row.centroid_lps,
            "box_start_kji": row.box[0] if row.box else None, "box_stop_kji": row.box[1] if row.box else None}


def write_csv(path: Path, rows: list[SegmentStatistics], unit: str) -> None:
    """Write one line per segment, whole or not at all; vectors take three columns."""
    import csv

    from medviewer.core.files import atomic_write

    table = [_flat(fields(row)) | {"unit": unit} for row in rows]
    names = list(dict.fromkeys(name for line in table for name in line))
    with atomic_write(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(table)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    axes = {"centroid_lps": "xyz", "box_start_kji": "kji", "box_stop_kji": "kji"}
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if name in axes:
            parts = value if value is not None else ("", "", "")
            flat |= {f"{name[:-4]}_{axis}": part for axis, part in zip(axes[name], parts, strict=True)}
        else:
            flat[name] = value
    return flat


def _tell(rows: list[SegmentStatistics], volume: Volume) -> None:
    unit = volume.unit or "as stored"
    say(f"{'segment':<24} {'voxels':>9} {'ml':>10} {'mean':>9} {'sd':>8} {'median':>8} {'min':>8} {'max':>8}  {unit}"
        "   longest mm (in plane)")
    for row in rows:
        name, v = f"{row.segment.value} {row.segment.name}"[:24], row.values
        numbers = [v.mean, v.sd, v.median, v.minimum, v.maximum] if v else []
        text = " ".join(f"{n:>{w}.2f}" for n, w in zip(numbers, (9, 8, 8, 8, 8), strict=False))
        size = f"   {row.diameter_mm:.1f} ({row.diameter_in_plane_mm:.1f})" if row.diameter_mm is not None else ""
        say(f"{name:<24} {row.voxels:>9} {row.volume_ml:>10.3f} {text}{size}".rstrip())


COMMAND = Command("stats", run)
