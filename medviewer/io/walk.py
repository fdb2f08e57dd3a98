"""List the files under paths: each once, in a stable order, without going round in circles."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from medviewer.core.job import Job
from medviewer.core.study import Skipped

# files that lie beside images and are none
COMPANIONS = {".txt", ".csv", ".tsv", ".md", ".rst", ".json", ".xml", ".yaml", ".yml", ".html", ".htm", ".pdf", ".log",
              ".ini", ".inf", ".py", ".sh", ".bat", ".exe", ".dll", ".css", ".js", ".url", ".lnk"}
COMPANION_NAMES = {"license", "licence", "readme", "copying", "authors", "notice", "changelog", "attribution",
                   "thumbs.db", "desktop.ini", "lockfile", "version"}


def is_companion(path: Path) -> bool:
    """Whether a file is known not to be an image, so that nobody wonders where it is."""
    return (path.suffix.lower() in COMPANIONS or path.name.startswith(".")
            or not {path.name.lower(), path.stem.lower()}.isdisjoint(COMPANION_NAMES))


class Walk:
    """Walks that remember where they have been."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, int]] = set()

    def files(self, path: Path, job: Job) -> tuple[list[Path], list[Skipped]]:
        """List a file, or the files of a folder and its subfolders; hidden ones are passed over."""
        skipped: list[Skipped] = []
        try:
            if path.is_dir():
                if not self._new(path):
                    return [], []
                return list(self._walk(path, job, skipped)), skipped
            return self.only_new([path]), []
        except OSError as error:
            return [], [Skipped(path, f"{path.name} cannot be read: {error.strerror or error}.")]

    def only_new(self, paths: Iterable[Path]) -> list[Path]:
        """Return the files that were not listed before, by whatever name."""
        return [p for p in paths if self._new(p)]

    def _walk(self, folder: Path, job: Job, skipped: list[Skipped]) -> Iterator[Path]:
        def refuse(error: OSError) -> None:
            place = Path(error.filename or folder)
            skipped.append(Skipped(place, f"{place.name} cannot be read: {error.strerror or error}."))

        for root, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
            job.check()
            # a folder seen before is a link back: going on would never end
            folders[:] = [f for f in sorted(folders) if not f.startswith(".") and self._is_new(Path(root, f), skipped)]
            here = Path(root)
            for name in sorted(files):
                if not name.startswith(".") and self._is_new(path := here / name, skipped, files_only=True):
                    yield path

    def _is_new(self, path: Path, skipped: list[Skipped], *, files_only: bool = False) -> bool:
        try:
            return self._new(path, files_only=files_only)
        except OSError as error:  # a broken link, a vanished file
            skipped.append(Skipped(path, f"{path.name} cannot be read: {error.strerror or error}."))
            return False

    def _new(self, path: Path, *, files_only: bool = False) -> bool:
        status = os.stat(path)
        if files_only and not stat.S_ISREG(status.st_mode):
            return False  # a pipe, a device
        if status.st_ino == 0:
            return True  # a file system without file numbers
        key = (status.st_dev, status.st_ino)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True
