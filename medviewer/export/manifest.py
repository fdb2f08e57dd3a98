"""The record of an export: what was made of what, how, and whether it was checked.

While an export runs, every finished case is added to a journal (one line each, flushed to the disk); the
manifest replaces it at the end. Both hold the same entries, so an export that was stopped is taken up where it
was, and one that is repeated keeps what is still good. Nothing in the manifest depends on the day or the machine.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from medviewer.core.errors import ReadError, WriteError
from medviewer.export.cases import Case, Failure
from medviewer.export.recipe import Recipe
from medviewer.export.writer import Written, hash_file

FORMAT = 1
MANIFEST = "manifest.json"
JOURNAL = "unfinished.jsonl"
PLACES = {"link", "images", "contours"}  # where things lie on this machine says nothing about the content
PACKAGES = ("numpy", "pillow", "pydicom")

Entry = dict[str, Any]  # one case as in the manifest: file, fingerprint, files, sources, ...


class Sources:
    """Hashes of source files, each computed once, named relative to the folders they were given by."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = [r.resolve() for r in roots]
        self._known: dict[Path, tuple[str, int]] = {}

    def hash(self, path: Path) -> str:
        """Return SHA-256 of a source file.

        Raises
        ------
        ReadError
            If it cannot be read.
        """
        if path not in self._known:
            self._known[path] = hash_file(path)
        return self._known[path][0]

    def name(self, path: Path) -> str:
        """Return the name of a file as it stands in the manifest."""
        full = path.resolve()
        for root in self._roots:
            if full.is_relative_to(root):
                return full.relative_to(root.parent).as_posix()
        return path.name

    def listing(self) -> list[Entry]:
        """Return all files hashed so far, sorted."""
        found = [{"path": self.name(p), "sha256": sha, "bytes": size} for p, (sha, size) in self._known.items()]
        return sorted(found, key=lambda e: (e["path"], e["sha256"]))


@cache
def program_versions() -> dict[str, str]:
    """Return the versions that decide the bytes written."""
    from importlib.metadata import PackageNotFoundError, version

    from medviewer import __version__

    versions = {"medviewer": __version__}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "unknown"
    return versions


def recipe_values(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe without the places of this machine."""
    return recipe.model_dump(mode="json", exclude=PLACES)


def fingerprint(case: Case, recipe: Recipe, sources: Sources) -> str:
    """Return a hash of all that decides what is written for a case.

    Raises
    ------
    ReadError
        If a source cannot be read.
    """
    parts = {"format": FORMAT, "recipe": recipe_values(recipe), "versions": program_versions(),
             "case": [case.folder, case.number, dict(case.facts)], "sources": [sources.hash(p) for p in case.sources]}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Totals:
    """What an export came to."""

    entries: Sequence[Entry]
    failures: Sequence[Failure]
    left_out: Sequence[Failure]
    lists: Sequence[Written]


def manifest_text(recipe: Recipe, sources: Sources, totals: Totals) -> str:
    """Return the manifest as JSON text."""
    files = sorted([f for e in totals.entries for f in e["files"]] + [asdict(w) for w in totals.lists],
                   key=lambda f: str(f["path"]))
    content = "".join(f"{f['path']} {f['sha256']}\n" for f in files)
    document = {
        "format": FORMAT, "program": "medviewer", "layout": recipe.layout, "recipe": recipe_values(recipe),
        "versions": program_versions(), "sources": sources.listing(), "cases": list(totals.entries), "files": files,
        "dataset_sha256": hashlib.sha256(content.encode()).hexdigest(),
        "verification": {"reader": "numpy.load", "checked": len(totals.entries),
                         "passed": sum(bool(e["verified"]) for e in totals.entries)},
        "skipped": [asdict(f) for f in totals.failures], "left_out": [asdict(f) for f in totals.left_out],
    }
    return json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n"


def finished_entries(folder: Path) -> dict[str, Entry]:
    """Return the entries of an earlier run by the case's file; what cannot be read counts as not done."""
    found: dict[str, Entry] = {}
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
        found.update(_valid(json.loads(text).get("cases", [])))
    except (OSError, ValueError, AttributeError):
        pass
    try:
        lines = (folder / JOURNAL).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return found
    for line in lines:
        try:
            found.update(_valid([json.loads(line)]))
        except ValueError:
            continue  # the line that was being written when the run ended
    return found


def _valid(entries: object) -> dict[str, Entry]:
    """Keep entries of the right form; the files are read from disk and may have been edited."""
    if not isinstance(entries, list):
        return {}
    return {str(e["file"]): e for e in entries
            if isinstance(e, dict) and isinstance(e.get("files"), list) and {"file", "fingerprint"} <= set(e)
            and all(isinstance(f, dict) and {"path", "sha256", "bytes"} <= set(f) for f in e["files"])}


def still_good(folder: Path, entry: Mapping[str, Any]) -> bool:
    """Whether all files of an entry are there with the same content."""
    for file in entry["files"]:
        path = folder / str(file["path"])
        try:
            if not path.is_file() or hash_file(path)[0] != file["sha256"]:
                return False
        except ReadError:
            return False
    return bool(entry["files"])


class Journal:
    """Finished cases of a running export, on the disk as soon as they are done."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL
        self._file: IO[str] | None = None

    def add(self, entry: Entry) -> None:
        """Write one entry and flush it to the disk.

        Raises
        ------
        WriteError
            If the disk is full or the folder cannot be written.
        """
        try:
            if self._file is None:
                self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115 - open for the whole run
                self._file.write("\n")  # ends a line that a killed run left unfinished
            self._file.write(json.dumps(entry, sort_keys=True) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise WriteError(f"{self._path.name} cannot be written: {error.strerror}", path=self._path) from error

    def close(self, *, finished: bool) -> None:
        """End the journal; it is removed once the manifest stands."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if finished:
            self._path.unlink(missing_ok=True)


def log_lines(failures: Iterable[Failure]) -> str:
    """Return the log: one line for every item that is not in the export."""
    return "".join(" ".join(f"{f.item}: {f.reason}".split()) + "\n" for f in failures)
