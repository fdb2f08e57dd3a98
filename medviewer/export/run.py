"""Run an export: plan, read, write, verify, and record; a bad case is reported and costs only itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from medviewer.core.discover import discover
from medviewer.core.errors import MedviewerError, ParamError, ReadError, WriteError
from medviewer.core.job import Job
from medviewer.export.cases import Case, Failure, Plan, Sample
from medviewer.export.manifest import (
    MANIFEST,
    Entry,
    Journal,
    Sources,
    Totals,
    fingerprint,
    finished_entries,
    log_lines,
    manifest_text,
    still_good,
)
from medviewer.export.recipe import Recipe
from medviewer.export.writer import Written, write_text

LOG = "export.log"
PART = ".part-*"  # what atomic_path leaves if the process is killed


class Layout(Protocol):
    """How a data set is laid out. A module in `export/layouts` that defines LAYOUT is found by itself."""

    id: str
    label: str
    requires: tuple[str, ...]

    def plan(self, recipe: Recipe, sources: Sequence[Path], out: Path, job: Job) -> Plan:
        """Pair images with annotations."""
        ...

    def file_of(self, case: Case) -> str:
        """Return the main file of a case, relative to the export folder."""
        ...

    def write(self, case: Case, sample: Sample, recipe: Recipe, out: Path) -> tuple[list[Written], dict[str, Any]]:
        """Write and verify one case; returns its files and what the manifest says about them."""
        ...

    def lists(self, entries: Sequence[Entry], recipe: Recipe, out: Path) -> dict[str, str]:
        """Return the texts written at the end, by file name."""
        ...


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What an export came to.

    out : the folder
    written, kept : cases written now, and cases found finished from an earlier run
    failures : items that could not be exported; empty if all went well
    left_out : items that are not part of it by its own rules
    stale : files of an earlier export in the same folder that are not part of this one
    """

    out: Path
    written: int
    kept: int
    failures: tuple[Failure, ...]
    left_out: tuple[Failure, ...]
    stale: tuple[str, ...]

    @property
    def manifest(self) -> Path:
        """The manifest file."""
        return self.out / MANIFEST


def layouts() -> dict[str, Layout]:
    """Return the known layouts by id."""
    return discover("medviewer.export.layouts", "LAYOUT")


def run_export(recipe: Recipe, sources: Sequence[Path | str], out: Path | str, *,
               job: Job | None = None) -> ExportResult:
    """Write a data set; repeated or resumed, it keeps what is finished and still good.

    Parameters
    ----------
    recipe : Recipe
    sources : sequence of path
        Files and folders to export.
    out : path
        Folder of the data set; made if it does not exist.

    Raises
    ------
    ParamError
        If the layout is unknown or a source or `out` cannot be used.
    ReadError
        If there is nothing to export.
    WriteError
        If the folder cannot be written; finished cases stay, and a second run goes on from there.
    Cancelled
        If the job was cancelled; the same holds.
    """
    job, out = job or Job(), Path(out)
    paths = [Path(s) for s in sources]
    layout = _layout(recipe)
    _check_places(paths, out)
    plan = layout.plan(recipe, paths, out, job.part(0.0, 0.2))
    if not plan.cases:
        raise _nothing(plan, paths)
    _prepare(out)
    done = _Run(recipe, layout, out, Sources([*paths, *(p for p in (recipe.images, recipe.contours) if p)]))
    done.cases(plan, job.part(0.2, 1.0))
    return done.finish(plan)


