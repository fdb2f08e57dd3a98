"""The command line: finds the commands, runs one, and turns every failure into one sentence and a status.

Status: 0 done; 1 done, but some items failed or problems were found; 2 cannot start; 130 interrupted.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from medviewer.cli.output import CANNOT_START, DONE, INTERRUPTED, error_text, say, sentence
from medviewer.cli.program import Command, OpenWindow, Program, TakeScreenshot
from medviewer.core.discover import discover
from medviewer.core.errors import Cancelled, MedviewerError

OPEN = "open"  # the command behind `medviewer PATH...`
HELP = """View, check and export medical volumes. Research use only, not for diagnosis.

Without a command the window opens: medviewer [PATH]... shows files and folders, medviewer alone an empty window.

Exit status: 0 done; 1 done, but some items failed or problems were found; 2 cannot start.
"""


def run(argv: Sequence[str], open_window: OpenWindow, take_screenshot: TakeScreenshot) -> int:
    """Run one command; never raises, never shows a traceback unless asked with ``--debug``."""
    arguments, debug = _take_debug(argv)
    _prepare(debug)
    try:
        result = build()(_with_command(arguments), prog_name="medviewer", standalone_mode=False,
                         obj=Program(open_window, take_screenshot))
        return int(result or DONE)
    except (typer.Abort, KeyboardInterrupt, Cancelled):
        say("Stopped.")
        return INTERRUPTED
    except typer.TyperException as error:
        return _refuse(sentence(error.format_message()) + _where_help_is(error), error, debug)
    except MedviewerError as error:
        return _refuse(error_text(error), error, debug)
    except MemoryError as error:
        return _refuse("There is not enough memory for this.", error, debug)
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        return _refuse(sentence(f"{name}{error.strerror or error}"), error, debug)
    except Exception as error:  # noqa: BLE001 - the top-level hook
        text = f"medviewer stopped because of an error of its own ({type(error).__name__}: {error})"
        return _refuse(f"{sentence(text)} Run it again with --debug for the details.", error, debug)


def build() -> typer.Typer:
    """Make the typer application of all commands found."""
    app = typer.Typer(name="medviewer", help=HELP, add_completion=False, no_args_is_help=False,
                      subcommand_metavar="[PATH]... | COMMAND [ARGS]...", pretty_exceptions_enable=False,
                      context_settings={"help_option_names": ["-h", "--help"]})
    app.callback()(_options)
    for command in commands().values():
        app.command(command.id, hidden=command.hidden)(command.run)
    return app


def commands() -> dict[str, Command]:
    """Return the commands by name."""
    return discover("medviewer.cli.commands", "COMMAND")


def _show_version(wanted: bool) -> None:
    if wanted:
        from medviewer import __version__

        sys.stdout.write(f"medviewer {__version__} (research use only, not for diagnosis)\n")
        raise typer.Exit(DONE)


def _options(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True,
                                          help="Show the version and stop.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and log messages.")] = False,
) -> None:
    """See HELP; `--debug` has been taken out of the arguments before, since it may stand anywhere."""


def _take_debug(argv: Sequence[str]) -> tuple[list[str], bool]:
    arguments = list(argv)
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = [a for a in arguments[:end] if a != "--debug"] + arguments[end:]
    return kept, len(kept) < len(arguments)


def _with_command(arguments: list[str]) -> list[str]:
    """Put the name of the opening command where a path, or nothing, stands in the place of a command."""
    for n, argument in enumerate(arguments):
        if argument in ("-h", "--help", "--version"):
            return arguments
        if argument == "--" or not argument.startswith("-") or argument == "-":
            return arguments if argument in commands() else [*arguments[:n], OPEN, *arguments[n:]]
    return [*arguments, OPEN]


def _prepare(debug: bool) -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if debug:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, force=True)
        return
    warnings.simplefilter("ignore")  # what matters of them stands in the reports of each series
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.NullHandler())  # without any handler Python would write to stderr itself


def _refuse(text: str, error: BaseException, debug: bool) -> int:
    if debug:
        logging.getLogger(__name__).error("details", exc_info=error)
    say(text)
    return CANNOT_START

def _where_help_is(error: Any) -> str:
    context = getattr(error, "ctx", None)
    return f" See {context.command_path} --help." if context is not None else ""
