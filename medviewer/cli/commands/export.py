"""`medviewer export SRC... -o DIR`: write a verified data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medviewer.cli.output import CANNOT_START, DONE, PROBLEMS, command_job, quiet_stdout, say, write_json
from medviewer.cli.program import Command
from medviewer.core.errors import ParamError

if TYPE_CHECKING:
    from medviewer.export.recipe import Recipe
    from medviewer.export.run import ExportResult

SHOWN = 20  # failures told on the terminal; all stand in export.log


def run(
    sources: Annotated[list[Path], typer.Argument(help="Files and folders to export.", metavar="SRC...")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the data set.")],
    layout: Annotated[str | None, typer.Option(help="How it is laid out: npz-slices.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="YAML file with these options; options given here win.")] = None,
    rule: Annotated[str | None, typer.Option(help="Contours to masks: exact, pixel-centre or pillow.")] = None,
    roi: Annotated[list[str] | None, typer.Option(help="Structure to export (all if not given).")] = None,
    contour: Annotated[str | None, typer.Option(help="Contour texts: inner or outer becomes the target.")] = None,
    both_contours: Annotated[bool, typer.Option("--both-contours", help="Write i_contour and o_contour.")] = False,
    overlays: Annotated[bool, typer.Option("--overlays", help="Also write PNG pictures with the masks.")] = False,
    slices: Annotated[str | None, typer.Option(help="annotated, or all of an annotated series.")] = None,
    link: Annotated[Path | None, typer.Option(help="Link table, if it does not lie in SRC.")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of images, if not SRC/dicoms.")] = None,
    contours: Annotated[Path | None, typer.Option(help="Folder of contour texts, if not SRC/contourfiles.")] = None,
    list_paths: Annotated[str | None, typer.Option(help="Paths in the lists: relative or as-given.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> int:
    """Write a verified data set; run again, it keeps what is finished.

    Status 1 if items could not be exported: they are listed in export.log.
    """
    from medviewer.export.run import run_export

    given = {"layout": layout, "rule": rule, "rois": tuple(roi) if roi else None, "contour": contour, "slices": slices,
             "both_contours": both_contours or None, "overlays": overlays or None, "link": link, "images": images,
             "contours": contours, "list_paths": list_paths}
    chosen = _recipe(recipe, {name: value for name, value in given.items() if value is not None})
    with quiet_stdout(json), command_job() as job:
        result = run_export(chosen, sources, output, job=job)
    _tell(result)
    if json:
        write_json(_document(result))
    if not result.written + result.kept:
        return CANNOT_START
    return PROBLEMS if result.failures else DONE


def _recipe(path: Path | None, given: dict[str, Any]) -> Recipe:
    from medviewer.export.recipe import make_recipe, read_recipe

    for name in ("link", "images", "contours"):
        if name in given and not given[name].exists():
            raise ParamError(f"{given[name]} does not exist", path=given[name])
    if path is None and "layout" not in given:
        raise ParamError("the layout is not given", hint="Use --layout npz-slices, or --recipe FILE.")
    return make_recipe(**given) if path is None else read_recipe(path, **given)


def _tell(result: ExportResult) -> None:
    for failure in result.failures[:SHOWN]:
        say(f"failed    {failure.item}: {failure.reason}")
    if len(result.failures) > SHOWN:
        say(f"          and {len(result.failures) - SHOWN} more, see export.log")
    if result.stale:
        say(f"{len(result.stale)} files of an earlier export lie in the folder and are not part of this one, "
            f"such as {result.stale[0]}")
    kept = f", {result.kept} kept from before" if result.kept else ""
    say(f"{result.written} slices written and verified{kept}, {len(result.failures)} failed; see {result.manifest}")


def _document(result: ExportResult) -> dict[str, Any]:
    return {"out": result.out, "written": result.written, "kept": result.kept, "manifest": result.manifest,
            "failed": [{"item": f.item, "reason": f.reason} for f in result.failures],
            "left_out": [{"item": f.item, "reason": f.reason} for f in result.left_out], "stale": list(result.stale)}


COMMAND = Command("export", run)
