"""`medviewer doctor [PATH...]`: is the installation sound; with paths: what is odd about the data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medviewer.cli.commands.info import report_fields, scan
from medviewer.cli.output import (
    CANNOT_START,
    DONE,
    PROBLEMS,
    command_job,
    error_text,
    quiet_stdout,
    report_text,
    say,
    write_json,
)
from medviewer.cli.program import Command
from medviewer.core.errors import MedviewerError

if TYPE_CHECKING:
    from medviewer.core.job import Job
    from medviewer.core.study import Report, ScanResult, Series


def run(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="[PATH]...", help="Data to look at.",
                                                       show_default=False)] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Look at headers only, do not read voxels.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> int:
    """Check the installation; with paths, tell every oddity of the data in plain words.

    Status 1 if anything is wrong or odd.
    """
    return _data(paths, quick, json) if paths else _installation(json)


def _installation(json: bool) -> int:
    from medviewer.cli.health import examine

    with quiet_stdout(json):
        checks = examine()
    for check in checks:
        say(f"{check.status:<8} {check.text}")
        if check.fix:
            say(f"{'':<8} {check.fix}")
    if json:
        write_json({"checks": [{"id": c.id, "status": c.status, "text": c.text, "fix": c.fix} for c in checks]})
    return DONE if all(c.status == "ok" for c in checks) else PROBLEMS


def _data(paths: list[Path], quick: bool, json: bool) -> int:
    with quiet_stdout(json):
        found = scan(paths)
        with command_job() as job:
            count = len(found.series)
            reports = [(s, _reports(s, quick, job.part(n / count, (n + 1) / count)))
                       for n, s in enumerate(found.series)]
    for series, oddities in reports:
        _tell(series, oddities)
    for skipped in found.skipped:
        say(f"skipped {skipped.path}: {skipped.reason}")
    if json:
        write_json(_document(found, reports))
    if not found.series:
        return CANNOT_START
    odd = any(r.level != "info" for _, oddities in reports for r in oddities)
    return PROBLEMS if odd or found.skipped else DONE


def _reports(series: Series, quick: bool, job: Job) -> list[Report]:
    """Return the oddities of a series: those of its headers, and those that show when voxels are read."""
    from medviewer.core.study import Report
    from medviewer.io.access import open_series, read_contours, read_labels

    found = list(series.warnings)
    try:
        if quick:
            return found
        if series.kind in ("rtstruct", "contours"):
            read_contours(series, job=job)
        elif series.kind in ("seg", "labels"):
            read_labels(series, job=job)
        elif series.kind in ("image", "parametric", "rtdose"):
            loading = open_series(series, job)
            loading.load(job)
            found += loading.warnings
    except MedviewerError as error:
        found.append(Report("unreadable", error_text(error), "", "error"))
    return found


def _tell(series: Series, oddities: list[Report]) -> None:
    say(f"{series.title}  [{series.kind}, {len(series.files)} files]")
    for report in oddities:
        say(f"  {report_text(report)}")
    if not oddities:
        say("  ok        nothing odd")


def _document(found: ScanResult, reports: list[tuple[Series, list[Report]]]) -> dict[str, Any]:
    return {"series": [{"id": s.id, "kind": s.kind, "series_uid": s.series_uid, "description": s.description,
                        "problems": [report_fields(r) for r in oddities]} for s, oddities in reports],
            "skipped": [{"path": s.path, "reason": s.reason} for s in found.skipped]}


COMMAND = Command("doctor", run)
