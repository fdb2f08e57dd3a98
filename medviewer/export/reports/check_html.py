"""The dataset check as one HTML file: worst cases first, with a picture of the slice in question.

The file needs nothing else and loads nothing; texts from files are escaped, and no patient names are shown.
"""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

from medviewer.core.files import atomic_write
from medviewer.export.case_check import CheckedCase
from medviewer.export.dataset_check import CheckReport
from medviewer.ops.checks.problem import Problem

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1c2630;
       background: #f6f7f9 }
h1 { font-size: 1.5rem; margin-bottom: .2rem } .sub { color: #5b6875; margin-top: 0 }
.case { display: flex; gap: 1rem; background: #fff; border: 1px solid #dde2e8; border-radius: 8px; padding: 1rem;
        margin: 1rem 0 }
.case img { width: 240px; align-self: flex-start; border-radius: 4px; background: #000 }
.case h2 { font-size: 1rem; margin: 0; overflow-wrap: anywhere } .case p { margin: .2rem 0 .6rem }
.on { color: #5b6875; font-size: .85rem; overflow-wrap: anywhere }
.score { float: right; font-weight: 600; color: #a33 } ul { margin: .3rem 0; padding-left: 1.2rem }
li { margin-bottom: .4rem } code { font-size: .8rem; color: #5b6875 } .fix { color: #2c5a3c }
.good li, .skipped li { overflow-wrap: anywhere } footer { color: #5b6875; font-size: .85rem; margin-top: 2rem }
"""


def write_check_html(report: CheckReport, path: str | Path) -> None:
    """Write the report, whole or not at all.

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    with atomic_write(path, "w", encoding="utf-8", errors="replace") as file:
        file.write(check_html(report))


def check_html(report: CheckReport) -> str:
    """Return the report as HTML."""
    bad = [c for c in report.cases if c.problems]
    good = [c for c in report.cases if not c.problems]
    counts = f"{len(report.cases)} masks checked, {len(bad)} with problems, {len(report.skipped)} not checked"
    parts = ["<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Dataset check</title>",
             f"<style>{STYLE}</style></head><body><h1>Dataset check</h1><p class=\"sub\">{counts}</p>",
             *map(_case, bad)]
    if report.skipped:
        items = "".join(f"<li>{_text(f.item)}: {_text(f.reason)}</li>" for f in report.skipped)
        parts.append(f"<h2>Not checked</h2><ul class=\"skipped\">{items}</ul>")
    if good:
        items = "".join(f"<li>{_text(_short(c.mask))}{_notes(c)}</li>" for c in good)
        parts.append(f"<details class=\"good\"><summary>{len(good)} without problems</summary>"
                     f"<ul>{items}</ul></details>")
    parts.append("<footer>Made by medviewer. Research use only, not for diagnosis.</footer></body></html>\n")
    return "\n".join(parts)


def _case(case: CheckedCase) -> str:
    picture = ""
    if case.picture:
        data = base64.b64encode(case.picture).decode("ascii")
        picture = f"<img alt=\"slice with the outline of the mask\" src=\"data:image/png;base64,{data}\">"
    image = f"<p class=\"on\">on {_text(_short(case.image))}</p>" if case.image else ""
    return (f"<section class=\"case\">{picture}<div><span class=\"score\">{case.score:.2f}</span>"
            f"<h2>{_text(_short(case.mask))}</h2>{image}<ul>{''.join(map(_problem, case.problems))}</ul>"
            f"{_notes(case)}</div></section>")


def _problem(problem: Problem) -> str:
    where = f" Slice {problem.slice + 1}." if problem.slice is not None else ""
    fix = f" <span class=\"fix\">{_text(problem.fix)}</span>" if problem.fix else ""
    return f"<li>{_text(problem.problem)}{where}{fix} <code>{_text(problem.code)}</code></li>"


def _notes(case: CheckedCase) -> str:
    if not case.notes:
        return ""
    return f"<p class=\"on\">Notes: {' '.join(_text(n.problem) for n in case.notes)}</p>"


def _short(path: str) -> str:
    """Return the last parts of a path: enough to find the file, without the folders of this machine."""
    return "/".join(Path(path).parts[-3:])


def _text(text: str) -> str:
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text), quote=True)
