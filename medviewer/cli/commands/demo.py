"""`medviewer demo`: open the demo study, or only write it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medviewer.cli.output import DONE, command_job, say
from medviewer.cli.program import Command


def run(
    context: typer.Context,
    write: Annotated[Path | None, typer.Option("--write", metavar="DIR", help="Only write it, as DICOM.")] = None,
) -> int:
    """Open the demo study: a made-up thorax with nodules of known size."""
    if write is None:
        return context.obj.open_window([], True)
    from medviewer.export.demo_study import write_demo_study

    with command_job() as job:
        folder = write_demo_study(write, job=job)
    say(f"The demo study lies in {folder}.")
    return DONE


COMMAND = Command("demo", run)
