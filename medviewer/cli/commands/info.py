"""`medviewer info PATH...`: what is in files and folders, without reading voxels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medviewer.cli.output import CANNOT_START, DONE, PROBLEMS, command_job, quiet_stdout, report_text, say, write_json
from medviewer.cli.program import Command

if TYPE_CHECKING:
    from medviewer.core.study import Report, ScanResult, Series


def run(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders to look at.", metavar="PATH...")],
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> int:
    """List series with geometry and warnings.

    Status 1 if files were skipped or a series has an error, 2 if nothing can be read.
    """
    with quiet_stdout(json):
        found = scan(paths)
    if json:
        write_json(document(found))
    else:
        for series in found.series:
            describe(series)
        for skipped in found.skipped:
            say(f"skipped {skipped.path}: {skipped.reason}")
        say(f"{len(found.series)} series, {len(found.skipped)} files skipped")
    if not found.series:
        return CANNOT_START
    failed = found.skipped or any(w.level == "error" for s in found.series for w in s.warnings)
    return PROBLEMS if failed else DONE


def scan(paths: Sequence[Path]) -> ScanResult:
    """Scan these paths, with a progress line."""
    from medviewer.io.access import scan_all

    with command_job() as job:
        return scan_all(paths, job)


def document(found: ScanResult) -> dict[str, Any]:
    """Return what a scan found as the JSON document of `info`."""
    return {"series": [series_fields(s) for s in found.series],
            "skipped": [{"path": s.path, "reason": s.reason} for s in found.skipped]}


def series_fields(series: Series) -> dict[str, Any]:
    """Return one series as plain values; arrays are (k, j, i), positions LPS mm."""
    grid = series.geometry
    uneven = grid is not None and grid.knots is not None
    return {
        "id": series.id, "kind": series.kind, "reader": series.reader, "modality": series.modality,
        "description": series.description, "number": series.number,
        "patient_id": series.patient.id, "patient_name": series.patient.name,
        "study_uid": series.study.uid, "study_date": series.study.date, "study_description": series.study.description,
        "series_uid": series.series_uid, "frame_of_reference_uid": series.frame_of_reference_uid,
        "refers_to": series.refers_to,
        "shape": grid.shape if grid else None, "spacing_mm": grid.spacing_mm if grid else None,
        "affine_lps": grid.affine if grid else None, "axis_codes": grid.axis_codes if grid else None,
        "slice_offsets_mm": _offsets(series) if uneven else None,
        "dtype": series.dtype, "unit": series.unit, "colour": series.colour,
        "files": len(series.files), "paths": series.files, "frames": series.frames, "time_points": series.time_points,
        "transfer_syntax": series.transfer_syntax,
        "warnings": [report_fields(w) for w in series.warnings],
    }


def report_fields(report: Report) -> dict[str, str]:
    """Return one oddity as plain values."""
    return {"code": report.code, "level": report.level, "problem": report.problem, "fix": report.fix}


def _offsets(series: Series) -> list[float]:
    """Return how far each slice of an uneven series lies from the first, along the slice axis, mm."""
    grid = series.geometry
    assert grid is not None
    assert grid.knots is not None
    step_mm = float((grid.affine[:3, 0] ** 2).sum() ** 0.5)
    return [float(k - grid.knots[0]) * step_mm for k in grid.knots]


def describe(series: Series) -> None:
    """Write one series for people."""
    say(f"{series.title}  [{series.kind}{', ' + series.modality if series.modality else ''}]")
    who = ", ".join(t for t in (series.patient.id, series.patient.name, series.study.date) if t)
    if who:
        say(f"  patient   {who}")
    if series.geometry is not None:
        k, j, i = series.geometry.shape
        dk, dj, di = series.geometry.spacing_mm
        time = f" x {series.time_points} time points" if series.time_points > 1 else ""
        say(f"  grid      {i} columns x {j} rows x {k} slices{time}, {di:.4g} x {dj:.4g} x {dk:.4g} mm, "
            f"{series.geometry.axis_codes}")
    kind = ", ".join(t for t in (series.dtype, series.unit, series.transfer_syntax) if t)
    say(f"  stored    {len(series.files)} files{', ' + kind if kind else ''}")
    for report in series.warnings:
        say(f"  {report_text(report)}")


COMMAND = Command("info", run)