class _Run:
    """One export under way."""

    def __init__(self, recipe: Recipe, layout: Layout, out: Path, sources: Sources) -> None:
        self.recipe, self.layout, self.out, self.sources = recipe, layout, out, sources
        self.entries: list[Entry] = []
        self.failures: list[Failure] = []
        self.written = self.kept = 0
        self.earlier = finished_entries(out)
        self.journal = Journal(out)

    def cases(self, plan: Plan, job: Job) -> None:
        """Do every case that is not finished yet."""
        taken: set[str] = set()
        try:
            for case in job.each(plan.cases, "Exporting"):
                name = self.layout.file_of(case)
                if name.casefold() in taken:
                    self.failures.append(Failure(case.title, f"another slice has already been written as {name}"))
                    continue
                taken.add(name.casefold())
                try:
                    self._one(case, name)
                except WriteError:
                    raise  # a full disk does not get better with the next case
                except MedviewerError as error:
                    self.failures.append(Failure(case.title, f"{error.message} {error.hint}".strip()))
        finally:
            self.journal.close(finished=False)

    def _one(self, case: Case, name: str) -> None:
        mark = fingerprint(case, self.recipe, self.sources)
        entry = self.earlier.get(name)
        if entry is not None and entry["fingerprint"] == mark and still_good(self.out, entry):
            self.kept += 1
        else:
            sample = case.load()
            if sample.failures and not sample.masks:
                self.failures += sample.failures
                return
            entry = self._write(case, sample, name, mark)
            self.written += 1
            self.journal.add(entry)
        self.entries.append(entry)
        self.failures += [Failure(**f) for f in entry["failures"]]

    def _write(self, case: Case, sample: Sample, name: str, mark: str) -> Entry:
        files, facts = self.layout.write(case, sample, self.recipe, self.out)
        return {"file": name, "fingerprint": mark, "number": case.number, "patient": case.folder,
                "sources": [self.sources.name(p) for p in case.sources], "verified": True,
                "files": [asdict(w) for w in files], "notes": list(sample.notes),
                "failures": [asdict(f) for f in sample.failures], **case.facts, **sample.facts, **facts}

    def finish(self, plan: Plan) -> ExportResult:
        """Write the lists, the log and the manifest."""
        failures = (*plan.failures, *self.failures)
        for path in plan.sources:
            self.sources.hash(path)
        texts = {**self.layout.lists(self.entries, self.recipe, self.out), LOG: log_lines(failures)}
        lists = [write_text(self.out, name, text) for name, text in texts.items()]
        totals = Totals(self.entries, failures, plan.left_out, lists)
        write_text(self.out, MANIFEST, manifest_text(self.recipe, self.sources, totals))
        self.journal.close(finished=True)
        ours = {str(f["path"]) for e in self.entries for f in e["files"]}
        stale = sorted(str(f["path"]) for e in self.earlier.values() for f in e["files"]
                       if str(f["path"]) not in ours and (self.out / str(f["path"])).is_file())
        return ExportResult(self.out, self.written, self.kept, failures, plan.left_out, tuple(stale))


def _layout(recipe: Recipe) -> Layout:
    known = layouts()
    if recipe.layout not in known:
        raise ParamError(f"there is no layout {recipe.layout!r}", hint=f"Known layouts: {', '.join(known)}.")
    return known[recipe.layout]


def _check_places(sources: Sequence[Path], out: Path) -> None:
    if not sources:
        raise ParamError("an export needs something to export")
    for source in sources:
        if not source.exists():
            raise ParamError(f"{source} does not exist", path=source)
        if source.resolve().is_relative_to(out.resolve()):
            raise ParamError(f"the export folder {out} holds the source {source.name}", path=out,
                             hint="Choose another folder: sources are never written to.")
    if out.exists() and not out.is_dir():
        raise ParamError(f"{out} is a file, not a folder", path=out)


def _prepare(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for part in out.rglob(PART):
            part.unlink(missing_ok=True)
    except OSError as error:
        raise WriteError(f"{out} cannot be written: {error.strerror}", path=out) from error


def _nothing(plan: Plan, sources: Sequence[Path]) -> ReadError:
    first = next(iter((*plan.failures, *plan.left_out)), None)
    count = len(plan.failures) - 1
    more = f": {first.item}: {first.reason}" if first else ""
    more += f" (and {count} more)" if count > 0 else ""
    return ReadError(f"there is nothing to export in {', '.join(p.name or str(p) for p in sources)}{more}")
