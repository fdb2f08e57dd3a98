"""Find everything that can be opened in files, folders, ZIP files and DICOMDIRs.

Files are told apart by their first 4 KiB, never by their extension alone. Every reader gets all its files
in one call, so that it can put slices together. One bad file never stops the others: it is listed with
the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from medviewer.core.discover import discover, missing
from medviewer.core.job import Job
from medviewer.core.study import ScanResult, Series, Skipped
from medviewer.io import waiting
from medviewer.io.archive import looks_like_zip, unpack
from medviewer.io.base import Reader
from medviewer.io.walk import Walk, is_companion

HEAD = 4096  # bytes a reader may judge a file by
HEADS = 4096  # files whose heads may be in memory at a time
SNIFF_SHARE = 0.15  # of the progress, for walking and sniffing


def scan_paths(paths: Sequence[Path | str], *, job: Job | None = None,
               on_series: Callable[[Series], None] | None = None) -> ScanResult:
    """Find the series in files and folders.

    Parameters
    ----------
    paths : sequence of path
        Files and folders; folders are searched with all their subfolders. A file named here that cannot be read
        is always listed as skipped; in a folder, known companions (text, tables, licences) are passed over.
    on_series : callable
        Called with each series as soon as its reader has found it.
    """
    job = job or Job()
    sorting = _Sorting(job)
    sorting.run([Path(p) for p in paths])
    result = ScanResult((), ())
    for n, (name, files) in enumerate(sorted(sorting.mine.items())):
        start, stop = (SNIFF_SHARE + (1 - SNIFF_SHARE) * m / len(sorting.mine) for m in (n, n + 1))
        part = sorting.readers[name].scan(files, job=job.part(start, stop))
        for series in part.series:
            if on_series is not None:
                on_series(series)
        result = result + part
    job.report(1.0, "Looking at files")
    return ScanResult(_with_unique_ids(result.series), tuple(dict.fromkeys((*sorting.skipped, *result.skipped))))


class _Entry(NamedTuple):
    """A file on its way to a reader: named by the user, already out of an archive."""

    path: Path
    named: bool
    unpacked: bool


def _head_of(entry: _Entry) -> bytes | OSError:
    try:
        with open(entry.path, "rb", buffering=0) as file:
            return file.read(HEAD)
    except OSError as error:
        return error


class _Sorting:
    """Give each file to the reader that knows it best; archives and directories are followed on the way."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.readers: dict[str, Reader] = discover("medviewer.io.formats", "READER")
        self.usable = {name: reader for name, reader in self.readers.items() if not missing(reader)}
        self.mine: dict[str, list[Path]] = {}
        self.skipped: list[Skipped] = []
        self.walk = Walk()

    def run(self, paths: Sequence[Path]) -> None:
        todo: list[_Entry] = []
        for path in paths:
            files, skipped = self.walk.files(path, self.job)
            todo += [_Entry(file, not path.is_dir(), False) for file in files]
            self.skipped += skipped
        self._sort_all(todo, 0.0, SNIFF_SHARE)

    def _sort_all(self, entries: Sequence[_Entry], start: float, stop: float) -> None:
        for at in range(0, len(entries), HEADS):
            few = entries[at:at + HEADS]
            low, high = (start + (stop - start) * n / len(entries) for n in (at, at + len(few)))
            heads = waiting.each(_head_of, few, self.job.part(low, high), "Looking at files")
            for entry, head in zip(few, heads, strict=True):
                inside = self._sort(entry, head)
                if inside:
                    self._sort_all(inside, low, low)

    def _sort(self, entry: _Entry, head: bytes | OSError) -> list[_Entry]:
        """Give one file to a reader, or return the files it stands for."""
        from medviewer.io.dicom.directory import looks_like_directory, referenced

        path, named, unpacked = entry
        if isinstance(head, OSError):
            self._skip(path, f"{path.name} cannot be read: {head.strerror or head}.")
            return []
        if looks_like_directory(head):
            listed, skipped = referenced(path)
            self.skipped += skipped
            return [_Entry(f, False, unpacked) for f in self.walk.only_new(listed)]
        best = self._best(path, head)
        if best is not None:
            self.mine.setdefault(best, []).append(path)
        elif looks_like_zip(head):
            return self._unzip(path, unpacked)
        elif named or not is_companion(path):
            self._skip(path, self._why_not(path, head))
        return []

    def _best(self, path: Path, head: bytes) -> str | None:
        """Return the reader that is surest; the first that is certain ends the search."""
        if not head:
            return None
        best, highest = None, 0.0
        for name, reader in self.usable.items():
            score = reader.sniff(path, head)
            if score > highest:
                best, highest = name, score
                if score >= 1.0:
                    break
        return best

    def _unzip(self, path: Path, unpacked: bool) -> list[_Entry]:
        if unpacked:
            self._skip(path, f"{path.name} is a ZIP file inside another one; unpack it first.")
            return []
        folder, skipped = unpack(path, self.job)
        self.skipped += skipped
        if folder is None:
            return []
        files, more = self.walk.files(folder, self.job)
        self.skipped += more
        if not files and not skipped:
            self._skip(path, f"{path.name} is an empty ZIP file.")
        return [_Entry(file, False, True) for file in files]

    def _why_not(self, path: Path, head: bytes) -> str:
        if not head:
            return f"{path.name} is empty."
        lacking = sorted({p for reader in self.readers.values() if reader.sniff(path, head) > 0
                          for p in missing(reader)})
        if lacking:
            return f"{path.name} needs a package that is not installed: {', '.join(lacking)}."
        return f"{path.name} is not a medical image or annotation that medviewer knows."

    def _skip(self, path: Path, reason: str) -> None:
        self.skipped.append(Skipped(path, reason))


def _with_unique_ids(series: Sequence[Series]) -> tuple[Series, ...]:
    """Make ids differ where the files give no difference (copies under other names)."""
    from dataclasses import replace

    seen: dict[str, int] = {}
    found = []
    for one in series:
        count = seen[one.id] = seen.get(one.id, 0) + 1
        found.append(one if count == 1 else replace(one, id=f"{one.id}-{count}"))
    return tuple(found)
