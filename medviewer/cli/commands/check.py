"""`medviewer check PATH`: find the wrong masks of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medviewer.cli.output import DONE, PROBLEMS, command_job, quiet_stdout, say, sentence, write_json
from medviewer.cli.program import Command
from medviewer.core.errors import ParamError

if TYPE_CHECKING:
    from medviewer.core.job import Job
    from medviewer.export.dataset_check import CheckReport

SHOWN = 40  # cases told on the terminal; all stand in the JSON document and in the HTML report


def run(
    paths: Annotated[list[Path], typer.Argument(help="Images with their masks, files or folders.", metavar="PATH...")],
    mask: Annotated[list[Path] | None, typer.Option(help="Mask, if it lies elsewhere or is not recognised.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a report with pictures.", metavar="FILE")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 1,
    fix: Annotated[str | None, typer.Option(help="Also write repaired copies: resample, copy-geometry, apply-transform "
                                            "or drop-duplicates (a list of what remains).", metavar="REPAIR")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the repaired copies.", metavar="DIR")] = None,
) -> int:
    """Find the wrong masks of a data set, the worst first, and say why. Originals are never changed.

    Status 1 if problems were found, or a mask could not be checked; 2 if there is nothing to check.
    """
    from medviewer.export.dataset_check import check_dataset

    if (fix is None) != (out is None):
        raise ParamError("--fix needs a folder for the repaired copies, and --out a repair",
                         hint="Give both, for example --fix resample --out repaired.")
    with quiet_stdout(json), command_job() as job:
        report = check_dataset(paths, mask=mask, workers=workers, pictures=html is not None, job=job)
        if html is not None:
            from medviewer.export.reports.check_html import write_check_html

            write_check_html(report, html)
        fixed = _fix(report, fix, out, paths, mask, job) if fix is not None and out is not None else []
    _tell(report)
    for path in fixed:
        say(f"written   {path}")
    if json:
        write_json({**report.document(), "written": [str(p) for p in fixed]} if fix else report.document())
    return PROBLEMS if report.problems or report.skipped else DONE


def _fix(report: CheckReport, code: str, out: Path, paths: list[Path], mask: list[Path] | None,
         job: Job) -> list[Path]:
    from medviewer.export.dataset_check import find_pairs
    from medviewer.export.fixes import fix_cases

    pairs, _ = find_pairs(paths, mask, job)
    written, failures = fix_cases(code, report.cases, pairs, out, job=job)
    for failure in failures:
        say(f"failed    {failure.item}: {failure.reason}")
    return written


def _tell(report: CheckReport) -> None:
    bad = [c for c in report.cases if c.problems]
    for case in bad[:SHOWN]:
        say(f"{case.score:.2f}  {case.mask}")
        for problem in case.problems:
            where = f" Slice {problem.slice + 1}." if problem.slice is not None else ""
            say(f"      {sentence(problem.problem)}{where} {sentence(problem.fix)}".rstrip())
    if len(bad) > SHOWN:
        say(f"and {len(bad) - SHOWN} more masks with problems; --json or --html lists them all")
    for failure in report.skipped[:SHOWN]:
        say(f"skipped   {failure.item}: {sentence(failure.reason)}")
    if len(report.skipped) > SHOWN:
        say(f"          and {len(report.skipped) - SHOWN} more")
    say(f"{len(report.cases)} masks checked, {len(bad)} with problems, {len(report.skipped)} not checked.")


COMMAND = Command("check", run)
