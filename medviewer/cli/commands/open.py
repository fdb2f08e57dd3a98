"""`medviewer [PATH]...`: open the window."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from medviewer.cli.program import Command
from medviewer.core.discover import discover
from medviewer.core.errors import ParamError


def run(
    context: typer.Context,
    paths: Annotated[list[Path] | None, typer.Argument(help="Files and folders to open.", show_default=False)] = None,
) -> int:
    """Open the window."""
    for path in paths or []:
        if not path.exists():
            raise ParamError(f"{path} does not exist, and there is no command of that name", hint=_hint(str(path)))
    return context.obj.open_window(paths or [], False)


def _hint(word: str) -> str:
    near = get_close_matches(word, discover("medviewer.cli.commands", "COMMAND"), n=1)
    return f"Did you mean {near[0]}?" if near else "medviewer --help lists the commands."


COMMAND = Command("open", run, hidden=True)
